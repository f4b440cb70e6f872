/*
 * Objects "iothread".
 *
 * The thread does nothing but aio_poll(). It ends when the object does; by
 * then nobody has anything in its context.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/iothread.h"

#include "qapi/json.h"
#include "qapi/visitor.h"
#include "qom/object_interfaces.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/thread-pool.h"
#include "util/thread.h"

#define POLL_MAX_NS_DEFAULT "32768"

struct IOThread {
    Object parent_obj;

    int64_t poll_max_ns;
    int64_t poll_grow;
    int64_t poll_shrink;
    int64_t aio_max_batch;
    int64_t pool_min;
    int64_t pool_max;

    AioContext *ctx;
    QemuThread thread;
    QemuSemaphore started;
    int thread_id;
    bool running;  /* there is a thread; of the owner */
    bool stopping; /* of the thread */
};

static void *iothread_run(void *opaque)
{
    IOThread *t = opaque;

    qemu_set_current_aio_context(t->ctx);
    t->thread_id = qemu_get_thread_id();
    qemu_sem_post(&t->started);
    while (!t->stopping) {
        aio_poll(t->ctx, true);
    }
    return NULL;
}

static void stop_bh(void *opaque)
{
    IOThread *t = opaque;

    t->stopping = true;
}

static bool apply_poll(IOThread *t, Error **errp)
{
    return aio_context_set_poll_params(t->ctx, t->poll_max_ns, t->poll_grow,
                                       t->poll_shrink, errp);
}

static bool apply_params(IOThread *t, Error **errp)
{
    return apply_poll(t, errp) &&
           aio_context_set_aio_params(t->ctx, t->aio_max_batch, errp) &&
           aio_context_set_thread_pool_params(t->ctx, t->pool_min, t->pool_max,
                                              errp);
}

static void iothread_complete(UserCreatable *uc, Error **errp)
{
    IOThread *t = IOTHREAD(uc);
    g_autofree char *id = iothread_get_id(t);
    g_autofree char *name = g_strdup_printf("IO %s", id ? id : "");
    int ret;

    t->ctx = aio_context_new(errp);
    if (!t->ctx || !apply_params(t, errp)) {
        return;
    }
    ret = qemu_thread_try_create(&t->thread, name, iothread_run, t,
                                 QEMU_THREAD_JOINABLE);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "iothread '%s' has no thread",
                         id ? id : "");
        return;
    }
    t->running = true;
    qemu_sem_wait(&t->started);
}

/* -- properties that change while it runs ----------------------------------------------- */

static void param_get(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    const Property *p = opaque;

    visit_type_int64(v, name, (int64_t *)(void *)((char *)obj + p->offset),
                     errp);
}

static void param_set(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    const Property *p = opaque;
    IOThread *t = IOTHREAD(obj);
    int64_t *field = (int64_t *)(void *)((char *)obj + p->offset);
    int64_t before = *field;
    int64_t value;

    if (!visit_type_int64(v, name, &value, errp)) {
        return;
    }
    if (value < 0) {
        error_setg(errp, "%s value must be in range [0, %" PRId64 "]", name,
                   INT64_MAX);
        return;
    }
    *field = value;
    if (t->running && !apply_params(t, errp)) {
        *field = before;
    }
}

#define PARAM(name_, field_, def_, help_)                                      \
    {                                                                          \
        (name_), PROP_CUSTOM, offsetof(IOThread, field_),                      \
            .qapi_type = "int", .get = param_get, .set = param_set,            \
            .def = (def_), .flags = PROP_F_RUNTIME, .help = (help_),           \
            .since = "0.1"                                                     \
    }

static const Property iothread_props[] = {
    PARAM("poll-max-ns", poll_max_ns, POLL_MAX_NS_DEFAULT,
          "longest busy wait before the thread sleeps; 0 = none"),
    PARAM("poll-grow", poll_grow, "0",
          "factor by which the busy wait grows; 0 = built-in"),
    PARAM("poll-shrink", poll_shrink, "0",
          "divisor by which the busy wait shrinks; 0 = built-in"),
    PARAM("aio-max-batch", aio_max_batch, "0",
          "requests handed to the kernel at once; 0 = built-in"),
    PARAM("thread-pool-min", pool_min, "0", "worker threads that are kept"),
    PARAM("thread-pool-max", pool_max, "64", "most worker threads"),
    {},
};

/* -- public ------------------------------------------------------------------------------- */

IOThread *iothread_create(const char *id, Error **errp)
{
    g_autoptr(json_t) none = json_object();

    return (IOThread *)user_creatable_add_type(TYPE_IOTHREAD, id, none, false,
                                               errp);
}

void iothread_destroy(IOThread *iothread)
{
    if (iothread) {
        object_unparent(OBJECT(iothread));
        object_unref(iothread);
    }
}

IOThread *iothread_by_id(const char *id)
{
    Object *obj = object_resolve_path_component(object_get_objects_root(), id);

    return (IOThread *)object_dynamic_cast(obj, TYPE_IOTHREAD);
}

char *iothread_get_id(IOThread *iothread)
{
    const char *id = object_get_canonical_path_component(OBJECT(iothread));

    return g_strdup(id);
}

AioContext *iothread_get_aio_context(IOThread *iothread)
{
    return iothread->ctx;
}

int iothread_get_thread_id(IOThread *iothread)
{
    return iothread->thread_id;
}

IOThreadParams iothread_get_params(IOThread *iothread)
{
    return (IOThreadParams){ iothread->poll_max_ns, iothread->poll_grow,
                             iothread->poll_shrink, iothread->aio_max_batch };
}

typedef struct ForEach {
    void (*cb)(IOThread *iothread, void *opaque);
    void *opaque;
} ForEach;

static int foreach_cb(Object *obj, void *opaque)
{
    ForEach *f = opaque;

    if (object_dynamic_cast(obj, TYPE_IOTHREAD)) {
        f->cb(IOTHREAD(obj), f->opaque);
    }
    return 0;
}

void iothread_foreach(void (*cb)(IOThread *iothread, void *opaque),
                      void *opaque)
{
    ForEach f = { cb, opaque };

    object_child_foreach(object_get_objects_root(), foreach_cb, &f);
}

/* -- class --------------------------------------------------------------------------------- */

static void iothread_instance_init(Object *obj)
{
    IOThread *t = IOTHREAD(obj);

    t->poll_max_ns = 32768;
    t->pool_max = THREAD_POOL_MAX_THREADS_DEFAULT;
    qemu_sem_init(&t->started, 0);
}

static void iothread_instance_finalize(Object *obj)
{
    IOThread *t = IOTHREAD(obj);

    if (t->running) {
        aio_bh_schedule_oneshot(t->ctx, stop_bh, t);
        qemu_thread_join(&t->thread);
    }
    if (t->ctx) {
        aio_context_unref(t->ctx);
    }
    qemu_sem_destroy(&t->started);
}

static void iothread_class_init(ObjectClass *oc, void *data)
{
    USER_CREATABLE_CLASS(oc)->complete = iothread_complete;
}

extern const TypeInfo io_type_iothread;
const TypeInfo io_type_iothread = {
    .name = TYPE_IOTHREAD,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(IOThread),
    .instance_init = iothread_instance_init,
    .instance_finalize = iothread_instance_finalize,
    .class_init = iothread_class_init,
    .props = iothread_props,
    .interfaces = (InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
};
