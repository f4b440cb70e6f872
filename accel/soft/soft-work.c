/*
 * What CPUs ask of each other, and being inside or outside (soft-accel.h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/lockable.h"

#include "interp.h"
#include "soft-accel.h"

void soft_enter_guest(SoftCPU *cpu)
{
    SoftCPUPrivate *priv = cpu->priv;

    QEMU_LOCK_GUARD(&priv->lock);
    while (priv->barred) {
        qemu_cond_wait(&priv->idle, &priv->lock);
    }
    priv->inside = true;
    if (priv->work.flush_tlb) {
        /* Nothing old may be used from here on; the translator is told at the
         * next block boundary. */
        soft_tlb_reset(cpu);
    }
}

void soft_leave_guest(SoftCPU *cpu)
{
    SoftCPUPrivate *priv = cpu->priv;

    /* What follows may use the host's x87 unit, where the guest's exceptions
     * may wait. */
    soft_x87_sync(cpu);
    QEMU_LOCK_GUARD(&priv->lock);
    priv->inside = false;
    qemu_cond_broadcast(&priv->idle);
}

static void each_cpu(SoftAccel *s, void (*func)(SoftCPU *cpu))
{
    QEMU_LOCK_GUARD(&s->cpus_lock);
    for (guint i = 0; i < s->cpus->len; i++) {
        func(g_ptr_array_index(s->cpus, i));
    }
}

static void bar(SoftCPU *cpu)
{
    QEMU_LOCK_GUARD(&cpu->priv->lock);
    cpu->priv->barred = true;
    if (cpu->priv->inside) {
        soft_exit_request(cpu, SOFT_EXIT_KICK);
    }
}

static void unbar(SoftCPU *cpu)
{
    QEMU_LOCK_GUARD(&cpu->priv->lock);
    cpu->priv->barred = false;
    qemu_cond_broadcast(&cpu->priv->idle);
}

void soft_ram_change_begin(AccelState *accel)
{
    SoftAccel *s = SOFT_ACCEL(accel);
    guint n;

    each_cpu(s, bar);
    WITH_QEMU_LOCK_GUARD(&s->cpus_lock)
    {
        n = s->cpus->len;
    }
    /* A CPU takes cpus_lock while it is inside: not held when waiting. */
    for (guint i = 0; i < n; i++) {
        SoftCPUPrivate *priv;

        WITH_QEMU_LOCK_GUARD(&s->cpus_lock)
        {
            priv = ((SoftCPU *)g_ptr_array_index(s->cpus, i))->priv;
        }
        QEMU_LOCK_GUARD(&priv->lock);
        while (priv->inside) {
            qemu_cond_wait(&priv->idle, &priv->lock);
        }
    }
}

void soft_ram_change_end(AccelState *accel)
{
    each_cpu(SOFT_ACCEL(accel), unbar);
}

void soft_wake(SoftCPU *cpu, uint32_t bits)
{
    SoftCPUPrivate *priv = cpu->priv;

    soft_exit_request(cpu, bits);
    QEMU_LOCK_GUARD(&priv->lock);
    if (priv->sleeping) {
        qemu_cond_signal(&priv->wake);
    }
}

/* -- doing ------------------------------------------------------------------ */

static void forget_page(SoftCPU *cpu, uint64_t page)
{
    SoftAccel *s = soft_accel_of(cpu);

    cpu->code_epoch++;
    soft_interp_invalidate_page(cpu, page);
    if (s->translator) {
        s->translator->invalidate_page(cpu, page);
    }
}

void soft_forget_code(SoftCPU *cpu)
{
    SoftAccel *s = soft_accel_of(cpu);

    cpu->code_epoch++;
    soft_interp_invalidate_all(cpu);
    if (s->translator) {
        s->translator->invalidate_all(cpu);
    }
}

/* Every CPU but @self forgets all code. */
static void post_all(SoftAccel *s, const SoftCPU *self)
{
    QEMU_LOCK_GUARD(&s->cpus_lock);
    for (guint i = 0; i < s->cpus->len; i++) {
        SoftCPU *cpu = g_ptr_array_index(s->cpus, i);

        if (cpu != self) {
            QEMU_LOCK_GUARD(&cpu->priv->lock);
            cpu->priv->work.invalidate_all = true;
            cpu->priv->posted++;
            soft_exit_request(cpu, SOFT_EXIT_WORK);
        }
    }
}

