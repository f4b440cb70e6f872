/*
 * The KVM accelerator: opening /dev/kvm, asking what the kernel has, and the
 * virtual machine descriptor.
 *
 * What a kernel does not have is left out: only what the machine cannot do
 * without is an error, and it names the capability.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/util.h"
#include "qom/property.h"
#include "trace/trace-accel.h"
#include "util/error.h"

#include "kvm-internal.h"

#define KVM_DEVICE "/dev/kvm"
/* Three pages and one page below the BIOS that Intel's virtualization needs
 * in real mode; no RAM or device of the machine is there. */
#define KVM_TSS_ADDR          0xfeffd000u
#define KVM_IDENTITY_MAP_ADDR 0xfeffc000u
#define KVM_DEFAULT_MEMSLOTS  32
#define KVM_DEFAULT_VCPUS     4

static const char *const irqchip_mode_names[] = { "on", "off", "split" };
static const QEnumLookup irqchip_mode_lookup = {
    .array = irqchip_mode_names,
    .size = G_N_ELEMENTS(irqchip_mode_names),
};

static bool ring_size_check(Object *obj, const Property *prop,
                            const void *value, Error **errp)
{
    uint32_t entries = *(const uint32_t *)value;

    if (entries & (entries - 1)) {
        error_setg(errp, "dirty-ring-size must be a power of two");
        return false;
    }
    return true;
}

static const Property kvm_props[] = {
    { "kernel-irqchip", PROP_ENUM, offsetof(KVMState, irqchip_mode),
      .qapi_type = "OnOffSplit", .lookup = &irqchip_mode_lookup, .def = "on",
      .help = "interrupt controllers inside the kernel: all (on), local APICs "
              "(split), none (off)",
      .since = "0.1" },
    { "kvm-shadow-mem", PROP_SIZE, offsetof(KVMState, shadow_mem_bytes),
      .unit = "bytes", .help = "memory for shadow page tables; 0 = automatic",
      .since = "0.1" },
    { "dirty-ring-size", PROP_UINT32, offsetof(KVMState, ring_entries),
      .def = "0", .check = ring_size_check,
      .help = "entries of the ring in which each CPU tells which pages it "
              "wrote, a power of two; 0 = one bitmap for all CPUs",
      .since = "0.2" },
    {},
};

static int open_device(Error **errp)
{
    AUTO_FD fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
    int version;

    if (fd < 0) {
        error_setg_errno(errp, errno, "could not open '%s'", KVM_DEVICE);
        return -1;
    }
    version = kvm_ioctl_arg(fd, KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION) {
        error_setg(errp, "'%s' has interface version %d, expected %d",
                   KVM_DEVICE, version, KVM_API_VERSION);
        return -1;
    }
    return fd_steal(&fd);
}

static bool kvm_available(Error **errp)
{
    AUTO_FD fd = open_device(errp);

    return fd >= 0;
}

