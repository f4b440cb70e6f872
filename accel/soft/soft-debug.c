/*
 * Breakpoints and single steps: those of the guest (debug registers, TF) and
 * those of a debugger outside of it.
 *
 * While any of them is armed SOFT_MODE_STEP is set and instructions run one at
 * a time through soft_debug_step(). Data breakpoints make the TLB tags of
 * their page slow, so that every access comes by soft_watch().
 *
 * Source: Intel SDM volume 3B, 17.2 and 17.3.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "interp.h"
#include "soft-accel.h"

#define DR6_BS (1u << 14)

/* -- which are armed -------------------------------------------------------------- */

static void add_point(SoftCPUPrivate *priv, uint64_t addr, unsigned len,
                      AccelDebugKind kind, unsigned number)
{
    priv->point[priv->n_points++] =
        (SoftPoint){ .addr = addr & ~(uint64_t)(len - 1),
                     .len = (uint8_t)len,
                     .kind = (uint8_t)kind,
                     .number = (uint8_t)number };
    priv->watching |= kind != ACCEL_DEBUG_EXEC;
}

static void take_guest_points(SoftCPU *cpu)
{
    static const uint8_t bytes[4] = { 1, 2, 8, 4 };

    for (unsigned n = 0; n < 4; n++) {
        unsigned rw = cpu->dr7 >> (16 + 4 * n) & 3;
        unsigned len = bytes[cpu->dr7 >> (18 + 4 * n) & 3];

        if (!(cpu->dr7 >> (2 * n) & 3) || rw == 2) {
            continue; /* off, or an I/O breakpoint */
        }
        add_point(cpu->priv, cpu->dr[n], rw ? len : 1,
                  rw == 0   ? ACCEL_DEBUG_EXEC
                  : rw == 1 ? ACCEL_DEBUG_WRITE
                            : ACCEL_DEBUG_ACCESS,
                  n);
    }
}

void soft_debug_changed(SoftCPU *cpu)
{
    SoftCPUPrivate *priv = cpu->priv;
    bool watched = priv->watching;

    priv->n_points = 0;
    priv->watching = false;
    for (unsigned i = 0; i < priv->debug.n_points; i++) {
        const AccelDebugPoint *p = &priv->debug.point[i];

        add_point(priv, p->addr, p->len, p->kind, i);
    }
    if (!priv->debug.n_points) {
        take_guest_points(cpu);
    }
    if (watched || priv->watching) {
        soft_tlb_flush(cpu, true);
    }
    soft_update_mode(cpu);
}

/* -- hits --------------------------------------------------------------------------- */

static bool is_debugger(const SoftCPUPrivate *priv)
{
    return priv->debug.n_points;
}

static void leave_with(SoftCPU *cpu, AccelDebugReason reason, unsigned point)
{
    cpu->priv->debug_hit = (AccelDebugHit){ reason, point };
    cpu->priv->debug_exit = true;
    soft_exit_request(cpu, SOFT_EXIT_MODE);
}

void soft_watch(SoftCPU *cpu, uint64_t linear, unsigned size, bool is_write)
{
    SoftCPUPrivate *priv = cpu->priv;

    for (unsigned i = 0; i < priv->n_points; i++) {
        const SoftPoint *p = &priv->point[i];

        if (p->kind == ACCEL_DEBUG_EXEC ||
            (p->kind == ACCEL_DEBUG_WRITE && !is_write) ||
            p->addr >= linear + size || linear >= p->addr + p->len) {
            continue;
        }
        if (is_debugger(priv)) {
            leave_with(cpu, ACCEL_DEBUG_HIT_POINT, p->number);
        } else {
            soft_post_db(cpu, 1u << p->number);
        }
    }
}

bool soft_watch_page(const SoftCPU *cpu, uint64_t linear)
{
    const SoftCPUPrivate *priv = cpu->priv;

    for (unsigned i = 0; i < priv->n_points; i++) {
        if (priv->point[i].kind != ACCEL_DEBUG_EXEC &&
            (priv->point[i].addr & SOFT_PAGE_MASK) ==
                (linear & SOFT_PAGE_MASK)) {
            return true;
        }
    }
    return false;
}

