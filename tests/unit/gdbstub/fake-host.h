/*
 * A machine of two CPUs and 64 KiB of memory for the GDB server's tests; a
 * session without a character device: what would be sent is in s->last.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_GDBSTUB_FAKE_HOST_H
#define TESTS_GDBSTUB_FAKE_HOST_H

#include "gdbstub/gdb-internal.h"

#define FAKE_CPUS  2u
#define FAKE_BYTES 65536u

typedef struct FakeMachine {
    X86CPUState *cpu[FAKE_CPUS];
    uint8_t xsave[FAKE_CPUS][1024];
    uint8_t memory[FAKE_BYTES];
    AccelDebug debug[FAKE_CPUS];
    bool held[FAKE_CPUS];
    bool running;
    bool touched; /* debugging was set up while the guest ran */
    bool killed;
} FakeMachine;

static inline unsigned fake_count(void *opaque)
{
    return FAKE_CPUS;
}

static inline void fake_copy(X86CPUState *to, const X86CPUState *from)
{
    uint8_t *own = to->xsave ?: g_malloc0(1024);

    *to = *from;
    to->xsave = own;
    memcpy(own, from->xsave, 1024);
}

static inline bool fake_get(void *opaque, unsigned cpu, unsigned mask,
                            X86CPUState *state, Error **errp)
{
    FakeMachine *m = opaque;

    fake_copy(state, m->cpu[cpu]);
    return true;
}

static inline bool fake_set(void *opaque, unsigned cpu, unsigned mask,
                            const X86CPUState *state, Error **errp)
{
    FakeMachine *m = opaque;

    fake_copy(m->cpu[cpu], state);
    return true;
}

static inline size_t fake_memory(void *opaque, const X86CPUState *state,
                                 uint64_t addr, void *buf, size_t len,
                                 bool write)
{
    FakeMachine *m = opaque;
    size_t n = addr < FAKE_BYTES ? MIN(len, FAKE_BYTES - addr) : 0;

    if (n) {
        memcpy(write ? m->memory + addr : buf, write ? buf : m->memory + addr,
               n);
    }
    return n;
}

static inline bool fake_set_debug(void *opaque, unsigned cpu,
                                  const AccelDebug *debug, Error **errp)
{
    FakeMachine *m = opaque;

    m->touched |= m->running;
    m->debug[cpu] = *debug;
    return true;
}

static inline void fake_hold(void *opaque, unsigned cpu, bool hold)
{
    ((FakeMachine *)opaque)->held[cpu] = hold;
}

static inline bool fake_running(void *opaque)
{
    return ((FakeMachine *)opaque)->running;
}

static inline void fake_stop(void *opaque)
{
    ((FakeMachine *)opaque)->running = false;
}

static inline bool fake_cont(void *opaque, Error **errp)
{
    ((FakeMachine *)opaque)->running = true;
    return true;
}

static inline char *fake_monitor(void *opaque, const char *line)
{
    return g_strdup_printf("you said %s\n", line);
}

static inline void fake_kill(void *opaque)
{
    ((FakeMachine *)opaque)->killed = true;
}

static const GdbHost fake_host = {
    .cpu_count = fake_count,
    .get_state = fake_get,
    .set_state = fake_set,
    .memory = fake_memory,
    .set_debug = fake_set_debug,
    .hold = fake_hold,
    .running = fake_running,
    .stop = fake_stop,
    .cont = fake_cont,
    .monitor = fake_monitor,
    .kill = fake_kill,
};

static inline GdbServer *fake_session(FakeMachine **ret)
{
    FakeMachine *m = g_new0(FakeMachine, 1);
    GdbServer *s = gdb_session_new(&fake_host, m);

    for (unsigned i = 0; i < FAKE_CPUS; i++) {
        m->cpu[i] = x86_state_new();
        m->cpu[i]->xsave = g_malloc0(1024);
        m->cpu[i]->xsave_bytes = 1024;
    }
    s->attached = true;
    *ret = m;
    return s;
}

static inline void fake_session_free(GdbServer *s, FakeMachine *m)
{
    gdb_server_free(s);
    for (unsigned i = 0; i < FAKE_CPUS; i++) {
        x86_state_free(m->cpu[i]);
    }
    g_free(m);
}

#endif
