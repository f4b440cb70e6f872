/*
 * Addresses of migrations: from text or QAPI to a MigrationTarget, and what
 * can be done over each kind of connection.
 *
 * All that can be refused is refused here, before `migrate` replies: a kind
 * of connection that cannot carry a capability, TLS over something that has
 * no way back, a descriptor that is not there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/transport/transport.h"

#include <sys/un.h>

#include "io/channel-file.h"
#include "io/channel-util.h"
#include "io/socket-address.h"
#include "migration/cpr/cpr.h"
#include "migration/migration-internal.h"
#include "qapi/clone-visitor.h"
#include "qapi/qapi-visit-migration.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/cutils.h"
#include "util/fd.h"
#include "util/sockets.h"

/* A file position has to stay far from the end of 64 bits. */
#define FILE_OFFSET_MAX (UINT64_C(1) << 60)

/* -- text --------------------------------------------------------------------- */

static MigrationAddress *address_new(MigrationAddressType kind)
{
    MigrationAddress *a = g_new0(MigrationAddress, 1);

    a->transport = kind;
    return a;
}

static MigrationAddress *parse_socket(const char *text, Error **errp)
{
    g_autoptr(SocketAddress) socket = socket_parse(text, errp);
    MigrationAddress *a;

    if (!socket) {
        return NULL;
    }
    a = address_new(MIGRATION_ADDRESS_TYPE_SOCKET);
    QAPI_CLONE_MEMBERS(SocketAddress, &a->u.socket, socket);
    return a;
}

static MigrationAddress *parse_exec(const char *command, Error **errp)
{
    MigrationAddress *a;
    strList **tail;

    if (!command[strspn(command, " \t\n")]) {
        error_setg(errp, "exec: there is no command");
        return NULL;
    }
    a = address_new(MIGRATION_ADDRESS_TYPE_EXEC);
    tail = &a->u.exec.args;
    QAPI_LIST_APPEND(tail, g_strdup("/bin/sh"));
    QAPI_LIST_APPEND(tail, g_strdup("-c"));
    QAPI_LIST_APPEND(tail, g_strdup(command));
    return a;
}

static MigrationAddress *parse_file(const char *text, Error **errp)
{
    const char *option = strstr(text, ",offset=");
    uint64_t offset = 0;
    MigrationAddress *a;

    if (option &&
        (qemu_strtosz(option + strlen(",offset="), NULL, &offset) < 0 ||
         offset > FILE_OFFSET_MAX)) {
        error_setg(errp, "file:%s: the offset is not a number of bytes", text);
        return NULL;
    }
    if (option == text || !text[0]) {
        error_setg(errp, "file:%s: there is no file name", text);
        return NULL;
    }
    a = address_new(MIGRATION_ADDRESS_TYPE_FILE);
    a->u.file.filename =
        option ? g_strndup(text, option - text) : g_strdup(text);
    a->u.file.offset = offset;
    return a;
}

MigrationAddress *migration_address_parse(const char *uri, Error **errp)
{
    const char *rest;

    if (strstart(uri, "tcp:", &rest)) {
        return parse_socket(rest, errp);
    }
    if (strstart(uri, "unix:", NULL) || strstart(uri, "vsock:", NULL) ||
        strstart(uri, "fd:", NULL)) {
        return parse_socket(uri, errp);
    }
    if (strstart(uri, "exec:", &rest)) {
        return parse_exec(rest, errp);
    }
    if (strstart(uri, "file:", &rest)) {
        return parse_file(rest, errp);
    }
    if (strstart(uri, "rdma:", NULL)) {
        error_setg(errp, "'%s': this build has no RDMA", uri);
        return NULL;
    }
    error_setg(errp,
               "'%s' is not an address: expected tcp:, unix:, vsock:, fd:, "
               "exec: or file:",
               uri);
    return NULL;
}

/* -- kinds ---------------------------------------------------------------------- */

bool transport_is_socket(TransportKind kind)
{
    return kind == TRANSPORT_INET || kind == TRANSPORT_UNIX ||
           kind == TRANSPORT_VSOCK;
}

bool transport_is_file(TransportKind kind)
{
    return kind == TRANSPORT_FILE || kind == TRANSPORT_FD_FILE;
}

/* Can bytes come back? Over exec only if the command passes them on. */
static bool may_answer(TransportKind kind)
{
    return transport_is_socket(kind) || kind == TRANSPORT_FD_SOCKET ||
           kind == TRANSPORT_EXEC;
}

