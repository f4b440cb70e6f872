/*
 * The tree: children, parents, canonical paths, and the search for objects
 * by path.
 *
 * A child is a property of its parent of type "child<TYPE>", whose value is
 * the canonical path. A path is a list of names; each step goes through a
 * child, a link or an alias. A partial path is tried from every object of
 * the tree; it names an object only if exactly one is found.
 *
 * File-scope state: the root objects, which the public interface hands out
 * without a handle.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/visitor.h"
#include "qom/types.h"
#include "util/error.h"

#include "object-internal.h"

/* Names in a path; beyond it nothing is found. */
#define PATH_DEPTH_MAX 256

static void child_get(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    g_autofree char *path = object_get_canonical_path(opaque);

    if (!path) {
        path = g_strdup("");
    }
    visit_type_str(v, name, &path, errp);
}

static Object *child_resolve(Object *obj, void *opaque, const char *part)
{
    return opaque;
}

static void child_release(Object *obj, const char *name, void *opaque)
{
    Object *child = opaque;

    if (child->class->unparent) {
        child->class->unparent(child);
    }
    qom_tree_lock();
    child->parent = NULL;
    child->parent_prop = NULL;
    qom_tree_unlock();
    object_unref(child);
}

bool object_property_is_child(const ObjectProperty *prop)
{
    return prop->resolve == child_resolve;
}

ObjectProperty *object_property_try_add_child(Object *obj, const char *name,
                                              Object *child, Error **errp)
{
    g_autofree char *type =
        g_strdup_printf("child<%s>", object_get_typename(child));
    QOM_TREE_LOCK_GUARD();

    g_assert(!child->parent && child != obj);
    ObjectProperty *prop = object_property_try_add(
        obj, name, type, child_get, NULL, child_release, child, errp);
    if (!prop) {
        return NULL;
    }
    prop->resolve = child_resolve;
    object_ref(child);
    child->parent = obj;
    child->parent_prop = prop;
    return prop;
}

ObjectProperty *object_property_add_child(Object *obj, const char *name,
                                          Object *child)
{
    return object_property_try_add_child(obj, name, child, &error_abort);
}

void object_unparent(Object *obj)
{
    Object *parent = NULL;
    ObjectProperty *prop = NULL;

    qom_tree_lock();
    if (obj->parent && obj->parent_prop &&
        property_set_find(obj->parent->properties, obj->parent_prop->name) ==
            obj->parent_prop) {
        parent = object_ref(obj->parent);
        prop = obj->parent_prop;
        property_set_steal(parent->properties, prop);
    }
    qom_tree_unlock();
    if (prop) {
        object_property_drop(parent, prop);
        object_unref(parent);
    }
}

/* -- roots ---------------------------------------------------------------- */

static Object *make_root(gsize *once)
{
    if (g_once_init_enter(once)) {
        qom_register_types();
        g_once_init_leave(once, (gsize)object_new(TYPE_CONTAINER));
    }
    return (Object *)*once;
}

Object *object_get_root(void)
{
    static gsize root;

    return make_root(&root);
}

Object *object_get_internal_root(void)
{
    static gsize root;

    return make_root(&root);
}

Object *object_get_objects_root(void)
{
    return container_get(object_get_root(), "/objects");
}

Object *container_get(Object *root, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", 0);
    Object *obj = root;

    g_assert(parts[0] && !parts[0][0]); /* must begin with '/' */
    for (char **part = parts + 1; *part; part++) {
        Object *next = object_resolve_path_component(obj, *part);

        if (!next) {
            g_autoptr(Object) made = object_new(TYPE_CONTAINER);

            /* Fails if another thread was faster; then take its container. */
            object_property_try_add_child(obj, *part, made, NULL);
            next = object_resolve_path_component(obj, *part);
            g_assert(next);
        }
        obj = next;
    }
    return obj;
}

/* -- from object to path -------------------------------------------------- */

const char *object_get_canonical_path_component(const Object *obj)
{
    QOM_TREE_LOCK_GUARD();

    return obj->parent_prop ? obj->parent_prop->name : NULL;
}

char *object_get_canonical_path(const Object *obj)
{
    const Object *root = object_get_root();
    const Object *internal = object_get_internal_root();
    GString *path = g_string_new(NULL);
    QOM_TREE_LOCK_GUARD();

    for (; obj && obj->parent_prop; obj = obj->parent) {
        g_string_prepend(path, obj->parent_prop->name);
        g_string_prepend_c(path, '/');
    }
    if (obj != root && obj != internal) {
        g_string_free(path, TRUE);
        return NULL;
    }
    if (!path->len) {
        g_string_append_c(path, '/');
    }
    return g_string_free(path, FALSE);
}

