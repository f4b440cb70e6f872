/*
 * Visitors: from JSON and from key=value text to generated types and back,
 * copies, and what is refused on the way with which path.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <math.h>

#include "qapi/clone-visitor.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/qapi-visit-test-schema.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/qobject-output-visitor.h"
#include "qapi/visitor.h"

/* JSON of a generated type. */
#define PRINT(type, obj)                                                       \
    ({                                                                         \
        json_t *print_ret_ = NULL;                                             \
        Visitor *print_v_ = qobject_output_visitor_new(&print_ret_);           \
        char *print_text_;                                                     \
                                                                               \
        visit_type_##type(print_v_, "x", &(obj), &error_abort);                \
        visit_complete(print_v_, &print_ret_);                                 \
        visit_free(print_v_);                                                  \
        print_text_ = g_string_free(qobject_to_json(print_ret_), false);       \
        json_decref(print_ret_);                                               \
        print_text_;                                                           \
    })

/* A generated type from JSON; NULL with @errp set on error. */
#define PARSE(type, text, errp)                                                \
    ({                                                                         \
        json_t *parse_in_ = qobject_from_json((text), &error_abort);           \
        Visitor *parse_v_ = qobject_input_visitor_new(parse_in_);              \
        type *parse_ret_ = (type *)1;                                          \
                                                                               \
        if (!visit_type_##type(parse_v_, NULL, &parse_ret_, (errp))) {         \
            g_assert_null(parse_ret_);                                         \
        }                                                                      \
        visit_free(parse_v_);                                                  \
        json_decref(parse_in_);                                                \
        parse_ret_;                                                            \
    })

#define CHECK_ROUND_TRIP(type, text)                                           \
    do {                                                                       \
        type *rt_obj_ = PARSE(type, (text), &error_abort);                     \
        type *rt_copy_ = QAPI_CLONE(type, rt_obj_);                            \
        char *rt_out_ = PRINT(type, rt_obj_), *rt_out2_;                       \
                                                                               \
        g_assert_cmpstr(rt_out_, ==, (text));                                  \
        qapi_free_##type(rt_obj_);                                             \
        rt_out2_ = PRINT(type, rt_copy_);                                      \
        g_assert_cmpstr(rt_out2_, ==, (text));                                 \
        qapi_free_##type(rt_copy_);                                            \
        g_free(rt_out_);                                                       \
        g_free(rt_out2_);                                                      \
    } while (0)

#define CHECK_REFUSED(type, text, message)                                     \
    do {                                                                       \
        Error *ref_err_ = NULL;                                                \
        type *ref_obj_ = PARSE(type, (text), &ref_err_);                       \
                                                                               \
        g_assert_null(ref_obj_);                                               \
        g_assert_cmpstr(error_get_pretty(ref_err_), ==, (message));            \
        error_free(ref_err_);                                                  \
    } while (0)

static void test_round_trip(void)
{
    CHECK_ROUND_TRIP(TestScalars, "{}");
    CHECK_ROUND_TRIP(
        TestScalars,
        "{\"b\": true, \"i\": -9223372036854775808, \"i8\": -128, \"i16\": "
        "-32768, \"i32\": -2147483648, \"i64\": 9223372036854775807, \"u8\": "
        "255, \"u16\": 65535, \"u32\": 4294967295, \"u64\": "
        "18446744073709551615, \"size\": 9223372036854775808, \"num\": 0.25, "
        "\"s\": \"\\u20AC\", \"any\": [null, {\"x\": 18446744073709551615}], "
        "\"null\": null, \"color\": \"dark-green\"}");
    CHECK_ROUND_TRIP(TestLeaf,
                     "{\"size\": 1, \"unix\": true, \"name\": \"a\", "
                     "\"next\": {\"size\": 2, \"name\": \"\"}, \"old\": 1, "
                     "\"new\": 2}");
    CHECK_ROUND_TRIP(TestLists, "{}");
    CHECK_ROUND_TRIP(TestLists,
                     "{\"strings\": [], \"numbers\": [], \"leaves\": []}");
    CHECK_ROUND_TRIP(TestLists,
                     "{\"strings\": [\"a\", \"b\"], \"numbers\": [1, 65535], "
                     "\"leaves\": [{\"size\": 1, \"name\": \"x\"}], "
                     "\"colors\": [\"red\", \"puce\"], \"either\": [\"x\", "
                     "null, {\"size\": 1, \"name\": \"y\"}]}");
    CHECK_ROUND_TRIP(TestShape, "{\"kind\": \"red\", \"label\": \"x\", "
                                "\"size\": 1, \"name\": \"n\"}");
    CHECK_ROUND_TRIP(TestShape, "{\"kind\": \"dark-green\"}");
    CHECK_ROUND_TRIP(TestShape, "{\"kind\": \"puce\", \"i\": 1}");
    CHECK_ROUND_TRIP(TestEither, "\"text\"");
    CHECK_ROUND_TRIP(TestEither, "null");
    CHECK_ROUND_TRIP(TestMany, "true");
    CHECK_ROUND_TRIP(TestMany, "7");
    CHECK_ROUND_TRIP(TestMany, "\"red\"");
    CHECK_ROUND_TRIP(TestMany, "[\"a\"]");
    CHECK_ROUND_TRIP(TestEmpty, "{}");
    CHECK_ROUND_TRIP(TestOpen, "{\"qom-type\": \"t\", \"id\": \"i\", "
                               "\"more\": [1], \"even\": {\"more\": null}}");
    CHECK_ROUND_TRIP(TestBackend, "{\"type\": \"red\", \"data\": {}}");
}

