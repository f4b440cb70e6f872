/*
 * virtio-rng-pci: the virtio entropy device on the PCI bus.
 *
 * One queue of buffers to fill. No more than max-bytes are given in each
 * period, so that a guest cannot empty a slow source alone.
 *
 * Source: VIRTIO 1.2, 5.4.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/vmstate-check.h"
#include "hw/machine-lock.h"
#include "hw/virtio/virtio-pci.h"
#include "migration/constants.h"
#include "qom/property.h"
#include "trace/trace-hw.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "rng-backend.h"

#define TYPE_VIRTIO_RNG_PCI "virtio-rng-pci-base"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIORngPCI, VIRTIO_RNG_PCI)

#define PCI_DEVICE_ID_VIRTIO_RNG 0x1005
#define RNG_QUEUE_SIZE           8
#define RNG_VECTORS              2

/* Guarded by the machine lock. */
typedef struct VirtIORng {
    VirtIODevice vdev;

    RngBackend *rng;
    bool own_rng; /* made by this device */
    uint64_t max_bytes;
    uint32_t period_ms;

    VirtQueue *queue;
    uint64_t quota;   /* bytes left in this period */
    QEMUTimer *timer; /* end of the period; runs while the quota is in use */
    bool waiting;     /* for an answer of @rng */
} VirtIORng;

struct VirtIORngPCI {
    VirtIOPCIProxy parent_obj;

    VirtIORng rng;
};

static void ask(VirtIORng *r);

static void received(void *opaque, const void *data, size_t len)
{
    VirtIORng *r = opaque;
    size_t done = 0;

    MACHINE_LOCK_GUARD();
    r->waiting = false;
    while (done < len) {
        g_autofree VirtQueueElement *e = virtqueue_pop(r->queue, sizeof(*e));
        size_t n;

        if (!e) {
            break;
        }
        n = virtio_element_write(e, 0, (const uint8_t *)data + done,
                                 len - done);
        virtqueue_push(r->queue, e, n);
        trace_virtio_rng_filled(n);
        done += n;
        if (n == 0) {
            break; /* a request without room: not ours to loop over */
        }
    }
    virtio_notify(&r->vdev, r->queue);
    ask(r);
}

static void ask(VirtIORng *r)
{
    size_t in, out;

    if (r->waiting) {
        return;
    }
    virtqueue_get_avail_bytes(r->queue, &in, &out, RNG_REQUEST_MAX, 0);
    in = MIN(in, MIN(r->quota, RNG_REQUEST_MAX));
    if (in == 0) {
        return;
    }
    if (!timer_pending(r->timer)) {
        timer_mod(r->timer,
                  qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + r->period_ms);
    }
    r->quota -= in;
    r->waiting = true;
    rng_backend_request(r->rng, in, received, r);
}

static void handle_output(VirtIODevice *vdev, VirtQueue *vq)
{
    ask(container_of(vdev, VirtIORng, vdev));
}

static void period_over(void *opaque)
{
    VirtIORng *r = opaque;

    MACHINE_LOCK_GUARD();
    r->quota = r->max_bytes;
    ask(r);
}

static void reset(VirtIODevice *vdev)
{
    VirtIORng *r = container_of(vdev, VirtIORng, vdev);

    /* An answer on its way finds an empty queue. */
    r->quota = r->max_bytes;
}

static const VirtioDeviceClass virtio_rng_class = {
    .name = "virtio-rng",
    .device_id = VIRTIO_ID_RNG,
    .reset = reset,
};

/* -- life ------------------------------------------------------------------------------ */

static bool choose_source(VirtIORng *r, Error **errp)
{
    if (r->max_bytes > INT64_MAX) {
        error_setg(errp, "'max-bytes' parameter must be non-negative, "
                         "and less than 2^63");
        return false;
    }
    if (r->period_ms == 0) {
        error_setg(errp, "'period' parameter expects a positive integer");
        return false;
    }
    if (!r->rng) {
        r->rng = RNG_BACKEND(object_new(TYPE_RNG_BUILTIN));
        r->own_rng = true;
    }
    return true;
}

