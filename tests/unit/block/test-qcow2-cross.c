/*
 * Two requests to a qcow2 image that cross: one is stopped at each step that
 * it takes (breaks of blkdebug), the other is started and comes as far as it
 * can, then the first goes on. What the disk and its snapshots hold must be
 * what one order of the two gives, byte by byte; check must find nothing, and
 * a drain must wait.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/blkdebug.h"
#include "qapi/json.h"
#include "util/aio-wait.h"
#include "util/aio.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "qcow2-bench.h"

#define CLUSTER  4096
#define DISK     (12 * CLUSTER)
#define LONGER   (40 * CLUSTER)
#define SHORTER  (6 * CLUSTER)
#define MAX_SNAP 2

/* -- what must be there --------------------------------------------------------- */

typedef struct Disk {
    uint8_t bytes[LONGER];
    int64_t length;
} Disk;

typedef struct Model {
    Disk now;
    Disk snaps[MAX_SNAP];
    bool has[MAX_SNAP]; /* "1", "2" */
} Model;

typedef enum What {
    WRITE,
    COMPRESSED,
    ZERO,
    UNMAP,
    DISCARD,
    SNAPSHOT,
    DELETE,
    GOTO,
    TRUNCATE,
    FLUSH,
    CHECK,
} What;

typedef struct Operation {
    const char *name;
    What what;
    int64_t offset; /* TRUNCATE: new length */
    int64_t bytes;
    int value;
} Operation;

static const Operation operations[] = {
    { "copy", WRITE, 500, 1000, 10 },
    { "in-place", WRITE, CLUSTER + 700, 900, 11 },
    { "many", WRITE, CLUSTER / 2, 8 * CLUSTER, 12 },
    { "new", WRITE, 7 * CLUSTER, CLUSTER, 13 },
    { "compressed", COMPRESSED, 0, CLUSTER, 14 },
    { "zero", ZERO, 100, 3 * CLUSTER, 0 },
    { "unmap", UNMAP, 0, 9 * CLUSTER, 0 },
    { "discard", DISCARD, CLUSTER, 7 * CLUSTER, 0 },
    { "snapshot", SNAPSHOT, 0, 0, 0 },
    { "delete", DELETE, 0, 0, 0 },
    { "goto", GOTO, 0, 0, 0 },
    { "grow", TRUNCATE, LONGER, 0, 0 },
    { "shrink", TRUNCATE, SHORTER, 0, 0 },
    { "flush", FLUSH, 0, 0, 0 },
    { "check", CHECK, 0, 0, 0 },
};

static void set_length(Disk *d, int64_t length)
{
    if (length < d->length) {
        memset(d->bytes + length, 0, (size_t)(d->length - length));
    }
    d->length = length;
}

/* Returns: does it work? */
static bool apply(Model *m, const Operation *o)
{
    bool ok;

    switch (o->what) {
    case WRITE:
    case COMPRESSED:
    case ZERO:
    case UNMAP:
    case DISCARD:
        if (o->offset + o->bytes > m->now.length) {
            return false;
        }
        memset(m->now.bytes + o->offset, o->value, (size_t)o->bytes);
        return true;
    case SNAPSHOT:
        m->snaps[1] = m->now;
        m->has[1] = true;
        return true;
    case DELETE:
        ok = m->has[0];
        m->has[0] = false;
        return ok;
    case GOTO:
        if (m->has[0]) {
            m->now = m->snaps[0];
        }
        return m->has[0];
    case TRUNCATE:
        set_length(&m->now, o->offset);
        return true;
    case FLUSH:
    case CHECK:
        return true;
    }
    return false;
}

/* -- requests --------------------------------------------------------------------- */

typedef struct Started {
    BlockNode *top;
    const Operation *o;
    bool done;
    int ret;
} Started;

