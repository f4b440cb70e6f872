/*
 * The session: bytes of the character device in and out, when the guest stops
 * and goes on.
 *
 * A GDB that connects stops the guest. When it detaches or its connection
 * breaks, its breakpoints are taken back and the guest is as it was before.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "gdbstub/gdb-server.h"

#include "trace/trace-gdbstub.h"
#include "util/error-report.h"
#include "util/error.h"

#include "gdb-internal.h"

#define READ_BYTES 4096
/* A GDB that reads nothing any more. */
#define OUT_MAX (1u << 20)

#define GDB_SIGNAL_INT  2
#define GDB_SIGNAL_TRAP 5

/* -- output -------------------------------------------------------------------- */

static void flush(GdbServer *s);

static gboolean can_write(void *unused, GIOCondition cond, void *opaque)
{
    GdbServer *s = opaque;

    s->watch = 0;
    flush(s);
    return G_SOURCE_REMOVE;
}

static void flush(GdbServer *s)
{
    while (s->out->len && !s->watch) {
        int n = qemu_chr_fe_write(&s->chr, s->out->data, (int)s->out->len);

        if (n > 0) {
            g_byte_array_remove_range(s->out, 0, (guint)n);
            continue;
        }
        s->watch =
            qemu_chr_fe_add_watch(&s->chr, G_IO_OUT | G_IO_HUP, can_write, s);
        if (!s->watch) {
            g_byte_array_set_size(s->out, 0);
        }
    }
}

static void put(GdbServer *s, const void *data, size_t len)
{
    if (s->out->len + len > OUT_MAX) {
        qemu_chr_fe_disconnect(&s->chr);
        return;
    }
    g_byte_array_append(s->out, data, (guint)len);
    flush(s);
}

void gdb_send(GdbServer *s, const void *data, size_t len)
{
    if (s->last) {
        g_string_free(s->last, TRUE);
    }
    s->last = gdb_encode(data, len);
    trace_gdb_reply(s->last->str);
    put(s, s->last->str, s->last->len);
}

void gdb_sendf(GdbServer *s, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    gdb_send(s, text, strlen(text));
}

void gdb_send_stop(GdbServer *s)
{
    gdb_sendf(s, "T%02xthread:%02x;%s", s->stop_signal, s->stop_cpu + 1,
              s->stop_detail ?: "");
}

/* -- stop and go ------------------------------------------------------------------ */

static void note_stop(GdbServer *s, int signal, unsigned cpu, char *detail)
{
    g_free(s->stop_detail);
    s->stop_detail = detail;
    s->stop_signal = signal;
    s->stop_cpu = cpu;
    s->cpu = cpu;
}

bool gdb_resume(GdbServer *s, const GdbAction *action)
{
    Error *err = NULL;

    if (s->host->running(s->opaque)) {
        /* The monitor let it go on; GDB has not been told of a stop. */
        s->resumed = false;
        s->host->stop(s->opaque);
    }
    s->step_cpu = -1;
    for (unsigned i = 0; i < s->host->cpu_count(s->opaque); i++) {
        AccelDebug d = s->debug;

        d.enabled = g_hash_table_size(s->int3) > 0;
        d.single_step = action[i] == GDB_ACTION_STEP;
        if (d.single_step) {
            s->step_cpu = (int)i;
        }
        s->host->hold(s->opaque, i, action[i] == GDB_ACTION_HOLD);
        if (!s->host->set_debug(s->opaque, i, &d, &err)) {
            warn_report_err(err);
            return false;
        }
    }
    s->interrupted = false;
    if (!s->host->cont(s->opaque, &err)) {
        warn_report_err(err);
        return false;
    }
    s->resumed = true;
    return true;
}

void gdb_detach(GdbServer *s)
{
    static const AccelDebug none;
    Error *err = NULL;

    if (!s->attached) {
        return;
    }
    trace_gdb_detach();
    s->attached = false;
    s->resumed = false;
    if (s->host->running(s->opaque)) {
        s->host->stop(s->opaque);
        s->was_running = true;
    }
    gdb_break_clear(s);
    for (unsigned i = 0; i < s->host->cpu_count(s->opaque); i++) {
        s->host->hold(s->opaque, i, false);
        s->host->set_debug(s->opaque, i, &none, NULL);
    }
    if (s->was_running && !s->host->cont(s->opaque, &err)) {
        warn_report_err(err);
    }
}

static void attach(GdbServer *s)
{
    trace_gdb_attach();
    gdb_decoder_deinit(&s->decoder);
    gdb_decoder_init(&s->decoder);
    g_byte_array_set_size(s->out, 0);
    s->no_ack = false;
    s->reports_swbreak = false;
    s->was_running = s->host->running(s->opaque);
    s->host->stop(s->opaque);
    s->attached = true;
    s->resumed = false;
    note_stop(s, GDB_SIGNAL_TRAP, 0, NULL);
}

