/*
 * The base class of TLS credentials: properties, loading, reloading, and the
 * checks that a service makes when it starts.
 *
 * A subclass only says how a set is loaded. Loading always makes a new set
 * and exchanges the pointer at the end, so a failed reload changes nothing
 * and a session that is being made in another thread sees the old set or the
 * new one, never a mixture.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/tlscreds.h"

#include "authz/base.h"
#include "crypto/tlscredsanon.h"
#include "crypto/tlscredsx509.h"
#include "qom/object_interfaces.h"
#include "util/error.h"
#include "util/lockable.h"

#include "tlscreds-internal.h"

const char *tls_creds_id(QCryptoTLSCreds *creds)
{
    const char *id = object_get_canonical_path_component(OBJECT(creds));

    return id ? id : object_get_typename(OBJECT(creds));
}

QCryptoTLSCredsBox *tls_creds_get_box(QCryptoTLSCreds *creds, Error **errp)
{
    QEMU_LOCK_GUARD(&creds->lock);
    if (!creds->box) {
        error_setg(errp, "TLS credentials '%s' are not loaded",
                   tls_creds_id(creds));
        return NULL;
    }
    return tls_creds_box_ref(creds->box);
}

static bool creds_reload(QCryptoTLSCreds *creds, Error **errp)
{
    ERRP_GUARD();
    QCryptoTLSCredsClass *klass = QCRYPTO_TLS_CREDS_GET_CLASS(creds);
    QCryptoTLSCredsBox *box = klass->load(creds, errp);
    QCryptoTLSCredsBox *old;

    if (!box) {
        error_prepend(errp, "TLS credentials '%s': ", tls_creds_id(creds));
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&creds->lock)
    {
        old = creds->box;
        creds->box = box;
    }
    tls_creds_box_unref(old);
    return true;
}

bool qcrypto_tls_creds_reload(QCryptoTLSCreds *creds, Error **errp)
{
    return QCRYPTO_TLS_CREDS_GET_CLASS(creds)->reload(creds, errp);
}

static void creds_complete(UserCreatable *uc, Error **errp)
{
    creds_reload(QCRYPTO_TLS_CREDS(uc), errp);
}

bool qcrypto_tls_creds_check_endpoint(QCryptoTLSCreds *creds,
                                      QCryptoTLSCredsEndpoint endpoint,
                                      Error **errp)
{
    if (creds->endpoint != (int)endpoint) {
        error_setg(errp,
                   "expected TLS credentials for a %s endpoint, '%s' is for a "
                   "%s",
                   QCryptoTLSCredsEndpoint_str(endpoint), tls_creds_id(creds),
                   QCryptoTLSCredsEndpoint_str(creds->endpoint));
        return false;
    }
    return true;
}

bool qcrypto_tls_creds_check_authz(QCryptoTLSCreds *creds, const char *authzid,
                                   Error **errp)
{
    if (!authzid) {
        return true;
    }
    if (!creds) {
        error_setg(errp, "authorization '%s' needs TLS credentials", authzid);
        return false;
    }
    if (!qcrypto_tls_creds_check_endpoint(
            creds, QCRYPTO_TLS_CREDS_ENDPOINT_SERVER, errp)) {
        return false;
    }
    if (object_dynamic_cast(OBJECT(creds), TYPE_QCRYPTO_TLS_CREDS_ANON)) {
        error_setg(errp,
                   "authorization '%s' cannot be enforced: TLS credentials "
                   "'%s' are anonymous",
                   authzid, tls_creds_id(creds));
        return false;
    }
    if (!creds->verify_peer &&
        object_dynamic_cast(OBJECT(creds), TYPE_QCRYPTO_TLS_CREDS_X509)) {
        error_setg(errp,
                   "authorization '%s' cannot be enforced: TLS credentials "
                   "'%s' have verify-peer=off",
                   authzid, tls_creds_id(creds));
        return false;
    }
    return qauthz_check_id(authzid, errp);
}

static const Property creds_props[] = {
    { "dir", PROP_STR, offsetof(QCryptoTLSCreds, dir),
      .help = "directory of the credential files", .since = "2.5" },
    { "endpoint", PROP_ENUM, offsetof(QCryptoTLSCreds, endpoint),
      .qapi_type = "QCryptoTLSCredsEndpoint",
      .lookup = &QCryptoTLSCredsEndpoint_lookup, .def = "client",
      .help = "side that uses them", .since = "2.5" },
    { "verify-peer", PROP_BOOL, offsetof(QCryptoTLSCreds, verify_peer),
      .def = "on", .help = "check the other side's certificate",
      .since = "2.5" },
    { "priority", PROP_STR, offsetof(QCryptoTLSCreds, priority),
      .help = "GnuTLS priority string instead of the built-in one",
      .since = "2.7" },
    { "loaded", PROP_BOOL, offsetof(QCryptoTLSCreds, loaded),
      .flags = PROP_F_DEPRECATED, .help = "without effect", .since = "2.5",
      .check = property_only_true },
    {}
};

static void creds_init(Object *obj)
{
    qemu_mutex_init(&QCRYPTO_TLS_CREDS(obj)->lock);
}

static void creds_finalize(Object *obj)
{
    QCryptoTLSCreds *creds = QCRYPTO_TLS_CREDS(obj);

    tls_creds_box_unref(creds->box);
    qemu_mutex_destroy(&creds->lock);
}

static void creds_class_init(ObjectClass *oc, void *data)
{
    QCRYPTO_TLS_CREDS_CLASS(oc)->reload = creds_reload;
    USER_CREATABLE_CLASS(oc)->complete = creds_complete;
}

const TypeInfo crypto_type_tlscreds = {
    .name = TYPE_QCRYPTO_TLS_CREDS,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(QCryptoTLSCreds),
    .instance_init = creds_init,
    .instance_finalize = creds_finalize,
    .class_size = sizeof(QCryptoTLSCredsClass),
    .class_init = creds_class_init,
    .props = creds_props,
    .interfaces = (InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
};
