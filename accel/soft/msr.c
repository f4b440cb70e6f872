/*
 * Model specific registers.
 *
 * Those that are just kept stand in a table (offset in SoftMSRs and which bits
 * may be set); the others have code. Unknown ones raise #GP with a trace, but
 * for a list of those that guests read without asking CPUID: they are 0.
 *
 * Source: Intel SDM volume 4; AMD APM volume 2, appendix A.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"
#include "util/error.h"

#include "soft-accel.h"

#define MSR_TSC          0x10u
#define MSR_APIC_BASE    0x1bu
#define MSR_TSC_ADJUST   0x3bu
#define MSR_SPEC_CTRL    0x48u
#define MSR_PRED_CMD     0x49u
#define MSR_UCODE_REV    0x8bu
#define MSR_MTRR_CAP     0xfeu
#define MSR_ARCH_CAPS    0x10au
#define MSR_MCG_CAP      0x179u
#define MSR_MTRR_VAR     0x200u
#define MSR_PAT          0x277u
#define MSR_MC_BANKS     0x400u
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC       0x800u
#define MSR_X2APIC_LAST  0x8ffu
#define MSR_EFER         0xc0000080u
#define MSR_FS_BASE      0xc0000100u
#define MSR_GS_BASE      0xc0000101u
#define MSR_TSC_AUX      0xc0000103u

#define MTRR_CAP_VALUE (SOFT_MTRR_VARIABLE | 1u << 8 | 1u << 10)
#define MCG_CAP_VALUE  (SOFT_MC_BANKS | 1u << 8)
/* RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO,
 * TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO,
 * ITS_NO: translated code does not speculate as the guest's code says, so what
 * a guest could do against it would only cost time. */
#define ARCH_CAPS_VALUE                                                        \
    (1ull << 0 | 1ull << 1 | 1ull << 3 | 1ull << 4 | 1ull << 5 | 1ull << 6 |   \
     1ull << 8 | 1ull << 13 | 1ull << 14 | 1ull << 15 | 1ull << 20 |           \
     1ull << 24 | 1ull << 26 | 1ull << 27 | 1ull << 62)
#define PAT_RESET         0x0007040600070406ull
#define MISC_ENABLE_RESET (1u << 0 | 1u << 11 | 1u << 12)
#define UCODE_REV_RESET   (1ull << 32)

/* -- registers that are just kept ----------------------------------------------- */

typedef enum Rule {
    RULE_ANY,
    RULE_CANONICAL,
    RULE_PAT,
} Rule;

typedef struct PlainMSR {
    uint32_t index;
    uint16_t offset; /* in SoftMSRs */
    uint8_t rule;
    uint64_t valid;
} PlainMSR;

#define PLAIN(n, field, rule, valid)                                           \
    {                                                                          \
        n, offsetof(SoftMSRs, field), rule, valid                              \
    }

