/*
 * Throttle groups: limits hold, members and directions get their turns, in one
 * thread and in several; new limits and drains let waiting requests go.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/backend-internal.h"
#include "block/drive.h"
#include "block/types.h"
#include "io/iothread.h"
#include "io/types.h"
#include "qapi/json.h"
#include "qapi/qapi-commands-block.h"
#include "qapi/qapi-commands-throttle.h"
#include "qom/object_interfaces.h"
#include "util/aio-wait.h"
#include "util/error.h"
#include "util/main-loop.h"

/* JSON with ' for ". */
static json_t *json(const char *text)
{
    g_autofree char *copy = g_strdup(text);

    return qobject_from_json(g_strdelimit(copy, "'", '"'), &error_abort);
}

static bool add_group(const char *id, const char *text, Error **errp)
{
    g_autoptr(json_t) props = json(text);
    Object *obj =
        user_creatable_add_type(TYPE_THROTTLE_GROUP, id, props, false, errp);

    object_unref(obj);
    return obj;
}

static void add_fails(const char *text, const char *message)
{
    Error *err = NULL;

    g_assert_false(add_group("bad", text, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), message));
    error_free(err);
}

static Object *group(const char *id)
{
    return object_resolve_path_component(object_get_objects_root(), id);
}

static bool set_limits(const char *id, const char *text, Error **errp)
{
    g_autoptr(json_t) limits = json(text);

    return object_property_set_qobject(group(id), "limits", limits, errp);
}

static void del_group(const char *id)
{
    g_assert_true(user_creatable_del(id, &error_abort));
}

static BlockBackend *open_member(const char *id)
{
    g_autofree char *text = g_strdup_printf(
        "{'driver':'throttle','throttle-group':'%s','file':"
        "{'driver':'null-co','size':1048576,'read-zeroes':true}}",
        id);
    g_autoptr(json_t) opts = json(text);
    BlockNode *node =
        block_node_new(opts, false, qemu_get_aio_context(), &error_abort);
    BlockBackend *blk = blk_new(qemu_get_aio_context());

    blk_insert(blk, node, &error_abort);
    block_node_unref(node);
    blk_set_perm(blk, true, false, &error_abort);
    return blk;
}

/* -- the object ------------------------------------------------------------------------- */

static int64_t limit(const char *id, const char *name)
{
    g_autoptr(json_t) limits =
        object_property_get_qobject(group(id), "limits", &error_abort);

    return json_integer_value(json_object_get(limits, name));
}

static void test_object(void)
{
    Error *err = NULL;
    BlockBackend *blk;

    add_group("g", "{'limits':{'iops-total':100,'iops-total-max':200}}",
              &error_abort);
    g_assert_cmpint(limit("g", "iops-total"), ==, 100);
    g_assert_cmpint(limit("g", "iops-total-max"), ==, 200);
    g_assert_cmpint(limit("g", "iops-total-max-length"), ==, 1);
    g_assert_cmpint(limit("g", "bps-read"), ==, 0);
    /* What is not said stays. */
    g_assert_true(set_limits("g", "{'bps-read':4096}", &error_abort));
    g_assert_cmpint(limit("g", "iops-total"), ==, 100);
    g_assert_cmpint(limit("g", "bps-read"), ==, 4096);
    g_assert_false(set_limits("g", "{'iops-read':1}", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "same time"));
    g_clear_pointer(&err, error_free);
    g_assert_false(set_limits("g", "{'iops-total':-1}", &err));
    g_clear_pointer(&err, error_free);
    g_assert_cmpint(limit("g", "iops-total"), ==, 100);

    blk = open_member("g");
    g_assert_false(user_creatable_del("g", &err));
    g_clear_pointer(&err, error_free);
    blk_unref(blk);
    del_group("g");

    add_group("x",
              "{'x-bps-write':1000,'x-bps-write-max':2000,"
              "'x-bps-write-max-length':3,'x-iops-read':5,"
              "'x-iops-size':512}",
              &error_abort);
    g_assert_cmpint(limit("x", "bps-write"), ==, 1000);
    g_assert_cmpint(limit("x", "bps-write-max-length"), ==, 3);
    g_assert_cmpint(limit("x", "iops-size"), ==, 512);
    del_group("x");
    add_fails("{'x-iops-total':1,'x-iops-read':1}", "same time");
    add_fails("{'limits':{'iops-total-max':5}}", "require corresponding");
    add_fails("{'limits':{'iops-total-max-length':0}}", "cannot be 0");
}

/* -- requests ---------------------------------------------------------------------------- */

typedef struct Load {
    BlockBackend *blk;
    bool is_write;
    bool stop;  /* atomic */
    bool ended; /* atomic */
    unsigned n; /* atomic */
} Load;