/* -- from path to object -------------------------------------------------- */

Object *object_resolve_path_component(Object *parent, const char *part)
{
    QOM_TREE_LOCK_GUARD();
    ObjectProperty *prop = object_property_find(parent, part);

    return prop && prop->resolve ? prop->resolve(parent, prop->opaque, part)
                                 : NULL;
}

/* Walk exactly @parts from @obj. With the tree lock. */
static Object *resolve_parts(Object *obj, char *const *parts,
                             const char *type_name)
{
    for (size_t i = 0; obj && parts[i]; i++) {
        if (parts[i][0]) {
            obj = object_resolve_path_component(obj, parts[i]);
        }
    }
    return type_name ? object_dynamic_cast(obj, type_name) : obj;
}

/* Look below @parent everywhere. With the tree lock. */
static Object *resolve_partial(Object *parent, char *const *parts,
                               const char *type_name, bool *ambiguous)
{
    Object *found = resolve_parts(parent, parts, type_name);
    const ObjectPropertySet *set = parent->properties;

    for (guint i = 0; set && i < set->order->len && !*ambiguous; i++) {
        ObjectProperty *prop = set->order->pdata[i];

        if (!object_property_is_child(prop)) {
            continue;
        }
        Object *below =
            resolve_partial(prop->opaque, parts, type_name, ambiguous);
        if (found && below && found != below) {
            *ambiguous = true;
        }
        found = found ? found : below;
    }
    return *ambiguous ? NULL : found;
}

/* With the tree lock, and the root made. */
static Object *resolve_path(const char *path, const char *type_name,
                            bool *ambiguous)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", PATH_DEPTH_MAX);

    *ambiguous = false;
    if (path[0] == '/') {
        return resolve_parts(object_get_root(), parts, type_name);
    }
    if (!path[0]) {
        return NULL;
    }
    return resolve_partial(object_get_root(), parts, type_name, ambiguous);
}

Object *object_resolve_path_type_ref(const char *path, const char *type_name,
                                     bool *ambiguous)
{
    bool several;

    object_get_root();
    QOM_TREE_LOCK_GUARD();
    Object *obj = object_ref(resolve_path(path, type_name, &several));

    if (ambiguous) {
        *ambiguous = several;
    }
    return obj;
}

Object *object_resolve_path_type(const char *path, const char *type_name,
                                 bool *ambiguous)
{
    bool several;

    object_get_root();
    QOM_TREE_LOCK_GUARD();
    Object *obj = resolve_path(path, type_name, &several);

    if (ambiguous) {
        *ambiguous = several;
    }
    return obj;
}

Object *object_resolve_path(const char *path, bool *ambiguous)
{
    return object_resolve_path_type(path, TYPE_OBJECT, ambiguous);
}

Object *object_resolve_path_at(Object *parent, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", PATH_DEPTH_MAX);
    Object *root = object_get_root();
    QOM_TREE_LOCK_GUARD();

    return resolve_parts(path[0] == '/' ? root : parent, parts, NULL);
}

/* -- children ------------------------------------------------------------- */

static GPtrArray *children_ref(Object *obj)
{
    GPtrArray *children = g_ptr_array_new_with_free_func(object_unref);
    QOM_TREE_LOCK_GUARD();
    const ObjectPropertySet *set = obj->properties;

    for (guint i = 0; set && i < set->order->len; i++) {
        ObjectProperty *prop = set->order->pdata[i];

        if (object_property_is_child(prop)) {
            g_ptr_array_add(children, object_ref(prop->opaque));
        }
    }
    return children;
}

static int child_foreach(Object *obj, int (*fn)(Object *child, void *opaque),
                         void *opaque, bool recurse)
{
    g_autoptr(GPtrArray) children = children_ref(obj);

    for (guint i = 0; i < children->len; i++) {
        int ret = fn(children->pdata[i], opaque);

        if (!ret && recurse) {
            ret = child_foreach(children->pdata[i], fn, opaque, true);
        }
        if (ret) {
            return ret;
        }
    }
    return 0;
}

int object_child_foreach(Object *obj, int (*fn)(Object *child, void *opaque),
                         void *opaque)
{
    return child_foreach(obj, fn, opaque, false);
}

int object_child_foreach_recursive(Object *obj,
                                   int (*fn)(Object *child, void *opaque),
                                   void *opaque)
{
    return child_foreach(obj, fn, opaque, true);
}
