/*
 * Objects that users create, and the QMP and human commands about them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"
#include "qapi/qapi-commands-qom.h"
#include "qom/object_interfaces.h"
#include "qom/property.h"
#include "qom/qom-hmp.h"
#include "qom/types.h"
#include "util/error.h"

#define TYPE_LAMP  "test-lamp"
#define TYPE_TABLE "test-table"

typedef struct Lamp {
    Object parent_obj;
    uint64_t watts;
    char *maker;
    bool broken;
    bool lit;
    bool screwed_in;
} Lamp;

typedef struct Table {
    Object parent_obj;
    Object *lamp;
} Table;

OBJECT_DECLARE_SIMPLE_TYPE(Lamp, LAMP)
OBJECT_DECLARE_SIMPLE_TYPE(Table, TABLE)

static const Property lamp_props[] = {
    { "watts", PROP_UINT64, offsetof(Lamp, watts), .flags = PROP_F_REQUIRED,
      .max = 100, .unit = "W", .help = "power" },
    { "maker", PROP_STR, offsetof(Lamp, maker), .flags = PROP_F_RUNTIME },
    { "broken", PROP_BOOL, offsetof(Lamp, broken) },
    {},
};

static const Property table_props[] = {
    { "lamp", PROP_LINK, offsetof(Table, lamp), .link_type = TYPE_LAMP },
    {},
};

static int lamps; /* alive */

static void lamp_init(Object *obj)
{
    lamps++;
}

static void lamp_finalize(Object *obj)
{
    lamps--;
}

static void lamp_complete(UserCreatable *uc, Error **errp)
{
    Lamp *lamp = LAMP(uc);

    if (lamp->broken) {
        error_setg(errp, "the lamp stays dark");
        return;
    }
    g_assert_false(lamp->lit); /* once only */
    lamp->lit = true;
}

static bool lamp_can_be_deleted(UserCreatable *uc)
{
    return !LAMP(uc)->screwed_in;
}

static void lamp_class_init(ObjectClass *klass, void *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(klass);

    ucc->complete = lamp_complete;
    ucc->can_be_deleted = lamp_can_be_deleted;
}

static InterfaceInfo interfaces[] = { { TYPE_USER_CREATABLE }, {} };

static const TypeInfo test_types[] = {
    {
        .name = TYPE_LAMP,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Lamp),
        .instance_init = lamp_init,
        .instance_finalize = lamp_finalize,
        .class_init = lamp_class_init,
        .interfaces = interfaces,
        .props = lamp_props,
        .alias = "test-light",
    },
    {
        .name = TYPE_TABLE,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Table),
        .interfaces = interfaces,
        .props = table_props,
    },
    {
        .name = "test-furniture",
        .parent = TYPE_OBJECT,
        .interfaces = interfaces,
        .abstract = true,
    },
    { .name = "test-unlisted", .parent = TYPE_OBJECT },
};

static void test_add_del(void)
{
    static const char *const texts[] = {
        "test-lamp,id=l0,watts=60,maker=Acme,,Inc",
        "qom-type=test-light,watts=0x3c,id=l0,maker=Acme,,Inc",
        "{\"qom-type\": \"test-lamp\", \"id\": \"l0\", \"watts\": 60,"
        " \"maker\": \"Acme,Inc\"}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_true(user_creatable_add_from_str(texts[i], &error_abort));
        Lamp *lamp = LAMP(object_resolve_path("/objects/l0", NULL));

        g_assert_true(lamp->lit);
        g_assert_cmpuint(lamp->watts, ==, 60);
        g_assert_cmpstr(lamp->maker, ==, "Acme,Inc");
        g_assert_cmpuint(OBJECT(lamp)->ref, ==, 1);
        g_assert_true(
            user_creatable_complete((UserCreatable *)lamp, &error_abort));
        g_assert_true(user_creatable_del("l0", &error_abort));
        g_assert_cmpint(lamps, ==, 0);
    }
}

static void test_add_errors(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "test-lamp,watts=1", "parameter 'id' is missing" },
        { "id=x", "parameter 'qom-type' is missing" },
        { "test-nothing,id=x", "there is no object type 'test-nothing'" },
        { "test-unlisted,id=x",
          "object type 'test-unlisted' cannot be created by a user" },
        { "test-furniture,id=x", "object type 'test-furniture' is abstract" },
        { "test-lamp,id=0x,watts=1", "'0x' is not a valid object id" },
        { "test-lamp,id=a/b,watts=1", "'a/b' is not a valid object id" },
        { "test-lamp,id=type,watts=1", "there is an object 'type' already" },
        { "test-lamp,id=used,watts=1", "there is an object 'used' already" },
        { "test-lamp,id=x", "object 'x': property 'watts' must be given" },
        { "test-lamp,id=x,watts=101",
          "object 'x': property 'watts': value 101 is out of range 0 to 100 "
          "W" },
        { "test-lamp,id=x,watts=1,colour=red",
          "object 'x' has no property 'colour'" },
        { "test-lamp,id=x,watts=1,broken=on",
          "object 'x': the lamp stays dark" },
        { "test-lamp,help", "help is not available here" },
        { "test-lamp,=", "invalid parameter ''" },
        { "{'qom-type': 'test-lamp', 'id': 7}", "parameter 'id' is missing" },
    };

    g_assert_true(
        user_creatable_add_from_str("test-lamp,id=used,watts=1", &error_abort));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Error *err = NULL;

        g_assert_false(user_creatable_add_from_str(cases[i].text, &err));
        g_assert_cmpstr(error_get_pretty(err), ==, cases[i].message);
        error_free(err);
        g_assert_cmpint(lamps, ==, 1);
        g_assert_null(object_resolve_path("/objects/x", NULL));
    }
    g_assert_true(user_creatable_del("used", &error_abort));
}

