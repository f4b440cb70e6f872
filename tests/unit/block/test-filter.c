/*
 * Filters, and the format luks: what they change of requests, and that they
 * change nothing else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>
#include <sys/stat.h>

#include "block/blkdebug.h"
#include "block/block-backend.h"
#include "block/block-internal.h"
#include "block/create.h"
#include "block/types.h"
#include "crypto/init.h"
#include "crypto/secret.h"
#include "qapi/json.h"
#include "qom/object_interfaces.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/main-loop.h"

#define DISK_BYTES (256 * 1024)

static char *dir;

static char *path_of(const char *name)
{
    return g_build_filename(dir, name, NULL);
}

static void make_file(const char *name, size_t bytes)
{
    g_autofree char *path = path_of(name);

    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    g_assert_cmpint(truncate(path, (off_t)bytes), ==, 0);
}

static void read_file(const char *name, char **data, gsize *size)
{
    g_autofree char *path = path_of(name);

    g_assert_true(g_file_get_contents(path, data, size, NULL));
}

/* Options of a node: '@' stands for the folder of files, ' for ". */
static json_t *options(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "@", -1);
    g_autofree char *slashed = g_strconcat(dir, "/", NULL);
    g_autofree char *whole = g_strjoinv(slashed, parts);

    g_strdelimit(whole, "'", '"');
    return qobject_from_json(whole, &error_abort);
}

static BlockBackend *try_open(const char *text, Error **errp)
{
    g_autoptr(json_t) opts = options(text);
    BlockNode *node = block_node_new(opts, false, qemu_get_aio_context(), errp);
    BlockBackend *blk;

    if (!node) {
        return NULL;
    }
    blk = blk_new(qemu_get_aio_context());
    blk_insert(blk, node, &error_abort);
    block_node_unref(node);
    blk_set_perm(blk, !node->read_only, false, &error_abort);
    return blk;
}

static BlockBackend *open_text(const char *text)
{
    return try_open(text, &error_abort);
}

static void open_fails(const char *text, const char *message)
{
    Error *err = NULL;

    g_assert_null(try_open(text, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), message));
    error_free(err);
}

static void create(const char *driver, const char *text)
{
    g_autoptr(json_t) opts = options(text);

    block_create(driver, opts, false, qemu_get_aio_context(), NULL,
                 &error_abort);
}

#define FILE_OF(name) "{'driver':'file','filename':'@" name "'}"

static void write_byte(BlockBackend *blk, int64_t offset, int64_t bytes,
                       int byte)
{
    g_autofree uint8_t *buf = g_malloc((gsize)bytes);

    memset(buf, byte, (size_t)bytes);
    g_assert_cmpint(blk_pwrite(blk, offset, bytes, buf, 0), ==, 0);
}

static void check_byte(BlockBackend *blk, int64_t offset, int64_t bytes,
                       int byte)
{
    g_autofree uint8_t *buf = g_malloc((gsize)bytes);

    memset(buf, ~byte, (size_t)bytes);
    g_assert_cmpint(blk_pread(blk, offset, bytes, buf), ==, 0);
    for (int64_t i = 0; i < bytes; i++) {
        g_assert_cmpint(buf[i], ==, byte);
    }
}

/* Reads and writes of all sizes and places, against a copy in memory. */
static void exercise(BlockBackend *blk)
{
    g_autofree uint8_t *want = g_malloc(DISK_BYTES);
    g_autofree uint8_t *buf = g_malloc(DISK_BYTES);
    GRand *rnd = g_rand_new_with_seed(7);

    g_assert_cmpint(blk_pread(blk, 0, DISK_BYTES, want), ==, 0);
    for (int i = 0; i < 200; i++) {
        int64_t at = g_rand_int_range(rnd, 0, DISK_BYTES);
        int64_t len = g_rand_int_range(rnd, 1, DISK_BYTES / 3);

        len = MIN(len, DISK_BYTES - at);

        if (i % 2) {
            memset(buf, i, (size_t)len);
            memset(want + at, i, (size_t)len);
            g_assert_cmpint(blk_pwrite(blk, at, len, buf, 0), ==, 0);
        } else {
            g_assert_cmpint(blk_pread(blk, at, len, buf), ==, 0);
            g_assert_cmpint(memcmp(buf, want + at, (size_t)len), ==, 0);
        }
    }
    g_rand_free(rnd);
}

/* -- luks ---------------------------------------------------------------------------- */