static bool refuse(const MigrationTarget *t, const char *what, const char *why,
                   Error **errp)
{
    error_setg(errp, "%s cannot be used with '%s': %s", what, t->text, why);
    return false;
}

static bool check_caps(MigrationState *ms, const MigrationTarget *t,
                       Error **errp)
{
    bool mapped = migrate_cap(ms, MIGRATION_CAPABILITY_MAPPED_RAM);

    if (migrate_cap(ms, MIGRATION_CAPABILITY_MULTIFD) &&
        !transport_is_socket(t->kind) &&
        !(mapped && t->kind == TRANSPORT_FILE)) {
        return refuse(t, "Capability 'multifd'",
                      transport_is_file(t->kind)
                          ? "a file needs capability 'mapped-ram' for it"
                          : "it cannot be connected to more than once",
                      errp);
    }
    if (migrate_cap(ms, MIGRATION_CAPABILITY_POSTCOPY_PREEMPT) &&
        !transport_is_socket(t->kind)) {
        return refuse(t, "Capability 'postcopy-preempt'",
                      "it cannot be connected to more than once", errp);
    }
    if (migrate_cap(ms, MIGRATION_CAPABILITY_ZERO_COPY_SEND) &&
        t->kind != TRANSPORT_INET) {
        return refuse(t, "Capability 'zero-copy-send'", "it is not TCP", errp);
    }
    if (mapped && t->kind != TRANSPORT_FILE) {
        return refuse(t, "Capability 'mapped-ram'", "it is not a file", errp);
    }
    if (migrate_param(ms, direct_io) && !mapped) {
        error_setg(errp, "Parameter 'direct-io' needs capability 'mapped-ram'");
        return false;
    }
    return true;
}

static bool check_answers(MigrationState *ms, const MigrationTarget *t,
                          Error **errp)
{
    static const MigrationCapability answering[] = {
        MIGRATION_CAPABILITY_POSTCOPY_RAM,
        MIGRATION_CAPABILITY_RETURN_PATH,
        MIGRATION_CAPABILITY_SWITCHOVER_ACK,
    };

    for (size_t i = 0; !may_answer(t->kind) && i < G_N_ELEMENTS(answering);
         i++) {
        if (migrate_cap(ms, answering[i])) {
            g_autofree char *what = g_strdup_printf(
                "Capability '%s'", MigrationCapability_str(answering[i]));

            return refuse(t, what, "nothing can come back over it", errp);
        }
    }
    if (!may_answer(t->kind) && migration_tls_is_on(ms)) {
        return refuse(t, "TLS (parameter 'tls-creds')",
                      "nothing can come back over it", errp);
    }
    return true;
}

/* Mode 'cpr-transfer' and channel 'cpr' come together. */
static bool check_cpr(MigrationState *ms, const MigrationTarget *t,
                      bool outgoing, Error **errp)
{
    bool mode = migrate_param(ms, mode) == MIG_MODE_CPR_TRANSFER;

    if (outgoing && mode != (t->cpr != NULL)) {
        error_setg(errp, mode ? "Mode 'cpr-transfer' needs a channel of type "
                                "'cpr'"
                              : "A channel of type 'cpr' needs mode "
                                "'cpr-transfer'");
        return false;
    }
    if (t->cpr && !transport_is_socket(t->kind) &&
        t->kind != TRANSPORT_FD_SOCKET) {
        return refuse(t, "Channel type 'cpr'", "it is not a socket", errp);
    }
    return !outgoing || !mode || cpr_source_check(ms, errp);
}

bool migration_target_check(MigrationState *ms, const MigrationTarget *t,
                            bool outgoing, Error **errp)
{
    return check_caps(ms, t, errp) && check_cpr(ms, t, outgoing, errp) &&
           check_answers(ms, t, errp) &&
           migration_tls_check(ms, t, outgoing, errp);
}

/* -- targets ---------------------------------------------------------------------- */

static TransportKind kind_of_fd(QIOChannel *ioc, int fd)
{
    struct stat st;

    if (fd_is_socket(fd)) {
        return TRANSPORT_FD_SOCKET;
    }
    if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) &&
        qio_channel_has_feature(ioc, QIO_CHANNEL_FEATURE_SEEKABLE)) {
        return TRANSPORT_FD_FILE;
    }
    return TRANSPORT_FD_PIPE;
}

