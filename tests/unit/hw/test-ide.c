/*
 * IDE: disks and CD-ROMs, by register scripts as a guest's driver runs them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/resource.h>

#include "hw/ide/atapi.h"

#include "fake-ide.h"
#include "vmstate-roundtrip.h"

#define DISK_SECTORS 4096u
#define CD_BLOCKS    64u
#define ERR_STATUS   (IDE_DRDY | IDE_DSC | IDE_ERR)
#define OK_STATUS    (IDE_DRDY | IDE_DSC)
#define DRQ_STATUS   (IDE_DRDY | IDE_DSC | IDE_DRQ)
#define PRD_LAST     0x80000000u

typedef struct Fixture {
    FakeIDE ide;
    DeviceState *dev;
    char *path;
    uint8_t *image;
    size_t bytes;
} Fixture;

static void make_image(Fixture *f, size_t bytes)
{
    int fd = g_file_open_tmp("ferry-ide-XXXXXX", &f->path, NULL);

    f->bytes = bytes;
    f->image = g_malloc(bytes);
    for (size_t i = 0; i < bytes; i++) {
        f->image[i] = (uint8_t)(i / 512 + i * 3);
    }
    g_assert_cmpint(write(fd, f->image, bytes), ==, (ssize_t)bytes);
    close(fd);
}

static void plug_as(Fixture *f, const char *type, const char *id,
                    const char *more)
{
    g_autofree char *text = g_strdup_printf(
        "file=%s,format=raw,if=none,id=%s%s", f->path, id, more);

    drive_new_str(text, IF_NONE, qemu_get_aio_context(), &error_abort);
    f->dev = fake_ide_plug(&f->ide, type, id, &error_abort);
}

static void plug(Fixture *f, const char *type, const char *more)
{
    plug_as(f, type, "d", more);
}

static void set_up_disk(Fixture *f, gconstpointer data)
{
    fake_ide_init(&f->ide);
    make_image(f, DISK_SECTORS * 512);
    plug(f, "ide-hd", data ? data : "");
}

static void set_up_cd(Fixture *f, gconstpointer data)
{
    fake_ide_init(&f->ide);
    make_image(f, CD_BLOCKS * 2048);
    plug(f, "ide-cd", ",media=cdrom");
}

static void tear_down(Fixture *f, gconstpointer data)
{
    fake_ide_unplug(f->dev);
    fake_ide_deinit(&f->ide);
    drives_cleanup();
    blockdevs_cleanup();
    g_unlink(f->path);
    g_free(f->path);
    g_free(f->image);
}

/* -- what a driver does ------------------------------------------------------------- */

static uint8_t rd(Fixture *f, unsigned n)
{
    return (uint8_t)ide_read(f->ide.bus, n, 1);
}

static void wr(Fixture *f, unsigned n, uint8_t value)
{
    ide_write(f->ide.bus, n, value, 1);
}

/* Until the drive is not busy. Returns: status, with the interrupt taken. */
static uint8_t settle(Fixture *f)
{
    while (ide_read_alt(f->ide.bus) & IDE_BSY) {
        aio_poll(qemu_get_aio_context(), true);
    }
    return rd(f, 7);
}

static void command(Fixture *f, uint8_t cmd, uint64_t lba, unsigned count)
{
    bool ext = lba >> 28 || count > 256 || cmd == 0x24 || cmd == 0x25 ||
               cmd == 0x29 || cmd == 0x34 || cmd == 0x35 || cmd == 0x39;

    wr(f, 6, 0x40 | (ext ? 0 : (uint8_t)(lba >> 24)));
    if (ext) {
        wr(f, 2, (uint8_t)(count >> 8));
        wr(f, 3, (uint8_t)(lba >> 24));
        wr(f, 4, (uint8_t)(lba >> 32));
        wr(f, 5, (uint8_t)(lba >> 40));
    }
    wr(f, 2, (uint8_t)count);
    wr(f, 3, (uint8_t)lba);
    wr(f, 4, (uint8_t)(lba >> 8));
    wr(f, 5, (uint8_t)(lba >> 16));
    wr(f, 7, cmd);
}

static void read_data(Fixture *f, uint8_t *buf, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 2) {
        uint32_t v = ide_read(f->ide.bus, 0, 2);

        memcpy(buf + i, &v, 2);
    }
}

