/*
 * The registers of a local APIC: as a page of memory (xAPIC), as MSRs
 * (x2APIC), and the MSR that chooses between them.
 *
 * Both ways reach the same registers by number. What x2APIC mode refuses with
 * #GP, the page ignores or notes in ESR.
 *
 * Source: Intel SDM volume 3A 10.4 (table 10-1), 10.5 (ESR, LVT), 10.6.1
 * (ICR), 10.12 (x2APIC, table 10-6).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-hw.h"
#include "util/error.h"
#include "util/lockable.h"

#include "apic-internal.h"

#define REG_VALUE_BYTES  4u
#define ICR_SEND_PENDING 0x00001000u
#define BASE_RESERVED    0xfff00000000002ffull
#define XAPIC_ID_MASK    0xff000000u
#define DFR_RESERVED     0x0fffffffu

/* What can be written of each LVT entry. */
static const uint32_t lvt_writable[APIC_LVT_COUNT] = {
    [APIC_LVT_TIMER] = APIC_LVT_VECTOR | APIC_LVT_MASKED | APIC_LVT_TIMER_MODE,
    [APIC_LVT_THERMAL] = APIC_LVT_VECTOR | APIC_LVT_MASKED | 0x700,
    [APIC_LVT_PERF] = APIC_LVT_VECTOR | APIC_LVT_MASKED | 0x700,
    [APIC_LVT_LINT0] =
        APIC_LVT_VECTOR | APIC_LVT_MASKED | 0x700 | 0x2000 | APIC_LVT_LEVEL,
    [APIC_LVT_LINT1] =
        APIC_LVT_VECTOR | APIC_LVT_MASKED | 0x700 | 0x2000 | APIC_LVT_LEVEL,
    [APIC_LVT_ERROR] = APIC_LVT_VECTOR | APIC_LVT_MASKED,
};

uint32_t apic_lvt_writable(unsigned n)
{
    return lvt_writable[n];
}

/* -- reading --------------------------------------------------------------------- */

static uint32_t map_word(const uint64_t *map, unsigned n)
{
    return (uint32_t)(map[n / 2] >> (n % 2 * 32));
}

static uint32_t arbitration_priority(const APICState *s)
{
    return s->ppr; /* no bus to arbitrate for: as the processor priority */
}

static bool is_lvt(unsigned reg)
{
    return reg >= APIC_REG_LVT && reg < APIC_REG_LVT + APIC_LVT_COUNT;
}

static bool is_map(unsigned reg)
{
    return reg >= APIC_REG_ISR && reg < APIC_REG_ESR;
}

uint32_t apic_register_locked(APICState *s, unsigned reg)
{
    if (is_lvt(reg)) {
        return s->lvt[reg - APIC_REG_LVT];
    }
    if (is_map(reg)) {
        const uint64_t *map = reg < APIC_REG_TMR   ? s->isr
                              : reg < APIC_REG_IRR ? s->tmr
                                                   : s->irr;
        return map_word(map, reg & 7);
    }
    switch (reg) {
    case APIC_REG_ID:
        return apic_is_x2apic(s) ? s->id : s->xapic_id;
    case APIC_REG_VERSION:
        return APIC_VERSION;
    case APIC_REG_TPR:
        return s->tpr;
    case APIC_REG_APR:
        return arbitration_priority(s);
    case APIC_REG_PPR:
        return s->ppr;
    case APIC_REG_LDR:
        return apic_logical_id(s);
    case APIC_REG_DFR:
        return s->dfr;
    case APIC_REG_SVR:
        return s->svr;
    case APIC_REG_ESR:
        return s->esr;
    case APIC_REG_ICR:
        return s->icr;
    case APIC_REG_ICR_HIGH:
        return s->icr_high;
    case APIC_REG_TIMER_INITIAL:
        return s->timer.initial;
    case APIC_REG_TIMER_CURRENT:
        return apic_timer_current_locked(s);
    case APIC_REG_TIMER_DIVIDE:
        return s->timer.divide;
    default:
        return 0;
    }
}

/* -- writing --------------------------------------------------------------------- */

