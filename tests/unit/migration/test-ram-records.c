/*
 * RAM sections that no honest source sends: each is refused, with a message that
 * names what is wrong.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-buffer.h"
#include "migration/qemu-file.h"
#include "migration/ram/incoming.h"
#include "migration/ram/ram.h"
#include "migration/ram/wire.h"

#include "fake-ram.h"

#define MIB (UINT64_C(1) << 20)

typedef struct Bad {
    const char *what; /* in the message */
    void (*put)(QEMUFile *f);
    bool list; /* a good list of blocks comes before */
} Bad;

static void put_list(QEMUFile *f)
{
    qemu_put_be64(f, (MIB + 2 * RAM_PAGE_SIZE) | RAM_WIRE_MEM_SIZE);
    qemu_put_counted_string(f, "a");
    qemu_put_be64(f, MIB);
    qemu_put_counted_string(f, "res");
    qemu_put_be64(f, 2 * RAM_PAGE_SIZE);
}

static void bad_flags(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_PAGE | RAM_WIRE_ZERO);
}
static void bad_unknown(QEMUFile *f)
{
    qemu_put_be64(f, 0x400 | RAM_WIRE_PAGE);
}
static void bad_name(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_PAGE);
    qemu_put_counted_string(f, "nope");
}
static void bad_continue(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_ZERO | RAM_WIRE_CONTINUE);
}
static void bad_offset(QEMUFile *f)
{
    qemu_put_be64(f, MIB | RAM_WIRE_PAGE);
    qemu_put_counted_string(f, "a");
}
static void bad_far_offset(QEMUFile *f)
{
    qemu_put_be64(f, RAM_PAGE_MASK | RAM_WIRE_ZERO);
    qemu_put_counted_string(f, "a");
}
static void bad_eos(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_EOS | RAM_WIRE_CONTINUE);
}
static void bad_second_list(QEMUFile *f)
{
    put_list(f);
}
static void bad_total(QEMUFile *f)
{
    qemu_put_be64(f, RAM_PAGE_SIZE | RAM_WIRE_MEM_SIZE);
    qemu_put_counted_string(f, "a");
    qemu_put_be64(f, MIB);
}
static void bad_length(QEMUFile *f)
{
    qemu_put_be64(f, MIB | RAM_WIRE_MEM_SIZE);
    qemu_put_counted_string(f, "a");
    qemu_put_be64(f, MIB - RAM_PAGE_SIZE);
}
static void bad_resize(QEMUFile *f)
{
    qemu_put_be64(f, MIB | RAM_WIRE_MEM_SIZE);
    qemu_put_counted_string(f, "res");
    qemu_put_be64(f, 5 * RAM_PAGE_SIZE);
}
static void bad_twice(QEMUFile *f)
{
    qemu_put_be64(f, (2 * MIB) | RAM_WIRE_MEM_SIZE);
    qemu_put_counted_string(f, "a");
    qemu_put_be64(f, MIB);
    qemu_put_counted_string(f, "a");
    qemu_put_be64(f, MIB);
}
static void bad_missing(QEMUFile *f)
{
    qemu_put_be64(f, MIB | RAM_WIRE_MEM_SIZE);
    qemu_put_counted_string(f, "a");
    qemu_put_be64(f, MIB);
}
static void bad_xbzrle_length(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_XBZRLE);
    qemu_put_counted_string(f, "a");
    qemu_put_byte(f, 1);
    qemu_put_be16(f, 4097);
}
static void bad_xbzrle_run(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_XBZRLE);
    qemu_put_counted_string(f, "a");
    qemu_put_byte(f, 1);
    qemu_put_be16(f, 3);
    qemu_put_byte(f, 0);
    qemu_put_byte(f, 9);
    qemu_put_byte(f, 9);
}
static void bad_compress_length(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_COMPRESS);
    qemu_put_counted_string(f, "a");
    qemu_put_be32(f, 0x80000000u);
}
static void bad_compress_data(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_COMPRESS);
    qemu_put_counted_string(f, "a");
    qemu_put_be32(f, 3);
    qemu_put_buffer(f, (const uint8_t *)"abc", 3);
    ram_put_eos(f);
}
static void bad_hook(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_HOOK);
}
static void bad_flush(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_MULTIFD_FLUSH);
}
static void bad_end(QEMUFile *f)
{
    qemu_put_be64(f, RAM_WIRE_PAGE);
    qemu_put_counted_string(f, "a");
    qemu_put_be64(f, 0);
}
static void no_list(QEMUFile *f)
{
    ram_put_eos(f);
}

