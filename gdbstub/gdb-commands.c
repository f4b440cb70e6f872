/*
 * The packets of GDB's remote serial protocol that are served, one function
 * each. What is not known gets the empty reply, which tells GDB so.
 *
 * Source: GDB manual, appendix E.2 to E.5.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "gdb-internal.h"
#include "gdb-x86.h"

#define REG_BYTES_MAX 16
/* Hexadecimal digits of output in one packet of qRcmd. */
#define CONSOLE_CHUNK 4096
/* Most characters of one command's output: what may wait to be sent is
 * limited, and each takes two. */
#define CONSOLE_MAX  (256u * 1024)
#define CONSOLE_MORE "\n(more is left out)\n"

typedef struct Command {
    const char *name;
    void (*run)(GdbServer *s, char *args, size_t len);
} Command;

static void reply_ok(GdbServer *s)
{
    gdb_sendf(s, "OK");
}

static void reply_error(GdbServer *s, unsigned code)
{
    gdb_sendf(s, "E%02x", code);
}

/* A hexadecimal number and the character behind it. */
static bool parse_hex(char **p, char end, uint64_t *ret)
{
    char *stop;

    if (!g_ascii_isxdigit(**p)) {
        return false;
    }
    errno = 0;
    *ret = g_ascii_strtoull(*p, &stop, 16);
    if (errno || *stop != end) {
        return false;
    }
    *p = end ? stop + 1 : stop;
    return true;
}

/* "ADDR,LENGTH" up to @end. */
static bool parse_range(char **p, char end, uint64_t *addr, uint64_t *len)
{
    return parse_hex(p, ',', addr) && parse_hex(p, end, len) &&
           *len <= GDB_PACKET_MAX;
}

/* A thread number: -1 all, 0 any, N, or as pPID.N. */
static bool parse_thread(char **p, int64_t *ret)
{
    char *text = *p, *stop;

    if (*text == 'p') {
        text = strchr(text, '.');
        if (!text) {
            return false;
        }
        text++;
    }
    if (g_str_has_prefix(text, "-1")) {
        *p = text + 2;
        *ret = -1;
        return true;
    }
    if (!g_ascii_isxdigit(*text)) {
        return false;
    }
    *ret = (int64_t)(g_ascii_strtoull(text, &stop, 16) & 0xffffff);
    *p = stop;
    return true;
}

static bool thread_exists(GdbServer *s, int64_t thread)
{
    return thread >= 1 && (uint64_t)thread <= s->host->cpu_count(s->opaque);
}

/* -- registers ------------------------------------------------------------------- */

static X86CPUState *fetch(GdbServer *s)
{
    g_autoptr(X86CPUState) st = x86_state_new();

    return s->host->get_state(s->opaque, s->cpu, GDB_X86_STATE, st, NULL)
               ? g_steal_pointer(&st)
               : NULL;
}

static bool put_back(GdbServer *s, const X86CPUState *st)
{
    return s->host->set_state(s->opaque, s->cpu, GDB_X86_STATE, st, NULL);
}

static void cmd_g(GdbServer *s, char *args, size_t len)
{
    g_autoptr(X86CPUState) st = fetch(s);
    g_autoptr(GString) out = g_string_new(NULL);
    uint8_t value[REG_BYTES_MAX];

    for (unsigned n = 0; st && n < gdb_x86_count(); n++) {
        gdb_x86_read(st, n, value);
        gdb_hex_append(out, value, gdb_x86_bytes(n));
    }
    st ? gdb_send(s, out->str, out->len) : reply_error(s, EIO);
}

static void cmd_G(GdbServer *s, char *args, size_t len)
{
    g_autoptr(X86CPUState) st = fetch(s);
    uint8_t value[REG_BYTES_MAX];

    for (unsigned n = 0; st && n < gdb_x86_count(); n++) {
        if (!gdb_unhex(args, value, gdb_x86_bytes(n))) {
            reply_error(s, EINVAL);
            return;
        }
        gdb_x86_write(st, n, value);
        args += 2 * gdb_x86_bytes(n);
    }
    st &&put_back(s, st) ? reply_ok(s) : reply_error(s, EIO);
}

static void cmd_p(GdbServer *s, char *args, size_t len)
{
    g_autoptr(X86CPUState) st = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    uint8_t value[REG_BYTES_MAX];
    uint64_t n;

    if (!parse_hex(&args, 0, &n) || n >= gdb_x86_count()) {
        reply_error(s, EINVAL);
        return;
    }
    st = fetch(s);
    if (!st) {
        reply_error(s, EIO);
        return;
    }
    gdb_x86_read(st, (unsigned)n, value);
    gdb_hex_append(out, value, gdb_x86_bytes((unsigned)n));
    gdb_send(s, out->str, out->len);
}

