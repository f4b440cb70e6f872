/*
 * The object core: types, classes, interfaces, reference counted instances,
 * their properties, and the tree they live in.
 *
 * A type is described by a TypeInfo and registered once. Its class struct is
 * made on first use, after its parent's: a byte copy of the parent's class,
 * then @class_base_init of each ancestor, then its own @class_init. An
 * instance is zeroed memory whose @instance_init functions run from the root
 * type down, and whose @instance_finalize functions run from the leaf up when
 * the last reference goes.
 *
 * An object that was put into the tree (object_property_add_child()) has one
 * parent and one canonical path, such as /objects/tls0. The parent holds a
 * reference.
 *
 * Thread: type registration and lookup, object_new(), references, casts, the
 * tree and path lookup may be used from any thread. One object's property
 * *values* belong to whoever owns the object, as its class documents. No lock
 * of this folder is held while a callback of a class runs, except class_init.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QOM_OBJECT_H
#define QOM_OBJECT_H

#include <glib.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/typedefs.h"

typedef struct InterfaceClass InterfaceClass;
typedef struct InterfaceInfo InterfaceInfo;
typedef struct ObjectProperty ObjectProperty;
typedef struct ObjectPropertySet ObjectPropertySet;
typedef struct Property Property;
typedef struct QEnumLookup QEnumLookup;
typedef struct TypeImpl TypeImpl;
typedef TypeImpl *Type;

#define TYPE_OBJECT    "object"
#define TYPE_INTERFACE "interface"
#define TYPE_CONTAINER "container"

/**
 * ObjectPropertyAccessor:
 * @obj: object whose property is read or written
 * @v: visitor that takes (get) or gives (set) the value
 * @name: the property's name, also the name to hand to the visitor
 * @opaque: what the property was added with
 * @errp: (out) set on failure
 *
 * A get or set function of a property.
 */
typedef void(ObjectPropertyAccessor)(Object *obj, Visitor *v, const char *name,
                                     void *opaque, Error **errp);

/** ObjectPropertyResolve: the object that @part names below @obj, or NULL. */
typedef Object *(ObjectPropertyResolve)(Object *obj, void *opaque,
                                        const char *part);

/** ObjectPropertyRelease: frees @opaque when the property goes away. */
typedef void(ObjectPropertyRelease)(Object *obj, const char *name,
                                    void *opaque);

/** ObjectPropertyInit: gives a class property its start value in @obj. */
typedef void(ObjectPropertyInit)(Object *obj, ObjectProperty *prop);

/** ObjectUnparent: called when an object leaves its parent; may be NULL. */
typedef void(ObjectUnparent)(Object *obj);

/** ObjectFree: frees the memory of an instance. */
typedef void(ObjectFree)(void *obj);

/*
 * One property, of an instance or of a class. Read only outside this folder.
 */
struct ObjectProperty {
    char *name;
    char *type;        /* as qom-list shows it: "str", "link<secret>" ... */
    char *description; /* for help; may be NULL */
    ObjectPropertyAccessor *get; /* NULL: cannot be read */
    ObjectPropertyAccessor *set; /* NULL: cannot be written */
    ObjectPropertyResolve *resolve;
    ObjectPropertyRelease *release;
    ObjectPropertyInit *init;
    void *opaque;
    json_t *defval;        /* default value, or NULL; owned */
    const Property *table; /* its line in a property table, or NULL */
    int required_bit;      /* bit in Object.required_set, -1 if none */
};

#define OBJECT_CLASS_CAST_CACHE 4

/* First member of every class struct. */
struct ObjectClass {
    /* private */
    Type type;
    GSList *interfaces; /* of InterfaceClass */
    const char *object_cast_cache[OBJECT_CLASS_CAST_CACHE];
    const char *class_cast_cache[OBJECT_CLASS_CAST_CACHE];
    ObjectPropertySet *properties; /* own ones, not the parent's */

    /* May be set by class_init. */
    ObjectUnparent *unparent;
};

/* First member of every instance struct. All members are private. */
struct Object {
    ObjectClass *class;
    ObjectFree *free;
    ObjectPropertySet *properties; /* guarded by the tree lock */
    Object *parent;                /* guarded by the tree lock; no reference */
    ObjectProperty *parent_prop;   /* guarded by the tree lock */
    const char *name_hint; /* for messages, until it has a parent; borrowed */
    uint64_t required_set; /* REQUIRED properties that were given */
    uint32_t ref;          /* atomic */
    uint32_t link_users;   /* atomic: strong links that point here */
    bool completed;        /* see object_set_completed() */
};

