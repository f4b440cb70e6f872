/*
 * The state of a local APIC, shared by the files that make it up: the
 * interrupt path (apic.c), the registers (apic-regs.c), the timer
 * (apic-timer.c) and what goes between APICs (apic-bus.c).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_INTC_APIC_INTERNAL_H
#define HW_INTC_APIC_INTERNAL_H

#include "hw/intc/apic.h"
#include "util/thread.h"
#include "util/timer.h"

/* Register number: offset in the page / 16, and x2APIC MSR - 800h. */
enum {
    APIC_REG_ID = 0x02,
    APIC_REG_VERSION = 0x03,
    APIC_REG_TPR = 0x08,
    APIC_REG_APR = 0x09,
    APIC_REG_PPR = 0x0a,
    APIC_REG_EOI = 0x0b,
    APIC_REG_RRD = 0x0c,
    APIC_REG_LDR = 0x0d,
    APIC_REG_DFR = 0x0e,
    APIC_REG_SVR = 0x0f,
    APIC_REG_ISR = 0x10, /* eight registers, as the next two */
    APIC_REG_TMR = 0x18,
    APIC_REG_IRR = 0x20,
    APIC_REG_ESR = 0x28,
    APIC_REG_ICR = 0x30,
    APIC_REG_ICR_HIGH = 0x31,
    APIC_REG_LVT = 0x32, /* APIC_LVT_COUNT registers */
    APIC_REG_TIMER_INITIAL = 0x38,
    APIC_REG_TIMER_CURRENT = 0x39,
    APIC_REG_TIMER_DIVIDE = 0x3e,
    APIC_REG_SELF_IPI = 0x3f,
};

enum {
    APIC_LVT_TIMER,
    APIC_LVT_THERMAL,
    APIC_LVT_PERF,
    APIC_LVT_LINT0,
    APIC_LVT_LINT1,
    APIC_LVT_ERROR,
    APIC_LVT_COUNT,
};

#define APIC_LVT_VECTOR     0x000000ffu
#define APIC_LVT_MODE_SHIFT 8
#define APIC_LVT_LEVEL      0x00008000u /* trigger mode, of LINT0 and LINT1 */
#define APIC_LVT_REMOTE_IRR 0x00004000u
#define APIC_LVT_MASKED     0x00010000u
#define APIC_LVT_TIMER_MODE 0x00060000u
#define APIC_TIMER_ONE_SHOT 0x00000000u
#define APIC_TIMER_PERIODIC 0x00020000u
#define APIC_TIMER_DEADLINE 0x00040000u

#define APIC_SVR_ENABLE 0x100u
#define APIC_SVR_SHIFT  0x3ffu /* bits that can be written */

#define APIC_ESR_SEND_ILLEGAL    0x20u
#define APIC_ESR_RECEIVE_ILLEGAL 0x40u
#define APIC_ESR_ILLEGAL_REG     0x80u

#define APIC_BASE_X2APIC 0x400u

#define APIC_REG_BYTES 16u

#define APIC_VECTORS      256u
#define APIC_VECTOR_MIN   16u /* lower ones are exceptions */
#define APIC_VERSION      (0x14u | (APIC_LVT_COUNT - 1) << 16)
#define APIC_DEST_ALL8    0xffu
#define APIC_DEST_ALL32   0xffffffffu
#define APIC_DFR_FLAT     0xfu /* bits 31:28 */
#define APIC_BITMAP_WORDS (APIC_VECTORS / 64)

typedef struct APICTimer {
    QEMUTimer *timer;
    uint32_t initial;
    uint32_t divide;  /* register */
    int64_t start_ns; /* when it began to count down from initial */
    int64_t due_ns;   /* next expiry; -1: none */
    uint64_t tsc;     /* deadline, 0: not armed */
} APICTimer;

/* What can be written of ICR. */
#define APIC_ICR_WRITABLE 0x000ccfffu

struct APICState {
    DeviceState parent_obj;

    /* constant while CPUs run */
    APICBus *bus;
    AccelVCPU *vcpu;
    uint32_t id;
    bool is_bsp;
    bool allow_x2apic;