static const Bad bad_streams[] = {
    { "impossible flags 0xa", bad_flags, true },
    { "impossible flags 0x408", bad_unknown, true },
    { "no RAM block 'nope'", bad_name, true },
    { "continues no block", bad_continue, true },
    { "page 0x100000 is not in RAM block 'a'", bad_offset, true },
    { "is not in RAM block 'a'", bad_far_offset, true },
    { "continues a block", bad_eos, true },
    { "second list", bad_second_list, true },
    { "longer than the 0x1000 bytes", bad_total, false },
    { "'a' has 0x100000 bytes here and 0xff000", bad_length, false },
    { "'res' has 0x4000 bytes here and 0x5000", bad_resize, false },
    { "in the list twice", bad_twice, false },
    { "the source has no RAM block 'res'", bad_missing, false },
    { "4097 bytes", bad_xbzrle_length, true },
    { "is damaged", bad_xbzrle_run, true },
    { "2147483648 bytes", bad_compress_length, true },
    { "is damaged", bad_compress_data, true },
    { "HOOK", bad_hook, true },
    { "without multifd", bad_flush, true },
    { "", bad_end, true },
    { "list of RAM blocks is missing", no_list, false },
    { "do not come in the stream", bad_offset, false },
};

static void load_bad(const Bad *bad)
{
    g_autoptr(FakeRAM) fr = fake_ram_new();
    QIOChannelBuffer *bioc = qio_channel_buffer_new(4096);
    QEMUFile *out = qemu_file_new_output(QIO_CHANNEL(bioc));
    QEMUFile *in;
    RAMIncoming *ri;
    RAMIncomingConfig config = { .host = &fr->host, .host_opaque = fr };
    Error *err = NULL;

    fake_ram_add(fr, "a", MIB, 4096, 0);
    fake_ram_add(fr, "res", 4 * RAM_PAGE_SIZE, 4096, RAM_BLOCK_RESIZABLE);
    if (bad->list) {
        put_list(out);
    }
    bad->put(out);
    qemu_fflush(out);
    bioc->offset = 0;
    in = qemu_file_new_input(QIO_CHANNEL(bioc));
    ri = ram_incoming_new(&config, &error_abort);
    g_assert_false(ram_load(ri, in, &err));
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), bad->what)) {
        g_error("'%s' does not say '%s'", error_get_pretty(err), bad->what);
    }
    error_free(err);
    ram_incoming_free(ri);
    qemu_file_free(in);
    qemu_file_free(out);
    object_unref(OBJECT(bioc));
}

static void test_hostile(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bad_streams); i++) {
        load_bad(&bad_streams[i]);
    }
}

/* Words of the wire, and rows of zero records. */
static void test_wire(void)
{
    uint8_t buf[10 * RAM_WIRE_ZERO_SIZE];
    uint64_t offset, kind;
    bool more;

    g_assert_true(
        ram_wire_word_decode(0x12000 | RAM_WIRE_PAGE | RAM_WIRE_CONTINUE,
                             &offset, &kind, &more, &error_abort));
    g_assert_cmphex(offset, ==, 0x12000);
    g_assert_cmphex(kind, ==, 0x08);
    g_assert_true(more);
    g_assert_cmpuint(ram_wire_zero_run_encode(buf, 0x3000, 10), ==,
                     sizeof(buf));
    g_assert_cmphex(buf[6], ==, 0x30);
    g_assert_cmphex(buf[7], ==, 0x22);
    g_assert_cmpuint(ram_wire_zero_run_decode(buf, sizeof(buf), 0x3000, 99), ==,
                     10);
    g_assert_cmpuint(ram_wire_zero_run_decode(buf, sizeof(buf) - 1, 0x3000, 99),
                     ==, 9);
    g_assert_cmpuint(ram_wire_zero_run_decode(buf, sizeof(buf), 0x3000, 4), ==,
                     4);
    g_assert_cmpuint(ram_wire_zero_run_decode(buf, sizeof(buf), 0x4000, 99), ==,
                     0);
    buf[5 * RAM_WIRE_ZERO_SIZE + 8] = 1;
    g_assert_cmpuint(ram_wire_zero_run_decode(buf, sizeof(buf), 0x3000, 99), ==,
                     5);
}

static void test_golden(void)
{
    static const uint8_t page[] = { 0, 0,   0,   0,   0,   1,   0x20, 0x08,
                                    6, 'p', 'c', '.', 'r', 'a', 'm' };
    static const uint8_t block[] = { 6, 'p', 'c', '.', 'r',  'a', 'm', 0,
                                     0, 0,   0,   0,   0x80, 0,   0,   0,
                                     0, 0,   0,   0,   0x20, 0,   0 };
    RAMWireBlock b = { .used_length = 0x800000,
                       .has_page_size = true,
                       .page_size = 0x200000 };
    RAMBlock rb = { .idstr = "pc.ram" };
    uint8_t buf[RAM_WIRE_HEADER_MAX + RAM_WIRE_BLOCK_MAX];
    size_t len = ram_wire_header_encode(buf, 0x12000, RAM_WIRE_PAGE, &rb);

    g_assert_cmpmem(buf, len, page, sizeof(page));
    g_assert_cmpuint(ram_wire_header_encode(buf, 0, RAM_WIRE_PAGE, NULL), ==,
                     8);
    g_assert_cmphex(buf[7], ==, 0x28);
    len = ram_wire_block_encode(buf, "pc.ram", &b);
    g_assert_cmpmem(buf, len, block, sizeof(block));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram/hostile", test_hostile);
    g_test_add_func("/ram/wire", test_wire);
    g_test_add_func("/ram/golden", test_golden);
    return g_test_run();
}
