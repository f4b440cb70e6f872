/*
 * The graph: permissions, replacing, draining, status of chains, opening by
 * name, giving images away.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "io/iothread.h"
#include "io/types.h"
#include "util/aio-wait.h"
#include "util/error.h"

#include "graph-drivers.h"

#define ALL NODE_PERM_ALL

static void expect_error(Error *err, const char *text)
{
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(error_get_pretty(err), text));
    error_free(err);
}

/* -- permissions ------------------------------------------------------------------- */

/* What a child needs follows from what it is to the node above it. */
static void test_roles(void)
{
    BlockNode *mem = open_mem("mem");
    BlockNode *base = open_mem("base");
    BlockNode *cow = open_over("cow", "cow", "mem", ",\"backing\":\"base\"");
    BlockNode *raw = open_json("{\"driver\":\"raw\",\"node-name\":\"raw\","
                               "\"file\":{\"driver\":\"mem\"}}");
    TestMem *file = TEST_MEM(node_child_of_role(raw, NODE_ROLE_PRIMARY));
    BlockBackend *a, *b;

    /* A format keeps others from its tables, used or not; raw does not. */
    g_assert_cmpuint(TEST_MEM(mem)->perm, ==,
                     NODE_PERM_CONSISTENT_READ | NODE_PERM_WRITE |
                         NODE_PERM_RESIZE);
    g_assert_false(TEST_MEM(mem)->shared & NODE_PERM_WRITE);
    g_assert_cmpuint(file->perm, ==, 0);
    g_assert_cmpuint(file->shared, ==, ALL);
    /* A backing image is only read; nobody may change it under an image that
     * does not let others write. */
    a = backend_on(cow, true, false);
    g_assert_cmpuint(TEST_MEM(base)->perm, ==, NODE_PERM_CONSISTENT_READ);
    g_assert_false(TEST_MEM(base)->shared & NODE_PERM_WRITE);
    b = backend_on(raw, true, false);
    g_assert_cmpuint(file->perm, ==,
                     NODE_PERM_CONSISTENT_READ | NODE_PERM_WRITE);
    g_assert_false(file->shared & NODE_PERM_WRITE);
    blk_unref(b);
    g_assert_cmpuint(file->perm, ==, 0);
    blk_unref(a);
    block_node_unref(raw);
    block_node_unref(cow);
    g_assert_cmpuint(TEST_MEM(mem)->perm, ==, 0);
    g_assert_cmpuint(TEST_MEM(base)->shared, ==, ALL);
    block_node_unref(base);
    block_node_unref(mem);
}

/* A change that fails anywhere has changed nothing. */
static void test_rollback(void)
{
    BlockNode *mem = open_mem("mem");
    BlockNode *one = open_over("pass", "one", "mem", "");
    BlockNode *two = open_over("pass", "two", "mem", "");
    BlockBackend *a = backend_on(one, true, false);
    BlockBackend *b = backend_on(two, false, true);
    Error *err = NULL;

    g_assert_false(blk_set_perm(b, true, true, &err));
    expect_error(err, "does not go together with 'write'");
    g_assert_cmpuint(two->perm, ==, NODE_PERM_CONSISTENT_READ);
    err = NULL;
    TEST_MEM(mem)->refuse = true;
    g_assert_false(blk_set_perm(a, true, true, &err));
    expect_error(err, "refused by the test");
    g_assert_false(one->shared & NODE_PERM_WRITE);
    g_assert_false(mem->shared & NODE_PERM_WRITE);
    TEST_MEM(mem)->refuse = false;
    g_assert_true(blk_set_perm(a, true, true, &error_abort));
    g_assert_true(blk_set_perm(b, true, true, &error_abort));
    blk_unref(a);
    blk_unref(b);
    block_node_unref(one);
    block_node_unref(two);
    block_node_unref(mem);
}

/* -- links ------------------------------------------------------------------------- */

