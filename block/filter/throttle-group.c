/*
 * Groups of users that share limits of I/O.
 *
 * All state is under one lock, taken for a moment. A request that may not
 * start yet is entered in its member's queue and sleeps; whoever changes
 * something (the timer that was set for the moment when the next may start,
 * new limits, a member that is let through) runs the dispatcher: it takes out
 * as many as may start, accounts for them, and when the lock is given back
 * they are woken, each in its own context.
 *
 * The timer is the main loop's, as are joining and leaving, so a group cannot
 * go away under its timer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/throttle-group.h"

#include "block/types.h"
#include "qapi/qapi-visit-throttle.h"
#include "qom/object_interfaces.h"
#include "qom/property.h"
#include "util/aio.h"
#include "util/atomic.h"
#include "util/error.h"
#include "util/lockable.h"
#include "util/main-loop.h"

/* Groups that the user did not make. */
#define THROTTLE_GROUPS_PATH "/throttle-groups"

/* Real time: a stopped guest's disks are still written by jobs. */
#define THROTTLE_CLOCK QEMU_CLOCK_REALTIME

struct ThrottleWaiter {
    Coroutine *co;
    uint64_t bytes;
    QSIMPLEQ_ENTRY(ThrottleWaiter) next;
};

/* One bucket as properties have it. */
typedef struct ThrottleValues {
    int64_t avg;
    int64_t max;
    int64_t max_length;
} ThrottleValues;

struct ThrottleGroup {
    Object parent_obj;

    /* properties x-*, as they were given; see also x_config() */
    ThrottleValues values[BUCKETS_COUNT];
    int64_t iops_size;

    bool complete;
    bool enabled; /* are there any limits? atomic */
    QEMUTimer *timer;

    QemuMutex lock; /* guards what follows */
    ThrottleState ts;
    QTAILQ_HEAD(, ThrottleGroupMember) members;
    unsigned waiting[2];          /* requests in the members' queues */
    ThrottleGroupMember *last[2]; /* served last; NULL: begin at the first */
    bool next_is_write;           /* which direction is asked first */
};

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(THROTTLE_CLOCK);
}

/* -- the dispatcher; lock held ----------------------------------------------------- */

static ThrottleGroupMember *next_member(ThrottleGroup *g, bool is_write)
{
    ThrottleGroupMember *m = g->last[is_write];

    do {
        m = m ? QTAILQ_NEXT(m, next) : NULL;
        if (!m) {
            m = QTAILQ_FIRST(&g->members);
        }
    } while (QSIMPLEQ_EMPTY(&m->waiting[is_write]));
    return m;
}

static void release(ThrottleGroup *g, ThrottleGroupMember *m, bool is_write,
                    ThrottleWaiters *ready)
{
    ThrottleWaiter *w = QSIMPLEQ_FIRST(&m->waiting[is_write]);

    QSIMPLEQ_REMOVE_HEAD(&m->waiting[is_write], next);
    g->waiting[is_write]--;
    throttle_account(&g->ts, is_write, w->bytes);
    QSIMPLEQ_INSERT_TAIL(ready, w, next);
}

/* Returns: false if none may start; *@wait_ns is then how long not. */
static bool dispatch_one(ThrottleGroup *g, int64_t now, ThrottleWaiters *ready,
                         int64_t *wait_ns)
{
    *wait_ns = INT64_MAX;
    for (unsigned i = 0; i < 2; i++) {
        bool is_write = g->next_is_write ^ (i == 1);
        int64_t ns;

        if (!g->waiting[is_write]) {
            continue;
        }
        ns = throttle_compute_wait_ns(&g->ts, is_write, now);
        if (ns == 0) {
            g->last[is_write] = next_member(g, is_write);
            release(g, g->last[is_write], is_write, ready);
            g->next_is_write = !is_write;
            return true;
        }
        *wait_ns = MIN(*wait_ns, ns);
    }
    return false;
}

