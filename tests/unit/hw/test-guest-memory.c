/*
 * Guest memory that changes while it is read, PAM, and the chipset's ports.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/guest-memory.h"
#include "hw/core/io-space.h"
#include "hw/x86/pam.h"
#include "util/atomic.h"
#include "util/error.h"
#include "util/thread.h"

#define PAGE      4096u
#define READERS   3u
#define ROUNDS    3000u
#define LOW_BYTES 0x100000u
#define ROM_BYTES 0x20000u

static uint8_t *pages(size_t n, uint8_t fill)
{
    uint8_t *p = g_aligned_alloc(n, PAGE, PAGE);

    memset(p, fill, n * PAGE);
    return p;
}

static int byte_at(GuestMemory *gm, uint64_t gpa)
{
    uint8_t b = 0;

    return guest_memory_read(gm, gpa, &b, 1) ? b : -1;
}

static void test_layers(void)
{
    g_autoptr(GuestMemory) gm = guest_memory_new();
    uint8_t *low = pages(4, 'l');
    uint8_t *high = pages(2, 'h');
    GuestMemoryRegion a = {
        .name = "a", .host = low, .size = 4 * PAGE, .priority = -1
    };
    GuestMemoryRegion b = { .name = "b",
                            .host = high,
                            .size = 2 * PAGE,
                            .readonly = true,
                            .priority = 1 };
    g_autofree GuestRAM *list = NULL;
    unsigned before = guest_memory_generation(gm);
    uint64_t len = 3 * PAGE;
    size_t n;

    guest_memory_add(gm, &a, 0x10000);
    guest_memory_add(gm, &b, 0x11000);
    g_assert_cmpuint(guest_memory_generation(gm), ==, before + 2);
    list = guest_memory_pieces(gm, &n);
    g_assert_cmpuint(n, ==, 3);
    g_assert_cmphex(list[0].size, ==, PAGE);
    g_assert_true(list[1].readonly && list[1].host == high);
    g_assert_cmphex(list[2].gpa, ==, 0x13000);
    g_assert_true(list[2].host == low + 3 * PAGE);
    g_assert_cmpint(byte_at(gm, 0x10fff), ==, 'l');
    g_assert_cmpint(byte_at(gm, 0x11000), ==, 'h');
    g_assert_cmpint(byte_at(gm, 0x14000), ==, -1);
    /* A write that meets read-only memory changes nothing. */
    g_assert_false(guest_memory_write(gm, 0x10ffe, "abcd", 4));
    g_assert_cmpint(byte_at(gm, 0x10ffe), ==, 'l');
    g_assert_null(guest_memory_ptr(gm, 0x11000, 1));
    g_assert_nonnull(guest_memory_rom_ptr(gm, 0x11000, 2 * PAGE));
    g_assert_true(guest_memory_dma_map(gm, 0x10000, &len, true) == low);
    g_assert_cmphex(len, ==, PAGE);
    guest_memory_dma_unmap(gm, 0x10000, 1);
    g_assert_null(guest_memory_dma_map(gm, 0x11000, &len, true));
    len = 0;
    g_assert_null(guest_memory_dma_map(gm, 0x10000, &len, true));
    guest_memory_set_readonly(&b, false);
    g_assert_true(guest_memory_write(gm, 0x10ffe, "abcd", 4));
    g_assert_cmphex(high[1], ==, 'd');
    /* Several changes at once. */
    before = guest_memory_generation(gm);
    guest_memory_begin(gm);
    guest_memory_remove(&b);
    guest_memory_remove(&b);
    guest_memory_add(gm, &b, 0x20000);
    g_assert_cmpint(byte_at(gm, 0x20000), ==, -1);
    guest_memory_commit(gm);
    g_assert_cmpuint(guest_memory_generation(gm), ==, before + 1);
    g_assert_cmpint(byte_at(gm, 0x11000), ==, 'l');
    g_assert_cmpint(byte_at(gm, 0x20001), ==, 'd');
    guest_memory_remove(&a);
    guest_memory_remove(&b);
    g_aligned_free(low);
    g_aligned_free(high);
}

