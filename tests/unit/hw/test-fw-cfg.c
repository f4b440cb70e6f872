/*
 * fw_cfg by ports and by DMA, and what a guest cannot do with it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/nvram/fw_cfg.h"
#include "hw/types.h"
#include "util/bswap.h"
#include "util/error.h"

#define RAM_BYTES 0x10000u
#define DMA_AT    0x100u
#define BUF_AT    0x200u
#define READ      0x02u
#define SKIP      0x04u
#define SELECT    0x08u
#define WRITE     0x10u
#define FAILED    0x01u

typedef struct Fixture {
    IOSpace *ports;
    GuestMemory *memory;
    FWCfgState *fw;
    uint8_t *ram;
    uint8_t writable[8];
    uint32_t written; /* offset << 16 | length of the last write */
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->ports = io_space_new("I/O ports", 0xffff);
    f->memory = guest_memory_new();
    f->ram = g_aligned_alloc0(1, RAM_BYTES, 4096);
    guest_memory_map(f->memory, NULL, 0, RAM_BYTES, f->ram, &error_abort);
    f->fw = fw_cfg_new(NULL, f->ports, f->memory, &error_abort);
    device_cold_reset(DEVICE(f->fw));
}

static void tear_down(Fixture *f, gconstpointer data)
{
    qdev_unrealize(DEVICE(f->fw));
    object_unref(OBJECT(f->fw));
    guest_memory_free(f->memory);
    io_space_free(f->ports);
    g_aligned_free(f->ram);
}

static void read_item(Fixture *f, uint16_t key, void *buf, size_t len)
{
    uint8_t *p = buf;

    io_space_write(f->ports, 0x510, key, 2);
    while (len--) {
        *p++ = (uint8_t)io_space_read(f->ports, 0x511, 1);
    }
}

static uint32_t dma(Fixture *f, uint32_t control, uint32_t len, uint64_t addr)
{
    stl_be_p(f->ram + DMA_AT, control);
    stl_be_p(f->ram + DMA_AT + 4, len);
    stq_be_p(f->ram + DMA_AT + 8, addr);
    io_space_write(f->ports, 0x514, 0, 4);
    io_space_write(f->ports, 0x518, bswap32(DMA_AT), 4);
    return (uint32_t)ldl_be_p(f->ram + DMA_AT);
}

static void test_items(Fixture *f, gconstpointer data)
{
    uint8_t buf[8];

    read_item(f, FW_CFG_SIGNATURE, buf, 5);
    g_assert_cmpmem(buf, 5, "QEMU", 5); /* zeros behind the end */
    read_item(f, FW_CFG_ID, buf, 4);
    g_assert_cmphex(ldl_le_p(buf), ==, 3);
    fw_cfg_add_i16(f->fw, FW_CFG_NB_CPUS, 0x1234);
    fw_cfg_add_i64(f->fw, FW_CFG_RAM_SIZE, 0x1122334455667788);
    fw_cfg_add_i64(f->fw, FW_CFG_RAM_SIZE, 0x1122334455667789); /* again */
    read_item(f, FW_CFG_NB_CPUS, buf, 2);
    g_assert_cmphex(lduw_le_p(buf), ==, 0x1234);
    read_item(f, FW_CFG_RAM_SIZE, buf, 8);
    g_assert_cmphex(ldq_le_p(buf), ==, 0x1122334455667789);
    read_item(f, 0x7777, buf, 1);
    g_assert_cmphex(buf[0], ==, 0);
    /* A selector is a word; bytes and the data port take no writes. */
    io_space_write(f->ports, 0x510, 0, 1);
    io_space_write(f->ports, 0x511, 0, 1);
    g_assert_cmphex(io_space_read(f->ports, 0x511, 1), ==, 0);
    g_assert_cmphex(io_space_read(f->ports, 0x514, 4), ==, bswap32(0x51454d55));
    g_assert_cmphex(io_space_read(f->ports, 0x518, 4), ==, bswap32(0x20434647));
}

