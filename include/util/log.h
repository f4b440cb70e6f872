/*
 * The log: what -d asks for, to stderr or to the file of -D.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <glib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/atomic.h"
#include "util/compiler.h"
#include "util/typedefs.h"

/* Mask of what is logged; read it with qemu_loglevel_mask(). */
extern int qemu_loglevel;

#define CPU_LOG_TB_OUT_ASM (1 << 0)
#define CPU_LOG_TB_IN_ASM  (1 << 1)
#define CPU_LOG_TB_OP      (1 << 2)
#define CPU_LOG_TB_OP_OPT  (1 << 3)
#define CPU_LOG_INT        (1 << 4)
#define CPU_LOG_EXEC       (1 << 5)
#define CPU_LOG_PCALL      (1 << 6)
#define CPU_LOG_TB_CPU     (1 << 8)
#define CPU_LOG_RESET      (1 << 9)
#define LOG_UNIMP          (1 << 10)
#define LOG_GUEST_ERROR    (1 << 11)
#define CPU_LOG_MMU        (1 << 12)
#define CPU_LOG_TB_NOCHAIN (1 << 13)
#define CPU_LOG_PAGE       (1 << 14)
#define LOG_TRACE          (1 << 15)
#define CPU_LOG_TB_OP_IND  (1 << 16)
#define CPU_LOG_TB_FPU     (1 << 17)
#define CPU_LOG_PLUGIN     (1 << 18)
#define LOG_STRACE         (1 << 19)
#define LOG_PER_THREAD     (1 << 20)

typedef struct QEMULogItem {
    int mask;
    const char *name;
    const char *help;
} QEMULogItem;

/* Ends with an element whose mask is 0. */
extern const QEMULogItem qemu_log_items[];

static inline bool qemu_loglevel_mask(int mask)
{
    return (qatomic_read(&qemu_loglevel) & mask) != 0;
}

/** qemu_log_enabled: whether there is a file to log to. */
bool qemu_log_enabled(void);
/** qemu_log_separate: whether that is not stderr. */
bool qemu_log_separate(void);

/**
 * qemu_log: write to the log if it is open, in one piece.
 * Thread: any.
 */
void qemu_log(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void qemu_log_vprintf(const char *fmt, va_list va) G_GNUC_PRINTF(1, 0);

#define qemu_log_mask(MASK, FMT, ...)                                          \
    do {                                                                       \
        if (unlikely(qemu_loglevel_mask(MASK))) {                              \
            qemu_log(FMT, ##__VA_ARGS__);                                      \
        }                                                                      \
    } while (0)

/** qemu_log_mask_and_addr: only if @ADDR is in the range of -dfilter. */
#define qemu_log_mask_and_addr(MASK, ADDR, FMT, ...)                           \
    do {                                                                       \
        if (unlikely(qemu_loglevel_mask(MASK)) &&                              \
            qemu_log_in_addr_range(ADDR)) {                                    \
            qemu_log(FMT, ##__VA_ARGS__);                                      \
        }                                                                      \
    } while (0)

/**
 * qemu_log_trylock / qemu_log_unlock:
 *
 * Hold the log for several writes. Returns: NULL when there is no log.
 */
FILE *qemu_log_trylock(void) G_GNUC_WARN_UNUSED_RESULT;
void qemu_log_unlock(FILE *fd);

/** qemu_set_log: what to log; opens or closes the log as needed. */
bool qemu_set_log(int log_flags, Error **errp);
/**
 * qemu_set_log_filename:
 * @filename: path; one "%d" in it stands for the process id; NULL: stderr
 */
bool qemu_set_log_filename(const char *filename, Error **errp);
bool qemu_set_log_filename_flags(const char *name, int flags, Error **errp);

/** qemu_set_dfilter_ranges: "START..END", "START+LEN", "START-LEN", commas. */
bool qemu_set_dfilter_ranges(const char *ranges, Error **errp);
bool qemu_log_in_addr_range(uint64_t addr);

/**
 * qemu_str_to_log_mask:
 * @str: comma list of names of qemu_log_items, "all", "trace:PATTERN"
 *
 * Switches the trace events on as it goes.
 *
 * Returns: the mask, 0 when a name is unknown.
 */
int qemu_str_to_log_mask(const char *str);
/** qemu_print_log_usage: for `-d help`. */
void qemu_print_log_usage(FILE *f);

#endif
