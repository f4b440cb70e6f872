/*
 * Properties made from plain get and set functions, from a pointer to an
 * integer, and aliases. Older than property tables; for code outside this
 * tree and for values that are computed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/visitor.h"
#include "util/error.h"

#include "object-internal.h"

/* Instance properties free their opaque; class properties live for ever. */
static void release_opaque(Object *obj, const char *name, void *opaque)
{
    g_free(opaque);
}

/* One of @obj and @klass is NULL. */
static ObjectProperty *add(Object *obj, ObjectClass *klass, const char *name,
                           const char *type, ObjectPropertyAccessor *get,
                           ObjectPropertyAccessor *set, void *opaque)
{
    if (klass) {
        return object_class_property_add(klass, name, type, get, set, NULL,
                                         opaque);
    }
    return object_property_add(obj, name, type, get, set, release_opaque,
                               opaque);
}

/* -- str ------------------------------------------------------------------ */

typedef struct StrProperty {
    char *(*get)(Object *, Error **);
    void (*set)(Object *, const char *, Error **);
} StrProperty;

static void str_get(Object *obj, Visitor *v, const char *name, void *opaque,
                    Error **errp)
{
    StrProperty *prop = opaque;
    Error *err = NULL;
    g_autofree char *value = prop->get(obj, &err);

    if (err) {
        error_propagate(errp, err);
        return;
    }
    visit_type_str(v, name, &value, errp);
}

static void str_set(Object *obj, Visitor *v, const char *name, void *opaque,
                    Error **errp)
{
    StrProperty *prop = opaque;
    g_autofree char *value = NULL;

    if (visit_type_str(v, name, &value, errp)) {
        prop->set(obj, value, errp);
    }
}

static ObjectProperty *add_str(Object *obj, ObjectClass *klass,
                               const char *name, StrProperty p)
{
    return add(obj, klass, name, "string", p.get ? str_get : NULL,
               p.set ? str_set : NULL, g_memdup2(&p, sizeof(p)));
}

ObjectProperty *object_property_add_str(Object *obj, const char *name,
                                        char *(*get)(Object *, Error **),
                                        void (*set)(Object *, const char *,
                                                    Error **))
{
    return add_str(obj, NULL, name, (StrProperty){ get, set });
}

ObjectProperty *object_class_property_add_str(
    ObjectClass *klass, const char *name, char *(*get)(Object *, Error **),
    void (*set)(Object *, const char *, Error **))
{
    return add_str(NULL, klass, name, (StrProperty){ get, set });
}

/* -- bool ----------------------------------------------------------------- */

typedef struct BoolProperty {
    bool (*get)(Object *, Error **);
    void (*set)(Object *, bool, Error **);
} BoolProperty;

static void bool_get(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    BoolProperty *prop = opaque;
    Error *err = NULL;
    bool value = prop->get(obj, &err);

    if (err) {
        error_propagate(errp, err);
        return;
    }
    visit_type_bool(v, name, &value, errp);
}

static void bool_set(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    BoolProperty *prop = opaque;
    bool value;

    if (visit_type_bool(v, name, &value, errp)) {
        prop->set(obj, value, errp);
    }
}

static ObjectProperty *add_bool(Object *obj, ObjectClass *klass,
                                const char *name, BoolProperty p)
{
    return add(obj, klass, name, "bool", p.get ? bool_get : NULL,
               p.set ? bool_set : NULL, g_memdup2(&p, sizeof(p)));
}

ObjectProperty *object_property_add_bool(Object *obj, const char *name,
                                         bool (*get)(Object *, Error **),
                                         void (*set)(Object *, bool, Error **))
{
    return add_bool(obj, NULL, name, (BoolProperty){ get, set });
}

ObjectProperty *object_class_property_add_bool(
    ObjectClass *klass, const char *name, bool (*get)(Object *, Error **),
    void (*set)(Object *, bool, Error **))
{
    return add_bool(NULL, klass, name, (BoolProperty){ get, set });
}

/* -- enum ----------------------------------------------------------------- */

typedef struct EnumProperty {
    const QEnumLookup *lookup;
    int (*get)(Object *, Error **);
    void (*set)(Object *, int, Error **);
} EnumProperty;