/* An execution breakpoint at rip: its bit in DR6, or -1 for the debugger's
 * (which leaves); 0 without. */
static int exec_point(SoftCPU *cpu)
{
    SoftCPUPrivate *priv = cpu->priv;
    uint64_t linear = cpu->rip;
    int bits = 0;

    if (!soft_long64(cpu)) {
        linear = (uint32_t)(linear + cpu->seg[X86_CS].base);
    }
    for (unsigned i = 0; i < priv->n_points; i++) {
        const SoftPoint *p = &priv->point[i];

        if (p->kind != ACCEL_DEBUG_EXEC || p->addr != linear) {
            continue;
        }
        if (is_debugger(priv)) {
            leave_with(cpu, ACCEL_DEBUG_HIT_POINT, p->number);
            return -1;
        }
        bits |= 1 << p->number;
    }
    return bits;
}

/* -- one instruction ------------------------------------------------------------------ */

/* Is the instruction at rip an INT3 that belongs to the debugger? */
static bool debugger_int3(SoftCPU *cpu)
{
    SoftInsn insn;

    if (!cpu->priv->debug.enabled || cpu->priv->debug.inject_bp) {
        return false;
    }
    if (!soft_interp_fetch(cpu, &insn)) {
        cpu->exception.pending = false;
        return false;
    }
    return insn.op == SOFT_OP_INT3;
}

/* The instruction's traps, after it. */
static void deliver_traps(SoftCPU *cpu)
{
    if (!cpu->dr6_pending ||
        (cpu->shadow == SOFT_SHADOW_MOV_SS && cpu->shadow_rip == cpu->rip)) {
        return;
    }
    soft_raise(cpu, SOFT_EXC_DB);
    cpu->exception.trap = true;
    cpu->exception.value = cpu->dr6_pending;
    cpu->dr6_pending = 0;
    soft_deliver_exception(cpu);
}

static void execute(SoftCPU *cpu)
{
    bool tf = cpu->eflags & SOFT_EFL_TF;
    uint32_t rf = cpu->eflags & SOFT_EFL_RF;

    cpu->priv->no_step = false;
    cpu->eflags &= ~SOFT_EFL_RF; /* IRET may set it again */
    if (!soft_interp_one(cpu)) {
        cpu->eflags |= rf;
        soft_deliver_exception(cpu);
        return;
    }
    if (tf && !cpu->priv->no_step) {
        soft_post_db(cpu, DR6_BS);
    }
    deliver_traps(cpu);
}

bool soft_debug_step(SoftCPU *cpu)
{
    SoftCPUPrivate *priv = cpu->priv;
    bool step = priv->debug.single_step;
    int bits = 0;

    if (cpu->dr6_pending && !(cpu->mode_flags & SOFT_MODE_STEP)) {
        deliver_traps(cpu);
        return false;
    }
    if (!step && priv->n_points && !priv->skip_point &&
        !(cpu->eflags & SOFT_EFL_RF)) {
        bits = exec_point(cpu);
    }
    priv->skip_point = false;
    if (bits < 0) {
        return true;
    }
    if (bits > 0) {
        soft_raise(cpu, SOFT_EXC_DB);
        cpu->exception.value = (uint64_t)bits;
        soft_deliver_exception(cpu);
        return false;
    }
    if (debugger_int3(cpu)) {
        leave_with(cpu, ACCEL_DEBUG_HIT_INT3, 0);
        return true;
    }
    execute(cpu);
    priv->debug.inject_bp = false;
    if (step && !priv->debug_exit) {
        leave_with(cpu, ACCEL_DEBUG_HIT_STEP, 0);
    }
    return priv->debug_exit;
}

bool soft_vcpu_set_debug(AccelVCPU *base, const AccelDebug *debug, Error **errp)
{
    SoftCPU *cpu = soft_cpu(base);

    cpu->priv->debug = *debug;
    cpu->priv->debug.n_points =
        MIN(debug->n_points, (unsigned)ACCEL_DEBUG_POINTS);
    soft_debug_changed(cpu);
    return true;
}

void soft_vcpu_debug_hit(AccelVCPU *base, AccelDebugHit *hit)
{
    *hit = soft_cpu(base)->priv->debug_hit;
}