static void write_data(Fixture *f, const uint8_t *buf, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 4) {
        uint32_t v;

        memcpy(&v, buf + i, 4);
        ide_write(f->ide.bus, 0, v, 4);
    }
}

static unsigned word(const uint8_t *buf, unsigned n)
{
    return buf[2 * n] | (unsigned)buf[2 * n + 1] << 8;
}

static void expect_image(Fixture *f)
{
    g_autofree char *now = NULL;
    gsize n;

    /* Bounded by the test's own file. */
    g_assert_true(g_file_get_contents(f->path, &now, &n, NULL));
    g_assert_cmpmem(now, n, f->image, f->bytes);
}

static void prd(Fixture *f, unsigned i, uint32_t addr, uint32_t count)
{
    pci_set_long(f->ide.ram + FAKE_IDE_PRDT + 8 * i, addr);
    pci_set_long(f->ide.ram + FAKE_IDE_PRDT + 8 * i + 4, count);
}

static uint8_t run_dma(Fixture *f, uint8_t cmd, uint64_t lba, unsigned count,
                       bool to_memory)
{
    uint8_t status;

    fake_bm_write(&f->ide, 0, to_memory ? 8 : 0, 1);
    fake_bm_write(&f->ide, 2, 6, 1);
    fake_bm_write(&f->ide, 4, FAKE_IDE_PRDT, 4);
    command(f, cmd, lba, count);
    fake_bm_write(&f->ide, 0, to_memory ? 9 : 1, 1);
    status = settle(f);
    fake_bm_write(&f->ide, 0, 0, 1);
    return status;
}

/* -- disk ------------------------------------------------------------------------------ */

static void test_identify(Fixture *f, gconstpointer data)
{
    uint8_t id[512];

    /* What a BIOS looks at after a reset. */
    g_assert_cmphex(rd(f, 7), ==, OK_STATUS);
    g_assert_cmphex(rd(f, 1), ==, 1);
    g_assert_cmphex(rd(f, 2), ==, 1);
    g_assert_cmphex(rd(f, 3), ==, 1);
    g_assert_cmphex(rd(f, 4) | rd(f, 5), ==, 0);
    wr(f, 2, 0x55);
    wr(f, 3, 0xaa);
    g_assert_cmphex(rd(f, 2), ==, 0x55);
    g_assert_cmphex(rd(f, 3), ==, 0xaa);
    /* There is no slave. */
    wr(f, 6, 0xb0);
    g_assert_cmphex(rd(f, 7), ==, 0);
    wr(f, 7, 0xec);
    g_assert_false(f->ide.bus->irq_wanted);
    wr(f, 6, 0xa0);
    wr(f, 7, 0xec);
    g_assert_true(f->ide.bus->irq_wanted);
    g_assert_cmphex(rd(f, 7), ==, DRQ_STATUS);
    g_assert_false(f->ide.bus->irq_wanted);
    read_data(f, id, sizeof(id));
    g_assert_cmphex(rd(f, 7), ==, OK_STATUS);
    g_assert_cmpuint(word(id, 60) | word(id, 61) << 16, ==, DISK_SECTORS);
    g_assert_cmpuint(word(id, 100), ==, DISK_SECTORS);
    g_assert_cmpmem(id + 54, 4, "EQUM", 4);
    g_assert_cmpmem(id + 20, 8, "MQ0000 1", 8);
    g_assert_cmphex(word(id, 83) & 0x0400, ==, 0x0400);
    g_assert_cmphex(word(id, 49) & 0x0300, ==, 0x0300);
}

