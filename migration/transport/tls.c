/*
 * TLS over any connection of a migration that has a way back.
 *
 * Both directions of trust: the source checks that the destination's
 * certificate holds tls-hostname (or the host it connected to), the
 * destination may check the source's by tls-authz. What can be seen to fail
 * is refused when the command is given.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/tlscreds.h"
#include "crypto/tlscredsx509.h"
#include "io/channel-tls.h"
#include "io/socket-address.h"
#include "migration/migration-internal.h"
#include "migration/transport/transport.h"
#include "util/lockable.h"

static char *text_param(MigrationState *ms, char *const *member)
{
    QEMU_LOCK_GUARD(&ms->lock);
    return (*member)[0] ? g_strdup(*member) : NULL;
}

bool migration_tls_is_on(MigrationState *ms)
{
    g_autofree char *id = text_param(ms, &ms->params.tls_creds);

    return id != NULL;
}

/* (transfer full) */
static QCryptoTLSCreds *find_creds(MigrationState *ms, bool client,
                                   Error **errp)
{
    g_autofree char *id = text_param(ms, &ms->params.tls_creds);
    g_autofree char *path = g_strdup_printf("/objects/%s", id ? id : "");
    Object *obj =
        object_resolve_path_type_ref(path, TYPE_QCRYPTO_TLS_CREDS, NULL);

    if (!obj) {
        error_setg(errp,
                   "Parameter 'tls-creds': there are no TLS credentials "
                   "'%s'",
                   id ? id : "");
        return NULL;
    }
    if (!qcrypto_tls_creds_check_endpoint(
            QCRYPTO_TLS_CREDS(obj),
            client ? QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT
                   : QCRYPTO_TLS_CREDS_ENDPOINT_SERVER,
            errp)) {
        error_prepend(errp, "Parameter 'tls-creds': ");
        object_unref(obj);
        return NULL;
    }
    return QCRYPTO_TLS_CREDS(obj);
}

/* (transfer full) NULL: none is known */
static char *peer_name(MigrationState *ms, const MigrationTarget *t)
{
    char *name = text_param(ms, &ms->params.tls_hostname);

    if (!name && t->socket && t->socket->type == SOCKET_ADDRESS_TYPE_INET &&
        t->socket->u.inet.host[0]) {
        name = g_strdup(t->socket->u.inet.host);
    }
    return name;
}

static bool check_client(MigrationState *ms, const MigrationTarget *t,
                         QCryptoTLSCreds *creds, Error **errp)
{
    g_autofree char *name = peer_name(ms, t);
    bool verifies =
        object_dynamic_cast(OBJECT(creds), TYPE_QCRYPTO_TLS_CREDS_X509) &&
        object_property_get_bool(OBJECT(creds), "verify-peer", NULL);

    if (verifies && !name) {
        error_setg(errp,
                   "Parameter 'tls-hostname' is needed for certificates with "
                   "'%s', which names no host",
                   t->text);
        return false;
    }
    return true;
}

bool migration_tls_check(MigrationState *ms, const MigrationTarget *t,
                         bool outgoing, Error **errp)
{
    g_autofree char *authz = text_param(ms, &ms->params.tls_authz);
    QCryptoTLSCreds *creds = NULL;
    bool ok;

    if (!migration_tls_is_on(ms)) {
        if (authz && !outgoing) {
            error_setg(errp, "Parameter 'tls-authz' needs 'tls-creds'");
            return false;
        }
        return true;
    }
    creds = find_creds(ms, outgoing, errp);
    if (!creds) {
        return false;
    }
    if (outgoing) {
        ok = check_client(ms, t, creds, errp);
    } else {
        ok = qcrypto_tls_creds_check_authz(creds, authz, errp);
    }
    object_unref(OBJECT(creds));
    return ok;
}

QIOChannel *migration_tls_connect(MigrationState *ms, const MigrationTarget *t,
                                  QIOChannel *ioc, unsigned limit_ms,
                                  Error **errp)
{
    g_autofree char *name = peer_name(ms, t);
    QCryptoTLSCreds *creds = find_creds(ms, true, errp);
    QIOChannelTLS *tls;

    if (!creds) {
        return NULL;
    }
    tls = qio_channel_tls_new_client(ioc, creds, name, errp);
    object_unref(OBJECT(creds));
    if (!tls) {
        return NULL;
    }
    qio_channel_set_name(QIO_CHANNEL(tls), "migration-tls-outgoing");
    if (qio_channel_tls_handshake_sync(tls, limit_ms, errp) < 0 ||
        qio_channel_set_blocking(QIO_CHANNEL(tls), true, errp) < 0) {
        error_prepend(errp, "TLS with '%s': ", t->text);
        object_unref(OBJECT(tls));
        return NULL;
    }
    return QIO_CHANNEL(tls);
}

QIOChannel *migration_tls_server(MigrationState *ms, QIOChannel *ioc,
                                 Error **errp)
{
    g_autofree char *authz = text_param(ms, &ms->params.tls_authz);
    QCryptoTLSCreds *creds = find_creds(ms, false, errp);
    QIOChannelTLS *tls;

    if (!creds) {
        return NULL;
    }
    tls = qio_channel_tls_new_server(ioc, creds, authz, errp);
    object_unref(OBJECT(creds));
    if (tls) {
        qio_channel_set_name(QIO_CHANNEL(tls), "migration-tls-incoming");
    }
    return (QIOChannel *)tls;
}