static int coroutine_fn perform(BlockNode *top, const Operation *o)
{
    BlockNodeClass *nc = BLOCK_NODE_GET_CLASS(top);
    g_autofree uint8_t *buf = g_malloc((size_t)o->bytes + 1);
    QEMUIOVector qiov;
    SnapshotInfo info = { .id = NULL, .name = (char *)"two" };
    ImageCheck check = { 0 };
    int ret;

    memset(buf, o->value, (size_t)o->bytes);
    qemu_iovec_init_buf(&qiov, buf, (size_t)o->bytes);
    switch (o->what) {
    case WRITE:
        return node_co_pwritev(top, o->offset, o->bytes, &qiov, 0, 0);
    case COMPRESSED:
        return node_co_pwritev(top, o->offset, o->bytes, &qiov, 0,
                               BLK_REQ_WRITE_COMPRESSED);
    case ZERO:
        return node_co_pwrite_zeroes(top, o->offset, o->bytes, 0);
    case UNMAP:
        return node_co_pwrite_zeroes(top, o->offset, o->bytes,
                                     BLK_REQ_MAY_UNMAP);
    case DISCARD:
        return node_co_pdiscard(top, o->offset, o->bytes);
    case SNAPSHOT:
        ret = nc->co_snapshot_create(top, &info, NULL);
        g_free(info.id);
        return ret;
    case DELETE:
        return nc->co_snapshot_delete(top, NULL, "one", NULL);
    case GOTO:
        return nc->co_snapshot_goto(top, "one", NULL);
    case TRUNCATE:
        return node_co_truncate(top, o->offset, true, PREALLOC_MODE_OFF, 0,
                                NULL);
    case FLUSH:
        return node_co_flush(top);
    case CHECK:
        ret = nc->co_check(top, 0, NULL, &check, NULL);
        g_assert_cmpint(check.corruptions, ==, 0);
        return ret;
    }
    return -EINVAL;
}

static void coroutine_fn started_entry(void *opaque)
{
    Started *s = opaque;

    s->ret = perform(s->top, s->o);
    s->done = true;
}

static void start(Started *s)
{
    aio_co_enter(qemu_get_aio_context(),
                 qemu_coroutine_create(started_entry, s));
}

static void finish(Started *s)
{
    AIO_WAIT_WHILE_UNLOCKED(qemu_get_aio_context(), !s->done);
}

/* As far as it comes by itself; workers may be at it. */
static void go_on(Started *s)
{
    for (int idle = 0; !s->done && idle < 5; idle++) {
        while (!s->done && aio_poll(qemu_get_aio_context(), false)) {
            idle = 0;
        }
        g_usleep(s->done ? 0 : 50);
    }
}

/* Until it ends or stops. */
static void go_to_break(Started *s)
{
    AIO_WAIT_WHILE_UNLOCKED(qemu_get_aio_context(),
                            !s->done && !blkdebug_is_suspended(s->top, "A"));
}

/* -- the image ---------------------------------------------------------------------- */

typedef struct Bench {
    GByteArray *image;
    Model model;
} Bench;

static BlockNode *open_image(void)
{
    g_autoptr(json_t) opts =
        json_pack("{s:s, s:s, s:s, s:i, s:i, s:{s:s, s:s}}", "driver", "qcow2",
                  "node-name", "top", "discard", "unmap", "l2-cache-size",
                  16384, "l2-cache-entry-size", 512, "file", "driver",
                  "blkdebug", "image", "mem");

    return block_node_new(opts, false, qemu_get_aio_context(), &error_abort);
}

static void do_now(BlockNode *top, Model *m, const Operation *o)
{
    Started s = { top, o };

    start(&s);
    finish(&s);
    g_assert_cmpint(s.ret, ==, 0);
    g_assert_true(apply(m, o));
}

/* Clusters of all kinds, most of them of a snapshot, too. */
static void bench_setup(Bench *b, const char *options)
{
    static const Operation before[] = {
        { "", WRITE, 0, 4 * CLUSTER, 1 },
        { "", COMPRESSED, 5 * CLUSTER, CLUSTER, 2 },
    };
    static const Operation after[] = {
        { "", WRITE, CLUSTER, CLUSTER, 3 },
        { "", ZERO, 3 * CLUSTER, CLUSTER, 0 },
        { "", WRITE, 8 * CLUSTER, CLUSTER + 1000, 4 },
    };
    MemNode *mem = mem_new("mem", "", 0);
    g_autofree char *id = NULL;
    BlockNode *top;

    bench_create(DISK, options);
    b->model.now.length = DISK;
    top = open_image();
    for (size_t i = 0; i < G_N_ELEMENTS(before); i++) {
        do_now(top, &b->model, &before[i]);
    }
    g_assert_cmpint(bench_snapshot(top, "one", &id), ==, 0);
    b->model.snaps[0] = b->model.now;
    b->model.has[0] = true;
    for (size_t i = 0; i < G_N_ELEMENTS(after); i++) {
        do_now(top, &b->model, &after[i]);
    }
    block_node_unref(top);
    b->image = g_byte_array_new();
    g_byte_array_append(b->image, mem->bytes->data, mem->bytes->len);
    mem_free(mem);
}

/* -- comparing ------------------------------------------------------------------------ */

