/*
 * The pacer: one limit of bytes a second for all channels of a migration.
 *
 * A token bucket whose tokens are time: each byte moves the moment at which
 * the link is free again by 1 / rate. Who wants to send first adds its bytes
 * and then sleeps until its own moment has come; unused time up to
 * PACER_BURST_NS is kept, so that late wake-ups cost no bandwidth and any
 * second carries at most 1.5 % more than the rate. Channels that wait are
 * served in the order in which they came.
 *
 * Senders write pieces of at most pacer_quantum() bytes for each call, or a
 * slow link would see long bursts.
 *
 * Thread: all functions, any thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_PACER_H
#define MIGRATION_PACER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Pacer Pacer;

/* Unused time that is kept. */
#define PACER_BURST_NS (INT64_C(15) * 1000 * 1000)
/* Bounds of pacer_quantum(), bytes. */
#define PACER_QUANTUM_MIN 4096
#define PACER_QUANTUM_MAX (UINT64_C(2) << 20)

/** pacer_new: without a limit. For pacer_free(). */
Pacer *pacer_new(void);
/** pacer_free: no thread waits in it any more. NULL is allowed. */
void pacer_free(Pacer *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pacer, pacer_free)

/**
 * pacer_set_rate:
 * @bytes_per_s: 0 = no limit
 *
 * Who waits now goes on waiting at the new rate.
 */
void pacer_set_rate(Pacer *p, uint64_t bytes_per_s);
uint64_t pacer_rate(Pacer *p);

/**
 * pacer_quantum: most bytes to write at once; PACER_QUANTUM_MAX when there is
 * no limit.
 */
uint64_t pacer_quantum(Pacer *p);

/**
 * pacer_charge:
 * @bytes: about to be written, or just written
 *
 * Wait until @bytes may pass. Returns at once without a limit.
 *
 * Returns: false = pacer_stop() was called: the caller ends its work.
 */
bool pacer_charge(Pacer *p, uint64_t bytes);

/**
 * pacer_urgent: @bytes that pass without being counted against the limit
 * (pages that the guest waits for). Never waits.
 */
void pacer_urgent(Pacer *p, uint64_t bytes);

/** pacer_stop: wake everybody; pacer_charge() returns false from now on. */
void pacer_stop(Pacer *p);
/** pacer_restart: after pacer_stop(), for the next attempt. */
void pacer_restart(Pacer *p);

/** pacer_waited_ns: time that all senders together slept. */
uint64_t pacer_waited_ns(Pacer *p);
/** pacer_passed: bytes charged, and urgent ones, since pacer_new(). */
uint64_t pacer_passed(Pacer *p, uint64_t *ret_urgent);

#endif
