/*
 * The second half of qom/object.h, which includes it: adding, finding,
 * reading and writing the properties of objects.
 *
 * Most classes need none of the "add" functions: see qom/property.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QOM_OBJECT_PROPERTY_H
#define QOM_OBJECT_PROPERTY_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "qom/object.h"

/**
 * object_property_try_add:
 * @name: of the property; "foo[*]" takes the first free of foo[0], foo[1] ...
 * @type: as qom-list shows it
 * @get: NULL if it cannot be read
 * @set: NULL if it cannot be written
 * @release: called when the property goes, or NULL
 * @opaque: for the callbacks
 *
 * Add a property to one instance. Prefer a property table.
 * Returns: the property, owned by @obj; NULL if the name is taken.
 */
ObjectProperty *object_property_try_add(Object *obj, const char *name,
                                        const char *type,
                                        ObjectPropertyAccessor *get,
                                        ObjectPropertyAccessor *set,
                                        ObjectPropertyRelease *release,
                                        void *opaque, Error **errp);
/** object_property_add: as object_property_try_add(); failure aborts. */
ObjectProperty *object_property_add(Object *obj, const char *name,
                                    const char *type,
                                    ObjectPropertyAccessor *get,
                                    ObjectPropertyAccessor *set,
                                    ObjectPropertyRelease *release,
                                    void *opaque);
/** object_property_del: remove an instance property that exists. */
void object_property_del(Object *obj, const char *name);

/** object_class_property_add: in class_init only; failure aborts. */
ObjectProperty *object_class_property_add(ObjectClass *klass, const char *name,
                                          const char *type,
                                          ObjectPropertyAccessor *get,
                                          ObjectPropertyAccessor *set,
                                          ObjectPropertyRelease *release,
                                          void *opaque);

/* Default values of class properties, set in each new instance. */
void object_property_set_default_bool(ObjectProperty *prop, bool value);
void object_property_set_default_str(ObjectProperty *prop, const char *value);
void object_property_set_default_list(ObjectProperty *prop);
void object_property_set_default_int(ObjectProperty *prop, int64_t value);
void object_property_set_default_uint(ObjectProperty *prop, uint64_t value);

/** object_property_find: of the class or the instance; NULL if there is none.
 */
ObjectProperty *object_property_find(Object *obj, const char *name);
ObjectProperty *object_property_find_err(Object *obj, const char *name,
                                         Error **errp);
ObjectProperty *object_class_property_find(ObjectClass *klass,
                                           const char *name);
ObjectProperty *object_class_property_find_err(ObjectClass *klass,
                                               const char *name, Error **errp);

/* All members are private. */
typedef struct ObjectPropertyIterator {
    ObjectPropertySet *set;
    ObjectClass *leaf;
    ObjectClass *next_class;
    size_t index;
} ObjectPropertyIterator;

/**
 * object_property_iter_init:
 *
 * Walk the properties of @obj: its own in the order they were added, then
 * those of its class and the parent classes. Nothing may be added or removed
 * meanwhile.
 */
void object_property_iter_init(ObjectPropertyIterator *iter, Object *obj);
void object_class_property_iter_init(ObjectPropertyIterator *iter,
                                     ObjectClass *klass);
/** object_property_iter_next: NULL at the end. */
ObjectProperty *object_property_iter_next(ObjectPropertyIterator *iter);

/**
 * object_property_get:
 * @v: an output visitor
 *
 * Returns: false when there is no such property, it cannot be read, or its
 * get function failed.
 */
bool object_property_get(Object *obj, const char *name, Visitor *v,
                         Error **errp);
/** object_property_set: @v is an input visitor. */
bool object_property_set(Object *obj, const char *name, Visitor *v,
                         Error **errp);

/** object_property_set_qobject: set from JSON; @value is borrowed. */
bool object_property_set_qobject(Object *obj, const char *name, json_t *value,
                                 Error **errp);
/** object_property_get_qobject: the caller owns the result. */
json_t *object_property_get_qobject(Object *obj, const char *name,
                                    Error **errp);