static void test_luks(void)
{
    BlockBackend *blk;
    g_autofree char *data = NULL;
    gsize size;

    make_file("luks", 0);
    create("luks",
           "{'file':" FILE_OF("luks") ",'size':262144,"
                                      "'key-secret':'key','iter-time':1}");
    blk = open_text(
        "{'driver':'luks','key-secret':'key','file':" FILE_OF("luks") "}");
    g_assert_cmpint(blk_getlength(blk), ==, DISK_BYTES);
    write_byte(blk, 0, DISK_BYTES, 0);
    exercise(blk);
    write_byte(blk, 4096, 8192, 0x77);
    g_assert_cmpint(blk_pread(blk, DISK_BYTES, 512, (uint8_t[512]){ 0 }), <, 0);
    blk_unref(blk);

    blk = open_text(
        "{'driver':'luks','key-secret':'key','file':" FILE_OF("luks") "}");
    check_byte(blk, 4096, 8192, 0x77);
    g_assert_true(blk_truncate(blk, 2 * DISK_BYTES, &error_abort));
    g_assert_cmpint(blk_getlength(blk), ==, 2 * DISK_BYTES);
    write_byte(blk, 2 * DISK_BYTES - 512, 512, 0x11);
    check_byte(blk, 2 * DISK_BYTES - 512, 512, 0x11);
    blk_unref(blk);

    /* Nothing of it in the file. */
    read_file("luks", &data, &size);
    for (gsize i = 2068480; i + 8 < size; i++) {
        g_assert_cmpint(memcmp(data + i, "\x77\x77\x77\x77\x77\x77\x77\x77", 8),
                        !=, 0);
    }
    open_fails("{'driver':'luks','file':" FILE_OF("luks") "}", "'key-secret'");
}

/* Large requests go through worker threads, and are cut. */
static void test_luks_large(void)
{
    enum {
        BYTES = 5 * 1024 * 1024 + 1536
    };
    g_autofree uint8_t *a = g_malloc(BYTES);
    g_autofree uint8_t *b = g_malloc0(BYTES);
    BlockBackend *blk;

    for (size_t i = 0; i < BYTES; i++) {
        a[i] = (uint8_t)(i * 2654435761U >> 24);
    }
    make_file("large", 0);
    create("luks",
           "{'file':" FILE_OF("large") ",'size':6291456,"
                                       "'key-secret':'key','iter-time':1}");
    blk = open_text(
        "{'driver':'luks','key-secret':'key','file':" FILE_OF("large") "}");
    g_assert_cmpint(blk_pwrite(blk, 1024, BYTES, a, BLK_REQ_FUA), ==, 0);
    g_assert_cmpint(blk_pread(blk, 1024, BYTES, b), ==, 0);
    g_assert_cmpint(memcmp(a, b, BYTES), ==, 0);
    g_assert_cmpint(blk_pread(blk, 1024 + 777, BYTES - 1000, b), ==, 0);
    g_assert_cmpint(memcmp(a + 777, b, BYTES - 1000), ==, 0);
    blk_unref(blk);
}

typedef struct Ticker {
    QEMUTimer *timer;
    unsigned ticks;
} Ticker;

static void tick(void *opaque)
{
    Ticker *t = opaque;

    t->ticks++;
    timer_mod(t->timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + 2);
}

/* A worker stretches the key: the loop goes on meanwhile. */
static void open_beside_timer(const char *text, const char *message)
{
    Ticker t = { 0 };

    t.timer = aio_timer_new(qemu_get_aio_context(), QEMU_CLOCK_REALTIME,
                            SCALE_MS, tick, &t);
    tick(&t);
    if (message) {
        open_fails(text, message);
    } else {
        blk_unref(open_text(text));
    }
    timer_free(t.timer);
    g_assert_cmpint(t.ticks, >=, 5);
}

static void test_luks_beside_others(void)
{
    make_file("slow", 0);
    create("luks",
           "{'file':" FILE_OF("slow") ",'size':262144,"
                                      "'key-secret':'key','iter-time':200}");
    open_beside_timer(
        "{'driver':'luks','key-secret':'key','file':" FILE_OF("slow") "}",
        NULL);
    open_beside_timer(
        "{'driver':'luks','key-secret':'other','file':" FILE_OF("slow") "}",
        "invalid password");
    make_file("slow", 0);
    create("qcow2", "{'file':" FILE_OF(
                        "slow") ",'size':262144,'encrypt':{'format':'luks',"
                                "'key-secret':'key','iter-time':200}}");
    open_beside_timer("{'driver':'qcow2','encrypt':{'format':'luks',"
                      "'key-secret':'key'},'file':" FILE_OF("slow") "}",
                      NULL);
}

