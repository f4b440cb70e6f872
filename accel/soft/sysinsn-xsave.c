/*
 * Processor state in memory: FXSAVE, XSAVE and their kin, XCR0, and which unit
 * an instruction may use.
 *
 * Areas are put together in a buffer and moved by soft_mem_*(), 64 bytes at a
 * time, after the whole range was probed.
 *
 * Source: Intel SDM volume 1, 10.5 and chapter 13.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "insn.h"
#include "soft-accel.h"

#define FX_MXCSR      24u
#define FX_MXCSR_MASK 28u
#define FX_ST         32u
#define FX_XMM        160u
#define FX_USED       416u
#define XS_HEADER     512u
#define XS_AVX        576u
#define XS_AVX_BYTES  256u
#define XCOMP_COMPACT (1ull << 63)
#define MXCSR_INIT    0x1f80u
#define FCW_INIT      0x37fu
#define FCW_RESET     0x40u
#define FSW_ES        0x80u

/* -- units ----------------------------------------------------------------------- */

static bool x87_ready(SoftCPU *cpu)
{
    soft_x87_sync(cpu);
    return !(cpu->fx[2] & FSW_ES) || soft_raise(cpu, SOFT_EXC_MF);
}

bool soft_unit_check(SoftCPU *cpu, SoftUnit unit)
{
    uint32_t f = cpu->mode_flags;

    switch (unit) {
    case SOFT_UNIT_X87:
    case SOFT_UNIT_X87_CTRL:
        if (f & SOFT_MODE_X87_NM) {
            return soft_raise(cpu, SOFT_EXC_NM);
        }
        return unit == SOFT_UNIT_X87_CTRL || x87_ready(cpu);
    case SOFT_UNIT_FWAIT:
        if (f & SOFT_MODE_WAIT_NM) {
            return soft_raise(cpu, SOFT_EXC_NM);
        }
        return x87_ready(cpu);
    case SOFT_UNIT_MMX:
        if (f & SOFT_MODE_MMX_UD) {
            return soft_raise(cpu, SOFT_EXC_UD);
        }
        if (f & SOFT_MODE_TS) {
            return soft_raise(cpu, SOFT_EXC_NM);
        }
        return x87_ready(cpu);
    case SOFT_UNIT_SSE:
    case SOFT_UNIT_AVX:
        if (f & (unit == SOFT_UNIT_SSE ? SOFT_MODE_SSE_UD : SOFT_MODE_AVX_UD)) {
            return soft_raise(cpu, SOFT_EXC_UD);
        }
        return !(f & SOFT_MODE_TS) || soft_raise(cpu, SOFT_EXC_NM);
    }
    return true;
}

/* -- moving areas ------------------------------------------------------------------ */

static bool area_write(SoftCPU *cpu, uint64_t linear, const uint8_t *buf,
                       unsigned len)
{
    for (unsigned at = 0; at < len; at += 64) {
        if (!soft_mem_write(cpu, linear + at, buf + at, MIN(64u, len - at))) {
            return false;
        }
    }
    return true;
}

static bool area_read(SoftCPU *cpu, uint64_t linear, uint8_t *buf, unsigned len)
{
    for (unsigned at = 0; at < len; at += 64) {
        if (!soft_mem_read(cpu, linear + at, buf + at, MIN(64u, len - at))) {
            return false;
        }
    }
    return true;
}

static bool aligned(SoftCPU *cpu, uint64_t linear, unsigned to)
{
    return !(linear & (to - 1)) || soft_raise_gp(cpu);
}

/* -- the legacy area ----------------------------------------------------------------- */

static unsigned vecs_of_mode(const SoftCPU *cpu)
{
    return soft_long64(cpu) ? 16 : 8;
}

static void put_x87(const SoftCPU *cpu, uint8_t *area, bool wide)
{
    memcpy(area, cpu->fx, FX_MXCSR);
    if (!wide) {
        /* 32-bit offsets, and selectors, which are not kept. */
        memset(area + 12, 0, 4);
        memset(area + 20, 0, 4);
    }
    memcpy(area + FX_ST, cpu->fx + FX_ST, FX_XMM - FX_ST);
}

