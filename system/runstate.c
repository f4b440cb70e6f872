/*
 * Run state: a table of allowed moves, and the main loop that carries out
 * requests.
 *
 * A request is one bit (and for some a detail) under a lock; whoever sets it
 * wakes the main loop, which looks at all bits between two rounds. So a vCPU
 * thread never waits for the thread that is about to stop it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "runstate.h"

#include "qapi/qapi-events-machine.h"
#include "qapi/qapi-events-run-state.h"
#include "trace/trace-system.h"
#include "util/atomic.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/lockable.h"
#include "util/main-loop.h"
#include "util/thread.h"

#define TO(state) (1u << RUN_STATE_##state)

/* For each state, where it may lead. */
static const unsigned allowed_moves[RUN_STATE__MAX] = {
    [RUN_STATE_PRELAUNCH] = TO(RUNNING) | TO(INMIGRATE) | TO(FINISH_MIGRATE) |
                            TO(POSTMIGRATE) | TO(PAUSED) | TO(SHUTDOWN) |
                            TO(INTERNAL_ERROR) | TO(GUEST_PANICKED) |
                            TO(RESTORE_VM),
    /* Also to whatever the guest was in on the source. */
    [RUN_STATE_INMIGRATE] = TO(RUNNING) | TO(PAUSED) | TO(PRELAUNCH) |
                            TO(POSTMIGRATE) | TO(SHUTDOWN) |
                            TO(INTERNAL_ERROR) | TO(IO_ERROR) | TO(SUSPENDED) |
                            TO(WATCHDOG) | TO(GUEST_PANICKED) | TO(DEBUG),
    /* The last two: the guest did it just before it was stopped. */
    [RUN_STATE_PAUSED] = TO(RUNNING) | TO(PRELAUNCH) | TO(FINISH_MIGRATE) |
                         TO(POSTMIGRATE) | TO(SHUTDOWN) | TO(INTERNAL_ERROR) |
                         TO(GUEST_PANICKED),
    [RUN_STATE_RUNNING] = TO(DEBUG) | TO(INTERNAL_ERROR) | TO(IO_ERROR) |
                          TO(PAUSED) | TO(FINISH_MIGRATE) | TO(RESTORE_VM) |
                          TO(SAVE_VM) | TO(SHUTDOWN) | TO(SUSPENDED) |
                          TO(WATCHDOG) | TO(GUEST_PANICKED) | TO(COLO),
    [RUN_STATE_DEBUG] = TO(RUNNING) | TO(PRELAUNCH) | TO(SHUTDOWN),
    [RUN_STATE_INTERNAL_ERROR] =
        TO(PAUSED) | TO(PRELAUNCH) | TO(SHUTDOWN) | TO(FINISH_MIGRATE),
    [RUN_STATE_IO_ERROR] =
        TO(RUNNING) | TO(PRELAUNCH) | TO(FINISH_MIGRATE) | TO(SHUTDOWN),
    [RUN_STATE_POSTMIGRATE] =
        TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH) | TO(SHUTDOWN),
    [RUN_STATE_FINISH_MIGRATE] =
        TO(RUNNING) | TO(PAUSED) | TO(POSTMIGRATE) | TO(PRELAUNCH) |
        TO(SHUTDOWN) | TO(INTERNAL_ERROR) | TO(IO_ERROR) | TO(SUSPENDED) |
        TO(WATCHDOG) | TO(GUEST_PANICKED) | TO(COLO),
    /* To internal-error: the state could not be loaded. The last ones of both:
     * the guest did it just before it was stopped. */
    [RUN_STATE_RESTORE_VM] = TO(RUNNING) | TO(PAUSED) | TO(PRELAUNCH) |
                             TO(SHUTDOWN) | TO(INTERNAL_ERROR) |
                             TO(GUEST_PANICKED),
    [RUN_STATE_SAVE_VM] = TO(RUNNING) | TO(PAUSED) | TO(SHUTDOWN) |
                          TO(INTERNAL_ERROR) | TO(GUEST_PANICKED),
    [RUN_STATE_SHUTDOWN] = TO(PAUSED) | TO(PRELAUNCH) | TO(FINISH_MIGRATE),
    [RUN_STATE_SUSPENDED] = TO(RUNNING) | TO(PRELAUNCH) | TO(FINISH_MIGRATE) |
                            TO(SHUTDOWN) | TO(PAUSED),
    [RUN_STATE_WATCHDOG] =
        TO(RUNNING) | TO(PRELAUNCH) | TO(FINISH_MIGRATE) | TO(SHUTDOWN),
    [RUN_STATE_GUEST_PANICKED] =
        TO(RUNNING) | TO(PRELAUNCH) | TO(FINISH_MIGRATE) | TO(SHUTDOWN),
    [RUN_STATE_COLO] = TO(RUNNING) | TO(PRELAUNCH) | TO(SHUTDOWN),
};

/* The one virtual machine of this program. */
static struct {
    int state; /* atomic */
    MachineState *machine;

    RebootAction reboot;
    ShutdownAction shutdown;
    PanicAction panic;

    void (*stop_func)(void *opaque, int debug_cpu);
    void *stop_opaque;

