/*
 * From a CPU model, the user's wishes, the accelerator's offer and the
 * topology to the CPUID leaves that a guest sees.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/x86-cpu.h"
#include "util/error.h"

#define LEAF_EXTENDED                 0x80000000u
#define LEAF_KVM                      0x40000000u
#define LEAF_KVM_FEATURES             0x40000001u
#define FEAT_1_ECX_OSXSAVE            (1u << 27)
#define FEAT_1_ECX_XSAVE              (1u << 26)
#define FEAT_1_ECX_HYPERVISOR         (1u << 31)
#define FEAT_1_EDX_HTT                (1u << 28)
#define FEAT_8000_0001_ECX_CMP_LEGACY (1u << 1)
#define XCR0_LEGACY                   3u
#define DEFAULT_PHYS_BITS             40u
#define CLFLUSH_8BYTE_UNITS           8u

static unsigned bits_for(unsigned count)
{
    unsigned bits = 0;

    while ((1u << bits) < count) {
        bits++;
    }
    return bits;
}

X86CPUPlace x86_cpu_place(const CpuTopology *t, unsigned index)
{
    X86CPUPlace p;
    unsigned thread = index % t->threads;
    unsigned core = index / t->threads % t->cores;
    unsigned die = index / t->threads / t->cores % t->dies;
    unsigned socket = index / t->threads / t->cores / t->dies;

    p.smt_bits = bits_for(t->threads);
    p.core_bits = p.smt_bits + bits_for(t->cores);
    p.pkg_bits = p.core_bits + bits_for(t->dies);
    p.apic_id = (uint32_t)thread | core << p.smt_bits | die << p.core_bits |
                socket << p.pkg_bits;
    return p;
}

/* Bits that the guest gets although the accelerator's list has them not, or
 * that follow from something else than the model. */
static void adjust_offer(const X86CPU *cpu, X86FeatureSet offer)
{
    offer[FEAT_1_ECX] |= FEAT_1_ECX_HYPERVISOR;
    offer[FEAT_1_EDX] |= FEAT_1_EDX_HTT;
    offer[FEAT_8000_0001_ECX] |= FEAT_8000_0001_ECX_CMP_LEGACY;
    if (!cpu->expose_kvm) {
        offer[FEAT_KVM_EAX] = 0;
    }
}

/* A time stamp counter that must not change its rate cannot be promised to a
 * guest that may move. */
static void drop_unmigratable(const X86CPU *cpu, X86FeatureSet set)
{
    if (cpu->migratable) {
        set[FEAT_8000_0007_EDX] &= ~(1u << 8);
    }
    for (int w = 0; w < FEAT_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            if (!x86_feature_words[w].names[b]) {
                set[w] &= ~(1u << b);
            }
        }
    }
}

static bool refuse_missing(const X86CPU *cpu, X86FeatureSet which, Error **errp)
{
    for (int w = 0; w < FEAT_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            if (x86_feature_test(which, (X86FeatureWord)w, b)) {
                g_autofree char *what =
                    x86_feature_describe((X86FeatureWord)w, b);
                error_setg(errp,
                           "the host does not support the requested CPU "
                           "feature: %s",
                           what);
                return false;
            }
        }
    }
    return true;
}

bool x86_cpu_setup_features(X86CPU *cpu, const X86CPUIDTable *supported,
                            Error **errp)
{
    const X86CPUModel *model = X86_CPU_GET_CLASS(cpu)->model;
    X86FeatureSet offer;
    X86FeatureSet asked_missing;

    x86_features_from_cpuid(supported, offer);
    adjust_offer(cpu, offer);
    for (int w = 0; w < FEAT_WORDS; w++) {
        uint32_t want = model->features[w];

        if (model->from_host) {
            X86FeatureSet all;
            memcpy(all, offer, sizeof(all));
            drop_unmigratable(cpu, all);
            want = all[w];
        }
        if (w == FEAT_KVM_EAX && cpu->expose_kvm) {
            want = offer[w];
        }
        want = (want | cpu->user_on[w]) & ~cpu->user_off[w];
        cpu->features[w] = want & offer[w];
        cpu->missing[w] = want & ~offer[w];
        asked_missing[w] = cpu->missing[w] & cpu->user_on[w];
    }
    if (!refuse_missing(cpu, asked_missing, errp)) {
        return false;
    }
    return !cpu->enforce || refuse_missing(cpu, cpu->missing, errp);
}