/* How to make a type. Kept by reference when registered as static. */
struct TypeInfo {
    const char *name;
    const char *parent;

    size_t instance_size;  /* bytes; 0: the parent's */
    size_t instance_align; /* bytes; 0: the parent's */
    void (*instance_init)(Object *obj);
    void (*instance_post_init)(Object *obj); /* after all init, leaf first */
    void (*instance_finalize)(Object *obj);

    bool abstract;
    size_t class_size; /* bytes; 0: the parent's */

    void (*class_init)(ObjectClass *klass, void *data);
    void (*class_base_init)(ObjectClass *klass, void *data);
    void *class_data;

    InterfaceInfo *interfaces; /* ends with .type == NULL */

    const char *alias;     /* second name for lookups, or NULL */
    const Property *props; /* property table (qom/property.h), or NULL */
};

struct InterfaceInfo {
    const char *type;
};

/* First member of the class struct of an interface. */
struct InterfaceClass {
    ObjectClass parent_class;
    /* private */
    ObjectClass *concrete_class; /* class that implements the interface */
    Type interface_type;
};

/* -- casts ---------------------------------------------------------------- */

/* Checked casts. A wrong cast is a bug: message on stderr, then abort(). */
#define OBJECT(obj)         ((Object *)(obj))
#define OBJECT_CLASS(klass) ((ObjectClass *)(klass))

/* @name must be a string that is never freed: its address is cached. */
#define OBJECT_CHECK(type, obj, name)                                          \
    ((type *)object_dynamic_cast_assert(OBJECT(obj), (name), __FILE__,         \
                                        __LINE__, __func__))
#define OBJECT_CLASS_CHECK(class_type, class, name)                            \
    ((class_type *)object_class_dynamic_cast_assert(                           \
        OBJECT_CLASS(class), (name), __FILE__, __LINE__, __func__))
#define OBJECT_GET_CLASS(class, obj, name)                                     \
    OBJECT_CLASS_CHECK(class, object_get_class(OBJECT(obj)), name)

#define INTERFACE_CLASS(klass)                                                 \
    OBJECT_CLASS_CHECK(InterfaceClass, klass, TYPE_INTERFACE)
#define INTERFACE_CHECK(interface, obj, name)                                  \
    ((interface *)object_dynamic_cast_assert(OBJECT((obj)), (name), __FILE__,  \
                                             __LINE__, __func__))

/** DECLARE_INSTANCE_CHECKER: `InstanceType *OBJ_NAME(obj)`. */
#define DECLARE_INSTANCE_CHECKER(InstanceType, OBJ_NAME, TYPENAME)             \
    static inline G_GNUC_UNUSED InstanceType *OBJ_NAME(const void *obj)        \
    {                                                                          \
        return OBJECT_CHECK(InstanceType, obj, TYPENAME);                      \
    }

/** DECLARE_CLASS_CHECKERS: `OBJ_NAME_GET_CLASS(obj)`, `OBJ_NAME_CLASS(k)`. */
#define DECLARE_CLASS_CHECKERS(ClassType, OBJ_NAME, TYPENAME)                  \
    static inline G_GNUC_UNUSED ClassType *OBJ_NAME##_GET_CLASS(               \
        const void *obj)                                                       \
    {                                                                          \
        return OBJECT_GET_CLASS(ClassType, obj, TYPENAME);                     \
    }                                                                          \
    static inline G_GNUC_UNUSED ClassType *OBJ_NAME##_CLASS(const void *klass) \
    {                                                                          \
        return OBJECT_CLASS_CHECK(ClassType, klass, TYPENAME);                 \
    }

#define DECLARE_OBJ_CHECKERS(InstanceType, ClassType, OBJ_NAME, TYPENAME)      \
    DECLARE_INSTANCE_CHECKER(InstanceType, OBJ_NAME, TYPENAME)                 \
    DECLARE_CLASS_CHECKERS(ClassType, OBJ_NAME, TYPENAME)

/**
 * OBJECT_DECLARE_TYPE:
 * @InstanceType: instance struct, to be defined as `struct InstanceType`
 * @ClassType: class struct, to be defined as `struct ClassType`
 * @MODULE_OBJ_NAME: upper case name; TYPE_@MODULE_OBJ_NAME must exist
 *
 * In a header: the typedefs, the casts and the autoptr of a type.
 */