static void enum_get(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    EnumProperty *prop = opaque;
    Error *err = NULL;
    int value = prop->get(obj, &err);

    if (err) {
        error_propagate(errp, err);
        return;
    }
    visit_type_enum(v, name, &value, prop->lookup, errp);
}

static void enum_set(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    EnumProperty *prop = opaque;
    int value;

    if (visit_type_enum(v, name, &value, prop->lookup, errp)) {
        prop->set(obj, value, errp);
    }
}

const QEnumLookup *object_property_enum_lookup(const ObjectProperty *prop)
{
    if (prop->table) {
        return prop->table->lookup;
    }
    if (prop->get == enum_get || prop->set == enum_set) {
        return ((EnumProperty *)prop->opaque)->lookup;
    }
    return NULL;
}

static ObjectProperty *add_enum(Object *obj, ObjectClass *klass,
                                const char *name, const char *type_name,
                                EnumProperty p)
{
    return add(obj, klass, name, type_name, p.get ? enum_get : NULL,
               p.set ? enum_set : NULL, g_memdup2(&p, sizeof(p)));
}

ObjectProperty *object_property_add_enum(Object *obj, const char *name,
                                         const char *type_name,
                                         const QEnumLookup *lookup,
                                         int (*get)(Object *, Error **),
                                         void (*set)(Object *, int, Error **))
{
    return add_enum(obj, NULL, name, type_name,
                    (EnumProperty){ lookup, get, set });
}

ObjectProperty *object_class_property_add_enum(
    ObjectClass *klass, const char *name, const char *type_name,
    const QEnumLookup *lookup, int (*get)(Object *, Error **),
    void (*set)(Object *, int, Error **))
{
    return add_enum(NULL, klass, name, type_name,
                    (EnumProperty){ lookup, get, set });
}

/* -- struct tm ------------------------------------------------------------ */

typedef struct TMProperty {
    void (*get)(Object *, struct tm *, Error **);
} TMProperty;

static bool visit_tm(Visitor *v, struct tm *tm, Error **errp)
{
    int32_t year = tm->tm_year, mon = tm->tm_mon, mday = tm->tm_mday;
    int32_t hour = tm->tm_hour, min = tm->tm_min, sec = tm->tm_sec;

    return visit_type_int32(v, "tm_year", &year, errp) &&
           visit_type_int32(v, "tm_mon", &mon, errp) &&
           visit_type_int32(v, "tm_mday", &mday, errp) &&
           visit_type_int32(v, "tm_hour", &hour, errp) &&
           visit_type_int32(v, "tm_min", &min, errp) &&
           visit_type_int32(v, "tm_sec", &sec, errp) &&
           visit_check_struct(v, errp);
}

static void tm_get(Object *obj, Visitor *v, const char *name, void *opaque,
                   Error **errp)
{
    TMProperty *prop = opaque;
    struct tm value = { 0 };
    Error *err = NULL;

    prop->get(obj, &value, &err);
    if (err) {
        error_propagate(errp, err);
        return;
    }
    if (visit_start_struct(v, name, NULL, 0, errp)) {
        visit_tm(v, &value, errp);
        visit_end_struct(v, NULL);
    }
}

ObjectProperty *object_property_add_tm(Object *obj, const char *name,
                                       void (*get)(Object *, struct tm *,
                                                   Error **))
{
    TMProperty p = { get };

    return add(obj, NULL, name, "struct tm", tm_get, NULL,
               g_memdup2(&p, sizeof(p)));
}

ObjectProperty *object_class_property_add_tm(ObjectClass *klass,
                                             const char *name,
                                             void (*get)(Object *, struct tm *,
                                                         Error **))
{
    TMProperty p = { get };

    return add(NULL, klass, name, "struct tm", tm_get, NULL,
               g_memdup2(&p, sizeof(p)));
}

/* -- integers somewhere in memory ----------------------------------------- */

