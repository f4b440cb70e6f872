/*
 * One GDB session, shared by the server and the commands.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GDBSTUB_GDB_INTERNAL_H
#define GDBSTUB_GDB_INTERNAL_H

#include "chardev/char-fe.h"
#include "gdbstub/gdb-server.h"

#include "gdb-packet.h"

/* Software breakpoints: a debugger's bug must not eat the host's memory. */
#define GDB_BREAKPOINTS_MAX 4096u

struct GdbServer {
    CharBackend chr;
    const GdbHost *host;
    void *opaque;

    GdbDecoder decoder;
    GByteArray *out; /* encoded, not yet taken by the chardev */
    guint watch;
    GString *last; /* last packet sent, for a '-' */
    bool no_ack;

    bool attached;    /* a GDB is there and has not detached */
    bool was_running; /* when it came */
    bool resumed;     /* it waits for a stop reply */
    int step_cpu;     /* it waits for one step of this CPU, or -1 */
    bool interrupted; /* it sent 0x03 */
    bool reports_swbreak;
    unsigned cpu;    /* of register and memory commands */
    int stop_signal; /* of the last stop */
    unsigned stop_cpu;
    char *stop_detail; /* "watch:ADDR;" and the like, or NULL */

    GHashTable *int3; /* address -> the byte that stood there */
    AccelDebug debug; /* hardware breakpoints */
};

/** gdb_session_new: a session without a character device. */
GdbServer *gdb_session_new(const GdbHost *host, void *opaque);

/** gdb_command: serve one packet. */
void gdb_command(GdbServer *s, char *packet, size_t len);

/** gdb_send, gdb_sendf: one packet to the peer. */
void gdb_send(GdbServer *s, const void *data, size_t len);
void gdb_sendf(GdbServer *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/** gdb_send_stop: the stop reply. */
void gdb_send_stop(GdbServer *s);

/* gdb-break.c */
/** gdb_break_set: handles a 'Z' or 'z'. Returns: 0, -1 failed, 1 no such
 *  type. */
int gdb_break_set(GdbServer *s, unsigned type, uint64_t addr, uint64_t kind,
                  bool insert);
/** gdb_break_clear: take all of them back. */
void gdb_break_clear(GdbServer *s);
/** gdb_break_hide: what stands under breakpoints in memory just read. */
void gdb_break_hide(GdbServer *s, uint64_t addr, uint8_t *buf, size_t len);
/** gdb_break_keep: before memory is written: the bytes go under breakpoints,
 *  whose INT3 stays in @buf. */
void gdb_break_keep(GdbServer *s, uint64_t addr, uint8_t *buf, size_t len);

/* What a CPU does when the guest goes on. */
typedef enum GdbAction {
    GDB_ACTION_HOLD,
    GDB_ACTION_CONT,
    GDB_ACTION_STEP
} GdbAction;
/** gdb_resume: @action for each CPU. Returns: false if it cannot go on. */
bool gdb_resume(GdbServer *s, const GdbAction *action);
/** gdb_detach: no breakpoints, and the guest runs if it did before. */
void gdb_detach(GdbServer *s);

#endif