#define OBJECT_DECLARE_TYPE(InstanceType, ClassType, MODULE_OBJ_NAME)          \
    typedef struct InstanceType InstanceType;                                  \
    typedef struct ClassType ClassType;                                        \
    G_DEFINE_AUTOPTR_CLEANUP_FUNC(InstanceType, object_unref)                  \
    DECLARE_OBJ_CHECKERS(InstanceType, ClassType, MODULE_OBJ_NAME,             \
                         TYPE_##MODULE_OBJ_NAME)

/** OBJECT_DECLARE_SIMPLE_TYPE: as OBJECT_DECLARE_TYPE(), no class struct. */
#define OBJECT_DECLARE_SIMPLE_TYPE(InstanceType, MODULE_OBJ_NAME)              \
    typedef struct InstanceType InstanceType;                                  \
    G_DEFINE_AUTOPTR_CLEANUP_FUNC(InstanceType, object_unref)                  \
    DECLARE_INSTANCE_CHECKER(InstanceType, MODULE_OBJ_NAME,                    \
                             TYPE_##MODULE_OBJ_NAME)

/* TypeInfo and its registration, for code outside this tree. */
#define DO_OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name,         \
                                       MODULE_OBJ_NAME,                        \
                                       PARENT_MODULE_OBJ_NAME, ABSTRACT,       \
                                       CLASS_SIZE, ...)                        \
    static void module_obj_name##_finalize(Object *obj);                       \
    static void module_obj_name##_class_init(ObjectClass *oc, void *data);     \
    static void module_obj_name##_init(Object *obj);                           \
    static const TypeInfo module_obj_name##_info = {                           \
        .parent = TYPE_##PARENT_MODULE_OBJ_NAME,                               \
        .name = TYPE_##MODULE_OBJ_NAME,                                        \
        .instance_size = sizeof(ModuleObjName),                                \
        .instance_align = __alignof__(ModuleObjName),                          \
        .instance_init = module_obj_name##_init,                               \
        .instance_finalize = module_obj_name##_finalize,                       \
        .class_size = CLASS_SIZE,                                              \
        .class_init = module_obj_name##_class_init,                            \
        .abstract = ABSTRACT,                                                  \
        .interfaces = (InterfaceInfo[]){ __VA_ARGS__ },                        \
    };                                                                         \
    static void module_obj_name##_register_types(void)                         \
    {                                                                          \
        type_register_static(&module_obj_name##_info);                         \
    }                                                                          \
    type_init(module_obj_name##_register_types)

#define OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name,            \
                                    MODULE_OBJ_NAME, PARENT_MODULE_OBJ_NAME,   \
                                    ABSTRACT, ...)                             \
    DO_OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name,             \
                                   MODULE_OBJ_NAME, PARENT_MODULE_OBJ_NAME,    \
                                   ABSTRACT, sizeof(ModuleObjName##Class),     \
                                   __VA_ARGS__)

#define OBJECT_DEFINE_TYPE(ModuleObjName, module_obj_name, MODULE_OBJ_NAME,    \
                           PARENT_MODULE_OBJ_NAME)                             \
    OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name,                \
                                MODULE_OBJ_NAME, PARENT_MODULE_OBJ_NAME,       \
                                false, { NULL })

#define OBJECT_DEFINE_TYPE_WITH_INTERFACES(ModuleObjName, module_obj_name,     \
                                           MODULE_OBJ_NAME,                    \
                                           PARENT_MODULE_OBJ_NAME, ...)        \
    OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name,                \
                                MODULE_OBJ_NAME, PARENT_MODULE_OBJ_NAME,       \
                                false, __VA_ARGS__)

#define OBJECT_DEFINE_ABSTRACT_TYPE(ModuleObjName, module_obj_name,            \
                                    MODULE_OBJ_NAME, PARENT_MODULE_OBJ_NAME)   \
    OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name,                \
                                MODULE_OBJ_NAME, PARENT_MODULE_OBJ_NAME, true, \
                                { NULL })

#define OBJECT_DEFINE_SIMPLE_TYPE(ModuleObjName, module_obj_name,              \
                                  MODULE_OBJ_NAME, PARENT_MODULE_OBJ_NAME)     \
    DO_OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name,             \
                                   MODULE_OBJ_NAME, PARENT_MODULE_OBJ_NAME,    \
                                   false, 0, { NULL })

#define OBJECT_DEFINE_SIMPLE_TYPE_WITH_INTERFACES(ModuleObjName,               \
                                                  module_obj_name,             \
                                                  MODULE_OBJ_NAME,             \
                                                  PARENT_MODULE_OBJ_NAME, ...) \
    DO_OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name,             \
                                   MODULE_OBJ_NAME, PARENT_MODULE_OBJ_NAME,    \
                                   false, 0, __VA_ARGS__)

