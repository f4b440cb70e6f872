/*
 * The state of the virtual machine as a whole, and requests to change it.
 *
 * Requests may come from any thread (a vCPU, a signal, a monitor); they are
 * noted and carried out by the main loop. State changes happen in the main
 * thread only; the state can be read from anywhere.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_RUNSTATE_H
#define SYSTEM_RUNSTATE_H

#include "hw/boards.h"
#include "qapi/qapi-types-run-state.h"

/** run_state_init: before everything else here. */
void run_state_init(void);

/** run_state_get: Thread: any. */
RunState run_state_get(void);
/** run_state_is_running: Thread: any. */
bool run_state_is_running(void);
/** run_state_needs_reset: can the guest go on only after a reset? */
bool run_state_needs_reset(void);
/** run_state_can_move: is the edge to @to in the table (or @to the state)?
 *  Thread: main. */
bool run_state_can_move(RunState to);
/** run_state_may_move: is @from -> @to in the table, or the same? */
bool run_state_may_move(RunState from, RunState to);
/** run_state_move: to @to; an edge that is not in the table is a bug. */
void run_state_move(RunState to);

/** run_actions_set: what to do at reboot, shutdown, panic, watchdog. */
void run_actions_set(bool has_reboot, RebootAction reboot, bool has_shutdown,
                     ShutdownAction shutdown, bool has_panic,
                     PanicAction panic);

/** run_attach_machine: the machine that start, stop and reset act on. */
void run_attach_machine(MachineState *machine);

/** vm_start: let the guest run; emits RESUME. No-op when it runs. */
void vm_start(void);
/** vm_stop: pause the guest in state @state; emits STOP if it ran. */
void vm_stop(RunState state);

/**
 * run_on_stop:
 * @func: called after each stop of the guest in the main thread; @debug_cpu
 *        is the number of the CPU that came to what its debugger waits for,
 *        or -1. NULL: nobody.
 */
void run_on_stop(void (*func)(void *opaque, int debug_cpu), void *opaque);

/* Requests. Thread: any. */
void run_request_shutdown(ShutdownCause cause);
void run_request_reset(ShutdownCause cause);
void run_request_powerdown(void);
/** run_request_stop: pause the guest in state @state, if it runs. */
void run_request_stop(RunState state);
/** run_request_quit: end the program, whatever -no-shutdown says. */
void run_request_quit(ShutdownCause cause);

/** run_hold_reset: @on: a reset that is asked for waits until it is off: the
 *  guest's state is being saved or loaded. Thread: main. */
void run_hold_reset(bool on);
/** run_forget_reset: what the guest asked for is of no account any more. */
void run_forget_reset(void);

/** run_request_exit: end the program with @status. */
void run_request_exit(int status);

/** run_machine_host: requests as the machine makes them. */
extern const MachineHost run_machine_host;

/** run_end_requested: was the end of the program asked for? */
bool run_end_requested(void);

/**
 * run_main_loop:
 * Serve until the program is to end.
 *
 * Returns: the exit status.
 */
int run_main_loop(void);

#endif
