/*
 * query-qmp-schema of the test schema: conditions, features, variants, open
 * unions, subsets of commands.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/introspect.h"
#include "qapi/qapi-init-commands.h"
#include "qapi/qapi-introspect.h"
#include "qapi/qapi-types-test-schema.h"

#include "schema-walk.h"

static void fill(QapiOpenUnion *u, void *opaque)
{
    const char *tag = qapi_open_union_tag(u);
    int *calls = opaque;
    QapiOpenVariant *variant;

    (*calls)++;
    if (strcmp(tag, "test-backends") == 0) {
        variant = qapi_open_union_add(u, "red", "data");
        qapi_open_variant_member(variant, "color", NULL, &TestColor_lookup,
                                 true, 0);
        variant = qapi_open_union_add(u, "puce", "data");
        qapi_open_variant_member(variant, "color", NULL, &TestColor_lookup,
                                 false, 1u << QAPI_DEPRECATED);
        return;
    }
    g_assert_cmpstr(tag, ==, "test-things");
    variant = qapi_open_union_add(u, "thing", NULL);
    qapi_open_variant_member(variant, "port", "uint16", NULL, true, 0);
    qapi_open_variant_member(variant, "names", "[str]", NULL, false,
                             1u << QAPI_UNSTABLE);
    qapi_open_variant_member(variant, "leaf", "TestLeaf", NULL, true, 0);
    qapi_open_union_add(u, "empty", NULL);
}

static json_t *find_named(json_t *list, const char *key, const char *name)
{
    json_t *element;
    size_t i;

    json_array_foreach(list, i, element)
    {
        const char *value = json_string_value(json_object_get(element, key));

        if (value && strcmp(value, name) == 0) {
            return element;
        }
    }
    return NULL;
}

static json_t *member(json_t *entity, const char *name)
{
    return find_named(json_object_get(entity, "members"), "name", name);
}

static json_t *member_type(json_t *schema, json_t *entity, const char *name)
{
    return walk_find(schema, walk_str(member(entity, name), "type"));
}

static json_t *arg_type(json_t *schema, const char *command)
{
    return walk_find(schema, walk_str(walk_find(schema, command), "arg-type"));
}

static json_t *variant_of(json_t *schema, json_t *object, const char *name)
{
    json_t *variant =
        find_named(json_object_get(object, "variants"), "case", name);

    g_assert_nonnull(variant);
    return walk_find(schema, walk_str(variant, "type"));
}

static void check_json(json_t *value, const char *expected)
{
    g_autofree char *text = g_string_free(qobject_to_json(value), false);

    g_assert_cmpstr(text, ==, expected);
}

static void test_commands(void)
{
    g_autoptr(json_t) schema =
        qapi_introspect(qapi_introspect_data, NULL, NULL, NULL);
    json_t *sum = walk_find(schema, "test-sum");
    json_t *leaf = arg_type(schema, "test-leaf");

    schema_walk(schema);
    g_assert_true(json_is_true(json_object_get(sum, "allow-oob")));
    g_assert_cmpstr(walk_str(sum, "ret-type"), ==, "int");
    g_assert_null(
        json_object_get(walk_find(schema, "test-nothing"), "allow-oob"));
    check_json(json_object_get(arg_type(schema, "test-nothing"), "members"),
               "[]");
    check_json(json_object_get(arg_type(schema, "test-sum"), "members"),
               "[{\"name\": \"a\", \"type\": \"int\"}, {\"name\": \"b\", "
               "\"type\": \"int\", \"default\": null}]");
    g_assert_null(walk_find(schema, "test-gone"));
    check_json(json_object_get(walk_find(schema, "test_old_name"), "features"),
               "[\"deprecated\"]");
    /* members of the base, features, conditions, recursion */
    g_assert_nonnull(member(leaf, "size"));
    g_assert_null(member(leaf, "gone"));
    check_json(json_object_get(member(leaf, "old"), "features"),
               "[\"deprecated\"]");
    g_assert_true(member_type(schema, leaf, "next") == leaf);
    /* type names are no part of the interface */
    g_assert_null(walk_find(schema, "TestLeaf"));
}

