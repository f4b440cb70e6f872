/*
 * Guests that only write to memory, on any accelerator: each CPU writes a
 * number that grows into three words of each of its pages, round and round.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_LOG_MACHINE_H
#define TESTS_LOG_MACHINE_H

#include "accel/accel.h"
#include "util/thread.h"

#define LM_PAGE      4096u
#define LM_RAM_PAGES 16384u
#define LM_RAM_BYTES ((uint64_t)LM_RAM_PAGES * LM_PAGE)
/* Where the CPUs write; below: code and page tables. */
#define LM_FIRST_PAGE 512u
#define LM_CPUS_MAX   2u

typedef struct LogMachine LogMachine;

typedef struct LogCPU {
    LogMachine *lm;
    AccelVCPU *vcpu;
    QemuThread thread;
    unsigned first_page;
    unsigned n_pages;
} LogCPU;

struct LogMachine {
    AccelState *accel;
    AccelClass *ac;
    uint8_t *ram;
    unsigned n_cpus;
    LogCPU cpu[LM_CPUS_MAX];

    QemuMutex lock; /* guards the following */
    QemuCond changed;
    bool run;
    bool quit;
    unsigned stopped;
    unsigned long *device_dirty; /* pages written by lm_mmio */
};

/** lm_new: @accel is as -accel takes it ("kvm,dirty-ring-size=4096"); CPU n
 *  writes @n_pages of its own. NULL: this host cannot. */
LogMachine *lm_new(const char *accel, unsigned n_cpus, unsigned n_pages);
void lm_free(LogMachine *lm);

void lm_start(LogMachine *lm);
/** lm_stop: no CPU is in the guest when it returns. */
void lm_stop(LogMachine *lm);

/** lm_word: what is in the first word of page @page. */
uint32_t lm_word(LogMachine *lm, unsigned page);
/** lm_round: the number that CPU @cpu writes now; it is stopped. */
uint32_t lm_round(LogMachine *lm, unsigned cpu);

#endif