static const PlainMSR plain[] = {
    PLAIN(0x3a, feature_control, RULE_ANY, 0xffff),
    PLAIN(MSR_SPEC_CTRL, spec_ctrl, RULE_ANY, 7),
    PLAIN(MSR_UCODE_REV, ucode_rev, RULE_ANY, ~0ull),
    PLAIN(0x174, sysenter_cs, RULE_ANY, 0xffffffff),
    PLAIN(0x175, sysenter_esp, RULE_CANONICAL, ~0ull),
    PLAIN(0x176, sysenter_eip, RULE_CANONICAL, ~0ull),
    PLAIN(0x17a, mcg_status, RULE_ANY, ~0ull),
    PLAIN(0x17b, mcg_ctl, RULE_ANY, ~0ull),
    PLAIN(0x1a0, misc_enable, RULE_ANY, ~0ull),
    PLAIN(0x1d9, debugctl, RULE_ANY, 3),
    PLAIN(0x250, mtrr_fixed[0], RULE_ANY, ~0ull),
    PLAIN(0x258, mtrr_fixed[1], RULE_ANY, ~0ull),
    PLAIN(0x259, mtrr_fixed[2], RULE_ANY, ~0ull),
    PLAIN(0x268, mtrr_fixed[3], RULE_ANY, ~0ull),
    PLAIN(0x269, mtrr_fixed[4], RULE_ANY, ~0ull),
    PLAIN(0x26a, mtrr_fixed[5], RULE_ANY, ~0ull),
    PLAIN(0x26b, mtrr_fixed[6], RULE_ANY, ~0ull),
    PLAIN(0x26c, mtrr_fixed[7], RULE_ANY, ~0ull),
    PLAIN(0x26d, mtrr_fixed[8], RULE_ANY, ~0ull),
    PLAIN(0x26e, mtrr_fixed[9], RULE_ANY, ~0ull),
    PLAIN(0x26f, mtrr_fixed[10], RULE_ANY, ~0ull),
    PLAIN(MSR_PAT, pat, RULE_PAT, ~0ull),
    PLAIN(0x2ff, mtrr_def_type, RULE_ANY, 0xcff),
    PLAIN(0xc0000081, star, RULE_ANY, ~0ull),
    PLAIN(0xc0000082, lstar, RULE_CANONICAL, ~0ull),
    PLAIN(0xc0000083, cstar, RULE_CANONICAL, ~0ull),
    PLAIN(0xc0000084, fmask, RULE_ANY, 0xffffffff),
    PLAIN(0xc0000102, kernel_gs_base, RULE_CANONICAL, ~0ull),
    PLAIN(MSR_TSC_AUX, tsc_aux, RULE_ANY, 0xffffffff),
};

/* Read as 0, writes are dropped: control of power, bus, microcode. */
static const uint32_t zero[] = {
    0x17,       0x2a,       0x34,       0x79,       0xcd,       0xce,
    0x140,      0x198,      0x199,      0x19a,      0x19b,      0x19c,
    0x1b0,      0x3f1,      0x606,      0xc0010010, 0xc0010015, 0xc001001a,
    0xc001001d, 0xc001001f, 0xc0010055, 0xc0010058, 0xc0010112, 0xc0010113,
    0xc0010114, 0xc0010117, 0xc0010140, 0xc0010141, 0xc0011020, 0xc0011021,
    0xc0011022, 0xc0011023, 0xc0011029, 0xc001102a, 0xc001100c,
};

static const PlainMSR *find_plain(uint32_t index)
{
    for (size_t i = 0; i < G_N_ELEMENTS(plain); i++) {
        if (plain[i].index == index) {
            return &plain[i];
        }
    }
    return NULL;
}

static bool is_zero(uint32_t index)
{
    for (size_t i = 0; i < G_N_ELEMENTS(zero); i++) {
        if (zero[i] == index) {
            return true;
        }
    }
    return false;
}

/* Registers that exist only with a CPUID bit. */
static bool is_offered(const SoftCPU *cpu, uint32_t index)
{
    const X86CPUIDEntry *e = NULL;
    uint32_t edx;

    if (index != MSR_TSC_ADJUST && index != MSR_SPEC_CTRL &&
        index != MSR_PRED_CMD && index != MSR_ARCH_CAPS) {
        return true;
    }
    if (cpu->priv->cpuid) {
        e = x86_cpuid_find(cpu->priv->cpuid, 7, 0);
    }
    edx = e ? e->edx : 0;
    switch (index) {
    case MSR_TSC_ADJUST:
        return e && (e->ebx & 1u << 1);
    case MSR_ARCH_CAPS:
        return edx & 1u << 29;
    default:
        return edx & 1u << 26;
    }
}