    /* Guards the requests below. */
    QemuMutex lock;
    bool shutdown_requested;
    ShutdownCause shutdown_cause;
    bool reset_requested;
    bool reset_held;
    ShutdownCause reset_cause;
    bool powerdown_requested;
    bool stop_requested;
    RunState stop_state;
    bool panic_requested;
    bool debug_requested;
    int debug_cpu;
    char *internal_error; /* message, NULL: none */
    bool exit_requested;
    int exit_status;
} run = {
    .state = RUN_STATE_PRELAUNCH,
    .reboot = REBOOT_ACTION_RESET,
    .shutdown = SHUTDOWN_ACTION_POWEROFF,
    .panic = PANIC_ACTION_SHUTDOWN,
};

void run_state_init(void)
{
    qemu_mutex_init(&run.lock);
}

RunState run_state_get(void)
{
    return qatomic_read(&run.state);
}

bool run_state_is_running(void)
{
    return run_state_get() == RUN_STATE_RUNNING;
}

bool run_state_needs_reset(void)
{
    RunState s = run_state_get();

    return s == RUN_STATE_INTERNAL_ERROR || s == RUN_STATE_SHUTDOWN;
}

bool run_state_may_move(RunState from, RunState to)
{
    return from == to || (allowed_moves[from] & (1u << to));
}

bool run_state_can_move(RunState to)
{
    return run_state_may_move(run_state_get(), to);
}

void run_state_move(RunState to)
{
    RunState from = run_state_get();

    if (from == to) {
        return;
    }
    assert(run_state_may_move(from, to));
    trace_run_state_move(RunState_str(from), RunState_str(to));
    qatomic_set(&run.state, to);
}

void run_actions_set(bool has_reboot, RebootAction reboot, bool has_shutdown,
                     ShutdownAction shutdown, bool has_panic, PanicAction panic)
{
    QEMU_LOCK_GUARD(&run.lock);
    run.reboot = has_reboot ? reboot : run.reboot;
    run.shutdown = has_shutdown ? shutdown : run.shutdown;
    run.panic = has_panic ? panic : run.panic;
}

void run_attach_machine(MachineState *machine)
{
    run.machine = machine;
}

void vm_start(void)
{
    if (run_state_is_running()) {
        return;
    }
    run_state_move(RUN_STATE_RUNNING);
    machine_start(run.machine);
    qapi_event_send_resume();
}

void run_on_stop(void (*func)(void *opaque, int debug_cpu), void *opaque)
{
    run.stop_func = func;
    run.stop_opaque = opaque;
}

static void stop_for(RunState state, int debug_cpu)
{
    bool ran = run_state_is_running();

    if (ran) {
        machine_stop(run.machine);
    }
    /* A guest that was stopped for one reason may stay so for another. */
    if (ran || run_state_may_move(run_state_get(), state)) {
        run_state_move(state);
    }
    if (ran) {
        qapi_event_send_stop();
    }
    if (ran && run.stop_func) {
        run.stop_func(run.stop_opaque, debug_cpu);
    }
}

void vm_stop(RunState state)
{
    stop_for(state, -1);
}

/* -- requests ------------------------------------------------------------ */

void run_request_shutdown(ShutdownCause cause)
{
    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        run.shutdown_requested = true;
        run.shutdown_cause = cause;
    }
    qemu_notify_event();
}

void run_request_quit(ShutdownCause cause)
{
    run_actions_set(false, 0, true, SHUTDOWN_ACTION_POWEROFF, false, 0);
    run_request_shutdown(cause);
}

void run_request_reset(ShutdownCause cause)
{
    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        if (cause == SHUTDOWN_CAUSE_GUEST_RESET &&
            run.reboot == REBOOT_ACTION_SHUTDOWN) {
            run.shutdown_requested = true;
            run.shutdown_cause = cause;
        } else {
            run.reset_requested = true;
            run.reset_cause = cause;
        }
    }
    qemu_notify_event();
}

void run_hold_reset(bool on)
{
    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        run.reset_held = on;
    }
    qemu_notify_event();
}

void run_forget_reset(void)
{
    QEMU_LOCK_GUARD(&run.lock);
    run.reset_requested = false;
}

void run_request_powerdown(void)
{
    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        run.powerdown_requested = true;
    }
    qemu_notify_event();
}

void run_request_stop(RunState state)
{
    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        run.stop_requested = true;
        run.stop_state = state;
    }
    qemu_notify_event();
}

static void host_shutdown_request(void *opaque)
{
    run_request_shutdown(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
}

static void host_reset_request(void *opaque)
{
    run_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
}

static void host_exit_request(void *opaque, int status)
{
    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        run.exit_requested = true;
        run.exit_status = status;
    }
    qemu_notify_event();
}

void run_request_exit(int status)
{
    host_exit_request(NULL, status);
}

static void host_guest_panicked(void *opaque)
{
    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        run.panic_requested = true;
    }
    qemu_notify_event();
}

static void host_internal_error(void *opaque, const char *message)
{
    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        if (!run.internal_error) {
            run.internal_error = g_strdup(message);
        }
    }
    qemu_notify_event();
}

