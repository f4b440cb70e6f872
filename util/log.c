/*
 * The log.
 *
 * One file for the process, or with "tid" one for each thread. The file is
 * open while there is something to log. Writers hold the lock for one piece
 * of text (or between qemu_log_trylock and _unlock), so that lines of
 * threads do not mix.
 *
 * Mutable file-scope state: the level and the file; settings of the process.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/log.h"

#include "trace/control.h"
#include "util/error.h"
#include "util/notify.h"
#include "util/thread.h"

int qemu_loglevel; /* atomic */

static GRecMutex log_lock; /* guards what follows */
static FILE *log_file;     /* NULL: closed; may be stderr */
static char *log_name;     /* NULL: stderr; "%d" in it stands for an id */
static bool log_append;    /* opened before: do not truncate */
static GArray *log_ranges; /* of LogRange; NULL: all addresses */

typedef struct LogRange {
    uint64_t first;
    uint64_t last;
} LogRange;

/* With LOG_PER_THREAD each thread's own. */
typedef struct ThreadLog {
    FILE *file;
    Notifier at_exit;
} ThreadLog;

static __thread ThreadLog thread_log;

const QEMULogItem qemu_log_items[] = {
    { CPU_LOG_TB_OUT_ASM, "out_asm", "host code made for guest blocks" },
    { CPU_LOG_TB_IN_ASM, "in_asm", "guest code of translated blocks" },
    { CPU_LOG_TB_OP, "op", "intermediate code of guest blocks" },
    { CPU_LOG_TB_OP_OPT, "op_opt", "intermediate code after optimization" },
    { CPU_LOG_TB_OP_IND, "op_ind", "intermediate code before lowering" },
    { CPU_LOG_INT, "int", "interrupts and exceptions" },
    { CPU_LOG_EXEC, "exec", "each guest block that runs" },
    { CPU_LOG_TB_CPU, "cpu", "CPU registers before each block" },
    { CPU_LOG_TB_FPU, "fpu", "FPU registers as well" },
    { CPU_LOG_MMU, "mmu", "address translation" },
    { CPU_LOG_PCALL, "pcall", "protected mode far calls and returns (x86)" },
    { CPU_LOG_RESET, "cpu_reset", "CPU state at resets" },
    { LOG_UNIMP, "unimp", "what the guest uses and is not implemented" },
    { LOG_GUEST_ERROR, "guest_errors", "what the guest does and must not" },
    { CPU_LOG_PAGE, "page", "guest pages at start" },
    { CPU_LOG_TB_NOCHAIN, "nochain", "run guest blocks one by one" },
    { CPU_LOG_PLUGIN, "plugin", "output of plugins" },
    { LOG_STRACE, "strace", "system calls of the guest" },
    { LOG_PER_THREAD, "tid", "one file per thread; -D needs a %d in its name" },
    { 0, NULL, NULL },
};

/* -- the file -------------------------------------------------------------- */

/* Returns: @name with its "%d" replaced; must have been checked. */
static char *expand_name(const char *name, int id)
{
    const char *pct = strstr(name, "%d");

    return pct ? g_strdup_printf("%.*s%d%s", (int)(pct - name), name, id,
                                 pct + 2)
               : g_strdup(name);
}

static bool check_name(const char *name, Error **errp)
{
    const char *pct = name ? strchr(name, '%') : NULL;

    if (pct && (pct[1] != 'd' || strchr(pct + 1, '%'))) {
        error_setg(errp,
                   "log file name '%s' may have one %%d and no other '%%'",
                   name);
        return false;
    }
    return true;
}

static FILE *open_named(const char *name, int id, bool append, Error **errp)
{
    g_autofree char *path = expand_name(name, id);
    FILE *f = fopen(path, append ? "ae" : "we");

    if (!f) {
        error_setg_errno(errp, errno, "could not open log file '%s'", path);
        return NULL;
    }
    setvbuf(f, NULL, _IOLBF, 0);
    return f;
}

static void close_log(void)
{
    if (log_file && log_file != stderr) {
        fclose(log_file);
    }
    log_file = NULL;
}