static bool pat_valid(uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        unsigned type = value >> (8 * i) & 0xff;

        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

static bool rule_allows(const PlainMSR *m, uint64_t value)
{
    if (value & ~m->valid) {
        return false;
    }
    switch (m->rule) {
    case RULE_CANONICAL:
        return soft_canonical(value);
    case RULE_PAT:
        return pat_valid(value);
    default:
        return true;
    }
}

/* The variable MTRRs and the machine check banks; NULL if it is neither. */
static uint64_t *banked(SoftCPU *cpu, uint32_t index)
{
    if (index - MSR_MTRR_VAR < 2 * SOFT_MTRR_VARIABLE) {
        unsigned n = (index - MSR_MTRR_VAR) / 2;

        return index & 1 ? &cpu->msr.mtrr_mask[n] : &cpu->msr.mtrr_base[n];
    }
    if (index - MSR_MC_BANKS < 4 * SOFT_MC_BANKS) {
        unsigned n = index - MSR_MC_BANKS;

        return &cpu->msr.mc_bank[n / 4][n % 4];
    }
    return NULL;
}

static uint64_t *plain_field(SoftCPU *cpu, const PlainMSR *m)
{
    return (uint64_t *)((char *)&cpu->msr + m->offset);
}

/* Is it the interrupt controller's? */
static bool is_apic(const SoftCPU *cpu, uint32_t index)
{
    return cpu->priv->has_apic &&
           (index == MSR_APIC_BASE || index == MSR_TSC_DEADLINE ||
            (index >= MSR_X2APIC && index <= MSR_X2APIC_LAST));
}

static bool refuse(SoftCPU *cpu, const char *what, uint32_t index,
                   uint64_t value)
{
    trace_soft_msr_refused(cpu->base.index, what, index, value);
    return soft_raise_gp(cpu);
}

/* -- reading ---------------------------------------------------------------------- */

static bool read_special(SoftCPU *cpu, uint32_t index, uint64_t *ret)
{
    switch (index) {
    case MSR_TSC:
        *ret = soft_tsc(cpu);
        return true;
    case MSR_TSC_ADJUST:
        *ret = cpu->msr.tsc_adjust;
        return true;
    case MSR_MTRR_CAP:
        *ret = MTRR_CAP_VALUE;
        return true;
    case MSR_MCG_CAP:
        *ret = MCG_CAP_VALUE;
        return true;
    case MSR_ARCH_CAPS:
        *ret = ARCH_CAPS_VALUE;
        return true;
    case MSR_EFER:
        *ret = cpu->efer;
        return true;
    case MSR_FS_BASE:
        *ret = cpu->seg[X86_FS].base;
        return true;
    case MSR_GS_BASE:
        *ret = cpu->seg[X86_GS].base;
        return true;
    default:
        return false;
    }
}

bool soft_msr_read(SoftCPU *cpu, uint32_t index, uint64_t *ret)
{
    AccelState *a = cpu->base.accel;
    const PlainMSR *m;
    const uint64_t *field;

    if (is_apic(cpu, index)) {
        return a->irq_host->msr_read(a->irq_opaque, cpu->base.index, index,
                                     ret) ||
               refuse(cpu, "read", index, 0);
    }
    if (!is_offered(cpu, index)) {
        return refuse(cpu, "read", index, 0);
    }
    m = find_plain(index);
    field = m ? plain_field(cpu, m) : banked(cpu, index);
    if (field) {
        *ret = *field;
        return true;
    }
    if (read_special(cpu, index, ret)) {
        return true;
    }
    *ret = 0;
    return is_zero(index) || refuse(cpu, "read", index, 0);
}

/* -- writing ---------------------------------------------------------------------- */

static bool write_efer(SoftCPU *cpu, uint64_t value)
{
    uint64_t changed;

    value = (value & ~(uint64_t)SOFT_EFER_LMA) | (cpu->efer & SOFT_EFER_LMA);
    changed = value ^ cpu->efer;
    if ((value & ~(cpu->priv->efer_valid | SOFT_EFER_LMA)) ||
        ((changed & SOFT_EFER_LME) && (cpu->cr0 & X86_CR0_PG))) {
        return soft_raise_gp(cpu);
    }
    cpu->efer = value;
    if (changed & SOFT_EFER_NXE) {
        soft_tlb_flush(cpu, true);
    }
    soft_update_mode(cpu);
    return true;
}

static bool write_base(SoftCPU *cpu, unsigned seg, uint64_t value)
{
    if (!soft_canonical(value)) {
        return soft_raise_gp(cpu);
    }
    cpu->seg[seg].base = value;
    return true;
}

/* Writing the TSC moves TSC_ADJUST by as much (SDM 3B 17.17.3). */
static void write_tsc(SoftCPU *cpu, uint64_t value)
{
    uint64_t delta = value - soft_tsc(cpu);

    cpu->msr.tsc_adjust += delta;
    cpu->tsc_offset += delta;
}

static bool write_special(SoftCPU *cpu, uint32_t index, uint64_t value,
                          bool *ret_known)
{
    *ret_known = true;
    switch (index) {
    case MSR_TSC:
        write_tsc(cpu, value);
        return true;
    case MSR_TSC_ADJUST:
        cpu->tsc_offset += value - cpu->msr.tsc_adjust;
        cpu->msr.tsc_adjust = value;
        return true;
    case MSR_PRED_CMD:
        return !(value & ~1ull) || soft_raise_gp(cpu);
    case MSR_EFER:
        return write_efer(cpu, value);
    case MSR_FS_BASE:
        return write_base(cpu, X86_FS, value);
    case MSR_GS_BASE:
        return write_base(cpu, X86_GS, value);
    default:
        *ret_known = false;
        return false;
    }
}

static bool write_plain(SoftCPU *cpu, const PlainMSR *m, uint64_t value)
{
    if (m->index == MSR_UCODE_REV) {
        return true; /* as real ones: read back is the revision */
    }
    if (!rule_allows(m, value)) {
        return refuse(cpu, "write", m->index, value);
    }
    *plain_field(cpu, m) = value;
    return true;
}

bool soft_msr_write(SoftCPU *cpu, uint32_t index, uint64_t value)
{
    AccelState *a = cpu->base.accel;
    const PlainMSR *m;
    uint64_t *field;
    bool known;

    if (is_apic(cpu, index)) {
        if (!a->irq_host->msr_write(a->irq_opaque, cpu->base.index, index,
                                    value)) {
            return refuse(cpu, "write", index, value);
        }
        if (index == MSR_APIC_BASE) {
            soft_apic_base_changed(cpu);
        }
        return true;
    }
    if (!is_offered(cpu, index)) {
        return refuse(cpu, "write", index, value);
    }
    m = find_plain(index);
    if (m) {
        return write_plain(cpu, m, value);
    }
    field = banked(cpu, index);
    if (field) {
        *field = value;
        return true;
    }
    if (write_special(cpu, index, value, &known)) {
        return true;
    }
    return !known && (is_zero(index) || refuse(cpu, "write", index, value));
}

void soft_apic_base_changed(SoftCPU *cpu)
{
    AccelState *a = cpu->base.accel;
    uint64_t old = cpu->priv->apic_page;
    uint64_t value = 0;
    const uint64_t bits = X86_APICBASE_ENABLE | 1u << 10;

    if (cpu->priv->has_apic) {
        a->irq_host->msr_read(a->irq_opaque, cpu->base.index, MSR_APIC_BASE,
                              &value);
    }
    cpu->priv->apic_page = (value & bits) == X86_APICBASE_ENABLE
                               ? value & 0x000ffffffffff000ull
                               : SOFT_NO_GPA;
    if (cpu->priv->apic_page != old) {
        soft_tlb_flush(cpu, true);
    }
}

/* -- instructions ------------------------------------------------------------------- */

bool soft_rdmsr(SoftCPU *cpu)
{
    uint64_t value;

    if (!soft_need_cpl0(cpu) ||
        !soft_msr_read(cpu, (uint32_t)cpu->gpr[X86_RCX], &value)) {
        return false;
    }
    cpu->gpr[X86_RAX] = (uint32_t)value;
    cpu->gpr[X86_RDX] = value >> 32;
    return true;
}

bool soft_wrmsr(SoftCPU *cpu)
{
    uint64_t value = (uint32_t)cpu->gpr[X86_RAX] | cpu->gpr[X86_RDX] << 32;

    return soft_need_cpl0(cpu) &&
           soft_msr_write(cpu, (uint32_t)cpu->gpr[X86_RCX], value);
}

/* -- reset and state ------------------------------------------------------------------ */

void soft_msr_reset(SoftCPU *cpu)
{
    cpu->msr = (SoftMSRs){ .pat = PAT_RESET,
                           .misc_enable = MISC_ENABLE_RESET,
                           .ucode_rev = UCODE_REV_RESET,
                           .mcg_ctl = ~0ull };
    for (unsigned i = 0; i < SOFT_MC_BANKS; i++) {
        cpu->msr.mc_bank[i][0] = ~0ull;
    }
}

/* In the order in which they can be set. */
static const uint32_t state_special[] = {
    MSR_TSC,
    MSR_TSC_ADJUST,
    MSR_APIC_BASE,
    MSR_TSC_DEADLINE,
};

size_t soft_msr_list(SoftCPU *cpu, uint32_t *list, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(state_special); i++) {
        if (n < room && is_offered(cpu, state_special[i]) &&
            (state_special[i] == MSR_TSC ||
             state_special[i] == MSR_TSC_ADJUST ||
             is_apic(cpu, state_special[i]))) {
            list[n++] = state_special[i];
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(plain) && n < room; i++) {
        if (is_offered(cpu, plain[i].index)) {
            list[n++] = plain[i].index;
        }
    }
    for (uint32_t i = 0; i < 2 * SOFT_MTRR_VARIABLE && n < room; i++) {
        list[n++] = MSR_MTRR_VAR + i;
    }
    for (uint32_t i = 0; i < 4 * SOFT_MC_BANKS && n < room; i++) {
        list[n++] = MSR_MC_BANKS + i;
    }
    return n;
}

bool soft_msr_restore(SoftCPU *cpu, uint32_t index, uint64_t value)
{
    switch (index) {
    case MSR_TSC:
        soft_tsc_set(cpu, value);
        return true;
    case MSR_TSC_ADJUST:
        cpu->msr.tsc_adjust = value;
        return true;
    case MSR_UCODE_REV:
        cpu->msr.ucode_rev = value;
        return true;
    default:
        break;
    }
    if (!soft_msr_write(cpu, index, value)) {
        cpu->exception.pending = false;
        return false;
    }
    return true;
}

/* What tells about the host, and the values that registers of other processors
 * have if nobody has set them. */
static bool says_nothing(const X86MSR *m)
{
    static const X86MSR usual[] = {
        { 0x9e, 0x30000 },          /* base of system management */
        { 0x4b564d05, 1 },          /* polling of the host's */
        { 0xc0000104, 1ull << 32 }, /* ratio of the counter */
    };
    static const uint32_t about_host[] = { MSR_MTRR_CAP, MSR_ARCH_CAPS,
                                           MSR_MCG_CAP, 0x345 };

    for (size_t i = 0; i < G_N_ELEMENTS(usual); i++) {
        if (m->index == usual[i].index && m->value == usual[i].value) {
            return true;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(about_host); i++) {
        if (m->index == about_host[i]) {
            return true;
        }
    }
    return !m->value || (m->index >= 0x480 && m->index <= 0x493);
}

bool soft_msr_may_leave_out(SoftCPU *cpu, const X86MSR *m, Error **errp)
{
    if (says_nothing(m)) {
        return true;
    }
    error_setg(errp,
               "CPU %u: MSR 0x%x of the guest has 0x%" PRIx64
               ", which this CPU has not",
               cpu->base.index, m->index, m->value);
    return false;
}
