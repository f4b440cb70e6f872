/*
 * Types and classes.
 *
 * The registry is two hashes of TypeImpl, by name and by alias. It only ever
 * grows: normally at start, later when a library's constructor or a loaded
 * module registers its folder. A class is made on first use under the
 * registry's lock (recursive, because class_init may ask for other classes)
 * and then published by an atomic store, so that every later use reads
 * constant memory without a lock.
 *
 * A class keeps its own copy of every interface class it implements or
 * inherits, so that class_init can fill in methods for this class alone. The
 * copies are typed as the interface itself; @concrete_class leads back.
 *
 * File-scope state: the registry, which the public interface has no handle
 * for.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "object-internal.h"

static struct {
    GRecMutex lock;
    GHashTable *by_name; /* interned name -> TypeImpl */
    GHashTable *by_alias;
} registry;

static TypeImpl *type_add(const TypeInfo *info);

static char *object_type_get(Object *obj, Error **errp)
{
    return g_strdup(object_get_typename(obj));
}

static void object_class_init(ObjectClass *klass, void *data)
{
    object_class_property_add_str(klass, "type", object_type_get, NULL);
}

static void registry_init(void)
{
    static gsize once;
    static const TypeInfo object_info = {
        .name = TYPE_OBJECT,
        .instance_size = sizeof(Object),
        .instance_align = __alignof__(Object),
        .class_size = sizeof(ObjectClass),
        .class_init = object_class_init,
        .abstract = true,
    };
    static const TypeInfo interface_info = {
        .name = TYPE_INTERFACE,
        .class_size = sizeof(InterfaceClass),
        .abstract = true,
    };

    if (g_once_init_enter(&once)) {
        registry.by_name = g_hash_table_new(g_str_hash, g_str_equal);
        registry.by_alias = g_hash_table_new(g_str_hash, g_str_equal);
        type_add(&object_info);
        type_add(&interface_info);
        g_once_init_leave(&once, 1);
    }
}

static void registry_lock(void)
{
    registry_init();
    g_rec_mutex_lock(&registry.lock);
}

static void registry_unlock(void)
{
    g_rec_mutex_unlock(&registry.lock);
}