static void cmd_P(GdbServer *s, char *args, size_t len)
{
    g_autoptr(X86CPUState) st = NULL;
    uint8_t value[REG_BYTES_MAX];
    uint64_t n;

    if (!parse_hex(&args, '=', &n) || n >= gdb_x86_count() ||
        !gdb_unhex(args, value, gdb_x86_bytes((unsigned)n))) {
        reply_error(s, EINVAL);
        return;
    }
    st = fetch(s);
    if (!st || !gdb_x86_write(st, (unsigned)n, value) || !put_back(s, st)) {
        reply_error(s, EIO);
        return;
    }
    reply_ok(s);
}

/* -- memory ------------------------------------------------------------------------ */

static size_t memory(GdbServer *s, uint64_t addr, void *buf, size_t len,
                     bool write)
{
    g_autoptr(X86CPUState) st = x86_state_new();

    if (!s->host->get_state(s->opaque, s->cpu, X86_STATE_REGS | X86_STATE_SREGS,
                            st, NULL)) {
        return 0;
    }
    return s->host->memory(s->opaque, st, addr, buf, len, write);
}

static void cmd_m(GdbServer *s, char *args, size_t len)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree uint8_t *buf = NULL;
    uint64_t addr, n;
    size_t done;

    if (!parse_range(&args, 0, &addr, &n) || n > GDB_PACKET_MAX / 2) {
        reply_error(s, EINVAL);
        return;
    }
    buf = g_malloc0(n + 1);
    done = memory(s, addr, buf, n, false);
    if (!done && n) {
        reply_error(s, EFAULT);
        return;
    }
    gdb_break_hide(s, addr, buf, done);
    gdb_hex_append(out, buf, done);
    gdb_send(s, out->str, out->len);
}

static void write_memory(GdbServer *s, uint64_t addr, uint8_t *buf, size_t n)
{
    g_autofree uint8_t *old = g_malloc(n + 1);

    /* All or nothing, and no breakpoint is moved for a write that fails. */
    if (memory(s, addr, old, n, false) != n) {
        reply_error(s, EFAULT);
        return;
    }
    gdb_break_keep(s, addr, buf, n);
    memory(s, addr, buf, n, true) == n ? reply_ok(s) : reply_error(s, EFAULT);
}

static void cmd_M(GdbServer *s, char *args, size_t len)
{
    g_autofree uint8_t *buf = NULL;
    uint64_t addr, n;

    if (!parse_range(&args, ':', &addr, &n)) {
        reply_error(s, EINVAL);
        return;
    }
    buf = g_malloc(n + 1);
    if (!gdb_unhex(args, buf, n)) {
        reply_error(s, EINVAL);
        return;
    }
    write_memory(s, addr, buf, n);
}

static void cmd_X(GdbServer *s, char *args, size_t len)
{
    char *data = args;
    uint64_t addr, n;

    if (!parse_range(&data, ':', &addr, &n) ||
        len - (size_t)(data - args) != n) {
        reply_error(s, EINVAL);
        return;
    }
    write_memory(s, addr, (uint8_t *)data, n);
}

/* -- breakpoints ------------------------------------------------------------------- */

static void breakpoint(GdbServer *s, char *args, bool insert)
{
    uint64_t type, addr, kind;
    int ret;

    args[strcspn(args, ";")] = 0; /* conditions: GDB checks them itself */
    if (!parse_hex(&args, ',', &type) || !parse_hex(&args, ',', &addr) ||
        !parse_hex(&args, 0, &kind) || type > 4) {
        reply_error(s, EINVAL);
        return;
    }
    ret = gdb_break_set(s, (unsigned)type, addr, kind, insert);
    if (ret > 0) {
        gdb_send(s, "", 0);
    } else {
        ret < 0 ? reply_error(s, EFAULT) : reply_ok(s);
    }
}

static void cmd_Z(GdbServer *s, char *args, size_t len)
{
    breakpoint(s, args, true);
}

static void cmd_z(GdbServer *s, char *args, size_t len)
{
    breakpoint(s, args, false);
}

/* -- going on ---------------------------------------------------------------------- */

static GdbAction *all_actions(GdbServer *s, GdbAction what)
{
    unsigned n = s->host->cpu_count(s->opaque);
    GdbAction *action = g_new(GdbAction, n);

    for (unsigned i = 0; i < n; i++) {
        action[i] = what;
    }
    return action;
}

static bool set_pc(GdbServer *s, char *args)
{
    g_autoptr(X86CPUState) st = NULL;
    uint64_t pc;

    if (!*args) {
        return true;
    }
    if (!parse_hex(&args, 0, &pc)) {
        return false;
    }
    st = fetch(s);
    if (!st) {
        return false;
    }
    st->rip = pc;
    return put_back(s, st);
}