/* Device registers of the board: what lies under a hole is no memory. */
static void test_hole(void)
{
    g_autoptr(GuestMemory) gm = guest_memory_new();
    uint8_t *bar = pages(4, 'b');
    uint8_t *top = pages(1, 't');
    GuestMemoryRegion hole = { .name = "hole", .size = 2 * PAGE };
    GuestMemoryRegion a = {
        .name = "a", .host = bar, .size = 4 * PAGE, .priority = -1
    };
    GuestMemoryRegion b = { .name = "b", .host = top, .size = PAGE };
    g_autofree GuestRAM *list = NULL;
    size_t n;

    guest_memory_add(gm, &hole, 0x11000);
    guest_memory_add(gm, &a, 0x10000);
    list = guest_memory_pieces(gm, &n);
    g_assert_cmpuint(n, ==, 2);
    g_assert_cmphex(list[0].size, ==, PAGE);
    g_assert_cmphex(list[1].gpa, ==, 0x13000);
    g_assert_true(list[1].host == bar + 3 * PAGE);
    g_assert_cmpint(byte_at(gm, 0x11000), ==, -1);
    g_assert_cmpint(byte_at(gm, 0x12fff), ==, -1);
    g_assert_false(guest_memory_write(gm, 0x10fff, "ab", 2));
    /* What comes later at the same priority is over it. */
    guest_memory_add(gm, &b, 0x12000);
    g_assert_cmpint(byte_at(gm, 0x12000), ==, 't');
    guest_memory_remove(&hole);
    g_assert_cmpint(byte_at(gm, 0x11000), ==, 'b');
    guest_memory_remove(&a);
    guest_memory_remove(&b);
    g_aligned_free(bar);
    g_aligned_free(top);
}

/* -- readers beside a writer ------------------------------------------------------- */

typedef struct Race {
    GuestMemory *gm;
    bool stop;
    unsigned reads;
} Race;

/* A reader sees one or the other, never a mixture or nothing. */
static void *reader(void *opaque)
{
    Race *r = opaque;
    uint8_t buf[64];

    while (!qatomic_read(&r->stop)) {
        g_assert_true(
            guest_memory_read(r->gm, 2 * PAGE - 32, buf, sizeof(buf)));
        g_assert_true(buf[0] == 'a' || buf[0] == 'b');
        for (size_t i = 1; i < sizeof(buf); i++) {
            g_assert_cmphex(buf[i], ==, buf[0]);
        }
        qatomic_inc(&r->reads);
    }
    return NULL;
}

static void test_race(void)
{
    Race r = { .gm = guest_memory_new() };
    uint8_t *one = pages(4, 'a');
    uint8_t *two = pages(4, 'b');
    GuestMemoryRegion a = { .name = "a", .host = one, .size = 4 * PAGE };
    GuestMemoryRegion b = {
        .name = "b", .host = two, .size = 4 * PAGE, .priority = 1
    };
    QemuThread thread[READERS];

    guest_memory_add(r.gm, &a, 0);
    for (unsigned i = 0; i < READERS; i++) {
        qemu_thread_create(&thread[i], "reader", reader, &r,
                           QEMU_THREAD_JOINABLE);
    }
    for (unsigned i = 0; i < ROUNDS || qatomic_read(&r.reads) < ROUNDS; i++) {
        if (i % 2) {
            guest_memory_remove(&b);
        } else {
            guest_memory_add(r.gm, &b, 0);
        }
    }
    qatomic_set(&r.stop, true);
    for (unsigned i = 0; i < READERS; i++) {
        qemu_thread_join(&thread[i]);
    }
    guest_memory_free(r.gm);
    g_aligned_free(one);
    g_aligned_free(two);
}

/* -- PAM --------------------------------------------------------------------------- */

typedef struct PamFixture {
    GuestMemory *gm;
    IOSpace *mmio;
    uint8_t *ram;
    uint8_t *rom;
    PAM pam;
} PamFixture;