static bool rng_pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    VirtIORng *r = &VIRTIO_RNG_PCI(proxy)->rng;

    if (!choose_source(r, errp)) {
        return false;
    }
    if (proxy->n_vectors == VIRTIO_PCI_VECTORS_AUTO) {
        proxy->n_vectors = RNG_VECTORS;
    }
    r->timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, period_over, r);
    virtio_device_realize(&r->vdev, &virtio_rng_class, DEVICE(proxy),
                          virtio_pci_memory(proxy), qemu_get_aio_context(), 1);
    r->queue = virtio_add_queue(&r->vdev, RNG_QUEUE_SIZE, handle_output);
    return true;
}

static void rng_pci_unrealize(VirtIOPCIProxy *proxy)
{
    VirtIORng *r = &VIRTIO_RNG_PCI(proxy)->rng;

    rng_backend_cancel(r->rng, r);
    r->waiting = false;
    g_clear_pointer(&r->timer, timer_free);
    virtio_device_unrealize(&r->vdev);
    if (r->own_rng) {
        g_clear_pointer(&r->rng, object_unref);
        r->own_rng = false;
    }
}

static const Property rng_pci_props[] = {
    VIRTIO_FEATURE_PROPS(VirtIORngPCI, rng.vdev),
    { "rng", PROP_LINK, offsetof(VirtIORngPCI, rng.rng),
      .link_type = TYPE_RNG_BACKEND,
      .help = "id of a source; else one of its own, rng-builtin",
      .since = "0.1" },
    { "max-bytes", PROP_UINT64, offsetof(VirtIORngPCI, rng.max_bytes),
      .def = "9223372036854775807", .unit = "bytes",
      .help = "most that the guest gets in a period", .since = "0.1" },
    { "period", PROP_UINT32, offsetof(VirtIORngPCI, rng.period_ms),
      .def = "65536", .unit = "ms", .help = "length of a period",
      .since = "0.1" },
    {},
};

static bool rng_post_load(void *opaque, int version_id, Error **errp)
{
    const VirtIORng *r = &VIRTIO_RNG_PCI(opaque)->rng;

    return vmstate_check("bytes left in this period", r->quota, 0, r->max_bytes,
                         errp);
}

static void rng_constants(void *opaque, VMStateConstants *c)
{
    vmstate_constant_least(c, "property max-bytes",
                           ((VirtIORngPCI *)opaque)->rng.max_bytes);
}

/* A request of the guest that was not answered is still in its ring. */
static const VMStateDescription vmstate_rng_pci = {
    .name = "virtio-rng",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = rng_post_load,
    .constants = rng_constants,
    .fields =
        (const VMStateField[]){ VMSTATE_VIRTIO_PCI(parent_obj, VirtIORngPCI),
                                VMSTATE_UINT64(rng.quota, VirtIORngPCI),
                                VMSTATE_TIMER_PTR(rng.timer, VirtIORngPCI),
                                VMSTATE_END_OF_LIST() },
};

static void rng_pci_class_init(ObjectClass *oc, void *data)
{
    VirtioPCIClass *vpc = VIRTIO_PCI_CLASS(oc);

    vpc->vdev_offset = offsetof(VirtIORngPCI, rng.vdev);
    vpc->class_code = PCI_CLASS_OTHERS;
    vpc->legacy_device_id = PCI_DEVICE_ID_VIRTIO_RNG;
    vpc->realize = rng_pci_realize;
    vpc->unrealize = rng_pci_unrealize;
    DEVICE_CLASS(oc)->desc = "virtio source of entropy";
    DEVICE_CLASS(oc)->vmsd = &vmstate_rng_pci;
}

extern const TypeInfo hw_type_virtio_rng_pci_base;
const TypeInfo hw_type_virtio_rng_pci_base = {
    .name = TYPE_VIRTIO_RNG_PCI,
    .parent = TYPE_VIRTIO_PCI,
    .abstract = true,
    .instance_size = sizeof(VirtIORngPCI),
    .class_init = rng_pci_class_init,
    .props = rng_pci_props,
};

VIRTIO_PCI_TYPES(virtio_rng_pci, TYPE_VIRTIO_RNG_PCI, "virtio-rng-pci");