#define DEFINE_UINT_PTR(bits)                                                  \
    static void uint##bits##_get(Object *obj, Visitor *v, const char *name,    \
                                 void *opaque, Error **errp)                   \
    {                                                                          \
        uint##bits##_t value = *(uint##bits##_t *)opaque;                      \
                                                                               \
        visit_type_uint##bits(v, name, &value, errp);                          \
    }                                                                          \
                                                                               \
    static void uint##bits##_set(Object *obj, Visitor *v, const char *name,    \
                                 void *opaque, Error **errp)                   \
    {                                                                          \
        uint##bits##_t value;                                                  \
                                                                               \
        if (visit_type_uint##bits(v, name, &value, errp)) {                    \
            *(uint##bits##_t *)opaque = value;                                 \
        }                                                                      \
    }                                                                          \
                                                                               \
    ObjectProperty *object_property_add_uint##bits##_ptr(                      \
        Object *obj, const char *name, const uint##bits##_t *v,                \
        ObjectPropertyFlags flags)                                             \
    {                                                                          \
        return object_property_add(                                            \
            obj, name, "uint" #bits,                                           \
            (flags & OBJ_PROP_FLAG_READ) ? uint##bits##_get : NULL,            \
            (flags & OBJ_PROP_FLAG_WRITE) ? uint##bits##_set : NULL, NULL,     \
            (void *)v);                                                        \
    }                                                                          \
                                                                               \
    ObjectProperty *object_class_property_add_uint##bits##_ptr(                \
        ObjectClass *klass, const char *name, const uint##bits##_t *v,         \
        ObjectPropertyFlags flags)                                             \
    {                                                                          \
        return object_class_property_add(                                      \
            klass, name, "uint" #bits,                                         \
            (flags & OBJ_PROP_FLAG_READ) ? uint##bits##_get : NULL,            \
            (flags & OBJ_PROP_FLAG_WRITE) ? uint##bits##_set : NULL, NULL,     \
            (void *)v);                                                        \
    }

DEFINE_UINT_PTR(8)
DEFINE_UINT_PTR(16)
DEFINE_UINT_PTR(32)
DEFINE_UINT_PTR(64)

/* -- alias ---------------------------------------------------------------- */

typedef struct AliasProperty {
    Object *target; /* no reference: lives as long as the owner */
    char *target_name;
} AliasProperty;

/* The value travels under the alias's name, the target does the work. */
static void alias_get(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    AliasProperty *alias = opaque;
    ObjectProperty *prop =
        object_property_find_err(alias->target, alias->target_name, errp);

    if (prop) {
        prop->get(alias->target, v, name, prop->opaque, errp);
    }
}

static void alias_set(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    AliasProperty *alias = opaque;
    ObjectProperty *prop =
        object_property_find_err(alias->target, alias->target_name, errp);

    if (prop) {
        prop->set(alias->target, v, name, prop->opaque, errp);
    }
}

static Object *alias_resolve(Object *obj, void *opaque, const char *part)
{
    AliasProperty *prop = opaque;

    return object_resolve_path_component(prop->target, prop->target_name);
}

static void alias_release(Object *obj, const char *name, void *opaque)
{
    AliasProperty *prop = opaque;

    g_free(prop->target_name);
    g_free(prop);
}

ObjectProperty *object_property_add_alias(Object *obj, const char *name,
                                          Object *target_obj,
                                          const char *target_name)
{
    ObjectProperty *target =
        object_property_find_err(target_obj, target_name, &error_abort);
    g_autofree char *type = NULL;
    AliasProperty *alias = g_new0(AliasProperty, 1);
    QOM_TREE_LOCK_GUARD();

    /* An alias of a child is a link: it has only one parent. */
    type = g_str_has_prefix(target->type, "child<")
               ? g_strconcat("link", target->type + strlen("child"), NULL)
               : g_strdup(target->type);
    alias->target = target_obj;
    alias->target_name = g_strdup(target_name);
    ObjectProperty *prop =
        object_property_add(obj, name, type, target->get ? alias_get : NULL,
                            target->set ? alias_set : NULL, alias_release,
                            alias);
    prop->resolve = target->resolve ? alias_resolve : NULL;
    prop->description = g_strdup(target->description);
    prop->defval = json_incref(target->defval);
    return prop;
}
