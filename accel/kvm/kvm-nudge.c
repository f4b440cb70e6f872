/*
 * Changes for which the kernel waits until every vCPU has let go of what was
 * before (synchronize_srcu): memory slots, ioeventfds.
 *
 * A vCPU lets go whenever it enters the guest, as far as there is a guest to
 * enter. Where the kernel emulates the guest's instructions it does so only when
 * its processor is wanted for something else; on a host with little to do that
 * can be long, and who changes the map may hold the machine's lock. A kick takes
 * the vCPU out of KVM_RUN at once, and then it comes back.
 *
 * So a thread looks at changes that are under way, and kicks whoever is inside
 * when one is not done in time; again and again, for the kernel waits twice and
 * only says when it is done. A change that is done in time costs the guest
 * nothing, which keeping all vCPUs out meanwhile (kvm-gate.c) would.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"
#include "util/error.h"
#include "util/lockable.h"

#include "kvm-internal.h"

/* A change is looked at after so long, and then ever more rarely. */
#define LOOK_MS     5
#define LOOK_MS_MAX 80

void kvm_nudge_init(KVMState *s)
{
    qemu_mutex_init(&s->nudge.lock);
    qemu_cond_init(&s->nudge.wake);
}

/* lock held: vCPUs do not go meanwhile. */
static void kick_all_inside(KVMState *s)
{
    for (guint i = 0; i < s->vcpus->len; i++) {
        KVMVCPU *vcpu = g_ptr_array_index(s->vcpus, i);

        if (qatomic_read(&vcpu->in_guest)) {
            kvm_vcpu_kick(&vcpu->base);
        }
    }
}

/* Until the changes that are under way now have come to an end, or others are
 * under way. */
static void watch_changes(KVMState *s)
{
    uint64_t epoch = s->nudge.epoch;

    for (int ms = LOOK_MS; s->nudge.changes && s->nudge.epoch == epoch;
         ms = MIN(2 * ms, LOOK_MS_MAX)) {
        s->nudge.wait_ms = ms;
        if (qemu_cond_timedwait(&s->nudge.wake, &s->nudge.lock, ms)) {
            break; /* another change, or the end of the program */
        }
        if (s->nudge.changes && s->nudge.epoch == epoch) {
            trace_kvm_nudge(ms);
            kick_all_inside(s);
        }
    }
}

static void *nudge_thread(void *opaque)
{
    KVMState *s = opaque;

    QEMU_LOCK_GUARD(&s->nudge.lock);
    while (!s->nudge.quit) {
        if (s->nudge.changes) {
            watch_changes(s);
            continue;
        }
        s->nudge.asleep = true;
        qemu_cond_wait(&s->nudge.wake, &s->nudge.lock);
        s->nudge.asleep = false;
    }
    return NULL;
}

bool kvm_nudge_start(KVMState *s, Error **errp)
{
    int ret;

    QEMU_LOCK_GUARD(&s->nudge.lock);
    if (s->nudge.has_thread) {
        return true;
    }
    ret = qemu_thread_try_create(&s->nudge.thread, "kvm nudge", nudge_thread, s,
                                 QEMU_THREAD_JOINABLE);
    if (ret < 0) {
        error_setg_errno(errp, -ret,
                         "could not start the thread of KVM's changes");
        return false;
    }
    s->nudge.has_thread = true;
    return true;
}

void kvm_nudge_deinit(KVMState *s)
{
    WITH_QEMU_LOCK_GUARD(&s->nudge.lock)
    {
        s->nudge.quit = true;
        qemu_cond_signal(&s->nudge.wake);
    }
    if (s->nudge.has_thread) {
        qemu_thread_join(&s->nudge.thread);
    }
    qemu_cond_destroy(&s->nudge.wake);
    qemu_mutex_destroy(&s->nudge.lock);
}

int kvm_change(KVMState *s, unsigned long request, void *arg)
{
    int ret;

    WITH_QEMU_LOCK_GUARD(&s->nudge.lock)
    {
        if (s->nudge.changes++ == 0) {
            s->nudge.epoch++;
            /* It sleeps, or waits long for the change before. */
            if (s->nudge.asleep || s->nudge.wait_ms > LOOK_MS) {
                qemu_cond_signal(&s->nudge.wake);
            }
        }
    }
    ret = kvm_ioctl(s->vm_fd, request, arg);
    WITH_QEMU_LOCK_GUARD(&s->nudge.lock)
    {
        s->nudge.changes--;
    }
    return ret;
}
