/*
 * Interrupts that reach the kernel as messages, the routing table behind its
 * global interrupt numbers, and events in place of device accesses.
 *
 * Numbers 0 to 23 of the table are the board's lines: with all controllers in
 * the kernel each leads to the 8259s and the IOAPIC as on a PC (0 is pin 2 of
 * the IOAPIC); with only the local APICs there, each is the message of an
 * IOAPIC pin, from which the kernel learns of which vectors to report the end.
 * Numbers from 24 on are messages of devices, sent by an eventfd.
 *
 * Source: Documentation/virt/kvm/api.rst: KVM_SET_GSI_ROUTING,
 * KVM_CAP_SPLIT_IRQCHIP, KVM_SIGNAL_MSI, KVM_IRQFD, KVM_IOEVENTFD.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"
#include "util/error.h"
#include "util/lockable.h"

#include "kvm-internal.h"

#define LINES        ((uint32_t)KVM_IOAPIC_LINES)
#define ISA_LINES    16u
#define PIC_PINS     8u
#define TIMER_LINE   0u
#define TIMER_PIN    2u /* of the IOAPIC */
#define ROUTES_MAX   4096u
#define LINE_ENTRIES 2u /* a line can have: 8259 and IOAPIC */

typedef struct kvm_irq_routing_entry RouteEntry;

/* A message behind number LINES + index; fd -1 marks a free one. */
typedef struct MSIRoute {
    int fd;
    uint64_t addr;
    uint32_t data;
} MSIRoute;

static RouteEntry msi_entry(uint32_t gsi, uint64_t addr, uint32_t data)
{
    return (RouteEntry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_MSI,
        .u.msi = { .address_lo = (uint32_t)addr,
                   .address_hi = (uint32_t)(addr >> 32),
                   .data = data },
    };
}

static RouteEntry chip_entry(uint32_t gsi, uint32_t chip, uint32_t pin)
{
    return (RouteEntry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_IRQCHIP,
        .u.irqchip = { .irqchip = chip, .pin = pin },
    };
}

/* The board's lines as a PC has them. Returns: entries added. */
static uint32_t add_lines(RouteEntry *e)
{
    uint32_t n = 0;

    for (uint32_t gsi = 0; gsi < LINES; gsi++) {
        if (gsi < ISA_LINES && gsi != TIMER_PIN) {
            e[n++] = chip_entry(gsi,
                                gsi < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER
                                               : KVM_IRQCHIP_PIC_SLAVE,
                                gsi % PIC_PINS);
        }
        e[n++] = chip_entry(gsi, KVM_IRQCHIP_IOAPIC,
                            gsi == TIMER_LINE ? TIMER_PIN : gsi);
    }
    return n;
}

static uint32_t add_pins(const KVMState *s, RouteEntry *e)
{
    for (uint32_t pin = 0; pin < LINES; pin++) {
        e[pin] = msi_entry(pin, s->pins[pin].addr, s->pins[pin].data);
    }
    return LINES;
}

/* Give the kernel the whole table. routes_lock is held. */
static int commit(KVMState *s)
{
    g_autofree struct kvm_irq_routing *table =
        g_malloc0(sizeof(*table) +
                  (LINES * LINE_ENTRIES + s->routes->len) * sizeof(RouteEntry));

    table->nr = s->irqchip_mode == KVM_IRQCHIP_MODE_SPLIT
                    ? add_pins(s, table->entries)
                    : add_lines(table->entries);
    for (guint i = 0; i < s->routes->len; i++) {
        const MSIRoute *r = &g_array_index(s->routes, MSIRoute, i);

        if (r->fd >= 0) {
            table->entries[table->nr++] =
                msi_entry(LINES + i, r->addr, r->data);
        }
    }
    return kvm_ioctl(s->vm_fd, KVM_SET_GSI_ROUTING, table);
}

void kvm_routes_init(KVMState *s)
{
    qemu_mutex_init(&s->routes_lock);
    s->routes = g_array_new(FALSE, TRUE, sizeof(MSIRoute));
}

void kvm_routes_deinit(KVMState *s)
{
    g_array_unref(s->routes);
    qemu_mutex_destroy(&s->routes_lock);
}

bool kvm_routes_commit(KVMState *s, Error **errp)
{
    int ret;
    QEMU_LOCK_GUARD(&s->routes_lock);

    ret = commit(s);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_SET_GSI_ROUTING failed");
        return false;
    }
    return true;
}

void kvm_ioapic_route(AccelState *accel, unsigned pin, uint64_t addr,
                      uint32_t data, bool level, bool masked)
{
    KVMState *s = KVM_ACCEL(accel);
    QEMU_LOCK_GUARD(&s->routes_lock);

    if (pin >= LINES ||
        (s->pins[pin].addr == addr && s->pins[pin].data == data)) {
        return;
    }
    /* A masked pin stays: what it sent before may still have its end to
     * come. */
    s->pins[pin].addr = addr;
    s->pins[pin].data = data;
    if (commit(s) < 0) {
        trace_kvm_route_failed(pin, addr, data);
    }
}