static void go(GdbServer *s, char *args, GdbAction mine)
{
    g_autofree GdbAction *action = all_actions(
        s, mine == GDB_ACTION_STEP ? GDB_ACTION_HOLD : GDB_ACTION_CONT);

    action[s->cpu] = mine;
    if (!set_pc(s, args) || !gdb_resume(s, action)) {
        reply_error(s, EIO);
    }
}

static void cmd_c(GdbServer *s, char *args, size_t len)
{
    go(s, args, GDB_ACTION_CONT);
}

static void cmd_s(GdbServer *s, char *args, size_t len)
{
    go(s, args, GDB_ACTION_STEP);
}

/* With a signal, which a machine does not have. */
static char *skip_signal(char *args)
{
    char *semicolon = strchr(args, ';');

    return semicolon ? semicolon + 1 : args + strlen(args);
}

static void cmd_C(GdbServer *s, char *args, size_t len)
{
    go(s, skip_signal(args), GDB_ACTION_CONT);
}

static void cmd_S(GdbServer *s, char *args, size_t len)
{
    go(s, skip_signal(args), GDB_ACTION_STEP);
}

/* One action of vCont, for the threads that have none yet. */
static bool vcont_action(GdbServer *s, char *text, GdbAction *action,
                         bool *given)
{
    int64_t thread = -1;
    GdbAction what;

    if (strchr("cC", *text) && *text) {
        what = GDB_ACTION_CONT;
    } else if (strchr("sS", *text) && *text) {
        what = GDB_ACTION_STEP;
    } else {
        return false;
    }
    text = strchr(text, ':');
    if (text) {
        text++;
        if (!parse_thread(&text, &thread) || *text ||
            (thread != -1 && !thread_exists(s, thread ? thread : 1))) {
            return false;
        }
    }
    for (unsigned i = 0; i < s->host->cpu_count(s->opaque); i++) {
        if (!given[i] && (thread == -1 || (thread ?: 1) == (int64_t)i + 1)) {
            action[i] = what;
            given[i] = true;
        }
    }
    return true;
}

static void cmd_vCont(GdbServer *s, char *args, size_t len)
{
    g_autofree GdbAction *action = all_actions(s, GDB_ACTION_HOLD);
    g_autofree bool *given = g_new0(bool, s->host->cpu_count(s->opaque));
    g_auto(GStrv) parts = g_strsplit(args, ";", -1);

    for (unsigned i = 0; parts[i]; i++) {
        if (*parts[i] && !vcont_action(s, parts[i], action, given)) {
            reply_error(s, EINVAL);
            return;
        }
    }
    if (!gdb_resume(s, action)) {
        reply_error(s, EIO);
    }
}

static void cmd_vCont_query(GdbServer *s, char *args, size_t len)
{
    gdb_sendf(s, "vCont;c;C;s;S");
}

static void cmd_kill(GdbServer *s, char *args, size_t len)
{
    reply_ok(s);
    s->host->kill(s->opaque);
}

static void cmd_detach(GdbServer *s, char *args, size_t len)
{
    reply_ok(s);
    gdb_detach(s);
}

static void cmd_why(GdbServer *s, char *args, size_t len)
{
    gdb_send_stop(s);
}

/* -- threads ----------------------------------------------------------------------- */

static void cmd_H(GdbServer *s, char *args, size_t len)
{
    char *p = args + 1;
    int64_t thread;

    if (!*args || !parse_thread(&p, &thread) ||
        (thread > 0 && !thread_exists(s, thread))) {
        reply_error(s, EINVAL);
        return;
    }
    if (*args == 'g' && thread > 0) {
        s->cpu = (unsigned)thread - 1;
    }
    reply_ok(s);
}

static void cmd_T(GdbServer *s, char *args, size_t len)
{
    int64_t thread;

    parse_thread(&args, &thread) && thread_exists(s, thread)
        ? reply_ok(s)
        : reply_error(s, EINVAL);
}

static void cmd_qC(GdbServer *s, char *args, size_t len)
{
    gdb_sendf(s, "QC%02x", s->cpu + 1);
}

static void cmd_threads_first(GdbServer *s, char *args, size_t len)
{
    g_autoptr(GString) out = g_string_new("m");

    for (unsigned i = 0; i < s->host->cpu_count(s->opaque); i++) {
        g_string_append_printf(out, "%s%02x", i ? "," : "", i + 1);
    }
    gdb_send(s, out->str, out->len);
}

static void cmd_threads_more(GdbServer *s, char *args, size_t len)
{
    gdb_sendf(s, "l");
}