/* -- copy-on-read -------------------------------------------------------------------- */

static void test_copy_on_read(void)
{
    BlockBackend *blk;
    int64_t before;

    make_file("base", DISK_BYTES);
    make_file("top", 0);
    blk = open_text(FILE_OF("base"));
    write_byte(blk, 0, DISK_BYTES, 0x42);
    blk_unref(blk);
    create("qcow2", "{'file':" FILE_OF("top") ",'size':262144}");
    blk = open_text(
        "{'driver':'copy-on-read','file':{'driver':'qcow2','file':" FILE_OF(
            "top") ",'backing':" FILE_OF("base") "}}");
    before = block_node_length(blk_node(blk));
    check_byte(blk, 65536, 65536, 0x42);
    check_byte(blk, 131072 + 100, 1000, 0x42);
    write_byte(blk, 0, 1024, 0x43);
    check_byte(blk, 0, 1024, 0x43);
    g_assert_cmpint(before, ==, DISK_BYTES);
    blk_unref(blk);

    /* Without the backing image: what was read is there. */
    blk = open_text(
        "{'driver':'qcow2','backing':null,'file':" FILE_OF("top") "}");
    check_byte(blk, 65536, 65536, 0x42);
    check_byte(blk, 131072 + 100, 1000, 0x42);
    check_byte(blk, 0, 1024, 0x43);
    check_byte(blk, 1024, 1024, 0x42);
    check_byte(blk, 196608, 65536, 0);
    blk_unref(blk);
    open_fails("{'driver':'copy-on-read','file':{'driver':'qcow2',"
               "'read-only':true,'file':" FILE_OF("top") "}}",
               "read-only");
}

/* -- compress ------------------------------------------------------------------------ */

static void test_compress(void)
{
    g_autofree char *path = path_of("packed");
    struct stat st;
    BlockBackend *blk;

    make_file("packed", 0);
    create("qcow2", "{'file':" FILE_OF("packed") ",'size':262144}");
    blk = open_text(
        "{'driver':'compress','file':{'driver':'qcow2','file':" FILE_OF(
            "packed") "}}");
    write_byte(blk, 0, DISK_BYTES, 0x5a);
    write_byte(blk, 1000, 100, 0x5b);
    check_byte(blk, 1000, 100, 0x5b);
    check_byte(blk, 1100, DISK_BYTES - 1100, 0x5a);
    blk_unref(blk);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, <=, 6 * 65536);
    blk = open_text(
        "{'driver':'compress','file':{'driver':'qcow2','file':" FILE_OF(
            "packed") "}}");
    exercise(blk);
    blk_unref(blk);
    make_file("plain", DISK_BYTES);
    open_fails("{'driver':'compress','file':" FILE_OF("plain") "}",
               "does not support compressed");
}

/* -- blkdebug ------------------------------------------------------------------------- */

static int read_at(BlockBackend *blk, int64_t offset)
{
    uint8_t buf[512];

    return blk_pread(blk, offset, sizeof(buf), buf);
}

static void test_blkdebug_errors(void)
{
    uint8_t buf[512] = { 0 };
    BlockBackend *blk;

    make_file("debug", DISK_BYTES);
    blk = open_text("{'driver':'blkdebug','image':" FILE_OF(
        "debug") ",'inject-error':["
                 "{'event':'none','iotype':'read','sector':10,'errno':28},"
                 "{'event':'none','iotype':'write','once':true,'immediately':true},"
                 "{'event':'none','iotype':'flush','errno':5}]}");
    g_assert_cmpint(read_at(blk, 0), ==, 0);
    g_assert_cmpint(read_at(blk, 5120), ==, -ENOSPC);
    g_assert_cmpint(read_at(blk, 5120 - 511), ==, -ENOSPC);
    g_assert_cmpint(read_at(blk, 5120 - 512), ==, 0);
    g_assert_cmpint(read_at(blk, 5120), ==, -ENOSPC);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, -EIO);
    blk_unref(blk);
    open_fails("{'driver':'blkdebug','image':" FILE_OF(
                   "debug") ",'inject-error':[{'event':'none','errno':0}]}",
               "errno 0");
    open_fails("{'driver':'blkdebug','image':" FILE_OF("debug") ",'align':513}",
               "align 513");
    open_fails("{'driver':'blkdebug'}", "'image' is missing");
}

