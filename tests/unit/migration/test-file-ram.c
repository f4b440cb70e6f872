/*
 * Mapped RAM: golden header, bounds of every field, memory to a file and back
 * in several passes, with O_DIRECT where the file system can, and files that
 * were tampered with.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "io/channel-file.h"
#include "migration/mapped/file-ram.h"
#include "migration/qemu-file.h"
#include "util/atomic.h"
#include "util/bswap.h"
#include "util/fd.h"

#define BLOCKS 3

static const uint64_t block_pages[BLOCKS] = { 700, 1, 130 };

/* -- the header ---------------------------------------------------------------- */

static void test_layout(void)
{
    static const uint8_t golden[FILE_RAM_HEADER_SIZE] = {
        0, 0, 0, 1,                      /* version */
        0, 0, 0, 0, 0, 0,    0x10, 0,    /* page size */
        0, 0, 0, 0, 0, 0,    0x10, 0x1c, /* bitmap */
        0, 0, 0, 0, 0, 0x10, 0,    0,    /* pages */
    };
    uint8_t buf[FILE_RAM_HEADER_SIZE];
    FileRAMBlock b, back;

    g_assert_cmpuint(file_ram_bitmap_bytes(0), ==, 0);
    g_assert_cmpuint(file_ram_bitmap_bytes(RAM_PAGE_SIZE), ==, 8);
    g_assert_cmpuint(file_ram_bitmap_bytes(64 * RAM_PAGE_SIZE), ==, 8);
    g_assert_cmpuint(file_ram_bitmap_bytes(65 * RAM_PAGE_SIZE), ==, 16);
    file_ram_layout(0x1000, 65 * RAM_PAGE_SIZE, &b);
    g_assert_cmphex(b.bitmap_offset, ==, 0x101c);
    g_assert_cmphex(b.pages_offset, ==, 0x100000);
    g_assert_cmphex(b.end_offset, ==, 0x141000);
    file_ram_encode(&b, buf);
    g_assert_cmpmem(buf, sizeof(buf), golden, sizeof(golden));
    file_ram_decode(buf, 0x1000, 65 * RAM_PAGE_SIZE, &back, &error_abort);
    g_assert_cmpmem(&back, sizeof(back), &b, sizeof(b));
    /* A bitmap that reaches the next MiB. */
    file_ram_layout(0xffff0, RAM_PAGE_SIZE, &b);
    g_assert_cmphex(b.pages_offset, ==, 0x200000);
}

static void test_bounds(void)
{
    static const struct {
        unsigned pos;
        uint64_t value;
    } bad[] = {
        { 4, 0 },                     /* page size */
        { 4, 0x2000 },                /* the same */
        { 12, 0 },                    /* bitmap before the header's end */
        { 12, 0x101b },               /* the same */
        { 12, 0xfffff },              /* bitmap into the pages */
        { 12, UINT64_MAX },           /* beyond everything */
        { 20, 0 },                    /* pages before the bitmap */
        { 20, 0x180000 },             /* not aligned */
        { 20, UINT64_MAX - 0xfffff }, /* wraps */
        { 20, FILE_RAM_OFFSET_MAX },  /* ends beyond the limit */
    };
    uint8_t good[FILE_RAM_HEADER_SIZE], buf[FILE_RAM_HEADER_SIZE];
    FileRAMBlock b;
    Error *err = NULL;

    file_ram_layout(0x1000, 65 * RAM_PAGE_SIZE, &b);
    file_ram_encode(&b, good);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        memcpy(buf, good, sizeof(buf));
        stq_be_p(buf + bad[i].pos, bad[i].value);
        g_assert_false(
            file_ram_decode(buf, 0x1000, 65 * RAM_PAGE_SIZE, &b, &err));
        error_free_or_abort(&err);
    }
    memcpy(buf, good, sizeof(buf));
    buf[3] = 2;
    g_assert_false(file_ram_decode(buf, 0x1000, 65 * RAM_PAGE_SIZE, &b, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "mapped-ram version is 2, not 1");
    error_free_or_abort(&err);
}

/* -- a whole file -------------------------------------------------------------- */

typedef struct Image {
    char *path;
    RAMBlock src[BLOCKS], dst[BLOCKS];
    MultiFDStats stats;
} Image;

static void block_init(RAMBlock *rb, unsigned i)
{
    memset(rb, 0, sizeof(*rb));
    g_snprintf(rb->idstr, sizeof(rb->idstr), "block.%u", i);
    rb->used_length = rb->max_length = block_pages[i] * RAM_PAGE_SIZE;
    rb->host = mmap(NULL, rb->max_length, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(rb->host != MAP_FAILED);
}

static Image *image_new(void)
{
    Image *m = g_new0(Image, 1);
    AUTO_FD fd = g_file_open_tmp("file-ram-XXXXXX", &m->path, NULL);

    g_assert_cmpint(fd, >=, 0);
    for (unsigned i = 0; i < BLOCKS; i++) {
        block_init(&m->src[i], i);
        block_init(&m->dst[i], i);
        /* As a ROM would be there: must become what the source has. */
        memset(m->dst[i].host, 0x55, MIN(20, block_pages[i]) * RAM_PAGE_SIZE);
    }
    return m;
}

static void image_free(Image *m)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        munmap(m->src[i].host, m->src[i].max_length);
        munmap(m->dst[i].host, m->dst[i].max_length);
    }
    unlink(m->path);
    g_free(m->path);
    g_free(m);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Image, image_free)