static void test_pio(Fixture *f, gconstpointer data)
{
    uint8_t buf[32 * 512];

    command(f, 0x20, 7, 3);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(settle(f), ==, DRQ_STATUS);
        read_data(f, buf + 512 * i, 512);
    }
    g_assert_cmphex(rd(f, 7), ==, OK_STATUS);
    g_assert_cmpmem(buf, 3 * 512, f->image + 7 * 512, 3 * 512);
    /* Blocks of sixteen sectors, the last one shorter. */
    command(f, 0x29, 100, 20);
    g_assert_cmphex(settle(f), ==, DRQ_STATUS);
    read_data(f, buf, 16 * 512);
    g_assert_cmphex(settle(f), ==, DRQ_STATUS);
    read_data(f, buf + 16 * 512, 4 * 512);
    g_assert_cmphex(rd(f, 7), ==, OK_STATUS);
    g_assert_cmpmem(buf, 20 * 512, f->image + 100 * 512, 20 * 512);
    /* The first block of a write comes without an interrupt. */
    memset(f->image + 50 * 512, 0x5a, 1024);
    command(f, 0x30, 50, 2);
    g_assert_false(f->ide.bus->irq_wanted);
    g_assert_cmphex(rd(f, 7), ==, DRQ_STATUS);
    write_data(f, f->image + 50 * 512, 512);
    g_assert_cmphex(settle(f), ==, DRQ_STATUS);
    write_data(f, f->image + 51 * 512, 512);
    g_assert_cmphex(settle(f), ==, OK_STATUS);
    command(f, 0xe7, 0, 0);
    g_assert_cmphex(settle(f), ==, OK_STATUS);
    expect_image(f);
    /* Cylinder 1, head 2, sector 3 of 16 heads and 63 sectors. */
    wr(f, 6, 0xa2);
    wr(f, 2, 1);
    wr(f, 3, 3);
    wr(f, 4, 1);
    wr(f, 5, 0);
    wr(f, 7, 0x20);
    g_assert_cmphex(settle(f), ==, DRQ_STATUS);
    read_data(f, buf, 512);
    g_assert_cmpmem(buf, 512, f->image + (16 * 63 + 2 * 63 + 2) * 512, 512);
}

static void test_dma(Fixture *f, gconstpointer data)
{
    /* Pieces that end inside of sectors and pages. */
    prd(f, 0, 0x20ffe, 6);
    prd(f, 1, 0x30002, 1000);
    prd(f, 2, 0x40000, PRD_LAST | 0); /* 64 KiB */
    g_assert_cmphex(run_dma(f, 0xc8, 9, 32, true), ==, OK_STATUS);
    g_assert_cmpmem(f->ide.ram + 0x20ffe, 6, f->image + 9 * 512, 6);
    g_assert_cmpmem(f->ide.ram + 0x30002, 1000, f->image + 9 * 512 + 6, 1000);
    g_assert_cmpmem(f->ide.ram + 0x40000, 32 * 512 - 1006,
                    f->image + 9 * 512 + 1006, 32 * 512 - 1006);
    g_assert_cmphex(f->ide.ram[0x40000 + 32 * 512 - 1006], ==, 0);
    g_assert_cmphex(fake_bm_status(&f->ide) & 7, ==, 4);
    /* A write, the engine started before the command. */
    for (unsigned i = 0; i < 0x3000; i++) {
        f->ide.ram[0x50000 + i] = (uint8_t)(i * 11);
    }
    prd(f, 0, 0x50000, PRD_LAST | 0x3000);
    fake_bm_write(&f->ide, 2, 6, 1);
    fake_bm_write(&f->ide, 4, FAKE_IDE_PRDT, 4);
    fake_bm_write(&f->ide, 0, 1, 1);
    command(f, 0x35, 2000, 24);
    g_assert_cmphex(settle(f), ==, OK_STATUS);
    fake_bm_write(&f->ide, 0, 0, 1);
    memcpy(f->image + 2000 * 512, f->ide.ram + 0x50000, 0x3000);
    expect_image(f);
}

static void test_dma_errors(Fixture *f, gconstpointer data)
{
    /* The table ends before the data. */
    prd(f, 0, 0x20000, PRD_LAST | 512);
    g_assert_cmphex(run_dma(f, 0xc8, 0, 2, true), ==, ERR_STATUS);
    g_assert_cmphex(fake_bm_status(&f->ide) & 7, ==, 6);
    /* No RAM there; no RAM where the table should be. */
    prd(f, 0, 0x80000000, PRD_LAST | 512);
    g_assert_cmphex(run_dma(f, 0xc8, 0, 1, true), ==, ERR_STATUS);
    fake_bm_write(&f->ide, 4, 0xfffffff0, 4);
    command(f, 0xc8, 0, 1);
    fake_bm_write(&f->ide, 0, 9, 1);
    g_assert_cmphex(settle(f), ==, ERR_STATUS);
    fake_bm_write(&f->ide, 0, 0, 1);
    /* The wrong direction; no bus mastering. */
    prd(f, 0, 0x20000, PRD_LAST | 512);
    g_assert_cmphex(run_dma(f, 0xca, 0, 1, true), ==, ERR_STATUS);
    fake_pci_write(&f->ide.pci, PIIX3_IDE_DEVFN, PCI_COMMAND, PCI_COMMAND_IO,
                   2);
    g_assert_cmphex(run_dma(f, 0xc8, 0, 1, true), ==, ERR_STATUS);
    expect_image(f);
}

