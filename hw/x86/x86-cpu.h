/*
 * x86 CPUs: models, features, topology, and the CPUID that follows.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_X86_X86_CPU_H
#define HW_X86_X86_CPU_H

#include "hw/core/cpu-internal.h"
#include "hw/core/machine-internal.h"
#include "hw/x86/cpu-features.h"

OBJECT_DECLARE_TYPE(X86CPU, X86CPUClass, X86_CPU)

/* A CPU model as data. Strings of fixed length are padded with zeros. */
typedef struct X86CPUModel {
    const char *name;
    const char *description;
    const char *vendor; /* 12 characters */
    unsigned family;
    unsigned model;
    unsigned stepping;
    uint32_t level;
    uint32_t xlevel;
    const char *model_id;
    X86FeatureSet features;
    bool from_host;  /* everything that the accelerator can give */
    bool host_names; /* and the host's vendor, family and model name */
} X86CPUModel;

struct X86CPUClass {
    CPUClass parent_class;

    const X86CPUModel *model;
};

/* Place of a component in the standard form of the XSAVE area; 0: none. */
typedef struct X86XsavePlace {
    uint32_t bytes;
    uint32_t offset;
} X86XsavePlace;

#define X86_XSAVE_PLACES 64

/* A register of CPUID with features, as a state for another host names it. */
typedef struct X86SavedWord {
    uint32_t function;
    uint32_t index;
    uint8_t reg; /* 'a' to 'd' */
    uint32_t value;
} X86SavedWord;

#define X86_SAVED_WORDS_MAX 64

/* What a state that is saved or loaded has (x86-cpu-vmstate.c). */
typedef struct X86CPUSaved {
    uint32_t apic_id;
    uint32_t n_cpus;
    uint8_t vendor[12];
    uint32_t phys_bits;
    uint8_t n_words;
    X86SavedWord word[X86_SAVED_WORDS_MAX];
    X86XsavePlace place[X86_XSAVE_PLACES];
    uint32_t mp_state;
    uint32_t xsave_bytes;
    int32_t n_msrs;
    bool has_lapic;
    X86CPUState state;
} X86CPUSaved;

struct X86CPU {
    CPUState parent_obj;

    /* properties */
    char *vendor;
    char *model_id;
    uint32_t family;
    uint32_t model;
    uint32_t stepping;
    uint32_t level;
    uint32_t xlevel;
    uint32_t phys_bits;
    bool host_phys_bits;
    bool migratable;
    bool expose_kvm;
    bool enforce;
    bool check;

    X86FeatureSet features;
    X86FeatureSet user_on; /* asked for by name */
    X86FeatureSet user_off;
    X86FeatureSet missing; /* asked for or in the model, not on this host */

    /* what the guest sees, for the other side of a migration */
    uint32_t seen_phys_bits;
    X86XsavePlace xsave_place[X86_XSAVE_PLACES];
    X86CPUSaved saved;
};

/* The model's idea of where a CPU is, from its index. */
typedef struct X86CPUPlace {
    uint32_t apic_id;
    unsigned smt_bits;  /* of the APIC id: threads */
    unsigned core_bits; /* threads and cores */
    unsigned pkg_bits;  /* threads, cores and dies */
} X86CPUPlace;

/** x86_cpu_place: APIC id with each level in its own bits (SDM 3A 8.9.1). */
X86CPUPlace x86_cpu_place(const CpuTopology *t, unsigned index);

/**
 * x86_cpu_setup_features:
 * @supported: (in) what the accelerator can give
 *
 * Fill cpu->features from model, user and @supported, and cpu->missing.
 *
 * Errors: with enforce=on, or for a feature that was asked for by name: the
 *   first that is missing.
 */
bool x86_cpu_setup_features(X86CPU *cpu, const X86CPUIDTable *supported,
                            Error **errp);

/** x86_cpuid_build: (transfer full) the CPUID that the guest sees. */
X86CPUIDTable *x86_cpuid_build(const X86CPU *cpu,
                               const X86CPUIDTable *supported,
                               const CpuTopology *topology, unsigned index);

/**
 * x86_cpu_new:
 * @spec: "MODEL[,+feature][,-feature][,property=value]..."
 *
 * Returns: (transfer full) CPU @index with its properties set; NULL.
 * Errors: no such model; unknown feature or property, named.
 */
X86CPU *x86_cpu_new(const char *spec, unsigned index, Error **errp);

/** x86_cpu_complete_names: vendor, model name and numbers that the user did
 *  not give, from the model or the host. */
void x86_cpu_complete_names(X86CPU *cpu, const X86CPUIDTable *supported);

/* x86-cpu-vmstate.c */

extern const VMStateDescription vmstate_x86_cpu;
/** x86_cpu_state_init: note what the guest sees by @table, and register the
 *  part that all CPUs have in common. */
bool x86_cpu_state_init(X86CPU *cpu, const X86CPUIDTable *table, Error **errp);
void x86_cpu_state_deinit(X86CPU *cpu);
/** x86_cpu_state_free: what a saved or loaded state holds. */
void x86_cpu_state_free(X86CPU *cpu);

/** x86_cpu_unavailable: (transfer full) names in cpu->missing. */
char **x86_cpu_unavailable(const X86CPU *cpu);

#endif
