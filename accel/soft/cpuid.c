/*
 * CPUID: what the software CPU can give, and what a CPU model made of it.
 *
 * One table joins the features of the decoder with CPUID bits, in both
 * directions. Features that are executed by the host's CPU are offered only
 * where the host has them; the rest is this folder's own code.
 *
 * Leaves 15H and 16H tell the rates of the time stamp counter and of the local
 * APIC's timer, so that a guest need not measure them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "insn.h"
#include "native.h"
#include "soft-accel.h"

/* 0FFFFH: with denormals-are-zero. */
#define MXCSR_MASK    0xffffu
#define PHYS_BITS     40u
#define LINEAR_BITS   48u
#define APIC_TIMER_HZ 1000000000u
#define HZ_PER_KHZ    1000u
#define HZ_PER_MHZ    1000000u
#define BUS_MHZ       100u

typedef enum Word {
    W_1_EDX,
    W_1_ECX,
    W_7_EBX,
    W_7_ECX,
    W_7_EDX,
    W_D_1_EAX,
    W_EXT_EDX,
    W_EXT_ECX,
    W_COUNT,
} Word;

static const struct {
    uint32_t function;
    uint32_t index;
    char reg;
} words[W_COUNT] = {
    [W_1_EDX] = { 1, 0, 'd' },
    [W_1_ECX] = { 1, 0, 'c' },
    [W_7_EBX] = { 7, 0, 'b' },
    [W_7_ECX] = { 7, 0, 'c' },
    [W_7_EDX] = { 7, 0, 'd' },
    [W_D_1_EAX] = { 0xd, 1, 'a' },
    [W_EXT_EDX] = { 0x80000001, 0, 'd' },
    [W_EXT_ECX] = { 0x80000001, 0, 'c' },
};

typedef struct FeatureBit {
    uint8_t feature;
    uint8_t word;
    uint8_t bit;
    bool host; /* needs the host's CPU */
} FeatureBit;

static const FeatureBit feature_bits[] = {
    { SOFT_F_FPU, W_1_EDX, 0, true },
    { SOFT_F_CX8, W_1_EDX, 8, false },
    { SOFT_F_SEP, W_1_EDX, 11, false },
    { SOFT_F_CMOV, W_1_EDX, 15, false },
    { SOFT_F_CLFLUSH, W_1_EDX, 19, false },
    { SOFT_F_MMX, W_1_EDX, 23, true },
    { SOFT_F_FXSR, W_1_EDX, 24, false },
    { SOFT_F_SSE, W_1_EDX, 25, true },
    { SOFT_F_SSE2, W_1_EDX, 26, true },
    { SOFT_F_SSE3, W_1_ECX, 0, true },
    { SOFT_F_PCLMUL, W_1_ECX, 1, true },
    { SOFT_F_MONITOR, W_1_ECX, 3, false },
    { SOFT_F_SSSE3, W_1_ECX, 9, true },
    { SOFT_F_FMA, W_1_ECX, 12, true },
    { SOFT_F_CX16, W_1_ECX, 13, false },
    { SOFT_F_SSE41, W_1_ECX, 19, true },
    { SOFT_F_SSE42, W_1_ECX, 20, true },
    { SOFT_F_MOVBE, W_1_ECX, 22, false },
    { SOFT_F_POPCNT, W_1_ECX, 23, false },
    { SOFT_F_AES, W_1_ECX, 25, true },
    { SOFT_F_XSAVE, W_1_ECX, 26, false },
    { SOFT_F_AVX, W_1_ECX, 28, true },
    { SOFT_F_F16C, W_1_ECX, 29, true },
    { SOFT_F_RDRAND, W_1_ECX, 30, false },
    { SOFT_F_FSGSBASE, W_7_EBX, 0, false },
    { SOFT_F_BMI1, W_7_EBX, 3, false },
    { SOFT_F_AVX2, W_7_EBX, 5, true },
    { SOFT_F_BMI2, W_7_EBX, 8, false },
    { SOFT_F_INVPCID, W_7_EBX, 10, false },
    { SOFT_F_RDSEED, W_7_EBX, 18, false },
    { SOFT_F_ADX, W_7_EBX, 19, false },
    { SOFT_F_SMAP, W_7_EBX, 20, false },
    { SOFT_F_CLFLUSHOPT, W_7_EBX, 23, false },
    { SOFT_F_CLWB, W_7_EBX, 24, false },
    { SOFT_F_SHA, W_7_EBX, 29, true },
    { SOFT_F_GFNI, W_7_ECX, 8, true },
    { SOFT_F_VAES, W_7_ECX, 9, true },
    { SOFT_F_VPCLMUL, W_7_ECX, 10, true },
    { SOFT_F_RDPID, W_7_ECX, 22, false },
    { SOFT_F_MOVDIRI, W_7_ECX, 27, false },
    { SOFT_F_XSAVEOPT, W_D_1_EAX, 0, false },
    { SOFT_F_XSAVEC, W_D_1_EAX, 1, false },
    { SOFT_F_XSAVES, W_D_1_EAX, 3, false },
    { SOFT_F_SYSCALL, W_EXT_EDX, 11, false },
    { SOFT_F_RDTSCP, W_EXT_EDX, 27, false },
    { SOFT_F_LM, W_EXT_EDX, 29, false },
    { SOFT_F_LAHF64, W_EXT_ECX, 0, false },
    { SOFT_F_ABM, W_EXT_ECX, 5, false },
    { SOFT_F_SSE4A, W_EXT_ECX, 6, true },
    { SOFT_F_PREFETCHW, W_EXT_ECX, 8, false },
};

