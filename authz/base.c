/*
 * The class of all authorization objects, and the two ways to ask one: by
 * pointer, and by the id that a service was configured with.
 *
 * Asking by id takes a reference for the time of the question, because a
 * monitor in another thread may delete the object meanwhile.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "authz/base.h"

#include "authz/types.h"
#include "util/error.h"

bool qauthz_is_allowed(QAuthZ *authz, const char *identity, Error **errp)
{
    QAuthZClass *klass = QAUTHZ_GET_CLASS(authz);

    if (!identity) {
        error_setg(errp, "the peer has no identity to authorize");
        return false;
    }
    return klass->is_allowed(authz, identity, errp);
}

/* Returns: a reference, or NULL with @errp set. */
static QAuthZ *authz_lookup(const char *authzid, Error **errp)
{
    g_autofree char *path = NULL;
    Object *obj;

    authz_register_types();
    if (strchr(authzid, '/')) {
        error_setg(errp, "authorization object id '%s' is malformed", authzid);
        return NULL;
    }
    path = g_strdup_printf("/objects/%s", authzid);
    obj = object_resolve_path_type_ref(path, TYPE_OBJECT, NULL);
    if (!obj) {
        error_setg(errp, "cannot find authorization object '%s'", authzid);
        return NULL;
    }
    if (!object_dynamic_cast(obj, TYPE_QAUTHZ)) {
        error_setg(errp, "object '%s' is a '%s', not an authorization object",
                   authzid, object_get_typename(obj));
        object_unref(obj);
        return NULL;
    }
    return QAUTHZ(obj);
}

bool qauthz_is_allowed_by_id(const char *authzid, const char *identity,
                             Error **errp)
{
    g_autoptr(QAuthZ) authz = authz_lookup(authzid, errp);

    return authz && qauthz_is_allowed(authz, identity, errp);
}

bool qauthz_check_id(const char *authzid, Error **errp)
{
    g_autoptr(QAuthZ) authz = authz_lookup(authzid, errp);

    return authz != NULL;
}

const TypeInfo authz_type_base = {
    .name = TYPE_QAUTHZ,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(QAuthZ),
    .class_size = sizeof(QAuthZClass),
};