static void test_blkdebug_states(void)
{
    g_autofree char *config = path_of("rules");
    BlockBackend *blk;

    /* The third read fails, and all after it until the next flush. */
    g_assert_true(g_file_set_contents(
        config,
        "[set-state]\nevent = \"read_aio\"\nstate = \"1\"\n"
        "new_state = \"2\"\n"
        "[set-state]\nevent = \"read_aio\"\nstate = \"2\"\n"
        "new_state = \"3\"\n"
        "[inject-error]\nevent = \"read_aio\"\nstate = \"3\"\n"
        "errno = \"12\"\niotype = \"read\"\n"
        "[set-state]\nevent = \"flush_to_disk\"\nnew_state = \"9\"\n"
        "[inject-error]\nevent = \"flush_to_disk\"\nonce = \"on\"\n"
        "iotype = \"discard\"\n",
        -1, NULL));
    make_file("debug", DISK_BYTES);
    blk = open_text(
        "{'driver':'blkdebug','config':'@rules','image':" FILE_OF("debug") "}");
    g_assert_cmpint(read_at(blk, 0), ==, 0);
    g_assert_cmpint(read_at(blk, 0), ==, 0);
    g_assert_cmpint(read_at(blk, 0), ==, -ENOMEM);
    g_assert_cmpint(read_at(blk, 0), ==, -ENOMEM);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpint(read_at(blk, 0), ==, 0);
    blk_unref(blk);

    g_assert_true(g_file_set_contents(config, "[inject]\n", -1, NULL));
    open_fails(
        "{'driver':'blkdebug','config':'@rules','image':" FILE_OF("debug") "}",
        "unknown section 'inject'");
    open_fails(
        "{'driver':'blkdebug','config':'@none','image':" FILE_OF("debug") "}",
        "none");
}

/* Events of a format above, and limits. */
static void test_blkdebug_format(void)
{
    BlockBackend *blk;
    BlockNode *node;

    make_file("debug", DISK_BYTES);
    blk = open_text(
        "{'driver':'raw','file':{'driver':'blkdebug','align':4096,"
        "'max-transfer':8192,'image':" FILE_OF(
            "debug") ",'inject-error':["
                     "{'event':'l2_update','errno':71,'iotype':'read'}]}}");
    node = node_child_of_role(blk_node(blk), NODE_ROLE_PRIMARY);
    exercise(blk);
    g_assert_cmpint(node->request_alignment, ==, 4096);
    blkdebug_event(node, BLKDBG_L1_UPDATE);
    g_assert_cmpint(read_at(blk, 0), ==, 0);
    blkdebug_event(node, BLKDBG_L2_UPDATE);
    g_assert_cmpint(read_at(blk, 0), ==, -EPROTO);
    blkdebug_event(node_child_of_role(node, NODE_ROLE_FILTERED),
                   BLKDBG_L2_UPDATE);
    blk_unref(blk);
}

/* -- blkverify ------------------------------------------------------------------------- */

static void test_blkverify(void)
{
    BlockBackend *blk;
    BlockBackend *raw;

    make_file("a", DISK_BYTES);
    make_file("b", DISK_BYTES);
    blk = open_text("{'driver':'blkverify','test':" FILE_OF(
        "a") ",'raw':" FILE_OF("b") "}");
    exercise(blk);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    blk_unref(blk);
    raw = open_text(FILE_OF("b"));
    write_byte(raw, 5000, 1, 0xaa);
    write_byte(raw, 5001, 1, 0x55);
    blk_unref(raw);
    blk = open_text("{'driver':'blkverify','test':" FILE_OF(
        "a") ",'raw':" FILE_OF("b") "}");
    g_assert_cmpint(read_at(blk, 4608), ==, -EIO);
    g_assert_cmpint(read_at(blk, 5002), ==, 0);
    blk_unref(blk);
    make_file("b", DISK_BYTES / 2);
    open_fails(
        "{'driver':'blkverify','test':" FILE_OF("a") ",'raw':" FILE_OF("b") "}",
        "different sizes");
}

/* -- blklogwrites ----------------------------------------------------------------------- */

