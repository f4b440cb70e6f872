/*
 * The object model in the human monitor.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qom/qom-hmp.h"

#include "qapi/json.h"
#include "qapi/qapi-commands-qom.h"
#include "qom/object_interfaces.h"
#include "util/error.h"

#include "object-internal.h"

static void hmp_qom_list(HMPContext *ctx, json_t *args)
{
    const char *path = hmp_arg_str(args, "path");
    Error *err = NULL;

    if (!path) {
        hmp_printf(ctx, "/\n");
        return;
    }
    ObjectPropertyInfoList *list = qmp_qom_list(path, &err);

    for (ObjectPropertyInfoList *e = list; e; e = e->next) {
        hmp_printf(ctx, "%s (%s)\n", e->value->name, e->value->type);
    }
    qapi_free_ObjectPropertyInfoList(list);
    hmp_handle_error(ctx, err);
}

static void hmp_qom_get(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;
    g_autoptr(json_t) value = qmp_qom_get(hmp_arg_str(args, "path"),
                                          hmp_arg_str(args, "property"), &err);

    if (value) {
        g_autoptr(GString) text = qobject_to_json_pretty(value, true);

        hmp_printf(ctx, "%s\n", text->str);
    }
    hmp_handle_error(ctx, err);
}

static bool set_from_text(const char *path, const char *property,
                          const char *value, Error **errp)
{
    bool ambiguous = false;
    g_autoptr(Object) obj =
        object_resolve_path_type_ref(path, TYPE_OBJECT, &ambiguous);

    if (!obj) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                  ambiguous ? "path '%s' is ambiguous"
                            : "there is no object '%s'",
                  path);
        return false;
    }
    return object_property_parse(obj, property, value, errp);
}

static void hmp_qom_set(HMPContext *ctx, json_t *args)
{
    const char *path = hmp_arg_str(args, "path");
    const char *property = hmp_arg_str(args, "property");
    const char *value = hmp_arg_str(args, "value");
    Error *err = NULL;

    if (!hmp_arg_bool(args, "json", false)) {
        set_from_text(path, property, value, &err);
    } else {
        g_autoptr(json_t) j = qobject_from_json(value, &err);

        if (j) {
            qmp_qom_set(path, property, j, &err);
        }
    }
    hmp_handle_error(ctx, err);
}

static void hmp_object_add(HMPContext *ctx, json_t *args)
{
    const char *text = hmp_arg_str(args, "object");
    Error *err = NULL;
    g_autofree char *help = user_creatable_help(text, &err);

    if (help) {
        hmp_printf(ctx, "%s", help);
    } else if (!err) {
        user_creatable_add_from_str(text, &err);
    }
    hmp_handle_error(ctx, err);
}

static void hmp_object_del(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    user_creatable_del(hmp_arg_str(args, "id"), &err);
    hmp_handle_error(ctx, err);
}

/* -- info qom-tree -------------------------------------------------------- */

static int collect_child(Object *child, void *opaque)
{
    g_ptr_array_add(opaque, object_ref(child));
    return 0;
}

static gint child_cmp(gconstpointer a, gconstpointer b)
{
    const char *na = object_get_canonical_path_component(*(Object *const *)a);
    const char *nb = object_get_canonical_path_component(*(Object *const *)b);

    return g_strcmp0(na, nb);
}

static void print_tree(HMPContext *ctx, Object *obj, int indent)
{
    const char *name = object_get_canonical_path_component(obj);
    g_autoptr(GPtrArray) children =
        g_ptr_array_new_with_free_func(object_unref);

    hmp_printf(ctx, "%*s/%s (%s)\n", indent, "", name ? name : "",
               object_get_typename(obj));
    object_child_foreach(obj, collect_child, children);
    g_ptr_array_sort(children, child_cmp);
    for (guint i = 0; i < children->len; i++) {
        print_tree(ctx, children->pdata[i], indent + 2);
    }
}

static void hmp_info_qom_tree(HMPContext *ctx, json_t *args)
{
    const char *path = hmp_arg_str(args, "path");
    bool ambiguous = false;
    g_autoptr(Object) obj = object_resolve_path_type_ref(
        path ? path : "/machine", TYPE_OBJECT, &ambiguous);

    if (!obj && !path) {
        obj = object_ref(object_get_root());
    }
    if (!obj) {
        hmp_printf(ctx,
                   ambiguous ? "path '%s' is ambiguous\n"
                             : "there is no object '%s'\n",
                   path);
        return;
    }
    print_tree(ctx, obj, 0);
}

/* -- completion ----------------------------------------------------------- */

static void complete_type(HMPContext *ctx, int arg_index, const char *text)
{
    g_autoptr(GSList) list =
        object_class_get_list_sorted(TYPE_USER_CREATABLE, false);

    for (GSList *e = arg_index == 0 ? list : NULL; e; e = e->next) {
        const char *name = object_class_get_name(e->data);

        if (g_str_has_prefix(name, text)) {
            hmp_add_completion(ctx, name);
        }
    }
}

static void complete_id(HMPContext *ctx, int arg_index, const char *text)
{
    g_autoptr(GPtrArray) objects = g_ptr_array_new_with_free_func(object_unref);

    if (arg_index == 0) {
        object_child_foreach(object_get_objects_root(), collect_child, objects);
    }
    for (guint i = 0; i < objects->len; i++) {
        const char *id = object_get_canonical_path_component(objects->pdata[i]);

        if (id && g_str_has_prefix(id, text)) {
            hmp_add_completion(ctx, id);
        }
    }
}

const HMPCommand qom_hmp_commands[] = {
    {
        .name = "object_add",
        .args = "object:S",
        .params = "[qom-type=]type,id=str[,prop=value][,...]",
        .help = "make an object",
        .handler = hmp_object_add,
        .complete = complete_type,
    },
    {
        .name = "object_del",
        .args = "id:s",
        .params = "id",
        .help = "remove an object",
        .handler = hmp_object_del,
        .complete = complete_id,
    },
    {
        .name = "qom-get",
        .args = "path:s,property:s",
        .params = "path property",
        .help = "show a property of an object",
        .handler = hmp_qom_get,
        .flags = HMP_PRECONFIG,
    },
    {
        .name = "qom-list",
        .args = "path:s?",
        .params = "path",
        .help = "list the properties of an object",
        .handler = hmp_qom_list,
        .flags = HMP_PRECONFIG,
    },
    {
        .name = "qom-set",
        .args = "json:-j,path:s,property:s,value:S",
        .params = "[-j] path property value",
        .help = "change a property of an object; -j: the value is JSON",
        .handler = hmp_qom_set,
        .flags = HMP_PRECONFIG,
    },
    {},
};

const HMPCommand qom_hmp_info[] = {
    {
        .name = "qom-tree",
        .args = "path:s?",
        .params = "[path]",
        .help = "show the tree of objects",
        .handler = hmp_info_qom_tree,
        .flags = HMP_PRECONFIG,
    },
    {},
};
