/*
 * When the connection breaks between the commit and the destination's word
 * that it came: who has the guest?
 *
 * Some ends of a connection are proofs. A commit that could not be written
 * whole is none. Of a UNIX socket whose peer is gone and of a pipe without
 * readers the kernel knows whether the last byte was read: if it was not, no
 * program can have acted on it.
 *
 * Else the source asks over a connection of its own, for as long as it takes to
 * be sure or ASK_LIMIT_MS: the destination goes on listening until it knows
 * that its word was heard. An answer decides. A UNIX socket that refuses has no
 * destination behind it any more: then the guest goes on here. Elsewhere a
 * refusal proves nothing, for a firewall may have sent it. A socket that came as
 * a descriptor is asked for its peer's address: mostly that is where the
 * destination listens; a refusal there proves nothing either.
 *
 * If there is no answer at all, nothing can be known, and a guest that runs
 * twice is worse than one that stands: it stays stopped here, and the user is
 * told.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-socket.h"
#include "migration/qemu-file.h"
#include "migration/return/wire.h"
#include "migration/source/source.h"
#include "migration/stream/savevm.h"
#include "migration/transport/channels.h"
#include "migration/transport/pipe.h"
#include "migration/transport/transport.h"
#include "trace/trace-migration.h"
#include "util/bswap.h"
#include "util/timer.h"

#define ASK_LIMIT_MS 20000
#define ASK_PAUSE_US 100000
/* How long an answer may take: to a question, and to the commit. Without an
 * answer to this the destination is asked, which may be about to take disks. */
#define ANSWER_LIMIT_MS 3000
#define HEAR_LIMIT_MS   8000

static bool guest_stays(Error **errp, const char *why)
{
    error_setg(errp,
               "the connection broke in the switchover: %s; the guest "
               "goes on here",
               why);
    return false;
}

/* -- no wait for ever --------------------------------------------------------------- */

/* A peer that keeps a connection open and says nothing: this ends the wait. */
typedef struct AnswerLimit {
    QIOChannel *ioc;
    int ms;
    QemuThread thread;
    QemuSemaphore over;
} AnswerLimit;

