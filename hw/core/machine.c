/*
 * Machines: from options to a board that runs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/boards.h"
#include "hw/core/machine-internal.h"
#include "hw/core/options.h"
#include "hw/intc/irqchip.h"
#include "hw/machine-lock.h"
#include "hw/qdev-core.h"
#include "hw/types.h"
#include "qom/object_interfaces.h"
#include "qom/property.h"
#include "trace/trace-hw.h"
#include "ui/console.h"
#include "util/error.h"
#include "util/timer.h"

#define PIO_LIMIT  0xffffu
#define MMIO_LIMIT UINT64_MAX

/* -- access of the guest to devices ---------------------------------------- */

static uint64_t load_le(const uint8_t *p, unsigned size)
{
    uint64_t v = 0;

    memcpy(&v, p, size);
    return GUINT64_FROM_LE(v);
}

static void store_le(uint8_t *p, uint64_t v, unsigned size)
{
    v = GUINT64_TO_LE(v);
    memcpy(p, &v, size);
}

static void machine_pio(void *opaque, uint16_t port, bool is_write,
                        unsigned size, uint32_t count, void *data)
{
    MachineState *machine = opaque;
    uint8_t *p = data;

    MACHINE_LOCK_GUARD();
    for (uint32_t i = 0; i < count; i++, p += size) {
        if (is_write) {
            io_space_write(machine->pio, port, load_le(p, size), size);
        } else {
            store_le(p, io_space_read(machine->pio, port, size), size);
        }
    }
}

/* Another CPU may just have moved memory here, while the accelerator had
 * neither the old piece nor the new one. */
static bool is_memory_now(MachineState *machine, uint64_t addr, bool is_write,
                          unsigned len, uint8_t *data)
{
    return is_write ? guest_memory_write(machine->memory, addr, data, len)
                    : guest_memory_read(machine->memory, addr, data, len);
}

static void machine_mmio(void *opaque, uint64_t addr, bool is_write,
                         unsigned len, uint8_t *data)
{
    MachineState *machine = opaque;

    MACHINE_LOCK_GUARD();
    if (!io_space_find(machine->mmio, addr) &&
        is_memory_now(machine, addr, is_write, len, data)) {
        return;
    }
    if (is_write) {
        io_space_write(machine->mmio, addr, load_le(data, len), len);
    } else {
        store_le(data, io_space_read(machine->mmio, addr, len), len);
    }
}

static const AccelHost machine_accel_host = {
    .pio = machine_pio,
    .mmio = machine_mmio,
};

/* -- requests -------------------------------------------------------------- */

void machine_request_reset(MachineState *machine)
{
    cpu_stop_current();
    machine->host->reset_request(machine->host_opaque);
}

void machine_request_shutdown(MachineState *machine)
{
    cpu_stop_current();
    machine->host->shutdown_request(machine->host_opaque);
}

void machine_request_exit(MachineState *machine, int status)
{
    cpu_stop_current();
    machine->host->exit_request(machine->host_opaque, status);
}

void machine_report_panic(MachineState *machine)
{
    cpu_stop_current();
    machine->host->guest_panicked(machine->host_opaque);
}

void machine_report_internal_error(MachineState *machine, const char *message)
{
    cpu_stop_current();
    machine->host->internal_error(machine->host_opaque, message);
}

void machine_report_debug(MachineState *machine, unsigned cpu_index)
{
    cpu_stop_current();
    if (machine->host->debug_stop) {
        machine->host->debug_stop(machine->host_opaque, cpu_index);
    }
}

void machine_warn(MachineState *machine, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_ptr_array_add(machine->warnings, g_strdup_vprintf(fmt, ap));
    va_end(ap);
}

/* -- making ----------------------------------------------------------------- */