char **x86_cpu_unavailable(const X86CPU *cpu)
{
    GPtrArray *names = g_ptr_array_new();

    for (int w = 0; w < FEAT_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            if (x86_feature_test(cpu->missing, (X86FeatureWord)w, b)) {
                g_ptr_array_add(names, g_strdup(x86_feature_words[w].names[b]));
            }
        }
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

/* -- leaves ------------------------------------------------------------------ */

static void add(X86CPUIDTable *t, uint32_t function, uint32_t a, uint32_t b,
                uint32_t c, uint32_t d)
{
    x86_cpuid_add(
        t, &(X86CPUIDEntry){
               .function = function, .eax = a, .ebx = b, .ecx = c, .edx = d });
}

static void add_indexed(X86CPUIDTable *t, uint32_t function, uint32_t index,
                        uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    x86_cpuid_add(t, &(X86CPUIDEntry){ .function = function,
                                       .index = index,
                                       .has_index = true,
                                       .eax = a,
                                       .ebx = b,
                                       .ecx = c,
                                       .edx = d });
}

static uint32_t word4(const char *text, size_t at)
{
    uint32_t v = 0;
    size_t len = strlen(text);

    for (size_t i = 0; i < 4; i++) {
        if (at + i < len) {
            v |= (uint32_t)(uint8_t)text[at + i] << (8 * i);
        }
    }
    return v;
}

/* Family, model and stepping as leaf 1 codes them (SDM 2A, figure 3-6). */
static uint32_t signature(const X86CPU *cpu)
{
    uint32_t family = MIN(cpu->family, 15u);
    uint32_t ext_family = cpu->family - family;

    return (cpu->stepping & 15) | (cpu->model & 15) << 4 | family << 8 |
           (cpu->model >> 4 & 15) << 16 | (ext_family & 255) << 20;
}

static void add_basic(X86CPUIDTable *t, const X86CPU *cpu,
                      const CpuTopology *topo, const X86CPUPlace *place)
{
    const uint32_t *f = cpu->features;
    unsigned in_package = topo->dies * topo->cores * topo->threads;
    uint32_t edx = f[FEAT_1_EDX];

    edx = in_package > 1 ? edx | FEAT_1_EDX_HTT : edx & ~FEAT_1_EDX_HTT;
    add(t, 0, cpu->level, word4(cpu->vendor, 0), word4(cpu->vendor, 8),
        word4(cpu->vendor, 4));
    add(t, 1, signature(cpu),
        place->apic_id << 24 | (in_package & 255) << 16 |
            CLFLUSH_8BYTE_UNITS << 8,
        f[FEAT_1_ECX] & ~FEAT_1_ECX_OSXSAVE, edx);
    if (cpu->level >= 2) {
        /* 32 KiB L1, 2 MiB L2, in the descriptor codes of table 3-12. */
        add(t, 2, 0x00000001, 0, 0x0000004d, 0x002c307d);
    }
    if (cpu->level >= 6) {
        add(t, 5, 0, 0, 0, 0);
        add(t, 6, f[FEAT_6_EAX], 0, 0, 0);
    }
    if (cpu->level >= 7) {
        bool sub1 = f[FEAT_7_1_EAX] != 0;
        add_indexed(t, 7, 0, sub1, f[FEAT_7_0_EBX], f[FEAT_7_0_ECX],
                    f[FEAT_7_0_EDX]);
        if (sub1) {
            add_indexed(t, 7, 1, f[FEAT_7_1_EAX], 0, 0, 0);
        }
    }
}

/* One line of leaf 4: SDM 2A, "INPUT EAX = 04H". */
static void add_cache(X86CPUIDTable *t, uint32_t index, unsigned type,
                      unsigned level, unsigned ways, unsigned sets,
                      unsigned sharers, unsigned cores_in_package)
{
    const unsigned line = 64;

    add_indexed(t, 4, index,
                type | level << 5 | 1u << 8 | (sharers - 1) << 14 |
                    (cores_in_package - 1) << 26,
                (line - 1) | (ways - 1) << 22, sets - 1, 1);
}

static void add_topology(X86CPUIDTable *t, const X86CPU *cpu,
                         const CpuTopology *topo, const X86CPUPlace *place)
{
    unsigned smt = 1u << place->smt_bits;
    unsigned package = 1u << place->pkg_bits;
    unsigned cores = MIN(64u, package >> place->smt_bits);

    if (cpu->level >= 4) {
        add_cache(t, 0, 1, 1, 8, 64, smt, cores);    /* L1 data, 32 KiB */
        add_cache(t, 1, 2, 1, 8, 64, smt, cores);    /* L1 code, 32 KiB */
        add_cache(t, 2, 3, 2, 16, 4096, smt, cores); /* L2, 4 MiB */
        add_cache(t, 3, 3, 3, 16, 16384, MIN(package, 4096u), cores); /* L3 */
        add_indexed(t, 4, 4, 0, 0, 0, 0);
    }
    if (cpu->level >= 0xb) {
        add_indexed(t, 0xb, 0, place->smt_bits, topo->threads, 0x100,
                    place->apic_id);
        add_indexed(t, 0xb, 1, place->pkg_bits,
                    topo->dies * topo->cores * topo->threads, 0x201,
                    place->apic_id);
        add_indexed(t, 0xb, 2, 0, 0, 2, place->apic_id);
    }
}

/* Leaf 0xd as the accelerator has it, cut to what the features allow. */
static void add_xsave(X86CPUIDTable *t, const X86CPU *cpu,
                      const X86CPUIDTable *supported)
{
    static const struct {
        unsigned bit; /* of XCR0 */
        X86FeatureWord word;
        unsigned feature;
    } needs[] = {
        { 2, FEAT_1_ECX, 28 },   { 5, FEAT_7_0_EBX, 16 },
        { 6, FEAT_7_0_EBX, 16 }, { 7, FEAT_7_0_EBX, 16 },
        { 9, FEAT_7_0_ECX, 3 },
    };
    const X86CPUIDEntry *host = x86_cpuid_find(supported, 0xd, 0);
    uint32_t xcr0 = XCR0_LEGACY;
    uint32_t bytes = 576; /* legacy area and header */

    if (!(cpu->features[FEAT_1_ECX] & FEAT_1_ECX_XSAVE) || !host ||
        cpu->level < 0xd) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        const X86CPUIDEntry *e = x86_cpuid_find(supported, 0xd, needs[i].bit);

        if (e && (host->eax & (1u << needs[i].bit)) &&
            x86_feature_test(cpu->features, needs[i].word, needs[i].feature)) {
            xcr0 |= 1u << needs[i].bit;
            bytes = MAX(bytes, e->eax + e->ebx);
            add_indexed(t, 0xd, needs[i].bit, e->eax, e->ebx, e->ecx, e->edx);
        }
    }
    add_indexed(t, 0xd, 0, xcr0, bytes, bytes, 0);
    add_indexed(t, 0xd, 1, cpu->features[FEAT_XSAVE_1_EAX], 0, 0, 0);
}

