/*
 * Power cuts while the images of a chain are joined.
 *
 * A guest writes to a disk of three images, whose files keep one log, and
 * flushes now and then; meanwhile a job moves what the images hold downwards
 * (commit) or upwards (stream), and changes which image names which. Then the
 * power is cut after each entry of the log. The disk, opened by the names that
 * its images have then, must hold every byte that was flushed; no image may
 * show more than leaks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "block/block-backend.h"
#include "block/drive-overlay.h"
#include "block/job/chain.h"
#include "block/job/mirror.h"
#include "util/aio-wait.h"
#include "util/error.h"

#include "power-cut.h"

#define SECTORS 512
#define PREFILL 24 /* writes to each image before */
#define LATER   12 /* and by the guest when the job has ended */
#define CUTS    250

enum {
    BASE,
    MID,
    TOP,
    IMAGES
};

static const char *const names[IMAGES] = { "base", "mid", "top" };
static const char *const files[IMAGES] = { "base.qcow2", "mid.qcow2",
                                           "top.qcow2" };

typedef struct Chain Chain;

typedef struct Config {
    const char *name;
    const char *create; /* options of all images, or "" */
    /* Returns: the job, not started; NULL: it is done. */
    BlockJob *(*join)(Chain *c);
    uint32_t seed;
} Config;

struct Chain {
    const Config *cfg;
    GRand *rnd;
    MemNode *mem[IMAGES];
    GByteArray *before[IMAGES]; /* the files when the log began */
    BlockNode *node[IMAGES];
    BlockBackend *blk;
    GArray *log;
    History disk;
    guint pivot; /* from this entry on the disk is the base; G_MAXUINT */

    /* The guest: one request at a time. */
    QEMUIOVector qiov;
    uint8_t *data;
    unsigned requests;
    bool busy;
    bool stop;
};

/* -- the guest -------------------------------------------------------------------- */

static void next_request(Chain *c);

static void request_ended(void *opaque, int ret)
{
    Chain *c = opaque;

    g_assert_cmpint(ret, ==, 0);
    g_clear_pointer(&c->data, g_free);
    c->busy = false;
    c->requests++;
    if (!c->stop) {
        next_request(c);
    }
}

static void flush_ended(void *opaque, int ret)
{
    Chain *c = opaque;

    history_flushed(&c->disk, c->log->len);
    request_ended(opaque, ret);
}

static void next_request(Chain *c)
{
    uint32_t first = (uint32_t)g_rand_int_range(c->rnd, 0, SECTORS);
    uint32_t count = (uint32_t)g_rand_int_range(c->rnd, 1, 24);
    guint begin = c->log->len;

    count = MIN(count, SECTORS - first);
    c->disk.operation++;
    c->busy = true;
    if (c->pivot == G_MAXUINT && blk_node(c->blk) == c->node[BASE]) {
        c->pivot = begin;
    }
    switch (g_rand_int_range(c->rnd, 0, 5)) {
    case 0:
        blk_aio_flush(c->blk, flush_ended, c);
        break;
    case 1:
        history_note(&c->disk, first, count, 0, begin);
        blk_aio_pwrite_zeroes(c->blk, (int64_t)first * SECTOR,
                              (int64_t)count * SECTOR,
                              g_rand_boolean(c->rnd) ? BLK_REQ_MAY_UNMAP : 0,
                              request_ended, c);
        break;
    default:
        c->data = tag_fill(c->disk.next_tag, count);
        qemu_iovec_init_buf(&c->qiov, c->data, (size_t)count * SECTOR);
        history_note(&c->disk, first, count, c->disk.next_tag++, begin);
        blk_aio_pwritev(c->blk, (int64_t)first * SECTOR, &c->qiov, 0,
                        request_ended, c);
        break;
    }
}

/* -- the chain -------------------------------------------------------------------------- */

static BlockNode *open_image(int i, bool writable)
{
    g_autofree char *file = g_strconcat("file-", names[i], NULL);
    g_autoptr(json_t) opts =
        json_pack("{s:s, s:s, s:s, s:s, s:b}", "driver", "qcow2", "node-name",
                  names[i], "file", file, "discard", "unmap", "read-only",
                  !writable);

    json_object_set_new(opts, "backing",
                        i ? json_string(names[i - 1]) : json_null());
    return block_node_new(opts, false, qemu_get_aio_context(), &error_abort);
}