static void test_errors(Fixture *f, gconstpointer data)
{
    static const uint8_t refused[] = { 0x00, 0x08, 0xf9, 0x87, 0xff, 0xf1 };

    command(f, 0x20, DISK_SECTORS - 1, 2);
    g_assert_cmphex(settle(f), ==, ERR_STATUS);
    g_assert_cmphex(rd(f, 1) & IDE_IDNF, ==, IDE_IDNF);
    command(f, 0x24, 0xffffffffffffull, 1);
    g_assert_cmphex(settle(f), ==, ERR_STATUS);
    command(f, 0xca, DISK_SECTORS, 1);
    g_assert_cmphex(settle(f), ==, ERR_STATUS);
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        wr(f, 7, refused[i]);
        g_assert_cmphex(settle(f), ==, ERR_STATUS);
        g_assert_cmphex(rd(f, 1), ==, IDE_ABRT);
    }
    /* Packet commands name what this is. */
    wr(f, 4, 0x12);
    wr(f, 7, 0xa1);
    g_assert_cmphex(settle(f), ==, ERR_STATUS);
    g_assert_cmphex(rd(f, 4), ==, 0);
    /* Data nobody asked for. */
    g_assert_cmphex(ide_read(f->ide.bus, 0, 4), ==, 0);
    ide_write(f->ide.bus, 0, 0x12345678, 4);
    /* Multiple: not more than sixteen, a power of two. */
    command(f, 0xc6, 0, 17);
    g_assert_cmphex(settle(f), ==, ERR_STATUS);
    command(f, 0xc6, 0, 0);
    g_assert_cmphex(settle(f), ==, OK_STATUS);
    command(f, 0xc4, 0, 1);
    g_assert_cmphex(settle(f), ==, ERR_STATUS);
    expect_image(f);
}

static void test_reset(Fixture *f, gconstpointer data)
{
    /* With the line off there is no interrupt, but the drive wants one. */
    ide_write_control(f->ide.bus, IDE_CTL_NIEN);
    command(f, 0x20, 0, 1);
    g_assert_cmphex(ide_read_alt(f->ide.bus), ==, IDE_BSY | OK_STATUS);
    wr(f, 7, 0xec); /* busy: not heard */
    ide_write_control(f->ide.bus, IDE_CTL_SRST);
    while (ide_read_alt(f->ide.bus) & IDE_BSY) {
        aio_poll(qemu_get_aio_context(), true);
    }
    ide_write_control(f->ide.bus, 0);
    g_assert_cmphex(rd(f, 7), ==, OK_STATUS);
    g_assert_cmphex(rd(f, 1), ==, 1);
    g_assert_cmphex(rd(f, 2), ==, 1);
    g_assert_cmphex(rd(f, 5), ==, 0);
    /* 48-bit registers: what was written before, by bit 7 of control. */
    wr(f, 3, 0x11);
    wr(f, 3, 0x22);
    ide_write_control(f->ide.bus, IDE_CTL_HOB);
    g_assert_cmphex(rd(f, 3), ==, 0x11);
    ide_write_control(f->ide.bus, 0);
    g_assert_cmphex(rd(f, 3), ==, 0x22);
    wr(f, 7, 0x90);
    g_assert_cmphex(settle(f), ==, OK_STATUS);
    g_assert_cmphex(rd(f, 1), ==, 1);
    command(f, 0xf8, 0, 0);
    settle(f);
    g_assert_cmphex(rd(f, 3) | (unsigned)rd(f, 4) << 8, ==, DISK_SECTORS - 1);
}

/* What was under way has ended when the machine's reset has: afterwards
 * firmware or a kernel is put into the same memory. */