/* What -machine may say beside the machine's own properties. */
static json_t *machine_properties(const json_t *options)
{
    json_t *props = options ? options_as_text(options) : json_object();

    json_object_del(props, "type");
    json_object_del(props, "accel");
    json_object_del(props, "kernel-irqchip");
    json_object_del(props, "kernel_irqchip");
    json_object_del(props, "memory");
    json_object_del(props, "smp");
    return props;
}

static json_t *accel_candidates(const MachineConfig *config, Error **errp)
{
    const char *spec = NULL;
    const char *irqchip = NULL;
    json_t *list;
    size_t i;
    json_t *c;

    if (!options_get_string(config->machine, "accel", &spec, errp) ||
        !options_get_string(config->machine, "kernel-irqchip", &irqchip,
                            errp)) {
        return NULL;
    }
    if (json_array_size(config->accels) > 0) {
        if (spec) {
            error_setg(errp, "-accel and -machine accel= cannot be used "
                             "together");
            return NULL;
        }
        list = options_as_text(config->accels);
    } else {
        list = accel_candidates_parse(spec);
    }
    json_array_foreach(list, i, c)
    {
        const char *name = json_string_value(json_object_get(c, "accel"));
        if (irqchip && g_strcmp0(name, "kvm") == 0 &&
            !json_object_get(c, "kernel-irqchip")) {
            json_object_set_new(c, "kernel-irqchip", json_string(irqchip));
        }
    }
    return list;
}

static bool create_accel(MachineState *machine, const MachineConfig *config,
                         Error **errp)
{
    json_auto_t *candidates = accel_candidates(config, errp);

    if (!candidates) {
        return false;
    }
    machine->accel = accel_create(candidates, &machine->accel_note, errp);
    return machine->accel && qdev_globals_apply(OBJECT(machine->accel), errp);
}

static bool apply_config(MachineState *machine, const MachineConfig *config,
                         Error **errp)
{
    MachineClass *mc = MACHINE_GET_CLASS(machine);
    json_auto_t *props = machine_properties(config->machine);
    const json_t *memory = config->memory;
    const json_t *smp = config->smp;

    if (!memory) {
        memory = json_object_get(config->machine, "memory");
    }
    if (!smp) {
        smp = json_object_get(config->machine, "smp");
    }
    if (!qdev_globals_apply(OBJECT(machine), errp) ||
        !object_set_properties_from_keyval(OBJECT(machine), props, errp) ||
        !machine_parse_memory(machine, mc, memory, errp) ||
        !machine_parse_rtc(config->rtc, &machine->rtc, errp)) {
        return false;
    }
    if (mc->max_cpus && !machine_parse_smp(smp, mc->default_cpus, mc->max_cpus,
                                           &machine->smp, errp)) {
        return false;
    }
    machine->ram_bytes_given = json_object_get(memory, "size") != NULL;
    if (config->kernel) {
        g_free(machine->kernel);
        machine->kernel = g_strdup(config->kernel);
    }
    if (config->initrd) {
        g_free(machine->initrd);
        machine->initrd = g_strdup(config->initrd);
    }
    if (config->append) {
        g_free(machine->append);
        machine->append = g_strdup(config->append);
    }
    machine->cpu_spec = g_strdup(config->cpu);
    machine->mem_path = g_strdup(config->mem_path);
    machine->bios = g_strdup(config->bios);
    machine->data_dirs = g_strdupv((char **)config->data_dirs);
    machine->uuid = g_strdup(config->uuid);
    machine->boot = json_incref(config->boot);
    machine->fw_cfg_files = g_strdupv((char **)config->fw_cfg);
    machine->smbios = g_strdupv((char **)config->smbios);
    machine->mem_prealloc = config->mem_prealloc;
    machine->debug_threads = config->debug_threads;
    machine->no_defaults = config->no_defaults;
    return create_accel(machine, config, errp);
}

