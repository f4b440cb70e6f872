/*
 * Property tables and hand-made properties: storage, defaults, ranges,
 * flags, texts, JSON, aliases.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/json.h"
#include "qapi/util.h"
#include "qapi/visitor.h"
#include "qom/property.h"
#include "qom/types.h"
#include "util/error.h"

#define TYPE_BOX   "test-box"
#define TYPE_CRATE "test-crate"

typedef enum Colour {
    COLOUR_RED,
    COLOUR_GREEN
} Colour;

static const QEnumLookup colour_lookup = {
    .array = (const char *const[]){ "red", "green" },
    .size = 2,
};

typedef struct Box {
    Object parent_obj;
    bool open;
    char *label;
    char *password;
    int8_t i8;
    int64_t i64;
    uint16_t port;
    uint64_t big;
    uint64_t size;
    int colour;
    Object *peer;
    json_t *extra;
    int custom;
    uint32_t counter;
    bool loaded;
    bool sealed;
} Box;

OBJECT_DECLARE_SIMPLE_TYPE(Box, BOX)

static void custom_get(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    int64_t value = BOX(obj)->custom;

    visit_type_int(v, name, &value, errp);
}

static void custom_set(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    int64_t value;

    g_assert_cmpstr(((const Property *)opaque)->name, ==, "custom");
    if (visit_type_int(v, name, &value, errp)) {
        BOX(obj)->custom = (int)value;
    }
}

static bool check_label(Object *obj, const Property *prop, const void *value,
                        Error **errp)
{
    const char *label = *(char *const *)value;

    if (strchr(label, '/')) {
        error_setg(errp, "label '%s' has a slash", label);
        return false;
    }
    return true;
}

static const Property box_props[] = {
    { "open", PROP_BOOL, offsetof(Box, open), .def = "on", .help = "is open",
      .flags = PROP_F_RUNTIME },
    { "label", PROP_STR, offsetof(Box, label), .def = "plain",
      .check = check_label },
    { "password", PROP_STR, offsetof(Box, password),
      .flags = PROP_F_WRITE_ONLY | PROP_F_WIPE },
    { "i8", PROP_INT8, offsetof(Box, i8), .def = "-5", .min = -10, .max = 10 },
    { "i64", PROP_INT64, offsetof(Box, i64) },
    { "port", PROP_UINT16, offsetof(Box, port), .def = "0x10" },
    { "big", PROP_UINT64, offsetof(Box, big) },
    { "size", PROP_SIZE, offsetof(Box, size), .def = "64k", .min = 512,
      .max = 1 << 20, .unit = "bytes", .help = "how much fits in" },
    { "colour", PROP_ENUM, offsetof(Box, colour), .qapi_type = "Colour",
      .lookup = &colour_lookup, .def = "green" },
    { "peer", PROP_LINK, offsetof(Box, peer), .link_type = TYPE_BOX },
    { "extra", PROP_JSON, offsetof(Box, extra), .def = "{ 'a': [1, 2] }" },
    { "custom", PROP_CUSTOM, .qapi_type = "int", .get = custom_get,
      .set = custom_set },
    { "counter", PROP_UINT32, offsetof(Box, counter),
      .flags = PROP_F_READ_ONLY },
    { "loaded", PROP_BOOL, offsetof(Box, loaded), .flags = PROP_F_DEPRECATED,
      .check = property_only_true },
    {},
};

static int boxes; /* alive */

static void box_init(Object *obj)
{
    /* Defaults are there already, and may be changed. */
    g_assert_cmpstr(BOX(obj)->label, ==, "plain");
    BOX(obj)->custom = 7;
    boxes++;
}

static void box_finalize(Object *obj)
{
    /* Values are still there. */
    g_assert_nonnull(BOX(obj)->label);
    boxes--;
}

static const Property crate_props[] = {
    { "size", PROP_SIZE, offsetof(Box, size), .def = "1M", .min = 1,
      .max = UINT64_MAX },
    { "i64", PROP_INT64, offsetof(Box, i64), .flags = PROP_F_REQUIRED },
    { "sealed", PROP_BOOL, offsetof(Box, sealed), .flags = PROP_F_REQUIRED },
    {},
};

static const TypeInfo test_types[] = {
    {
        .name = TYPE_BOX,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Box),
        .instance_init = box_init,
        .instance_finalize = box_finalize,
        .props = box_props,
    },
    { .name = TYPE_CRATE, .parent = TYPE_BOX, .props = crate_props },
};

static Box *box_new(void)
{
    return BOX(object_new(TYPE_BOX));
}