bool object_property_set_str(Object *obj, const char *name, const char *value,
                             Error **errp);
/** object_property_get_str: free with g_free(); NULL is an error. */
char *object_property_get_str(Object *obj, const char *name, Error **errp);
bool object_property_set_bool(Object *obj, const char *name, bool value,
                              Error **errp);
/** object_property_get_bool: false on failure. */
bool object_property_get_bool(Object *obj, const char *name, Error **errp);
bool object_property_set_int(Object *obj, const char *name, int64_t value,
                             Error **errp);
/** object_property_get_int: -1 on failure. */
int64_t object_property_get_int(Object *obj, const char *name, Error **errp);
bool object_property_set_uint(Object *obj, const char *name, uint64_t value,
                              Error **errp);
/** object_property_get_uint: 0 on failure. */
uint64_t object_property_get_uint(Object *obj, const char *name, Error **errp);
/** object_property_set_link: @value NULL clears the link. */
bool object_property_set_link(Object *obj, const char *name, Object *value,
                              Error **errp);
/** object_property_get_link: borrowed; NULL is empty or failure. */
Object *object_property_get_link(Object *obj, const char *name, Error **errp);
/** object_property_get_enum: -1 on failure; @type_name is checked. */
int object_property_get_enum(Object *obj, const char *name,
                             const char *type_name, Error **errp);

/** object_property_parse: set from text as a person writes it ("on", "4k"). */
bool object_property_parse(Object *obj, const char *name, const char *string,
                           Error **errp);
/** object_property_print: free with g_free(); @human adds units. */
char *object_property_print(Object *obj, const char *name, bool human,
                            Error **errp);
/** object_property_get_type: borrowed from the property. */
const char *object_property_get_type(Object *obj, const char *name,
                                     Error **errp);

/** object_set_properties_from_json: every member of the object @props. */
bool object_set_properties_from_json(Object *obj, const json_t *props,
                                     Error **errp);
/** object_set_properties_from_keyval: leaves are text ("on", "4k"). */
bool object_set_properties_from_keyval(Object *obj, const json_t *props,
                                       Error **errp);

/* -- property helpers ----------------------------------------------------- */

typedef enum ObjectPropertyFlags {
    OBJ_PROP_FLAG_READ = 1 << 0,
    OBJ_PROP_FLAG_WRITE = 1 << 1,
    OBJ_PROP_FLAG_READWRITE = OBJ_PROP_FLAG_READ | OBJ_PROP_FLAG_WRITE,
} ObjectPropertyFlags;

typedef enum ObjectPropertyLinkFlags {
    OBJ_PROP_LINK_STRONG = 1 << 0, /* the link holds a reference */
    /* private */
    OBJ_PROP_LINK_DIRECT = 1 << 1,
    OBJ_PROP_LINK_CLASS = 1 << 2,
} ObjectPropertyLinkFlags;

typedef void(ObjectPropertyLinkCheck)(const Object *obj, const char *name,
                                      Object *val, Error **errp);

/** object_property_try_add_child: takes a reference on @child. */
ObjectProperty *object_property_try_add_child(Object *obj, const char *name,
                                              Object *child, Error **errp);
ObjectProperty *object_property_add_child(Object *obj, const char *name,
                                          Object *child);

/** object_property_allow_set_link: a check function that allows all. */
void object_property_allow_set_link(const Object *obj, const char *name,
                                    Object *val, Error **errp);

/**
 * object_property_add_link:
 * @type: type that the target must have
 * @targetp: where the pointer is kept; lives as long as @obj
 * @check: called before a change, may refuse; NULL makes the link read only
 * @flags: OBJ_PROP_LINK_STRONG or 0; without it the owner must see to it that
 *         the target outlives the link
 */
ObjectProperty *object_property_add_link(Object *obj, const char *name,
                                         const char *type, Object **targetp,
                                         ObjectPropertyLinkCheck *check,
                                         ObjectPropertyLinkFlags flags);