static void dispatch(ThrottleGroup *g, ThrottleWaiters *ready)
{
    int64_t now = now_ns();
    int64_t wait_ns;

    while (dispatch_one(g, now, ready, &wait_ns)) {
    }
    if (!g->timer) {
        return; /* no member yet */
    }
    if (wait_ns == INT64_MAX) {
        timer_del(g->timer);
    } else {
        timer_mod_ns(g->timer, now + wait_ns);
    }
}

/* Returns: whether @w was there. */
static bool take_out(ThrottleWaiters *ready, ThrottleWaiter *w)
{
    ThrottleWaiter *other;

    QSIMPLEQ_FOREACH(other, ready, next) {
        if (other == w) {
            QSIMPLEQ_REMOVE(ready, w, ThrottleWaiter, next);
            return true;
        }
    }
    return false;
}

/* Lock not held. */
static void wake(ThrottleWaiters *ready)
{
    ThrottleWaiter *w;

    while ((w = QSIMPLEQ_FIRST(ready))) {
        QSIMPLEQ_REMOVE_HEAD(ready, next);
        aio_co_wake(w->co); /* @w may be gone now */
    }
}

static void group_timer(void *opaque)
{
    ThrottleGroup *g = opaque;
    ThrottleWaiters ready = QSIMPLEQ_HEAD_INITIALIZER(ready);

    WITH_QEMU_LOCK_GUARD(&g->lock)
    {
        dispatch(g, &ready);
    }
    wake(&ready);
}

/* -- members ------------------------------------------------------------------------ */

void coroutine_fn throttle_group_co_wait(ThrottleGroupMember *m, int64_t bytes,
                                         bool is_write)
{
    ThrottleGroup *g = m->group;
    ThrottleWaiter w = { .co = qemu_coroutine_self(),
                         .bytes = (uint64_t)bytes };
    ThrottleWaiters ready = QSIMPLEQ_HEAD_INITIALIZER(ready);
    bool wait;

    if (!qatomic_read(&g->enabled)) {
        return;
    }
    qemu_mutex_lock(&g->lock);
    wait =
        !m->unlimited && (g->waiting[is_write] ||
                          throttle_compute_wait_ns(&g->ts, is_write, now_ns()));
    if (wait) {
        QSIMPLEQ_INSERT_TAIL(&m->waiting[is_write], &w, next);
        if (g->waiting[is_write]++ == 0) {
            dispatch(g, &ready);
            /* Its time may have come just now. */
            wait = !take_out(&ready, &w);
        }
    } else {
        throttle_account(&g->ts, is_write, w.bytes);
    }
    qemu_mutex_unlock(&g->lock);
    wake(&ready);
    if (wait) {
        qemu_coroutine_yield();
    }
}

void throttle_group_let_through(ThrottleGroupMember *m)
{
    ThrottleGroup *g = m->group;
    ThrottleWaiters ready = QSIMPLEQ_HEAD_INITIALIZER(ready);

    WITH_QEMU_LOCK_GUARD(&g->lock)
    {
        m->unlimited++;
        for (unsigned i = 0; i < 2; i++) {
            while (!QSIMPLEQ_EMPTY(&m->waiting[i])) {
                release(g, m, i, &ready);
            }
        }
        dispatch(g, &ready);
    }
    wake(&ready);
}

void throttle_group_limit(ThrottleGroupMember *m)
{
    QEMU_LOCK_GUARD(&m->group->lock);
    assert(m->unlimited > 0);
    m->unlimited--;
}

static ThrottleGroup *group_find(const char *name)
{
    static const char *const roots[] = { "/objects", THROTTLE_GROUPS_PATH };

    for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
        Object *root = container_get(object_get_root(), roots[i]);
        Object *obj = object_resolve_path_component(root, name);

        if (obj && object_dynamic_cast(obj, TYPE_THROTTLE_GROUP)) {
            return THROTTLE_GROUP(obj);
        }
    }
    return NULL;
}

