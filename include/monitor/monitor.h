/*
 * Monitors: QMP for programs, the human monitor for people.
 *
 * One MonitorSet holds everything that monitors share: the commands, the
 * thread that serves QMP, the rate limit of events. system/ makes it once and
 * attaches monitors to character devices.
 *
 * A QMP request is read, taken apart and answered in the monitors' own
 * thread. Commands marked 'x-concurrent' and those sent out of band run right
 * there; all others run in the main loop, one at a time and in order for each
 * monitor. So a monitor answers while the main loop, another monitor or
 * another peer is stuck.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "qapi/hmp.h"
#include "util/typedefs.h"

typedef struct Chardev Chardev;
typedef struct CompatPolicy CompatPolicy;
typedef struct Monitor Monitor;
typedef struct MonitorSet MonitorSet;
typedef struct QmpCommandList QmpCommandList;
typedef struct QmpContext QmpContext;

/**
 * MonitorConfig:
 * @commands: (in) QMP commands; registered before the set is made
 * @hmp_tables: (in) tables of human commands, ends with NULL
 * @hmp_info_tables: (in) tables of "info" subcommands, ends with NULL
 * @version: (in) what the greeting says: {"qemu": {...}, "package": ...};
 *           borrowed
 * @compat: (in) policy for deprecated parts, or NULL
 * @banner: (in) first line of the human monitor
 * @preconfig: is the machine still to be made? Asked in any thread.
 */
typedef struct MonitorSetConfig {
    const QmpCommandList *commands;
    const HMPCommand *const *hmp_tables;
    const HMPCommand *const *hmp_info_tables;
    json_t *version;
    const CompatPolicy *compat;
    const char *banner;
    bool (*preconfig)(void);
} MonitorSetConfig;

/**
 * monitor_set_new:
 * @config: (in) copied; what it points to must outlive the set
 *
 * Start the monitors' thread and become the sink of all QMP events.
 * Thread: main, once.
 */
MonitorSet *monitor_set_new(const MonitorSetConfig *config);

/**
 * monitor_set_free:
 * Send what is still to be sent as far as peers take it at once, detach all
 * monitors, end the thread. Accepts NULL. Thread: main.
 */
void monitor_set_free(MonitorSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MonitorSet, monitor_set_free)

/**
 * monitor_new_qmp / monitor_new_hmp:
 * @chr: (in) character device without a front end, or a multiplexer
 * @pretty: indent QMP messages
 *
 * Thread: main.
 * Returns: (transfer none) the monitor, owned by @set; NULL on error.
 * Errors: @chr is in use.
 */
Monitor *monitor_new_qmp(MonitorSet *set, Chardev *chr, bool pretty,
                         Error **errp);
Monitor *monitor_new_hmp(MonitorSet *set, Chardev *chr, Error **errp);

/** monitor_set_is_empty: is there no monitor at all? */
bool monitor_set_is_empty(const MonitorSet *set);

/**
 * monitor_cur:
 * Returns: (transfer none) (nullable) the monitor whose command this thread
 * runs just now. Only for what a command's handler cannot be given: the
 * look-up of descriptors by name.
 */
Monitor *monitor_cur(void);

/**
 * monitor_get_fd:
 * @mon: (in) monitor
 * @name: (in) as given to getfd
 *
 * Thread: any.
 * Returns: (transfer full) the descriptor, which @mon forgets; -1 on error.
 * Errors: no descriptor of that name.
 */
int monitor_get_fd(Monitor *mon, const char *name, Error **errp);

/**
 * monitor_fd_param:
 * @mon: (in) (nullable) monitor, for names
 * @text: (in) a name or a number
 *
 * Returns: (transfer full) the descriptor; -1 on error.
 */
int monitor_fd_param(Monitor *mon, const char *text, Error **errp);

/**
 * monitor_hmp_run:
 * @line: (in) a command of the human monitor
 *
 * Run it and collect what it prints. Thread: main.
 *
 * Returns: (transfer full) the output.
 */
char *monitor_hmp_run(MonitorSet *set, const char *line);

/** monitor_of_context: (transfer none) who sent the QMP command. */
Monitor *monitor_of_context(const QmpContext *ctx);
/** monitor_set_of_context: (transfer none) its set. */
MonitorSet *monitor_set_of_context(const QmpContext *ctx);

/* "help" and "info" themselves, as tables for MonitorSetConfig. */
extern const HMPCommand monitor_hmp_commands[];
extern const HMPCommand monitor_hmp_info[];

#endif
