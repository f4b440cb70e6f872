/*
 * Virtual CPUs: the device in the object tree, and the thread that runs it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CPU_H
#define HW_CPU_H

#include "hw/qdev-core.h"

#define TYPE_CPU            "cpu"
#define TYPE_X86_CPU        "x86_64-cpu"
#define X86_CPU_TYPE_SUFFIX "-" TYPE_X86_CPU

typedef struct X86CPU X86CPU;
typedef struct MachineState MachineState;

/* One line of query-cpus-fast. Strings are owned. */
typedef struct CPUInfo {
    int cpu_index;
    int thread_id; /* kernel's number of the vCPU thread */
    char *qom_path;
    unsigned socket_id;
    unsigned die_id;
    unsigned core_id;
    unsigned thread_in_core;
} CPUInfo;

void cpu_info_free(CPUInfo *info);

/**
 * machine_cpu_info:
 * Returns: (transfer full) array of CPUInfo in order of index; empty for a
 * machine without CPUs.
 * Thread: any.
 */
GPtrArray *machine_cpu_info(MachineState *machine);

/* One line of query-cpu-definitions. Strings are owned. */
typedef struct CPUModelInfo {
    char *name;
    char *type_name;
    char *description;
    char **unavailable_features; /* NULL-terminated; NULL = not known */
    bool migration_safe;
    bool is_static;
} CPUModelInfo;

void cpu_model_info_free(CPUModelInfo *info);

/** cpu_model_list: (transfer full) array of CPUModelInfo. @accel_opaque: the
 *  machine whose accelerator limits features, or NULL. */
GPtrArray *cpu_model_list(MachineState *machine);

/**
 * cpu_model_expand:
 * @machine: realized; its accelerator says what the host can do
 * @name: model
 * @props: (in) (nullable) JSON object of properties that differ
 *
 * Returns: (transfer full) JSON object: features by name, vendor and numbers.
 * Errors: no such model; unknown property; feature that is not there.
 */
json_t *cpu_model_expand(MachineState *machine, const char *name,
                         const json_t *props, Error **errp);

/** cpu_help: (transfer full) text of `-cpu help`. */
char *cpu_help(void);

#endif