static void test_defaults(void)
{
    g_autoptr(Box) b = box_new();

    g_assert_true(b->open);
    g_assert_cmpstr(b->label, ==, "plain");
    g_assert_null(b->password);
    g_assert_cmpint(b->i8, ==, -5);
    g_assert_cmpint(b->i64, ==, 0);
    g_assert_cmpuint(b->port, ==, 16);
    g_assert_cmpuint(b->size, ==, 65536);
    g_assert_cmpint(b->colour, ==, COLOUR_GREEN);
    g_assert_null(b->peer);
    g_assert_cmpuint(json_array_size(json_object_get(b->extra, "a")), ==, 2);
    g_assert_cmpint(b->custom, ==, 7);

    /* Each instance has its own copy of JSON. */
    json_object_clear(b->extra);
    g_autoptr(Box) other = box_new();
    g_assert_cmpuint(json_object_size(other->extra), ==, 1);
}

static void test_inherited_default(void)
{
    g_autoptr(Box) crate = BOX(object_new(TYPE_CRATE));

    g_assert_cmpuint(crate->size, ==, 1 << 20);
    /* And the range is the subclass's. */
    g_assert_true(object_property_set_uint(OBJECT(crate), "size", UINT64_MAX,
                                           &error_abort));
    g_assert_cmpuint(crate->size, ==, UINT64_MAX);
    g_assert_cmpuint(object_property_get_uint(OBJECT(crate), "size",
                                              &error_abort),
                     ==, UINT64_MAX);
}

static void test_set_get(void)
{
    g_autoptr(Box) b = box_new();
    Object *o = OBJECT(b);
    g_autofree char *label = NULL;
    g_autofree char *type = NULL;

    g_assert_true(object_property_set_bool(o, "open", false, &error_abort));
    g_assert_false(b->open);
    g_assert_false(object_property_get_bool(o, "open", &error_abort));
    g_assert_true(object_property_set_str(o, "label", "new", &error_abort));
    label = object_property_get_str(o, "label", &error_abort);
    g_assert_cmpstr(label, ==, "new");
    g_assert_true(object_property_set_int(o, "i64", INT64_MIN, &error_abort));
    g_assert_cmpint(object_property_get_int(o, "i64", &error_abort), ==,
                    INT64_MIN);
    g_assert_true(object_property_set_uint(o, "big", UINT64_MAX, &error_abort));
    g_assert_cmpuint(object_property_get_uint(o, "big", &error_abort), ==,
                     UINT64_MAX);
    g_assert_true(object_property_set_str(o, "colour", "red", &error_abort));
    g_assert_cmpint(b->colour, ==, COLOUR_RED);
    g_assert_cmpint(object_property_get_enum(o, "colour", "Colour",
                                             &error_abort),
                    ==, COLOUR_RED);
    g_assert_true(object_property_set_int(o, "custom", 99, &error_abort));
    g_assert_cmpint(object_property_get_int(o, "custom", &error_abort), ==, 99);
    type = object_property_get_str(o, "type", &error_abort);
    g_assert_cmpstr(type, ==, TYPE_BOX);
    g_assert_cmpstr(object_property_get_type(o, "peer", &error_abort), ==,
                    "link<test-box>");
}