bool throttle_group_join(ThrottleGroupMember *m, const char *name, bool make,
                         Error **errp)
{
    ThrottleGroup *g = group_find(name);

    assert(!m->group);
    if (g) {
        object_ref(g);
    } else if (!make) {
        error_setg(errp, "Throttle group '%s' does not exist", name);
        return false;
    } else {
        block_register_types();
        g = THROTTLE_GROUP(object_new(TYPE_THROTTLE_GROUP));
        g->complete = true;
        if (!object_property_try_add_child(container_get(object_get_root(),
                                                         THROTTLE_GROUPS_PATH),
                                           name, OBJECT(g), errp)) {
            object_unref(g);
            return false;
        }
    }
    if (!g->timer) {
        g->timer = aio_timer_new(qemu_get_aio_context(), THROTTLE_CLOCK,
                                 SCALE_NS, group_timer, g);
    }
    m->group = g;
    m->unlimited = 0;
    QSIMPLEQ_INIT(&m->waiting[0]);
    QSIMPLEQ_INIT(&m->waiting[1]);
    QEMU_LOCK_GUARD(&g->lock);
    QTAILQ_INSERT_TAIL(&g->members, m, next);
    return true;
}

void throttle_group_leave(ThrottleGroupMember *m)
{
    ThrottleGroup *g = m->group;
    bool last;

    if (!g) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&g->lock)
    {
        for (unsigned i = 0; i < 2; i++) {
            assert(QSIMPLEQ_EMPTY(&m->waiting[i]));
            if (g->last[i] == m) {
                g->last[i] = QTAILQ_PREV(m, next);
            }
        }
        QTAILQ_REMOVE(&g->members, m, next);
        last = QTAILQ_EMPTY(&g->members);
    }
    if (last && OBJECT(g)->parent ==
                    container_get(object_get_root(), THROTTLE_GROUPS_PATH)) {
        object_unparent(OBJECT(g));
    }
    m->group = NULL;
    object_unref(g);
}

/* -- limits --------------------------------------------------------------------------- */

const char *throttle_group_name(const ThrottleGroup *group)
{
    return object_get_canonical_path_component(OBJECT(group));
}

void throttle_group_config(ThrottleGroup *g, const ThrottleConfig *cfg)
{
    ThrottleWaiters ready = QSIMPLEQ_HEAD_INITIALIZER(ready);

    for (unsigned i = 0; i < BUCKETS_COUNT; i++) {
        const LeakyBucket *b = &cfg->buckets[i];

        g->values[i] = (ThrottleValues){ (int64_t)b->avg, (int64_t)b->max,
                                         (int64_t)b->burst_length };
    }
    g->iops_size = (int64_t)cfg->op_size;
    WITH_QEMU_LOCK_GUARD(&g->lock)
    {
        throttle_config(&g->ts, cfg, now_ns());
        qatomic_set(&g->enabled, throttle_enabled(cfg));
        dispatch(g, &ready);
    }
    wake(&ready);
}

void throttle_group_get_config(ThrottleGroup *g, ThrottleConfig *cfg)
{
    QEMU_LOCK_GUARD(&g->lock);
    throttle_get_config(&g->ts, cfg);
}

/* Of the properties x-*. */
static void x_config(const ThrottleGroup *g, ThrottleConfig *cfg)
{
    throttle_config_init(cfg);
    for (unsigned i = 0; i < BUCKETS_COUNT; i++) {
        const ThrottleValues *v = &g->values[i];

        cfg->buckets[i].avg = (uint64_t)v->avg;
        cfg->buckets[i].max = (uint64_t)v->max;
        cfg->buckets[i].burst_length = (uint64_t)v->max_length;
    }
    cfg->op_size = (uint64_t)g->iops_size;
}

static void group_get_limits(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    ThrottleGroup *g = THROTTLE_GROUP(obj);
    ThrottleLimits limits = { 0 };
    ThrottleLimits *p = &limits;
    ThrottleConfig cfg;

    if (g->complete) {
        throttle_group_get_config(g, &cfg);
    } else {
        x_config(g, &cfg);
    }
    throttle_config_to_limits(&cfg, &limits);
    visit_type_ThrottleLimits(v, name, &p, errp);
}

static void group_set_limits(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    ThrottleGroup *g = THROTTLE_GROUP(obj);
    g_autoptr(ThrottleLimits) limits = NULL;
    ThrottleConfig cfg;

    if (!visit_type_ThrottleLimits(v, name, &limits, errp)) {
        return;
    }
    x_config(g, &cfg);
    if (!throttle_limits_to_config(limits, &cfg, errp) ||
        (g->complete && !throttle_is_valid(&cfg, errp))) {
        return;
    }
    throttle_group_config(g, &cfg);
}