static void take_x87(SoftCPU *cpu, const uint8_t *area, bool wide)
{
    memcpy(cpu->fx, area, FX_MXCSR);
    cpu->fx[5] = 0;
    if (!wide) {
        memset(cpu->fx + 12, 0, 4);
        memset(cpu->fx + 20, 0, 4);
    }
    memcpy(cpu->fx + FX_ST, area + FX_ST, FX_XMM - FX_ST);
    /* The upper six bytes of each register are not part of the state. */
    for (unsigned i = 0; i < 8; i++) {
        memset(cpu->fx + FX_ST + 16 * i + 10, 0, 6);
    }
}

static void init_x87(SoftCPU *cpu, uint16_t fcw)
{
    memset(cpu->fx, 0, sizeof(cpu->fx));
    memcpy(cpu->fx, &fcw, 2);
}

static void put_mxcsr(const SoftCPU *cpu, uint8_t *area)
{
    memcpy(area + FX_MXCSR, &cpu->mxcsr, 4);
    memcpy(area + FX_MXCSR_MASK, &cpu->mxcsr_mask, 4);
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return v;
}

static void put_xmm(const SoftCPU *cpu, uint8_t *area, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(area + FX_XMM + 16 * i, cpu->vec[i], 16);
    }
}

static void take_xmm(SoftCPU *cpu, const uint8_t *area, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(cpu->vec[i], area + FX_XMM + 16 * i, 16);
    }
}

bool soft_ldmxcsr(SoftCPU *cpu, uint32_t value)
{
    if (value & ~cpu->mxcsr_mask) {
        return soft_raise_gp(cpu);
    }
    cpu->mxcsr = value;
    return true;
}

static bool fx_ready(SoftCPU *cpu, uint64_t linear)
{
    if (cpu->cr0 & (SOFT_CR0_EM | SOFT_CR0_TS)) {
        return soft_raise(cpu, SOFT_EXC_NM);
    }
    soft_x87_sync(cpu);
    return aligned(cpu, linear, 16);
}

bool soft_fxsave(SoftCPU *cpu, uint64_t linear, bool wide)
{
    uint8_t area[FX_USED] = { 0 };

    if (!fx_ready(cpu, linear) ||
        !soft_mem_probe(cpu, linear, SOFT_FX_BYTES, SOFT_ACCESS_WRITE)) {
        return false;
    }
    put_x87(cpu, area, wide);
    put_mxcsr(cpu, area);
    put_xmm(cpu, area, vecs_of_mode(cpu));
    return area_write(cpu, linear, area,
                      soft_long64(cpu) ? FX_USED : FX_XMM + 8 * 16);
}

bool soft_fxrstor(SoftCPU *cpu, uint64_t linear, bool wide)
{
    uint8_t area[SOFT_FX_BYTES];

    if (!fx_ready(cpu, linear) ||
        !area_read(cpu, linear, area, SOFT_FX_BYTES) ||
        !soft_ldmxcsr(cpu, get32(area + FX_MXCSR))) {
        return false;
    }
    take_x87(cpu, area, wide);
    take_xmm(cpu, area, vecs_of_mode(cpu));
    return true;
}

/* -- XSAVE ------------------------------------------------------------------------------- */

static bool all_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

/* XINUSE: x87 is always said to be in use, which is allowed (SDM 1 13.6). */
static uint64_t in_use(const SoftCPU *cpu)
{
    uint64_t bits = SOFT_XCR0_X87;

    for (unsigned i = 0; i < SOFT_VECS; i++) {
        if (!all_zero(cpu->vec[i], 16)) {
            bits |= SOFT_XCR0_SSE;
        }
        if (!all_zero(cpu->vec[i] + 16, 16)) {
            bits |= SOFT_XCR0_AVX;
        }
    }
    return bits;
}

static uint64_t edx_eax(const SoftCPU *cpu)
{
    return (uint32_t)cpu->gpr[X86_RAX] | cpu->gpr[X86_RDX] << 32;
}