static void pam_set_up(PamFixture *f, gconstpointer data)
{
    f->gm = guest_memory_new();
    f->mmio = io_space_new("addresses", UINT64_MAX);
    f->ram = pages(LOW_BYTES / PAGE, 'r');
    f->rom = pages(ROM_BYTES / PAGE, 'o');
    pam_init(&f->pam, f->gm, f->mmio, f->ram, f->rom, ROM_BYTES);
}

static void pam_tear_down(PamFixture *f, gconstpointer data)
{
    pam_deinit(&f->pam);
    guest_memory_free(f->gm);
    io_space_free(f->mmio);
    g_aligned_free(f->ram);
    g_aligned_free(f->rom);
}

static void test_pam(PamFixture *f, gconstpointer data)
{
    /* After reset: ROM in the upper half, nothing in the lower. */
    g_assert_cmpint(byte_at(f->gm, 0xc0000), ==, -1);
    g_assert_cmpint(byte_at(f->gm, 0xdffff), ==, -1);
    g_assert_cmpint(byte_at(f->gm, 0xe0000), ==, 'o');
    g_assert_cmpint(byte_at(f->gm, 0xfffff), ==, 'o');
    g_assert_false(guest_memory_write(f->gm, 0xf0000, "x", 1));
    /* Writes go to the RAM under the ROM. */
    pam_set(&f->pam, 0, PAM_WRITE);
    io_space_write(f->mmio, 0xf0010, 0x44434241, 4);
    g_assert_cmpint(byte_at(f->gm, 0xf0010), ==, 'o');
    g_assert_cmphex(io_space_read(f->mmio, 0xf0010, 2), ==, 'o' << 8 | 'o');
    g_assert_cmpmem(f->ram + 0xf0010, 4, "ABCD", 4);
    pam_set(&f->pam, 0, PAM_READ);
    g_assert_cmpint(byte_at(f->gm, 0xf0010), ==, 'A');
    g_assert_false(guest_memory_write(f->gm, 0xf0010, "x", 1));
    g_assert_null(io_space_find(f->mmio, 0xf0010));
    pam_set(&f->pam, 0, PAM_READ | PAM_WRITE);
    g_assert_true(guest_memory_write(f->gm, 0xf0010, "x", 1));
    g_assert_cmphex(f->ram[0xf0010], ==, 'x');
    /* Segments 1 and 12 are C0000h and EC000h. */
    pam_set(&f->pam, 1, PAM_WRITE);
    io_space_write(f->mmio, 0xc3fff, 'y', 1);
    g_assert_cmphex(f->ram[0xc3fff], ==, 'y');
    g_assert_cmphex(io_space_read(f->mmio, 0xc3fff, 1), ==, 0xff);
    pam_set(&f->pam, 12, 0xff);
    g_assert_cmpint(byte_at(f->gm, 0xec000), ==, 'r');
    g_assert_cmpint(byte_at(f->gm, 0xebfff), ==, 'o');
    pam_set_all(&f->pam, PAM_READ | PAM_WRITE);
    /* Segments of one kind are one piece. */
    g_assert_nonnull(guest_memory_ptr(f->gm, 0xc0000, 0x40000));
    pam_set(&f->pam, 5, PAM_READ);
    g_assert_null(guest_memory_ptr(f->gm, 0xc0000, 0x40000));
    g_assert_nonnull(guest_memory_ptr(f->gm, 0xd4000, 0x2c000));
    pam_set(&f->pam, 5, PAM_READ | PAM_WRITE);
    g_assert_cmpint(byte_at(f->gm, 0xc0000), ==, 'r');
    pam_set_all(&f->pam, 0);
    g_assert_cmpint(byte_at(f->gm, 0xf0010), ==, 'o');
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest-memory/layers", test_layers);
    g_test_add_func("/guest-memory/hole", test_hole);
    g_test_add_func("/guest-memory/race", test_race);
    g_test_add("/pam", PamFixture, NULL, pam_set_up, test_pam, pam_tear_down);
    return g_test_run();
}