static void test_replace(void)
{
    BlockNode *mem = open_mem("mem");
    BlockNode *other = open_mem("other");
    BlockBackend *blk = backend_on(mem, true, false);
    BlockNode *pass = open_over("pass", "pass", "mem", "");
    Error *err = NULL;

    TEST_MEM(other)->refuse = true;
    g_assert_false(node_replace(mem, other, &err));
    expect_error(err, "refused by the test");
    err = NULL;
    g_assert_true(blk_node(blk) == mem);
    g_assert_true(node_child_of_role(pass, NODE_ROLE_FILTERED) == mem);
    g_assert_cmpuint(mem->refs, ==, 3);
    g_assert_cmpuint(other->refs, ==, 1);
    TEST_MEM(other)->refuse = false;
    g_assert_true(node_insert_above(mem, pass, &error_abort));
    g_assert_true(blk_node(blk) == pass);
    g_assert_true(node_child_of_role(pass, NODE_ROLE_FILTERED) == mem);
    g_assert_true(TEST_MEM(mem)->perm & NODE_PERM_WRITE);
    /* A loop. */
    g_assert_false(node_link_replace(node_link_of_role(pass, ~0u), pass, &err));
    expect_error(err, "cannot be below");
    err = NULL;
    /* A job relies on the link. */
    node_link_of_role(pass, ~0u)->frozen = true;
    g_assert_false(node_replace(mem, other, &err));
    expect_error(err, "a job relies");
    node_link_of_role(pass, ~0u)->frozen = false;
    g_assert_true(node_replace(mem, other, &error_abort));
    g_assert_cmpuint(TEST_MEM(mem)->perm, ==, 0);
    g_assert_true(TEST_MEM(other)->perm & NODE_PERM_WRITE);
    g_assert_true(node_replace(pass, other, &error_abort));
    g_assert_true(blk_node(blk) == other);
    block_node_unref(pass);
    blk_unref(blk);
    block_node_unref(other);
    block_node_unref(mem);
}

static void test_backing(void)
{
    BlockNode *mem = open_mem("mem");
    BlockNode *base = open_mem("base");
    BlockNode *cow = open_over("cow", "cow", "mem", ",\"backing\":null");
    Error *err = NULL;

    g_assert_null(node_backing(cow));
    g_assert_true(node_set_backing(cow, base, &error_abort));
    g_assert_true(node_backing(cow) == base);
    g_assert_true(node_chain_contains(cow, base));
    g_assert_false(node_set_backing(cow, cow, &err));
    expect_error(err, "cannot be below");
    g_assert_true(node_set_backing(cow, NULL, &error_abort));
    g_assert_null(node_backing(cow));
    g_assert_true(node_set_backing(cow, base, &error_abort));
    block_node_unref(cow);
    block_node_unref(base);
    block_node_unref(mem);
}

static void test_read_only(void)
{
    BlockNode *mem = open_mem("mem");
    BlockNode *cow = open_over("cow", "cow", "mem", ",\"backing\":null");
    BlockBackend *blk = backend_on(cow, true, false);
    Error *err = NULL;
    char byte = 1;

    g_assert_false(node_set_read_only(cow, true, &err));
    expect_error(err, "read-only");
    g_assert_true(blk_set_perm(blk, false, false, &error_abort));
    g_assert_true(node_set_read_only(cow, true, &error_abort));
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, -EROFS);
    g_assert_false(TEST_MEM(mem)->perm & NODE_PERM_WRITE);
    g_assert_true(node_set_read_only(cow, false, &error_abort));
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, 0);
    blk_unref(blk);
    block_node_unref(cow);
    block_node_unref(mem);
}

/* -- draining ------------------------------------------------------------------------ */

typedef struct Write {
    BlockBackend *blk;
    QEMUIOVector qiov;
    char byte;
    int ret;
    bool done; /* atomic */
} Write;

static void write_done(void *opaque, int ret)
{
    Write *w = opaque;

    w->ret = ret;
    qatomic_mb_set(&w->done, true);
    aio_wait_kick();
}

static void start_write(Write *w, BlockBackend *blk)
{
    *w = (Write){ .blk = blk, .byte = 'x' };
    qemu_iovec_init_buf(&w->qiov, &w->byte, 1);
    blk_aio_pwritev(blk, 0, &w->qiov, 0, write_done, w);
}