static void test_union_and_enum(void)
{
    g_autoptr(json_t) schema =
        qapi_introspect(qapi_introspect_data, NULL, NULL, NULL);
    json_t *shape = arg_type(schema, "test-shape");
    json_t *color = member_type(schema, shape, "kind");

    check_json(json_object_get(color, "values"),
               "[\"red\", \"dark-green\", \"puce\"]");
    check_json(json_object_get(color, "members"),
               "[{\"name\": \"red\"}, {\"name\": \"dark-green\"}, {\"name\": "
               "\"puce\", \"features\": [\"deprecated\"]}]");
    g_assert_cmpstr(walk_str(shape, "tag"), ==, "kind");
    g_assert_true(variant_of(schema, shape, "red") ==
                  arg_type(schema, "test-leaf"));
    check_json(json_object_get(variant_of(schema, shape, "dark-green"),
                               "members"),
               "[]");
}

static void test_open(void)
{
    int calls = 0;
    g_autoptr(json_t) schema =
        qapi_introspect(qapi_introspect_data, NULL, fill, &calls);
    json_t *open = arg_type(schema, "test-open");
    json_t *thing = variant_of(schema, open, "thing");
    json_t *backend =
        member_type(schema, arg_type(schema, "test-backend"), "backend");
    json_t *red = variant_of(schema, backend, "red");
    json_t *puce = variant_of(schema, backend, "puce");

    schema_walk(schema);
    g_assert_cmpint(calls, ==, 2);
    check_json(json_object_get(member_type(schema, open, "qom-type"), "values"),
               "[\"thing\", \"empty\"]");
    g_assert_cmpstr(walk_str(member(thing, "port"), "type"), ==, "int");
    g_assert_cmpstr(walk_str(member(thing, "names"), "type"), ==, "[str]");
    g_assert_null(json_object_get(member(thing, "names"), "default"));
    check_json(json_object_get(member(thing, "names"), "features"),
               "[\"unstable\"]");
    g_assert_true(member_type(schema, thing, "leaf") ==
                  arg_type(schema, "test-leaf"));
    /* two steps into a wrapped branch; the enum has one type for both */
    red = member_type(schema, red, "data");
    puce = member_type(schema, puce, "data");
    g_assert_true(member_type(schema, red, "color") ==
                  member_type(schema, puce, "color"));
    g_assert_nonnull(json_object_get(member(red, "color"), "default"));
}

static void test_subset(void)
{
    g_autoptr(QmpCommandList) cmds = qmp_command_list_new();
    g_autoptr(json_t) schema = NULL;

    qmp_register_command(cmds, "test-sum", NULL, QCO_NO_OPTIONS, 0);
    schema = qapi_introspect(qapi_introspect_data, cmds, NULL, NULL);
    schema_walk(schema);
    g_assert_nonnull(walk_find(schema, "test-sum"));
    g_assert_null(walk_find(schema, "test-nothing"));
    g_assert_nonnull(walk_find(schema, "TEST_DATA"));
}

static void test_all_registered(void)
{
    g_autoptr(QmpCommandList) cmds = qmp_command_list_new();
    g_autoptr(json_t) all =
        qapi_introspect(qapi_introspect_data, NULL, NULL, NULL);
    g_autoptr(json_t) registered = NULL;

    qmp_init_commands(cmds);
    registered = qapi_introspect(qapi_introspect_data, cmds, NULL, NULL);
    g_assert_true(json_equal(all, registered));
}

static void fill_unknown_type(QapiOpenUnion *u, void *opaque)
{
    qapi_open_variant_member(qapi_open_union_add(u, "x", NULL), "y", "NoSuch",
                             NULL, false, 0);
}

static void test_unknown_type(void)
{
    if (g_test_subprocess()) {
        json_decref(qapi_introspect(qapi_introspect_data, NULL,
                                    fill_unknown_type, NULL));
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*no type 'NoSuch'*");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/introspect/commands", test_commands);
    g_test_add_func("/qapi/introspect/union-and-enum", test_union_and_enum);
    g_test_add_func("/qapi/introspect/open", test_open);
    g_test_add_func("/qapi/introspect/subset", test_subset);
    g_test_add_func("/qapi/introspect/all-registered", test_all_registered);
    g_test_add_func("/qapi/introspect/unknown-type", test_unknown_type);
    return g_test_run();
}