static void thread_log_close(Notifier *notifier, void *data)
{
    ThreadLog *tl = container_of(notifier, ThreadLog, at_exit);

    fclose(tl->file);
    tl->file = NULL;
}

/* The calling thread's file, made at first use; NULL if it can't be. */
static FILE *thread_log_file(void)
{
    if (!thread_log.file) {
        thread_log.file =
            open_named(log_name, qemu_get_thread_id(), false, NULL);
        if (thread_log.file) {
            thread_log.at_exit.notify = thread_log_close;
            qemu_thread_atexit_add(&thread_log.at_exit);
        }
    }
    return thread_log.file;
}

/* Opens or closes the file as level and name want it. With the lock. */
static bool apply_log(int flags, Error **errp)
{
    bool per_thread = flags & LOG_PER_THREAD;

    if (per_thread && !(log_name && strstr(log_name, "%d"))) {
        error_setg(errp, "a log per thread needs -D with a %%d in the name");
        return false;
    }
    if (!flags) {
        close_log();
    } else if (!log_name || per_thread) {
        close_log();
        log_file = stderr;
    } else if (!log_file || log_file == stderr) {
        FILE *f = open_named(log_name, (int)getpid(), log_append, errp);

        if (!f) {
            return false;
        }
        log_file = f;
        log_append = true;
    }
    qatomic_set(&qemu_loglevel, flags);
    return true;
}

bool qemu_set_log(int log_flags, Error **errp)
{
    g_autoptr(GRecMutexLocker) locker G_GNUC_UNUSED =
        g_rec_mutex_locker_new(&log_lock);

    return apply_log(log_flags, errp);
}

bool qemu_set_log_filename_flags(const char *name, int flags, Error **errp)
{
    g_autoptr(GRecMutexLocker) locker G_GNUC_UNUSED =
        g_rec_mutex_locker_new(&log_lock);
    g_autofree char *old_name = NULL;
    FILE *old_file = log_file;
    bool old_append = log_append;

    if (!check_name(name, errp)) {
        return false;
    }
    old_name = g_steal_pointer(&log_name);
    log_name = g_strdup(name);
    if (g_strcmp0(old_name, name) != 0) {
        log_append = false;
        log_file = NULL;
    }
    if (!apply_log(flags, errp)) {
        /* All as it was. */
        g_free(log_name);
        log_name = g_steal_pointer(&old_name);
        log_file = old_file;
        log_append = old_append;
        return false;
    }
    if (old_file && old_file != stderr && g_strcmp0(old_name, name) != 0) {
        fclose(old_file);
    }
    return true;
}

bool qemu_set_log_filename(const char *filename, Error **errp)
{
    return qemu_set_log_filename_flags(filename, qatomic_read(&qemu_loglevel),
                                       errp);
}

bool qemu_log_enabled(void)
{
    g_autoptr(GRecMutexLocker) locker G_GNUC_UNUSED =
        g_rec_mutex_locker_new(&log_lock);

    return log_file != NULL;
}

bool qemu_log_separate(void)
{
    g_autoptr(GRecMutexLocker) locker G_GNUC_UNUSED =
        g_rec_mutex_locker_new(&log_lock);

    return log_file && log_name;
}

/* -- writing --------------------------------------------------------------- */

FILE *qemu_log_trylock(void)
{
    FILE *f;

    g_rec_mutex_lock(&log_lock);
    f = log_file;
    if (f && (qatomic_read(&qemu_loglevel) & LOG_PER_THREAD)) {
        f = thread_log_file();
    }
    if (!f) {
        g_rec_mutex_unlock(&log_lock);
    }
    return f;
}

void qemu_log_unlock(FILE *fd)
{
    if (fd) {
        fflush(fd);
        g_rec_mutex_unlock(&log_lock);
    }
}

void qemu_log_vprintf(const char *fmt, va_list va)
{
    FILE *f = qemu_log_trylock();

    if (f) {
        vfprintf(f, fmt, va);
        qemu_log_unlock(f);
    }
}

void qemu_log(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    qemu_log_vprintf(fmt, ap);
    va_end(ap);
}

/* -- address ranges -------------------------------------------------------- */

