/*
 * Virtio over PCI: event descriptors that the accelerator serves.
 *
 * ioeventfd: a write of the guest to a queue's notification register becomes
 * an event of the queue's notifier without leaving the kernel. irqfd: an
 * event of a vector's notifier becomes the interrupt that the MSI-X table
 * says. Both are options of the accelerator (KVM); where it has none, or no
 * descriptors are left, registers and messages do the same.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "hw/core/machine-internal.h"
#include "hw/pci/msix.h"
#include "trace/trace-hw.h"
#include "util/error.h"

#include "virtio-pci-internal.h"

static AccelState *accel_of(VirtIOPCIProxy *proxy)
{
    MachineState *machine = pci_get_machine(PCI_DEVICE(proxy));

    return machine ? machine->accel : NULL;
}

/* -- ioeventfd ------------------------------------------------------------------------- */

/* What a driver writes to ring for queue @n; false if the BAR is nowhere. */
static bool describe(VirtIOPCIProxy *proxy, unsigned n, bool modern, int fd,
                     AccelIOEvent *ret)
{
    unsigned bar = modern ? VIRTIO_PCI_MODERN_BAR : VIRTIO_PCI_LEGACY_BAR;
    uint64_t base = pci_get_bar_addr(PCI_DEVICE(proxy), bar);

    if (base == PCI_BAR_UNMAPPED) {
        return false;
    }
    *ret = (AccelIOEvent){ .fd = fd };
    if (modern) {
        ret->addr = base + VIRTIO_PCI_NOTIFY_AT +
                    (uint64_t)n * virtio_pci_notify_multiplier(proxy);
    } else {
        ret->addr = base + VIRTIO_PCI_LEGACY_NOTIFY;
        ret->len = 2;
        ret->pio = true;
        ret->match = true;
        ret->value = n;
    }
    return true;
}

static VirtIOPCIEvent *event_of(VirtIOPCIProxy *proxy, unsigned n, bool modern)
{
    return &proxy->events[2 * n + modern];
}

static void event_add(VirtIOPCIProxy *proxy, VirtQueue *vq, bool modern)
{
    AccelState *accel = accel_of(proxy);
    unsigned n = virtio_queue_index(vq);
    VirtIOPCIEvent *event = event_of(proxy, n, modern);
    EventNotifier *notifier;
    Error *err = NULL;

    if (event->on || !accel || !ACCEL_GET_CLASS(accel)->ioeventfd_add ||
        !proxy->ioeventfd || !(modern ? proxy->modern : proxy->legacy)) {
        return;
    }
    notifier = virtio_queue_host_notifier(vq);
    if (!notifier || !describe(proxy, n, modern,
                               event_notifier_get_fd(notifier), &event->what)) {
        return;
    }
    if (ACCEL_GET_CLASS(accel)->ioeventfd_add(accel, &event->what, &err)) {
        event->on = true;
    } else {
        trace_virtio_pci_no_ioeventfd(n, error_get_pretty(err));
        error_free(err);
    }
}

static void event_del(VirtIOPCIProxy *proxy, unsigned n, bool modern)
{
    AccelState *accel = accel_of(proxy);
    VirtIOPCIEvent *event = event_of(proxy, n, modern);

    if (event->on) {
        event->on = false;
        ACCEL_GET_CLASS(accel)->ioeventfd_del(accel, &event->what);
    }
}

void virtio_pci_queue_enabled(void *opaque, VirtQueue *vq, bool enabled)
{
    VirtIOPCIProxy *proxy = opaque;

    if (!proxy->events) {
        return;
    }
    for (int modern = 0; modern < 2; modern++) {
        if (enabled) {
            event_add(proxy, vq, modern);
        } else {
            event_del(proxy, virtio_queue_index(vq), modern);
        }
    }
}