static void do_pages(SoftCPU *cpu, const SoftWork *work)
{
    SoftAccel *s = soft_accel_of(cpu);

    if (work->announce_all) {
        post_all(s, cpu);
    }
    for (unsigned i = 0; i < work->n_pages; i++) {
        uint64_t page = work->page[i] & SOFT_PAGE_MASK;

        if (work->page[i] & SOFT_WORK_ANNOUNCE) {
            soft_post_page_all(s, page, cpu);
        }
        if (!work->invalidate_all) {
            forget_page(cpu, page);
        }
    }
}

void soft_do_work(SoftCPU *cpu)
{
    SoftCPUPrivate *priv = cpu->priv;
    SoftWork work;
    uint64_t ticket;

    WITH_QEMU_LOCK_GUARD(&priv->lock)
    {
        work = priv->work;
        priv->work.flush_tlb = false;
        priv->work.invalidate_all = false;
        priv->work.announce_all = false;
        priv->work.n_pages = 0;
        ticket = priv->posted;
        qatomic_and(&cpu->exit_request, ~SOFT_EXIT_WORK);
    }
    if (work.flush_tlb) {
        soft_tlb_flush(cpu, true);
    }
    if (work.invalidate_all) {
        soft_forget_code(cpu);
    }
    do_pages(cpu, &work);
    WITH_QEMU_LOCK_GUARD(&priv->lock)
    {
        priv->done = ticket;
        qemu_cond_broadcast(&priv->idle);
    }
}

/* -- asking ----------------------------------------------------------------- */

static void add_page(SoftWork *work, uint64_t page)
{
    for (unsigned i = 0; i < work->n_pages; i++) {
        if ((work->page[i] & SOFT_PAGE_MASK) == (page & SOFT_PAGE_MASK)) {
            work->page[i] |= page;
            return;
        }
    }
    if (work->n_pages < SOFT_WORK_PAGES) {
        work->page[work->n_pages++] = page;
    } else {
        work->invalidate_all = true;
        work->announce_all |= page & SOFT_WORK_ANNOUNCE;
    }
}

void soft_post_page(SoftCPU *cpu, uint64_t page)
{
    SoftCPUPrivate *priv = cpu->priv;

    QEMU_LOCK_GUARD(&priv->lock);
    add_page(&priv->work, page);
    priv->posted++;
    soft_exit_request(cpu, SOFT_EXIT_WORK);
}

void soft_post_page_all(SoftAccel *s, uint64_t page, const SoftCPU *self)
{
    QEMU_LOCK_GUARD(&s->cpus_lock);
    for (guint i = 0; i < s->cpus->len; i++) {
        SoftCPU *cpu = g_ptr_array_index(s->cpus, i);

        if (cpu != self) {
            soft_post_page(cpu, page);
        }
    }
}

static uint64_t post_flush(SoftCPU *cpu, bool invalidate_all)
{
    SoftCPUPrivate *priv = cpu->priv;

    QEMU_LOCK_GUARD(&priv->lock);
    priv->work.flush_tlb = true;
    priv->work.invalidate_all |= invalidate_all;
    if (!priv->inside) {
        /* Page walks for others do not wait until it is back. */
        priv->last_piece = NULL;
    }
    soft_exit_request(cpu, SOFT_EXIT_WORK);
    return ++priv->posted;
}

static void wait_done(SoftCPU *cpu, uint64_t ticket)
{
    SoftCPUPrivate *priv = cpu->priv;

    QEMU_LOCK_GUARD(&priv->lock);
    while (priv->inside && priv->done < ticket) {
        qemu_cond_wait(&priv->idle, &priv->lock);
    }
}

void soft_sync_cpus(SoftAccel *s, bool invalidate_all)
{
    g_autofree uint64_t *ticket = NULL;
    g_autofree SoftCPU **cpu = NULL;
    guint n;

    /* A CPU takes cpus_lock while it is inside: not held when waiting. */
    WITH_QEMU_LOCK_GUARD(&s->cpus_lock)
    {
        n = s->cpus->len;
        ticket = g_new(uint64_t, n);
        cpu = g_new(SoftCPU *, n);
        for (guint i = 0; i < n; i++) {
            cpu[i] = g_ptr_array_index(s->cpus, i);
            ticket[i] = post_flush(cpu[i], invalidate_all);
        }
    }
    for (guint i = 0; i < n; i++) {
        wait_done(cpu[i], ticket[i]);
    }
}