static void test_machine_reset(Fixture *f, gconstpointer data)
{
    prd(f, 0, 0x20000, PRD_LAST | 0x8000);
    fake_bm_write(&f->ide, 4, FAKE_IDE_PRDT, 4);
    command(f, 0xc8, 0, 64);
    fake_bm_write(&f->ide, 0, 9, 1);
    g_assert_cmpuint(IDE_DEVICE(f->dev)->in_flight, ==, 1);
    device_cold_reset(DEVICE(f->ide.dev));
    g_assert_cmpuint(IDE_DEVICE(f->dev)->in_flight, ==, 0);
    g_assert_cmphex(ide_read_alt(f->ide.bus), ==, OK_STATUS);
    g_assert_cmphex(rd(f, 1), ==, 1);
    g_assert_false(f->ide.bus->irq_wanted);
}

static void test_smart(Fixture *f, gconstpointer data)
{
    uint8_t buf[512], sum = 0;

    wr(f, 1, 0xda);
    wr(f, 7, 0xb0);
    g_assert_cmphex(settle(f), ==, ERR_STATUS); /* without its key */
    wr(f, 4, 0x4f);
    wr(f, 5, 0xc2);
    wr(f, 7, 0xb0);
    g_assert_cmphex(settle(f), ==, OK_STATUS);
    g_assert_cmphex(rd(f, 4), ==, 0x4f);
    wr(f, 1, 0xd0);
    wr(f, 7, 0xb0);
    g_assert_cmphex(settle(f), ==, DRQ_STATUS);
    read_data(f, buf, 512);
    for (unsigned i = 0; i < 512; i++) {
        sum = (uint8_t)(sum + buf[i]);
    }
    g_assert_cmphex(sum, ==, 0);
}

static void test_read_only(Fixture *f, gconstpointer data)
{
    command(f, 0x30, 0, 1);
    g_assert_cmphex(settle(f), ==, ERR_STATUS);
    g_assert_cmphex(rd(f, 1), ==, IDE_ABRT);
    prd(f, 0, 0x20000, PRD_LAST | 512);
    g_assert_cmphex(run_dma(f, 0xca, 0, 1, false), ==, ERR_STATUS);
    expect_image(f);
}

/* -- CD-ROM ---------------------------------------------------------------------------- */

static uint8_t packet(Fixture *f, const char *hex, unsigned limit, bool dma)
{
    uint8_t bytes[12] = { 0 };

    for (unsigned i = 0; hex[2 * i] && i < 12; i++) {
        bytes[i] = (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) * 16 +
                             g_ascii_xdigit_value(hex[2 * i + 1]));
    }
    wr(f, 6, 0xa0);
    wr(f, 1, dma);
    wr(f, 4, (uint8_t)limit);
    wr(f, 5, (uint8_t)(limit >> 8));
    wr(f, 7, 0xa0);
    g_assert_cmphex(rd(f, 7) & IDE_DRQ, ==, IDE_DRQ);
    g_assert_cmphex(rd(f, 2), ==, IDE_REASON_CD);
    write_data(f, bytes, 12);
    return dma ? 0 : settle(f);
}

/* All data of a command. Returns: bytes. */
static size_t take(Fixture *f, uint8_t *buf, size_t max)
{
    size_t n = 0;

    while (ide_read_alt(f->ide.bus) & IDE_DRQ) {
        size_t block = rd(f, 4) | (size_t)rd(f, 5) << 8;

        g_assert_cmphex(rd(f, 2), ==, IDE_REASON_IO);
        g_assert_cmpuint(n + block, <=, max);
        read_data(f, buf + n, block);
        n += block;
        settle(f);
    }
    g_assert_cmphex(rd(f, 2), ==, 3);
    return n;
}

static uint32_t sense(Fixture *f)
{
    uint8_t buf[18];

    g_assert_cmphex(packet(f, "030000001200", 64, false), ==, DRQ_STATUS);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 18);
    return (uint32_t)buf[2] << 16 | (uint32_t)buf[12] << 8 | buf[13];
}