static void group_complete(UserCreatable *uc, Error **errp)
{
    ThrottleGroup *g = THROTTLE_GROUP(uc);
    ThrottleConfig cfg;

    x_config(g, &cfg);
    if (throttle_is_valid(&cfg, errp)) {
        throttle_group_config(g, &cfg);
        g->complete = true;
    }
}

static bool group_can_be_deleted(UserCreatable *uc)
{
    ThrottleGroup *g = THROTTLE_GROUP(uc);

    QEMU_LOCK_GUARD(&g->lock);
    return QTAILQ_EMPTY(&g->members);
}

/* -- class ---------------------------------------------------------------------------- */

#define THROTTLE_VALUE(xname, bucket, member, low, deflt, u, text)             \
    {                                                                          \
        "x-" xname, PROP_INT64,                                                \
            offsetof(ThrottleGroup, values) +                                  \
                (bucket) * sizeof(ThrottleValues) +                            \
                offsetof(ThrottleValues, member),                              \
            .def = deflt, .min = (low), .max = INT64_MAX, .unit = (u),         \
            .help = (text), .since = "0.2"                                     \
    }
#define THROTTLE_BUCKET(name, bucket, u, what)                                 \
    THROTTLE_VALUE(name, bucket, avg, 0, "0", u, "limit of " what),            \
        THROTTLE_VALUE(name "-max", bucket, max, 0, "0", u,                    \
                       "limit of " what " in a burst"),                        \
        THROTTLE_VALUE(name "-max-length", bucket, max_length, 0, "1", "s",    \
                       "how long a burst of " what " may last")

static const Property group_props[] = {
    { "limits", PROP_CUSTOM, .qapi_type = "ThrottleLimits",
      .flags = PROP_F_RUNTIME,
      .help = "limits, as in the properties x-* without the x-", .since = "0.2",
      .get = group_get_limits, .set = group_set_limits },
    THROTTLE_BUCKET("iops-total", THROTTLE_OPS_TOTAL, "requests/s",
                    "reads and writes together"),
    THROTTLE_BUCKET("iops-read", THROTTLE_OPS_READ, "requests/s", "reads"),
    THROTTLE_BUCKET("iops-write", THROTTLE_OPS_WRITE, "requests/s", "writes"),
    THROTTLE_BUCKET("bps-total", THROTTLE_BPS_TOTAL, "bytes/s",
                    "reads and writes together"),
    THROTTLE_BUCKET("bps-read", THROTTLE_BPS_READ, "bytes/s", "reads"),
    THROTTLE_BUCKET("bps-write", THROTTLE_BPS_WRITE, "bytes/s", "writes"),
    { "x-iops-size", PROP_INT64, offsetof(ThrottleGroup, iops_size), .def = "0",
      .max = INT64_MAX, .unit = "bytes",
      .help = "a longer request counts as several", .since = "0.2" },
    {},
};

static void group_init(Object *obj)
{
    ThrottleGroup *g = THROTTLE_GROUP(obj);
    ThrottleConfig cfg;

    qemu_mutex_init(&g->lock);
    QTAILQ_INIT(&g->members);
    throttle_config_init(&cfg);
    throttle_config(&g->ts, &cfg, now_ns());
}

static void group_finalize(Object *obj)
{
    ThrottleGroup *g = THROTTLE_GROUP(obj);

    timer_free(g->timer);
    qemu_mutex_destroy(&g->lock);
}

static void group_class_init(ObjectClass *oc, void *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    ucc->complete = group_complete;
    ucc->can_be_deleted = group_can_be_deleted;
}

extern const TypeInfo block_type_throttle_group;
const TypeInfo block_type_throttle_group = {
    .name = TYPE_THROTTLE_GROUP,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(ThrottleGroup),
    .instance_init = group_init,
    .instance_finalize = group_finalize,
    .class_init = group_class_init,
    .props = group_props,
    .interfaces = (InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
};
