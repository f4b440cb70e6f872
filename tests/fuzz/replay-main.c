/*
 * Runs a fuzz target over its corpus as an ordinary test, without libFuzzer:
 *
 *   replay-<codec> DIRECTORY
 *
 * Each file is one test. It is given to the target as it is, cut off after
 * each of its first bytes, and with single bytes changed; all of it the same
 * in every run. What counts is that the target returns (under sanitizers:
 * without a complaint).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

/* The target under test. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Per file, so that a test stays well under a second. */
#define PREFIXES  256
#define MUTATIONS 256

/* Exactly-sized copies, so that a sanitizer sees reads past the end. */
static void run_copy(const char *data, size_t size)
{
    g_autofree uint8_t *copy = g_memdup2(data, size);

    LLVMFuzzerTestOneInput(copy, size);
}

static void run_mutations(const char *data, size_t size)
{
    static const uint8_t special[] = { 0x00, 0xff, 0x7f, 0x80, '\n', ',' };
    uint32_t seed = 1;

    for (int i = 0; i < MUTATIONS && size > 0; i++) {
        g_autofree uint8_t *copy = g_memdup2(data, size);

        seed = seed * 1664525u + 1013904223u;
        copy[(seed >> 8) % size] = special[(seed >> 4) % sizeof(special)];
        LLVMFuzzerTestOneInput(copy, size);
    }
}

static void test_file(gconstpointer opaque)
{
    const char *path = opaque;
    g_autofree char *data = NULL;
    g_autoptr(GError) err = NULL;
    gsize size;

    g_file_get_contents(path, &data, &size, &err);
    g_assert_no_error(err);
    run_copy(data, size);
    for (size_t len = 0; len < MIN(size, PREFIXES); len++) {
        run_copy(data, len);
    }
    run_mutations(data, size);
}

int main(int argc, char **argv)
{
    g_autoptr(GDir) dir = NULL;
    g_autoptr(GError) err = NULL;
    const char *name;

    g_test_init(&argc, &argv, NULL);
    if (argc != 2) {
        g_printerr("usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return 2;
    }
    dir = g_dir_open(argv[1], 0, &err);
    if (!dir) {
        g_printerr("%s\n", err->message);
        return 2;
    }
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *test = g_strdup_printf("/corpus/%s", name);

        g_test_add_data_func_full(test, g_build_filename(argv[1], name, NULL),
                                  test_file, g_free);
    }
    return g_test_run();
}