    QemuMutex lock; /* guards all of the following */
    uint64_t isr[APIC_BITMAP_WORDS];
    uint64_t irr[APIC_BITMAP_WORDS];
    uint64_t tmr[APIC_BITMAP_WORDS];
    uint32_t esr;         /* as read */
    uint32_t esr_pending; /* errors since the last write */
    uint32_t icr;
    uint32_t icr_high;
    uint32_t lvt[APIC_LVT_COUNT];
    uint8_t tpr;
    bool pic_level; /* of LINT0 */
    bool extint;    /* by a message: one acknowledge of the 8259 is due */
    bool intr;      /* level of the CPU's INTR */
    APICTimer timer;

    /* written under the lock, read by senders without it (relaxed) */
    uint64_t base;
    uint32_t xapic_id; /* bits 31:24 in xAPIC mode can be written */
    uint32_t ldr;
    uint32_t dfr;
    uint32_t svr;
    uint8_t ppr;

    uint64_t saved_base; /* of a state that is saved or loaded */
};

/* A message on its way to one or more APICs. */
typedef struct APICMessage {
    uint32_t dest;
    bool logical;
    bool wide;   /* dest has 32 bits (x2APIC), else 8 */
    bool lowest; /* only one of those that match */
    uint8_t mode;
    uint8_t vector;
    bool level;
} APICMessage;

static inline bool apic_is_x2apic(const APICState *s)
{
    return qatomic_read(&s->base) & APIC_BASE_X2APIC;
}

static inline bool apic_is_enabled(const APICState *s)
{
    return qatomic_read(&s->base) & X86_APICBASE_ENABLE;
}

static inline bool apic_is_software_enabled(const APICState *s)
{
    return apic_is_enabled(s) && (qatomic_read(&s->svr) & APIC_SVR_ENABLE);
}

/* apic_logical_id: what a logical destination is compared with. */
static inline uint32_t apic_logical_id(const APICState *s)
{
    return apic_is_x2apic(s) ? (s->id >> 4) << 16 | 1u << (s->id & 15)
                             : qatomic_read(&s->ldr);
}

/* apic.c; the lock is held where "locked" is in the name */

/* apic_receive: a message that has reached this APIC. */
void apic_receive(APICState *s, const APICMessage *msg);
void apic_post_locked(APICState *s, uint8_t vector, bool level);
/* apic_update_locked: PPR and the CPU's INTR, after any change. */
void apic_update_locked(APICState *s);
/* apic_lvt_event_locked: the source of entry @n fires. */
void apic_lvt_event_locked(APICState *s, unsigned n);
void apic_error_locked(APICState *s, uint32_t bit);
/* apic_lint0_changed_locked: after a change of LINT0's level or entry. */
void apic_lint0_changed_locked(APICState *s);
void apic_nmi_line(APICState *s);
void apic_pic_line(APICState *s, bool level);
/* apic_eoi: the CPU ends what it serves. */
void apic_eoi(APICState *s);
void apic_reset_registers_locked(APICState *s);

/* apic-regs.c */

/* apic_register_locked: value of register @reg, reading it has no effect. */
uint32_t apic_register_locked(APICState *s, unsigned reg);

/* apic_lvt_writable: bits of LVT entry @n that can be written. */
uint32_t apic_lvt_writable(unsigned n);

/* apic-vmstate.c */
extern const VMStateDescription vmstate_apic;

/* apic-bus.c */
void apic_bus_add(APICBus *bus, APICState *s);
void apic_bus_remove(APICBus *bus, APICState *s);
void apic_bus_send(APICBus *bus, const APICMessage *msg);
/* apic_bus_ipi: the command @icr of the APIC @from, @dest as its mode has it. */
void apic_bus_ipi(APICState *from, uint32_t icr, uint32_t dest);
const APICBusOps *apic_bus_ops(const APICBus *bus, void **ret_opaque);

/* apic-timer.c */
void apic_timer_init(APICState *s);
void apic_timer_deinit(APICState *s);
void apic_timer_reset_locked(APICState *s);
/* apic_timer_rearm_locked: due_ns was loaded. */
void apic_timer_rearm_locked(APICState *s);
void apic_timer_set_initial_locked(APICState *s, uint32_t count);
void apic_timer_set_divide_locked(APICState *s, uint32_t value);
/* apic_timer_mode_changed_locked: LVT timer was @old before. */
void apic_timer_mode_changed_locked(APICState *s, uint32_t old);
uint32_t apic_timer_current_locked(APICState *s);
void apic_timer_set_deadline_locked(APICState *s, uint64_t tsc);
/* apic_timer_restore_locked: @current counts are left of the present run. */
void apic_timer_restore_locked(APICState *s, uint32_t initial, uint32_t divide,
                               uint32_t current);

#endif