static void compare(BlockNode *top, const Disk *a, const Disk *b)
{
    g_autofree uint8_t *buf = g_malloc(LONGER);
    int64_t length = block_node_length(top);

    g_assert_true(length == a->length || length == b->length);
    g_assert_cmpint(node_pread(top, 0, length, buf), ==, 0);
    for (int64_t i = 0; i < length; i++) {
        if (buf[i] != a->bytes[i] && buf[i] != b->bytes[i]) {
            g_error("byte %" PRId64 " is %d, not %d or %d", i, buf[i],
                    a->bytes[i], b->bytes[i]);
        }
    }
}

static void compare_all(BlockNode *top, const Model *a, const Model *b)
{
    compare(top, &a->now, &b->now);
    bench_assert_clean(top);
    for (int i = 0; i < MAX_SNAP; i++) {
        static const char *const names[] = { "one", "two" };

        if (a->has[i] && b->has[i]) {
            g_assert_cmpint(bench_snapshot_goto(top, names[i]), ==, 0);
            compare(top, &a->snaps[i], &b->snaps[i]);
        }
    }
    bench_assert_clean(top);
}

/* -- crossing ------------------------------------------------------------------------- */

/* @first is stopped at @event while @second runs. Returns: is it met? */
static bool cross(const Bench *b, const Operation *first, BlkdebugEvent event,
                  const Operation *second)
{
    MemNode *mem = mem_new("mem", b->image->data, b->image->len);
    g_autofree Model *one = g_memdup2(&b->model, sizeof(b->model));
    g_autofree Model *two = g_memdup2(&b->model, sizeof(b->model));
    Started s = { open_image(), first };
    Started t = { s.top, second };
    bool stopped;
    bool ok[4];

    g_assert_cmpint(blkdebug_break(s.top, event, "A"), ==, 0);
    start(&s);
    go_to_break(&s);
    stopped = !s.done;
    if (stopped) {
        ok[0] = apply(one, first);
        ok[1] = apply(one, second);
        ok[3] = apply(two, second);
        ok[2] = apply(two, first);
        start(&t);
        go_on(&t);
        g_assert_cmpint(blkdebug_resume(s.top, "A"), ==, 0);
        finish(&s);
        finish(&t);
        g_assert_true((s.ret == 0) == ok[0] || (s.ret == 0) == ok[2]);
        g_assert_true((t.ret == 0) == ok[1] || (t.ret == 0) == ok[3]);
        compare(s.top, &one->now, &two->now);
        g_assert_cmpint(node_flush(s.top), ==, 0);
        block_node_unref(s.top);
        s.top = open_image();
        compare_all(s.top, one, two);
    } else {
        blkdebug_remove_break(s.top, "A"); /* closing may meet it */
    }
    block_node_unref(s.top);
    mem_free(mem);
    return stopped;
}

static const BlkdebugEvent events[] = {
    BLKDBG_L1_UPDATE,
    BLKDBG_L2_LOAD,
    BLKDBG_L2_UPDATE,
    BLKDBG_L2_UPDATE_COMPRESSED,
    BLKDBG_L2_ALLOC_COW_READ,
    BLKDBG_L2_ALLOC_WRITE,
    BLKDBG_READ_COMPRESSED,
    BLKDBG_WRITE_COMPRESSED,
    BLKDBG_COW_READ,
    BLKDBG_COW_WRITE,
    BLKDBG_REFBLOCK_LOAD,
    BLKDBG_REFBLOCK_UPDATE_PART,
    BLKDBG_CLUSTER_ALLOC,
    BLKDBG_CLUSTER_ALLOC_BYTES,
    BLKDBG_CLUSTER_ALLOC_SPACE,
    BLKDBG_CLUSTER_FREE,
    BLKDBG_FLUSH_TO_DISK,
    BLKDBG_PWRITEV,
    BLKDBG_PWRITEV_DONE,
    BLKDBG_READ_AIO,
};

static void cross_all(const char *options)
{
    Bench b = { 0 };
    unsigned met[G_N_ELEMENTS(events)] = { 0 };
    unsigned steps = 0;

    bench_setup(&b, options);
    for (size_t i = 0; i < G_N_ELEMENTS(operations); i++) {
        for (size_t e = 0; e < G_N_ELEMENTS(events); e++) {
            for (size_t j = 0; j < G_N_ELEMENTS(operations); j++) {
                g_test_message("%s at %s, %s", operations[i].name,
                               BlkdebugEvent_str(events[e]),
                               operations[j].name);
                if (!cross(&b, &operations[i], events[e], &operations[j])) {
                    break;
                }
                met[e]++;
            }
        }
    }
    for (size_t e = 0; e < G_N_ELEMENTS(events); e++) {
        steps += met[e] > 0;
    }
    g_assert_cmpint(steps, >=, 14);
    g_byte_array_unref(b.image);
}