static void test_in_use(void)
{
    Error *err = NULL;

    user_creatable_add_from_str("test-lamp,id=l,watts=1", &error_abort);
    user_creatable_add_from_str("test-table,id=t,lamp=l", &error_abort);
    g_assert_false(user_creatable_del("l", &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "object 'l' is in use, can not be deleted");
    error_free_or_abort(&err);
    user_creatable_del("t", &error_abort);
    Lamp *lamp = LAMP(object_resolve_path("/objects/l", NULL));

    lamp->screwed_in = true; /* now the class refuses */
    g_assert_false(user_creatable_del("l", &err));
    error_free_or_abort(&err);
    lamp->screwed_in = false;
    g_assert_true(user_creatable_del("l", &error_abort));
    g_assert_false(user_creatable_del("l", &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "there is no object 'l'");
    error_free_or_abort(&err);
}

static void test_help(void)
{
    Error *err = NULL;
    g_autofree char *list = user_creatable_help("help", &error_abort);
    g_autofree char *lamp =
        user_creatable_help("test-light,help", &error_abort);
    g_autofree char *lamp2 =
        user_creatable_help("watts=1,qom-type=test-lamp,?", &error_abort);

    g_assert_true(g_str_has_prefix(list, "Objects:\n"));
    g_assert_nonnull(strstr(list, "  test-lamp\n"));
    g_assert_null(strstr(list, "test-furniture"));
    g_assert_true(g_str_has_prefix(lamp, "test-light options:\n"));
    g_assert_nonnull(strstr(lamp, "watts=<uint64>"));
    g_assert_nonnull(strstr(lamp, "power [W] (required)\n"));
    g_assert_nonnull(lamp2);
    g_assert_null(user_creatable_help("test-lamp,id=x", &error_abort));
    g_assert_null(user_creatable_help("{}", &error_abort));
    g_assert_null(user_creatable_help("test-nothing,help", &err));
    error_free_or_abort(&err);
}

/* -- QMP ------------------------------------------------------------------ */

static void test_qmp(void)
{
    Error *err = NULL;
    g_autoptr(json_t) open =
        qobject_from_json("{'watts': 40, 'maker': 'm'}", &error_abort);
    ObjectOptions options = {
        .qom_type = (char *)"test-lamp",
        .id = (char *)"q",
        .open_members = open,
    };

    qmp_object_add(&options, &error_abort);
    g_autoptr(json_t) watts = qmp_qom_get("/objects/q", "watts", &error_abort);
    g_assert_cmpint(json_integer_value(watts), ==, 40);
    g_autoptr(json_t) name = json_string("new");
    qmp_qom_set("q", "maker", name, &error_abort);
    qmp_qom_set("q", "watts", watts, &err); /* not at run time */
    error_free_or_abort(&err);
    g_assert_null(qmp_qom_get("/nowhere", "x", &err));
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_DEVICE_NOT_FOUND);
    error_free_or_abort(&err);

    g_autoptr(ObjectPropertyInfoList) list =
        qmp_qom_list("/objects", &error_abort);
    g_assert_cmpstr(list->value->name, ==, "q");
    g_assert_cmpstr(list->value->type, ==, "child<test-lamp>");
    g_assert_cmpstr(list->next->value->name, ==, "type");
    g_assert_null(list->next->next);
    qmp_object_del("q", &error_abort);
    qmp_object_del("q", &err);
    error_free_or_abort(&err);
}

static void test_qmp_types(void)
{
    Error *err = NULL;
    g_autoptr(ObjectTypeInfoList) types =
        qmp_qom_list_types(TYPE_USER_CREATABLE, false, false, &error_abort);
    g_autoptr(ObjectTypeInfoList) all =
        qmp_qom_list_types(TYPE_USER_CREATABLE, true, true, &error_abort);

    g_assert_cmpstr(types->value->name, ==, TYPE_LAMP);
    g_assert_cmpstr(types->value->parent, ==, TYPE_OBJECT);
    g_assert_cmpstr(types->next->value->name, ==, TYPE_TABLE);
    g_assert_null(types->next->next);
    g_assert_cmpstr(all->value->name, ==, "test-furniture");
    g_assert_true(all->value->abstract);

    g_autoptr(ObjectPropertyInfoList) props =
        qmp_qom_list_properties(TYPE_LAMP, &error_abort);
    g_assert_cmpstr(props->value->name, ==, "watts");
    g_assert_cmpstr(props->value->type, ==, "uint64");
    g_assert_cmpstr(props->value->description, ==, "power");
    g_assert_null(qmp_qom_list_properties("test-nothing", &err));
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_DEVICE_NOT_FOUND);
    error_free_or_abort(&err);
    g_assert_null(qmp_device_list_properties(TYPE_LAMP, &err));
    error_free_or_abort(&err);
}