static void test_cd_read(Fixture *f, gconstpointer data)
{
    uint8_t buf[8 * 2048];

    g_assert_cmphex(rd(f, 7), ==, 0);
    g_assert_cmphex(rd(f, 4), ==, 0x14);
    g_assert_cmphex(rd(f, 5), ==, 0xeb);
    wr(f, 7, 0xec);
    g_assert_cmphex(settle(f), ==, ERR_STATUS);
    g_assert_cmphex(rd(f, 5), ==, 0xeb);
    wr(f, 7, 0xa1);
    g_assert_cmphex(settle(f), ==, DRQ_STATUS);
    read_data(f, buf, 512);
    g_assert_cmphex(word(buf, 0), ==, 0x85c0);
    g_assert_cmphex(packet(f, "120000002400", 64, false), ==, DRQ_STATUS);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 36);
    g_assert_cmpmem(buf + 8, 8, "QEMU    ", 8);
    g_assert_cmphex(packet(f, "25", 64, false), ==, DRQ_STATUS);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 8);
    g_assert_cmpuint(be32_at(buf), ==, CD_BLOCKS - 1);
    g_assert_cmpuint(be32_at(buf + 4), ==, 2048);
    /* By blocks of 2048, of an odd size, and by DMA. */
    packet(f, "28000000000500000300", 2048, false);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 3 * 2048);
    g_assert_cmpmem(buf, 3 * 2048, f->image + 5 * 2048, 3 * 2048);
    packet(f, "a8000000000200000002", 1501, false);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 2 * 2048);
    g_assert_cmpmem(buf, 2 * 2048, f->image + 2 * 2048, 2 * 2048);
    prd(f, 0, 0x20000, 4096);
    prd(f, 1, 0x30000, PRD_LAST | 4096);
    fake_bm_write(&f->ide, 4, FAKE_IDE_PRDT, 4);
    packet(f, "be000000000800000410", 0, true);
    fake_bm_write(&f->ide, 0, 9, 1);
    g_assert_cmphex(settle(f), ==, OK_STATUS);
    fake_bm_write(&f->ide, 0, 0, 1);
    g_assert_cmpmem(f->ide.ram + 0x30000, 4096, f->image + 10 * 2048, 4096);
    /* An answer by DMA. */
    packet(f, "25", 0, true);
    fake_bm_write(&f->ide, 0, 9, 1);
    g_assert_cmphex(settle(f), ==, OK_STATUS);
    fake_bm_write(&f->ide, 0, 0, 1);
    g_assert_cmpuint(be32_at(f->ide.ram + 0x20000), ==, CD_BLOCKS - 1);
}

static void test_cd_tables(Fixture *f, gconstpointer data)
{
    uint8_t buf[256];

    packet(f, "43000000000000ff00", 256, false);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 20);
    g_assert_cmpuint(be16_at(buf), ==, 18);
    g_assert_cmphex(buf[14], ==, 0xaa);
    g_assert_cmpuint(be32_at(buf + 16), ==, CD_BLOCKS);
    packet(f, "43020000000000ff00", 256, false);
    take(f, buf, sizeof(buf));
    g_assert_cmpmem(buf + 8, 4, "\x00\x00\x02\x00", 4); /* 2 seconds */
    packet(f, "43000100000000ff00", 256, false);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 12);
    packet(f, "43000200000000ff00", 256, false);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 48);
    g_assert_cmphex(packet(f, "43000500000000ff00", 256, false), ==,
                    ERR_STATUS);
    g_assert_cmphex(sense(f), ==, SENSE_BAD_FIELD);
    packet(f, "460000000000000100", 256, false);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 40);
    g_assert_cmpuint(be16_at(buf + 6), ==, 8);
    packet(f, "5a003f000000000100", 256, false);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 36);
    g_assert_cmphex(buf[8], ==, 0x01);
    g_assert_cmphex(buf[16], ==, 0x2a);
    packet(f, "4a010000100000000800", 256, false);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 8);
    g_assert_cmphex(buf[5], ==, 0x02);
    packet(f, "510000000000000022", 256, false);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 34);
    /* Less than all of it; none of it. */
    packet(f, "120000000500", 64, false);
    g_assert_cmpuint(take(f, buf, sizeof(buf)), ==, 5);
    g_assert_cmphex(packet(f, "120000000000", 64, false), ==, OK_STATUS);
}

