/*
 * A stopped virtual CPU and its memory, as a debugger or the monitor sees
 * them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/cpu-debug.h"

#include "hw/core/cpu-internal.h"
#include "hw/core/machine-internal.h"
#include "hw/x86/x86-translate.h"
#include "util/error.h"

static AccelVCPU *vcpu_at(MachineState *m, unsigned index)
{
    assert(index < m->cpus.cpus->len);
    return CPU(m->cpus.cpus->pdata[index])->vcpu;
}

unsigned machine_cpu_count(MachineState *m)
{
    return m->cpus.cpus->len;
}

/* The guest stands still between the two. */
static void pause_guest(MachineState *m)
{
    if (machine_is_running(m)) {
        cpus_pause(&m->cpus);
    }
}

static void resume_guest(MachineState *m)
{
    if (machine_is_running(m)) {
        cpus_resume(&m->cpus);
    }
}

bool machine_cpu_get_state(MachineState *m, unsigned index, unsigned mask,
                           X86CPUState *state, Error **errp)
{
    bool ok;

    pause_guest(m);
    ok = ACCEL_GET_CLASS(m->accel)->vcpu_get_state(vcpu_at(m, index), mask,
                                                   state, errp);
    resume_guest(m);
    return ok;
}

bool machine_cpu_set_state(MachineState *m, unsigned index, unsigned mask,
                           const X86CPUState *state, Error **errp)
{
    bool ok;

    pause_guest(m);
    ok = ACCEL_GET_CLASS(m->accel)->vcpu_set_state(vcpu_at(m, index), mask,
                                                   state, errp);
    resume_guest(m);
    return ok;
}

bool machine_can_debug(MachineState *m)
{
    return ACCEL_GET_CLASS(m->accel)->vcpu_set_debug != NULL;
}

bool machine_cpu_set_debug(MachineState *m, unsigned index,
                           const AccelDebug *debug, Error **errp)
{
    AccelClass *ac = ACCEL_GET_CLASS(m->accel);

    if (!ac->vcpu_set_debug) {
        error_setg(errp, "accelerator '%s' cannot be debugged", ac->name);
        return false;
    }
    return ac->vcpu_set_debug(vcpu_at(m, index), debug, errp);
}

void machine_cpu_debug_hit(MachineState *m, unsigned index, AccelDebugHit *hit)
{
    ACCEL_GET_CLASS(m->accel)->vcpu_debug_hit(vcpu_at(m, index), hit);
}

void machine_cpu_hold(MachineState *m, unsigned index, bool hold)
{
    assert(index < m->cpus.cpus->len);
    CPU(m->cpus.cpus->pdata[index])->held = hold;
}

static bool copy(MachineState *m, uint64_t pa, void *buf, size_t len,
                 bool write)
{
    return write ? guest_memory_write(m->memory, pa, buf, len)
                 : guest_memory_read(m->memory, pa, buf, len);
}

size_t machine_memory_rw(MachineState *m, const X86CPUState *state,
                         uint64_t addr, void *buf, size_t len, bool write)
{
    const size_t page = 4096;
    size_t done = 0;

    while (done < len) {
        uint64_t at = addr + done;
        size_t n = MIN(len - done, page - at % page);
        X86Mapping map;

        if (state) {
            if (!x86_translate(state, m->memory, at, &map)) {
                break;
            }
            at = map.pa + (at - map.va);
        }
        if (!copy(m, at, (char *)buf + done, n, write)) {
            break;
        }
        done += n;
    }
    return done;
}