static void set_lvt(APICState *s, unsigned n, uint32_t value)
{
    uint32_t old = s->lvt[n];
    uint32_t entry = (value & lvt_writable[n]) | (old & APIC_LVT_REMOTE_IRR);

    if (!(s->svr & APIC_SVR_ENABLE)) {
        entry |= APIC_LVT_MASKED;
    }
    if (n == APIC_LVT_TIMER &&
        (entry & APIC_LVT_TIMER_MODE) == APIC_LVT_TIMER_MODE) {
        entry &= ~APIC_LVT_TIMER_MODE; /* reserved: counts once */
    }
    s->lvt[n] = entry;
    if (n == APIC_LVT_TIMER) {
        apic_timer_mode_changed_locked(s, old);
    } else if (n == APIC_LVT_LINT0) {
        apic_lint0_changed_locked(s);
    }
}

static void set_svr(APICState *s, uint32_t value)
{
    qatomic_set(&s->svr, value & APIC_SVR_SHIFT);
    if (!(value & APIC_SVR_ENABLE)) {
        for (int i = 0; i < APIC_LVT_COUNT; i++) {
            s->lvt[i] |= APIC_LVT_MASKED;
        }
    }
    apic_update_locked(s);
}

/* Registers whose writing has no effect outside of this APIC. Returns: false
 * if there is no such register or it cannot be written. */
static bool write_local(APICState *s, unsigned reg, uint32_t value)
{
    if (is_lvt(reg)) {
        set_lvt(s, reg - APIC_REG_LVT, value);
        return true;
    }
    switch (reg) {
    case APIC_REG_TPR:
        s->tpr = (uint8_t)value;
        apic_update_locked(s);
        return true;
    case APIC_REG_SVR:
        set_svr(s, value);
        return true;
    case APIC_REG_ESR:
        s->esr = s->esr_pending;
        s->esr_pending = 0;
        return true;
    case APIC_REG_TIMER_INITIAL:
        apic_timer_set_initial_locked(s, value);
        return true;
    case APIC_REG_TIMER_DIVIDE:
        apic_timer_set_divide_locked(s, value);
        return true;
    default:
        return false;
    }
}

/* Those that only xAPIC mode can write. */
static bool write_xapic(APICState *s, unsigned reg, uint32_t value)
{
    switch (reg) {
    case APIC_REG_ID:
        qatomic_set(&s->xapic_id, value & XAPIC_ID_MASK);
        return true;
    case APIC_REG_LDR:
        qatomic_set(&s->ldr, value & XAPIC_ID_MASK);
        return true;
    case APIC_REG_DFR:
        qatomic_set(&s->dfr, value | DFR_RESERVED);
        return true;
    case APIC_REG_ICR_HIGH:
        s->icr_high = value & XAPIC_ID_MASK;
        return true;
    default:
        return false;
    }
}

/* ICR is written: send. Without the lock, for the receiver may be oneself. */
static void send_command(APICState *s, uint32_t icr, uint32_t dest)
{
    unsigned mode = icr >> 8 & 7;

    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        s->icr = icr & APIC_ICR_WRITABLE;
        if ((mode == APIC_MODE_FIXED || mode == APIC_MODE_LOWEST) &&
            (uint8_t)icr < APIC_VECTOR_MIN) {
            apic_error_locked(s, APIC_ESR_SEND_ILLEGAL);
            return;
        }
    }
    apic_bus_ipi(s, icr & APIC_ICR_WRITABLE, dest);
}

/* -- the page -------------------------------------------------------------------- */

static bool is_readable(unsigned reg)
{
    return is_lvt(reg) || is_map(reg) ||
           (reg >= APIC_REG_TPR && reg <= APIC_REG_SVR) || reg == APIC_REG_ID ||
           reg == APIC_REG_VERSION || reg == APIC_REG_ESR ||
           reg == APIC_REG_ICR || reg == APIC_REG_ICR_HIGH ||
           reg == APIC_REG_TIMER_INITIAL || reg == APIC_REG_TIMER_CURRENT ||
           reg == APIC_REG_TIMER_DIVIDE;
}

void apic_mmio_read(APICState *s, unsigned offset, unsigned len, uint8_t *data)
{
    unsigned reg = offset / APIC_REG_BYTES;
    unsigned skip = offset % APIC_REG_BYTES;
    uint32_t value;
    QEMU_LOCK_GUARD(&s->lock);

    memset(data, 0, len);
    if (!is_readable(reg)) {
        apic_error_locked(s, APIC_ESR_ILLEGAL_REG);
        return;
    }
    if (skip < REG_VALUE_BYTES) {
        value = GUINT32_TO_LE(apic_register_locked(s, reg)) >> (skip * 8);
        memcpy(data, &value, MIN(len, REG_VALUE_BYTES - skip));
    }
}

