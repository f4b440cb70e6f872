/*
 * What the tools print: progress, maps, reports, dumps, differences.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/snapshot-table.h"
#include "qapi/qapi-types-block.h"
#include "tools/convert.h"
#include "tools/img-dump.h"
#include "tools/img-text.h"
#include "tools/io.h"
#include "util/error.h"

#define SECOND 1000000000LL

static void check_line(uint64_t current, uint64_t total, int64_t ns, bool bytes,
                       bool terminal, const char *want)
{
    ProgressRate rate = { 0 };
    g_autofree char *line = NULL;

    progress_rate_skip(&rate, 0, 0);
    progress_rate_sample(&rate, current, ns);
    line = tool_progress_line(current, total, &rate, bytes, terminal);
    g_assert_cmpstr(g_strchomp(line), ==, want);
}

static void test_progress(void)
{
    check_line(0, 0, 0, true, false, "    (0.00/100%)");
    check_line(1, 3, SECOND, true, false, "    (33.33/100%)");
    check_line(3, 3, SECOND, true, false, "    (100.00/100%)");
    check_line(99999999, 100000000, SECOND, true, false, "    (99.99/100%)");
    check_line(5, 3, SECOND, true, false, "    (100.00/100%)");
    check_line(1 << 20, 4 << 20, SECOND / 10, true, true, "    (25.00/100%)");
    check_line(1 << 20, 4 << 20, SECOND, true, true,
               "    (25.00/100%)  1 MiB of 4 MiB, 1 MiB/s, 0:03 left");
    check_line(1, 7201, SECOND, false, true, "    (0.01/100%)  2:00:00 left");
    check_line(4 << 20, 4 << 20, 2 * SECOND, true, true,
               "    (100.00/100%)  4 MiB of 4 MiB, 2 MiB/s");
}

static void test_map(void)
{
    MapEntry a = { .start = 0,
                   .length = 65536,
                   .data = true,
                   .present = true,
                   .depth = 1,
                   .has_offset = true,
                   .offset = 327680,
                   .filename = (char *)"base" };
    MapEntry b = a;
    g_autoptr(GString) out = g_string_new(NULL);
    Error *err = NULL;

    b.start = 65536;
    b.offset = 327680 + 65536;
    g_assert_true(map_can_merge(&a, &b));
    b.offset++;
    g_assert_false(map_can_merge(&a, &b));
    b = a;
    b.start = 65536;
    b.offset += 65536;
    b.filename = (char *)"other";
    g_assert_false(map_can_merge(&a, &b));

    map_append_json(out, &a);
    g_assert_cmpstr(out->str, ==,
                    "{ \"start\": 0, \"length\": 65536, \"depth\": 1, "
                    "\"present\": true, \"zero\": false, \"data\": true, "
                    "\"offset\": 327680}");
    g_string_truncate(out, 0);
    g_assert_true(map_append_human(out, &a, &error_abort));
    g_assert_cmpstr(out->str, ==,
                    "0               0x10000         0x50000         base\n");
    a.has_offset = false;
    g_assert_false(map_append_human(out, &a, &err));
    error_free(err);
    g_string_truncate(out, 0);
    a.data = false;
    g_assert_true(map_append_human(out, &a, &error_abort));
    g_assert_cmpstr(out->str, ==, "");
}

static void test_io_text(void)
{
    static const struct {
        double value;
        const char *text;
    } sizes[] = {
        { 0, "0 bytes" },        { 1, "1 bytes" },
        { 1023, "1023 bytes" },  { 1024, "1 KiB" },
        { 1536, "1.500 KiB" },   { 2031616, "1.938 MiB" },
        { 1073741824, "1 GiB" }, { 9223372036854775807.0, "8 EiB" },
    };
    g_autofree char *report =
        io_report("wrote", SECOND / 2, 512, 1 << 20, 1 << 20, 1, false);
    g_autofree char *machine =
        io_report("wrote", 90 * SECOND, 0, 65536, 65536, 1, true);
    uint8_t bytes[18];
    g_autofree char *dump = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *text = io_size_text(sizes[i].value);

        g_assert_cmpstr(text, ==, sizes[i].text);
    }
    g_assert_cmpstr(report, ==,
                    "wrote 1048576/1048576 bytes at offset 512\n"
                    "1 MiB, 1 ops; 00.50 sec (2 MiB/sec and 2.0000 ops/sec)\n");
    g_assert_cmpstr(machine, ==, "65536,1,0:01:30.00,728.178,0.011\n");
    memset(bytes, 'A', sizeof(bytes));
    bytes[1] = 0;
    dump = io_dump(bytes, 32, sizeof(bytes));
    g_assert_cmpstr(
        dump, ==,
        "00000020:  41 00 41 41 41 41 41 41 41 41 41 41 41 41 41 41  "
        "A.AAAAAAAAAAAAAA\n"
        "00000030:  41 41  AA\n");
    g_assert_true(io_has_pattern(bytes + 2, 'A', 16));
    g_assert_false(io_has_pattern(bytes, 'A', 18));
    g_assert_true(io_has_pattern(bytes, 'B', 0));
}

static void test_difference(void)
{
    g_autofree uint8_t *a = g_malloc0(5000);
    g_autofree uint8_t *b = g_malloc0(5000);

    g_assert_cmpuint(compare_first_difference(a, b, 5000), ==, 5000);
    b[4999] = 1;
    g_assert_cmpuint(compare_first_difference(a, b, 5000), ==, 4608);
    a[1023] = 1;
    g_assert_cmpuint(compare_first_difference(a, b, 5000), ==, 512);
    g_assert_cmpuint(compare_first_difference(a, b, 0), ==, 0);
}

/* Runs cover the buffer, alternate, and are what they say. */
static void test_zero_runs(void)
{
    g_autofree uint8_t *buf = g_malloc0(10000);
    size_t at = 0;
    bool last = false;

    buf[4096] = 1;
    buf[9000] = 1;
    for (int n = 0; at < 10000; n++) {
        bool zero;
        size_t len = convert_zero_run(buf + at, 10000 - at, 512, &zero);

        g_assert_true(len > 0 && (len % 512 == 0 || at + len == 10000));
        g_assert_true(n == 0 || zero != last);
        last = zero;
        at += len;
        if (n == 0) {
            g_assert_true(zero && at == 4096);
        } else if (n == 1) {
            g_assert_true(!zero && at == 4608);
        }
    }
    g_assert_cmpuint(at, ==, 10000);
}

