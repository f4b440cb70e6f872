/*
 * What the files of qom/ share: types, property sets, the tree's lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QOM_OBJECT_INTERNAL_H
#define QOM_OBJECT_INTERNAL_H

#include <glib.h>

#include "qom/object.h"
#include "qom/property.h"

/* A registered type. Constant after registration, but for the last group. */
struct TypeImpl {
    const char *name; /* interned */
    const char *alias;
    const char *parent_name;
    size_t instance_size;
    size_t instance_align;
    size_t class_size;
    bool abstract;
    void (*instance_init)(Object *obj);
    void (*instance_post_init)(Object *obj);
    void (*instance_finalize)(Object *obj);
    void (*class_init)(ObjectClass *klass, void *data);
    void (*class_base_init)(ObjectClass *klass, void *data);
    void *class_data;
    const char **interfaces; /* NULL terminated, or NULL */
    const Property *props;

    /* Set by the first use, under the registry's lock. */
    TypeImpl *parent;
    ObjectClass *building; /* class whose class_init runs now */
    ObjectClass *class;    /* atomic: published when complete */
    bool is_interface;
    int n_required; /* bits of Object.required_set used up to here */
};

/**
 * type_get_class: the class of @ti, made on first use; aborts when a parent
 * or an interface is not registered. Thread: any.
 */
ObjectClass *type_get_class(TypeImpl *ti);
/** type_by_name: by name or alias; NULL if there is none. Thread: any. */
TypeImpl *type_by_name(const char *name);
/** type_is_a: is @ti, or one of its parents, called @name? */
bool type_is_a(const TypeImpl *ti, const char *name);

/*
 * Properties by name and in order. Empty sets are NULL pointers. Those of
 * classes are constant after class_init; those of instances are guarded by
 * the tree lock.
 */
struct ObjectPropertySet {
    GHashTable *by_name; /* name -> ObjectProperty, borrows */
    GPtrArray *order;    /* ObjectProperty, owns */
};

ObjectProperty *property_set_find(const ObjectPropertySet *set,
                                  const char *name);
/** property_set_insert: the name must be free; makes the set if need be. */
void property_set_insert(ObjectPropertySet **set, ObjectProperty *prop);
/** property_set_steal: take @prop out; the caller owns it then. */
void property_set_steal(ObjectPropertySet *set, ObjectProperty *prop);
/** property_set_free: of an instance, empty or not. */
void property_set_free(ObjectPropertySet *set);

/** object_property_new: a property that is in no set yet. */
ObjectProperty *object_property_new(const char *name, const char *type,
                                    ObjectPropertyAccessor *get,
                                    ObjectPropertyAccessor *set,
                                    ObjectPropertyRelease *release,
                                    void *opaque);
void object_property_free(ObjectProperty *prop);
/** object_property_drop: run @release, then free; without locks held. */
void object_property_drop(Object *obj, ObjectProperty *prop);
/** object_property_del_all: children and all other instance properties. */
void object_property_del_all(Object *obj);
bool object_property_is_child(const ObjectProperty *prop);

/*
 * The tree lock guards, of all objects: instance property sets, parent
 * pointers, and the pointers that links hold. Recursive, since resolving an
 * alias or a link resolves below it. Inside it only `resolve` functions of
 * this folder run. Order: it may be held when the type registry's lock is
 * taken, never the reverse.
 */
void qom_tree_lock(void);
void qom_tree_unlock(void);

typedef struct QomTreeLock {
    bool locked;
} QomTreeLock;

static inline void qom_tree_lock_cleanup(QomTreeLock *l)
{
    if (l->locked) {
        qom_tree_unlock();
    }
}

/* Hold the tree lock to the end of the block. */
#define QOM_TREE_LOCK_GUARD()                                                  \
    __attribute__((cleanup(qom_tree_lock_cleanup)))                            \
    G_GNUC_UNUSED QomTreeLock qom_tree_guard_ = { true };                      \
    qom_tree_lock()

/**
 * link_replace:
 * @targetp: where the link's pointer is
 * @value: new target or NULL
 *
 * Store @value; with @strong also move the reference and the use count.
 */
void link_replace(Object **targetp, Object *value, bool strong);

/** link_resolve_target: by path or id, of type @type; NULL with @errp set. */
Object *link_resolve_target(Object *obj, const char *name, const char *type,
                            const char *path, Error **errp);

/** object_property_enum_lookup: the names of an enum property, or NULL. */
const QEnumLookup *object_property_enum_lookup(const ObjectProperty *prop);

/** link_target_is_a: false with @errp set if @target is no @type. */
bool link_target_is_a(Object *obj, const char *name, const char *type,
                      Object *target, Error **errp);

/** property_table_set_link: @prop is a writable PROP_LINK of a table. */
bool property_table_set_link(Object *obj, ObjectProperty *prop, Object *target,
                             Error **errp);

/** property_table_init: store the defaults that @klass declares in @obj. */
void property_table_init(Object *obj, ObjectClass *klass);
/** property_table_release: free the values that @klass declares. */
void property_table_release(Object *obj, ObjectClass *klass);

/** user_creatable_class: of a type or alias that users may create. */
ObjectClass *user_creatable_class(const char *type, Error **errp);

/** object_describe: "object 'ID'" or "'TYPE' object", for messages. */
char *object_describe(const Object *obj);

#endif
