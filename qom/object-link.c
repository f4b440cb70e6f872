/*
 * Links: properties that point at another object of the tree.
 *
 * The value as text is the target's canonical path; it is set from a path,
 * absolute or partial, so an id does. A strong link holds a reference and is
 * counted in the target (link_users), which is how object-del knows that an
 * object is in use.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/visitor.h"
#include "util/error.h"

#include "object-internal.h"

typedef struct LinkProperty {
    union {
        Object **targetp;
        Object *target;   /* OBJ_PROP_LINK_DIRECT */
        ptrdiff_t offset; /* OBJ_PROP_LINK_CLASS: of the pointer, in bytes */
    };
    ObjectPropertyLinkCheck *check;
    ObjectPropertyLinkFlags flags;
    char *type;
} LinkProperty;

void link_replace(Object **targetp, Object *value, bool strong)
{
    if (strong && value) {
        object_ref(value);
        __atomic_fetch_add(&value->link_users, 1, __ATOMIC_ACQ_REL);
    }
    qom_tree_lock();
    Object *old = *targetp;

    *targetp = value;
    qom_tree_unlock();
    if (strong && old) {
        __atomic_fetch_sub(&old->link_users, 1, __ATOMIC_ACQ_REL);
        object_unref(old);
    }
}

static Object **link_targetp(Object *obj, LinkProperty *link)
{
    if (link->flags & OBJ_PROP_LINK_DIRECT) {
        return &link->target;
    }
    if (link->flags & OBJ_PROP_LINK_CLASS) {
        return (Object **)((char *)obj + link->offset);
    }
    return link->targetp;
}

static Object *link_resolve(Object *obj, void *opaque, const char *part)
{
    return *link_targetp(obj, opaque);
}

static void link_get(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    qom_tree_lock();
    g_autoptr(Object) target = object_ref(*link_targetp(obj, opaque));
    qom_tree_unlock();
    g_autofree char *path = target ? object_get_canonical_path(target) : NULL;

    if (!path) {
        path = g_strdup("");
    }
    visit_type_str(v, name, &path, errp);
}

Object *link_resolve_target(Object *obj, const char *name, const char *type,
                            const char *path, Error **errp)
{
    bool ambiguous = false;
    Object *target = object_resolve_path_type_ref(path, type, &ambiguous);
    g_autofree char *what = NULL;

    if (target) {
        return target;
    }
    what = object_describe(obj);
    if (ambiguous) {
        error_setg(errp, "%s: property '%s': path '%s' is ambiguous", what,
                   name, path);
    } else if (object_resolve_path(path, NULL)) {
        error_setg(errp, "%s: property '%s': '%s' is not a '%s' object", what,
                   name, path, type);
    } else {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  "%s: property '%s': there is no object '%s'", what, name,
                  path);
    }
    return NULL;
}

static bool link_assign(Object *obj, const char *name, LinkProperty *link,
                        Object *target, Error **errp)
{
    Error *err = NULL;

    link->check(obj, name, target, &err);
    if (err) {
        error_propagate(errp, err);
        return false;
    }
    link_replace(link_targetp(obj, link), target,
                 link->flags & OBJ_PROP_LINK_STRONG);
    return true;
}

static void link_set(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    LinkProperty *link = opaque;
    g_autofree char *path = NULL;
    g_autoptr(Object) target = NULL;

    if (!visit_type_str(v, name, &path, errp)) {
        return;
    }
    if (path[0]) {
        target = link_resolve_target(obj, name, link->type, path, errp);
        if (!target) {
            return;
        }
    }
    link_assign(obj, name, link, target, errp);
}

bool link_target_is_a(Object *obj, const char *name, const char *type,
                      Object *target, Error **errp)
{
    if (!target || object_dynamic_cast(target, type)) {
        return true;
    }
    g_autofree char *what = object_describe(obj);

    error_setg(errp, "%s: property '%s' takes a '%s', not a '%s' object", what,
               name, type, object_get_typename(target));
    return false;
}