/* Set @name from text and expect this failure. */
static void expect_error(Object *o, const char *name, const char *text,
                         const char *message)
{
    Error *err = NULL;

    g_assert_false(object_property_parse(o, name, text, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static void test_ranges(void)
{
    g_autoptr(Box) b = box_new();
    Object *o = OBJECT(b);

    object_property_add_child(object_get_objects_root(), "b0", o);
    g_assert_true(object_property_parse(o, "i8", "-10", &error_abort));
    g_assert_true(object_property_parse(o, "i8", "10", &error_abort));
    expect_error(o, "i8", "11",
                 "object 'b0': property 'i8': value 11 is out of range -10 to "
                 "10");
    expect_error(o, "i8", "-11",
                 "object 'b0': property 'i8': value -11 is out of range -10 to "
                 "10");
    g_assert_cmpint(b->i8, ==, 10);
    expect_error(o, "port", "65536",
                 "object 'b0': property 'port': value 65536 is out of range 0 "
                 "to 65535");
    expect_error(o, "size", "2M",
                 "object 'b0': property 'size': value 2097152 is out of range "
                 "512 to 1048576 bytes");
    g_assert_true(object_property_parse(o, "size", "0.5k", &error_abort));
    g_assert_cmpuint(b->size, ==, 512);

    Error *err = NULL;
    g_assert_false(object_property_parse(o, "colour", "blue", &err));
    g_assert_true(g_str_has_prefix(error_get_pretty(err), "object 'b0': "));
    g_assert_nonnull(strstr(error_get_pretty(err), "colour"));
    g_assert_nonnull(strstr(error_get_pretty(err), "blue"));
    error_free_or_abort(&err);
    g_assert_false(object_property_parse(o, "port", "http", &err));
    error_free_or_abort(&err);
    g_assert_false(object_property_parse(o, "open", "perhaps", &err));
    error_free_or_abort(&err);
    object_unparent(o);
}

static void test_flags(void)
{
    g_autoptr(Box) b = box_new();
    Object *o = OBJECT(b);
    Error *err = NULL;

    g_assert_true(
        object_property_set_str(o, "password", "geheim", &error_abort));
    g_assert_cmpstr(b->password, ==, "geheim");
    g_assert_null(object_property_get_str(o, "password", &err));
    g_assert_null(strstr(error_get_pretty(err), "geheim"));
    error_free_or_abort(&err);
    expect_error(o, "counter", "1",
                 "'test-box' object: property 'counter' cannot be written");
    expect_error(o, "nothing", "1",
                 "'test-box' object has no property 'nothing'");
    expect_error(o, "label", "a/b", "label 'a/b' has a slash");
    g_assert_cmpstr(b->label, ==, "plain");

    g_assert_true(object_property_parse(o, "loaded", "on", &error_abort));
    expect_error(o, "loaded", "off",
                 "'test-box' object: property 'loaded' can only be true");

    object_set_completed(o, true);
    expect_error(o, "label", "late",
                 "'test-box' object: property 'label' cannot be changed any "
                 "more");
    g_assert_cmpstr(b->label, ==, "plain");
    g_assert_true(object_property_parse(o, "open", "off", &error_abort));
}

static void test_required(void)
{
    g_autoptr(Box) crate = BOX(object_new(TYPE_CRATE));
    Object *o = OBJECT(crate);
    Error *err = NULL;

    g_assert_false(object_check_required(o, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "'test-crate' object: property 'i64' must be given");
    error_free_or_abort(&err);
    /* Zero is a value like any other. */
    g_assert_true(object_property_parse(o, "i64", "0", &error_abort));
    g_assert_false(object_check_required(o, &err));
    error_free_or_abort(&err);
    g_assert_true(object_property_parse(o, "sealed", "off", &error_abort));
    g_assert_true(object_check_required(o, &error_abort));

    g_autoptr(Box) b = box_new();
    g_assert_true(object_check_required(OBJECT(b), &error_abort));
}

static void test_link(void)
{
    g_autoptr(Box) a = box_new();
    g_autoptr(Box) b = box_new();
    Object *root = object_get_objects_root();
    Error *err = NULL;

    object_property_add_child(root, "a", OBJECT(a));
    object_property_add_child(root, "b", OBJECT(b));
    g_assert_true(
        object_property_set_str(OBJECT(a), "peer", "b", &error_abort));
    g_assert_true(a->peer == OBJECT(b));
    g_assert_cmpuint(OBJECT(b)->ref, ==, 3);
    g_assert_true(object_property_get_link(OBJECT(a), "peer", &error_abort) ==
                  OBJECT(b));
    g_autofree char *path =
        object_property_get_str(OBJECT(a), "peer", &error_abort);
    g_assert_cmpstr(path, ==, "/objects/b");
    g_assert_true(object_resolve_path("/objects/a/peer", NULL) == OBJECT(b));

    expect_error(OBJECT(a), "peer", "nobody",
                 "object 'a': property 'peer': there is no object 'nobody'");
    expect_error(OBJECT(a), "peer", "/objects",
                 "object 'a': property 'peer': '/objects' is not a 'test-box' "
                 "object");
    g_assert_false(object_property_set_link(OBJECT(a), "peer", root, &err));
    error_free_or_abort(&err);
    g_assert_true(a->peer == OBJECT(b));

    g_assert_true(
        object_property_set_link(OBJECT(a), "peer", NULL, &error_abort));
    g_assert_null(a->peer);
    g_assert_cmpuint(OBJECT(b)->ref, ==, 2);
    g_assert_true(
        object_property_set_link(OBJECT(a), "peer", OBJECT(b), &error_abort));
    g_assert_cmpuint(OBJECT(b)->link_users, ==, 1);
    object_unparent(OBJECT(a));
    object_unparent(OBJECT(b));
    /* a's end releases b. */
    g_clear_pointer(&a, object_unref);
    g_assert_cmpuint(OBJECT(b)->ref, ==, 1);
    g_assert_cmpuint(OBJECT(b)->link_users, ==, 0);
}

static void test_json(void)
{
    g_autoptr(Box) b = box_new();
    Object *o = OBJECT(b);
    Error *err = NULL;
    g_autoptr(json_t) props = qobject_from_json(
        "{'label': 'x', 'i64': -3, 'size': 4096, 'extra': [true],"
        " 'big': 18446744073709551615}",
        &error_abort);

    g_assert_true(object_set_properties_from_json(o, props, &error_abort));
    g_assert_cmpint(b->i64, ==, -3);
    g_assert_cmpuint(b->size, ==, 4096);
    g_assert_cmpuint(b->big, ==, UINT64_MAX);
    g_assert_true(json_is_array(b->extra));

    /* JSON is strict: text is no number there. */
    g_autoptr(json_t) wrong = qobject_from_json("{'size': '4k'}", &error_abort);
    g_assert_false(object_set_properties_from_json(o, wrong, &err));
    error_free_or_abort(&err);
    g_assert_true(object_set_properties_from_keyval(o, wrong, &error_abort));
    g_autoptr(json_t) unknown = qobject_from_json("{'sise': 1}", &error_abort);
    g_assert_false(object_set_properties_from_json(o, unknown, &err));
    error_free_or_abort(&err);

    g_assert_true(
        object_property_parse(o, "extra", "{\"k\": 1}", &error_abort));
    g_assert_cmpint(json_integer_value(json_object_get(b->extra, "k")), ==, 1);
    g_autoptr(json_t) value =
        object_property_get_qobject(o, "size", &error_abort);
    g_assert_cmpint(json_integer_value(value), ==, 4096);
}

static void test_print(void)
{
    g_autoptr(Box) b = box_new();
    Object *o = OBJECT(b);
    static const struct {
        const char *name;
        bool human;
        const char *text;
    } cases[] = {
        { "label", false, "plain" },
        { "label", true, "\"plain\"" },
        { "open", false, "true" },
        { "size", false, "65536" },
        { "size", true, "65536 (64 KiB)" },
        { "port", true, "16 (0x10)" },
        { "i8", true, "-5" },
        { "extra", false, "{\"a\": [1, 2]}" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = object_property_print(
            o, cases[i].name, cases[i].human, &error_abort);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_iteration(void)
{
    g_autoptr(Object) crate = object_new(TYPE_CRATE);
    ObjectPropertyIterator iter;
    ObjectProperty *prop;
    int sizes = 0, total = 0;

    object_property_add_bool(crate, "own", NULL, NULL);
    object_property_iter_init(&iter, crate);
    while ((prop = object_property_iter_next(&iter))) {
        g_assert_true((total == 0) == g_str_equal(prop->name, "own"));
        sizes += g_str_equal(prop->name, "size");
        total++;
    }
    g_assert_cmpint(sizes, ==, 1);
    /* own, sealed, the box's, type */
    g_assert_cmpint(total, ==, 1 + 1 + (int)G_N_ELEMENTS(box_props) - 1 + 1);

    g_autoptr(GPtrArray) table =
        qom_property_table(object_class_by_name(TYPE_CRATE));
    g_assert_cmpuint(table->len, ==, G_N_ELEMENTS(box_props));
    g_assert_true(table->pdata[0] == &box_props[0]);
    g_assert_true(table->pdata[4] == &crate_props[1]);
}

static void test_help(void)
{
    g_autofree char *help = object_class_help(object_class_by_name(TYPE_BOX));

    g_assert_nonnull(strstr(help, "  size=<size>            - how much fits in "
                                  "[bytes] (default: 65536)\n"));
    g_assert_nonnull(strstr(help, "  colour=<red|green>"));
    g_assert_null(strstr(help, "counter"));
    g_assert_null(strstr(help, "type="));
}

/* -- properties by hand --------------------------------------------------- */

static char *name_get(Object *obj, Error **errp)
{
    return g_strdup(BOX(obj)->label);
}

static void name_set(Object *obj, const char *value, Error **errp)
{
    if (!value[0]) {
        error_setg(errp, "no name");
        return;
    }
    g_free(BOX(obj)->label);
    BOX(obj)->label = g_strdup(value);
}

static int shade_get(Object *obj, Error **errp)
{
    return BOX(obj)->colour;
}

static void when_get(Object *obj, struct tm *tm, Error **errp)
{
    tm->tm_year = 126;
}

static void test_by_hand(void)
{
    g_autoptr(Box) b = box_new();
    Object *o = OBJECT(b);
    Error *err = NULL;
    uint8_t byte = 200;
    g_autofree char *text = NULL;

    object_property_add_str(o, "name", name_get, name_set);
    object_property_set_description(o, "name", "a name");
    object_property_add_enum(o, "shade", "Colour", &colour_lookup, shade_get,
                             NULL);
    object_property_add_tm(o, "when", when_get);
    object_property_add_uint8_ptr(o, "byte", &byte, OBJ_PROP_FLAG_READWRITE);
    g_assert_true(object_property_set_str(o, "name", "n", &error_abort));
    g_assert_cmpstr(b->label, ==, "n");
    g_assert_false(object_property_set_str(o, "name", "", &err));
    error_free_or_abort(&err);
    g_assert_cmpint(object_property_get_enum(o, "shade", "Colour",
                                             &error_abort),
                    ==, COLOUR_GREEN);
    g_assert_cmpint(object_property_get_enum(o, "shade", "Shade", &err), ==,
                    -1);
    error_free_or_abort(&err);
    g_assert_cmpuint(object_property_get_uint(o, "byte", &error_abort), ==,
                     200);
    g_assert_false(object_property_set_uint(o, "byte", 256, &err));
    error_free_or_abort(&err);
    g_assert_true(object_property_set_uint(o, "byte", 1, &error_abort));
    g_assert_cmpuint(byte, ==, 1);
    text = object_property_print(o, "when", false, &error_abort);
    g_assert_nonnull(strstr(text, "\"tm_year\": 126"));

    g_assert_null(object_property_try_add(o, "name", "bool", NULL, NULL, NULL,
                                          NULL, &err));
    error_free_or_abort(&err);
    object_property_del(o, "name");
    g_assert_null(object_property_find(o, "name"));
}

static void test_alias(void)
{
    g_autoptr(Box) outer = box_new();
    Box *inner = box_new();
    Error *err = NULL;

    object_property_add_child(OBJECT(outer), "inner", OBJECT(inner));
    object_unref(inner);
    object_property_add_alias(OBJECT(outer), "inner-size", OBJECT(inner),
                              "size");
    object_property_add_alias(OBJECT(outer), "second", OBJECT(outer), "inner");

    g_autoptr(json_t) props =
        qobject_from_json("{'inner-size': 1024}", &error_abort);
    g_assert_true(
        object_set_properties_from_json(OBJECT(outer), props, &error_abort));
    g_assert_cmpuint(inner->size, ==, 1024);
    g_assert_cmpuint(object_property_get_uint(OBJECT(outer), "inner-size",
                                              &error_abort),
                     ==, 1024);
    g_assert_false(
        object_property_parse(OBJECT(outer), "inner-size", "1", &err));
    error_free_or_abort(&err);
    g_assert_true(object_resolve_path_component(OBJECT(outer), "second") ==
                  OBJECT(inner));
    g_assert_cmpstr(object_property_get_type(OBJECT(outer), "second", NULL), ==,
                    "link<test-box>");
}

static void test_auto_index(void)
{
    g_autoptr(Object) o = object_new(TYPE_CONTAINER);

    for (int i = 0; i < 3; i++) {
        g_autoptr(Object) child = object_new(TYPE_CONTAINER);
        g_autofree char *name = g_strdup_printf("dev[%d]", i);

        g_assert_cmpstr(object_property_add_child(o, "dev[*]", child)->name, ==,
                        name);
    }
    object_unparent(object_resolve_path_component(o, "dev[1]"));
    g_autoptr(Object) again = object_new(TYPE_CONTAINER);
    g_assert_cmpstr(object_property_add_child(o, "dev[*]", again)->name, ==,
                    "dev[1]");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qom_register_types();
    type_register_static_array(test_types, G_N_ELEMENTS(test_types));
    g_test_add_func("/qom/property/defaults", test_defaults);
    g_test_add_func("/qom/property/inherited-default", test_inherited_default);
    g_test_add_func("/qom/property/set-get", test_set_get);
    g_test_add_func("/qom/property/ranges", test_ranges);
    g_test_add_func("/qom/property/flags", test_flags);
    g_test_add_func("/qom/property/required", test_required);
    g_test_add_func("/qom/property/link", test_link);
    g_test_add_func("/qom/property/json", test_json);
    g_test_add_func("/qom/property/print", test_print);
    g_test_add_func("/qom/property/iteration", test_iteration);
    g_test_add_func("/qom/property/help", test_help);
    g_test_add_func("/qom/property/by-hand", test_by_hand);
    g_test_add_func("/qom/property/alias", test_alias);
    g_test_add_func("/qom/property/auto-index", test_auto_index);
    int ret = g_test_run();

    g_assert_cmpint(boxes, ==, 0);
    return ret;
}
