/*
 * QMP commands of the object model, and its part of the schema.
 *
 * qom-list-properties looks at the class only. It makes no object, so it has
 * no side effects; properties that an instance adds to itself are in
 * qom-list.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"
#include "qapi/qapi-commands-qom.h"
#include "qom/object_interfaces.h"
#include "qom/qom-introspect.h"
#include "util/cutils.h"
#include "util/error.h"

#include "object-internal.h"

/* The object at @path, with a reference. */
static Object *find_object(const char *path, Error **errp)
{
    bool ambiguous = false;
    Object *obj = object_resolve_path_type_ref(path, TYPE_OBJECT, &ambiguous);

    if (ambiguous) {
        error_setg(errp, "path '%s' is ambiguous", path);
    } else if (!obj) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "there is no object '%s'",
                  path);
    }
    return obj;
}

static ObjectPropertyInfo *property_info(const ObjectProperty *prop, bool full)
{
    ObjectPropertyInfo *info = g_new0(ObjectPropertyInfo, 1);

    info->name = g_strdup(prop->name);
    info->type = g_strdup(prop->type);
    if (full) {
        info->description = g_strdup(prop->description);
        info->default_value = json_incref(prop->defval);
    }
    return info;
}

ObjectPropertyInfoList *qmp_qom_list(const char *path, Error **errp)
{
    g_autoptr(Object) obj = find_object(path, errp);
    ObjectPropertyInfoList *list = NULL, **tail = &list;
    ObjectPropertyIterator iter;
    ObjectProperty *prop;

    if (!obj) {
        return NULL;
    }
    QOM_TREE_LOCK_GUARD();
    object_property_iter_init(&iter, obj);
    while ((prop = object_property_iter_next(&iter))) {
        QAPI_LIST_APPEND(tail, property_info(prop, false));
    }
    return list;
}

QObject *qmp_qom_get(const char *path, const char *property, Error **errp)
{
    g_autoptr(Object) obj = find_object(path, errp);

    return obj ? object_property_get_qobject(obj, property, errp) : NULL;
}

void qmp_qom_set(const char *path, const char *property, QObject *value,
                 Error **errp)
{
    g_autoptr(Object) obj = find_object(path, errp);

    if (obj) {
        object_property_set_qobject(obj, property, value, errp);
    }
}

ObjectTypeInfoList *qmp_qom_list_types(const char *implements,
                                       bool has_abstract, bool abstract,
                                       Error **errp)
{
    g_autoptr(GSList) classes =
        object_class_get_list_sorted(implements, has_abstract && abstract);
    ObjectTypeInfoList *list = NULL, **tail = &list;

    for (GSList *e = classes; e; e = e->next) {
        ObjectClass *klass = e->data;
        ObjectClass *parent = object_class_get_parent(klass);
        ObjectTypeInfo *info = g_new0(ObjectTypeInfo, 1);

        info->name = g_strdup(object_class_get_name(klass));
        info->abstract = info->has_abstract = object_class_is_abstract(klass);
        info->parent = g_strdup(parent ? object_class_get_name(parent) : NULL);
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

static ObjectClass *find_class(const char *type_name, Error **errp)
{
    ObjectClass *klass = module_object_class_by_name(type_name);

    if (!klass) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "there is no type '%s'",
                  type_name);
    }
    return klass;
}

static ObjectPropertyInfoList *class_properties(
    ObjectClass *klass, bool (*want)(const ObjectProperty *))
{
    ObjectPropertyInfoList *list = NULL, **tail = &list;
    ObjectPropertyIterator iter;
    ObjectProperty *prop;

    object_class_property_iter_init(&iter, klass);
    while ((prop = object_property_iter_next(&iter))) {
        if (!want || want(prop)) {
            QAPI_LIST_APPEND(tail, property_info(prop, true));
        }
    }
    return list;
}

ObjectPropertyInfoList *qmp_qom_list_properties(const char *type_name,
                                                Error **errp)
{
    ObjectClass *klass = find_class(type_name, errp);

    return klass ? class_properties(klass, NULL) : NULL;
}

/* What is no parameter of -device. */
static bool is_device_option(const ObjectProperty *prop)
{
    static const char *const internal[] = { "type",         "realized",
                                            "hotpluggable", "hotplugged",
                                            "parent_bus",   NULL };

    return !g_strv_contains(internal, prop->name) &&
           !strstart(prop->name, "legacy-", NULL) &&
           !strstart(prop->type, "child<", NULL);
}

ObjectPropertyInfoList *qmp_device_list_properties(const char *type_name,
                                                   Error **errp)
{
    ObjectClass *klass = find_class(type_name, errp);

    if (!klass) {
        return NULL;
    }
    if (!object_class_dynamic_cast(klass, "device") ||
        object_class_is_abstract(klass)) {
        error_setg(errp, "type '%s' is not a device type that can be created",
                   type_name);
        return NULL;
    }
    return class_properties(klass, is_device_option);
}

void qmp_object_add(ObjectOptions *arg, Error **errp)
{
    g_autoptr(Object) obj = user_creatable_add_type(
        arg->qom_type, arg->id, arg->open_members, false, errp);

    (void)obj; /* /objects keeps it */
}

void qmp_object_del(const char *id, Error **errp)
{
    user_creatable_del(id, errp);
}

/* -- schema --------------------------------------------------------------- */

void qom_open_variant_fill(QapiOpenVariant *variant, ObjectClass *klass)
{
    ObjectPropertyIterator iter;
    ObjectProperty *prop;

    object_class_property_iter_init(&iter, klass);
    while ((prop = object_property_iter_next(&iter))) {
        const Property *line = prop->table;

        if (!line || !prop->set || (line->flags & PROP_F_HIDDEN)) {
            continue;
        }
        unsigned features =
            line->flags & PROP_F_DEPRECATED ? 1u << QAPI_DEPRECATED : 0;

        if (strstart(line->name, "x-", NULL)) {
            features |= 1u << QAPI_UNSTABLE;
        }
        qapi_open_variant_member(variant, line->name, property_qapi_type(line),
                                 line->lookup, !(line->flags & PROP_F_REQUIRED),
                                 features);
    }
}

void qom_open_union_fill(QapiOpenUnion *u, const char *implements)
{
    g_autoptr(GSList) classes = object_class_get_list_sorted(implements, false);

    for (GSList *e = classes; e; e = e->next) {
        ObjectClass *klass = e->data;
        const char *names[] = { object_class_get_name(klass),
                                object_class_get_alias(klass) };

        for (size_t i = 0; i < G_N_ELEMENTS(names) && names[i]; i++) {
            qom_open_variant_fill(qapi_open_union_add(u, names[i], NULL),
                                  klass);
        }
    }
}