static void test_cross(void)
{
    cross_all("\"cluster-size\":4096");
}

/* -- drains ----------------------------------------------------------------------------- */

static void resume_cb(void *opaque)
{
    const Started *s = opaque;

    g_assert_false(s->done);
    g_assert_cmpint(blkdebug_resume(s->top, "A"), ==, 0);
}

static void test_drain(void)
{
    AioContext *ctx = qemu_get_aio_context();
    Bench b = { 0 };
    unsigned met = 0;

    bench_setup(&b, "\"cluster-size\":4096");
    for (size_t e = 0; e < G_N_ELEMENTS(events); e++) {
        MemNode *mem = mem_new("mem", b.image->data, b.image->len);
        Started s = { open_image(), &operations[0] };

        g_assert_cmpint(blkdebug_break(s.top, events[e], "A"), ==, 0);
        start(&s);
        go_to_break(&s);
        if (!s.done) {
            QEMUTimer *timer = aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_MS,
                                             resume_cb, &s);

            met++;
            timer_mod(timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + 5);
            node_drained_begin(s.top);
            g_assert_true(s.done);
            g_assert_cmpint(s.ret, ==, 0);
            node_drained_end(s.top);
            timer_free(timer);
        } else {
            blkdebug_remove_break(s.top, "A"); /* closing may meet it */
        }
        block_node_unref(s.top);
        mem_free(mem);
    }
    g_assert_cmpint(met, >=, 6);
    g_byte_array_unref(b.image);
}

/* -- the breaks themselves ---------------------------------------------------------------- */

static void test_breaks(void)
{
    Bench b = { 0 };
    MemNode *mem;
    BlockNode *top;
    Started s[3];

    bench_setup(&b, "\"cluster-size\":4096");
    mem = mem_new("mem", b.image->data, b.image->len);
    top = open_image();
    g_assert_cmpint(blkdebug_resume(top, "A"), ==, -ENOENT);
    g_assert_cmpint(blkdebug_remove_break(top, "A"), ==, -ENOENT);
    g_assert_cmpint(blkdebug_break(BLOCK_NODE(mem), BLKDBG_PWRITEV, "A"), ==,
                    -ENOTSUP);
    g_assert_cmpint(blkdebug_resume(BLOCK_NODE(mem), "A"), ==, -ENOTSUP);
    /* Two of one name and one of another: one request each. */
    g_assert_cmpint(blkdebug_break(top, BLKDBG_COW_READ, "A"), ==, 0);
    g_assert_cmpint(blkdebug_break(top, BLKDBG_CLUSTER_ALLOC, "B"), ==, 0);
    g_assert_cmpint(blkdebug_break(top, BLKDBG_CLUSTER_ALLOC, "A"), ==, 0);
    for (int i = 0; i < 3; i++) {
        static const Operation writes[] = {
            { "", WRITE, 0, 512, 5 },
            { "", WRITE, 2 * CLUSTER, 512, 6 },
            { "", WRITE, 10 * CLUSTER, 512, 7 },
        };

        s[i] = (Started){ top, &writes[i] };
        start(&s[i]);
        go_on(&s[i]);
    }
    g_assert_false(s[0].done); /* B */
    g_assert_false(s[1].done); /* A, at cluster_alloc */
    g_assert_true(s[2].done);  /* there is no old data */
    g_assert_cmpint(blkdebug_resume(top, "A"), ==, 0);
    go_on(&s[1]);
    g_assert_false(s[1].done); /* A, at cow_read */
    g_assert_true(blkdebug_is_suspended(top, "B"));
    g_assert_cmpint(blkdebug_break(top, BLKDBG_L2_LOAD, "A"), ==, 0);
    g_assert_cmpint(blkdebug_remove_break(top, "A"), ==, 0);
    finish(&s[1]);
    g_assert_false(s[0].done);
    g_assert_cmpint(blkdebug_remove_break(top, NULL), ==, 0);
    finish(&s[0]);
    for (int i = 0; i < 1024; i++) {
        g_assert_cmpint(blkdebug_break(top, BLKDBG_COW_READ, "A"), ==, 0);
    }
    g_assert_cmpint(blkdebug_break(top, BLKDBG_COW_READ, "A"), ==, -ENOSPC);
    g_assert_cmpint(blkdebug_remove_break(top, "A"), ==, 0);
    block_node_unref(top);
    mem_free(mem);
    g_byte_array_unref(b.image);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/qcow2/cross/breaks", test_breaks);
    g_test_add_func("/qcow2/cross/drain", test_drain);
    g_test_add_func("/qcow2/cross/all", test_cross);
    return g_test_run();
}
