/*
 * When the connection breaks between the commit and the destination's word
 * that it came: who has the guest?
 *
 * The source asks over a connection of its own, for as long as it takes to be
 * sure or ASK_LIMIT_MS: the destination goes on listening until it knows that
 * its word was heard. An answer decides. A UNIX socket that refuses has no
 * destination behind it any more: then the guest goes on here. Elsewhere a
 * refusal proves nothing, for a firewall may have sent it. If there is no
 * answer at all, nothing can be known, and a guest that runs twice is
 * worse than one that stands: it stays stopped here, and the user is told.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-migration.h"
#include "util/bswap.h"
#include "util/timer.h"

#include "channels.h"
#include "source.h"
#include "transport.h"

#define ASK_LIMIT_MS 20000
#define ASK_PAUSE_US 100000

/* Returns: the answer; 0: none; -1: nobody listens there. */
static int ask_once(MigrationState *ms)
{
    g_autoptr(Error) err = NULL;
    QIOChannel *ioc = migration_channel_open(ms, MIGRATION_CHANNEL_ASK, &err);
    char answer = 0;

    if (!ioc) {
        const char *text = error_get_pretty(err);

        /* The reason of connect(), as it stands in the message. */
        return ms->target->kind == TRANSPORT_UNIX &&
                       (strstr(text, g_strerror(ECONNREFUSED)) ||
                        strstr(text, g_strerror(ENOENT)))
                   ? -1
                   : 0;
    }
    if (qio_channel_read_all(ioc, &answer, 1, NULL) < 0) {
        answer = 0;
    }
    migration_channel_close(ms, ioc);
    return answer;
}

bool source_leave_in_doubt(MigrationRun *run, Error **errp)
{
    run->committed = true;
    error_setg(errp,
               "the connection broke in the switchover and '%s' does not "
               "say whether the guest runs there; use 'cont' here only "
               "if it does not",
               run->ms->target->text);
    return false;
}

bool source_ask_who_runs(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;
    int64_t end = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ASK_LIMIT_MS;
    int answer = 0;

    if (transport_is_socket(ms->target->kind)) {
        do {
            answer = ask_once(ms);
            trace_migration_asked(answer);
            if (answer == MIGRATION_ASK_RUNS) {
                return true;
            }
            if (answer != 0) {
                error_setg(errp, "the connection broke in the switchover: the "
                                 "guest did not get to the destination and "
                                 "goes on here");
                return false;
            }
            g_usleep(ASK_PAUSE_US);
        } while (qemu_clock_get_ms(QEMU_CLOCK_REALTIME) < end);
    }
    return source_leave_in_doubt(run, errp);
}