static void add_extended(X86CPUIDTable *t, const X86CPU *cpu,
                         const X86CPUIDTable *supported,
                         const CpuTopology *topo, const X86CPUPlace *place)
{
    const uint32_t *f = cpu->features;
    const X86CPUIDEntry *host8 = x86_cpuid_find(supported, 0x80000008, 0);
    uint32_t phys = cpu->phys_bits;
    unsigned in_package = topo->dies * topo->cores * topo->threads;
    uint32_t linear = (f[FEAT_7_0_ECX] & (1u << 16)) ? 57 : 48;

    if (!phys) {
        phys =
            cpu->host_phys_bits && host8 ? host8->eax & 255 : DEFAULT_PHYS_BITS;
    }
    add(t, LEAF_EXTENDED, cpu->xlevel, word4(cpu->vendor, 0),
        word4(cpu->vendor, 8), word4(cpu->vendor, 4));
    add(t, 0x80000001, signature(cpu), 0, f[FEAT_8000_0001_ECX],
        f[FEAT_8000_0001_EDX]);
    for (uint32_t i = 0; i < 3; i++) {
        size_t at = (size_t)i * 16;
        add(t, 0x80000002 + i, word4(cpu->model_id, at),
            word4(cpu->model_id, at + 4), word4(cpu->model_id, at + 8),
            word4(cpu->model_id, at + 12));
    }
    /* AMD's way to say the same caches as leaf 4. */
    add(t, 0x80000005, 0x01ff01ff, 0x01ff01ff, 0x20080140, 0x20080140);
    add(t, 0x80000006, 0, 0x42004200, 0x10008140, 0x00408140);
    if (cpu->xlevel >= 0x80000007) {
        add(t, 0x80000007, 0, 0, 0, f[FEAT_8000_0007_EDX]);
    }
    if (cpu->xlevel >= 0x80000008) {
        add(t, 0x80000008, phys | linear << 8, f[FEAT_8000_0008_EBX],
            in_package > 1 ? place->pkg_bits << 12 | (in_package - 1) : 0, 0);
    }
}

/* What the accelerator says of the TSC's and the bus's rates. */
static void add_rates(X86CPUIDTable *t, const X86CPU *cpu,
                      const X86CPUIDTable *supported)
{
    for (uint32_t leaf = 0x15; leaf <= 0x16; leaf++) {
        const X86CPUIDEntry *e = x86_cpuid_find(supported, leaf, 0);

        if (e && e->eax && cpu->level >= leaf) {
            add(t, leaf, e->eax, e->ebx, e->ecx, e->edx);
        }
    }
}

static void add_hypervisor(X86CPUIDTable *t, const X86CPU *cpu,
                           const X86CPUIDTable *supported)
{
    const X86CPUIDEntry *sig = x86_cpuid_find(supported, LEAF_KVM, 0);

    if (!cpu->expose_kvm || !sig) {
        return;
    }
    add(t, LEAF_KVM, LEAF_KVM_FEATURES, sig->ebx, sig->ecx, sig->edx);
    add(t, LEAF_KVM_FEATURES, cpu->features[FEAT_KVM_EAX], 0, 0, 0);
}

X86CPUIDTable *x86_cpuid_build(const X86CPU *cpu,
                               const X86CPUIDTable *supported,
                               const CpuTopology *topology, unsigned index)
{
    X86CPUIDTable *t = g_new0(X86CPUIDTable, 1);
    X86CPUPlace place = x86_cpu_place(topology, index);

    add_basic(t, cpu, topology, &place);
    add_topology(t, cpu, topology, &place);
    add_xsave(t, cpu, supported);
    add_rates(t, cpu, supported);
    add_extended(t, cpu, supported, topology, &place);
    add_hypervisor(t, cpu, supported);
    return t;
}