void kvm_send_msi(AccelState *accel, uint64_t addr, uint32_t data)
{
    KVMState *s = KVM_ACCEL(accel);
    struct kvm_msi msi = { .address_lo = (uint32_t)addr,
                           .address_hi = (uint32_t)(addr >> 32),
                           .data = data };

    /* 0: no CPU has taken it, which is the guest's affair. */
    if (kvm_ioctl(s->vm_fd, KVM_SIGNAL_MSI, &msi) < 0) {
        trace_kvm_msi_refused(addr, data);
    }
}

/* -- eventfds ---------------------------------------------------------------------- */

static int set_irqfd(KVMState *s, int fd, guint index, bool assign)
{
    struct kvm_irqfd irqfd = { .fd = (uint32_t)fd,
                               .gsi = LINES + index,
                               .flags = assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN };

    return kvm_ioctl(s->vm_fd, KVM_IRQFD, &irqfd);
}

static guint free_route(KVMState *s)
{
    for (guint i = 0; i < s->routes->len; i++) {
        if (g_array_index(s->routes, MSIRoute, i).fd < 0) {
            return i;
        }
    }
    g_array_set_size(s->routes, s->routes->len + 1);
    g_array_index(s->routes, MSIRoute, s->routes->len - 1).fd = -1;
    return s->routes->len - 1;
}

int kvm_irqfd_add(AccelState *accel, int fd, uint64_t addr, uint32_t data,
                  Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);
    MSIRoute *r;
    guint i;
    int ret;
    QEMU_LOCK_GUARD(&s->routes_lock);

    if (!s->caps.irqfd || s->irqchip_mode == KVM_IRQCHIP_MODE_OFF) {
        error_setg(errp, "an event cannot be an interrupt: the kernel has no "
                         "interrupt controllers");
        return -1;
    }
    i = free_route(s);
    if (LINES + i >= ROUTES_MAX) {
        g_array_set_size(s->routes, i);
        error_setg(errp, "more than %u interrupts by events",
                   ROUTES_MAX - LINES);
        return -1;
    }
    r = &g_array_index(s->routes, MSIRoute, i);
    *r = (MSIRoute){ .fd = fd, .addr = addr, .data = data };
    ret = commit(s);
    if (ret >= 0) {
        ret = set_irqfd(s, fd, i, true);
    }
    if (ret < 0) {
        r->fd = -1;
        error_setg_errno(errp, -ret, "KVM_IRQFD failed");
        return -1;
    }
    return (int)i;
}

bool kvm_irqfd_update(AccelState *accel, int route, uint64_t addr,
                      uint32_t data, Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);
    MSIRoute *r;
    int ret;
    QEMU_LOCK_GUARD(&s->routes_lock);

    r = &g_array_index(s->routes, MSIRoute, route);
    if (r->addr == addr && r->data == data) {
        return true;
    }
    r->addr = addr;
    r->data = data;
    ret = commit(s);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_SET_GSI_ROUTING failed");
        return false;
    }
    return true;
}

void kvm_irqfd_del(AccelState *accel, int route)
{
    KVMState *s = KVM_ACCEL(accel);
    MSIRoute *r;
    QEMU_LOCK_GUARD(&s->routes_lock);

    r = &g_array_index(s->routes, MSIRoute, route);
    set_irqfd(s, r->fd, (guint)route, false);
    r->fd = -1; /* its entry goes with the next commit; nobody uses it */
}

static int set_ioeventfd(KVMState *s, const AccelIOEvent *event, bool assign)
{
    struct kvm_ioeventfd io = {
        .datamatch = event->value,
        .addr = event->addr,
        .len = event->len,
        .fd = event->fd,
        .flags = (assign ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN) |
                 (event->pio ? KVM_IOEVENTFD_FLAG_PIO : 0) |
                 (event->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
    };

    return kvm_change(s, KVM_IOEVENTFD, &io);
}

bool kvm_ioeventfd_add(AccelState *accel, const AccelIOEvent *event,
                       Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);
    int ret;

    if (!s->caps.ioeventfd || (!event->len && !s->caps.ioeventfd_any_length)) {
        error_setg(errp, "the host kernel's KVM has no such event");
        return false;
    }
    ret = set_ioeventfd(s, event, true);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_IOEVENTFD at 0x%" PRIx64 " failed",
                         event->addr);
        return false;
    }
    return true;
}

void kvm_ioeventfd_del(AccelState *accel, const AccelIOEvent *event)
{
    set_ioeventfd(KVM_ACCEL(accel), event, false);
}
