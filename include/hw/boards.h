/*
 * Machines: a board with its CPUs, RAM, devices and how it starts.
 *
 * Life of a machine, all in the main thread:
 *   machine_new() -> devices by qdev_device_add_json() only after
 *   machine_realize() -> machine_reset() -> machine_start() / machine_stop()
 *   any number of times -> machine_destroy().
 * The machine never calls upwards but through its MachineHost.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_BOARDS_H
#define HW_BOARDS_H

#include <jansson.h>

#include "qom/object.h"
#include "util/typedefs.h"

#define TYPE_MACHINE         "machine"
#define TYPE_MACHINE_SUFFIX  "-machine"
#define MACHINE_TYPE_NAME(m) (m TYPE_MACHINE_SUFFIX)

OBJECT_DECLARE_TYPE(MachineState, MachineClass, MACHINE)

typedef struct SaveVMRegistry SaveVMRegistry;

/**
 * MachineHost: what the machine asks of the program around it.
 * @shutdown_request: the guest wants power off
 * @reset_request: the guest wants a reset (triple fault, reset port)
 * @exit_request: the guest asked the program to end with @status
 *                (isa-debug-exit)
 * @guest_panicked: the guest told the hypervisor that it died
 * @internal_error: a CPU cannot go on; @message says why, one line
 * @debug_stop: (optional) vCPU number @cpu_index came to what its debugger waits for
 * @rtc_change: the guest set its clock @offset_s seconds away from where
 *              -rtc base= puts it; @qom_path is the clock's
 * @device_deleted: (optional) device is gone; @id may be NULL
 *
 * Each is called in any thread (a vCPU's mostly), with or without the
 * machine lock, and must only note the request and wake the main loop. The
 * calling vCPU stops until machine_start() or the end of machine_reset().
 */
typedef struct MachineHost {
    void (*shutdown_request)(void *opaque);
    void (*reset_request)(void *opaque);
    void (*exit_request)(void *opaque, int status);
    void (*guest_panicked)(void *opaque);
    void (*internal_error)(void *opaque, const char *message);
    void (*debug_stop)(void *opaque, unsigned cpu_index);
    void (*rtc_change)(void *opaque, int64_t offset_s, const char *qom_path);
    void (*device_deleted)(void *opaque, const char *id, const char *qom_path);
} MachineHost;

/**
 * MachineConfig: everything the command line says about the machine. All of
 * it is borrowed for the call; JSON leaves may be strings (keyval) or typed.
 * @machine: (nullable) -machine: "type" and properties; "accel" and
 *           "kernel-irqchip" are understood here too
 * @accels: (nullable) array of objects, one a -accel option, with "accel"
 *          and properties, in order of preference
 * @memory: (nullable) -m: "size", "slots", "maxmem"; bare sizes are MiB
 * @smp: (nullable) -smp: "cpus", "sockets", "dies", "cores", "threads",
 *       "maxcpus"
 * @rtc: (nullable) -rtc: "base", "clock", "driftfix"
 * @cpu: (nullable) -cpu: model and features
 * @kernel, @initrd, @append: (nullable) -kernel, -initrd, -append
 * @debug_threads: -name debug-threads=on
 * @mem_prealloc: -mem-prealloc
 * @mem_path: (nullable) -mem-path
 * @bios: (nullable) -bios
 * @data_dirs: (nullable) -L, in order, ends with NULL
 * @uuid: (nullable) -uuid, well-formed
 * @boot: (nullable) -boot: "order", "once", "menu", "strict", "splash-time",
 *        "reboot-timeout"
 * @fw_cfg, @smbios: (nullable) texts of -fw_cfg and -smbios, end with NULL
 * @no_defaults: -nodefaults
 */
typedef struct MachineConfig {
    json_t *machine;
    json_t *accels;
    json_t *memory;
    json_t *smp;
    json_t *rtc;
    const char *cpu;
    const char *kernel;
    const char *initrd;
    const char *append;
    const char *mem_path;
    const char *bios;
    char *const *data_dirs;
    const char *uuid;
    json_t *boot;
    char *const *fw_cfg;
    char *const *smbios;
    bool debug_threads;
    bool mem_prealloc;
    bool no_defaults;
} MachineConfig;

/**
 * MachineClass:
 * @name: as -machine takes it
 * @alias: (nullable) second name
 * @desc: one line for `-machine help`
 * @is_default: chosen without -machine
 * @max_cpus: most CPUs
 * @default_cpus: CPUs without -smp
 * @default_ram_bytes: RAM without -m
 * @default_cpu_type: type name without -cpu; NULL: no CPUs
 * @default_ram_id: id of the RAM it makes itself ("pc.ram"); NULL: no RAM
 * @has_devices: the machine has buses for -device
 * @init: build the board: called by machine_realize() with accelerator and
 *        RAM ready
 * @reset: (optional) after all devices were reset: CPU registers, kernel
 * @powerdown: (optional) the power button was pressed; under the machine lock
 */