/**
 * object_dynamic_cast:
 * @obj: any object, or NULL
 * @type_name: type or interface
 *
 * Thread: any. Returns: @obj if it is a @type_name, else NULL.
 */
Object *object_dynamic_cast(Object *obj, const char *type_name);

/** object_dynamic_cast_assert: the same; a failure aborts. NULL stays NULL. */
Object *object_dynamic_cast_assert(Object *obj, const char *type_name,
                                   const char *file, int line,
                                   const char *func);

/**
 * object_class_dynamic_cast:
 * @klass: any class, or NULL
 * @type_name: type or interface
 *
 * Thread: any. Returns: @klass, or for an interface the InterfaceClass that
 * belongs to @klass; NULL if it is no such thing, or if the interface is
 * implemented in two ways.
 */
ObjectClass *object_class_dynamic_cast(ObjectClass *klass,
                                       const char *type_name);
ObjectClass *object_class_dynamic_cast_assert(ObjectClass *klass,
                                              const char *type_name,
                                              const char *file, int line,
                                              const char *func);

/* -- types and classes ---------------------------------------------------- */

/**
 * type_register_static:
 * @info: (in) lives for ever
 *
 * Register a type. The parent may be registered later, but before first use.
 * Registering a name twice is a bug and aborts.
 * Thread: any. Returns: the type.
 */
Type type_register_static(const TypeInfo *info);

/** type_register: as type_register_static(); @info is copied. */
Type type_register(const TypeInfo *info);

void type_register_static_array(const TypeInfo *infos, int nr_infos);

#define DEFINE_TYPES(type_array)                                               \
    static void do_qemu_init_##type_array(void)                                \
    {                                                                          \
        type_register_static_array(type_array, G_N_ELEMENTS(type_array));      \
    }                                                                          \
    type_init(do_qemu_init_##type_array)

/** object_get_class: the class of @obj; borrowed. */
ObjectClass *object_get_class(Object *obj);
const char *object_get_typename(const Object *obj);

/** object_class_get_parent: NULL for the root types. */
ObjectClass *object_class_get_parent(ObjectClass *klass);
const char *object_class_get_name(ObjectClass *klass);
/** object_class_get_alias: the second name, or NULL. */
const char *object_class_get_alias(ObjectClass *klass);
bool object_class_is_abstract(ObjectClass *klass);

/**
 * object_class_by_name:
 * @type_name: name or alias
 *
 * Thread: any. Returns: the class, made if this is its first use; NULL if
 * there is no such type.
 */
ObjectClass *object_class_by_name(const char *type_name);

/** module_object_class_by_name: also looks into loadable modules. */
ObjectClass *module_object_class_by_name(const char *type_name);

/**
 * object_class_foreach:
 * @implements_type: only classes that are a kind of this, or NULL for all
 * @include_abstract: also abstract ones
 *
 * Call @fn for each class, in no order. @fn may use the object core but not
 * register types. Thread: any.
 */
void object_class_foreach(void (*fn)(ObjectClass *klass, void *opaque),
                          const char *implements_type, bool include_abstract,
                          void *opaque);

/** object_class_get_list: free the list with g_slist_free(). */
GSList *object_class_get_list(const char *implements_type,
                              bool include_abstract);
/** object_class_get_list_sorted: by name, without regard to case. */
GSList *object_class_get_list_sorted(const char *implements_type,
                                     bool include_abstract);

/** object_type_get_instance_size: bytes; @type_name must exist. */
size_t object_type_get_instance_size(const char *type_name);

/* -- instances ------------------------------------------------------------ */

/**
 * object_new:
 * @type_name: a registered, not abstract type; anything else aborts
 *
 * Thread: any. Returns: a new object with one reference, owned by the caller.
 */
Object *object_new(const char *type_name);
Object *object_new_with_class(ObjectClass *klass);

/**
 * object_new_with_props:
 * @type_name: type, any text
 * @parent: object that gets the new one as child @id; NULL: no parent
 * @id: child name; NULL if @parent is NULL
 * @errp: (out) set when the return is NULL
 * @...: pairs of property name and value text, ended by NULL
 *
 * Make an object, set its properties as text, complete it if it is user
 * creatable, and put it into the tree.
 *
 * Returns: the object; borrowed from @parent, or owned by the caller when
 * @parent is NULL. NULL on failure, with nothing left behind.
 * Errors: unknown or abstract type; a property; completion; @id taken.
 */
Object *object_new_with_props(const char *type_name, Object *parent,
                              const char *id, Error **errp,
                              ...) G_GNUC_NULL_TERMINATED;
Object *object_new_with_propv(const char *type_name, Object *parent,
                              const char *id, Error **errp, va_list vargs);

/** object_set_props: pairs of name and value text, ended by NULL. */
bool object_set_props(Object *obj, Error **errp, ...) G_GNUC_NULL_TERMINATED;
bool object_set_propv(Object *obj, Error **errp, va_list vargs);

/**
 * object_initialize:
 * @obj: memory of @size bytes, owned by the caller, also after finalize
 *
 * Make an instance inside other memory; it starts with one reference.
 */
void object_initialize(void *obj, size_t size, const char *type_name);

/**
 * object_initialize_child_with_props:
 * @parentobj: becomes the parent and the only owner of a reference
 * @propname: child name
 * @childobj: memory of @size bytes, usually a member of @parentobj
 *
 * Returns: false on failure, @childobj is then finalized.
 */
bool object_initialize_child_with_props(Object *parentobj, const char *propname,
                                        void *childobj, size_t size,
                                        const char *type, Error **errp,
                                        ...) G_GNUC_NULL_TERMINATED;
bool object_initialize_child_with_propsv(Object *parentobj,
                                         const char *propname, void *childobj,
                                         size_t size, const char *type,
                                         Error **errp, va_list vargs);
void object_initialize_child_internal(Object *parent, const char *propname,
                                      void *child, size_t size,
                                      const char *type);
#define object_initialize_child(parent, propname, child, type)                 \
    object_initialize_child_internal((parent), (propname), (child),            \
                                     sizeof(*(child)), (type))

/** object_ref: takes any object or NULL; returns it. Thread: any. */
Object *object_ref(void *obj);
/** object_unref: NULL is allowed. The last one finalizes. Thread: any. */
void object_unref(void *obj);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Object, object_unref)