static void host_debug_stop(void *opaque, unsigned cpu_index)
{
    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        run.debug_requested = true;
        run.debug_cpu = (int)cpu_index;
    }
    qemu_notify_event();
}

static void host_rtc_change(void *opaque, int64_t offset_s,
                            const char *qom_path)
{
    qapi_event_send_rtc_change(offset_s, qom_path);
}

static void host_device_deleted(void *opaque, const char *id,
                                const char *qom_path)
{
    qapi_event_send_device_deleted(id, qom_path);
}

const MachineHost run_machine_host = {
    .shutdown_request = host_shutdown_request,
    .reset_request = host_reset_request,
    .exit_request = host_exit_request,
    .guest_panicked = host_guest_panicked,
    .internal_error = host_internal_error,
    .debug_stop = host_debug_stop,
    .rtc_change = host_rtc_change,
    .device_deleted = host_device_deleted,
};

/* -- carrying them out, in the main thread ------------------------------- */

static bool is_guest_cause(ShutdownCause cause)
{
    return cause >= SHUTDOWN_CAUSE_GUEST_SHUTDOWN;
}

static void do_reset(ShutdownCause cause)
{
    Error *err = NULL;

    if (!machine_reset(run.machine, &err)) {
        error_reportf_err(err, "reset failed: ");
        vm_stop(RUN_STATE_INTERNAL_ERROR);
        return;
    }
    qapi_event_send_reset(is_guest_cause(cause), cause);
    if (!run_state_is_running() && run_state_get() != RUN_STATE_INMIGRATE) {
        run_state_move(RUN_STATE_PRELAUNCH);
    }
}

static void do_panic(void)
{
    PanicAction action;

    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        action = run.panic;
    }
    switch (action) {
    case PANIC_ACTION_NONE:
        qapi_event_send_guest_panicked(GUEST_PANIC_ACTION_RUN);
        if (run_state_is_running()) {
            machine_start(run.machine);
        }
        break;
    case PANIC_ACTION_PAUSE:
        qapi_event_send_guest_panicked(GUEST_PANIC_ACTION_PAUSE);
        vm_stop(RUN_STATE_GUEST_PANICKED);
        break;
    case PANIC_ACTION_EXIT_FAILURE:
        host_exit_request(NULL, EXIT_FAILURE);
        /* fall through */
    default:
        qapi_event_send_guest_panicked(GUEST_PANIC_ACTION_POWEROFF);
        run_request_shutdown(SHUTDOWN_CAUSE_GUEST_PANIC);
        break;
    }
}

/* Returns: should the program end? */
static bool do_shutdown(ShutdownCause cause)
{
    bool pause;

    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        pause = run.shutdown == SHUTDOWN_ACTION_PAUSE;
    }
    qapi_event_send_shutdown(is_guest_cause(cause), cause);
    if (pause) {
        vm_stop(RUN_STATE_SHUTDOWN);
    }
    return !pause;
}

#define TAKE(flag)                                                             \
    ({                                                                         \
        bool was_ = run.flag;                                                  \
        run.flag = false;                                                      \
        was_;                                                                  \
    })

/* Returns: should the program end? */
static bool serve_requests(void)
{
    g_autofree char *message = NULL;
    bool shutdown, reset, powerdown, panic, debug, stop, leave;
    RunState stop_state;
    int debug_cpu;
    ShutdownCause shutdown_cause, reset_cause;

    WITH_QEMU_LOCK_GUARD(&run.lock)
    {
        message = g_steal_pointer(&run.internal_error);
        panic = TAKE(panic_requested);
        debug = TAKE(debug_requested);
        debug_cpu = run.debug_cpu;
        reset = !run.reset_held && TAKE(reset_requested);
        powerdown = TAKE(powerdown_requested);
        stop = TAKE(stop_requested);
        stop_state = run.stop_state;
        shutdown = TAKE(shutdown_requested);
        shutdown_cause = run.shutdown_cause;
        reset_cause = run.reset_cause;
        leave = run.exit_requested;
    }
    if (leave) {
        return true;
    }
    if (message) {
        error_report("%s", message);
        vm_stop(RUN_STATE_INTERNAL_ERROR);
    }
    if (panic) {
        do_panic();
    }
    if (debug) {
        stop_for(RUN_STATE_DEBUG, debug_cpu);
    }
    if (stop && run_state_is_running()) {
        vm_stop(stop_state);
    }
    if (shutdown && do_shutdown(shutdown_cause)) {
        return true;
    }
    if (reset) {
        do_reset(reset_cause);
    }
    if (powerdown) {
        qapi_event_send_powerdown();
        if (run.machine) {
            machine_powerdown(run.machine);
        }
    }
    return false;
}

bool run_end_requested(void)
{
    QEMU_LOCK_GUARD(&run.lock);
    return run.shutdown_requested || run.exit_requested;
}

int run_main_loop(void)
{
    while (!serve_requests()) {
        main_loop_wait(false);
    }
    QEMU_LOCK_GUARD(&run.lock);
    return run.exit_requested ? run.exit_status : EXIT_SUCCESS;
}
