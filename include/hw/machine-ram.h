/*
 * The machine's RAM blocks and which of their pages are written; its CPUs'
 * share in that, and making them sleep. For live migration.
 *
 * Thread: any, machine lock not held, unless said otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_MACHINE_RAM_H
#define HW_MACHINE_RAM_H

#include "hw/boards.h"
#include "migration/ram-block.h"

/* Who may keep a log of written pages; each sees all of them. */
typedef enum RAMLogUser {
    RAM_LOG_MIGRATION,
    RAM_LOG_RATE,  /* calc-dirty-rate */
    RAM_LOG_LIMIT, /* dirty limits of CPUs */
    RAM_LOG__MAX,
} RAMLogUser;

/** machine_ram_blocks: all of them, in order; changes only when a device comes
 *  or goes. */
const RAMBlockList *machine_ram_blocks(MachineState *machine);

/** machine_ram_changed: @len bytes at @offset of @rb were written by who
 *  loads a migration stream. */
void machine_ram_changed(MachineState *machine, RAMBlock *rb, uint64_t offset,
                         uint64_t len);

/** machine_ram_remap: as MigrationHost.ram_remap. Machine lock held. */
bool machine_ram_remap(MachineState *machine, RAMBlock *rb, RAMRemap how,
                       int fd, uint64_t offset, Error **errp);

/* The log: as MigrationHost.dirty_* (migration/host.h). */
bool machine_ram_log_start(MachineState *machine, RAMLogUser user,
                           Error **errp);
void machine_ram_log_stop(MachineState *machine, RAMLogUser user);
bool machine_ram_log_sync(MachineState *machine, RAMLogUser user,
                          const RAMBlock *rb, uint64_t first_page,
                          uint64_t n_pages, unsigned long *bitmap,
                          uint64_t *ret_new, Error **errp);
void machine_ram_log_clear(MachineState *machine, const RAMBlock *rb,
                           uint64_t first_page, uint64_t n_pages);

/** machine_suppress_vmdesc: -machine suppress-vmdesc=on. */
bool machine_suppress_vmdesc(MachineState *machine);

/** machine_cpu_thread_id: kernel's number of the thread of CPU @index. */
int machine_cpu_thread_id(MachineState *machine, unsigned index);
/** machine_cpu_dirty_pages: pages that CPU @index made dirty while a log was
 *  on; false: the accelerator does not count. */
bool machine_cpu_dirty_pages(MachineState *machine, unsigned index,
                             uint64_t *ret_pages);
/** machine_dirty_ring_full_ns: time that CPUs waited for full rings. */
uint64_t machine_dirty_ring_full_ns(MachineState *machine);

/** machine_throttle_set: every CPU sleeps at least @percent of its time. */
void machine_throttle_set(MachineState *machine, unsigned percent);
unsigned machine_throttle_get(MachineState *machine);
/** machine_throttle_set_one: CPU @index sleeps at least @share / 10000. */
void machine_throttle_set_one(MachineState *machine, unsigned index,
                              unsigned share);
/** machine_throttled_ns: time that CPU @index has slept for these. */
uint64_t machine_throttled_ns(MachineState *machine, unsigned index);

#endif
