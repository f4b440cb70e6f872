/*
 * The table of CPUID features. Names are those of the public interface.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/cpu-features.h"

const X86FeatureWordInfo x86_feature_words[FEAT_WORDS] = {
    [FEAT_1_EDX] = { 1, 0, false, 'd', { "fpu",  "vme",   "de",   "pse",
                                         "tsc",  "msr",   "pae",  "mce",
                                         "cx8",  "apic",  NULL,   "sep",
                                         "mtrr", "pge",   "mca",  "cmov",
                                         "pat",  "pse36", "pn",   "clflush",
                                         NULL,   "ds",    "acpi", "mmx",
                                         "fxsr", "sse",   "sse2", "ss",
                                         "ht",   "tm",    "ia64", "pbe" } },
    [FEAT_1_ECX] = { 1, 0, false, 'c', { "pni",          "pclmulqdq", "dtes64",
                                         "monitor",      "ds-cpl",    "vmx",
                                         "smx",          "est",       "tm2",
                                         "ssse3",        "cid",       NULL,
                                         "fma",          "cx16",      "xtpr",
                                         "pdcm",         NULL,        "pcid",
                                         "dca",          "sse4.1",    "sse4.2",
                                         "x2apic",       "movbe",     "popcnt",
                                         "tsc-deadline", "aes",       "xsave",
                                         NULL,           "avx",       "f16c",
                                         "rdrand",       "hypervisor" } },
    [FEAT_7_0_EBX] = { 7,
                       0,
                       true,
                       'b',
                       { "fsgsbase", "tsc-adjust", "sgx",      "bmi1",
                         "hle",      "avx2",       NULL,       "smep",
                         "bmi2",     "erms",       "invpcid",  "rtm",
                         NULL,       NULL,         "mpx",      NULL,
                         "avx512f",  "avx512dq",   "rdseed",   "adx",
                         "smap",     "avx512ifma", "pcommit",  "clflushopt",
                         "clwb",     "intel-pt",   "avx512pf", "avx512er",
                         "avx512cd", "sha-ni",     "avx512bw", "avx512vl" } },
    [FEAT_7_0_ECX] = { 7, 0, true, 'c', { NULL,
                                          "avx512vbmi",
                                          "umip",
                                          "pku",
                                          NULL,
                                          "waitpkg",
                                          "avx512vbmi2",
                                          NULL,
                                          "gfni",
                                          "vaes",
                                          "vpclmulqdq",
                                          "avx512vnni",
                                          "avx512bitalg",
                                          NULL,
                                          "avx512-vpopcntdq",
                                          NULL,
                                          "la57",
                                          NULL,
                                          NULL,
                                          NULL,
                                          NULL,
                                          NULL,
                                          "rdpid",
                                          NULL,
                                          "bus-lock-detect",
                                          "cldemote",
                                          NULL,
                                          "movdiri",
                                          "movdir64b",
                                          NULL,
                                          "sgxlc",
                                          "pks" } },
    [FEAT_7_0_EDX] = { 7,
                       0,
                       true,
                       'd',
                       { NULL,
                         NULL,
                         "avx512-4vnniw",
                         "avx512-4fmaps",
                         "fsrm",
                         NULL,
                         NULL,
                         NULL,
                         "avx512-vp2intersect",
                         NULL,
                         "md-clear",
                         NULL,
                         NULL,
                         NULL,
                         "serialize",
                         NULL,
                         "tsx-ldtrk",
                         NULL,
                         NULL,
                         "arch-lbr",
                         NULL,
                         NULL,
                         "amx-bf16",
                         "avx512-fp16",
                         "amx-tile",
                         "amx-int8",
                         "spec-ctrl",
                         "stibp",
                         "flush-l1d",
                         "arch-capabilities",
                         "core-capability",
                         "ssbd" } },
    [FEAT_7_1_EAX] = { 7,
                       1,
                       true,
                       'a',
                       { [4] = "avx-vnni", [5] = "avx512-bf16" } },
    [FEAT_XSAVE_1_EAX] = { 0xd,
                           1,
                           true,
                           'a',
                           { "xsaveopt", "xsavec", "xgetbv1", "xsaves",
                             "xfd" } },
    [FEAT_6_EAX] = { 6, 0, false, 'a', { [2] = "arat" } },
    [FEAT_KVM_EAX] = { 0x40000001,
                       0,
                       false,
                       'a',
                       { "kvmclock", "kvm-nopiodelay", "kvm-mmu", "kvmclock2",
                         "kvm-asyncpf", "kvm-steal-time", "kvm-pv-eoi",
                         "kvm-pv-unhalt", NULL, "kvm-pv-tlb-flush", NULL,
                         "kvm-pv-ipi", "kvm-poll-control", "kvm-pv-sched-yield",
                         "kvm-asyncpf-int", "kvm-msi-ext-dest-id",
                         [24] = "kvmclock-stable-bit" } },
    [FEAT_8000_0001_EDX] = { 0x80000001,
                             0,
                             false,
                             'd',
                             { [11] = "syscall",
                               [19] = "mp",
                               [20] = "nx",
                               [22] = "mmxext",
                               [25] = "fxsr-opt",
                               [26] = "pdpe1gb",
                               [27] = "rdtscp",
                               [29] = "lm",
                               [30] = "3dnowext",
                               [31] = "3dnow" } },
    [FEAT_8000_0001_ECX] = { 0x80000001,
                             0,
                             false,
                             'c',
                             { "lahf-lm",   "cmp-legacy",  "svm",
                               "extapic",   "cr8legacy",   "abm",
                               "sse4a",     "misalignsse", "3dnowprefetch",
                               "osvw",      "ibs",         "xop",
                               "skinit",    "wdt",         NULL,
                               "lwp",       "fma4",        "tce",
                               NULL,        "nodeid-msr",  NULL,
                               "tbm",       "topoext",     "perfctr-core",
                               "perfctr-nb" } },
    [FEAT_8000_0007_EDX] = { 0x80000007, 0, false, 'd', { [8] = "invtsc" } },
    [FEAT_8000_0008_EBX] = { 0x80000008,
                             0,
                             false,
                             'b',
                             { [0] = "clzero",
                               [2] = "xsaveerptr",
                               [9] = "wbnoinvd",
                               [12] = "ibpb",
                               [14] = "ibrs",
                               [15] = "amd-stibp",
                               [24] = "amd-ssbd",
                               [25] = "virt-ssbd",
                               [26] = "amd-no-ssb",
                               [28] = "amd-psfd" } },
};

/* Second names. */
static const struct {
    const char *alias;
    const char *name;
} aliases[] = {
    { "sse3", "pni" },
    { "sse4-1", "sse4.1" },
    { "sse4-2", "sse4.2" },
    { "xd", "nx" },
    { "i64", "lm" },
    { "ffxsr", "fxsr-opt" },
    { "pclmuldq", "pclmulqdq" },
    { "kvm-steal-tm", "kvm-steal-time" },
};

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        if (*a != *b && !(*a == '_' && *b == '-')) {
            return false;
        }
    }
    return *a == *b;
}

