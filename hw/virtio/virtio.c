/*
 * Virtio devices: status, features, interrupts, and the way from a driver's
 * ring to a queue's handler.
 *
 * A bell from the driver only schedules a bottom half in the device's
 * context; the handler runs there under the machine lock, so that the vCPU
 * goes on at once and several bells become one run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/virtio/virtio.h"

#include "hw/machine-lock.h"
#include "trace/trace-hw.h"
#include "util/error-report.h"

#include "virtio-internal.h"

/* Bits that only the old interface has a meaning for. */
#define LEGACY_ONLY                                                            \
    (VIRTIO_FEATURE(VIRTIO_F_NOTIFY_ON_EMPTY) |                                \
     VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT))
/* Bits that need VERSION_1. */
#define MODERN_ONLY                                                            \
    (VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) |                                    \
     VIRTIO_FEATURE(VIRTIO_F_RING_RESET) |                                     \
     VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM))

void virtio_error(VirtIODevice *vdev, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    trace_virtio_error(vdev->klass->name, text);
    if (!vdev->warned) {
        vdev->warned = true;
        warn_report("%s: %s; the device stops until the guest resets it",
                    vdev->klass->name, text);
    }
    vdev->broken = true;
    if (!virtio_is_legacy(vdev)) {
        vdev->status |= VIRTIO_STATUS_NEEDS_RESET;
        virtio_notify_config(vdev);
    }
}

/* -- bells --------------------------------------------------------------------------- */

static void run_handler(VirtQueue *vq)
{
    VirtIODevice *vdev = vq->vdev;

    if (vq->setup.enabled && virtio_is_live(vdev) && vq->handler) {
        trace_virtio_handle(vdev->klass->name, vq->index);
        vq->handler(vdev, vq);
    }
}

static void queue_bh(void *opaque)
{
    MACHINE_LOCK_GUARD();
    run_handler(opaque);
}

static void queue_event(EventNotifier *e)
{
    VirtQueue *vq = container_of(e, VirtQueue, notifier);

    if (event_notifier_test_and_clear(e)) {
        MACHINE_LOCK_GUARD();
        run_handler(vq);
    }
}

void virtio_queue_kick(VirtQueue *vq)
{
    qemu_bh_schedule(vq->bh);
}

void virtio_queue_notify(VirtIODevice *vdev, unsigned n)
{
    if (n < vdev->n_vqs) {
        virtio_queue_kick(&vdev->vq[n]);
    }
}

EventNotifier *virtio_queue_host_notifier(VirtQueue *vq)
{
    if (!vq->has_notifier) {
        if (event_notifier_init(&vq->notifier, 0) < 0) {
            return NULL;
        }
        vq->has_notifier = true;
        aio_set_event_notifier(vq->vdev->ctx, &vq->notifier, true, queue_event,
                               NULL, NULL);
    }
    return &vq->notifier;
}

static void kick_all(VirtIODevice *vdev)
{
    if (!virtio_is_live(vdev)) {
        return;
    }
    for (unsigned i = 0; i < vdev->n_vqs; i++) {
        if (vdev->vq[i].setup.enabled) {
            virtio_queue_kick(&vdev->vq[i]);
        }
    }
}

/* -- queues ---------------------------------------------------------------------------- */

VirtQueue *virtio_add_queue(VirtIODevice *vdev, unsigned size,
                            VirtIOHandleOutput *handler)
{
    VirtQueue *vq;

    /* The array does not move: it has room for all from the start. */
    assert(vdev->n_vqs < vdev->max_vqs);
    assert(size && size <= VIRTQUEUE_MAX_SIZE && !(size & (size - 1)));
    vq = &vdev->vq[vdev->n_vqs];
    vq->vdev = vdev;
    vq->index = vdev->n_vqs++;
    vq->handler = handler;
    vq->setup.max_size = (uint16_t)size;
    vq->bh = aio_bh_new(vdev->ctx, queue_bh, vq);
    vq->used = g_new0(VirtUsed, size);
    virtio_queue_clear(vq);
    vq->setup.size = (uint16_t)size;
    vq->setup.vector = VIRTIO_NO_VECTOR;
    return vq;
}

