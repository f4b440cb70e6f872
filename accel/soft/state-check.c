/*
 * Checks of a state that comes from another host: the engines take for granted
 * what an instruction could not have brought about.
 *
 * Source: Intel SDM volume 3A 2.5 (control registers), 4.1.2 (paging modes);
 * volume 1, 13.4 (XSAVE area).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "insn.h"
#include "soft-accel.h"

#define CR0_VALID       0xe005003full
#define XSAVE_BYTES_MIN 576u
#define XSAVE_HEADER    512u
#define XSAVE_MXCSR     24u
#define EXCEPTIONS      32u
#define XCR0_KNOWN      (SOFT_XCR0_X87 | SOFT_XCR0_SSE | SOFT_XCR0_AVX)

static bool control_valid(const SoftCPU *cpu, const X86CPUState *st)
{
    const SoftCPUPrivate *priv = cpu->priv;
    const bool pg = st->cr0 & X86_CR0_PG;
    const bool lme = st->efer & SOFT_EFER_LME;
    const bool lma = st->efer & SOFT_EFER_LMA;

    return !(st->cr0 & ~CR0_VALID) && !(pg && !(st->cr0 & X86_CR0_PE)) &&
           !((st->cr0 & X86_CR0_NW) && !(st->cr0 & X86_CR0_CD)) &&
           !(st->cr4 & ~priv->cr4_valid) &&
           !(st->efer & ~(priv->efer_valid | SOFT_EFER_LMA)) &&
           lma == (lme && pg) && !(lma && !(st->cr4 & SOFT_CR4_PAE)) &&
           !(st->cr3 & ~((1ull << priv->phys_bits) - 1));
}

static bool check_control(const SoftCPU *cpu, const X86CPUState *st,
                          Error **errp)
{
    if (!control_valid(cpu, st)) {
        error_setg(errp,
                   "CPU %u: cr0 0x%" PRIx64 ", cr3 0x%" PRIx64
                   ", cr4 0x%" PRIx64 " and efer 0x%" PRIx64
                   " are not a mode of this CPU",
                   cpu->base.index, st->cr0, st->cr3, st->cr4, st->efer);
        return false;
    }
    /* In 64-bit code the upper half of a register counts, else it has none. */
    if (!(st->efer & SOFT_EFER_LMA) && st->rip >> 32) {
        error_setg(errp, "CPU %u: rip 0x%" PRIx64 " outside of 64-bit mode",
                   cpu->base.index, st->rip);
        return false;
    }
    return true;
}

static bool all_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

static bool check_xsave(const SoftCPU *cpu, const X86CPUState *st, Error **errp)
{
    uint64_t in_use;
    uint32_t mxcsr;

    if (!st->xsave) {
        return true;
    }
    if (st->xsave_bytes < XSAVE_BYTES_MIN) {
        error_setg(errp, "CPU %u: XSAVE area of %zu bytes is too small",
                   cpu->base.index, st->xsave_bytes);
        return false;
    }
    memcpy(&in_use, st->xsave + XSAVE_HEADER, sizeof(in_use));
    memcpy(&mxcsr, st->xsave + XSAVE_MXCSR, sizeof(mxcsr));
    if (GUINT32_FROM_LE(mxcsr) & ~cpu->mxcsr_mask) {
        error_setg(errp, "CPU %u: MXCSR 0x%x has bits that this CPU has not",
                   cpu->base.index, GUINT32_FROM_LE(mxcsr));
        return false;
    }
    in_use = GUINT64_FROM_LE(in_use);
    if (((in_use & ~XCR0_KNOWN) && st->xsave_bytes > SOFT_XSAVE_BYTES &&
         !all_zero(st->xsave + SOFT_XSAVE_BYTES,
                   st->xsave_bytes - SOFT_XSAVE_BYTES)) ||
        ((in_use & SOFT_XCR0_AVX) && st->xsave_bytes < SOFT_XSAVE_BYTES)) {
        error_setg(errp,
                   "CPU %u: XSAVE components 0x%" PRIx64
                   " are in use, this CPU has 0x%" PRIx64,
                   cpu->base.index, in_use, (uint64_t)XCR0_KNOWN);
        return false;
    }
    return true;
}

/* XCR0: x87 always, AVX not without SSE (SDM 1, 13.3). */
static bool check_xcr0(const SoftCPU *cpu, const X86CPUState *st, Error **errp)
{
    uint64_t allowed = cpu->xcr0_allowed | SOFT_XCR0_X87;

    if (!(st->xcr0 & SOFT_XCR0_X87) || (st->xcr0 & ~allowed) ||
        ((st->xcr0 & SOFT_XCR0_AVX) && !(st->xcr0 & SOFT_XCR0_SSE))) {
        error_setg(errp, "CPU %u: XCR0 0x%" PRIx64 " is not one of this CPU",
                   cpu->base.index, st->xcr0);
        return false;
    }
    return true;
}

static bool check_events(const SoftCPU *cpu, const X86CPUState *st,
                         Error **errp)
{
    const X86Events *ev = &st->events;

    if (ev->exception_vector >= EXCEPTIONS) {
        error_setg(errp, "CPU %u: exception %u", cpu->base.index,
                   ev->exception_vector);
        return false;
    }
    if (ev->smm) {
        error_setg(errp,
                   "CPU %u: the guest is in system management mode, which "
                   "this CPU has not",
                   cpu->base.index);
        return false;
    }
    return true;
}

bool soft_state_check(const SoftCPU *cpu, const X86CPUState *st, Error **errp)
{
    return check_control(cpu, st, errp) && check_xcr0(cpu, st, errp) &&
           check_xsave(cpu, st, errp) && check_events(cpu, st, errp);
}
