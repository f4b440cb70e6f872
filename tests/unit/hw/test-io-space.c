/*
 * Dispatch of port and register accesses, and the map of RAM.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/guest-memory.h"
#include "hw/core/io-space.h"
#include "util/error.h"

typedef struct Log {
    GString *text;
} Log;

static uint64_t log_read(void *opaque, uint64_t offset, unsigned size)
{
    Log *log = opaque;

    g_string_append_printf(log->text, "r%u@%u ", size, (unsigned)offset);
    return 0x1122334455667788ull >> (8 * offset);
}

static void log_write(void *opaque, uint64_t offset, uint64_t value,
                      unsigned size)
{
    Log *log = opaque;

    g_string_append_printf(log->text, "w%u@%u=%x ", size, (unsigned)offset,
                           (unsigned)value);
}

static const IORegionOps byte_ops = { log_read, log_write, 1 };
static const IORegionOps word_ops = { log_read, log_write, 4 };
static const IORegionOps none_ops = { NULL, NULL, 1 };

static void assert_log(Log *log, const char *text)
{
    g_assert_cmpstr(log->text->str, ==, text);
    g_string_truncate(log->text, 0);
}

static void test_overlap(void)
{
    g_autoptr(IOSpace) space = io_space_new("ports", 0xffff);
    IORegion a, b;
    Error *err = NULL;

    io_region_init(&a, "a", 8, &none_ops, NULL);
    io_region_init(&b, "b", 8, &none_ops, NULL);
    g_assert_true(io_space_add(space, &a, 0x100, &error_abort));
    for (unsigned at = 0xf9; at <= 0x107; at++) {
        g_assert_false(io_space_add(space, &b, at, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), "overlap"));
        error_free_or_abort(&err);
    }
    g_assert_true(io_space_add(space, &b, 0xf8, &error_abort));
    io_space_remove(&b);
    io_space_remove(&b);
    g_assert_true(io_space_add(space, &b, 0x108, &error_abort));
    io_space_remove(&b);
    g_assert_false(io_space_add(space, &b, 0xfff9, &err));
    error_free_or_abort(&err);
    g_assert_true(io_space_add(space, &b, 0xfff8, &error_abort));
    g_assert_true(io_space_find(space, 0xffff) == &b);
    g_assert_null(io_space_find(space, 0x108));
    g_assert_true(io_space_find(space, 0x107) == &a);
    g_assert_null(io_space_find(space, 0));
}

static void test_split(void)
{
    g_autoptr(IOSpace) space = io_space_new("ports", 0xffff);
    Log log = { g_string_new(NULL) };
    IORegion a, b;

    io_region_init(&a, "a", 4, &byte_ops, &log);
    io_region_init(&b, "b", 8, &word_ops, &log);
    io_space_add(space, &a, 0x10, &error_abort);
    io_space_add(space, &b, 0x20, &error_abort);

    g_assert_cmphex(io_space_read(space, 0x10, 2), ==, 0x7788);
    assert_log(&log, "r1@0 r1@1 ");
    g_assert_cmphex(io_space_read(space, 0x20, 4), ==, 0x55667788);
    assert_log(&log, "r4@0 ");
    g_assert_cmphex(io_space_read(space, 0x20, 8), ==, 0x1122334455667788);
    assert_log(&log, "r4@0 r4@4 ");
    g_assert_cmphex(io_space_read(space, 0x21, 4), ==, 0x44556677);
    assert_log(&log, "r1@1 r2@2 r1@4 ");
    io_space_write(space, 0x12, 0xaabbccdd, 4); /* half of it is nobody's */
    assert_log(&log, "w1@2=dd w1@3=cc ");
    io_space_write(space, 0x26, 0xaabbccdd, 4);
    assert_log(&log, "w2@6=ccdd ");
    /* Nobody: ones. */
    g_assert_cmphex(io_space_read(space, 0x13, 2), ==, 0xff55);
    g_assert_cmphex(io_space_read(space, 0x40, 4), ==, 0xffffffff);
    g_assert_cmphex(io_space_read(space, 0x40, 8), ==, UINT64_MAX);
    g_string_free(log.text, TRUE);
}

static void test_many(void)
{
    g_autoptr(IOSpace) space = io_space_new("ports", 0xffff);
    static IORegion r[256];

    for (unsigned i = 0; i < 256; i++) {
        unsigned n = (i * 167) % 256; /* in no order */
        io_region_init(&r[n], "r", 2, &none_ops, NULL);
        g_assert_true(io_space_add(space, &r[n], n * 4, &error_abort));
    }
    for (unsigned port = 0; port < 1024; port++) {
        IORegion *found = io_space_find(space, port);
        g_assert_true(found == (port % 4 < 2 ? &r[port / 4] : NULL));
    }
}

static void test_guest_memory(void)
{
    g_autoptr(GuestMemory) gm = guest_memory_new();
    static uint8_t low[4096], next[4096], high[4096];
    uint8_t buf[16] = { 0 };
    Error *err = NULL;

    g_assert_true(
        guest_memory_map(gm, NULL, 0x100000, 4096, high, &error_abort));
    g_assert_true(guest_memory_map(gm, NULL, 0, 4096, low, &error_abort));
    g_assert_true(guest_memory_map(gm, NULL, 4096, 4096, next, &error_abort));
    g_assert_false(guest_memory_map(gm, NULL, 8191, 4096, next, &err));
    error_free_or_abort(&err);
    g_assert_false(guest_memory_map(gm, NULL, 0xff001, 4096, next, &err));
    error_free_or_abort(&err);

    /* Across two pieces. */
    g_assert_true(guest_memory_write(gm, 4090, "hello, world", 12));
    g_assert_cmpmem(low + 4090, 6, "hello,", 6);
    g_assert_cmpmem(next, 6, " world", 6);
    g_assert_true(guest_memory_read(gm, 4090, buf, 12));
    g_assert_cmpmem(buf, 12, "hello, world", 12);
    g_assert_null(guest_memory_ptr(gm, 4090, 12));
    g_assert_true(guest_memory_ptr(gm, 4096, 4096) == next);
    g_assert_null(guest_memory_ptr(gm, 4096, 4097));
    g_assert_null(guest_memory_ptr(gm, 4097, UINT64_MAX));
    g_assert_true(guest_memory_ptr(gm, 0x100fff, 1) == high + 4095);

    /* The end is not RAM: nothing is written at all. */
    g_assert_false(guest_memory_write(gm, 8190, "xyz", 3));
    g_assert_cmpint(next[4094], ==, 0);
    g_assert_true(guest_memory_zero(gm, 4090, 12));
    g_assert_cmpint(low[4090], ==, 0);
    g_assert_true(guest_memory_zero(gm, 0x999999, 0));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io-space/overlap", test_overlap);
    g_test_add_func("/io-space/split", test_split);
    g_test_add_func("/io-space/many", test_many);
    g_test_add_func("/guest-memory", test_guest_memory);
    return g_test_run();
}