static QIOChannel *image_open(Image *m, int flags)
{
    return QIO_CHANNEL(
        qio_channel_file_new_path(m->path, flags, 0600, &error_abort));
}

static void pages_fill(RAMBlock *rb, uint64_t first, uint64_t n, unsigned seed)
{
    for (uint64_t p = first; p < first + n; p++) {
        memset(rb->host + p * RAM_PAGE_SIZE,
               (p + seed) % 3 == 0 ? 0 : p * 7 + seed + 1, RAM_PAGE_SIZE);
    }
}

/* One pass: every page at first, then every third row. */
static void pass_save(Image *m, FileRAMWriter *w, unsigned pass)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        RAMBlock *rb = &m->src[i];
        uint64_t n;

        for (uint64_t p = 0; p < block_pages[i]; p += n * (pass ? 3 : 1)) {
            n = MIN(block_pages[i] - p, 1 + p % 150);
            pages_fill(rb, p, n, pass);
            if (pass == 2) {
                memset(rb->host + p * RAM_PAGE_SIZE, 0, n * RAM_PAGE_SIZE);
                file_ram_writer_zero(w, rb, p * RAM_PAGE_SIZE, n, &error_abort);
            } else {
                file_ram_writer_run(w, rb, p * RAM_PAGE_SIZE, n, &error_abort);
            }
        }
    }
    file_ram_writer_sync(w, &error_abort);
}

static void image_save(Image *m, unsigned threads, int flags, Pacer *pacer)
{
    g_autoptr(QIOChannel) main_ioc = image_open(m, O_RDWR);
    g_autoptr(QIOChannel) ioc = image_open(m, O_RDWR | flags);
    g_autoptr(QEMUFile) f = qemu_file_new_output(main_ioc);
    FileRAMConfig config = {
        .ioc = ioc,
        .threads = threads,
        .find_zero = true,
        .pacer = pacer,
        .stats = &m->stats,
    };
    g_autoptr(FileRAMWriter) w = file_ram_writer_new(&config, &error_abort);

    qemu_put_be32(f, 0x12345678);
    for (unsigned i = 0; i < BLOCKS; i++) {
        file_ram_save_block(w, f, &m->src[i], &error_abort);
    }
    for (unsigned pass = 0; pass < 4; pass++) {
        pass_save(m, w, pass);
    }
    file_ram_writer_finish(w, qemu_file_get_ioc(f), &error_abort);
    qemu_put_be32(f, 0x9abcdef0);
    g_assert_cmpint(qemu_fflush(f), ==, 0);
}

/* Returns: false: refused, with @errp set. */
static bool image_load(Image *m, unsigned threads, int flags, Error **errp)
{
    g_autoptr(QIOChannel) main_ioc = image_open(m, O_RDONLY);
    g_autoptr(QIOChannel) ioc = image_open(m, O_RDONLY | flags);
    g_autoptr(QEMUFile) f = qemu_file_new_input(main_ioc);
    FileRAMReaderConfig config = { .ioc = ioc, .threads = threads };
    g_autoptr(FileRAMReader) r = file_ram_reader_new(&config, &error_abort);

    g_assert_cmphex(qemu_get_be32(f), ==, 0x12345678);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (!file_ram_load_block(r, f, &m->dst[i], errp)) {
            return false;
        }
        g_assert_null(m->dst[i].priv_multifd);
    }
    g_assert_cmphex(qemu_get_be32(f), ==, 0x9abcdef0);
    return true;
}

static void image_check(Image *m)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        g_assert_cmpint(memcmp(m->dst[i].host, m->src[i].host,
                               m->src[i].used_length),
                        ==, 0);
    }
}

static void test_threads(const void *data)
{
    unsigned threads = GPOINTER_TO_UINT(data);
    g_autoptr(Image) m = image_new();

    image_save(m, threads, 0, NULL);
    for (unsigned i = 0; i < BLOCKS; i++) {
        g_assert_null(m->src[i].priv_multifd);
    }
    g_assert_cmpuint(m->stats.zero_pages, >, 0);
    g_assert_cmpuint(m->stats.wire_bytes, ==,
                     m->stats.normal_pages * RAM_PAGE_SIZE);
    image_load(m, threads, 0, &error_abort);
    image_check(m);
}

static void test_direct(void)
{
    g_autoptr(Image) m = image_new();
    AUTO_FD fd = open(m->path, O_RDWR | O_DIRECT);

    if (fd < 0) {
        g_test_skip("no O_DIRECT here");
        return;
    }
    image_save(m, 2, O_DIRECT, NULL);
    image_load(m, 2, O_DIRECT, &error_abort);
    image_check(m);
}

