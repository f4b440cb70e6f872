/*
 * A driver that lives outside of the program: an authorization class in a
 * loadable module. It stands on classes and functions of the program, which
 * shows that a module reaches them. Built twice; with BROKEN it asks for a
 * function that nobody has.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "authz/base.h"
#include "qom/object_interfaces.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/module.h"

typedef struct SampleAuthZ {
    QAuthZ parent_obj;

    char *suffix;
} SampleAuthZ;

static bool sample_is_allowed(QAuthZ *authz, const char *identity, Error **errp)
{
    SampleAuthZ *s = (SampleAuthZ *)authz;

    return g_str_has_suffix(identity, s->suffix);
}

static bool suffix_check(Object *obj, const Property *prop, const void *value,
                         Error **errp)
{
    const char *suffix = *(char *const *)value;

    if (!suffix || !*suffix) {
        error_setg(errp, "an empty suffix would let everybody in");
        return false;
    }
    return true;
}

static const Property sample_props[] = {
    { "suffix", PROP_STR, offsetof(SampleAuthZ, suffix),
      .flags = PROP_F_REQUIRED, .check = suffix_check,
      .help = "how a name that is let in ends", .since = "0.1" },
    {}
};

static void sample_class_init(ObjectClass *oc, void *data)
{
    QAUTHZ_CLASS(oc)->is_allowed = sample_is_allowed;
}

static const TypeInfo sample_type = {
    .name = "x-sample-authz",
    .parent = TYPE_QAUTHZ,
    .instance_size = sizeof(SampleAuthZ),
    .class_init = sample_class_init,
    .props = sample_props,
    .interfaces = (InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
};

#ifdef BROKEN
bool nobody_has_this_function(void);
#endif

static bool sample_init(Error **errp)
{
#ifdef BROKEN
    if (nobody_has_this_function()) {
        return false;
    }
#endif
    type_register_static(&sample_type);
    return true;
}

FERRY_MODULE(MODULE_NAME, sample_init);