/* Where the INT3 of CPU @cpu stands, if it is none of ours. */
static bool is_guests_int3(GdbServer *s, unsigned cpu)
{
    g_autoptr(X86CPUState) st = x86_state_new();
    uint64_t at;

    if (!s->host->get_state(s->opaque, cpu, X86_STATE_REGS | X86_STATE_SREGS,
                            st, NULL)) {
        return false;
    }
    at =
        st->rip +
        (st->efer & (1u << 10) && st->seg[X86_CS].l ? 0 : st->seg[X86_CS].base);
    return !g_hash_table_contains(s->int3, &at);
}

static bool pass_int3_on(GdbServer *s, unsigned cpu)
{
    AccelDebug d = s->debug;

    d.enabled = true;
    d.inject_bp = true;
    d.single_step = s->step_cpu == (int)cpu;
    return s->host->set_debug(s->opaque, cpu, &d, NULL) &&
           s->host->cont(s->opaque, NULL);
}

static char *hit_detail(GdbServer *s, const AccelDebugHit *hit)
{
    const AccelDebugPoint *p;

    if (hit->reason == ACCEL_DEBUG_HIT_INT3) {
        return s->reports_swbreak ? g_strdup("swbreak:;") : NULL;
    }
    if (hit->reason != ACCEL_DEBUG_HIT_POINT ||
        hit->point >= s->debug.n_points) {
        return NULL;
    }
    p = &s->debug.point[hit->point];
    if (p->kind == ACCEL_DEBUG_EXEC) {
        return s->reports_swbreak ? g_strdup("hwbreak:;") : NULL;
    }
    return g_strdup_printf("%s:%" PRIx64 ";",
                           p->kind == ACCEL_DEBUG_WRITE ? "watch" : "awatch",
                           p->addr);
}

void gdb_server_stopped(GdbServer *s, unsigned cpu, const AccelDebugHit *hit)
{
    if (!s->attached || !s->resumed) {
        return;
    }
    if (hit && hit->reason == ACCEL_DEBUG_HIT_INT3 && is_guests_int3(s, cpu) &&
        pass_int3_on(s, cpu)) {
        return;
    }
    s->resumed = false;
    if (hit) {
        note_stop(s, GDB_SIGNAL_TRAP, cpu, hit_detail(s, hit));
    } else {
        note_stop(s, s->interrupted ? GDB_SIGNAL_INT : GDB_SIGNAL_TRAP, s->cpu,
                  NULL);
    }
    gdb_send_stop(s);
}

/* -- input ----------------------------------------------------------------------- */

static void serve(GdbServer *s)
{
    char *text = (char *)s->decoder.packet->data;

    if (!s->no_ack) {
        put(s, "+", 1);
    }
    trace_gdb_command(text);
    gdb_command(s, text, s->decoder.packet->len);
}

static int can_read(void *opaque)
{
    return READ_BYTES;
}

static void receive(void *opaque, const uint8_t *buf, int size)
{
    GdbServer *s = opaque;

    for (int i = 0; i < size && s->attached; i++) {
        switch (gdb_decode(&s->decoder, buf[i])) {
        case GDB_INPUT_PACKET:
            serve(s);
            break;
        case GDB_INPUT_BAD:
            put(s, "-", 1);
            break;
        case GDB_INPUT_NACK:
            if (s->last && !s->no_ack) {
                put(s, s->last->str, s->last->len);
            }
            break;
        case GDB_INPUT_INTERRUPT:
            s->interrupted = true;
            s->host->stop(s->opaque);
            break;
        case GDB_INPUT_ACK:
        case GDB_INPUT_MORE:
            break;
        }
    }
}

static void event(void *opaque, QEMUChrEvent what)
{
    GdbServer *s = opaque;

    if (what == CHR_EVENT_OPENED) {
        attach(s);
    } else if (what == CHR_EVENT_CLOSED) {
        /* The next connection must not wait for this one to take more. */
        qemu_chr_fe_remove_watch(&s->chr, s->watch);
        s->watch = 0;
        gdb_detach(s);
    }
}

GdbServer *gdb_session_new(const GdbHost *host, void *opaque)
{
    GdbServer *s = g_new0(GdbServer, 1);

    s->host = host;
    s->opaque = opaque;
    s->out = g_byte_array_new();
    s->int3 = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    gdb_decoder_init(&s->decoder);
    return s;
}

GdbServer *gdb_server_new(Chardev *chr, const GdbHost *host, void *opaque,
                          Error **errp)
{
    GdbServer *s = gdb_session_new(host, opaque);

    if (!qemu_chr_fe_init(&s->chr, chr, errp)) {
        gdb_server_free(s);
        return NULL;
    }
    qemu_chr_fe_set_handlers(&s->chr, can_read, receive, event, NULL, s, NULL,
                             true);
    return s;
}

void gdb_server_free(GdbServer *s)
{
    if (!s) {
        return;
    }
    s->was_running = false;
    gdb_detach(s);
    qemu_chr_fe_remove_watch(&s->chr, s->watch);
    qemu_chr_fe_deinit(&s->chr, true);
    gdb_decoder_deinit(&s->decoder);
    g_byte_array_unref(s->out);
    if (s->last) {
        g_string_free(s->last, TRUE);
    }
    g_hash_table_unref(s->int3);
    g_free(s->stop_detail);
    g_free(s);
}