/* Decimal, or hexadecimal with 0x. */
static bool parse_address(const char *text, guint64 *value)
{
    bool hex = g_ascii_strncasecmp(text, "0x", 2) == 0;

    return g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, 0,
                                      G_MAXUINT64, value, NULL);
}

/* START..END, START+LENGTH or START-LENGTH (the bytes that end at START). */
static bool parse_range(const char *text, LogRange *range, Error **errp)
{
    const char *op = strpbrk(text, "+-.");
    guint64 a, b;
    g_autofree char *left = op ? g_strndup(text, op - text) : NULL;
    bool dots = op && g_str_has_prefix(op, "..");
    const char *right = op ? op + (dots ? 2 : 1) : NULL;

    if (!op || (*op == '.' && !dots)) {
        error_setg(errp, "address range '%s' has none of '..', '+' and '-'",
                   text);
        return false;
    }
    if (!parse_address(left, &a) || !parse_address(right, &b)) {
        error_setg(errp, "address range '%s' has an invalid number", text);
        return false;
    }
    if (dots) {
        *range = (LogRange){ a, b };
    } else if (b == 0) {
        error_setg(errp, "address range '%s' is empty", text);
        return false;
    } else if (*op == '+') {
        *range = (LogRange){ a, a + (b - 1) };
    } else {
        *range = (LogRange){ a - (b - 1), a };
    }
    if (range->first > range->last) {
        error_setg(errp, "address range '%s' is empty or wraps around", text);
        return false;
    }
    return true;
}

bool qemu_set_dfilter_ranges(const char *ranges, Error **errp)
{
    g_autoptr(GArray) parsed = g_array_new(FALSE, FALSE, sizeof(LogRange));
    g_auto(GStrv) parts = g_strsplit(ranges, ",", -1);

    if (!parts[0]) {
        error_setg(errp, "list of address ranges is empty");
        return false;
    }
    for (char **part = parts; *part; part++) {
        LogRange range;

        if (!parse_range(*part, &range, errp)) {
            return false;
        }
        g_array_append_val(parsed, range);
    }
    g_rec_mutex_lock(&log_lock);
    if (log_ranges) {
        g_array_unref(log_ranges);
    }
    log_ranges = g_steal_pointer(&parsed);
    g_rec_mutex_unlock(&log_lock);
    return true;
}

bool qemu_log_in_addr_range(uint64_t addr)
{
    g_autoptr(GRecMutexLocker) locker G_GNUC_UNUSED =
        g_rec_mutex_locker_new(&log_lock);

    for (guint i = 0; log_ranges && i < log_ranges->len; i++) {
        const LogRange *r = &g_array_index(log_ranges, LogRange, i);

        if (addr >= r->first && addr <= r->last) {
            return true;
        }
    }
    return !log_ranges;
}

/* -- names ----------------------------------------------------------------- */

static int item_mask(const char *name)
{
    int all = 0;

    for (const QEMULogItem *item = qemu_log_items; item->mask; item++) {
        if (g_str_equal(item->name, name)) {
            return item->mask;
        }
        all |= item->mask;
    }
    /* One file per thread is no kind of message. */
    return g_str_equal(name, "all") ? all & ~LOG_PER_THREAD : 0;
}

int qemu_str_to_log_mask(const char *str)
{
    g_auto(GStrv) names = g_strsplit(str, ",", -1);
    int mask = 0;

    for (char **name = names; *name; name++) {
        int bit;

        if (g_str_has_prefix(*name, "trace:")) {
            trace_enable_events(*name + strlen("trace:"));
            bit = LOG_TRACE;
        } else {
            bit = item_mask(*name);
        }
        if (!bit) {
            return 0;
        }
        mask |= bit;
    }
    return mask;
}

void qemu_print_log_usage(FILE *f)
{
    fprintf(f, "Log items (comma separated):\n");
    for (const QEMULogItem *item = qemu_log_items; item->mask; item++) {
        fprintf(f, "%-15s %s\n", item->name, item->help);
    }
    fprintf(f, "%-15s %s\n", "trace:PATTERN", "trace events");
    fprintf(f, "\nUse \"-d trace:help\" to get a list of trace events.\n");
}