static bool open_fd(MigrationState *ms, MigrationTarget *t, const char *name,
                    Error **errp)
{
    AUTO_FD fd = ms->program->fd_param(ms->program_opaque, name, errp);
    int raw = fd;

    if (fd < 0) {
        return false;
    }
    t->opened = qio_channel_new_fd(fd, errp);
    if (!t->opened) {
        return false;
    }
    fd_steal(&fd);
    t->kind = kind_of_fd(t->opened, raw);
    return true;
}

QIOChannel *migration_open_file(const MigrationTarget *t, int flags,
                                Error **errp)
{
    return (QIOChannel *)qio_channel_file_new_path(t->filename, flags, 0600,
                                                   errp);
}

static bool open_file(MigrationTarget *t, bool outgoing, Error **errp)
{
    /* A FIFO without a reader must not hold the monitor up. */
    int flags = (outgoing ? O_WRONLY | O_CREAT : O_RDONLY) | O_NONBLOCK;
    QIOChannelFile *file;

    t->opened = migration_open_file(t, flags, errp);
    if (!t->opened) {
        return false;
    }
    file = QIO_CHANNEL_FILE(t->opened);
    if (!qio_channel_has_feature(t->opened, QIO_CHANNEL_FEATURE_SEEKABLE)) {
        error_setg(errp,
                   "'%s' is not a file with positions in it; use fd: or "
                   "exec:",
                   t->filename);
        return false;
    }
    /* What is behind the offset is replaced; before it, a header may stand. */
    if (outgoing && ftruncate(file->fd, (off_t)t->offset) < 0 &&
        errno != EINVAL) {
        error_setg_errno(errp, errno, "cannot cut '%s' at byte %" PRIu64,
                         t->filename, t->offset);
        return false;
    }
    return qio_channel_set_blocking(t->opened, true, errp) == 0 &&
           qio_channel_io_seek(t->opened, (off_t)t->offset, SEEK_SET, errp) >=
               0;
}

/* A port that cannot be is told by the command, not by a failed migration. */
static bool check_port(const InetSocketAddress *inet, Error **errp)
{
    guint64 port;

    if (!inet->port[0]) {
        error_setg(errp, "host '%s' without a port", inet->host);
        return false;
    }
    if (g_ascii_isdigit(inet->port[0]) &&
        !g_ascii_string_to_unsigned(inet->port, 10, 0, UINT16_MAX, &port,
                                    NULL)) {
        error_setg(errp, "'%s' is not a port number", inet->port);
        return false;
    }
    return true;
}

/* An abstract name has a byte before it. */
static bool check_path(const UnixSocketAddress *addr, Error **errp)
{
    const size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) -
                       (addr->has_abstract && addr->abstract);

    if (!addr->path[0] || strlen(addr->path) > max) {
        error_setg(errp,
                   "unix:%s: a socket's path has 1 to %zu bytes, this one "
                   "has %zu",
                   addr->path, max, strlen(addr->path));
        return false;
    }
    return true;
}

static bool set_socket(MigrationState *ms, MigrationTarget *t,
                       const SocketAddress *addr, Error **errp)
{
    static const TransportKind kinds[] = {
        [SOCKET_ADDRESS_TYPE_INET] = TRANSPORT_INET,
        [SOCKET_ADDRESS_TYPE_UNIX] = TRANSPORT_UNIX,
        [SOCKET_ADDRESS_TYPE_VSOCK] = TRANSPORT_VSOCK,
        [SOCKET_ADDRESS_TYPE_FD] = TRANSPORT_FD_SOCKET,
    };

    if (addr->type == SOCKET_ADDRESS_TYPE_INET &&
        !check_port(&addr->u.inet, errp)) {
        return false;
    }
    if (addr->type == SOCKET_ADDRESS_TYPE_UNIX &&
        !check_path(&addr->u.q_unix, errp)) {
        return false;
    }
    t->socket = QAPI_CLONE(SocketAddress, addr);
    t->kind = kinds[addr->type];
    g_free(t->text);
    t->text = socket_uri(t->socket);
    return addr->type != SOCKET_ADDRESS_TYPE_FD ||
           open_fd(ms, t, addr->u.fd.str, errp);
}