static bool find_exact(const char *name, X86FeatureWord *ret_word,
                       unsigned *ret_bit)
{
    for (int w = 0; w < FEAT_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            const char *n = x86_feature_words[w].names[b];

            if (n && same_name(name, n)) {
                *ret_word = (X86FeatureWord)w;
                *ret_bit = b;
                return true;
            }
        }
    }
    return false;
}

bool x86_feature_find(const char *name, X86FeatureWord *ret_word,
                      unsigned *ret_bit)
{
    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++) {
        if (same_name(name, aliases[i].alias)) {
            name = aliases[i].name;
            break;
        }
    }
    return find_exact(name, ret_word, ret_bit);
}

char *x86_feature_describe(X86FeatureWord word, unsigned bit)
{
    const X86FeatureWordInfo *w = &x86_feature_words[word];

    return g_strdup_printf("CPUID.%02XH:E%cX.%s [bit %u]", w->function,
                           g_ascii_toupper(w->reg), w->names[bit], bit);
}

void x86_features_from_cpuid(const X86CPUIDTable *table, X86FeatureSet set)
{
    for (int i = 0; i < FEAT_WORDS; i++) {
        const X86FeatureWordInfo *w = &x86_feature_words[i];
        const X86CPUIDEntry *e = x86_cpuid_find(table, w->function, w->index);

        if (!e) {
            set[i] = 0;
            continue;
        }
        switch (w->reg) {
        case 'a':
            set[i] = e->eax;
            break;
        case 'b':
            set[i] = e->ebx;
            break;
        case 'c':
            set[i] = e->ecx;
            break;
        default:
            set[i] = e->edx;
            break;
        }
    }
}