static void *limit_thread(void *opaque)
{
    AnswerLimit *l = opaque;

    if (qemu_sem_timedwait(&l->over, l->ms) < 0) {
        qio_channel_shutdown(l->ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    }
    return NULL;
}

static void limit_begin(AnswerLimit *l, QIOChannel *ioc, int ms)
{
    l->ioc = ioc;
    l->ms = ms;
    qemu_sem_init(&l->over, 0);
    qemu_thread_create(&l->thread, "mig-answer", limit_thread, l,
                       QEMU_THREAD_JOINABLE);
}

static void limit_end(AnswerLimit *l)
{
    qemu_sem_post(&l->over);
    qemu_thread_join(&l->thread);
    qemu_sem_destroy(&l->over);
}

/* -- asking --------------------------------------------------------------------- */

/* Returns: the answer; 0: none; -1: nobody listens there. */
static int ask_once(MigrationState *ms, const MigrationTarget *t)
{
    g_autoptr(Error) err = NULL;
    QIOChannel *ioc =
        migration_channel_open_to(ms, t, MIGRATION_CHANNEL_ASK, &err);
    char answer = 0;
    AnswerLimit limit;

    if (!ioc) {
        int code = error_get_errno(err);

        return ms->target->kind == TRANSPORT_UNIX &&
                       (code == ECONNREFUSED || code == ENOENT)
                   ? -1
                   : 0;
    }
    limit_begin(&limit, ioc, ANSWER_LIMIT_MS);
    if (qio_channel_read_all(ioc, &answer, 1, NULL) < 0) {
        answer = 0;
    }
    limit_end(&limit);
    migration_channel_close(ms, ioc);
    return answer == MIGRATION_ASK_RUNS || answer == MIGRATION_ASK_ABSENT
               ? answer
               : 0;
}

/* Where the other end of a socket that was given to us is, if it has a name. */
static MigrationTarget *target_of_peer(const MigrationTarget *t)
{
    static const TransportKind kinds[] = {
        [SOCKET_ADDRESS_TYPE_INET] = TRANSPORT_INET,
        [SOCKET_ADDRESS_TYPE_UNIX] = TRANSPORT_UNIX,
        [SOCKET_ADDRESS_TYPE_VSOCK] = TRANSPORT_VSOCK,
    };
    QIOChannelSocket *sioc = (QIOChannelSocket *)object_dynamic_cast(
        OBJECT(t->opened), TYPE_QIO_CHANNEL_SOCKET);
    SocketAddress *a =
        sioc ? qio_channel_socket_get_remote_address(sioc, NULL) : NULL;
    MigrationTarget *peer;

    if (!a || a->type >= G_N_ELEMENTS(kinds) ||
        (a->type == SOCKET_ADDRESS_TYPE_UNIX && !a->u.q_unix.path[0])) {
        qapi_free_SocketAddress(a);
        return NULL;
    }
    peer = g_new0(MigrationTarget, 1);
    peer->kind = kinds[a->type];
    peer->socket = a;
    peer->text = g_strdup(t->text);
    return peer;
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

/* Waits. Returns: as source_commit(). */
static bool ask_who_runs(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;
    g_autoptr(MigrationTarget) peer = ms->target->kind == TRANSPORT_FD_SOCKET
                                          ? target_of_peer(ms->target)
                                          : NULL;
    const MigrationTarget *t = peer ? peer : ms->target;
    int64_t end = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ASK_LIMIT_MS;
    int answer = 0;

    if (!transport_is_socket(t->kind)) {
        return source_leave_in_doubt(run, errp);
    }
    /* Other channels may have failed with the main one. */
    qatomic_set(&ms->asking, true);
    do {
        answer = ask_once(ms, t);
        trace_migration_asked(answer);
        if (answer == MIGRATION_ASK_RUNS) {
            return true;
        }
        if (answer == MIGRATION_ASK_ABSENT) {
            return guest_stays(errp, "the destination says that the guest did "
                                     "not get there");
        }
        if (answer < 0) {
            return guest_stays(errp, "nobody listens at the destination");
        }
        g_usleep(ASK_PAUSE_US);
    } while (qemu_clock_get_ms(QEMU_CLOCK_REALTIME) < end);
    return source_leave_in_doubt(run, errp);
}

/* -- the commit ------------------------------------------------------------------- */

typedef enum Heard {
    HEARD_NOTHING, /* @errp says how the channel ended */
    HEARD_RUNS,
    HEARD_REFUSED, /* the destination said why, in @errp */
} Heard;

static Heard read_answer(MigrationState *ms, Error **errp)
{
    uint8_t hdr[RETURN_HEADER_LEN], payload[RETURN_PAYLOAD_MAX];
    ReturnMessage msg;
    ReturnType type;
    uint16_t len;

    if (qio_channel_read_all(ms->to_dst, (char *)hdr, sizeof(hdr), errp) < 0 ||
        !return_header_decode(hdr, &type, &len, errp) ||
        qio_channel_read_all(ms->to_dst, (char *)payload, len, errp) < 0 ||
        !return_payload_decode(type, payload, len, &msg, errp)) {
        return HEARD_NOTHING;
    }
    if (type == RETURN_PONG && msg.value == MIGRATION_PING_COMMIT) {
        return HEARD_RUNS;
    }
    if (type == RETURN_SHUT && msg.value) {
        error_setg(errp, "destination: %s",
                   msg.text[0] ? msg.text : "the guest cannot run there");
        return HEARD_REFUSED;
    }
    error_setg(errp, "return path: %s in place of the commit's answer",
               return_type_name(type));
    return HEARD_NOTHING;
}

/* The return path's reader has ended with SHUT: what follows is ours. */
static Heard hear(MigrationState *ms, Error **errp)
{
    AnswerLimit limit;
    Heard heard;

    limit_begin(&limit, ms->to_dst, HEAR_LIMIT_MS);
    heard = read_answer(ms, errp);
    limit_end(&limit);
    return heard;
}

/*
 * Does the kernel know that nobody has read the commit to its end? A UNIX socket
 * that was closed with unread bytes resets the other end.
 */
static bool is_unread(MigrationState *ms, const Error *err)
{
    QIOChannelSocket *sioc = (QIOChannelSocket *)object_dynamic_cast(
        OBJECT(ms->to_dst), TYPE_QIO_CHANNEL_SOCKET);

    if (sioc) {
        return sioc->remoteAddr.ss_family == AF_UNIX &&
               error_get_errno(err) == ECONNRESET;
    }
    return migration_pipe_is_unread(ms->to_dst);
}

bool source_commit(MigrationRun *run, Error **errp)
{
    MigrationState *ms = run->ms;
    Error *err = NULL;

    savevm_send_ping(ms->to_dst_file, MIGRATION_PING_COMMIT);
    if (qemu_fflush(ms->to_dst_file) < 0) {
        return guest_stays(errp, "the commit did not leave");
    }
    source_finish_downtime(run);
    switch (hear(ms, &err)) {
    case HEARD_RUNS:
        /* It may stop listening for questions. */
        savevm_send_ping(ms->to_dst_file, MIGRATION_PING_OPEN);
        qemu_fflush(ms->to_dst_file);
        return true;
    case HEARD_REFUSED:
        error_propagate(errp, err);
        return false;
    case HEARD_NOTHING:
        break;
    }
    if (is_unread(ms, err)) {
        error_free(err);
        return guest_stays(errp, "the commit was not read");
    }
    error_free(err);
    return ask_who_runs(run, errp);
}