/* Offered beside them: no instruction of their own. */
static const uint32_t more[W_COUNT] = {
    /* vme de pse tsc msr pae mce apic mtrr pge mca pat pse36 ss */
    [W_1_EDX] = 0x1eu | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 9 | 1u << 12 |
                1u << 13 | 1u << 14 | 1u << 16 | 1u << 17 | 1u << 27,
    /* x2apic tsc-deadline hypervisor */
    [W_1_ECX] = 1u << 21 | 1u << 24 | 1u << 31,
    /* tsc-adjust smep erms */
    [W_7_EBX] = 1u << 1 | 1u << 7 | 1u << 9,
    /* umip */
    [W_7_ECX] = 1u << 2,
    /* fsrm spec-ctrl arch-capabilities */
    [W_7_EDX] = 1u << 4 | 1u << 26 | 1u << 29,
    /* xgetbv1 */
    [W_D_1_EAX] = 1u << 2,
    /* nx pdpe1gb */
    [W_EXT_EDX] = 1u << 20 | 1u << 26,
};

/* Not offered though the decoder knows them. */
#define NOT_OFFERED                                                            \
    (SOFT_FEATURE_BIT(SOFT_F_MONITOR) | SOFT_FEATURE_BIT(SOFT_F_XSAVES))

/* -- what can be given --------------------------------------------------------------- */

static uint64_t offered_features(void)
{
    uint64_t host = soft_native_features();
    uint64_t set = SOFT_FEATURE_BIT(SOFT_F_BASE);

    for (size_t i = 0; i < G_N_ELEMENTS(feature_bits); i++) {
        const FeatureBit *f = &feature_bits[i];
        uint64_t bit = SOFT_FEATURE_BIT(f->feature);

        if (!(NOT_OFFERED & bit) && (!f->host || (host & bit))) {
            set |= bit;
        }
    }
    return set;
}

static void words_of(uint64_t features, uint32_t w[W_COUNT])
{
    memcpy(w, more, sizeof(more));
    for (size_t i = 0; i < G_N_ELEMENTS(feature_bits); i++) {
        if (features & SOFT_FEATURE_BIT(feature_bits[i].feature)) {
            w[feature_bits[i].word] |= 1u << feature_bits[i].bit;
        }
    }
}

static void add(X86CPUIDTable *t, uint32_t function, uint32_t index,
                bool has_index, const uint32_t reg[4])
{
    x86_cpuid_add(t, &(X86CPUIDEntry){ .function = function,
                                       .index = index,
                                       .has_index = has_index,
                                       .eax = reg[0],
                                       .ebx = reg[1],
                                       .ecx = reg[2],
                                       .edx = reg[3] });
}

static void add_text(X86CPUIDTable *t, const char *text)
{
    char padded[48] = "";

    memcpy(padded, text, MIN(strlen(text), sizeof(padded)));
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t reg[4];

        memcpy(reg, padded + 16 * i, 16);
        add(t, 0x80000002 + i, 0, false, reg);
    }
}

#define VENDOR_EBX 0x756e6547u /* "GenuineIntel" */
#define VENDOR_EDX 0x49656e69u
#define VENDOR_ECX 0x6c65746eu
#define SIGNATURE  0x000806f8u /* family 6, model 8FH, stepping 8 */