/* Make the image again from the log. Returns: entries. */
static uint64_t replay(uint8_t *disk, unsigned *flushes)
{
    g_autofree char *log = NULL;
    uint64_t entries;
    gsize size;
    gsize at;
    uint32_t sector;

    read_file("log", &log, &size);
    g_assert_cmphex(ldq_le_p(log), ==, UINT64_C(0x6a736677736872));
    g_assert_cmpint(ldq_le_p(log + 8), ==, 1);
    entries = ldq_le_p(log + 16);
    sector = ldl_le_p(log + 24);
    at = sector;
    *flushes = 0;
    for (uint64_t i = 0; i < entries; i++) {
        uint64_t to = ldq_le_p(log + at) * sector;
        uint64_t n = ldq_le_p(log + at + 8) * sector;
        uint64_t flags = ldq_le_p(log + at + 16);

        g_assert_cmpint(ldq_le_p(log + at + 24), ==, n);
        at += sector;
        *flushes += flags & 1;
        if (!(flags & 4) && n) {
            g_assert_cmpint(at + n, <=, size);
            memcpy(disk + to, log + at, n);
            at += n;
        }
    }
    return entries;
}

static void test_blklogwrites(void)
{
    g_autofree uint8_t *disk = g_malloc0(DISK_BYTES);
    g_autofree char *data = NULL;
    unsigned flushes;
    uint64_t entries;
    BlockBackend *blk;
    gsize size;

    make_file("disk", DISK_BYTES);
    make_file("log", 0);
    blk = open_text("{'driver':'blklogwrites','file':" FILE_OF(
        "disk") ",'log':" FILE_OF("log") "}");
    exercise(blk);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    write_byte(blk, 512, 1024, 0xcc);
    blk_unref(blk);
    entries = replay(disk, &flushes);
    g_assert_cmpint(entries, >=, 101);
    g_assert_cmpint(flushes, >=, 1);
    read_file("disk", &data, &size);
    g_assert_cmpmem(data, size, disk, DISK_BYTES);

    /* It goes on. */
    blk =
        open_text("{'driver':'blklogwrites','log-append':true,'file':" FILE_OF(
            "disk") ",'log':" FILE_OF("log") "}");
    write_byte(blk, 0, 512, 0xdd);
    blk_unref(blk);
    g_assert_cmpint(replay(disk, &flushes), >, entries);
    g_assert_cmpint(disk[0], ==, 0xdd);

    make_file("log", 4096);
    open_fails("{'driver':'blklogwrites','log-append':true,'file':" FILE_OF(
                   "disk") ",'log':" FILE_OF("log") "}",
               "no log to append to");
    open_fails(
        "{'driver':'blklogwrites','log-sector-size':1000,'file':" FILE_OF(
            "disk") ",'log':" FILE_OF("log") "}",
        "log-sector-size 1000");
}

/* A file that grows, below a format. */
static void test_blklogwrites_format(void)
{
    g_autofree uint8_t *disk = g_malloc0(4 * 1024 * 1024);
    g_autofree char *data = NULL;
    unsigned flushes;
    BlockBackend *blk;
    gsize size;

    make_file("grow", 0);
    make_file("log", 0);
    create("qcow2", "{'file':{'driver':'blklogwrites','file':" FILE_OF(
                        "grow") ",'log':" FILE_OF("log") "},'size':262144}");
    blk = open_text("{'driver':'qcow2','file':{'driver':'blklogwrites',"
                    "'log-append':true,'file':" FILE_OF(
                        "grow") ",'log':" FILE_OF("log") "}}");
    exercise(blk);
    blk_unref(blk);
    replay(disk, &flushes);
    g_assert_cmpint(flushes, >, 0);
    read_file("grow", &data, &size);
    g_assert_cmpint(memcmp(data, disk, size), ==, 0);
}

/* -- preallocate ------------------------------------------------------------------------- */

static void test_preallocate(void)
{
    g_autofree char *path = path_of("pre");
    struct stat st;
    BlockBackend *blk;

    make_file("pre", 0);
    create("qcow2", "{'file':" FILE_OF("pre") ",'size':8388608}");
    blk = open_text("{'driver':'qcow2','file':{'driver':'preallocate',"
                    "'prealloc-size':4194304,'file':" FILE_OF("pre") "}}");
    write_byte(blk, 0, DISK_BYTES, 0);
    exercise(blk);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, >=, 4194304);
    g_assert_cmpint(st.st_size % (1024 * 1024), ==, 0);
    write_byte(blk, 0, 65536, 0x21);
    blk_unref(blk);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, <, 1024 * 1024);
    blk = open_text("{'driver':'qcow2','file':" FILE_OF("pre") "}");
    check_byte(blk, 0, 65536, 0x21);
    blk_unref(blk);
    open_fails("{'driver':'preallocate','prealloc-align':1000,'file':" FILE_OF(
                   "pre") "}",
               "prealloc-align 1000");
}

