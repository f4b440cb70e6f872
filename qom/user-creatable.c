/*
 * Objects that users create: configure, complete, put under /objects, and
 * remove again.
 *
 * Creation is all or nothing: an object that fails is gone before the error
 * is reported. The id is checked and looked up first, and taken last, so a
 * half-made object is never visible.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"
#include "qom/object_interfaces.h"
#include "qom/types.h"
#include "util/error.h"
#include "util/id.h"
#include "util/keyval.h"

#include "object-internal.h"

extern const TypeInfo qom_type_user_creatable;

const TypeInfo qom_type_user_creatable = {
    .name = TYPE_USER_CREATABLE,
    .parent = TYPE_INTERFACE,
    .class_size = sizeof(UserCreatableClass),
};

bool user_creatable_complete(UserCreatable *uc, Error **errp)
{
    UserCreatableClass *ucc = USER_CREATABLE_GET_CLASS(uc);
    Object *obj = OBJECT(uc);
    Error *err = NULL;

    if (object_is_completed(obj)) {
        return true;
    }
    if (!object_check_required(obj, errp)) {
        return false;
    }
    if (ucc->complete) {
        ucc->complete(uc, &err);
        if (err) {
            error_propagate(errp, err);
            return false;
        }
    }
    object_set_completed(obj, true);
    return true;
}

bool user_creatable_can_be_deleted(UserCreatable *uc)
{
    UserCreatableClass *ucc = USER_CREATABLE_GET_CLASS(uc);

    if (__atomic_load_n(&OBJECT(uc)->link_users, __ATOMIC_ACQUIRE)) {
        return false;
    }
    return !ucc->can_be_deleted || ucc->can_be_deleted(uc);
}

ObjectClass *user_creatable_class(const char *type, Error **errp)
{
    ObjectClass *klass = module_object_class_by_name(type);

    if (!klass) {
        error_setg(errp, "there is no object type '%s'", type);
    } else if (!object_class_dynamic_cast(klass, TYPE_USER_CREATABLE)) {
        error_setg(errp, "object type '%s' cannot be created by a user", type);
    } else if (object_class_is_abstract(klass)) {
        error_setg(errp, "object type '%s' is abstract", type);
    } else {
        return klass;
    }
    return NULL;
}

bool user_creatable_type_is(const char *type)
{
    return user_creatable_class(type, NULL) != NULL;
}

static bool check_id(const char *id, Error **errp)
{
    if (!id || !id_wellformed(id)) {
        error_setg(errp, "'%s' is not a valid object id", id ? id : "");
        error_append_hint(errp, "Ids consist of letters, digits, '-', '.', "
                                "'_', starting with a letter.\n");
        return false;
    }
    if (object_property_find(object_get_objects_root(), id)) {
        error_setg(errp, "there is an object '%s' already", id);
        return false;
    }
    return true;
}

static bool configure(Object *obj, const json_t *props, bool keyval,
                      Error **errp)
{
    bool ok =
        !props || (keyval ? object_set_properties_from_keyval(obj, props, errp)
                          : object_set_properties_from_json(obj, props, errp));

    return ok && user_creatable_complete((UserCreatable *)obj, errp) &&
           object_property_try_add_child(object_get_objects_root(),
                                         obj->name_hint, obj, errp);
}

Object *user_creatable_add_type(const char *type, const char *id,
                                const json_t *props, bool keyval, Error **errp)
{
    ERRP_GUARD();

    qom_register_types();
    ObjectClass *klass = user_creatable_class(type, errp);
    if (!klass || !check_id(id, errp)) {
        return NULL;
    }
    g_autoptr(Object) obj = object_new_with_class(klass);
    g_autofree char *what = g_strdup_printf("object '%s'", id);

    obj->name_hint = id;
    bool ok = configure(obj, props, keyval, errp);
    obj->name_hint = NULL;
    if (!ok) {
        if (!g_str_has_prefix(error_get_pretty(*errp), what)) {
            error_prepend(errp, "%s: ", what);
        }
        return NULL;
    }
    return g_steal_pointer(&obj);
}

bool user_creatable_add_options(const json_t *options, bool keyval,
                                Error **errp)
{
    g_autoptr(json_t) props = NULL;

    if (!json_is_object(options)) {
        error_setg(errp, "an object is made from a JSON object");
        return false;
    }
    props = json_copy((json_t *)options);
    g_autofree char *type =
        g_strdup(json_string_value(json_object_get(props, "qom-type")));
    g_autofree char *id =
        g_strdup(json_string_value(json_object_get(props, "id")));

    if (!type || !id) {
        error_setg(errp, "parameter '%s' is missing", type ? "id" : "qom-type");
        return false;
    }
    json_object_del(props, "qom-type");
    json_object_del(props, "id");
    g_autoptr(Object) obj =
        user_creatable_add_type(type, id, props, keyval, errp);

    return obj != NULL;
}

bool user_creatable_add_qapi(const json_t *options, Error **errp)
{
    return user_creatable_add_options(options, false, errp);
}

json_t *user_creatable_parse_str(const char *str, bool *keyval, Error **errp)
{
    if (str[0] == '{') {
        g_autoptr(json_t) options = qobject_from_json(str, errp);

        if (options && !json_is_object(options)) {
            error_setg(errp, "an object is made from a JSON object");
            return NULL;
        }
        *keyval = false;
        return g_steal_pointer(&options);
    }
    bool help = false;
    g_autoptr(json_t) options = keyval_parse(str, "qom-type", &help, errp);

    if (!options || help) {
        return NULL;
    }
    *keyval = true;
    return g_steal_pointer(&options);
}

bool user_creatable_add_from_str(const char *str, Error **errp)
{
    ERRP_GUARD();
    bool keyval = false;
    g_autoptr(json_t) options = user_creatable_parse_str(str, &keyval, errp);

    if (!options) {
        if (!*errp) {
            error_setg(errp, "help is not available here");
        }
        return false;
    }
    return user_creatable_add_options(options, keyval, errp);
}

bool user_creatable_del(const char *id, Error **errp)
{
    Object *objects = object_get_objects_root();
    g_autoptr(Object) obj = NULL;

    qom_tree_lock();
    ObjectProperty *prop = property_set_find(objects->properties, id);
    if (prop && object_property_is_child(prop)) {
        obj = object_ref(prop->opaque);
    }
    qom_tree_unlock();
    if (!obj) {
        error_setg(errp, "there is no object '%s'", id);
        return false;
    }
    if (!user_creatable_can_be_deleted(USER_CREATABLE(obj))) {
        error_setg(errp, "object '%s' is in use, can not be deleted", id);
        return false;
    }
    object_unparent(obj);
    return true;
}

void user_creatable_cleanup(void)
{
    object_unparent(object_get_objects_root());
}