bool object_property_set_link(Object *obj, const char *name, Object *value,
                              Error **errp)
{
    ObjectProperty *prop = object_property_find_err(obj, name, errp);

    if (!prop) {
        return false;
    }
    if (prop->table && prop->table->kind == PROP_LINK && prop->set) {
        return property_table_set_link(obj, prop, value, errp);
    }
    if (prop->set == link_set) {
        LinkProperty *link = prop->opaque;

        return link_target_is_a(obj, name, link->type, value, errp) &&
               link_assign(obj, name, link, value, errp);
    }
    g_autofree char *path = value ? object_get_canonical_path(value) : NULL;

    return object_property_set_str(obj, name, path ? path : "", errp);
}

Object *object_property_get_link(Object *obj, const char *name, Error **errp)
{
    ObjectProperty *prop = object_property_find_err(obj, name, errp);

    if (!prop) {
        return NULL;
    }
    if (!prop->resolve) {
        g_autofree char *what = object_describe(obj);

        error_setg(errp, "%s: property '%s' is not a link", what, name);
        return NULL;
    }
    return object_resolve_path_component(obj, name);
}

static void link_release(Object *obj, const char *name, void *opaque)
{
    LinkProperty *link = opaque;

    if (link->flags & OBJ_PROP_LINK_STRONG) {
        link_replace(link_targetp(obj, link), NULL, true);
    }
    if (!(link->flags & OBJ_PROP_LINK_CLASS)) {
        g_free(link->type);
        g_free(link);
    }
}

void object_property_allow_set_link(const Object *obj, const char *name,
                                    Object *val, Error **errp)
{
}

static LinkProperty *link_new(const char *type, ObjectPropertyLinkCheck *check,
                              ObjectPropertyLinkFlags flags)
{
    LinkProperty *link = g_new0(LinkProperty, 1);

    link->type = g_strdup(type);
    link->check = check;
    link->flags = flags;
    return link;
}

ObjectProperty *object_property_add_link(Object *obj, const char *name,
                                         const char *type, Object **targetp,
                                         ObjectPropertyLinkCheck *check,
                                         ObjectPropertyLinkFlags flags)
{
    LinkProperty *link = link_new(type, check, flags);
    g_autofree char *full = g_strdup_printf("link<%s>", type);
    QOM_TREE_LOCK_GUARD();

    link->targetp = targetp;
    if (*targetp && (flags & OBJ_PROP_LINK_STRONG)) {
        /* The owner's reference becomes the link's. */
        __atomic_fetch_add(&(*targetp)->link_users, 1, __ATOMIC_ACQ_REL);
    }
    ObjectProperty *prop = object_property_add(
        obj, name, full, link_get, check ? link_set : NULL, link_release, link);
    prop->resolve = link_resolve;
    return prop;
}

ObjectProperty *object_property_add_const_link(Object *obj, const char *name,
                                               Object *target)
{
    LinkProperty *link =
        link_new(object_get_typename(target), NULL, OBJ_PROP_LINK_DIRECT);
    g_autofree char *full = g_strdup_printf("link<%s>", link->type);
    QOM_TREE_LOCK_GUARD();

    link->target = target;
    ObjectProperty *prop = object_property_add(obj, name, full, link_get, NULL,
                                               link_release, link);
    prop->resolve = link_resolve;
    return prop;
}

ObjectProperty *object_class_property_add_link(
    ObjectClass *klass, const char *name, const char *type, ptrdiff_t offset,
    ObjectPropertyLinkCheck *check, ObjectPropertyLinkFlags flags)
{
    LinkProperty *link = link_new(type, check, flags | OBJ_PROP_LINK_CLASS);
    g_autofree char *full = g_strdup_printf("link<%s>", type);

    link->offset = offset;
    ObjectProperty *prop =
        object_class_property_add(klass, name, full, link_get,
                                  check ? link_set : NULL, link_release, link);
    prop->resolve = link_resolve;
    return prop;
}