static void test_refused_scalars(void)
{
    static const char *const bad[][2] = {
        { "{'b': 1}", "'b', expected: boolean" },
        { "{'b': 'on'}", "'b', expected: boolean" },
        { "{'i': '1'}", "'i', expected: integer" },
        { "{'i': 1.0}", "'i', expected: integer" },
        { "{'i': 9223372036854775808}", "'i', expected: integer" },
        { "{'i8': 128}", "'i8', expected: int8_t" },
        { "{'i8': -129}", "'i8', expected: int8_t" },
        { "{'i16': 32768}", "'i16', expected: int16_t" },
        { "{'i32': 2147483648}", "'i32', expected: int32_t" },
        { "{'u8': 256}", "'u8', expected: uint8_t" },
        { "{'u8': -1}", "'u8', expected: uint64" },
        { "{'u16': 65536}", "'u16', expected: uint16_t" },
        { "{'u32': 4294967296}", "'u32', expected: uint32_t" },
        { "{'u64': -1}", "'u64', expected: uint64" },
        { "{'u64': '18446744073709551615'}", "'u64', expected: uint64" },
        { "{'size': '1M'}", "'size', expected: uint64" },
        { "{'num': '1'}", "'num', expected: number" },
        { "{'num': null}", "'num', expected: number" },
        { "{'s': 1}", "'s', expected: string" },
        { "{'s': 18446744073709551615}", "'s', expected: string" },
        { "{'s': null}", "'s', expected: string" },
        { "{'null': 0}", "'null', expected: null" },
        { "{'color': 'Red'}",
          "'color', expected: one of its names, not 'Red'" },
        { "{'color': 0}", "'color', expected: string" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *message =
            g_strdup_printf("invalid parameter type for %s", bad[i][1]);

        CHECK_REFUSED(TestScalars, bad[i][0], message);
    }
    CHECK_REFUSED(TestScalars, "{'s': 'a\\u0000b'}",
                  "parameter 's' must not contain U+0000");
    CHECK_REFUSED(TestScalars, "{'no': 1}", "parameter 'no' is unexpected");
}

static void test_number(void)
{
    g_autoptr(TestScalars) integer =
        PARSE(TestScalars, "{'num': 3}", &error_abort);
    g_autoptr(TestScalars) big =
        PARSE(TestScalars, "{'num': 18446744073709551615}", &error_abort);
    TestScalars odd = { .has_num = true, .num = NAN }, *p = &odd;
    g_autofree char *nan_text = PRINT(TestScalars, p), *inf_text = NULL;

    g_assert_cmpfloat(integer->num, ==, 3.0);
    g_assert_cmpfloat(big->num, ==, 18446744073709551616.0);
    /* JSON can't say these, but the answer must be JSON */
    g_assert_cmpstr(nan_text, ==, "{\"num\": 0.0}");
    odd.num = -INFINITY;
    inf_text = PRINT(TestScalars, p);
    g_assert_cmpstr(inf_text, ==, "{\"num\": -1.7976931348623157e+308}");
}

static void test_refused_paths(void)
{
    CHECK_REFUSED(TestLists, "[]",
                  "invalid parameter type for 'null', expected: object");
    CHECK_REFUSED(TestLists,
                  "{'leaves': [{'size': 1, 'name': 'a'}, {'size': "
                  "1, 'name': 'b', 'next': {'size': 1}}]}",
                  "parameter 'leaves[1].next.name' is missing");
    CHECK_REFUSED(TestLists, "{'leaves': [{'size': 1, 'name': 'a', 'x': 1}]}",
                  "parameter 'leaves[0].x' is unexpected");
    CHECK_REFUSED(TestLists, "{'leaves': [1]}",
                  "invalid parameter type for 'leaves[0]', expected: object");
    CHECK_REFUSED(TestLists, "{'numbers': [1, 2, 65536]}",
                  "invalid parameter type for 'numbers[2]', expected: "
                  "uint16_t");
    CHECK_REFUSED(TestLists, "{'strings': {}}",
                  "invalid parameter type for 'strings', expected: array");
    CHECK_REFUSED(TestLists, "{'either': ['a', 5]}",
                  "invalid parameter type for 'either[1]', expected: str or "
                  "TestLeaf or null");
    CHECK_REFUSED(TestLists, "{'either': [{'size': 1, 'name': 'a', 'z': 1}]}",
                  "parameter 'either[0].z' is unexpected");
    CHECK_REFUSED(TestShape, "{'label': 'x'}", "parameter 'kind' is missing");
    CHECK_REFUSED(TestShape, "{'kind': 'dark-green', 'name': 'x'}",
                  "parameter 'name' is unexpected");
    CHECK_REFUSED(TestShape, "{'kind': 'never'}",
                  "invalid parameter type for 'kind', expected: one of its "
                  "names, not 'never'");
}

static json_t *nested_leaf(int depth)
{
    json_t *leaf = json_pack("{s:i, s:s}", "size", 1, "name", "end");

    while (--depth) {
        leaf =
            json_pack("{s:i, s:s, s:o}", "size", 1, "name", "x", "next", leaf);
    }
    return leaf;
}

static void test_depth(void)
{
    g_autoptr(json_t) good = nested_leaf(JSON_TEXT_MAX_DEPTH);
    g_autoptr(json_t) bad = nested_leaf(JSON_TEXT_MAX_DEPTH + 1);
    g_autoptr(Visitor) v = qobject_input_visitor_new(good);
    g_autoptr(Visitor) v2 = qobject_input_visitor_new(bad);
    g_autoptr(TestLeaf) leaf = NULL;
    TestLeaf *none = NULL;
    Error *err = NULL;

    g_assert_true(visit_type_TestLeaf(v, NULL, &leaf, &error_abort));
    g_assert_false(visit_type_TestLeaf(v2, NULL, &none, &err));
    g_assert_null(none);
    error_free_or_abort(&err);
}

/* Walk without C objects, as hand-written code does. */
static void test_virtual_walk(void)
{
    g_autoptr(json_t) in =
        qobject_from_json("{'a': [1, 2, 3], 'b': 'x'}", &error_abort);
    g_autoptr(Visitor) v = qobject_input_visitor_new(in);
    g_autofree char *b = NULL;
    Error *err = NULL;
    int64_t value = 0;
    bool present = false;

    g_assert_true(visit_start_struct(v, NULL, NULL, 0, &error_abort));
    g_assert_false(visit_optional(v, "c", &present));
    g_assert_true(visit_start_list(v, "a", NULL, 0, &error_abort));
    visit_type_int(v, NULL, &value, &error_abort);
    g_assert_cmpint(value, ==, 1);
    visit_type_int(v, NULL, &value, &error_abort);
    g_assert_cmpint(value, ==, 2);
    g_assert_false(visit_check_list(v, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "list element 'a[2]' is unexpected");
    error_free_or_abort(&err);
    visit_type_int(v, NULL, &value, &error_abort);
    g_assert_true(visit_check_list(v, &error_abort));
    g_assert_false(visit_type_int(v, NULL, &value, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "parameter 'a[3]' is missing");
    error_free_or_abort(&err);
    visit_end_list(v, NULL);
    g_assert_false(visit_check_struct(v, &err));
    error_free_or_abort(&err);
    visit_type_str(v, "b", &b, &error_abort);
    g_assert_true(visit_check_struct(v, &error_abort));
    visit_end_struct(v, NULL);
}

/* A visitor may be freed in the middle of a walk. */
static void test_abandoned(void)
{
    g_autoptr(json_t) in = qobject_from_json("{'a': [{}]}", &error_abort);
    g_autoptr(Visitor) v = qobject_input_visitor_new(in);
    json_t *out = NULL;
    g_autoptr(Visitor) o = qobject_output_visitor_new(&out);

    visit_start_struct(v, NULL, NULL, 0, &error_abort);
    visit_start_list(v, "a", NULL, 0, &error_abort);
    visit_start_struct(v, NULL, NULL, 0, &error_abort);
    visit_start_struct(o, NULL, NULL, 0, &error_abort);
    visit_start_list(o, "a", NULL, 0, &error_abort);
    g_assert_null(out);
}

#define PARSE_KEYVAL(type, text, errp)                                         \
    ({                                                                         \
        Visitor *kv_v_ =                                                       \
            qobject_input_visitor_new_str((text), "s", &error_abort);          \
        type *kv_ret_ = NULL;                                                  \
                                                                               \
        visit_type_##type(kv_v_, NULL, &kv_ret_, (errp));                      \
        visit_free(kv_v_);                                                     \
        kv_ret_;                                                               \
    })

static void test_keyval(void)
{
    g_autoptr(TestScalars) s = PARSE_KEYVAL(
        TestScalars,
        "text,b=on,i=-0x10,i8=-128,u8=255,u64=18446744073709551615,size=1.5G,"
        "num=-2.5,color=puce",
        &error_abort);
    g_autoptr(TestLists) l =
        PARSE_KEYVAL(TestLists,
                     "strings.0=a,strings.1=b,leaves.0.name=x,"
                     "leaves.0.size=1k,either.0=y",
                     &error_abort);
    g_autoptr(TestOpen) o = PARSE_KEYVAL(
        TestOpen, "qom-type=t,id=i,count=5,sub.key=v", &error_abort);
    g_autoptr(TestScalars) json =
        PARSE_KEYVAL(TestScalars, "{'u8': 5}", &error_abort);
    g_autofree char *open =
        g_string_free(qobject_to_json(o->open_members), false);
    g_autofree char *lists = PRINT(TestLists, l);

    g_assert_cmpstr(s->s, ==, "text");
    g_assert_true(s->b);
    g_assert_cmpint(s->i, ==, -16);
    g_assert_cmpint(s->i8, ==, -128);
    g_assert_cmpint(s->u8, ==, 255);
    g_assert_cmpuint(s->u64, ==, UINT64_MAX);
    g_assert_cmpuint(s->size, ==, 3 * (UINT64_C(1) << 29));
    g_assert_cmpfloat(s->num, ==, -2.5);
    g_assert_cmpint(s->color, ==, TEST_COL_PUCE);
    g_assert_false(s->has_u16);
    g_assert_cmpstr(lists, ==,
                    "{\"strings\": [\"a\", \"b\"], \"leaves\": [{\"size\": "
                    "1024, \"name\": \"x\"}], \"either\": [\"y\"]}");
    g_assert_cmpstr(open, ==, "{\"count\": \"5\", \"sub\": {\"key\": \"v\"}}");
    g_assert_cmpint(json->u8, ==, 5);
}

static void check_keyval_refused(const char *text, const char *message)
{
    Error *err = NULL;

    g_assert_null(PARSE_KEYVAL(TestScalars, text, &err));
    if (!strstr(error_get_pretty(err), message)) {
        g_error("'%s': '%s' is not about '%s'", text, error_get_pretty(err),
                message);
    }
    error_free(err);
}

static void test_keyval_refused(void)
{
    check_keyval_refused("i=x", "'i', expected: integer");
    check_keyval_refused("i=", "'i', expected: integer");
    check_keyval_refused("i=1x", "'i', expected: integer");
    check_keyval_refused("i=9223372036854775808", "'i', expected: integer");
    check_keyval_refused("i8=128", "'i8', expected: int8_t");
    check_keyval_refused("u64=-1", "'u64', expected: uint64");
    check_keyval_refused("u64=18446744073709551616", "expected: uint64");
    check_keyval_refused("size=1Q", "'size', expected: a size");
    check_keyval_refused("size=-1", "'size', expected: a size");
    check_keyval_refused("num=inf", "'num', expected: number");
    check_keyval_refused("num=nan", "'num', expected: number");
    check_keyval_refused("b=maybe", "parameter 'b' expects 'on' or 'off'");
    check_keyval_refused("any=1", "'any' can only be given as JSON");
    check_keyval_refused("null=", "'null' can only be given as JSON");
    check_keyval_refused("color=x", "not 'x'");
    check_keyval_refused("i.x=1", "parameters 'i.*' are unexpected");
    check_keyval_refused("s.x=1", "'s', expected: string");
    check_keyval_refused("bogus=1", "'bogus' is unexpected");
}

static void test_builtin_lists(void)
{
    CHECK_ROUND_TRIP(uint64List, "[0, 18446744073709551615]");
    CHECK_ROUND_TRIP(strList, "[\"a\", \"\"]");
    CHECK_ROUND_TRIP(boolList, "[true, false]");
    CHECK_ROUND_TRIP(anyList, "[{}, 1, null]");
    CHECK_ROUND_TRIP(numberList, "[0.5]");
    CHECK_ROUND_TRIP(intList, "[-1, 1]");
}

static void test_clone_members(void)
{
    g_autoptr(TestLeaf) leaf =
        PARSE(TestLeaf,
              "{'size': 1, 'name': 'a', 'next': {'size': 2, 'name': 'b'}}",
              &error_abort);
    TestLeaf *copy = g_new0(TestLeaf, 1);
    g_autoptr(TestLeaf) owner = copy;

    QAPI_CLONE_MEMBERS(TestLeaf, copy, leaf);
    g_assert_cmpstr(copy->name, ==, "a");
    g_assert_true(copy->name != leaf->name);
    g_assert_true(copy->next != leaf->next);
    g_assert_cmpstr(copy->next->name, ==, "b");
    g_assert_null(QAPI_CLONE(TestLeaf, (TestLeaf *)NULL));
}

/* Changing a copy leaves the original alone, also inside of JSON. */
static void test_clone_is_deep(void)
{
    g_autoptr(TestOpen) open = PARSE(
        TestOpen, "{'qom-type': 't', 'id': 'i', 'x': {'y': 1}}", &error_abort);
    g_autoptr(TestOpen) copy = QAPI_CLONE(TestOpen, open);
    g_autofree char *text = NULL;

    json_object_clear(json_object_get(copy->open_members, "x"));
    text = PRINT(TestOpen, open);
    g_assert_cmpstr(text, ==,
                    "{\"qom-type\": \"t\", \"id\": \"i\", \"x\": {\"y\": 1}}");
}

/* A string that is not UTF-8 must not make an answer impossible. */
static void test_output_invalid_utf8(void)
{
    TestScalars s = { .s = (char *)"a\x80z" }, *p = &s;
    g_autofree char *text = PRINT(TestScalars, p);

    g_assert_cmpstr(text, ==, "{\"s\": \"a\\uFFFDz\"}");
}

static void test_base(void)
{
    TestLeaf leaf = { .size = 5 };

    g_assert_cmpuint(qapi_TestLeaf_base(&leaf)->size, ==, 5);
    g_assert_cmpstr(TestColor_str(TEST_COL_DARK_GREEN), ==, "dark-green");
    g_assert_cmpint(TEST_COL__MAX, ==, 3);
    qapi_free_TestLeaf(NULL);
    qapi_free_TestLeafList(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/visitor/round-trip", test_round_trip);
    g_test_add_func("/qapi/visitor/refused-scalars", test_refused_scalars);
    g_test_add_func("/qapi/visitor/number", test_number);
    g_test_add_func("/qapi/visitor/refused-paths", test_refused_paths);
    g_test_add_func("/qapi/visitor/depth", test_depth);
    g_test_add_func("/qapi/visitor/virtual-walk", test_virtual_walk);
    g_test_add_func("/qapi/visitor/abandoned", test_abandoned);
    g_test_add_func("/qapi/visitor/keyval", test_keyval);
    g_test_add_func("/qapi/visitor/keyval-refused", test_keyval_refused);
    g_test_add_func("/qapi/visitor/builtin-lists", test_builtin_lists);
    g_test_add_func("/qapi/visitor/clone-members", test_clone_members);
    g_test_add_func("/qapi/visitor/clone-is-deep", test_clone_is_deep);
    g_test_add_func("/qapi/visitor/output-invalid-utf8",
                    test_output_invalid_utf8);
    g_test_add_func("/qapi/visitor/base", test_base);
    return g_test_run();
}