static void add_containers(MachineState *machine)
{
    static const char *const names[] = { "peripheral", "peripheral-anon",
                                         "unattached" };
    Object *ui = object_new(TYPE_UI);

    object_property_add_child(OBJECT(machine), "ui", ui);
    object_unref(ui);

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        Object *container = object_new(TYPE_CONTAINER);
        object_property_add_child(OBJECT(machine), names[i], container);
        object_unref(container);
    }
}

MachineState *machine_new(const MachineConfig *config, const MachineHost *host,
                          void *host_opaque, Error **errp)
{
    const char *type = NULL;
    MachineState *machine;
    MachineClass *mc;

    hw_register_types();
    if (!options_get_string(config->machine, "type", &type, errp)) {
        return NULL;
    }
    mc = machine_class_find(type, errp);
    if (!mc) {
        return NULL;
    }
    machine = MACHINE(object_new_with_class(OBJECT_CLASS(mc)));
    machine->host = host;
    machine->host_opaque = host_opaque;
    object_property_add_child(object_get_root(), "machine", OBJECT(machine));
    object_unref(OBJECT(machine));
    add_containers(machine);
    if (!apply_config(machine, config, errp)) {
        object_unparent(OBJECT(machine));
        return NULL;
    }
    return machine;
}

MachineState *machine_current(void)
{
    Object *obj = object_resolve_path_component(object_get_root(), "machine");

    return (MachineState *)object_dynamic_cast(obj, TYPE_MACHINE);
}

/* -- RAM ------------------------------------------------------------------- */

static HostMemoryBackend *named_backend(MachineState *machine, Error **errp)
{
    const char *id = machine->memory_backend_id;
    Object *obj = object_resolve_path_component(object_get_objects_root(), id);
    HostMemoryBackend *backend;

    if (!object_dynamic_cast(obj, TYPE_MEMORY_BACKEND)) {
        error_setg(errp, "memory backend '%s' not found", id);
        return NULL;
    }
    backend = (HostMemoryBackend *)obj;
    if (host_memory_backend_is_mapped(backend)) {
        error_setg(errp, "memory backend '%s' is used already", id);
        return NULL;
    }
    if (!machine->ram_bytes_given) {
        machine->ram_bytes = host_memory_backend_get_size(backend);
    }
    if (host_memory_backend_get_size(backend) != machine->ram_bytes) {
        error_setg(errp,
                   "RAM size %" PRIu64 " is not the size %" PRIu64
                   " of memory backend '%s'",
                   machine->ram_bytes, host_memory_backend_get_size(backend),
                   id);
        return NULL;
    }
    object_ref(obj);
    return backend;
}

static HostMemoryBackend *default_backend(MachineState *machine, Error **errp)
{
    MachineClass *mc = MACHINE_GET_CLASS(machine);
    json_auto_t *props = json_object();
    Object *obj;

    json_object_set_new(props, "size",
                        json_integer((json_int_t)machine->ram_bytes));
    json_object_set_new(props, "dump", json_boolean(machine->dump_guest_core));
    json_object_set_new(props, "merge", json_boolean(machine->mem_merge));
    json_object_set_new(props, "prealloc", json_boolean(machine->mem_prealloc));
    if (machine->mem_path) {
        json_object_set_new(props, "mem-path", json_string(machine->mem_path));
    }
    obj = user_creatable_add_type(machine->mem_path ? TYPE_MEMORY_BACKEND_FILE
                                                    : TYPE_MEMORY_BACKEND_RAM,
                                  mc->default_ram_id, props, false, errp);
    return (HostMemoryBackend *)obj;
}

static bool realize_ram(MachineState *machine, Error **errp)
{
    if (!MACHINE_GET_CLASS(machine)->default_ram_id) {
        return true;
    }
    machine->ram = machine->memory_backend_id ? named_backend(machine, errp)
                                              : default_backend(machine, errp);
    if (!machine->ram) {
        return false;
    }
    host_memory_backend_set_mapped(machine->ram, true);
    return true;
}

