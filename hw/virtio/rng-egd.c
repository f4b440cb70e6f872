/*
 * rng-egd: random bytes from an entropy gathering daemon on a chardev.
 *
 * Request: 0x02, length (1 to 255). The daemon answers with that many bytes,
 * when it has them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-fe.h"
#include "qom/property.h"
#include "util/error.h"

#include "rng-backend.h"

#define EGD_READ_BLOCKING 0x02
#define EGD_LENGTH_MAX    255u

OBJECT_DECLARE_SIMPLE_TYPE(RngEgd, RNG_EGD)

struct RngEgd {
    RngBackend parent_obj;

    char *chardev;
    CharBackend chr;
    size_t asked; /* bytes asked for that have not come */
};

static void ask(RngEgd *egd, size_t bytes)
{
    while (bytes) {
        uint8_t len = (uint8_t)MIN(bytes, EGD_LENGTH_MAX);
        uint8_t request[2] = { EGD_READ_BLOCKING, len };

        /* What the peer does not take at once is queued. */
        if (qemu_chr_fe_write_all(&egd->chr, request, sizeof(request)) !=
            sizeof(request)) {
            return;
        }
        egd->asked += len;
        bytes -= len;
    }
}

static void egd_requested(RngBackend *rng, RngRequest *req)
{
    RngEgd *egd = RNG_EGD(rng);

    /* Without a peer nothing is sent; all is asked for when it comes. */
    if (qemu_chr_fe_backend_open(&egd->chr)) {
        ask(egd, req->wanted);
    }
}

/* The answer may be longer than what is still wanted: a request was
 * cancelled meanwhile. The rest is let go. */
static int egd_can_read(void *opaque)
{
    RngEgd *egd = opaque;

    return (int)MIN(egd->asked, RNG_REQUEST_MAX);
}

static void egd_read(void *opaque, const uint8_t *buf, int size)
{
    RngEgd *egd = opaque;

    egd->asked -= MIN(egd->asked, (size_t)size);
    rng_backend_feed(RNG_BACKEND(egd), buf, (size_t)size);
}

static void egd_event(void *opaque, QEMUChrEvent event)
{
    RngEgd *egd = opaque;

    if (event == CHR_EVENT_OPENED) {
        egd->asked = 0;
        ask(egd, rng_backend_wanted(RNG_BACKEND(egd)));
    }
}

static bool egd_open(RngBackend *rng, Error **errp)
{
    RngEgd *egd = RNG_EGD(rng);
    Chardev *chr = qemu_chr_find(egd->chardev);

    if (!chr) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found",
                  egd->chardev);
        return false;
    }
    if (!qemu_chr_fe_init(&egd->chr, chr, errp)) {
        return false;
    }
    qemu_chr_fe_set_handlers(&egd->chr, egd_can_read, egd_read, egd_event, NULL,
                             egd, NULL, true);
    return true;
}

static void egd_instance_finalize(Object *obj)
{
    qemu_chr_fe_deinit(&RNG_EGD(obj)->chr, false);
}

static void egd_class_init(ObjectClass *oc, void *data)
{
    RngBackendClass *rc = RNG_BACKEND_CLASS(oc);

    rc->open = egd_open;
    rc->requested = egd_requested;
}

static const Property egd_props[] = {
    { "chardev", PROP_STR, offsetof(RngEgd, chardev), .flags = PROP_F_REQUIRED,
      .help = "id of the character device", .since = "0.1" },
    {},
};

extern const TypeInfo hw_type_rng_egd;
const TypeInfo hw_type_rng_egd = {
    .name = TYPE_RNG_EGD,
    .parent = TYPE_RNG_BACKEND,
    .instance_size = sizeof(RngEgd),
    .instance_finalize = egd_instance_finalize,
    .class_init = egd_class_init,
    .props = egd_props,
};