VirtQueue *virtio_get_queue(VirtIODevice *vdev, unsigned n)
{
    return n < vdev->n_vqs ? &vdev->vq[n] : NULL;
}

unsigned virtio_queue_index(const VirtQueue *vq)
{
    return vq->index;
}

static void queue_delete(VirtQueue *vq)
{
    if (vq->has_notifier) {
        aio_set_event_notifier(vq->vdev->ctx, &vq->notifier, true, NULL, NULL,
                               NULL);
        event_notifier_cleanup(&vq->notifier);
    }
    qemu_bh_delete(vq->bh);
    g_free(vq->used);
}

/* -- features and status ------------------------------------------------------------------- */

static uint64_t user_features(const VirtIOFeatureProps *p, bool modern)
{
    uint64_t f = 0;

    f |= p->indirect_desc ? VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC) : 0;
    f |= p->event_idx ? VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX) : 0;
    f |= p->notify_on_empty ? VIRTIO_FEATURE(VIRTIO_F_NOTIFY_ON_EMPTY) : 0;
    f |= p->any_layout ? VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT) : 0;
    if (modern) {
        f |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
        f |= p->packed ? VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) : 0;
        f |= p->queue_reset ? VIRTIO_FEATURE(VIRTIO_F_RING_RESET) : 0;
        f |= p->iommu_platform ? VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM) : 0;
    }
    return f;
}

void virtio_plug(VirtIODevice *vdev, const VirtIOTransport *transport,
                 void *opaque, bool modern)
{
    uint64_t f = user_features(&vdev->props, modern);

    vdev->transport = transport;
    vdev->transport_opaque = opaque;
    if (!vdev->klass->queue_reset) {
        f &= ~VIRTIO_FEATURE(VIRTIO_F_RING_RESET);
    }
    if (vdev->klass->get_features) {
        f = vdev->klass->get_features(vdev, f);
    }
    vdev->host_features = f;
    virtio_reset(vdev);
}

uint64_t virtio_offered_features(VirtIODevice *vdev, bool legacy)
{
    return legacy ? (uint32_t)vdev->host_features
                  : vdev->host_features & ~LEGACY_ONLY;
}

void virtio_set_features(VirtIODevice *vdev, uint64_t features)
{
    if (vdev->features_final) {
        trace_virtio_features_late(vdev->klass->name, features);
        return;
    }
    vdev->guest_features = features;
}

/* What the driver wants is what it was offered, and goes together. */
static bool features_ok(VirtIODevice *vdev)
{
    uint64_t f = vdev->guest_features;

    if (f & ~vdev->host_features) {
        return false;
    }
    if (!(f & VIRTIO_FEATURE(VIRTIO_F_VERSION_1)) &&
        ((f & MODERN_ONLY) || vdev->modern_only)) {
        return false;
    }
    /* Without it the addresses would be the wrong ones. */
    return (f & VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM)) ||
           !(vdev->host_features & VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM));
}

static void finish_features(VirtIODevice *vdev)
{
    if (vdev->features_final) {
        return;
    }
    vdev->guest_features &= vdev->host_features;
    vdev->features_final = true;
    trace_virtio_features(vdev->klass->name, vdev->guest_features);
    if (vdev->klass->set_features) {
        vdev->klass->set_features(vdev, vdev->guest_features);
    }
}

uint8_t virtio_get_status(VirtIODevice *vdev)
{
    return vdev->resetting ? vdev->old_status : vdev->status;
}

void virtio_set_status(VirtIODevice *vdev, uint8_t value)
{
    uint8_t old = vdev->status;

    trace_virtio_set_status(vdev->klass->name, old, value);
    if (value == 0) {
        virtio_reset(vdev);
        return;
    }
    if ((value & VIRTIO_STATUS_FEATURES_OK) &&
        !(old & VIRTIO_STATUS_FEATURES_OK)) {
        if (features_ok(vdev)) {
            finish_features(vdev);
        } else {
            trace_virtio_features_refused(vdev->klass->name,
                                          vdev->guest_features);
            value &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
        }
    }
    if ((value & VIRTIO_STATUS_DRIVER_OK) && !(old & VIRTIO_STATUS_DRIVER_OK)) {
        /* Drivers of the old interface have no FEATURES_OK. */
        finish_features(vdev);
    }
    vdev->status = value | (old & VIRTIO_STATUS_NEEDS_RESET);
    if (vdev->klass->set_status) {
        vdev->klass->set_status(vdev, old);
    }
    if (!(old & VIRTIO_STATUS_DRIVER_OK)) {
        kick_all(vdev); /* bells may have rung before */
    }
}