static void add_xsave(X86CPUIDTable *t, const uint32_t w[W_COUNT])
{
    bool avx = w[W_1_ECX] >> 28 & 1;
    uint32_t xcr0 = SOFT_XCR0_X87 | SOFT_XCR0_SSE | (avx ? SOFT_XCR0_AVX : 0);
    uint32_t bytes = avx ? SOFT_XSAVE_BYTES : 576;

    add(t, 0xd, 0, true, (uint32_t[4]){ xcr0, bytes, bytes, 0 });
    add(t, 0xd, 1, true, (uint32_t[4]){ w[W_D_1_EAX], 0, 0, 0 });
    if (avx) {
        add(t, 0xd, 2, true, (uint32_t[4]){ 256, 576, 0, 0 });
    }
}

/*
 * The best fraction for @hz / APIC_TIMER_HZ by continued fractions. Guests
 * multiply the numerator with the crystal's kHz in 32 bits, which limits it.
 */
static void rate_fraction(uint64_t hz, uint32_t *ret_num, uint32_t *ret_den)
{
    const uint64_t max = UINT32_MAX / (APIC_TIMER_HZ / HZ_PER_KHZ);
    uint64_t a = hz;
    uint64_t b = APIC_TIMER_HZ;
    uint64_t num[2] = { 0, 1 };
    uint64_t den[2] = { 1, 0 };

    while (b) {
        uint64_t q = a / b;
        uint64_t n = q * num[1] + num[0];
        uint64_t d = q * den[1] + den[0];
        uint64_t rest = a % b;

        if (n > max || d > max) {
            break;
        }
        num[0] = num[1];
        den[0] = den[1];
        num[1] = n;
        den[1] = d;
        a = b;
        b = rest;
    }
    *ret_num = (uint32_t)num[1];
    *ret_den = (uint32_t)MAX(den[1], 1u);
}

static void add_rates(X86CPUIDTable *t, uint64_t hz)
{
    uint32_t mhz = (uint32_t)(hz / HZ_PER_MHZ);
    uint32_t num;
    uint32_t den;

    /* TSC rate = crystal * ebx / eax; the crystal drives the APIC timer. */
    rate_fraction(hz, &num, &den);
    add(t, 0x15, 0, false, (uint32_t[4]){ den, num, APIC_TIMER_HZ, 0 });
    add(t, 0x16, 0, false, (uint32_t[4]){ mhz, mhz, BUS_MHZ, 0 });
}

X86CPUIDTable *soft_cpuid_supported(AccelState *accel, Error **errp)
{
    X86CPUIDTable *t = g_new0(X86CPUIDTable, 1);
    uint32_t w[W_COUNT];

    words_of(offered_features(), w);
    add(t, 0, 0, false,
        (uint32_t[4]){ 0x16, VENDOR_EBX, VENDOR_ECX, VENDOR_EDX });
    add(t, 1, 0, false, (uint32_t[4]){ SIGNATURE, 0, w[W_1_ECX], w[W_1_EDX] });
    add(t, 6, 0, false, (uint32_t[4]){ 1u << 2 /* arat */, 0, 0, 0 });
    add(t, 7, 0, true, (uint32_t[4]){ 0, w[W_7_EBX], w[W_7_ECX], w[W_7_EDX] });
    add_xsave(t, w);
    add_rates(t, SOFT_ACCEL(accel)->tsc_hz);
    add(t, 0x80000000, 0, false, (uint32_t[4]){ 0x80000008, 0, 0, 0 });
    add(t, 0x80000001, 0, false,
        (uint32_t[4]){ SIGNATURE, 0, w[W_EXT_ECX], w[W_EXT_EDX] });
    add_text(t, "Ferry Software CPU");
    add(t, 0x80000007, 0, false, (uint32_t[4]){ 0, 0, 0, 1u << 8 });
    add(t, 0x80000008, 0, false,
        (uint32_t[4]){ PHYS_BITS | LINEAR_BITS << 8, 0, 0, 0 });
    return t;
}

uint32_t soft_mxcsr_mask(void)
{
    return MXCSR_MASK;
}

/* -- what the model has ----------------------------------------------------------------- */

static uint32_t word_of(const X86CPUIDTable *t, Word w)
{
    const X86CPUIDEntry *e =
        x86_cpuid_find(t, words[w].function, words[w].index);

    if (!e) {
        return 0;
    }
    switch (words[w].reg) {
    case 'a':
        return e->eax;
    case 'b':
        return e->ebx;
    case 'c':
        return e->ecx;
    default:
        return e->edx;
    }
}

