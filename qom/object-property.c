/*
 * Properties: sets of them, adding and removing, finding, walking, and the
 * generic read and write through a visitor.
 *
 * A name is looked up in the class chain first (constant, no lock), then in
 * the instance's own set under the tree lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <pthread.h>

#include "qapi/json.h"
#include "qapi/visitor.h"
#include "util/error.h"

#include "object-internal.h"

/* Indexes of "name[*]" tried before giving up. */
#define PROPERTY_AUTO_INDEX_MAX 65536

/* See object-internal.h. Not GLib's, which the thread sanitizer does not
 * see. */
static pthread_mutex_t tree_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void qom_tree_lock(void)
{
    pthread_mutex_lock(&tree_lock);
}

void qom_tree_unlock(void)
{
    pthread_mutex_unlock(&tree_lock);
}

/* -- sets ----------------------------------------------------------------- */

ObjectProperty *property_set_find(const ObjectPropertySet *set,
                                  const char *name)
{
    return set ? g_hash_table_lookup(set->by_name, name) : NULL;
}

void property_set_insert(ObjectPropertySet **set, ObjectProperty *prop)
{
    if (!*set) {
        *set = g_new0(ObjectPropertySet, 1);
        (*set)->by_name = g_hash_table_new(g_str_hash, g_str_equal);
        (*set)->order = g_ptr_array_new();
    }
    g_hash_table_insert((*set)->by_name, prop->name, prop);
    g_ptr_array_add((*set)->order, prop);
}

void property_set_steal(ObjectPropertySet *set, ObjectProperty *prop)
{
    GPtrArray *order = set->order;

    g_hash_table_remove(set->by_name, prop->name);
    if (order->len && order->pdata[order->len - 1] == prop) {
        g_ptr_array_set_size(order, (gint)order->len - 1);
    } else {
        g_ptr_array_remove(order, prop);
    }
}

void property_set_free(ObjectPropertySet *set)
{
    if (set) {
        for (guint i = 0; i < set->order->len; i++) {
            object_property_free(set->order->pdata[i]);
        }
        g_hash_table_destroy(set->by_name);
        g_ptr_array_unref(set->order);
        g_free(set);
    }
}

ObjectProperty *object_property_new(const char *name, const char *type,
                                    ObjectPropertyAccessor *get,
                                    ObjectPropertyAccessor *set,
                                    ObjectPropertyRelease *release,
                                    void *opaque)
{
    ObjectProperty *prop = g_new0(ObjectProperty, 1);

    prop->name = g_strdup(name);
    prop->type = g_strdup(type);
    prop->get = get;
    prop->set = set;
    prop->release = release;
    prop->opaque = opaque;
    prop->required_bit = -1;
    return prop;
}

void object_property_free(ObjectProperty *prop)
{
    g_free(prop->name);
    g_free(prop->type);
    g_free(prop->description);
    json_decref(prop->defval);
    g_free(prop);
}

void object_property_drop(Object *obj, ObjectProperty *prop)
{
    if (prop->release) {
        prop->release(obj, prop->name, prop->opaque);
    }
    object_property_free(prop);
}

/* -- adding and removing -------------------------------------------------- */

/* "dev[*]" -> a new "dev[N]"; NULL for other names. With the tree lock. */
static char *auto_index_name(Object *obj, const char *name)
{
    size_t len = strlen(name);

    if (len < 3 || !g_str_has_suffix(name, "[*]")) {
        return NULL;
    }
    for (unsigned i = 0; i < PROPERTY_AUTO_INDEX_MAX; i++) {
        g_autofree char *full =
            g_strdup_printf("%.*s[%u]", (int)len - 3, name, i);

        if (!object_property_find(obj, full)) {
            return g_steal_pointer(&full);
        }
    }
    return NULL;
}