static bool xs_ready(SoftCPU *cpu, uint64_t linear)
{
    if (!(cpu->cr4 & SOFT_CR4_OSXSAVE)) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    if (cpu->cr0 & SOFT_CR0_TS) {
        return soft_raise(cpu, SOFT_EXC_NM);
    }
    soft_x87_sync(cpu);
    return aligned(cpu, linear, 64);
}

static void put_avx(const SoftCPU *cpu, uint8_t *area, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(area + XS_AVX + 16 * i, cpu->vec[i] + 16, 16);
    }
}

static void take_avx(SoftCPU *cpu, const uint8_t *area, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(cpu->vec[i] + 16, area + XS_AVX + 16 * i, 16);
    }
}

bool soft_xsave(SoftCPU *cpu, uint64_t linear, bool wide, SoftXsave form)
{
    uint8_t area[SOFT_XSAVE_BYTES] = { 0 };
    uint64_t rfbm = edx_eax(cpu) & cpu->xcr0;
    uint64_t used = in_use(cpu);
    unsigned n = vecs_of_mode(cpu);
    unsigned bytes = rfbm & SOFT_XCR0_AVX ? SOFT_XSAVE_BYTES : XS_AVX;
    uint64_t write = form == SOFT_XSAVE ? rfbm : rfbm & used;
    uint64_t bv;

    if (!xs_ready(cpu, linear) ||
        !soft_mem_probe(cpu, linear, bytes, SOFT_ACCESS_WRITE) ||
        !area_read(cpu, linear, area, bytes)) {
        return false;
    }
    if (form == SOFT_XSAVEC && cpu->mxcsr != MXCSR_INIT) {
        write |= rfbm & SOFT_XCR0_SSE;
        used |= SOFT_XCR0_SSE;
    }
    if (write & SOFT_XCR0_X87) {
        put_x87(cpu, area, wide);
    }
    if (write & SOFT_XCR0_SSE) {
        put_xmm(cpu, area, n);
    }
    if (form == SOFT_XSAVEC ? write & SOFT_XCR0_SSE
                            : rfbm & (SOFT_XCR0_SSE | SOFT_XCR0_AVX)) {
        put_mxcsr(cpu, area);
    }
    if (write & SOFT_XCR0_AVX) {
        put_avx(cpu, area, n);
    }
    bv = form == SOFT_XSAVEC ? 0 : get64(area + XS_HEADER) & ~rfbm;
    bv |= used & rfbm;
    memcpy(area + XS_HEADER, &bv, 8);
    if (form == SOFT_XSAVEC) {
        uint64_t comp = rfbm | XCOMP_COMPACT;

        memcpy(area + XS_HEADER + 8, &comp, 8);
    }
    return area_write(cpu, linear, area, bytes);
}

static bool check_header(SoftCPU *cpu, const uint8_t *area)
{
    uint64_t bv = get64(area + XS_HEADER);
    uint64_t comp = get64(area + XS_HEADER + 8);
    bool ok;

    if (comp & XCOMP_COMPACT) {
        comp &= ~XCOMP_COMPACT;
        ok = soft_has(cpu, SOFT_F_XSAVEC) && !(comp & ~cpu->xcr0) &&
             !(bv & ~comp) && all_zero(area + XS_HEADER + 16, 48);
    } else {
        ok = !(bv & ~cpu->xcr0) && all_zero(area + XS_HEADER + 8, 16);
    }
    return ok || soft_raise_gp(cpu);
}