/* -- human monitor -------------------------------------------------------- */

static void print_to_string(HMPContext *ctx, const char *fmt, va_list ap)
{
    g_string_append_vprintf(ctx->opaque, fmt, ap);
}

static void complete_to_string(HMPContext *ctx, const char *text)
{
    g_string_append_printf(ctx->opaque, "%s ", text);
}

static const HMPCommand *find_command(const HMPCommand *table, const char *name)
{
    while (!g_str_equal(table->name, name)) {
        table++;
    }
    return table;
}

/* What @name prints with these arguments. */
static char *hmp(const HMPCommand *table, const char *name, const char *args)
{
    GString *out = g_string_new(NULL);
    HMPContext ctx = { .vprintf = print_to_string, .opaque = out };
    g_autoptr(json_t) json = qobject_from_json(args, &error_abort);

    find_command(table, name)->handler(&ctx, json);
    return g_string_free(out, FALSE);
}

static void expect_hmp(const char *name, const char *args, const char *output)
{
    g_autofree char *out = hmp(qom_hmp_commands, name, args);

    g_assert_cmpstr(out, ==, output);
}

static void test_hmp(void)
{
    expect_hmp("object_add", "{'object': 'test-lamp,id=h,watts=5'}", "");
    expect_hmp("object_add", "{'object': 'test-lamp,id=h,watts=5'}",
               "Error: there is an object 'h' already\n");
    expect_hmp("qom-list", "{}", "/\n");
    expect_hmp("qom-list", "{'path': '/objects'}",
               "h (child<test-lamp>)\ntype (string)\n");
    expect_hmp("qom-get", "{'path': 'h', 'property': 'watts'}", "5\n");
    expect_hmp("qom-set", "{'path': 'h', 'property': 'maker', 'value': 'x'}",
               "");
    expect_hmp("qom-set",
               "{'json': true, 'path': 'h', 'property': 'maker',"
               " 'value': '\"y\"'}",
               "");
    expect_hmp("qom-get", "{'path': 'h', 'property': 'maker'}", "\"y\"\n");
    expect_hmp("qom-set", "{'path': 'no', 'property': 'maker', 'value': 'x'}",
               "Error: there is no object 'no'\n");
    g_autofree char *tree = hmp(qom_hmp_info, "qom-tree", "{}");
    g_assert_cmpstr(tree, ==,
                    "/ (container)\n"
                    "  /objects (container)\n"
                    "    /h (test-lamp)\n");

    GString *names = g_string_new(NULL);
    HMPContext ctx = { .add_completion = complete_to_string, .opaque = names };
    find_command(qom_hmp_commands, "object_del")->complete(&ctx, 0, "");
    find_command(qom_hmp_commands, "object_add")->complete(&ctx, 0, "test-t");
    g_assert_cmpstr(names->str, ==, "h test-table ");
    g_string_free(names, TRUE);
    expect_hmp("object_del", "{'id': 'h'}", "");
    expect_hmp("object_del", "{'id': 'h'}", "Error: there is no object 'h'\n");
}

static void test_cleanup(void)
{
    user_creatable_add_from_str("test-lamp,id=l,watts=1", &error_abort);
    user_creatable_add_from_str("test-table,id=t,lamp=l", &error_abort);
    user_creatable_cleanup();
    g_assert_cmpint(lamps, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qom_register_types();
    type_register_static_array(test_types, G_N_ELEMENTS(test_types));
    g_test_add_func("/qom/user-creatable/add-del", test_add_del);
    g_test_add_func("/qom/user-creatable/add-errors", test_add_errors);
    g_test_add_func("/qom/user-creatable/in-use", test_in_use);
    g_test_add_func("/qom/user-creatable/help", test_help);
    g_test_add_func("/qom/user-creatable/qmp", test_qmp);
    g_test_add_func("/qom/user-creatable/qmp-types", test_qmp_types);
    g_test_add_func("/qom/user-creatable/hmp", test_hmp);
    g_test_add_func("/qom/user-creatable/cleanup", test_cleanup);
    return g_test_run();
}