static void test_drain(void)
{
    IOThread *t = iothread_create("t0", &error_abort);
    BlockNode *mem = open_mem("mem");
    BlockNode *pass = open_over("pass", "pass", "mem", "");
    BlockNode *above = open_over("pass", "above", "pass", "");
    BlockBackend *blk = backend_on(above, true, true);
    TestMem *m = TEST_MEM(mem);
    Write first, second;
    GPtrArray *drained;

    m->delay_ns = 30 * SCALE_MS;
    blk_set_aio_context(blk, iothread_get_aio_context(t), &error_abort);
    start_write(&first, blk);
    while (!qatomic_read(&m->inside)) {
        g_usleep(100);
    }
    node_drained_begin(mem);
    g_assert_true(qatomic_mb_read(&first.done));
    g_assert_cmpuint(m->hurried, ==, 1);
    /* Held back, through nested sections and from another node's too. */
    start_write(&second, blk);
    node_drained_begin(pass);
    drained = node_drained_all_begin();
    node_drained_end(mem);
    g_usleep(20000);
    node_drained_all_end(drained);
    g_usleep(20000);
    g_assert_cmpuint(qatomic_read(&m->writes), ==, 1);
    g_assert_false(qatomic_mb_read(&second.done));
    node_drained_end(pass);
    AIO_WAIT_WHILE_UNLOCKED(NULL, !qatomic_mb_read(&second.done));
    g_assert_cmpint(second.ret, ==, 0);
    g_assert_cmpuint(qatomic_read(&m->writes), ==, 2);
    g_assert_cmpuint(m->hurried, ==, 0);
    g_assert_cmpuint(mem->quiesced + pass->quiesced + above->quiesced, ==, 0);
    blk_unref(blk);
    block_node_unref(above);
    block_node_unref(pass);
    block_node_unref(mem);
    iothread_destroy(t);
}

/* A link that comes into a silent part is silent. */
static void test_attach_drained(void)
{
    BlockNode *mem = open_mem("mem");
    BlockNode *other = open_mem("other");
    BlockBackend *blk;
    Write w;

    node_drained_begin(mem);
    blk = backend_on(mem, true, true);
    start_write(&w, blk);
    while (aio_poll(qemu_get_aio_context(), false)) {
    }
    g_assert_false(w.done);
    g_assert_true(node_replace(mem, other, &error_abort));
    /* `other` is awake. */
    AIO_WAIT_WHILE_UNLOCKED(NULL, !qatomic_mb_read(&w.done));
    g_assert_cmpuint(TEST_MEM(other)->writes, ==, 1);
    node_drained_end(mem);
    blk_unref(blk);
    block_node_unref(other);
    block_node_unref(mem);
}

/* -- errors and flush --------------------------------------------------------------------- */

static void test_flush(void)
{
    BlockNode *mem = open_mem("mem");
    BlockNode *cow = open_over("cow", "cow", "mem", ",\"backing\":null");
    BlockBackend *blk = backend_on(cow, true, false);
    TestMem *m = TEST_MEM(mem);
    char byte = 1;

    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpuint(m->flushes, ==, 0); /* nothing was written */
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, BLK_REQ_FUA), ==, 0);
    g_assert_cmpuint(m->flushes, ==, 1);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpuint(m->flushes, ==, 1);
    m->fail_writes = -EIO;
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, -EIO);
    m->fail_writes = 0;
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpuint(m->flushes, ==, 2); /* it may have written something */
    blk_unref(blk);
    block_node_unref(cow);
    block_node_unref(mem);
}

static int open_fails(const char *text, const char *why)
{
    g_autoptr(json_t) opts = qobject_from_json(text, &error_abort);
    Error *err = NULL;
    BlockNode *mem = block_node_find("mem");

    g_assert_null(block_node_new(opts, false, qemu_get_aio_context(), &err));
    expect_error(err, why);
    return mem ? (int)mem->refs : 0;
}