/* A broken type is a bug that no caller can handle. */
static G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN void type_bug(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("object type: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}

static const char **copy_interfaces(const InterfaceInfo *info)
{
    size_t n = 0;

    while (info && info[n].type) {
        n++;
    }
    if (n == 0) {
        return NULL;
    }
    const char **names = g_new0(const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        names[i] = g_intern_string(info[i].type);
    }
    return names;
}

/* Called with the lock held, or by registry_init(). */
static TypeImpl *type_add(const TypeInfo *info)
{
    if (!info->name || g_hash_table_contains(registry.by_name, info->name)) {
        type_bug("'%s' is registered twice", info->name);
    }
    TypeImpl *ti = g_new0(TypeImpl, 1);

    ti->name = g_intern_string(info->name);
    ti->alias = g_intern_string(info->alias);
    ti->parent_name = g_intern_string(info->parent);
    ti->instance_size = info->instance_size;
    ti->instance_align = info->instance_align;
    ti->class_size = info->class_size;
    ti->abstract = info->abstract;
    ti->instance_init = info->instance_init;
    ti->instance_post_init = info->instance_post_init;
    ti->instance_finalize = info->instance_finalize;
    ti->class_init = info->class_init;
    ti->class_base_init = info->class_base_init;
    ti->class_data = info->class_data;
    ti->interfaces = copy_interfaces(info->interfaces);
    ti->props = info->props;
    g_hash_table_insert(registry.by_name, (gpointer)ti->name, ti);
    if (ti->alias) {
        g_hash_table_insert(registry.by_alias, (gpointer)ti->alias, ti);
    }
    return ti;
}

Type type_register(const TypeInfo *info)
{
    registry_lock();
    if (!info->parent) {
        type_bug("'%s' has no parent", info->name);
    }
    TypeImpl *ti = type_add(info);
    registry_unlock();
    return ti;
}

Type type_register_static(const TypeInfo *info)
{
    return type_register(info);
}

void type_register_static_array(const TypeInfo *infos, int nr_infos)
{
    for (int i = 0; i < nr_infos; i++) {
        type_register_static(&infos[i]);
    }
}

TypeImpl *type_by_name(const char *name)
{
    if (!name) {
        return NULL;
    }
    registry_lock();
    TypeImpl *ti = g_hash_table_lookup(registry.by_name, name);
    if (!ti) {
        ti = g_hash_table_lookup(registry.by_alias, name);
    }
    registry_unlock();
    return ti;
}

static bool type_is_called(const TypeImpl *ti, const char *name)
{
    return ti->name == name || g_str_equal(ti->name, name) ||
           (ti->alias && g_str_equal(ti->alias, name));
}

bool type_is_a(const TypeImpl *ti, const char *name)
{
    for (; ti; ti = ti->parent) {
        if (type_is_called(ti, name)) {
            return true;
        }
    }
    return false;
}

/* -- making a class ------------------------------------------------------- */

static void inherit_sizes(TypeImpl *ti)
{
    const TypeImpl *parent = ti->parent;

    if (!parent) {
        return;
    }
    if (ti->class_size == 0) {
        ti->class_size = parent->class_size;
    }
    if (ti->instance_size == 0) {
        ti->instance_size = parent->instance_size;
    }
    ti->instance_align = MAX(ti->instance_align, parent->instance_align);
    if (ti->class_size < parent->class_size ||
        ti->instance_size < parent->instance_size) {
        type_bug("'%s' is smaller than its parent '%s'", ti->name,
                 parent->name);
    }
    ti->is_interface = type_is_a(ti, TYPE_INTERFACE);
    if (ti->is_interface && (ti->instance_size || ti->props)) {
        type_bug("interface '%s' cannot have instances", ti->name);
    }
}

/* Start a class as a byte copy of @from, without what belongs to it alone. */
static void class_copy(ObjectClass *klass, const ObjectClass *from,
                       size_t from_size)
{
    memcpy(klass, from, from_size);
    klass->interfaces = NULL;
    klass->properties = NULL;
    memset(klass->object_cast_cache, 0, sizeof(klass->object_cast_cache));
    memset(klass->class_cast_cache, 0, sizeof(klass->class_cast_cache));
}

static void class_add_interface(ObjectClass *klass, TypeImpl *iface,
                                const InterfaceClass *from)
{
    InterfaceClass *copy = g_malloc0(iface->class_size);

    class_copy(&copy->parent_class, &from->parent_class, iface->class_size);
    copy->parent_class.type = iface;
    copy->concrete_class = klass;
    copy->interface_type = iface;
    klass->interfaces = g_slist_append(klass->interfaces, copy);
}

static bool class_has_interface(const ObjectClass *klass, const char *name)
{
    for (GSList *e = klass->interfaces; e; e = e->next) {
        if (type_is_a(((ObjectClass *)e->data)->type, name)) {
            return true;
        }
    }
    return false;
}

static void class_init_interfaces(TypeImpl *ti, ObjectClass *klass,
                                  const ObjectClass *parent)
{
    for (GSList *e = parent ? parent->interfaces : NULL; e; e = e->next) {
        InterfaceClass *inherited = e->data;

        class_add_interface(klass, inherited->interface_type, inherited);
    }
    for (size_t i = 0; ti->interfaces && ti->interfaces[i]; i++) {
        TypeImpl *iface = type_by_name(ti->interfaces[i]);

        if (!iface) {
            type_bug("'%s' implements '%s', which is not registered", ti->name,
                     ti->interfaces[i]);
        }
        ObjectClass *iface_class = type_get_class(iface);
        if (!iface->is_interface) {
            type_bug("'%s' implements '%s', which is no interface", ti->name,
                     iface->name);
        }
        if (!class_has_interface(klass, iface->name)) {
            class_add_interface(klass, iface, (InterfaceClass *)iface_class);
        }
    }
}

/* With the registry's lock held. */
static ObjectClass *type_build_class(TypeImpl *ti)
{
    ObjectClass *parent_class = NULL;

    if (ti->parent_name) {
        ti->parent = type_by_name(ti->parent_name);
        if (!ti->parent) {
            type_bug("the parent '%s' of '%s' is not registered",
                     ti->parent_name, ti->name);
        }
        parent_class = type_get_class(ti->parent);
    }
    inherit_sizes(ti);

    ObjectClass *klass = g_malloc0(ti->class_size);
    ti->building = klass;
    if (parent_class) {
        class_copy(klass, parent_class, ti->parent->class_size);
        ti->n_required = ti->parent->n_required;
    }
    klass->type = ti;
    if (ti->is_interface) {
        InterfaceClass *iface = (InterfaceClass *)klass;

        iface->concrete_class = NULL;
        iface->interface_type = ti;
    }
    class_init_interfaces(ti, klass, parent_class);
    for (TypeImpl *p = ti->parent; p; p = p->parent) {
        if (p->class_base_init) {
            p->class_base_init(klass, ti->class_data);
        }
    }
    if (ti->props) {
        object_class_add_properties(klass, ti->props);
    }
    if (ti->class_init) {
        ti->class_init(klass, ti->class_data);
    }
    return klass;
}

ObjectClass *type_get_class(TypeImpl *ti)
{
    ObjectClass *klass = __atomic_load_n(&ti->class, __ATOMIC_ACQUIRE);

    if (klass) {
        return klass;
    }
    registry_lock();
    klass = ti->class;
    if (!klass && ti->building) {
        klass = ti->building; /* class_init asks for its own class */
    } else if (!klass) {
        klass = type_build_class(ti);
        ti->building = NULL;
        __atomic_store_n(&ti->class, klass, __ATOMIC_RELEASE);
    }
    registry_unlock();
    return klass;
}

/* -- looking at classes --------------------------------------------------- */

ObjectClass *object_class_by_name(const char *type_name)
{
    TypeImpl *ti = type_by_name(type_name);

    return ti ? type_get_class(ti) : NULL;
}

ObjectClass *object_class_get_parent(ObjectClass *klass)
{
    TypeImpl *parent = klass->type->parent;

    return parent ? type_get_class(parent) : NULL;
}

const char *object_class_get_name(ObjectClass *klass)
{
    return klass->type->name;
}

const char *object_class_get_alias(ObjectClass *klass)
{
    return klass->type->alias;
}

bool object_class_is_abstract(ObjectClass *klass)
{
    return klass->type->abstract || klass->type->is_interface;
}

size_t object_type_get_instance_size(const char *type_name)
{
    ObjectClass *klass = object_class_by_name(type_name);

    g_assert(klass);
    return klass->type->instance_size;
}

ObjectClass *object_class_dynamic_cast(ObjectClass *klass,
                                       const char *type_name)
{
    if (!klass || type_is_a(klass->type, type_name)) {
        return klass;
    }
    ObjectClass *found = NULL;

    for (GSList *e = klass->interfaces; e; e = e->next) {
        ObjectClass *iface = e->data;

        if (type_is_a(iface->type, type_name)) {
            if (found) {
                return NULL;
            }
            found = iface;
        }
    }
    return found;
}

static bool cast_cache_has(const char *const *cache, const char *name)
{
    for (int i = 0; i < OBJECT_CLASS_CAST_CACHE; i++) {
        if (__atomic_load_n(&cache[i], __ATOMIC_RELAXED) == name) {
            return true;
        }
    }
    return false;
}

/* Races only cost a cached name. */
static void cast_cache_add(const char **cache, const char *name)
{
    for (int i = OBJECT_CLASS_CAST_CACHE - 1; i > 0; i--) {
        const char *prev = __atomic_load_n(&cache[i - 1], __ATOMIC_RELAXED);

        __atomic_store_n(&cache[i], prev, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&cache[0], name, __ATOMIC_RELAXED);
}

static G_GNUC_NORETURN void cast_bug(const void *what, const char *from,
                                     const char *to, const char *file, int line,
                                     const char *func)
{
    fprintf(stderr, "%s:%d: %s: %p of type '%s' is not a '%s'\n", file, line,
            func, what, from, to);
    abort();
}

ObjectClass *object_class_dynamic_cast_assert(ObjectClass *klass,
                                              const char *type_name,
                                              const char *file, int line,
                                              const char *func)
{
    if (!klass || cast_cache_has(klass->class_cast_cache, type_name)) {
        return klass;
    }
    ObjectClass *ret = object_class_dynamic_cast(klass, type_name);

    if (!ret) {
        cast_bug(klass, klass->type->name, type_name, file, line, func);
    }
    if (ret == klass) {
        cast_cache_add(klass->class_cast_cache, type_name);
    }
    return ret;
}

Object *object_dynamic_cast(Object *obj, const char *type_name)
{
    return obj && object_class_dynamic_cast(obj->class, type_name) ? obj : NULL;
}

Object *object_dynamic_cast_assert(Object *obj, const char *type_name,
                                   const char *file, int line, const char *func)
{
    if (!obj || cast_cache_has(obj->class->object_cast_cache, type_name)) {
        return obj;
    }
    if (!object_dynamic_cast(obj, type_name)) {
        cast_bug(obj, obj->class->type->name, type_name, file, line, func);
    }
    cast_cache_add(obj->class->object_cast_cache, type_name);
    return obj;
}

/* -- all classes ---------------------------------------------------------- */

static bool class_matches(ObjectClass *klass, const char *implements_type,
                          bool include_abstract)
{
    if (klass->type->is_interface && !klass->type->parent) {
        return include_abstract && !implements_type;
    }
    return (include_abstract || !object_class_is_abstract(klass)) &&
           (!implements_type ||
            object_class_dynamic_cast(klass, implements_type));
}

GSList *object_class_get_list(const char *implements_type,
                              bool include_abstract)
{
    GSList *list = NULL;

    registry_lock();
    g_autoptr(GList) types = g_hash_table_get_values(registry.by_name);
    registry_unlock();
    for (GList *e = types; e; e = e->next) {
        ObjectClass *klass = type_get_class(e->data);

        if (class_matches(klass, implements_type, include_abstract)) {
            list = g_slist_prepend(list, klass);
        }
    }
    return list;
}

static gint class_name_cmp(gconstpointer a, gconstpointer b)
{
    const ObjectClass *ka = a, *kb = b;

    return g_ascii_strcasecmp(ka->type->name, kb->type->name);
}

GSList *object_class_get_list_sorted(const char *implements_type,
                                     bool include_abstract)
{
    return g_slist_sort(object_class_get_list(implements_type,
                                              include_abstract),
                        class_name_cmp);
}

void object_class_foreach(void (*fn)(ObjectClass *klass, void *opaque),
                          const char *implements_type, bool include_abstract,
                          void *opaque)
{
    g_autoptr(GSList) list =
        object_class_get_list(implements_type, include_abstract);

    for (GSList *e = list; e; e = e->next) {
        fn(e->data, opaque);
    }
}
