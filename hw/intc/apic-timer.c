/*
 * The timer of a local APIC: one-shot, periodic, TSC deadline.
 *
 * Nothing counts. The bus clock is one cycle a nanosecond of the guest's time
 * (QEMU_CLOCK_VIRTUAL), the counter is computed when it is read, and a timer
 * is set for the next expiry. As the guest's clock stands still while the
 * guest does, nothing is to be made up for after a stop. If the host was late
 * by several periods there is one interrupt, for IRR holds only one, and the
 * next one comes at the next multiple of the period, never in a burst; a
 * period that no host could serve is served at PERIOD_MIN_NS.
 *
 * Source: Intel SDM volume 3A 10.5.4.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-hw.h"
#include "util/lockable.h"

#include "apic-internal.h"

#define PERIOD_MIN_NS 50000
#define NEVER         (-1)

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static uint32_t mode_of(const APICState *s)
{
    return s->lvt[APIC_LVT_TIMER] & APIC_LVT_TIMER_MODE;
}

/* Nanoseconds a count: bits 3, 1 and 0 are 2^(n + 1), but 7 is 1. */
static unsigned divide_shift(const APICState *s)
{
    uint32_t v = s->timer.divide;

    return (((v & 3) | (v >> 1 & 4)) + 1) & 7;
}

static int64_t period_ns(const APICState *s)
{
    return (int64_t)s->timer.initial << divide_shift(s);
}

static void arm(APICState *s, int64_t due_ns)
{
    s->timer.due_ns = due_ns;
    if (due_ns == NEVER) {
        timer_del(s->timer.timer);
    } else {
        timer_mod_ns(s->timer.timer, due_ns);
    }
}

/* The first end of a period after @now. */
static int64_t next_end(const APICState *s, int64_t now)
{
    int64_t period = period_ns(s);
    int64_t done = (now - s->timer.start_ns) / period;

    return s->timer.start_ns + (done + 1) * period;
}

static void expire(APICState *s, int64_t now)
{
    int64_t due = NEVER;

    if (mode_of(s) == APIC_TIMER_PERIODIC && s->timer.initial) {
        due = MAX(next_end(s, now), now + PERIOD_MIN_NS);
    }
    s->timer.tsc = 0;
    arm(s, due);
    apic_lvt_event_locked(s, APIC_LVT_TIMER);
}

static void timer_fired(void *opaque)
{
    APICState *s = opaque;
    QEMU_LOCK_GUARD(&s->lock);
    int64_t now = now_ns();

    /* The CPU may have set it anew while this was on its way. */
    if (s->timer.due_ns != NEVER && s->timer.due_ns <= now) {
        trace_apic_timer(s->id, now - s->timer.due_ns);
        expire(s, now);
    }
}

void apic_timer_init(APICState *s)
{
    s->timer.timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, timer_fired, s);
    s->timer.due_ns = NEVER;
}

void apic_timer_deinit(APICState *s)
{
    timer_free(s->timer.timer);
}

void apic_timer_reset_locked(APICState *s)
{
    s->timer.initial = 0;
    s->timer.divide = 0;
    s->timer.tsc = 0;
    arm(s, NEVER);
}

void apic_timer_rearm_locked(APICState *s)
{
    arm(s, s->timer.due_ns);
}

static void count_from(APICState *s, uint32_t initial, int64_t start_ns)
{
    s->timer.initial = initial;
    s->timer.start_ns = start_ns;
    arm(s, initial ? start_ns + period_ns(s) : NEVER);
}

void apic_timer_set_initial_locked(APICState *s, uint32_t count)
{
    if (mode_of(s) != APIC_TIMER_DEADLINE) {
        count_from(s, count, now_ns());
    }
}

uint32_t apic_timer_current_locked(APICState *s)
{
    int64_t gone, period;

    if (!s->timer.initial || mode_of(s) == APIC_TIMER_DEADLINE) {
        return 0;
    }
    gone = MAX(0, now_ns() - s->timer.start_ns);
    period = period_ns(s);
    if (gone >= period) {
        if (mode_of(s) != APIC_TIMER_PERIODIC) {
            return 0;
        }
        gone %= period;
    }
    return s->timer.initial - (uint32_t)(gone >> divide_shift(s));
}

/* Counting goes on from where it is, at the new speed. */
void apic_timer_set_divide_locked(APICState *s, uint32_t value)
{
    uint32_t left = apic_timer_current_locked(s);

    s->timer.divide = value & 0xb;
    if (left) {
        apic_timer_restore_locked(s, s->timer.initial, s->timer.divide, left);
    }
}

void apic_timer_mode_changed_locked(APICState *s, uint32_t old)
{
    uint32_t mode = mode_of(s);

    old &= APIC_LVT_TIMER_MODE;
    if (mode == old) {
        return;
    }
    if (mode == APIC_TIMER_DEADLINE || old == APIC_TIMER_DEADLINE) {
        s->timer.initial = 0;
        s->timer.tsc = 0;
        arm(s, NEVER);
    } else if (mode == APIC_TIMER_PERIODIC && s->timer.initial &&
               s->timer.due_ns == NEVER) {
        arm(s, next_end(s, now_ns()));
    } else if (mode == APIC_TIMER_ONE_SHOT && s->timer.due_ns != NEVER) {
        s->timer.start_ns = s->timer.due_ns - period_ns(s);
    }
}

void apic_timer_set_deadline_locked(APICState *s, uint64_t tsc)
{
    const APICBusOps *ops = apic_bus_ops(s->bus, NULL);
    int64_t due, now;

    if (mode_of(s) != APIC_TIMER_DEADLINE || !ops->tsc_to_ns) {
        return;
    }
    s->timer.tsc = tsc;
    if (!tsc) {
        arm(s, NEVER);
        return;
    }
    due = ops->tsc_to_ns(s->vcpu, tsc);
    now = now_ns();
    if (due <= now) {
        expire(s, now);
    } else {
        arm(s, due);
    }
}

void apic_timer_restore_locked(APICState *s, uint32_t initial, uint32_t divide,
                               uint32_t current)
{
    int64_t now = now_ns();

    s->timer.divide = divide & 0xb;
    s->timer.initial = initial;
    if (mode_of(s) == APIC_TIMER_DEADLINE || !initial || !current) {
        s->timer.start_ns = now - period_ns(s);
        arm(s, NEVER);
        return;
    }
    current = MIN(current, initial);
    s->timer.start_ns = now - ((int64_t)(initial - current) << divide_shift(s));
    arm(s, s->timer.start_ns + period_ns(s));
}