ObjectProperty *object_property_try_add(Object *obj, const char *name,
                                        const char *type,
                                        ObjectPropertyAccessor *get,
                                        ObjectPropertyAccessor *set,
                                        ObjectPropertyRelease *release,
                                        void *opaque, Error **errp)
{
    QOM_TREE_LOCK_GUARD();
    g_autofree char *indexed = auto_index_name(obj, name);
    const char *final_name = indexed ? indexed : name;

    if (object_property_find(obj, final_name)) {
        error_setg(errp, "'%s' object has a property '%s' already",
                   object_get_typename(obj), final_name);
        return NULL;
    }
    ObjectProperty *prop =
        object_property_new(final_name, type, get, set, release, opaque);

    property_set_insert(&obj->properties, prop);
    return prop;
}

ObjectProperty *object_property_add(Object *obj, const char *name,
                                    const char *type,
                                    ObjectPropertyAccessor *get,
                                    ObjectPropertyAccessor *set,
                                    ObjectPropertyRelease *release,
                                    void *opaque)
{
    return object_property_try_add(obj, name, type, get, set, release, opaque,
                                   &error_abort);
}

ObjectProperty *object_class_property_add(ObjectClass *klass, const char *name,
                                          const char *type,
                                          ObjectPropertyAccessor *get,
                                          ObjectPropertyAccessor *set,
                                          ObjectPropertyRelease *release,
                                          void *opaque)
{
    if (property_set_find(klass->properties, name)) {
        g_error("type '%s' has a property '%s' already",
                object_class_get_name(klass), name);
    }
    g_assert(klass->type->building == klass);
    ObjectProperty *prop =
        object_property_new(name, type, get, set, release, opaque);

    property_set_insert(&klass->properties, prop);
    return prop;
}

void object_property_del(Object *obj, const char *name)
{
    qom_tree_lock();
    ObjectProperty *prop = property_set_find(obj->properties, name);

    g_assert(prop);
    property_set_steal(obj->properties, prop);
    qom_tree_unlock();
    object_property_drop(obj, prop);
}

void object_property_del_all(Object *obj)
{
    for (;;) {
        ObjectProperty *prop = NULL;

        qom_tree_lock();
        if (obj->properties && obj->properties->order->len) {
            GPtrArray *order = obj->properties->order;

            prop = order->pdata[order->len - 1];
            property_set_steal(obj->properties, prop);
        }
        qom_tree_unlock();
        if (!prop) {
            break;
        }
        object_property_drop(obj, prop);
    }
    /* A class property's release frees what it keeps in this instance. */
    for (ObjectClass *k = obj->class; k; k = object_class_get_parent(k)) {
        for (guint i = 0; k->properties && i < k->properties->order->len; i++) {
            ObjectProperty *prop = k->properties->order->pdata[i];

            if (prop->release) {
                prop->release(obj, prop->name, prop->opaque);
            }
        }
    }
}

/* -- finding and walking -------------------------------------------------- */

ObjectProperty *object_class_property_find(ObjectClass *klass, const char *name)
{
    while (klass) {
        ObjectProperty *prop = property_set_find(klass->properties, name);

        if (prop) {
            return prop;
        }
        klass = object_class_get_parent(klass);
    }
    return NULL;
}

ObjectProperty *object_class_property_find_err(ObjectClass *klass,
                                               const char *name, Error **errp)
{
    ObjectProperty *prop = object_class_property_find(klass, name);

    if (!prop) {
        error_setg(errp, "type '%s' has no property '%s'",
                   object_class_get_name(klass), name);
    }
    return prop;
}

ObjectProperty *object_property_find(Object *obj, const char *name)
{
    ObjectProperty *prop = object_class_property_find(obj->class, name);

    if (!prop) {
        QOM_TREE_LOCK_GUARD();

        prop = property_set_find(obj->properties, name);
    }
    return prop;
}

ObjectProperty *object_property_find_err(Object *obj, const char *name,
                                         Error **errp)
{
    ObjectProperty *prop = object_property_find(obj, name);

    if (!prop) {
        g_autofree char *what = object_describe(obj);

        error_setg(errp, "%s has no property '%s'", what, name);
    }
    return prop;
}