static void test_cd_medium(Fixture *f, gconstpointer data)
{
    BlockBackend *blk = blk_by_name("d");
    g_autofree char *node = g_strdup_printf(
        "driver=file,node-name=other,read-only=on,filename=%s", f->path);

    g_assert_cmphex(packet(f, "00", 0, false), ==, OK_STATUS);
    g_assert_cmphex(packet(f, "2800000000400000010000", 2048, false), ==,
                    ERR_STATUS);
    g_assert_cmphex(rd(f, 1) >> 4, ==, 5);
    g_assert_cmphex(sense(f), ==, SENSE_BAD_ADDRESS);
    g_assert_cmphex(sense(f), ==, SENSE_OK);
    g_assert_cmphex(packet(f, "bf", 0, false), ==, ERR_STATUS);
    g_assert_cmphex(sense(f), ==, SENSE_BAD_COMMAND);
    /* Locked: the tray stays. */
    packet(f, "1e00000001", 0, false);
    g_assert_cmphex(packet(f, "1b00000002", 0, false), ==, ERR_STATUS);
    g_assert_cmphex(sense(f), ==, SENSE_REMOVAL_REFUSED);
    packet(f, "1e00000000", 0, false);
    g_assert_cmphex(packet(f, "1b00000002", 0, false), ==, OK_STATUS);
    g_assert_true(IDE_CD(f->dev)->tray_open);
    g_assert_cmphex(packet(f, "00", 0, false), ==, ERR_STATUS);
    g_assert_cmphex(sense(f), ==, SENSE_NO_MEDIUM);
    g_assert_cmphex(packet(f, "1b00000003", 0, false), ==, OK_STATUS);
    /* The medium goes, and comes back: the guest is told once. */
    blk_remove(blk);
    g_assert_cmphex(packet(f, "00", 0, false), ==, ERR_STATUS);
    g_assert_cmphex(sense(f), ==, SENSE_NO_MEDIUM);
    blockdev_add_str(node, qemu_get_aio_context(), &error_abort);
    blk_insert(blk, block_node_find("other"), &error_abort);
    g_assert_cmphex(packet(f, "00", 0, false), ==, ERR_STATUS);
    g_assert_cmphex(sense(f), ==, SENSE_MEDIUM_CHANGED);
    g_assert_cmphex(packet(f, "00", 0, false), ==, OK_STATUS);
    /* Device reset in the middle of data. */
    packet(f, "28000000000500000300", 2048, false);
    wr(f, 7, 0x08);
    g_assert_cmphex(rd(f, 7), ==, 0);
    g_assert_cmphex(rd(f, 5), ==, 0xeb);
}

static unsigned count_backends(void)
{
    unsigned n = 0;

    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        n++;
    }
    return n;
}

static void test_empty_cd(void)
{
    unsigned backends = count_backends();
    FakeIDE ide;
    DeviceState *dev;
    Error *err = NULL;

    fake_ide_init(&ide);
    dev = fake_ide_plug(&ide, "ide-cd", NULL, &error_abort);
    g_assert_null(fake_ide_plug(&ide, "ide-hd", NULL, &err));
    error_free_or_abort(&err);
    g_assert_cmpuint(count_backends(), ==, backends + 1);
    fake_ide_unplug(dev);
    g_assert_cmpuint(count_backends(), ==, backends);
    fake_ide_deinit(&ide);
}

/* -- werror=stop, and a new place ------------------------------------------------------ */

static void note_stop(void *opaque)
{
    ++*(unsigned *)opaque;
}

/* A limit of this process stands for a full disk. */
static void run_until_stop(Fixture *f, void (*start)(Fixture *f))
{
    unsigned stops = 0;

    blk_set_stop_handler(note_stop, &stops);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, RLIM_INFINITY });
    start(f);
    while (!stops) {
        aio_poll(qemu_get_aio_context(), true);
    }
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
    blk_set_stop_handler(NULL, NULL);
    g_assert_cmpuint(stops, ==, 1);
    g_assert_cmphex(ide_read_alt(f->ide.bus) & IDE_BSY, ==, IDE_BSY);
}

static void start_pio_write(Fixture *f)
{
    memset(f->image + 100 * 512, 0x5a, 2 * 512);
    command(f, 0x30, 100, 2);
    write_data(f, f->image + 100 * 512, 512);
}