void virtio_pci_ioeventfd_bar(VirtIOPCIProxy *proxy, unsigned bar,
                              uint64_t addr)
{
    bool modern = bar == VIRTIO_PCI_MODERN_BAR;

    if (!proxy->events || (!modern && bar != VIRTIO_PCI_LEGACY_BAR)) {
        return;
    }
    for (unsigned n = 0; n < proxy->vdev->n_vqs; n++) {
        VirtQueue *vq = virtio_get_queue(proxy->vdev, n);

        event_del(proxy, n, modern);
        if (addr != PCI_BAR_UNMAPPED && virtio_queue_ready(vq)) {
            event_add(proxy, vq, modern);
        }
    }
}

/* -- irqfd ------------------------------------------------------------------------------- */

static void vector_use(PCIDevice *dev, unsigned vector, MSIMessage msg)
{
    VirtIOPCIProxy *proxy = VIRTIO_PCI(dev);
    AccelState *accel = accel_of(proxy);
    AccelClass *ac = ACCEL_GET_CLASS(accel);
    VirtIOPCIVector *v = &proxy->vectors[vector];
    Error *err = NULL;

    if (v->route >= 0) {
        if (!ac->irqfd_update(accel, v->route, msg.address, msg.data, &err)) {
            ac->irqfd_del(accel, v->route);
            v->route = -1;
        }
    } else if (v->has_notifier || event_notifier_init(&v->notifier, 0) == 0) {
        v->has_notifier = true;
        v->route = ac->irqfd_add(accel, event_notifier_get_fd(&v->notifier),
                                 msg.address, msg.data, &err);
    }
    if (err) {
        trace_virtio_pci_no_irqfd(vector, error_get_pretty(err));
        error_free(err);
    }
}

static void vector_release(PCIDevice *dev, unsigned vector)
{
    VirtIOPCIProxy *proxy = VIRTIO_PCI(dev);
    AccelState *accel = accel_of(proxy);
    VirtIOPCIVector *v = &proxy->vectors[vector];

    if (v->route >= 0) {
        ACCEL_GET_CLASS(accel)->irqfd_del(accel, v->route);
        v->route = -1;
    }
}

static const MSIXNotifiers vector_notifiers = { vector_use, vector_release };

bool virtio_pci_irqfd_notify(VirtIOPCIProxy *proxy, uint16_t vector)
{
    /* What the last requests before a stop cause must be in the interrupt
     * controllers when their state is taken: not by the kernel's own time. */
    return proxy->vectors && vector < proxy->n_vectors &&
           proxy->vdev->vm_running && proxy->vectors[vector].route >= 0 &&
           pci_bus_master(PCI_DEVICE(proxy)) &&
           event_notifier_set(&proxy->vectors[vector].notifier) == 0;
}

/* -- life --------------------------------------------------------------------------------- */

void virtio_pci_irqfd_init(VirtIOPCIProxy *proxy)
{
    AccelState *accel = accel_of(proxy);
    AccelClass *ac = accel ? ACCEL_GET_CLASS(accel) : NULL;

    if (ac && ac->ioeventfd_add && proxy->ioeventfd) {
        proxy->events =
            g_new0(VirtIOPCIEvent, 2 * (size_t)proxy->vdev->max_vqs);
    }
    if (ac && ac->irqfd_add && proxy->ioeventfd && proxy->n_vectors) {
        proxy->vectors = g_new0(VirtIOPCIVector, proxy->n_vectors);
        for (uint32_t i = 0; i < proxy->n_vectors; i++) {
            proxy->vectors[i].route = -1;
        }
        msix_set_vector_notifiers(PCI_DEVICE(proxy), &vector_notifiers);
    }
}

void virtio_pci_irqfd_deinit(VirtIOPCIProxy *proxy)
{
    if (proxy->vectors) {
        msix_set_vector_notifiers(PCI_DEVICE(proxy), NULL);
        for (uint32_t i = 0; i < proxy->n_vectors; i++) {
            if (proxy->vectors[i].has_notifier) {
                event_notifier_cleanup(&proxy->vectors[i].notifier);
            }
        }
    }
    g_clear_pointer(&proxy->vectors, g_free);
    g_clear_pointer(&proxy->events, g_free);
}