static void test_open_fails(void)
{
    BlockNode *mem = open_mem("mem");

    g_assert_cmpint(open_fails("{\"driver\":\"cow\",\"file\":\"mem\","
                               "\"backing\":\"none\"}",
                               "Cannot find node 'none'"),
                    ==, 1);
    g_assert_cmpint(open_fails("{\"driver\":\"cow\",\"file\":\"mem\","
                               "\"backing\":{\"driver\":\"raw\",\"file\":"
                               "\"mem\",\"offset\":7}}",
                               "multiples"),
                    ==, 1);
    g_assert_cmpuint(TEST_MEM(mem)->perm, ==, 0);
    block_node_unref(mem);
}

/* -- status of chains ------------------------------------------------------------------------ */

typedef struct Ask {
    BlockNode *node;
    BlockNode *base;
    int64_t offset;
    int64_t bytes;
    int64_t pnum;
    int64_t map;
    BlockNode *file;
    unsigned depth;
} Ask;

static int coroutine_fn ask_entry(void *opaque)
{
    Ask *a = opaque;

    return node_co_status_above(a->node, a->base, NODE_WANT_PRECISE, a->offset,
                                a->bytes, &a->pnum, &a->map, &a->file,
                                &a->depth);
}

static int ask(Ask *a, BlockNode *node, BlockNode *base, int64_t offset)
{
    *a = (Ask){
        .node = node, .base = base, .offset = offset, .bytes = 4 * COW_CLUSTER
    };
    return node_run_co(NULL, ask_entry, a);
}

static void test_status(void)
{
    BlockNode *m1 = open_mem("m1");
    BlockNode *m2 = open_json("{\"driver\":\"mem\",\"node-name\":\"m2\","
                              "\"size\":327680}"); /* 5 clusters */
    BlockNode *base = open_over("cow", "base", "m2", ",\"backing\":null");
    BlockNode *pass = open_over("pass", "pass", "base", "");
    BlockNode *top = open_over("cow", "top", "m1", ",\"backing\":\"pass\"");
    Ask a;
    int s;

    TEST_COW(top)->has[0] = true;
    TEST_COW(base)->has[2] = true;
    s = ask(&a, top, NULL, 512);
    g_assert_cmpint(a.pnum, ==, COW_CLUSTER - 512);
    g_assert_true((s & NODE_STATUS_DATA) && (s & NODE_STATUS_ALLOCATED));
    g_assert_true(a.depth == 0 && a.file == m1 && a.map == 512);
    s = ask(&a, top, NULL, 2 * COW_CLUSTER);
    g_assert_cmpint(a.pnum, ==, COW_CLUSTER);
    g_assert_true((s & NODE_STATUS_ALLOCATED) && a.depth == 1 && a.file == m2);
    /* Above the base there is nothing. */
    s = ask(&a, top, base, 2 * COW_CLUSTER);
    g_assert_false(s & NODE_STATUS_ALLOCATED);
    g_assert_cmpint(a.pnum, ==, 4 * COW_CLUSTER);
    /* In no image: zeroes. */
    s = ask(&a, top, NULL, COW_CLUSTER);
    g_assert_true((s & NODE_STATUS_ZERO) && !(s & NODE_STATUS_DATA));
    g_assert_cmpint(a.pnum, ==, COW_CLUSTER);
    /* The base ends after 5 clusters. */
    s = ask(&a, top, NULL, 4 * COW_CLUSTER);
    g_assert_cmpint(a.pnum, ==, COW_CLUSTER);
    s = ask(&a, top, NULL, 5 * COW_CLUSTER);
    g_assert_true((s & NODE_STATUS_ZERO) && (s & NODE_STATUS_ALLOCATED));
    g_assert_cmpint(a.pnum, ==, 4 * COW_CLUSTER);
    s = ask(&a, top, NULL, MEM_BYTES - 512);
    g_assert_true(s & NODE_STATUS_EOF);
    g_assert_cmpint(a.pnum, ==, 512);
    s = ask(&a, top, NULL, MEM_BYTES);
    g_assert_true(s & NODE_STATUS_EOF);
    g_assert_cmpint(a.pnum, ==, 0);
    block_node_unref(top);
    block_node_unref(pass);
    block_node_unref(base);
    block_node_unref(m2);
    block_node_unref(m1);
}

/* -- another process's turn ------------------------------------------------------------------- */