void apic_mmio_write(APICState *s, unsigned offset, unsigned len,
                     const uint8_t *data)
{
    unsigned reg = offset / APIC_REG_BYTES;
    uint32_t value;

    if (offset % APIC_REG_BYTES || len < REG_VALUE_BYTES) {
        trace_apic_odd_write(s->id, offset, len);
        return;
    }
    memcpy(&value, data, sizeof(value));
    value = GUINT32_FROM_LE(value);
    if (reg == APIC_REG_EOI) {
        apic_eoi(s);
        return;
    }
    if (reg == APIC_REG_ICR) {
        send_command(s, value, s->icr_high >> 24);
        return;
    }
    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        if (!write_local(s, reg, value) && !write_xapic(s, reg, value) &&
            !is_readable(reg)) {
            apic_error_locked(s, APIC_ESR_ILLEGAL_REG);
        }
    }
}

/* -- MSRs ------------------------------------------------------------------------ */

static bool base_write(APICState *s, uint64_t value)
{
    uint64_t mode_bits = X86_APICBASE_ENABLE | APIC_BASE_X2APIC;
    uint64_t from, to = value & mode_bits;
    QEMU_LOCK_GUARD(&s->lock);

    from = s->base & mode_bits;
    if ((value & BASE_RESERVED) || to == APIC_BASE_X2APIC ||
        (to == mode_bits && (!s->allow_x2apic || !from)) ||
        (from == mode_bits && to == X86_APICBASE_ENABLE)) {
        return false; /* SDM figure 10-27: not a transition */
    }
    qatomic_set(&s->base, value);
    trace_apic_base(s->id, value);
    if (!to && from) {
        apic_reset_registers_locked(s);
        qatomic_set(&s->xapic_id, s->id << 24);
    }
    apic_update_locked(s);
    return true;
}

static bool x2apic_readable(unsigned reg)
{
    return is_readable(reg) && reg != APIC_REG_APR && reg != APIC_REG_EOI &&
           reg != APIC_REG_RRD && reg != APIC_REG_DFR &&
           reg != APIC_REG_ICR_HIGH;
}

/* Bits that must be zero. */
static uint32_t x2apic_reserved(unsigned reg)
{
    if (is_lvt(reg)) {
        return ~(lvt_writable[reg - APIC_REG_LVT] | 0x5000);
    }
    switch (reg) {
    case APIC_REG_TPR:
        return ~0xffu;
    case APIC_REG_SVR:
        return ~APIC_SVR_SHIFT;
    case APIC_REG_TIMER_DIVIDE:
        return ~0xbu;
    case APIC_REG_ESR:
        return UINT32_MAX;
    default:
        return 0;
    }
}

static bool write_alone(APICState *s, unsigned reg, uint32_t value)
{
    QEMU_LOCK_GUARD(&s->lock);

    return write_local(s, reg, value);
}

static bool x2apic_write(APICState *s, unsigned reg, uint64_t value)
{
    if (reg == APIC_REG_ICR) {
        if ((uint32_t)value & ~(APIC_ICR_WRITABLE | ICR_SEND_PENDING)) {
            return false;
        }
        WITH_QEMU_LOCK_GUARD(&s->lock)
        {
            s->icr_high = (uint32_t)(value >> 32);
        }
        send_command(s, (uint32_t)value, (uint32_t)(value >> 32));
        return true;
    }
    if (value >> 32) {
        return false;
    }
    switch (reg) {
    case APIC_REG_EOI:
        if (value) {
            return false;
        }
        apic_eoi(s);
        return true;
    case APIC_REG_SELF_IPI:
        if (value & ~(uint64_t)APIC_LVT_VECTOR) {
            return false;
        }
        send_command(s, 1u << 18 | (uint32_t)value, 0);
        return true;
    default:
        return !(value & x2apic_reserved(reg)) &&
               write_alone(s, reg, (uint32_t)value);
    }
}

bool apic_msr_read(APICState *s, uint32_t index, uint64_t *ret_value)
{
    unsigned reg = index - APIC_MSR_X2APIC;
    QEMU_LOCK_GUARD(&s->lock);

    if (index == APIC_MSR_BASE) {
        *ret_value = s->base;
        return true;
    }
    if (index == APIC_MSR_TSC_DEADLINE) {
        *ret_value = s->timer.tsc;
        return true;
    }
    if (index < APIC_MSR_X2APIC || index > APIC_MSR_X2APIC_LAST ||
        !apic_is_x2apic(s) || !x2apic_readable(reg)) {
        return false;
    }
    *ret_value = apic_register_locked(s, reg);
    if (reg == APIC_REG_ICR) {
        *ret_value |= (uint64_t)s->icr_high << 32;
    }
    return true;
}