static uint64_t cr4_of(const X86CPUIDTable *t)
{
    static const struct {
        Word word;
        uint8_t bit;
        uint32_t cr4;
    } needs[] = {
        { W_1_EDX, 1, SOFT_CR4_VME | SOFT_CR4_PVI },
        { W_1_EDX, 2, SOFT_CR4_DE },
        { W_1_EDX, 3, SOFT_CR4_PSE },
        { W_1_EDX, 4, SOFT_CR4_TSD },
        { W_1_EDX, 6, SOFT_CR4_PAE },
        { W_1_EDX, 7, SOFT_CR4_MCE },
        { W_1_EDX, 13, SOFT_CR4_PGE },
        { W_1_EDX, 24, SOFT_CR4_OSFXSR },
        { W_1_EDX, 25, SOFT_CR4_OSXMMEXCPT },
        { W_1_ECX, 26, SOFT_CR4_OSXSAVE },
        { W_7_EBX, 0, SOFT_CR4_FSGSBASE },
        { W_7_EBX, 7, SOFT_CR4_SMEP },
        { W_7_EBX, 20, SOFT_CR4_SMAP },
        { W_7_ECX, 2, SOFT_CR4_UMIP },
    };
    uint64_t cr4 = SOFT_CR4_PCE;

    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        if (word_of(t, needs[i].word) >> needs[i].bit & 1) {
            cr4 |= needs[i].cr4;
        }
    }
    return cr4;
}

static uint64_t efer_of(const X86CPUIDTable *t)
{
    uint32_t edx = word_of(t, W_EXT_EDX);

    return (edx >> 11 & 1 ? SOFT_EFER_SCE : 0u) |
           (edx >> 29 & 1 ? SOFT_EFER_LME : 0u) |
           (edx >> 20 & 1 ? SOFT_EFER_NXE : 0u);
}

bool soft_vcpu_set_cpuid(AccelVCPU *base, const X86CPUIDTable *table,
                         Error **errp)
{
    SoftCPU *cpu = soft_cpu(base);
    SoftCPUPrivate *priv = cpu->priv;
    const X86CPUIDEntry *e;

    g_free(priv->cpuid);
    priv->cpuid = g_memdup2(table, sizeof(*table));
    cpu->features = SOFT_FEATURE_BIT(SOFT_F_BASE);
    for (size_t i = 0; i < G_N_ELEMENTS(feature_bits); i++) {
        if (word_of(table, feature_bits[i].word) >> feature_bits[i].bit & 1) {
            cpu->features |= SOFT_FEATURE_BIT(feature_bits[i].feature);
        }
    }
    priv->cr4_valid = cr4_of(table);
    priv->efer_valid = efer_of(table);
    priv->has_1g_pages = word_of(table, W_EXT_EDX) >> 26 & 1;
    e = x86_cpuid_find(table, 0x80000008, 0);
    priv->phys_bits = e ? CLAMP(e->eax & 255, 32u, 52u) : 36;
    e = x86_cpuid_find(table, 0xd, 0);
    cpu->xcr0_allowed = soft_has(cpu, SOFT_F_XSAVE) && e ? e->eax : 0;
    return true;
}

/* -- the instruction ---------------------------------------------------------------------- */

/* Bits that follow the CPU's state. */
static void adjust(const SoftCPU *cpu, uint32_t function, uint32_t index,
                   uint32_t reg[4])
{
    uint32_t bytes = cpu->xcr0 & SOFT_XCR0_AVX ? SOFT_XSAVE_BYTES : 576;

    if (function == 1 && (cpu->cr4 & SOFT_CR4_OSXSAVE)) {
        reg[2] |= 1u << 27;
    } else if (function == 0xd && index == 0) {
        reg[1] = bytes;
    } else if (function == 0xd && index == 1 && (reg[0] & 2)) {
        reg[1] = bytes;
    }
}

bool soft_cpuid(SoftCPU *cpu)
{
    uint32_t function = (uint32_t)cpu->gpr[X86_RAX];
    uint32_t index = (uint32_t)cpu->gpr[X86_RCX];
    const X86CPUIDEntry *e = NULL;
    uint32_t reg[4] = { 0 };

    if (cpu->priv->cpuid) {
        e = x86_cpuid_find(cpu->priv->cpuid, function, index);
    }
    if (e) {
        reg[0] = e->eax;
        reg[1] = e->ebx;
        reg[2] = e->ecx;
        reg[3] = e->edx;
        adjust(cpu, function, index, reg);
    } else if (function == 0xb || function == 0x1f) {
        reg[2] = index & 255; /* SDM 2A: echoed where there is no level */
    }
    cpu->gpr[X86_RAX] = reg[0];
    cpu->gpr[X86_RBX] = reg[1];
    cpu->gpr[X86_RCX] = reg[2];
    cpu->gpr[X86_RDX] = reg[3];
    return true;
}