static bool check_required(int fd, Error **errp)
{
    static const struct {
        int cap;
        const char *name;
    } required[] = {
        { KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
        { KVM_CAP_DESTROY_MEMORY_REGION_WORKS,
          "KVM_CAP_DESTROY_MEMORY_REGION_WORKS" },
        { KVM_CAP_JOIN_MEMORY_REGIONS_WORKS,
          "KVM_CAP_JOIN_MEMORY_REGIONS_WORKS" },
        { KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
        { KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
        { KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
        { KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
        { KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(required); i++) {
        if (!kvm_check_extension(fd, required[i].cap)) {
            error_setg(errp, "the host kernel's KVM lacks %s",
                       required[i].name);
            return false;
        }
    }
    return true;
}

/* An optional capability; that it is missing is only traced. */
static int probe_cap(KVMState *s, int cap, const char *name)
{
    int value = kvm_check_extension(s->vm_fd, cap);

    if (!value) {
        trace_kvm_cap_missing(name);
    }
    return value;
}

#define PROBE(s, cap) probe_cap((s), (cap), #cap)

static void probe_caps(KVMState *s)
{
    KVMCaps *c = &s->caps;
    int n;

    n = PROBE(s, KVM_CAP_NR_MEMSLOTS);
    c->nr_memslots = n ? n : KVM_DEFAULT_MEMSLOTS;
    n = PROBE(s, KVM_CAP_MAX_VCPUS);
    c->max_vcpus = n ? n : KVM_DEFAULT_VCPUS;
    n = PROBE(s, KVM_CAP_MAX_VCPU_ID);
    c->max_vcpu_id = n ? n : c->max_vcpus;
    if (PROBE(s, KVM_CAP_XSAVE)) {
        n = PROBE(s, KVM_CAP_XSAVE2);
        c->xsave_bytes = MAX(n, (int)sizeof(struct kvm_xsave));
    }
    c->xcrs = PROBE(s, KVM_CAP_XCRS);
    c->sregs2 = PROBE(s, KVM_CAP_SREGS2);
    c->debugregs = PROBE(s, KVM_CAP_DEBUGREGS);
    c->vcpu_events = PROBE(s, KVM_CAP_VCPU_EVENTS);
    c->exception_payload = PROBE(s, KVM_CAP_EXCEPTION_PAYLOAD);
#ifdef KVM_CAP_X86_TRIPLE_FAULT_EVENT
    c->triple_fault_event = PROBE(s, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
#endif
    c->readonly_mem = PROBE(s, KVM_CAP_READONLY_MEM);
    c->kvmclock_ctrl = PROBE(s, KVM_CAP_KVMCLOCK_CTRL);
    c->adjust_clock = PROBE(s, KVM_CAP_ADJUST_CLOCK);
    c->reinject_control = PROBE(s, KVM_CAP_REINJECT_CONTROL);
    c->smm = PROBE(s, KVM_CAP_X86_SMM);
    c->signal_msi = PROBE(s, KVM_CAP_SIGNAL_MSI);
    c->irqfd = PROBE(s, KVM_CAP_IRQFD) && PROBE(s, KVM_CAP_IRQ_ROUTING);
    c->ioeventfd = PROBE(s, KVM_CAP_IOEVENTFD);
    c->ioeventfd_any_length = PROBE(s, KVM_CAP_IOEVENTFD_ANY_LENGTH);
#ifdef KVM_CAP_SET_GUEST_DEBUG2
    c->debug_flags = PROBE(s, KVM_CAP_SET_GUEST_DEBUG2);
#endif
}

/* Optional kernel features that are switched on for the whole machine. */
static void enable_optional(KVMState *s)
{
    if (s->caps.exception_payload) {
        struct kvm_enable_cap cap = { .cap = KVM_CAP_EXCEPTION_PAYLOAD,
                                      .args = { 1 } };
        s->caps.exception_payload =
            kvm_ioctl(s->vm_fd, KVM_ENABLE_CAP, &cap) == 0;
    }
#ifdef KVM_CAP_X86_TRIPLE_FAULT_EVENT
    if (s->caps.triple_fault_event) {
        struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_TRIPLE_FAULT_EVENT,
                                      .args = { 1 } };
        s->caps.triple_fault_event =
            kvm_ioctl(s->vm_fd, KVM_ENABLE_CAP, &cap) == 0;
    }
#endif
}

static bool set_special_addresses(KVMState *s, Error **errp)
{
    uint64_t identity = KVM_IDENTITY_MAP_ADDR;
    int ret;

    if (kvm_check_extension(s->vm_fd, KVM_CAP_SET_IDENTITY_MAP_ADDR)) {
        ret = kvm_ioctl(s->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "KVM_SET_IDENTITY_MAP_ADDR failed");
            return false;
        }
    }
    ret = kvm_ioctl_arg(s->vm_fd, KVM_SET_TSS_ADDR, KVM_TSS_ADDR);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "KVM_SET_TSS_ADDR failed");
        return false;
    }
    return true;
}

static void set_shadow_mem(KVMState *s)
{
    if (s->shadow_mem_bytes) {
        /* Refused by kernels without shadow paging; only a hint anyway. */
        kvm_ioctl_arg(s->vm_fd, KVM_SET_NR_MMU_PAGES,
                      s->shadow_mem_bytes / 4096);
    }
}

static int create_vm(int fd)
{
    int ret;

    do {
        ret = kvm_ioctl_arg(fd, KVM_CREATE_VM, 0);
    } while (ret == -EINTR);
    return ret;
}

static bool kvm_init_machine(AccelState *accel, unsigned max_cpus, Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);
    int ret;

    s->fd = open_device(errp);
    if (s->fd < 0 || !check_required(s->fd, errp)) {
        return false;
    }
    s->vm_fd = create_vm(s->fd);
    if (s->vm_fd < 0) {
        error_setg_errno(errp, -s->vm_fd, "could not create a KVM machine");
        return false;
    }
    probe_caps(s);
    if (max_cpus > (unsigned)s->caps.max_vcpus) {
        error_setg(errp,
                   "%u CPUs are more than the %d that the host's KVM can run",
                   max_cpus, s->caps.max_vcpus);
        return false;
    }
    ret = kvm_ioctl_arg(s->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (ret < (int)sizeof(struct kvm_run)) {
        error_setg(errp, "KVM_GET_VCPU_MMAP_SIZE returned %d", ret);
        return false;
    }
    s->vcpu_mmap_bytes = ret;
    enable_optional(s);
    if (!kvm_dirty_init(s, errp)) {
        return false;
    }
    set_shadow_mem(s);
    return set_special_addresses(s, errp);
}

static void kvm_instance_init(Object *obj)
{
    KVMState *s = KVM_ACCEL(obj);

    s->fd = -1;
    s->vm_fd = -1;
    qemu_mutex_init(&s->slots_lock);
    qemu_mutex_init(&s->reaper_lock);
    qemu_cond_init(&s->reaper_wake);
    kvm_gate_init(s);
    kvm_nudge_init(s);
    s->slots = g_array_new(FALSE, TRUE, sizeof(KVMSlot));
    s->vcpus = g_ptr_array_new();
    kvm_routes_init(s);
}

static void kvm_instance_finalize(Object *obj)
{
    KVMState *s = KVM_ACCEL(obj);

    kvm_routes_deinit(s);
    kvm_log_stop(ACCEL(obj));
    kvm_nudge_deinit(s);
    kvm_gate_deinit(s);
    qemu_cond_destroy(&s->reaper_wake);
    qemu_mutex_destroy(&s->reaper_lock);
    g_ptr_array_unref(s->vcpus);
    g_array_unref(s->slots);
    qemu_mutex_destroy(&s->slots_lock);
    s->vm_fd = fd_close(s->vm_fd);
    s->fd = fd_close(s->fd);
}

static void kvm_class_init(ObjectClass *oc, void *data)
{
    AccelClass *ac = ACCEL_CLASS(oc);

    ac->name = "kvm";
    ac->available = kvm_available;
    ac->init_machine = kvm_init_machine;
    ac->cpuid_supported = kvm_cpuid_supported;
    ac->irqchip = kvm_irqchip;
    ac->create_irqchip = kvm_create_irqchip;
    ac->create_pit = kvm_create_pit;
    ac->set_irq = kvm_set_irq;
    ac->map_ram = kvm_map_ram;
    ac->unmap_ram = kvm_unmap_ram;
    ac->ram_change_begin = kvm_ram_change_begin;
    ac->ram_change_end = kvm_ram_change_end;
    ac->dirty_log_start = kvm_log_start;
    ac->dirty_log_stop = kvm_log_stop;
    ac->dirty_log_sync = kvm_log_sync;
    ac->dirty_log_clear = kvm_log_clear;
    ac->vcpu_dirty_pages = kvm_vcpu_dirty_pages;
    ac->dirty_ring_full_ns = kvm_dirty_ring_full_ns;
    ac->vcpu_new = kvm_vcpu_new;
    ac->vcpu_free = kvm_vcpu_free;
    ac->vcpu_thread_init = kvm_vcpu_thread_init;
    ac->vcpu_run = kvm_vcpu_run;
    ac->vcpu_kick = kvm_vcpu_kick;
    ac->vcpu_set_cpuid = kvm_vcpu_set_cpuid;
    ac->vcpu_reset = kvm_vcpu_reset;
    ac->vcpu_get_state = kvm_vcpu_get_state;
    ac->vcpu_set_state = kvm_vcpu_set_state;
    ac->vcpu_nmi = kvm_vcpu_nmi;
    ac->vcpu_set_debug = kvm_vcpu_set_debug;
    ac->vcpu_debug_hit = kvm_vcpu_debug_hit;
    ac->reset_irqchip = kvm_reset_irqchip;
    ac->vm_state_changed = kvm_vm_state_changed;
    ac->vcpu_savable = kvm_vcpu_savable;
    ac->vm_state_parts = kvm_vm_state_parts;
    ac->vm_get_state = kvm_vm_get_state;
    ac->vm_set_state = kvm_vm_set_state;
    ac->vcpu_intr = kvm_vcpu_intr;
    ac->vcpu_signal = kvm_vcpu_signal;
    ac->send_msi = kvm_send_msi;
    ac->ioapic_route = kvm_ioapic_route;
    ac->ioeventfd_add = kvm_ioeventfd_add;
    ac->ioeventfd_del = kvm_ioeventfd_del;
    ac->irqfd_add = kvm_irqfd_add;
    ac->irqfd_update = kvm_irqfd_update;
    ac->irqfd_del = kvm_irqfd_del;
    ac->pit_hpet_legacy = kvm_pit_hpet_legacy;
}

extern const TypeInfo accel_type_kvm;
const TypeInfo accel_type_kvm = {
    .name = TYPE_KVM_ACCEL,
    .parent = TYPE_ACCEL,
    .instance_size = sizeof(KVMState),
    .instance_init = kvm_instance_init,
    .instance_finalize = kvm_instance_finalize,
    .class_init = kvm_class_init,
    .props = kvm_props,
};