static void test_files(Fixture *f, gconstpointer data)
{
    g_autofree char *name55 = g_strnfill(55, 'n');
    g_autofree char *name56 = g_strnfill(56, 'n');
    uint8_t dir[4 + 2 * 64];
    Error *err = NULL;

    fw_cfg_add_file(f->fw, "etc/a", g_bytes_new_static("hello", 5),
                    &error_abort);
    fw_cfg_add_file(f->fw, name55, g_bytes_new_static("", 0), &error_abort);
    fw_cfg_add_file(f->fw, "etc/a", g_bytes_new_static("other", 6),
                    &error_abort);
    read_item(f, FW_CFG_FILE_DIR, dir, sizeof(dir));
    g_assert_cmpuint(ldl_be_p(dir), ==, 2);
    g_assert_cmpuint(ldl_be_p(dir + 4), ==, 6);
    g_assert_cmphex(lduw_be_p(dir + 8), ==, 0x20);
    g_assert_cmpstr((char *)dir + 12, ==, "etc/a");
    g_assert_cmpuint(ldl_be_p(dir + 68), ==, 0);
    g_assert_cmphex(lduw_be_p(dir + 72), ==, 0x21);
    g_assert_cmpstr((char *)dir + 76, ==, name55);
    read_item(f, 0x20, dir, 6);
    g_assert_cmpmem(dir, 6, "other", 6);
    g_assert_false(
        fw_cfg_add_file(f->fw, name56, g_bytes_new_static("", 0), &err));
    error_free_or_abort(&err);
    for (unsigned i = 2; i < FW_CFG_FILE_SLOTS; i++) {
        g_autofree char *name = g_strdup_printf("f%u", i);
        fw_cfg_add_file(f->fw, name, g_bytes_new_static("", 0), &error_abort);
    }
    g_assert_false(
        fw_cfg_add_file(f->fw, "more", g_bytes_new_static("", 0), &err));
    error_free_or_abort(&err);
}

static void test_dma_read(Fixture *f, gconstpointer data)
{
    fw_cfg_add_file(f->fw, "a", g_bytes_new_static("0123456789", 10),
                    &error_abort);
    memset(f->ram + BUF_AT, 0xff, 32);
    g_assert_cmphex(dma(f, 0x20u << 16 | SELECT | READ, 4, BUF_AT), ==, 0);
    g_assert_cmpmem(f->ram + BUF_AT, 4, "0123", 4);
    g_assert_cmphex(dma(f, SKIP, 2, 0), ==, 0);
    g_assert_cmphex(dma(f, READ, 8, BUF_AT), ==, 0); /* 4, then zeros */
    g_assert_cmpmem(f->ram + BUF_AT, 9, "6789\0\0\0\0\xff", 9);
    g_assert_cmphex(dma(f, 0x7777u << 16 | SELECT | READ, 8, BUF_AT), ==, 0);
    g_assert_cmphex(f->ram[BUF_AT], ==, 0);
    g_assert_cmphex(dma(f, SELECT, 0, 0), ==, 0);
}

static void test_dma_hostile(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(dma(f, SELECT | READ, 4, RAM_BYTES), ==, FAILED);
    g_assert_cmphex(dma(f, SELECT | READ, 4, RAM_BYTES - 2), ==, FAILED);
    g_assert_cmphex(dma(f, SELECT | READ, UINT32_MAX, BUF_AT), ==, FAILED);
    g_assert_cmphex(dma(f, SELECT | READ, 4, UINT64_MAX), ==, FAILED);
    g_assert_cmphex(dma(f, SELECT | WRITE, 4, BUF_AT), ==, FAILED);
    g_assert_cmphex(dma(f, SKIP, UINT32_MAX, 0), ==, 0);
    g_assert_cmphex(dma(f, SKIP, UINT32_MAX, 0), ==, 0);
    g_assert_cmphex(dma(f, READ, 4, BUF_AT), ==, 0);
    /* The request itself is nowhere: nothing happens. */
    io_space_write(f->ports, 0x514, UINT32_MAX, 4);
    io_space_write(f->ports, 0x518, UINT32_MAX, 4);
    io_space_write(f->ports, 0x518, 1, 2);
}

static void on_written(void *opaque, uint32_t offset, uint32_t len)
{
    ((Fixture *)opaque)->written = offset << 16 | len;
}

static void test_dma_write(Fixture *f, gconstpointer data)
{
    fw_cfg_add_file_writable(f->fw, "w", f->writable, sizeof(f->writable),
                             on_written, f, &error_abort);
    memcpy(f->ram + BUF_AT, "abcdefgh", 8);
    g_assert_cmphex(dma(f, 0x20u << 16 | SELECT | SKIP, 2, 0), ==, 0);
    g_assert_cmphex(dma(f, WRITE, 4, BUF_AT), ==, 0);
    g_assert_cmpmem(f->writable, 8, "\0\0abcd\0\0", 8);
    g_assert_cmphex(f->written, ==, 2u << 16 | 4);
    g_assert_cmphex(dma(f, WRITE, 3, BUF_AT), ==, FAILED); /* one too many */
    g_assert_cmphex(dma(f, WRITE, 2, RAM_BYTES - 1), ==, FAILED);
    g_assert_cmphex(dma(f, WRITE, 2, BUF_AT), ==, 0);
    g_assert_cmpmem(f->writable, 8, "\0\0abcdab", 8);
    g_assert_cmphex(dma(f, WRITE, 1, BUF_AT), ==, FAILED);
}

#define ADD(name, func)                                                        \
    g_test_add("/fw-cfg/" name, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    ADD("items", test_items);
    ADD("files", test_files);
    ADD("dma/read", test_dma_read);
    ADD("dma/write", test_dma_write);
    ADD("dma/hostile", test_dma_hostile);
    return g_test_run();
}
