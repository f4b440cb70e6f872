/*
 * Instances: memory, initialisation, references, end of life.
 *
 * Order at birth, for each type from the root down: table defaults, then
 * instance_init; after that instance_post_init from the leaf up. Order at
 * death: instance properties (children last added first), then for each type
 * from the leaf up: instance_finalize, then the table's strings, links and
 * JSON.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qom/object_interfaces.h"
#include "util/error.h"
#include "util/module.h"

#include "object-internal.h"

static void init_with_type(Object *obj, TypeImpl *ti)
{
    if (ti->parent) {
        init_with_type(obj, ti->parent);
    }
    property_table_init(obj, type_get_class(ti));
    if (ti->instance_init) {
        ti->instance_init(obj);
    }
}

static void initialize_with_type(Object *obj, size_t size, TypeImpl *ti)
{
    ObjectClass *klass = type_get_class(ti);

    g_assert(!object_class_is_abstract(klass));
    g_assert(size >= ti->instance_size);
    memset(obj, 0, ti->instance_size);
    obj->class = klass;
    obj->ref = 1;
    init_with_type(obj, ti);
    for (TypeImpl *t = ti; t; t = t->parent) {
        if (t->instance_post_init) {
            t->instance_post_init(obj);
        }
    }
}

void object_initialize(void *obj, size_t size, const char *type_name)
{
    TypeImpl *ti = type_by_name(type_name);

    if (!ti) {
        g_error("object_initialize: there is no type '%s'", type_name);
    }
    initialize_with_type(obj, size, ti);
}

static Object *new_with_type(TypeImpl *ti)
{
    ObjectClass *klass = type_get_class(ti);
    size_t align = MAX(ti->instance_align, __alignof__(Object));
    Object *obj;

    if (object_class_is_abstract(klass)) {
        g_error("object_new: type '%s' is abstract", ti->name);
    }
    if (align <= __alignof__(max_align_t)) {
        obj = g_malloc(ti->instance_size);
        initialize_with_type(obj, ti->instance_size, ti);
        obj->free = g_free;
    } else {
        obj = g_aligned_alloc(1, ti->instance_size, align);
        initialize_with_type(obj, ti->instance_size, ti);
        obj->free = g_aligned_free;
    }
    return obj;
}

Object *object_new_with_class(ObjectClass *klass)
{
    return new_with_type(klass->type);
}

Object *object_new(const char *type_name)
{
    TypeImpl *ti = type_by_name(type_name);

    if (!ti) {
        g_error("object_new: there is no type '%s'", type_name);
    }
    return new_with_type(ti);
}

ObjectClass *object_get_class(Object *obj)
{
    return obj->class;
}

const char *object_get_typename(const Object *obj)
{
    return obj->class->type->name;
}

void object_set_completed(Object *obj, bool completed)
{
    __atomic_store_n(&obj->completed, completed, __ATOMIC_RELEASE);
}

bool object_is_completed(const Object *obj)
{
    return __atomic_load_n(&obj->completed, __ATOMIC_ACQUIRE);
}

Object *object_ref(void *objptr)
{
    Object *obj = objptr;

    if (obj) {
        uint32_t ref = __atomic_fetch_add(&obj->ref, 1, __ATOMIC_RELAXED);

        g_assert(ref > 0 && ref < UINT32_MAX);
    }
    return obj;
}

static void object_finalize(Object *obj)
{
    ObjectFree *free_memory = obj->free;

    object_property_del_all(obj);
    for (TypeImpl *ti = obj->class->type; ti; ti = ti->parent) {
        if (ti->instance_finalize) {
            ti->instance_finalize(obj);
        }
        property_table_release(obj, ti->class);
    }
    g_assert(obj->ref == 0);
    g_assert(!obj->parent);
    property_set_free(obj->properties);
    obj->properties = NULL;
    if (free_memory) {
        free_memory(obj);
    }
}

void object_unref(void *objptr)
{
    Object *obj = objptr;

    if (!obj) {
        return;
    }
    uint32_t ref = __atomic_fetch_sub(&obj->ref, 1, __ATOMIC_ACQ_REL);

    g_assert(ref > 0);
    if (ref == 1) {
        object_finalize(obj);
    }
}

char *object_describe(const Object *obj)
{
    QOM_TREE_LOCK_GUARD();

    if (obj->parent_prop) {
        return g_strdup_printf("object '%s'", obj->parent_prop->name);
    }
    if (obj->name_hint) {
        return g_strdup_printf("object '%s'", obj->name_hint);
    }
    return g_strdup_printf("'%s' object", object_get_typename(obj));
}

ObjectClass *module_object_class_by_name(const char *type_name)
{
    ObjectClass *klass = object_class_by_name(type_name);
    Error *err = NULL;

    if (!klass && module_is_available("object", type_name)) {
        if (!module_load("object", type_name, &err)) {
            warn_report_err(err);
            return NULL;
        }
        klass = object_class_by_name(type_name);
    }
    return klass;
}

/* -- with properties and a place in the tree ------------------------------ */

static bool finish_with_props(Object *obj, Object *parent, const char *id,
                              Error **errp, va_list vargs)
{
    bool ok = object_set_propv(obj, errp, vargs);

    if (ok && object_dynamic_cast(obj, TYPE_USER_CREATABLE)) {
        ok = user_creatable_complete((UserCreatable *)obj, errp);
    }
    return ok &&
           (!parent || object_property_try_add_child(parent, id, obj, errp));
}

Object *object_new_with_propv(const char *type_name, Object *parent,
                              const char *id, Error **errp, va_list vargs)
{
    ObjectClass *klass = module_object_class_by_name(type_name);

    if (!klass) {
        error_setg(errp, "there is no object type '%s'", type_name);
        return NULL;
    }
    if (object_class_is_abstract(klass)) {
        error_setg(errp, "object type '%s' is abstract", type_name);
        return NULL;
    }
    g_autoptr(Object) obj = object_new_with_class(klass);

    obj->name_hint = id;
    bool ok = finish_with_props(obj, parent, id, errp, vargs);
    obj->name_hint = NULL;
    if (!ok) {
        return NULL;
    }
    /* With a parent, its reference keeps the result alive. */
    return parent ? obj : g_steal_pointer(&obj);
}

Object *object_new_with_props(const char *type_name, Object *parent,
                              const char *id, Error **errp, ...)
{
    va_list vargs;

    va_start(vargs, errp);
    Object *obj = object_new_with_propv(type_name, parent, id, errp, vargs);
    va_end(vargs);
    return obj;
}

bool object_initialize_child_with_propsv(Object *parentobj,
                                         const char *propname, void *childobj,
                                         size_t size, const char *type,
                                         Error **errp, va_list vargs)
{
    object_initialize(childobj, size, type);
    Object *obj = childobj;
    bool ok = finish_with_props(obj, parentobj, propname, errp, vargs);

    /* The parent has its own reference now; on failure this is the last. */
    object_unref(obj);
    return ok;
}

bool object_initialize_child_with_props(Object *parentobj, const char *propname,
                                        void *childobj, size_t size,
                                        const char *type, Error **errp, ...)
{
    va_list vargs;

    va_start(vargs, errp);
    bool ok = object_initialize_child_with_propsv(parentobj, propname, childobj,
                                                  size, type, errp, vargs);
    va_end(vargs);
    return ok;
}

void object_initialize_child_internal(Object *parent, const char *propname,
                                      void *child, size_t size,
                                      const char *type)
{
    object_initialize_child_with_props(parent, propname, child, size, type,
                                       &error_abort, NULL);
}