/**
 * object_set_completed:
 *
 * Mark the end of configuration (user_creatable_complete(), realize): from
 * then on only PROP_F_RUNTIME properties of a property table may be written.
 */
void object_set_completed(Object *obj, bool completed);
bool object_is_completed(const Object *obj);

/* -- the tree ------------------------------------------------------------- */

/** object_unparent: leave the parent, which drops its reference. */
void object_unparent(Object *obj);

/** object_get_root: the object "/"; borrowed, made on first use. */
Object *object_get_root(void);
/** object_get_objects_root: the container "/objects"; borrowed. */
Object *object_get_objects_root(void);
/** object_get_internal_root: a container outside the visible tree. */
Object *object_get_internal_root(void);

/** object_get_canonical_path_component: name in the parent; borrowed. */
const char *object_get_canonical_path_component(const Object *obj);
/** object_get_canonical_path: NULL if @obj is not in the tree; g_free(). */
char *object_get_canonical_path(const Object *obj);

/**
 * object_resolve_path:
 * @path: absolute ("/objects/a") or partial ("a", "objects/a")
 * @ambiguous: (out) optional: two objects match a partial path
 *
 * Thread: any, but the result is only borrowed from the tree: a thread other
 * than the main loop's uses object_resolve_path_type_ref().
 * Returns: the object; NULL if none, or more than one, matches.
 */
Object *object_resolve_path(const char *path, bool *ambiguous);
/** object_resolve_path_type: only objects that are a @type_name. */
Object *object_resolve_path_type(const char *path, const char *type_name,
                                 bool *ambiguous);
/** object_resolve_path_type_ref: the caller gets a reference. */
Object *object_resolve_path_type_ref(const char *path, const char *type_name,
                                     bool *ambiguous);
/** object_resolve_path_at: @path relative to @parent, or absolute. */
Object *object_resolve_path_at(Object *parent, const char *path);
/** object_resolve_path_component: child or link @part of @parent. */
Object *object_resolve_path_component(Object *parent, const char *part);

/**
 * object_child_foreach:
 *
 * Call @fn for each child; a value other than 0 ends the walk and is returned.
 * The walk goes over the children present at the start, each with a reference
 * held, so @fn may remove and add children.
 */
int object_child_foreach(Object *obj, int (*fn)(Object *child, void *opaque),
                         void *opaque);
int object_child_foreach_recursive(Object *obj,
                                   int (*fn)(Object *child, void *opaque),
                                   void *opaque);

/** container_get: the container at absolute @path below @root, made if
 *  missing; borrowed. */
Object *container_get(Object *root, const char *path);

#include "qom/object-property.h"

#endif