ObjectProperty *object_class_property_add_link(
    ObjectClass *klass, const char *name, const char *type, ptrdiff_t offset,
    ObjectPropertyLinkCheck *check, ObjectPropertyLinkFlags flags);

/* Properties by plain get and set functions; a NULL one forbids the access. */
ObjectProperty *object_property_add_str(Object *obj, const char *name,
                                        char *(*get)(Object *, Error **),
                                        void (*set)(Object *, const char *,
                                                    Error **));
ObjectProperty *object_class_property_add_str(
    ObjectClass *klass, const char *name, char *(*get)(Object *, Error **),
    void (*set)(Object *, const char *, Error **));
ObjectProperty *object_property_add_bool(Object *obj, const char *name,
                                         bool (*get)(Object *, Error **),
                                         void (*set)(Object *, bool, Error **));
ObjectProperty *object_class_property_add_bool(
    ObjectClass *klass, const char *name, bool (*get)(Object *, Error **),
    void (*set)(Object *, bool, Error **));
ObjectProperty *object_property_add_enum(Object *obj, const char *name,
                                         const char *type_name,
                                         const QEnumLookup *lookup,
                                         int (*get)(Object *, Error **),
                                         void (*set)(Object *, int, Error **));
ObjectProperty *object_class_property_add_enum(
    ObjectClass *klass, const char *name, const char *type_name,
    const QEnumLookup *lookup, int (*get)(Object *, Error **),
    void (*set)(Object *, int, Error **));
ObjectProperty *object_property_add_tm(Object *obj, const char *name,
                                       void (*get)(Object *, struct tm *,
                                                   Error **));
ObjectProperty *object_class_property_add_tm(ObjectClass *klass,
                                             const char *name,
                                             void (*get)(Object *, struct tm *,
                                                         Error **));

/* Properties that are an integer at @v, which outlives the object. */
ObjectProperty *object_property_add_uint8_ptr(Object *obj, const char *name,
                                              const uint8_t *v,
                                              ObjectPropertyFlags flags);
ObjectProperty *object_property_add_uint16_ptr(Object *obj, const char *name,
                                               const uint16_t *v,
                                               ObjectPropertyFlags flags);
ObjectProperty *object_property_add_uint32_ptr(Object *obj, const char *name,
                                               const uint32_t *v,
                                               ObjectPropertyFlags flags);
ObjectProperty *object_property_add_uint64_ptr(Object *obj, const char *name,
                                               const uint64_t *v,
                                               ObjectPropertyFlags flags);
ObjectProperty *object_class_property_add_uint8_ptr(ObjectClass *klass,
                                                    const char *name,
                                                    const uint8_t *v,
                                                    ObjectPropertyFlags flags);
ObjectProperty *object_class_property_add_uint16_ptr(ObjectClass *klass,
                                                     const char *name,
                                                     const uint16_t *v,
                                                     ObjectPropertyFlags flags);
ObjectProperty *object_class_property_add_uint32_ptr(ObjectClass *klass,
                                                     const char *name,
                                                     const uint32_t *v,
                                                     ObjectPropertyFlags flags);
ObjectProperty *object_class_property_add_uint64_ptr(ObjectClass *klass,
                                                     const char *name,
                                                     const uint64_t *v,
                                                     ObjectPropertyFlags flags);

/** object_property_add_alias: @name of @obj stands for @target_name there. */
ObjectProperty *object_property_add_alias(Object *obj, const char *name,
                                          Object *target_obj,
                                          const char *target_name);
/** object_property_add_const_link: a link that never changes. */
ObjectProperty *object_property_add_const_link(Object *obj, const char *name,
                                               Object *target);

void object_property_set_description(Object *obj, const char *name,
                                     const char *description);
void object_class_property_set_description(ObjectClass *klass, const char *name,
                                           const char *description);

/** object_property_help: one line of help; free with g_free(). */
char *object_property_help(const char *name, const char *type, json_t *defval,
                           const char *description);

#endif