/* The lowest @count images; the highest of them is written. */
static void images_open(Chain *c, int count)
{
    for (int i = 0; i < count; i++) {
        g_autofree char *file = g_strconcat("file-", names[i], NULL);

        c->mem[i] = mem_new(file, c->before[i]->data, c->before[i]->len);
        c->node[i] = open_image(i, i == count - 1);
    }
}

static void images_close(Chain *c, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        block_node_unref(c->node[i]);
    }
    for (int i = 0; i < count; i++) {
        mem_free(c->mem[i]);
    }
}

static GByteArray *new_image(const Chain *c, int i)
{
    g_autofree char *backing =
        i ? g_strdup_printf("\"backing-fmt\":\"qcow2\",\"backing-file\":\"%s\"",
                            files[i - 1])
          : g_strdup("");
    g_autofree char *options = g_strconcat(
        c->cfg->create, *c->cfg->create && i ? "," : "", backing, NULL);
    MemNode *mem = mem_new("mem", "", 0);
    GByteArray *bytes;

    bench_create((uint64_t)SECTORS * SECTOR, options);
    bytes = g_byte_array_ref(mem->bytes);
    mem_free(mem);
    return bytes;
}

/* An image above image @i - 1, with something in it. */
static void make_image(Chain *c, int i)
{
    c->before[i] = new_image(c, i);
    images_open(c, i + 1);
    for (int n = 0; n < PREFILL; n++) {
        uint32_t at = (uint32_t)g_rand_int_range(c->rnd, 0, SECTORS / 8) * 8;
        uint32_t tag = c->disk.next_tag++;
        g_autofree uint8_t *data = tag_fill(tag, 8);

        g_assert_cmpint(bench_write(c->node[i], (int64_t)at * SECTOR, data,
                                    8 * SECTOR),
                        ==, 0);
        history_note(&c->disk, at, 8, tag, 0);
    }
    block_node_unref(c->node[i]);
    c->node[i] = open_image(i, false); /* written out */
    g_byte_array_unref(c->before[i]);
    c->before[i] = g_byte_array_ref(c->mem[i]->bytes);
    images_close(c, i + 1);
}

static void chain_open(Chain *c)
{
    images_open(c, IMAGES);
    mem_log_start(c->mem[0]);
    for (int i = 0; i < IMAGES; i++) {
        c->mem[i]->jitter = true;
        c->mem[i]->seed = c->cfg->seed + (uint32_t)i;
        if (i) {
            mem_log_share(c->mem[i], c->mem[0], (unsigned)i);
        }
    }
    c->log = g_array_ref(c->mem[0]->log);
    c->blk = blk_new(qemu_get_aio_context());
    blk_insert(c->blk, c->node[TOP], &error_abort);
}

static void chain_close(Chain *c)
{
    blk_unref(c->blk);
    images_close(c, IMAGES);
}

/* -- joining ------------------------------------------------------------------------------ */

static BlockJob *join_commit(Chain *c)
{
    ChainOptions o = { .id = "c",
                       .root = c->node[TOP],
                       .top = c->node[MID],
                       .base = c->node[BASE],
                       .backing_file = files[BASE] };

    return commit_job_create(&o, &error_abort);
}

static BlockJob *join_stream(Chain *c)
{
    ChainOptions o = { .id = "s",
                       .root = c->node[TOP],
                       .top = c->node[TOP],
                       .base = c->node[BASE],
                       .backing_file = files[BASE] };

    return stream_job_create(&o, &error_abort);
}

static BlockJob *join_active(Chain *c)
{
    MirrorOptions o = { .type = TYPE_ACTIVE_COMMIT_JOB,
                        .id = "a",
                        .source = c->node[TOP],
                        .target = c->node[BASE],
                        .sync = MIRROR_SYNC_MODE_TOP };

    return mirror_job_create(&o, &error_abort);
}

static BlockJob *join_down(Chain *c)
{
    g_assert_true(block_commit_down(c->node[TOP], &error_abort));
    return NULL;
}

static void run_job(Chain *c, BlockJob *job)
{
    Job *j = JOB(job);

    object_ref(j);
    job_start(j);
    AIO_WAIT_WHILE_UNLOCKED(NULL, job_status(j) < JOB_STATUS_READY);
    if (job_status(j) == JOB_STATUS_READY) {
        unsigned before = c->requests;

        AIO_WAIT_WHILE_UNLOCKED(NULL, c->requests < before + LATER);
        g_assert_true(job_complete(j, &error_abort));
    }
    g_assert_cmpint(job_wait(j), ==, 0);
    object_unref(j);
}