static void coroutine_fn load_entry(void *opaque)
{
    Load *l = opaque;
    uint8_t buf[512] = { 0 };

    while (!qatomic_read(&l->stop)) {
        int ret = l->is_write ? blk_co_pwrite(l->blk, 0, sizeof(buf), buf, 0)
                              : blk_co_pread(l->blk, 0, sizeof(buf), buf, 0);

        g_assert_cmpint(ret, ==, 0);
        qatomic_inc(&l->n);
    }
    qatomic_set(&l->ended, true);
    aio_wait_kick();
}

static void load_start(Load *l, AioContext *ctx)
{
    aio_co_enter(ctx, qemu_coroutine_create(load_entry, l));
}

static void run_for(int64_t ms)
{
    int64_t end = g_get_monotonic_time() + ms * 1000;

    while (g_get_monotonic_time() < end) {
        if (!aio_poll(qemu_get_aio_context(), false)) {
            g_usleep(500);
        }
    }
}

static void load_end(Load *loads, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        qatomic_set(&loads[i].stop, true);
    }
    for (size_t i = 0; i < n; i++) {
        AIO_WAIT_WHILE(NULL, !qatomic_read(&loads[i].ended));
    }
}

static void test_rate(void)
{
    Load l = { 0 };

    add_group("g", "{'limits':{'iops-total':200}}", &error_abort);
    l.blk = open_member("g");
    load_start(&l, qemu_get_aio_context());
    run_for(500);
    /* 20 at once, and 100 in half a second; fewer on a busy host. */
    g_assert_cmpint(qatomic_read(&l.n), <=, 135);
    g_assert_cmpint(qatomic_read(&l.n), >=, 40);
    g_assert_true(set_limits("g", "{'iops-total':100000}", &error_abort));
    run_for(50);
    g_assert_cmpint(qatomic_read(&l.n), >, 200);
    load_end(&l, 1);
    blk_unref(l.blk);
    del_group("g");
}

static void check_even(const Load *a, const Load *b)
{
    unsigned x = qatomic_read(&a->n);
    unsigned y = qatomic_read(&b->n);

    g_assert_cmpint(x, >, 10);
    /* All but what came at once at the start. */
    g_assert_cmpint(ABS((int)x - (int)y), <=, 35 + (int)MAX(x, y) / 5);
}

static void test_members(void)
{
    Load l[2] = { 0 };

    add_group("g", "{'limits':{'iops-total':300}}", &error_abort);
    for (unsigned i = 0; i < 2; i++) {
        l[i].blk = open_member("g");
        load_start(&l[i], qemu_get_aio_context());
    }
    run_for(600);
    check_even(&l[0], &l[1]);
    load_end(l, 2);
    blk_unref(l[0].blk);
    blk_unref(l[1].blk);
    del_group("g");
}

/* Several at one member, one at the other: members are served in turn. */
static void test_greedy(void)
{
    Load l[5] = { 0 };
    unsigned greedy = 0;

    add_group("g", "{'limits':{'iops-total':300}}", &error_abort);
    l[0].blk = open_member("g");
    l[1].blk = open_member("g");
    for (unsigned i = 0; i < 5; i++) {
        l[i].blk = l[i > 0].blk;
        load_start(&l[i], qemu_get_aio_context());
    }
    run_for(600);
    for (unsigned i = 1; i < 5; i++) {
        greedy += qatomic_read(&l[i].n);
    }
    g_assert_cmpint(l[0].n, >, 10);
    g_assert_cmpint(greedy, <=, l[0].n + l[0].n / 3 + 40);
    load_end(l, 5);
    blk_unref(l[0].blk);
    blk_unref(l[1].blk);
    del_group("g");
}

static void test_directions(void)
{
    Load l[2] = { { 0 }, { .is_write = true } };

    add_group("g", "{'limits':{'iops-total':300}}", &error_abort);
    l[0].blk = l[1].blk = open_member("g");
    load_start(&l[0], qemu_get_aio_context());
    load_start(&l[1], qemu_get_aio_context());
    run_for(600);
    check_even(&l[0], &l[1]);
    load_end(l, 2);
    blk_unref(l[0].blk);
    del_group("g");
}

static void test_drain(void)
{
    Load l[8] = { 0 };
    int64_t start;

    add_group("g", "{'limits':{'iops-total':1}}", &error_abort);
    l[0].blk = open_member("g");
    for (unsigned i = 0; i < 8; i++) {
        l[i].blk = l[0].blk;
        load_start(&l[i], qemu_get_aio_context());
    }
    run_for(10);
    start = g_get_monotonic_time();
    blk_drained_begin(l[0].blk);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 2 * G_USEC_PER_SEC);
    for (unsigned i = 0; i < 8; i++) {
        l[i].stop = true;
    }
    blk_drained_end(l[0].blk);
    g_assert_true(set_limits("g", "{'iops-total':0}", &error_abort));
    load_end(l, 8);
    blk_unref(l[0].blk);
    del_group("g");
}

/* -- threads ------------------------------------------------------------------------------ */