/* Another process made the file longer: all above it know before it is used,
 * and do not read zeroes where the file is longer now. */
static void test_activate(void)
{
    static const char *const nodes[] = {
        "{'driver':'raw','file':{'driver':'copy-on-read','file':{'driver':"
        "'preallocate','file':" FILE_OF("act") "}}}",
        "{'driver':'raw','offset':4096,'file':" FILE_OF("act") "}",
        "{'driver':'luks','key-secret':'key','file':" FILE_OF("act") "}",
    };
    g_autofree char *path = path_of("act");
    struct stat st;

    make_file("act", 0);
    create("luks",
           "{'file':" FILE_OF("act") ",'size':262144,"
                                     "'key-secret':'key','iter-time':1}");
    for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
        BlockBackend *blk = open_text(nodes[i]);
        int64_t length = block_node_length(blk_node(blk));

        g_assert_true(node_inactivate_all(&error_abort));
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(truncate(path, st.st_size + DISK_BYTES), ==, 0);
        g_assert_true(node_activate_all(&error_abort));
        g_assert_cmpint(block_node_length(blk_node(blk)), ==,
                        length + DISK_BYTES);
        blk_unref(blk);
    }
}

static void test_activate_format(void)
{
    BlockBackend *blk, *other;

    make_file("act", 0);
    create("qcow2", "{'file':" FILE_OF("act") ",'size':8388608}");
    blk = open_text("{'driver':'qcow2','file':{'driver':'preallocate','file':{"
                    "'driver':'copy-on-read','file':" FILE_OF("act") "}}}");
    g_assert_true(node_inactivate_all(&error_abort));
    other = open_text("{'driver':'qcow2','file':" FILE_OF("act") "}");
    write_byte(other, 0, 8388608, 0x21);
    blk_unref(other);
    g_assert_true(node_activate_all(&error_abort));
    check_byte(blk, 0, 8388608, 0x21);
    write_byte(blk, 65536, 65536, 0x22);
    blk_unref(blk);
}

/* -- null ------------------------------------------------------------------------------ */

static void test_null_latency(void)
{
    BlockBackend *blk = open_text("{'driver':'null-co','latency-ns':20000000,"
                                  "'read-zeroes':true}");
    int64_t start = g_get_monotonic_time();

    check_byte(blk, 0, 512, 0);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 20000);
    blk_unref(blk);
}

static void add_secrets(void)
{
    static const char *const names[] = { "key", "other" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *phrase = g_strdup_printf("passphrase%zu", i);
        g_autoptr(json_t) props = json_pack("{s:s}", "data", phrase);

        object_unref(user_creatable_add_type(TYPE_QCRYPTO_SECRET, names[i],
                                             props, true, &error_abort));
    }
}

static void remove_dir(void)
{
    GDir *d = g_dir_open(dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(d))) {
        g_autofree char *path = path_of(name);

        g_unlink(path);
    }
    g_dir_close(d);
    g_rmdir(dir);
    g_free(dir);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    qemu_init_main_loop(&error_abort);
    block_register_types();
    dir = g_dir_make_tmp("ferry-filter-XXXXXX", NULL);
    add_secrets();
    g_test_add_func("/luks/requests", test_luks);
    g_test_add_func("/luks/large", test_luks_large);
    g_test_add_func("/luks/beside-others", test_luks_beside_others);
    g_test_add_func("/filter/copy-on-read", test_copy_on_read);
    g_test_add_func("/filter/compress", test_compress);
    g_test_add_func("/filter/blkdebug/errors", test_blkdebug_errors);
    g_test_add_func("/filter/blkdebug/states", test_blkdebug_states);
    g_test_add_func("/filter/blkdebug/format", test_blkdebug_format);
    g_test_add_func("/filter/blkverify", test_blkverify);
    g_test_add_func("/filter/blklogwrites/file", test_blklogwrites);
    g_test_add_func("/filter/blklogwrites/format", test_blklogwrites_format);
    g_test_add_func("/filter/preallocate", test_preallocate);
    g_test_add_func("/filter/activate/length", test_activate);
    g_test_add_func("/filter/activate/format", test_activate_format);
    g_test_add_func("/null/latency", test_null_latency);
    ret = g_test_run();
    remove_dir();
    return ret;
}
