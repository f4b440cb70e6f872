/*
 * Inside of a machine, for boards and devices of this folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_MACHINE_INTERNAL_H
#define HW_CORE_MACHINE_INTERNAL_H

#include "hw/boards.h"
#include "hw/core/cpu-internal.h"
#include "hw/core/guest-memory.h"
#include "hw/core/io-space.h"
#include "hw/hostmem.h"
#include "util/notify.h"

/* -smp, complete. threads * cores * dies * sockets == max_cpus. */
typedef struct CpuTopology {
    unsigned cpus;
    unsigned max_cpus;
    unsigned sockets;
    unsigned dies;
    unsigned cores;
    unsigned threads;
} CpuTopology;

/* -rtc, checked. */
typedef enum RtcBase {
    RTC_BASE_UTC,
    RTC_BASE_LOCALTIME,
    RTC_BASE_DATE,
} RtcBase;

typedef struct RtcOptions {
    RtcBase base;
    int64_t date_s;  /* RTC_BASE_DATE: seconds since 1970, guest's time zone */
    bool host_clock; /* clock=host, else the guest's own time */
    bool slew;       /* driftfix=slew */
} RtcOptions;

/* Most bytes of a run state's name, with the NUL. */
#define MACHINE_RUN_STATE_BYTES 100

/* What the sections of the machine itself hold (machine-state.c). */
typedef struct MachineSaved {
    int64_t clock_ns;
    char run_state[MACHINE_RUN_STATE_BYTES];
} MachineSaved;

struct MachineState {
    Object parent_obj;

    const MachineHost *host;
    void *host_opaque;

    /* properties */
    char *memory_backend_id;
    bool dump_guest_core;
    bool mem_merge;
    bool usb;
    bool graphics;
    bool suppress_vmdesc;
    char *kernel;
    char *initrd;
    char *append;
    char *bios;          /* -bios, or NULL */
    char **data_dirs;    /* -L, or NULL */
    char *uuid;          /* -uuid, or NULL */
    json_t *boot;        /* -boot, or NULL */
    char **fw_cfg_files; /* -fw_cfg, or NULL */
    char **smbios;       /* -smbios, or NULL */

    uint64_t ram_bytes;
    bool ram_bytes_given;
    CpuTopology smp;
    RtcOptions rtc;
    char *cpu_spec; /* -cpu */
    char *mem_path;
    bool mem_prealloc;
    bool debug_threads;
    bool no_defaults;

    AccelState *accel;
    char *accel_note;
    GPtrArray *warnings; /* char * */

    HostMemoryBackend *ram; /* referenced; NULL without RAM */
    GuestMemory *memory;
    IOSpace *pio;
    IOSpace *mmio;
    CPUSet cpus;
    struct FWCfgState *fw_cfg; /* borrowed; NULL without */
    struct PCIrqchip *irqchip; /* owned; NULL without (hw/intc/irqchip.h) */

    SaveVMRegistry *savevm; /* owned */
    MachineSaved saved;

    bool incoming; /* a guest is to arrive: RAM is not touched */
    bool realized;
    bool created; /* first reset done: later devices are hotplugged */
    bool running;
    NotifierList run_notifiers;
};

static inline CPUSet *machine_cpus(MachineState *machine)
{
    return &machine->cpus;
}

/** machine_warn: note something for the user (machine_warnings()). */
void machine_warn(MachineState *machine, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/* What devices ask of the host; any thread. The calling CPU stops. */
void machine_request_reset(MachineState *machine);
void machine_request_shutdown(MachineState *machine);
void machine_request_exit(MachineState *machine, int status);
void machine_report_panic(MachineState *machine);
void machine_report_debug(MachineState *machine, unsigned cpu_index);
void machine_report_internal_error(MachineState *machine, const char *message);

/* machine-state.c */
void machine_state_init(MachineState *machine);
void machine_state_deinit(MachineState *machine);

/** machine_add_cpu: takes a reference; realizes it below /machine/unattached,
 *  makes its vCPU and its thread. */
bool machine_add_cpu(MachineState *machine, CPUState *cpu, Error **errp);

/* machine-options.c: sizes are in bytes, text or JSON numbers accepted. */
bool machine_parse_memory(MachineState *machine, MachineClass *mc,
                          const json_t *opts, Error **errp);
bool machine_parse_smp(const json_t *opts, unsigned default_cpus,
                       unsigned max_cpus, CpuTopology *ret, Error **errp);
bool machine_parse_rtc(const json_t *opts, RtcOptions *ret, Error **errp);

#endif