static AioContext *add_thread(const char *id)
{
    json_t *props = json_object();
    Object *obj =
        user_creatable_add_type("iothread", id, props, false, &error_abort);
    AioContext *ctx = iothread_get_aio_context(IOTHREAD(obj));

    json_decref(props);
    object_unref(obj);
    return ctx;
}

static void test_threads(void)
{
    Load l[4] = { 0 };
    AioContext *ctx[2] = { add_thread("t0"), add_thread("t1") };

    add_group("g", "{'limits':{'iops-total':400}}", &error_abort);
    for (unsigned i = 0; i < 4; i++) {
        l[i].blk = i < 2 ? open_member("g") : l[i - 2].blk;
        l[i].is_write = i > 1;
        load_start(&l[i], ctx[i % 2]);
    }
    run_for(300);
    /* Limits, drains and requests at the same time. */
    for (unsigned i = 0; i < 5; i++) {
        g_assert_true(set_limits(
            "g", i % 2 ? "{'iops-total':400}" : "{'iops-total':3000}",
            &error_abort));
        run_for(10);
        blk_drained_begin(l[i % 2].blk);
        blk_drained_end(l[i % 2].blk);
    }
    run_for(200);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpint(qatomic_read(&l[i].n), >, 10);
    }
    load_end(l, 4);
    blk_unref(l[0].blk);
    blk_unref(l[1].blk);
    del_group("g");
    user_creatable_del("t0", &error_abort);
    user_creatable_del("t1", &error_abort);
}

/* -- block devices ------------------------------------------------------------------------- */

static BlockDeviceInfo *drive_info(BlockInfoList *list, const char *name)
{
    for (; list; list = list->next) {
        if (g_str_equal(list->value->device, name)) {
            return list->value->inserted;
        }
    }
    g_assert_not_reached();
}

static void check_drive(const char *name, int64_t iops, int64_t bps_rd_max,
                        const char *group_name)
{
    g_autoptr(BlockInfoList) list = qmp_query_block(&error_abort);
    BlockDeviceInfo *info = drive_info(list, name);

    g_assert_cmpint(info->iops, ==, iops);
    g_assert_cmpint(info->bps_rd_max, ==, bps_rd_max);
    g_assert_cmpstr(info->group, ==, group_name);
}

static void new_drive(const char *text)
{
    drive_new_str(text, IF_NONE, qemu_get_aio_context(), &error_abort);
}

static void test_drives(void)
{
    BlockIOThrottle t = { .device = (char *)"d0", .iops = 50 };
    Error *err = NULL;

    new_drive("driver=null-co,if=none,id=d0,throttling.iops-total=100");
    check_drive("d0", 100, 0, "d0");
    new_drive("driver=null-co,if=none,id=d1,iops=70,bps_rd=1M,bps_rd_max=2M,"
              "throttling.group=shared");
    check_drive("d1", 70, 2 * 1024 * 1024, "shared");
    new_drive("driver=null-co,if=none,id=d2");
    check_drive("d2", 0, 0, NULL);

    qmp_block_set_io_throttle(&t, &error_abort);
    check_drive("d0", 50, 0, "d0");
    t.group = (char *)"shared";
    qmp_block_set_io_throttle(&t, &error_abort);
    check_drive("d0", 50, 0, "shared");
    check_drive("d1", 50, 0, "shared");
    t.group = NULL;
    t.iops_rd = 3;
    qmp_block_set_io_throttle(&t, &err);
    g_assert_nonnull(err);
    g_clear_pointer(&err, error_free);
    check_drive("d0", 50, 0, "shared");
    t.iops = t.iops_rd = 0;
    qmp_block_set_io_throttle(&t, &error_abort);
    check_drive("d0", 0, 0, NULL);
    check_drive("d1", 50, 0, "shared");
    t.device = (char *)"nobody";
    qmp_block_set_io_throttle(&t, &err);
    g_assert_nonnull(strstr(error_get_pretty(err), "nobody"));
    error_free(err);

    g_assert_null(drive_new_str("driver=null-co,if=none,id=d3,iops=1,"
                                "throttling.iops-total=2",
                                IF_NONE, qemu_get_aio_context(), NULL));
    g_assert_null(drive_new_str("driver=null-co,if=none,id=d3,iops=1,"
                                "iops_rd=2",
                                IF_NONE, qemu_get_aio_context(), NULL));
    drives_cleanup();
    g_assert_null(object_resolve_path("/throttle-groups/shared", NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    block_register_types();
    io_register_types();
    g_test_add_func("/throttle-group/object", test_object);
    g_test_add_func("/throttle-group/rate", test_rate);
    g_test_add_func("/throttle-group/members", test_members);
    g_test_add_func("/throttle-group/greedy", test_greedy);
    g_test_add_func("/throttle-group/directions", test_directions);
    g_test_add_func("/throttle-group/drain", test_drain);
    g_test_add_func("/throttle-group/threads", test_threads);
    g_test_add_func("/throttle-group/drives", test_drives);
    return g_test_run();
}