static void test_inactive(void)
{
    BlockNode *mem = open_mem("mem");
    BlockNode *cow = open_over("cow", "cow", "mem", ",\"backing\":null");
    BlockBackend *blk = backend_on(cow, true, false);
    TestCow *c = TEST_COW(cow);
    Error *err = NULL;
    char byte = 1;

    g_assert_true(blk_inactivate_all(&error_abort));
    g_assert_true(c->inactivated == 1 && mem->inactive && cow->inactive);
    g_assert_cmpuint(TEST_MEM(mem)->perm, ==, 0);
    g_assert_cmpuint(TEST_MEM(mem)->shared, ==, ALL);
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, -EPERM);
    TEST_MEM(mem)->refuse = true; /* somebody else has the lock */
    g_assert_false(blk_activate_all(&err));
    expect_error(err, "refused by the test");
    g_assert_true(mem->inactive && cow->inactive && c->activated == 0);
    TEST_MEM(mem)->refuse = false;
    g_assert_true(blk_activate_all(&error_abort));
    g_assert_true(c->activated == 1 && !mem->inactive);
    g_assert_true(TEST_MEM(mem)->perm & NODE_PERM_WRITE);
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, 0);
    blk_unref(blk);
    block_node_unref(cow);
    block_node_unref(mem);
}

static void expect_both(Error *err, const char *one, const char *two)
{
    g_assert_nonnull(strstr(error_get_pretty(err), one));
    g_assert_nonnull(strstr(error_get_pretty(err), two));
    error_free(err);
}

/* What cannot be given up or taken back stays with one owner, and works. */
static void test_inactive_failures(void)
{
    BlockNode *mem = open_mem("mem");
    BlockNode *cow = open_over("cow", "cow", "mem", ",\"backing\":null");
    BlockBackend *blk = backend_on(cow, true, false);
    TestCow *c = TEST_COW(cow);
    Error *err = NULL;
    char byte = 1;

    /* The driver gave it up, but it is not on disk. */
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, 0);
    TEST_MEM(mem)->fail_flushes = -EIO;
    g_assert_false(blk_inactivate_all(&err));
    expect_error(err, "node 'cow' could not be written out");
    err = NULL;
    g_assert_true(c->inactivated == 1 && c->activated == 1);
    g_assert_true(!mem->inactive && !cow->inactive);
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, 0);
    /* Nor can it be taken back, nor what is below be given up after that. */
    c->fail_activate = true;
    g_assert_false(blk_inactivate_all(&err));
    expect_both(err, "could not be written out", "not activated by the test");
    err = NULL;
    g_assert_true(cow->inactive);
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, -EPERM);
    TEST_MEM(mem)->fail_flushes = 0;
    c->fail_activate = false;
    g_assert_true(blk_activate_all(&error_abort));
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, 0);
    g_assert_true(blk_inactivate_all(&error_abort));
    c->fail_activate = true;
    TEST_MEM(mem)->fail_flushes = -EIO;
    g_assert_false(blk_activate_all(&err));
    expect_both(err, "not activated by the test", "node 'mem' could not be");
    err = NULL;
    g_assert_true(cow->inactive && !mem->inactive);
    TEST_MEM(mem)->fail_flushes = 0;
    c->fail_activate = false;
    g_assert_true(blk_activate_all(&error_abort));
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, 0);
    blk_unref(blk);
    block_node_unref(cow);
    block_node_unref(mem);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    io_register_types();
    drivers_register();
    g_test_add_func("/graph/roles", test_roles);
    g_test_add_func("/graph/rollback", test_rollback);
    g_test_add_func("/graph/replace", test_replace);
    g_test_add_func("/graph/backing", test_backing);
    g_test_add_func("/graph/read-only", test_read_only);
    g_test_add_func("/graph/drain", test_drain);
    g_test_add_func("/graph/attach-drained", test_attach_drained);
    g_test_add_func("/graph/flush", test_flush);
    g_test_add_func("/graph/open-fails", test_open_fails);
    g_test_add_func("/graph/status", test_status);
    g_test_add_func("/graph/inactive", test_inactive);
    g_test_add_func("/graph/inactive-failures", test_inactive_failures);
    return g_test_run();
}