static void cmd_thread_info(GdbServer *s, char *args, size_t len)
{
    g_autoptr(X86CPUState) st = x86_state_new();
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *text = NULL;
    int64_t thread;

    if (!parse_thread(&args, &thread) || !thread_exists(s, thread) ||
        !s->host->get_state(s->opaque, (unsigned)thread - 1, X86_STATE_MP, st,
                            NULL)) {
        reply_error(s, EINVAL);
        return;
    }
    text =
        g_strdup_printf("CPU#%d [%s]", (int)thread - 1,
                        st->mp_state == X86_MP_RUNNABLE ? "running" : "halted");
    gdb_hex_append(out, text, strlen(text));
    gdb_send(s, out->str, out->len);
}

/* -- general queries --------------------------------------------------------------- */

static void cmd_supported(GdbServer *s, char *args, size_t len)
{
    s->reports_swbreak = strstr(args, "swbreak+") != NULL;
    gdb_sendf(s,
              "PacketSize=%x;qXfer:features:read+;vContSupported+;"
              "QStartNoAckMode+%s",
              GDB_PACKET_MAX, s->reports_swbreak ? ";swbreak+;hwbreak+" : "");
}

static void cmd_no_ack(GdbServer *s, char *args, size_t len)
{
    reply_ok(s);
    s->no_ack = true;
}

static void cmd_features(GdbServer *s, char *args, size_t len)
{
    g_autofree char *xml = gdb_x86_target_xml();
    g_autofree char *piece = NULL;
    uint64_t offset, n;
    size_t left;

    if (!parse_range(&args, 0, &offset, &n)) {
        reply_error(s, EINVAL);
        return;
    }
    left = offset < strlen(xml) ? strlen(xml) - offset : 0;
    n = MIN(n, GDB_PACKET_MAX / 2);
    piece = g_strdup_printf("%c%.*s", left > n ? 'm' : 'l', (int)MIN(left, n),
                            left ? xml + offset : "");
    gdb_send(s, piece, strlen(piece));
}

static void cmd_attached(GdbServer *s, char *args, size_t len)
{
    gdb_sendf(s, "1");
}

static void send_console(GdbServer *s, const char *text, size_t n)
{
    for (size_t at = 0; at < n; at += CONSOLE_CHUNK) {
        g_autoptr(GString) out = g_string_new("O");

        gdb_hex_append(out, text + at, MIN(n - at, CONSOLE_CHUNK));
        gdb_send(s, out->str, out->len);
    }
}

static void cmd_monitor(GdbServer *s, char *args, size_t len)
{
    size_t n = strlen(args) / 2;
    g_autofree char *line = g_malloc0(n + 1);
    g_autofree char *text = NULL;

    if (!gdb_unhex(args, line, n)) {
        reply_error(s, EINVAL);
        return;
    }
    text = s->host->monitor(s->opaque, line);
    n = strlen(text);
    send_console(s, text, MIN(n, CONSOLE_MAX));
    if (n > CONSOLE_MAX) {
        send_console(s, CONSOLE_MORE, strlen(CONSOLE_MORE));
    }
    reply_ok(s);
}

/* Longer names before those they begin with. */
static const Command commands[] = {
    { "?", cmd_why },
    { "qXfer:features:read:target.xml:", cmd_features },
    { "qThreadExtraInfo,", cmd_thread_info },
    { "qfThreadInfo", cmd_threads_first },
    { "qsThreadInfo", cmd_threads_more },
    { "qSupported", cmd_supported },
    { "qAttached", cmd_attached },
    { "qRcmd,", cmd_monitor },
    { "qC", cmd_qC },
    { "QStartNoAckMode", cmd_no_ack },
    { "vCont?", cmd_vCont_query },
    { "vCont;", cmd_vCont },
    { "vKill;", cmd_kill },
    { "c", cmd_c },
    { "C", cmd_C },
    { "D", cmd_detach },
    { "g", cmd_g },
    { "G", cmd_G },
    { "H", cmd_H },
    { "k", cmd_kill },
    { "m", cmd_m },
    { "M", cmd_M },
    { "p", cmd_p },
    { "P", cmd_P },
    { "s", cmd_s },
    { "S", cmd_S },
    { "T", cmd_T },
    { "X", cmd_X },
    { "z", cmd_z },
    { "Z", cmd_Z },
};

void gdb_command(GdbServer *s, char *packet, size_t len)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        size_t n = strlen(commands[i].name);

        if (len >= n && !memcmp(packet, commands[i].name, n)) {
            commands[i].run(s, packet + n, len - n);
            return;
        }
    }
    gdb_send(s, "", 0);
}