bool soft_xrstor(SoftCPU *cpu, uint64_t linear, bool wide)
{
    uint8_t area[SOFT_XSAVE_BYTES] = { 0 };
    uint64_t rfbm = edx_eax(cpu) & cpu->xcr0;
    unsigned n = vecs_of_mode(cpu);
    uint64_t bv;
    bool compact;
    uint32_t mxcsr = cpu->mxcsr;

    if (!xs_ready(cpu, linear) || !area_read(cpu, linear, area, XS_AVX) ||
        !check_header(cpu, area)) {
        return false;
    }
    bv = get64(area + XS_HEADER);
    compact = get64(area + XS_HEADER + 8) & XCOMP_COMPACT;
    if ((rfbm & bv & SOFT_XCR0_AVX) &&
        !area_read(cpu, linear + XS_AVX, area + XS_AVX, XS_AVX_BYTES)) {
        return false;
    }
    if (compact) {
        if (rfbm & SOFT_XCR0_SSE) {
            mxcsr = bv & SOFT_XCR0_SSE ? get32(area + FX_MXCSR) : MXCSR_INIT;
        }
    } else if (rfbm & (SOFT_XCR0_SSE | SOFT_XCR0_AVX)) {
        mxcsr = get32(area + FX_MXCSR);
    }
    if (!soft_ldmxcsr(cpu, mxcsr)) {
        return false;
    }
    if (rfbm & SOFT_XCR0_X87) {
        if (bv & SOFT_XCR0_X87) {
            take_x87(cpu, area, wide);
        } else {
            init_x87(cpu, FCW_INIT);
        }
    }
    if (!(bv & SOFT_XCR0_SSE)) {
        memset(area + FX_XMM, 0, FX_USED - FX_XMM);
    }
    if (rfbm & SOFT_XCR0_SSE) {
        take_xmm(cpu, area, n);
    }
    if (rfbm & SOFT_XCR0_AVX) {
        take_avx(cpu, area, n); /* zeros if not in bv */
    }
    return true;
}

bool soft_xgetbv(SoftCPU *cpu)
{
    uint32_t index = (uint32_t)cpu->gpr[X86_RCX];
    uint64_t value;

    if (!(cpu->cr4 & SOFT_CR4_OSXSAVE)) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    if (index == 0) {
        value = cpu->xcr0;
    } else if (index == 1 && soft_has(cpu, SOFT_F_XSAVEC)) {
        value = in_use(cpu) & cpu->xcr0;
    } else {
        return soft_raise_gp(cpu);
    }
    cpu->gpr[X86_RAX] = (uint32_t)value;
    cpu->gpr[X86_RDX] = value >> 32;
    return true;
}

bool soft_xsetbv(SoftCPU *cpu)
{
    uint64_t value = edx_eax(cpu);

    if (!(cpu->cr4 & SOFT_CR4_OSXSAVE)) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    if (soft_cpl(cpu) || (uint32_t)cpu->gpr[X86_RCX] ||
        !(value & SOFT_XCR0_X87) || (value & ~cpu->xcr0_allowed) ||
        ((value & SOFT_XCR0_AVX) && !(value & SOFT_XCR0_SSE))) {
        return soft_raise_gp(cpu);
    }
    cpu->xcr0 = value;
    soft_update_mode(cpu);
    return true;
}

/* -- all of it, for get and set state ----------------------------------------------------- */

void soft_xsave_image(SoftCPU *cpu, uint8_t *image)
{
    uint64_t bv = in_use(cpu) & (SOFT_XCR0_X87 | SOFT_XCR0_SSE | SOFT_XCR0_AVX);

    soft_x87_sync(cpu);
    memset(image, 0, SOFT_XSAVE_BYTES);
    put_x87(cpu, image, true);
    put_mxcsr(cpu, image);
    put_xmm(cpu, image, SOFT_VECS);
    put_avx(cpu, image, SOFT_VECS);
    memcpy(image + XS_HEADER, &bv, 8);
}

void soft_xrstor_image(SoftCPU *cpu, const uint8_t *image)
{
    uint64_t bv = get64(image + XS_HEADER);

    soft_fpu_reset(cpu, true);
    cpu->mxcsr = get32(image + FX_MXCSR) & cpu->mxcsr_mask;
    if (bv & SOFT_XCR0_X87) {
        take_x87(cpu, image, true);
    }
    if (bv & SOFT_XCR0_SSE) {
        take_xmm(cpu, image, SOFT_VECS);
    }
    if (bv & SOFT_XCR0_AVX) {
        take_avx(cpu, image, SOFT_VECS);
    }
}

void soft_fpu_reset(SoftCPU *cpu, bool init_only)
{
    soft_x87_sync(cpu);
    init_x87(cpu, init_only ? FCW_INIT : FCW_RESET);
    memset(cpu->vec, 0, sizeof(cpu->vec));
    cpu->mxcsr = MXCSR_INIT;
}
