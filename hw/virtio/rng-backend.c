/*
 * Sources of random bytes: the common class, and the built-in source.
 *
 * Requests are answered in order; an answer may come in pieces.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "rng-backend.h"

#include "crypto/random.h"
#include "qom/object_interfaces.h"
#include "qom/property.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/main-loop.h"

void rng_backend_request(RngBackend *rng, size_t size, RngReceive *receive,
                         void *opaque)
{
    RngRequest *req = g_new0(RngRequest, 1);

    assert(size && size <= RNG_REQUEST_MAX);
    req->data = g_malloc(size);
    req->wanted = size;
    req->receive = receive;
    req->opaque = opaque;
    QSIMPLEQ_INSERT_TAIL(&rng->requests, req, next);
    RNG_BACKEND_GET_CLASS(rng)->requested(rng, req);
}

static void request_free(RngRequest *req)
{
    g_free(req->data);
    g_free(req);
}

void rng_backend_cancel(RngBackend *rng, void *opaque)
{
    RngBackendClass *rc = RNG_BACKEND_GET_CLASS(rng);
    RngRequest *req, *tmp;

    QSIMPLEQ_FOREACH_SAFE(req, &rng->requests, next, tmp) {
        if (req->opaque == opaque) {
            QSIMPLEQ_REMOVE(&rng->requests, req, RngRequest, next);
            request_free(req);
        }
    }
    if (QSIMPLEQ_EMPTY(&rng->requests) && rc->cancelled) {
        rc->cancelled(rng);
    }
}

size_t rng_backend_feed(RngBackend *rng, const uint8_t *data, size_t len)
{
    size_t used = 0;
    RngRequest *req;

    while (used < len && (req = QSIMPLEQ_FIRST(&rng->requests))) {
        size_t n = MIN(len - used, req->wanted - req->have);

        memcpy(req->data + req->have, data + used, n);
        req->have += n;
        used += n;
        if (req->have == req->wanted) {
            QSIMPLEQ_REMOVE_HEAD(&rng->requests, next);
            req->receive(req->opaque, req->data, req->have);
            request_free(req);
        }
    }
    return used;
}

size_t rng_backend_wanted(RngBackend *rng)
{
    size_t n = 0;
    RngRequest *req;

    QSIMPLEQ_FOREACH(req, &rng->requests, next) {
        n += req->wanted - req->have;
    }
    return n;
}

/* -- class ------------------------------------------------------------------------- */

static void rng_complete(UserCreatable *uc, Error **errp)
{
    RngBackend *rng = RNG_BACKEND(uc);
    RngBackendClass *rc = RNG_BACKEND_GET_CLASS(rng);

    if (rc->open) {
        rc->open(rng, errp);
    }
}

static void rng_instance_init(Object *obj)
{
    QSIMPLEQ_INIT(&RNG_BACKEND(obj)->requests);
}

static void rng_instance_finalize(Object *obj)
{
    RngBackend *rng = RNG_BACKEND(obj);
    RngRequest *req;

    while ((req = QSIMPLEQ_FIRST(&rng->requests))) {
        QSIMPLEQ_REMOVE_HEAD(&rng->requests, next);
        request_free(req);
    }
}

static void rng_class_init(ObjectClass *oc, void *data)
{
    USER_CREATABLE_CLASS(oc)->complete = rng_complete;
}

static const Property rng_props[] = {
    { "opened", PROP_BOOL, offsetof(RngBackend, opened),
      .check = property_only_true, .flags = PROP_F_DEPRECATED,
      .help = "no effect", .since = "0.1" },
    {},
};

static InterfaceInfo rng_interfaces[] = { { TYPE_USER_CREATABLE }, {} };

extern const TypeInfo hw_type_rng_backend;
const TypeInfo hw_type_rng_backend = {
    .name = TYPE_RNG_BACKEND,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(RngBackend),
    .instance_init = rng_instance_init,
    .instance_finalize = rng_instance_finalize,
    .class_size = sizeof(RngBackendClass),
    .class_init = rng_class_init,
    .interfaces = rng_interfaces,
    .props = rng_props,
};

/* -- rng-builtin ---------------------------------------------------------------------- */

OBJECT_DECLARE_SIMPLE_TYPE(RngBuiltin, RNG_BUILTIN)

struct RngBuiltin {
    RngBackend parent_obj;

    QEMUBH *bh;
};

static void builtin_answer(void *opaque)
{
    RngBackend *rng = opaque;
    RngRequest *req = QSIMPLEQ_FIRST(&rng->requests);
    g_autofree uint8_t *data = NULL;
    Error *err = NULL;
    size_t n;

    if (!req) {
        return;
    }
    n = req->wanted - req->have;
    data = g_malloc(n);
    if (qcrypto_random_bytes(data, n, &err) < 0) {
        /* The guest goes without: there is nobody else to tell. */
        error_reportf_err(err, "rng-builtin: ");
        return;
    }
    rng_backend_feed(rng, data, n);
    if (!QSIMPLEQ_EMPTY(&rng->requests)) {
        qemu_bh_schedule(RNG_BUILTIN(rng)->bh);
    }
}

static void builtin_requested(RngBackend *rng, RngRequest *req)
{
    qemu_bh_schedule(RNG_BUILTIN(rng)->bh);
}

static void builtin_instance_init(Object *obj)
{
    RNG_BUILTIN(obj)->bh = qemu_bh_new(builtin_answer, obj);
}

static void builtin_instance_finalize(Object *obj)
{
    qemu_bh_delete(RNG_BUILTIN(obj)->bh);
}

static void builtin_class_init(ObjectClass *oc, void *data)
{
    RNG_BACKEND_CLASS(oc)->requested = builtin_requested;
}

extern const TypeInfo hw_type_rng_builtin;
const TypeInfo hw_type_rng_builtin = {
    .name = TYPE_RNG_BUILTIN,
    .parent = TYPE_RNG_BACKEND,
    .instance_size = sizeof(RngBuiltin),
    .instance_init = builtin_instance_init,
    .instance_finalize = builtin_instance_finalize,
    .class_init = builtin_class_init,
};