/* -- CPUs ------------------------------------------------------------------ */

bool machine_add_cpu(MachineState *machine, CPUState *cpu, Error **errp)
{
    AccelClass *ac = ACCEL_GET_CLASS(machine->accel);

    cpu->machine = machine;
    cpu->vcpu = ac->vcpu_new(machine->accel, (unsigned)cpu->cpu_index,
                             cpu->apic_id, errp);
    if (!cpu->vcpu) {
        return false;
    }
    object_ref(OBJECT(machine->accel)); /* until the vCPU is freed */
    g_ptr_array_add(machine->cpus.cpus, object_ref(OBJECT(cpu)));
    return qdev_realize(DEVICE(cpu), NULL, errp) &&
           cpu_thread_start(cpu, machine->debug_threads, errp);
}

GPtrArray *machine_cpu_info(MachineState *machine)
{
    GPtrArray *list =
        g_ptr_array_new_with_free_func((GDestroyNotify)cpu_info_free);
    const CpuTopology *t = &machine->smp;

    for (guint i = 0; i < machine->cpus.cpus->len; i++) {
        CPUState *cpu = CPU(machine->cpus.cpus->pdata[i]);
        CPUInfo *info = g_new0(CPUInfo, 1);

        info->cpu_index = cpu->cpu_index;
        info->thread_id = cpu->thread_id;
        info->qom_path = object_get_canonical_path(OBJECT(cpu));
        info->thread_in_core = i % t->threads;
        info->core_id = i / t->threads % t->cores;
        info->die_id = i / t->threads / t->cores % t->dies;
        info->socket_id = i / t->threads / t->cores / t->dies;
        g_ptr_array_add(list, info);
    }
    return list;
}

/* -- life ------------------------------------------------------------------ */

bool machine_realize(MachineState *machine, Error **errp)
{
    MachineClass *mc = MACHINE_GET_CLASS(machine);
    AccelClass *ac = ACCEL_GET_CLASS(machine->accel);

    assert(!machine->realized);
    cpu_disable_ticks();
    accel_attach(machine->accel, &machine_accel_host, machine);
    if (!ac->init_machine(machine->accel, MAX(1, machine->smp.max_cpus),
                          errp) ||
        !realize_ram(machine, errp)) {
        return false;
    }
    /* From here on /machine can take devices. */
    machine->realized = true;
    if (mc->init && !mc->init(machine, errp)) {
        return false;
    }
    object_set_completed(OBJECT(machine), true);
    return true;
}

static int reset_device(Object *obj, void *opaque)
{
    DeviceState *dev = (DeviceState *)object_dynamic_cast(obj, TYPE_DEVICE);

    if (dev && dev->realized && DEVICE_GET_CLASS(dev)->reset) {
        DEVICE_GET_CLASS(dev)->reset(dev);
    }
    return 0;
}

static bool reset_cpus(MachineState *machine, Error **errp)
{
    AccelClass *ac = ACCEL_GET_CLASS(machine->accel);

    for (guint i = 0; i < machine->cpus.cpus->len; i++) {
        CPUState *cpu = CPU(machine->cpus.cpus->pdata[i]);

        if (!ac->vcpu_reset(cpu->vcpu, i == 0, errp)) {
            return false;
        }
    }
    return true;
}

static bool reset_all(MachineState *machine, Error **errp)
{
    MachineClass *mc = MACHINE_GET_CLASS(machine);
    AccelClass *ac = ACCEL_GET_CLASS(machine->accel);

    MACHINE_LOCK_GUARD();
    object_child_foreach_recursive(OBJECT(machine), reset_device, NULL);
    if (ac->reset_irqchip && !ac->reset_irqchip(machine->accel, errp)) {
        return false;
    }
    pc_irqchip_reset_done(machine->irqchip);
    return reset_cpus(machine, errp) &&
           (!mc->reset || mc->reset(machine, errp));
}

