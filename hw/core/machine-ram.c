/*
 * The machine's RAM and CPUs as a migration sees them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/machine-ram.h"

#include "hw/core/cpu-throttle.h"
#include "hw/core/machine-internal.h"
#include "hw/core/ram-blocks.h"
#include "util/lockable.h"

static RAMBlocks *blocks_of(MachineState *machine)
{
    return guest_memory_blocks(machine->memory);
}

const RAMBlockList *machine_ram_blocks(MachineState *machine)
{
    return ram_blocks_list(blocks_of(machine));
}

bool machine_ram_remap(MachineState *machine, RAMBlock *rb, RAMRemap how,
                       int fd, uint64_t offset, Error **errp)
{
    return ram_block_remap(blocks_of(machine), rb, how, fd, offset, errp);
}

void machine_ram_changed(MachineState *machine, RAMBlock *rb, uint64_t offset,
                         uint64_t len)
{
    ram_block_invalidate(blocks_of(machine), rb, offset, len);
}

bool machine_ram_log_start(MachineState *machine, RAMLogUser user, Error **errp)
{
    return ram_log_start(blocks_of(machine), user, errp);
}

void machine_ram_log_stop(MachineState *machine, RAMLogUser user)
{
    ram_log_stop(blocks_of(machine), user);
}

bool machine_ram_log_sync(MachineState *machine, RAMLogUser user,
                          const RAMBlock *rb, uint64_t first_page,
                          uint64_t n_pages, unsigned long *bitmap,
                          uint64_t *ret_new, Error **errp)
{
    return ram_log_sync(blocks_of(machine), user, rb, first_page, n_pages,
                        bitmap, ret_new, errp);
}

void machine_ram_log_clear(MachineState *machine, const RAMBlock *rb,
                           uint64_t first_page, uint64_t n_pages)
{
    ram_log_clear(blocks_of(machine), rb, first_page, n_pages);
}

bool machine_suppress_vmdesc(MachineState *machine)
{
    return machine->suppress_vmdesc;
}

static CPUState *cpu_at(MachineState *machine, unsigned index)
{
    GPtrArray *cpus = machine->cpus.cpus;

    return index < cpus->len ? g_ptr_array_index(cpus, index) : NULL;
}

int machine_cpu_thread_id(MachineState *machine, unsigned index)
{
    CPUState *cpu = cpu_at(machine, index);

    QEMU_LOCK_GUARD(&machine->cpus.lock);
    return cpu ? cpu->thread_id : -1;
}

bool machine_cpu_dirty_pages(MachineState *machine, unsigned index,
                             uint64_t *ret_pages)
{
    AccelClass *ac = ACCEL_GET_CLASS(machine->accel);
    CPUState *cpu = cpu_at(machine, index);

    return cpu && ac->vcpu_dirty_pages &&
           ac->vcpu_dirty_pages(cpu->vcpu, ret_pages);
}

uint64_t machine_dirty_ring_full_ns(MachineState *machine)
{
    AccelClass *ac = ACCEL_GET_CLASS(machine->accel);

    return ac->dirty_ring_full_ns ? ac->dirty_ring_full_ns(machine->accel) : 0;
}

void machine_throttle_set(MachineState *machine, unsigned percent)
{
    cpu_throttle_set(&machine->cpus, percent);
}

unsigned machine_throttle_get(MachineState *machine)
{
    return cpu_throttle_get(&machine->cpus);
}

void machine_throttle_set_one(MachineState *machine, unsigned index,
                              unsigned share)
{
    cpu_throttle_set_one(&machine->cpus, index, share);
}

uint64_t machine_throttled_ns(MachineState *machine, unsigned index)
{
    return cpu_throttled_ns(&machine->cpus, index);
}