bool apic_msr_write(APICState *s, uint32_t index, uint64_t value)
{
    if (index == APIC_MSR_BASE) {
        return base_write(s, value);
    }
    if (index == APIC_MSR_TSC_DEADLINE) {
        QEMU_LOCK_GUARD(&s->lock);

        apic_timer_set_deadline_locked(s, value);
        return true;
    }
    if (index < APIC_MSR_X2APIC || index > APIC_MSR_X2APIC_LAST ||
        !apic_is_x2apic(s)) {
        return false;
    }
    return x2apic_write(s, index - APIC_MSR_X2APIC, value);
}

/* -- state ----------------------------------------------------------------------- */

#define PAGE_REGS (X86_LAPIC_BYTES / APIC_REG_BYTES)

void apic_get_page(APICState *s, uint8_t *page)
{
    QEMU_LOCK_GUARD(&s->lock);

    memset(page, 0, X86_LAPIC_BYTES);
    for (unsigned reg = 0; reg < PAGE_REGS; reg++) {
        uint32_t value = GUINT32_TO_LE(apic_register_locked(s, reg));

        memcpy(page + reg * APIC_REG_BYTES, &value, sizeof(value));
    }
}

static uint32_t page_register(const uint8_t *page, unsigned reg)
{
    uint32_t value;

    memcpy(&value, page + reg * APIC_REG_BYTES, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static void load_map(uint64_t *map, const uint8_t *page, unsigned reg)
{
    for (unsigned i = 0; i < APIC_BITMAP_WORDS; i++) {
        map[i] = page_register(page, reg + 2 * i) |
                 (uint64_t)page_register(page, reg + 2 * i + 1) << 32;
    }
    map[0] &= ~0xffffull; /* exceptions have no bits */
}

bool apic_set_page(APICState *s, const uint8_t *page, uint64_t base,
                   Error **errp)
{
    uint64_t mode_bits = X86_APICBASE_ENABLE | APIC_BASE_X2APIC;
    QEMU_LOCK_GUARD(&s->lock);

    if ((base & BASE_RESERVED) || (base & mode_bits) == APIC_BASE_X2APIC) {
        error_setg(errp, "CPU %u: APIC base 0x%" PRIx64 " is not valid",
                   s->vcpu->index, base);
        return false;
    }
    qatomic_set(&s->base, base);
    if (!apic_is_x2apic(s)) {
        qatomic_set(&s->xapic_id,
                    page_register(page, APIC_REG_ID) & XAPIC_ID_MASK);
        qatomic_set(&s->ldr, page_register(page, APIC_REG_LDR) & XAPIC_ID_MASK);
    }
    qatomic_set(&s->dfr, page_register(page, APIC_REG_DFR) | DFR_RESERVED);
    qatomic_set(&s->svr, page_register(page, APIC_REG_SVR) & APIC_SVR_SHIFT);
    s->tpr = (uint8_t)page_register(page, APIC_REG_TPR);
    s->esr = page_register(page, APIC_REG_ESR) & 0xef;
    s->icr = page_register(page, APIC_REG_ICR) & APIC_ICR_WRITABLE;
    s->icr_high = page_register(page, APIC_REG_ICR_HIGH);
    for (unsigned n = 0; n < APIC_LVT_COUNT; n++) {
        s->lvt[n] = page_register(page, APIC_REG_LVT + n) &
                    (lvt_writable[n] | APIC_LVT_REMOTE_IRR);
        if (n == APIC_LVT_TIMER &&
            (s->lvt[n] & APIC_LVT_TIMER_MODE) == APIC_LVT_TIMER_MODE) {
            s->lvt[n] &= ~APIC_LVT_TIMER_MODE;
        }
    }
    load_map(s->isr, page, APIC_REG_ISR);
    load_map(s->tmr, page, APIC_REG_TMR);
    load_map(s->irr, page, APIC_REG_IRR);
    apic_timer_restore_locked(s, page_register(page, APIC_REG_TIMER_INITIAL),
                              page_register(page, APIC_REG_TIMER_DIVIDE),
                              page_register(page, APIC_REG_TIMER_CURRENT));
    apic_update_locked(s);
    return true;
}