bool machine_reset(MachineState *machine, Error **errp)
{
    bool ok;

    trace_machine_reset(machine->running);
    cpus_pause(&machine->cpus);
    ok = reset_all(machine, errp);
    machine->created = true;
    if (machine->running && ok) {
        cpus_resume(&machine->cpus);
    }
    return ok;
}

void machine_start(MachineState *machine)
{
    trace_machine_start(machine->running);
    if (machine->running) {
        /* A CPU that stopped itself with its request goes on as well. */
        cpus_resume(&machine->cpus);
        return;
    }
    machine->running = true;
    machine->incoming = false;
    cpu_enable_ticks();
    ACCEL_GET_CLASS(machine->accel)->vm_state_changed(machine->accel, true);
    notifier_list_notify(&machine->run_notifiers, machine);
    cpus_resume(&machine->cpus);
}

void machine_stop_soon(MachineState *machine)
{
    cpus_pause_soon(&machine->cpus);
}

void machine_stop(MachineState *machine)
{
    trace_machine_stop(machine->running);
    cpus_pause(&machine->cpus);
    if (!machine->running) {
        return;
    }
    machine->running = false;
    cpu_disable_ticks();
    ACCEL_GET_CLASS(machine->accel)->vm_state_changed(machine->accel, false);
    notifier_list_notify(&machine->run_notifiers, machine);
}

void machine_add_run_notifier(MachineState *machine, Notifier *notifier)
{
    notifier_list_add(&machine->run_notifiers, notifier);
}

void machine_powerdown(MachineState *machine)
{
    MachineClass *mc = MACHINE_GET_CLASS(machine);

    MACHINE_LOCK_GUARD();
    if (mc->powerdown) {
        mc->powerdown(machine);
    }
}

bool machine_is_running(MachineState *machine)
{
    return machine->running;
}

bool machine_inject_nmi(MachineState *machine, Error **errp)
{
    AccelClass *ac = ACCEL_GET_CLASS(machine->accel);
    bool ok = true;

    if (machine->cpus.cpus->len == 0) {
        error_setg(errp, "the machine has no CPU to interrupt");
        return false;
    }
    cpus_pause(&machine->cpus);
    for (guint i = 0; ok && i < machine->cpus.cpus->len; i++) {
        ok = ac->vcpu_nmi(CPU(machine->cpus.cpus->pdata[i])->vcpu, errp);
    }
    if (machine->running) {
        cpus_resume(&machine->cpus);
    }
    return ok;
}

static void unplug_children(Object *container)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new();
    ObjectPropertyIterator iter;
    ObjectProperty *prop;

    object_property_iter_init(&iter, container);
    while ((prop = object_property_iter_next(&iter))) {
        Object *obj = object_resolve_path_component(container, prop->name);
        if (object_dynamic_cast(obj, TYPE_DEVICE)) {
            g_ptr_array_add(devices, obj);
        }
    }
    for (guint i = devices->len; i > 0; i--) {
        qdev_unplug_now(DEVICE(devices->pdata[i - 1]));
    }
}

static void machine_unrealize(MachineState *machine)
{
    static const char *const names[] = { "peripheral", "peripheral-anon",
                                         "unattached" };

    machine_stop(machine);
    for (guint i = 0; i < machine->cpus.cpus->len; i++) {
        cpu_thread_end(CPU(machine->cpus.cpus->pdata[i]));
    }
    MACHINE_LOCK_GUARD();
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        Object *c = object_resolve_path_component(OBJECT(machine), names[i]);
        if (c) {
            unplug_children(c);
        }
    }
}

void machine_destroy(MachineState *machine)
{
    if (machine) {
        machine_unrealize(machine);
        object_unparent(OBJECT(machine));
    }
}

uint64_t machine_ram_bytes(MachineState *machine)
{
    return machine->ram_bytes;
}