static void test_paced(void)
{
    g_autoptr(Image) m = image_new();
    g_autoptr(Pacer) pacer = pacer_new();
    gint64 us = g_get_monotonic_time();

    pacer_set_rate(pacer, 20 * 1000 * 1000);
    image_save(m, 2, 0, pacer);
    us = g_get_monotonic_time() - us;
    g_assert_cmpint(us, >=,
                    (int64_t)m->stats.wire_bytes / 20 * 98 / 100 -
                        PACER_BURST_NS / 1000);
    image_load(m, 1, 0, &error_abort);
    image_check(m);
}

static void test_cancel(void)
{
    g_autoptr(Image) m = image_new();
    g_autoptr(QIOChannel) ioc = image_open(m, O_RDWR);
    g_autoptr(QEMUFile) f = qemu_file_new_output(ioc);
    FileRAMConfig config = { .ioc = ioc, .threads = 2, .stats = &m->stats };
    g_autoptr(FileRAMWriter) w = file_ram_writer_new(&config, &error_abort);
    Error *err = NULL;

    file_ram_save_block(w, f, &m->src[0], &error_abort);
    file_ram_writer_cancel(w, NULL);
    g_assert_false(file_ram_writer_run(w, &m->src[0], 0, 1, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "migration was cancelled");
    error_free_or_abort(&err);
    g_assert_false(file_ram_writer_finish(w, ioc, NULL));
}

static unsigned errors_seen; /* atomic; of this program's one writer */

static void on_error(void *opaque, Error *err)
{
    error_free(err);
    qatomic_inc(&errors_seen);
}

/* The file cannot be written. */
static void test_write_fails(void)
{
    g_autoptr(Image) m = image_new();
    g_autoptr(QIOChannel) main_ioc = image_open(m, O_RDWR);
    g_autoptr(QIOChannel) ioc = image_open(m, O_RDONLY);
    g_autoptr(QEMUFile) f = qemu_file_new_output(main_ioc);
    FileRAMConfig config = {
        .ioc = ioc, .threads = 3, .stats = &m->stats, .on_error = on_error
    };
    g_autoptr(FileRAMWriter) w = file_ram_writer_new(&config, &error_abort);
    Error *err = NULL;

    file_ram_save_block(w, f, &m->src[0], &error_abort);
    file_ram_writer_run(w, &m->src[0], 0, 1, &error_abort);
    g_assert_false(file_ram_writer_sync(w, &err));
    g_assert_true(g_str_has_prefix(
        error_get_pretty(err),
        "mapped-ram: cannot write pages of 'block.0' at 0x0: "));
    error_free_or_abort(&err);
    g_clear_pointer(&w, file_ram_writer_free);
    g_assert_cmpuint(errors_seen, ==, 1);
}

/* -- hostile files ------------------------------------------------------------- */

typedef struct Tamper {
    const char *name;
    off_t pos;    /* from the start; block.0's header is at 4 */
    uint8_t byte; /* to put there */
    off_t size;   /* cut the file; 0: not */
    const char *error;
} Tamper;

static const Tamper tampers[] = {
    { "version", 7, 9, 0,
      "mapped-ram block 'block.0': mapped-ram version is 9, not 1" },
    { "bitmap-bits", 4 + FILE_RAM_HEADER_SIZE + 700 / 8, 0xff, 0,
      "mapped-ram block 'block.0': bitmap has bits beyond the block's 700 "
      "pages" },
    { "short", 7, 1, (1 << 20) + 5000,
      "mapped-ram block 'block.0': pages end at 0x3bc000, beyond the file's "
      "0x101388" },
    { "offset", 4 + 20, 0xff, 0, NULL },
};

static void test_tamper(const void *data)
{
    const Tamper *t = data;
    g_autoptr(Image) m = image_new();
    AUTO_FD fd = -1;
    Error *err = NULL;

    image_save(m, 1, 0, NULL);
    fd = open(m->path, O_RDWR);
    g_assert_cmpint(pwrite(fd, &t->byte, 1, t->pos), ==, 1);
    if (t->size) {
        g_assert_cmpint(ftruncate(fd, t->size), ==, 0);
    }
    g_assert_false(image_load(m, 2, 0, &err));
    if (t->error) {
        g_assert_cmpstr(error_get_pretty(err), ==, t->error);
    }
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/file-ram/layout", test_layout);
    g_test_add_func("/file-ram/bounds", test_bounds);
    g_test_add_data_func("/file-ram/threads/1", GUINT_TO_POINTER(1),
                         test_threads);
    g_test_add_data_func("/file-ram/threads/3", GUINT_TO_POINTER(3),
                         test_threads);
    g_test_add_data_func("/file-ram/threads/16", GUINT_TO_POINTER(16),
                         test_threads);
    g_test_add_func("/file-ram/direct", test_direct);
    g_test_add_func("/file-ram/paced", test_paced);
    g_test_add_func("/file-ram/cancel", test_cancel);
    g_test_add_func("/file-ram/write-fails", test_write_fails);
    for (size_t i = 0; i < G_N_ELEMENTS(tampers); i++) {
        g_autofree char *path =
            g_strdup_printf("/file-ram/tamper/%s", tampers[i].name);

        g_test_add_data_func(path, &tampers[i], test_tamper);
    }
    return g_test_run();
}
