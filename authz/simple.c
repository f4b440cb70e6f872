/*
 * authz-simple: the one identity that is let in.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "authz/simple.h"

#include "authz/types.h"
#include "qom/object_interfaces.h"
#include "qom/property.h"

struct QAuthZSimple {
    QAuthZ parent_obj;

    char *identity;
};

static bool simple_is_allowed(QAuthZ *authz, const char *identity, Error **errp)
{
    QAuthZSimple *s = QAUTHZ_SIMPLE(authz);

    return g_strcmp0(identity, s->identity) == 0;
}

static const Property simple_props[] = {
    { "identity", PROP_STR, offsetof(QAuthZSimple, identity),
      .flags = PROP_F_REQUIRED, .help = "the identity that is let in",
      .since = "4.0" },
    {}
};

QAuthZSimple *qauthz_simple_new(const char *id, const char *identity,
                                Error **errp)
{
    authz_register_types();
    return QAUTHZ_SIMPLE(
        object_new_with_props(TYPE_QAUTHZ_SIMPLE, object_get_objects_root(), id,
                              errp, "identity", identity, NULL));
}

static void simple_class_init(ObjectClass *oc, void *data)
{
    QAUTHZ_CLASS(oc)->is_allowed = simple_is_allowed;
}

const TypeInfo authz_type_simple = {
    .name = TYPE_QAUTHZ_SIMPLE,
    .parent = TYPE_QAUTHZ,
    .instance_size = sizeof(QAuthZSimple),
    .class_init = simple_class_init,
    .props = simple_props,
    .interfaces = (InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
};