static void test_info(void)
{
    SnapshotInfo snapshot = { .id = (char *)"1",
                              .name = (char *)"snap",
                              .vm_state_size = 0,
                              .vm_clock_sec = 3661,
                              .vm_clock_nsec = 5000000 };
    SnapshotInfoList list = { .value = &snapshot };
    ImageInfo info = { .filename = (char *)"a.qcow2",
                       .format = (char *)"qcow2",
                       .virtual_size = 1 << 30,
                       .backing_filename = (char *)"b",
                       .full_backing_filename = (char *)"/x/b",
                       .has_cluster_size = true,
                       .cluster_size = 65536 };
    g_autoptr(GString) out = g_string_new(NULL);

    img_dump_info(out, &info);
    g_assert_cmpstr(out->str, ==,
                    "image: a.qcow2\n"
                    "file format: qcow2\n"
                    "virtual size: 1 GiB (1073741824 bytes)\n"
                    "disk size: unavailable\n"
                    "cluster_size: 65536\n"
                    "backing file: b (actual path: /x/b)\n");
    g_string_truncate(out, 0);
    snapshot_table_print(out, &list);
    g_assert_true(g_str_has_prefix(
        out->str, "ID        TAG               VM SIZE"
                  "                DATE     VM CLOCK     ICOUNT\n"
                  "1         snap                  0 B 1970-01-0"));
    g_assert_nonnull(strstr(out->str, " 01:01:01.005           \n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tools/text/progress", test_progress);
    g_test_add_func("/tools/text/map", test_map);
    g_test_add_func("/tools/text/io", test_io_text);
    g_test_add_func("/tools/text/difference", test_difference);
    g_test_add_func("/tools/text/zero-runs", test_zero_runs);
    g_test_add_func("/tools/text/info", test_info);
    return g_test_run();
}