static void start_dma_write(Fixture *f)
{
    memset(f->image + 200 * 512, 0xa5, 24 * 512);
    memset(f->ide.ram + 0x50000, 0xa5, 0x3000);
    prd(f, 0, 0x50000, 0x1002);
    prd(f, 1, 0x51002, PRD_LAST | 0x1ffe);
    fake_bm_write(&f->ide, 4, FAKE_IDE_PRDT, 4);
    command(f, 0x35, 200, 24);
    fake_bm_write(&f->ide, 0, 1, 1);
}

static void finish_pio_write(Fixture *f)
{
    g_assert_cmphex(settle(f), ==, DRQ_STATUS);
    write_data(f, f->image + 101 * 512, 512);
    g_assert_cmphex(settle(f), ==, OK_STATUS);
}

static void finish_dma_write(Fixture *f)
{
    g_assert_cmphex(settle(f), ==, OK_STATUS);
    g_assert_cmphex(fake_bm_status(&f->ide) & 7, ==, 4);
}

/* Everything of @a's goes to @b, whose image is as @a's was. */
static void move(Fixture *a, Fixture *b)
{
    memcpy(b->ide.ram, a->ide.ram, FAKE_IDE_RAM);
    device_assert_moves(DEVICE(a->ide.dev), DEVICE(b->ide.dev));
    device_assert_moves(a->dev, b->dev);
}

static void stop_and_move(Fixture *a, void (*start)(Fixture *f),
                          void (*finish)(Fixture *f))
{
    g_autofree uint8_t *before = g_memdup2(a->image, a->bytes);
    Fixture b;

    fake_ide_init(&b.ide);
    make_image(&b, DISK_SECTORS * 512);
    plug_as(&b, "ide-hd", "e", "");
    run_until_stop(a, start);
    memcpy(b.image, a->image, a->bytes);
    move(a, &b);
    ide_retry_stopped(b.ide.bus);
    finish(&b);
    expect_image(&b);
    /* The place that was left has done nothing. */
    memcpy(a->image, before, a->bytes);
    expect_image(a);
    fake_ide_unplug(b.dev);
    fake_ide_deinit(&b.ide);
    g_unlink(b.path);
    g_free(b.path);
    g_free(b.image);
}

static void test_pio_moves(Fixture *f, gconstpointer data)
{
    stop_and_move(f, start_pio_write, finish_pio_write);
}

static void test_dma_moves(Fixture *f, gconstpointer data)
{
    stop_and_move(f, start_dma_write, finish_dma_write);
}

/* Or the machine goes on where it is. */
static void test_retry(Fixture *f, gconstpointer data)
{
    run_until_stop(f, start_dma_write);
    ide_retry_stopped(f->ide.bus);
    finish_dma_write(f);
    expect_image(f);
}

#define ADD(name, up, func, data)                                              \
    g_test_add("/ide/" name, Fixture, data, up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    hw_register_types();
    block_register_types();
    ADD("disk/identify", set_up_disk, test_identify, NULL);
    ADD("disk/pio", set_up_disk, test_pio, NULL);
    ADD("disk/dma", set_up_disk, test_dma, NULL);
    ADD("disk/dma-errors", set_up_disk, test_dma_errors, NULL);
    ADD("disk/errors", set_up_disk, test_errors, NULL);
    ADD("disk/reset", set_up_disk, test_reset, NULL);
    ADD("disk/machine-reset", set_up_disk, test_machine_reset, NULL);
    ADD("disk/smart", set_up_disk, test_smart, NULL);
    ADD("disk/read-only", set_up_disk, test_read_only, ",readonly=on");
    ADD("disk/retry", set_up_disk, test_retry, ",werror=stop");
    ADD("disk/pio-moves", set_up_disk, test_pio_moves, ",werror=stop");
    ADD("disk/dma-moves", set_up_disk, test_dma_moves, ",werror=stop");
    ADD("cd/read", set_up_cd, test_cd_read, NULL);
    ADD("cd/tables", set_up_cd, test_cd_tables, NULL);
    ADD("cd/medium", set_up_cd, test_cd_medium, NULL);
    g_test_add_func("/ide/cd/empty", test_empty_cd);
    return g_test_run();
}