const char *machine_accel_name(MachineState *machine)
{
    return ACCEL_GET_CLASS(machine->accel)->name;
}

const char *machine_accel_note(MachineState *machine)
{
    return machine->accel_note;
}

const GPtrArray *machine_warnings(MachineState *machine)
{
    return machine->warnings;
}

bool machine_has_devices(MachineState *machine)
{
    return MACHINE_GET_CLASS(machine)->has_devices;
}

/* -- class ----------------------------------------------------------------- */

static bool usb_check(Object *obj, const Property *prop, const void *value,
                      Error **errp)
{
    if (*(const bool *)value) {
        error_setg(errp, "usb=on is not supported by this machine");
        return false;
    }
    return true;
}

static const Property machine_props[] = {
    { "memory-backend", PROP_STR, offsetof(MachineState, memory_backend_id),
      .help = "id of the memory backend that is the machine's RAM",
      .since = "0.1" },
    { "dump-guest-core", PROP_BOOL, offsetof(MachineState, dump_guest_core),
      .def = "on", .help = "include guest memory in a core dump",
      .since = "0.1" },
    { "mem-merge", PROP_BOOL, offsetof(MachineState, mem_merge), .def = "on",
      .help = "let the host merge identical pages of RAM", .since = "0.1" },
    { "usb", PROP_BOOL, offsetof(MachineState, usb), .def = "off",
      .check = usb_check, .help = "USB controller (only off)", .since = "0.1" },
    { "graphics", PROP_BOOL, offsetof(MachineState, graphics), .def = "on",
      .help = "whether firmware may use a graphical console", .since = "0.1" },
    { "suppress-vmdesc", PROP_BOOL, offsetof(MachineState, suppress_vmdesc),
      .def = "off", .help = "leave the description out of migration streams",
      .since = "0.1" },
    { "kernel", PROP_STR, offsetof(MachineState, kernel),
      .help = "kernel image file", .since = "0.1" },
    { "initrd", PROP_STR, offsetof(MachineState, initrd),
      .help = "initial ramdisk or modules", .since = "0.1" },
    { "append", PROP_STR, offsetof(MachineState, append),
      .help = "kernel command line", .since = "0.1" },
    {},
};

static void machine_instance_init(Object *obj)
{
    MachineState *m = MACHINE(obj);

    notifier_list_init(&m->run_notifiers);
    m->warnings = g_ptr_array_new_with_free_func(g_free);
    m->memory = guest_memory_new();
    m->pio = io_space_new("I/O ports", PIO_LIMIT);
    m->mmio = io_space_new("addresses", MMIO_LIMIT);
    cpu_set_init(&m->cpus);
    machine_state_init(m);
}

static void machine_instance_finalize(Object *obj)
{
    MachineState *m = MACHINE(obj);

    cpu_set_deinit(&m->cpus);
    pc_irqchip_free(m->irqchip);
    if (m->accel) {
        object_unref(OBJECT(m->accel));
    }
    machine_state_deinit(m);
    guest_memory_free(m->memory);
    io_space_free(m->pio);
    io_space_free(m->mmio);
    if (m->ram) {
        host_memory_backend_set_mapped(m->ram, false);
        object_unref((Object *)m->ram);
    }
    g_ptr_array_unref(m->warnings);
    g_free(m->accel_note);
    g_free(m->cpu_spec);
    g_free(m->mem_path);
    g_free(m->bios);
    g_strfreev(m->data_dirs);
    g_free(m->uuid);
    json_decref(m->boot);
    g_strfreev(m->fw_cfg_files);
    g_strfreev(m->smbios);
}

extern const TypeInfo hw_type_machine;
const TypeInfo hw_type_machine = {
    .name = TYPE_MACHINE,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(MachineState),
    .instance_init = machine_instance_init,
    .instance_finalize = machine_instance_finalize,
    .class_size = sizeof(MachineClass),
    .props = machine_props,
};