void virtio_reset(VirtIODevice *vdev)
{
    uint8_t old = vdev->status;

    vdev->status = 0;
    for (unsigned i = 0; i < vdev->n_vqs; i++) {
        VirtQueue *vq = &vdev->vq[i];

        if (vq->setup.enabled && vdev->transport->queue_enabled) {
            vdev->transport->queue_enabled(vdev->transport_opaque, vq, false);
        }
        virtio_queue_clear(vq);
        vq->setup.vector = VIRTIO_NO_VECTOR;
    }
    vdev->guest_features = 0;
    vdev->features_final = false;
    vdev->broken = false;
    vdev->queue_sel = 0;
    vdev->config_vector = VIRTIO_NO_VECTOR;
    if (vdev->klass->reset) {
        vdev->klass->reset(vdev);
    }
    if (vdev->dma_requests && !vdev->resetting) {
        vdev->resetting = true;
        vdev->old_status = old ? old : VIRTIO_STATUS_ACKNOWLEDGE;
    }
    virtio_isr_ack(vdev);
}

void virtio_dma_begin(VirtIODevice *vdev)
{
    vdev->dma_requests++;
}

void virtio_dma_end(VirtIODevice *vdev)
{
    assert(vdev->dma_requests > 0);
    if (--vdev->dma_requests == 0 && vdev->resetting) {
        vdev->resetting = false;
        kick_all(vdev);
    }
}

void virtio_set_bus_master(VirtIODevice *vdev, bool on)
{
    if (vdev->bus_master != on) {
        vdev->bus_master = on;
        kick_all(vdev);
    }
}

void virtio_set_running(VirtIODevice *vdev, bool running)
{
    vdev->vm_running = running;
    if (vdev->klass->set_running) {
        vdev->klass->set_running(vdev, running);
    }
    kick_all(vdev);
}

/* -- interrupts ------------------------------------------------------------------------------ */

uint8_t virtio_isr_ack(VirtIODevice *vdev)
{
    uint8_t isr = vdev->isr;

    vdev->isr = 0;
    if (vdev->transport) {
        vdev->transport->update_irq(vdev->transport_opaque);
    }
    return isr;
}

void virtio_notify_config(VirtIODevice *vdev)
{
    vdev->generation++;
    if (!(vdev->status & VIRTIO_STATUS_DRIVER_OK) || !vdev->transport) {
        return;
    }
    vdev->isr |= VIRTIO_ISR_CONFIG | VIRTIO_ISR_QUEUE;
    vdev->transport->notify(vdev->transport_opaque, vdev->config_vector);
}

/* -- life ------------------------------------------------------------------------------------- */

void virtio_device_realize(VirtIODevice *vdev, const VirtioDeviceClass *klass,
                           DeviceState *owner, GuestMemory *memory,
                           AioContext *ctx, unsigned max_queues)
{
    assert(max_queues <= VIRTIO_QUEUE_MAX);
    vdev->klass = klass;
    vdev->owner = owner;
    vdev->memory = memory;
    vdev->ctx = ctx;
    vdev->config = g_malloc0(MAX(klass->config_len, 1));
    vdev->max_vqs = max_queues;
    vdev->vq = g_new0(VirtQueue, max_queues);
    vdev->vm_running = true;
    vdev->ready = true;
}

void virtio_device_unrealize(VirtIODevice *vdev)
{
    if (!vdev->ready) {
        return;
    }
    vdev->ready = false;
    vdev->transport = NULL;
    for (unsigned i = 0; i < vdev->n_vqs; i++) {
        queue_delete(&vdev->vq[i]);
    }
    vdev->n_vqs = 0;
    g_clear_pointer(&vdev->vq, g_free);
    g_clear_pointer(&vdev->config, g_free);
}