static void record(Chain *c)
{
    BlockJob *job;
    unsigned before;

    c->disk.operation = 1;
    for (int i = 0; i < IMAGES; i++) {
        make_image(c, i);
    }
    c->disk.operation = 2;
    history_flushed(&c->disk, 0);
    chain_open(c);
    next_request(c);
    AIO_WAIT_WHILE_UNLOCKED(NULL, c->requests < LATER);
    job = c->cfg->join(c);
    if (job) {
        run_job(c, job);
    }
    before = c->requests;
    AIO_WAIT_WHILE_UNLOCKED(NULL, c->requests < before + LATER);
    c->stop = true;
    AIO_WAIT_WHILE_UNLOCKED(NULL, c->busy);
    chain_close(c);
}

/* -- cutting --------------------------------------------------------------------------------- */

static BlockNode *open_file(const char *path)
{
    g_autoptr(json_t) opts =
        json_pack("{s:s, s:b, s:{s:s, s:s}}", "driver", "qcow2", "read-only", 1,
                  "file", "driver", "file", "filename", path);

    return block_node_new(opts, false, qemu_get_aio_context(), &error_abort);
}

static void check_disk(Chain *c, const char *path, guint cut)
{
    g_autofree uint8_t *buf = g_malloc(SECTORS * SECTOR);
    BlockNode *node = open_file(path);

    g_assert_cmpint(node_pread(node, 0, SECTORS * SECTOR, buf), ==, 0);
    history_check(&c->disk, cut, buf, SECTORS * SECTOR);
    for (BlockNode *image = node; image; image = node_backing(image)) {
        ImageCheck r;

        g_assert_cmpint(bench_check(image, &r, 0), ==, 0);
        g_assert_cmpint(r.check_errors + r.corruptions, ==, 0);
    }
    block_node_unref(node);
}

static void cut_power(Chain *c, const char *dir, guint cut)
{
    const char *disk = files[cut >= c->pivot ? BASE : TOP];
    g_autofree char *disk_path = g_build_filename(dir, disk, NULL);

    for (int i = 0; i < IMAGES; i++) {
        g_autofree char *path = g_build_filename(dir, files[i], NULL);
        GByteArray *bytes =
            power_cut(c->log, (unsigned)i, c->before[i], cut, c->rnd);

        g_assert_true(
            g_file_set_contents_full(path, (char *)bytes->data, bytes->len,
                                     G_FILE_SET_CONTENTS_NONE, 0600, NULL));
        g_byte_array_unref(bytes);
    }
    check_disk(c, disk_path, cut);
}

static void test_cuts(gconstpointer data)
{
    Chain c = { .cfg = data, .pivot = G_MAXUINT };
    g_autofree char *dir = g_dir_make_tmp("crash-XXXXXX", NULL);

    c.rnd = g_rand_new_with_seed(c.cfg->seed);
    history_init(&c.disk);
    record(&c);
    for (guint n = 0; n <= CUTS && !g_test_failed(); n++) {
        cut_power(&c, dir, c.log->len * n / CUTS);
    }
    g_test_message("%u entries, %u requests, pivot %u", c.log->len, c.requests,
                   c.pivot);
    for (int i = 0; i < IMAGES; i++) {
        g_autofree char *path = g_build_filename(dir, files[i], NULL);

        g_unlink(path);
        g_byte_array_unref(c.before[i]);
    }
    g_rmdir(dir);
    g_array_unref(c.log);
    history_destroy(&c.disk);
    g_rand_free(c.rnd);
}

#define SMALL "\"cluster-size\":4096"

static const Config configs[] = {
    { "commit", SMALL, join_commit, 1 },
    { "commit-large-clusters", "", join_commit, 2 },
    { "commit-active", SMALL, join_active, 3 },
    { "commit-active-large-clusters", "", join_active, 4 },
    { "commit-down", SMALL, join_down, 5 },
    { "stream", SMALL, join_stream, 6 },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    job_find("none"); /* types are there */
    for (size_t i = 0; i < G_N_ELEMENTS(configs); i++) {
        g_autofree char *path =
            g_strconcat("/crash-jobs/", configs[i].name, NULL);

        g_test_add_data_func(path, &configs[i], test_cuts);
    }
    return g_test_run();
}