void object_class_property_iter_init(ObjectPropertyIterator *iter,
                                     ObjectClass *klass)
{
    iter->set = klass->properties;
    iter->leaf = klass;
    iter->next_class = object_class_get_parent(klass);
    iter->index = 0;
}

void object_property_iter_init(ObjectPropertyIterator *iter, Object *obj)
{
    iter->set = obj->properties;
    iter->leaf = obj->class;
    iter->next_class = obj->class;
    iter->index = 0;
}

ObjectProperty *object_property_iter_next(ObjectPropertyIterator *iter)
{
    for (;;) {
        while (!iter->set || iter->index >= iter->set->order->len) {
            if (!iter->next_class) {
                return NULL;
            }
            iter->set = iter->next_class->properties;
            iter->index = 0;
            iter->next_class = object_class_get_parent(iter->next_class);
        }
        ObjectProperty *prop = iter->set->order->pdata[iter->index++];
        ObjectProperty *first =
            object_class_property_find(iter->leaf, prop->name);

        /* A class that lists an inherited name again hides the older one. */
        if (!first || first == prop) {
            return prop;
        }
    }
}

/* -- read and write ------------------------------------------------------- */

bool object_property_get(Object *obj, const char *name, Visitor *v,
                         Error **errp)
{
    ObjectProperty *prop = object_property_find_err(obj, name, errp);
    Error *err = NULL;

    if (!prop) {
        return false;
    }
    if (!prop->get) {
        g_autofree char *what = object_describe(obj);

        error_setg(errp, "%s: property '%s' cannot be read", what, name);
        return false;
    }
    prop->get(obj, v, name, prop->opaque, &err);
    if (err) {
        error_propagate(errp, err);
        return false;
    }
    return true;
}

bool object_property_set(Object *obj, const char *name, Visitor *v,
                         Error **errp)
{
    ObjectProperty *prop = object_property_find_err(obj, name, errp);
    Error *err = NULL;

    if (!prop) {
        return false;
    }
    if (!prop->set) {
        g_autofree char *what = object_describe(obj);

        error_setg(errp, "%s: property '%s' cannot be written", what, name);
        return false;
    }
    prop->set(obj, v, name, prop->opaque, &err);
    if (err) {
        error_propagate(errp, err);
        return false;
    }
    return true;
}

const char *object_property_get_type(Object *obj, const char *name,
                                     Error **errp)
{
    ObjectProperty *prop = object_property_find_err(obj, name, errp);

    return prop ? prop->type : NULL;
}

/* -- descriptions and defaults -------------------------------------------- */

void object_property_set_description(Object *obj, const char *name,
                                     const char *description)
{
    ObjectProperty *prop = object_property_find_err(obj, name, &error_abort);

    g_free(prop->description);
    prop->description = g_strdup(description);
}

void object_class_property_set_description(ObjectClass *klass, const char *name,
                                           const char *description)
{
    ObjectProperty *prop = property_set_find(klass->properties, name);

    g_assert(prop);
    g_free(prop->description);
    prop->description = g_strdup(description);
}

static void init_from_defval(Object *obj, ObjectProperty *prop)
{
    object_property_set_qobject(obj, prop->name, prop->defval, &error_abort);
}

static void set_defval(ObjectProperty *prop, json_t *value)
{
    g_assert(!prop->defval && !prop->init);
    prop->defval = value;
    prop->init = init_from_defval;
}

void object_property_set_default_bool(ObjectProperty *prop, bool value)
{
    set_defval(prop, json_boolean(value));
}

void object_property_set_default_str(ObjectProperty *prop, const char *value)
{
    set_defval(prop, json_string(value));
}

void object_property_set_default_list(ObjectProperty *prop)
{
    set_defval(prop, json_array());
}

void object_property_set_default_int(ObjectProperty *prop, int64_t value)
{
    set_defval(prop, json_integer(value));
}

void object_property_set_default_uint(ObjectProperty *prop, uint64_t value)
{
    set_defval(prop, json_uint64(value));
}
