/*
 * rng-random: random bytes from a file, normally a device of the host.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qom/property.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/main-loop.h"

#include "rng-backend.h"

#define READ_BYTES 4096u

OBJECT_DECLARE_SIMPLE_TYPE(RngRandom, RNG_RANDOM)

struct RngRandom {
    RngBackend parent_obj;

    char *filename;
    int fd;
};

static void stop_reading(RngBackend *rng)
{
    qemu_set_fd_handler(RNG_RANDOM(rng)->fd, NULL, NULL, NULL);
}

static void readable(void *opaque)
{
    RngBackend *rng = opaque;
    uint8_t buf[READ_BYTES];
    size_t want = MIN(rng_backend_wanted(rng), sizeof(buf));
    ssize_t n;

    if (want == 0) {
        stop_reading(rng);
        return;
    }
    n = read(RNG_RANDOM(rng)->fd, buf, want);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        stop_reading(rng); /* at its end: there is nothing more to give */
        return;
    }
    rng_backend_feed(rng, buf, (size_t)n);
    if (QSIMPLEQ_EMPTY(&rng->requests)) {
        stop_reading(rng);
    }
}

static void random_requested(RngBackend *rng, RngRequest *req)
{
    qemu_set_fd_handler(RNG_RANDOM(rng)->fd, readable, NULL, rng);
}

static bool random_open(RngBackend *rng, Error **errp)
{
    RngRandom *r = RNG_RANDOM(rng);

    r->fd = qemu_open(r->filename, O_RDONLY | O_NONBLOCK, errp);
    return r->fd >= 0;
}

static void random_instance_init(Object *obj)
{
    RNG_RANDOM(obj)->fd = -1;
}

static void random_instance_finalize(Object *obj)
{
    RngRandom *r = RNG_RANDOM(obj);

    if (r->fd >= 0) {
        stop_reading(RNG_BACKEND(obj));
        qemu_close(r->fd);
    }
}

static void random_class_init(ObjectClass *oc, void *data)
{
    RngBackendClass *rc = RNG_BACKEND_CLASS(oc);

    rc->open = random_open;
    rc->requested = random_requested;
    rc->cancelled = stop_reading;
}

static const Property random_props[] = {
    { "filename", PROP_STR, offsetof(RngRandom, filename),
      .def = "/dev/urandom", .help = "file to read", .since = "0.1" },
    {},
};

extern const TypeInfo hw_type_rng_random;
const TypeInfo hw_type_rng_random = {
    .name = TYPE_RNG_RANDOM,
    .parent = TYPE_RNG_BACKEND,
    .instance_size = sizeof(RngRandom),
    .instance_init = random_instance_init,
    .instance_finalize = random_instance_finalize,
    .class_init = random_class_init,
    .props = random_props,
};
