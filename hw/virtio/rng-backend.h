/*
 * Sources of random bytes for guests: -object rng-builtin, rng-random,
 * rng-egd.
 *
 * Thread: the main loop's. A request is answered there, never before
 * rng_backend_request() has returned, without the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_VIRTIO_RNG_BACKEND_H
#define HW_VIRTIO_RNG_BACKEND_H

#include "qom/object.h"
#include "util/queue.h"

#define TYPE_RNG_BACKEND "rng-backend"
#define TYPE_RNG_BUILTIN "rng-builtin"
#define TYPE_RNG_RANDOM  "rng-random"
#define TYPE_RNG_EGD     "rng-egd"

OBJECT_DECLARE_TYPE(RngBackend, RngBackendClass, RNG_BACKEND)

/* Most bytes of one request. */
#define RNG_REQUEST_MAX 65536u

/* @data has @len random bytes. */
typedef void RngReceive(void *opaque, const void *data, size_t len);

typedef struct RngRequest {
    uint8_t *data;
    size_t wanted;
    size_t have;
    RngReceive *receive;
    void *opaque;
    QSIMPLEQ_ENTRY(RngRequest) next;
} RngRequest;

/**
 * RngBackendClass:
 * @open: (optional) the object is complete
 * @requested: @req is at the end of @requests; rng_backend_feed() answers
 * @cancelled: (optional) the list is empty now
 */
struct RngBackendClass {
    ObjectClass parent_class;

    bool (*open)(RngBackend *rng, Error **errp);
    void (*requested)(RngBackend *rng, RngRequest *req);
    void (*cancelled)(RngBackend *rng);
};

struct RngBackend {
    Object parent_obj;

    bool opened; /* property of old times */
    QSIMPLEQ_HEAD(, RngRequest) requests;
};

/** rng_backend_request: @size bytes, up to RNG_REQUEST_MAX. */
void rng_backend_request(RngBackend *rng, size_t size, RngReceive *receive,
                         void *opaque);
/** rng_backend_cancel: no request of @opaque is answered any more. */
void rng_backend_cancel(RngBackend *rng, void *opaque);
/** rng_backend_feed: @len bytes for the oldest requests; Returns: bytes that
 *  were used. */
size_t rng_backend_feed(RngBackend *rng, const uint8_t *data, size_t len);
/** rng_backend_wanted: bytes that all requests still want. */
size_t rng_backend_wanted(RngBackend *rng);

#endif