struct MachineClass {
    ObjectClass parent_class;

    const char *name;
    const char *alias;
    const char *desc;
    bool is_default;
    unsigned max_cpus;
    unsigned default_cpus;
    uint64_t default_ram_bytes;
    const char *default_cpu_type;
    const char *default_ram_id;
    bool has_devices;
    bool (*init)(MachineState *machine, Error **errp);
    bool (*reset)(MachineState *machine, Error **errp);
    void (*powerdown)(MachineState *machine);
};

/** machine_class_find: class by name or alias; NULL name = the default. */
MachineClass *machine_class_find(const char *name, Error **errp);
/** machine_class_list: (transfer container) MachineClass *, by name. */
GPtrArray *machine_class_list(void);
/** machine_help: (transfer full) text of `-machine help`. */
char *machine_help(void);

/**
 * machine_new:
 * @config: (in) options; not used after the call
 * @host: (in) must outlive the machine
 *
 * Create the machine as /machine, with its accelerator chosen and its
 * properties set. User objects (memory backends) must exist already.
 *
 * Returns: (transfer none) the machine, owned by the object tree; NULL.
 * Errors: unknown machine type, property, accelerator, CPU model or feature;
 *   sizes and topologies that do not fit.
 */
MachineState *machine_new(const MachineConfig *config, const MachineHost *host,
                          void *host_opaque, Error **errp);

/**
 * machine_realize:
 * Open the accelerator, map RAM, create CPUs and the board's own devices.
 * vCPU threads exist after it, stopped.
 */
bool machine_realize(MachineState *machine, Error **errp);

/**
 * machine_reset:
 * Everything to power-on, kernel loaded anew. Pauses the vCPUs for it and
 * lets them go on if they ran before.
 *
 * Thread: main loop, machine lock not held.
 * Errors: the kernel file does not load; the accelerator refuses a state.
 */
bool machine_reset(MachineState *machine, Error **errp);

/** machine_start: let the guest run. Main loop, machine lock not held. */
void machine_start(MachineState *machine);
/** machine_stop: no guest instruction runs when it returns. As above. */
void machine_stop(MachineState *machine);
/** machine_stop_soon: each CPU leaves the guest as soon as it can and does not
 *  come back; machine_stop() has to follow. For CPUs that wait for a page of a
 *  guest that is not wholly here. Thread: main. */
void machine_stop_soon(MachineState *machine);
/** machine_is_running: between machine_start() and machine_stop(). */
bool machine_is_running(MachineState *machine);

/**
 * machine_add_run_notifier:
 * @notifier: called with the machine as data when machine_is_running() has
 *            changed: before the first and after the last instruction of the
 *            guest; in the main thread, machine lock not held. The caller
 *            removes it
 */
void machine_add_run_notifier(MachineState *machine, Notifier *notifier);

/** machine_savevm: (transfer none) what a migration carries of the machine: the
 *  guest's clock, CPUs, interrupt controllers, devices. Lives as long as it. */
SaveVMRegistry *machine_savevm(MachineState *machine);

/**
 * machine_note_run_state:
 * @name: name of the run state that the guest has before it is stopped to be
 *        saved; copied. Section "globalstate" carries it
 *
 * Errors: longer than a name can be.
 */
bool machine_note_run_state(MachineState *machine, const char *name,
                            Error **errp);
/** machine_loaded_run_state: (nullable) the name that came with the state that
 *  was loaded; NULL: none came. A peer's text: match it with what is known. */
const char *machine_loaded_run_state(MachineState *machine);

/**
 * machine_set_incoming:
 * @on: a guest is about to arrive: until the first machine_start(),
 *      machine_reset() does not put a kernel into RAM
 *
 * Before the first machine_reset().
 */
void machine_set_incoming(MachineState *machine, bool on);

/** machine_destroy: stop, end the vCPU threads, take /machine out of the
 *  tree. Accepts NULL. */
void machine_destroy(MachineState *machine);

/** machine_powerdown: press the power button; a machine without one does
 *  nothing. Main loop, machine lock not held. */
void machine_powerdown(MachineState *machine);

/** machine_inject_nmi: to every CPU. */
bool machine_inject_nmi(MachineState *machine, Error **errp);

/** machine_ram_bytes: RAM at start. */
uint64_t machine_ram_bytes(MachineState *machine);
/** machine_accel_name: "kvm". Borrowed. */
const char *machine_accel_name(MachineState *machine);
/** machine_accel_note: (nullable) why preferred accelerators were passed
 *  over, for one informational message. Borrowed. */
const char *machine_accel_note(MachineState *machine);
/** machine_warnings: (transfer none) array of char *: what the user should be
 *  told about the machine ("feature X is not there"), one line each. */
const GPtrArray *machine_warnings(MachineState *machine);
/** machine_has_devices: does the board take -serial / -parallel devices? */
bool machine_has_devices(MachineState *machine);
/** machine_current: the machine at /machine, or NULL. For QMP handlers. */
MachineState *machine_current(void);

#endif