static bool set_exec(MigrationTarget *t, const strList *args, Error **errp)
{
    GPtrArray *argv;

    if (!args || !args->value[0]) {
        error_setg(errp, "exec: there is no program");
        return false;
    }
    argv = g_ptr_array_new();
    for (; args; args = args->next) {
        g_ptr_array_add(argv, g_strdup(args->value));
    }
    g_ptr_array_add(argv, NULL);
    t->argv = (char **)g_ptr_array_free(argv, FALSE);
    t->kind = TRANSPORT_EXEC;
    t->text = g_strdup_printf("exec:%s", t->argv[0]);
    return true;
}

static bool set_file(MigrationTarget *t, const FileMigrationArgs *args,
                     Error **errp)
{
    if (args->offset > FILE_OFFSET_MAX) {
        error_setg(errp, "file '%s': offset %" PRIu64 " is too large",
                   args->filename, args->offset);
        return false;
    }
    t->kind = TRANSPORT_FILE;
    t->filename = g_strdup(args->filename);
    t->offset = args->offset;
    t->text = g_strdup_printf("file:%s", args->filename);
    return true;
}

static bool set_address(MigrationState *ms, MigrationTarget *t,
                        const MigrationAddress *addr, Error **errp)
{
    switch (addr->transport) {
    case MIGRATION_ADDRESS_TYPE_SOCKET:
        return set_socket(ms, t, &addr->u.socket, errp);
    case MIGRATION_ADDRESS_TYPE_EXEC:
        return set_exec(t, addr->u.exec.args, errp);
    case MIGRATION_ADDRESS_TYPE_FILE:
        return set_file(t, &addr->u.file, errp);
    default:
        g_assert_not_reached();
    }
}

SocketAddress *transport_cpr_address(const MigrationAddress *addr, Error **errp)
{
    if (addr->transport != MIGRATION_ADDRESS_TYPE_SOCKET ||
        addr->u.socket.type != SOCKET_ADDRESS_TYPE_UNIX) {
        error_setg(errp, "Channel type 'cpr' needs the address of a UNIX "
                         "socket");
        return NULL;
    }
    return QAPI_CLONE(SocketAddress, &addr->u.socket);
}

static bool set_channel(MigrationState *ms, MigrationTarget *t,
                        const MigrationChannel *c, Error **errp)
{
    bool cpr = c->channel_type == MIGRATION_CHANNEL_TYPE_CPR;

    if (cpr && !t->cpr) {
        t->cpr = transport_cpr_address(c->addr, errp);
        return t->cpr != NULL;
    }
    if (cpr || t->text) {
        error_setg(errp, "Channel type '%s' is given twice",
                   MigrationChannelType_str(c->channel_type));
        return false;
    }
    return set_address(ms, t, c->addr, errp);
}

static bool set_all(MigrationState *ms, MigrationTarget *t, const char *uri,
                    MigrationChannelList *channels, Error **errp)
{
    if (!uri == !channels) {
        error_setg(errp, "Exactly one of 'uri' and 'channels' is needed");
        return false;
    }
    if (uri) {
        g_autoptr(MigrationAddress) addr = migration_address_parse(uri, errp);

        return addr && set_address(ms, t, addr, errp);
    }
    for (; channels; channels = channels->next) {
        if (!set_channel(ms, t, channels->value, errp)) {
            return false;
        }
    }
    if (!t->text) {
        error_setg(errp, "A channel of type 'main' is needed");
        return false;
    }
    return true;
}

MigrationTarget *migration_target_new(MigrationState *ms, const char *uri,
                                      MigrationChannelList *channels,
                                      bool outgoing, Error **errp)
{
    g_autoptr(MigrationTarget) t = g_new0(MigrationTarget, 1);

    if (!set_all(ms, t, uri, channels, errp) ||
        !migration_target_check(ms, t, outgoing, errp) ||
        (t->kind == TRANSPORT_FILE && !open_file(t, outgoing, errp))) {
        return NULL;
    }
    return g_steal_pointer(&t);
}

void migration_target_free(MigrationTarget *t)
{
    if (!t) {
        return;
    }
    qapi_free_SocketAddress(t->socket);
    qapi_free_SocketAddress(t->cpr);
    g_strfreev(t->argv);
    g_free(t->filename);
    g_free(t->text);
    if (t->opened) {
        object_unref(OBJECT(t->opened));
    }
    g_free(t);
}
