/*
 * authz-list: order of rules, formats, limits, both ways to give rules.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "authz/list.h"
#include "authz/types.h"
#include "qom/object_interfaces.h"
#include "util/error.h"

#define ALLOW QAUTHZ_LIST_POLICY_ALLOW
#define DENY  QAUTHZ_LIST_POLICY_DENY
#define EXACT QAUTHZ_LIST_FORMAT_EXACT
#define GLOB  QAUTHZ_LIST_FORMAT_GLOB

static bool allowed(QAuthZList *l, const char *identity)
{
    return qauthz_is_allowed(QAUTHZ(l), identity, &error_abort);
}

static void test_default(void)
{
    QAuthZList *deny = qauthz_list_new("l0", DENY, &error_abort);
    QAuthZList *allow = qauthz_list_new("l1", ALLOW, &error_abort);
    Error *err = NULL;

    g_assert_false(allowed(deny, "fred"));
    g_assert_true(allowed(allow, "fred"));
    g_assert_null(qauthz_list_new("l0", DENY, &err));
    error_free_or_abort(&err);
    object_unparent(OBJECT(deny));
    object_unparent(OBJECT(allow));
}

static void test_order(void)
{
    QAuthZList *l = qauthz_list_new("l0", DENY, &error_abort);

    g_assert_cmpint(
        qauthz_list_append_rule(l, "fred", ALLOW, EXACT, &error_abort), ==, 0);
    g_assert_cmpint(
        qauthz_list_append_rule(l, "bob", DENY, EXACT, &error_abort), ==, 1);
    g_assert_cmpint(qauthz_list_append_rule(l, "*", ALLOW, GLOB, &error_abort),
                    ==, 2);
    g_assert_true(allowed(l, "fred"));
    g_assert_false(allowed(l, "bob"));
    g_assert_true(allowed(l, "eve"));
    g_assert_cmpint(qauthz_list_insert_rule(l, "fred", DENY, EXACT, 0,
                                            &error_abort),
                    ==, 0);
    g_assert_false(allowed(l, "fred"));
    g_assert_cmpint(qauthz_list_insert_rule(l, "x", DENY, EXACT, 1000,
                                            &error_abort),
                    ==, 4);
    g_assert_cmpint(qauthz_list_delete_rule(l, "fred"), ==, 0);
    g_assert_true(allowed(l, "fred"));
    g_assert_cmpint(qauthz_list_delete_rule(l, "nobody"), ==, -1);
    qauthz_list_delete_rules(l);
    g_assert_false(allowed(l, "eve"));
    object_unparent(OBJECT(l));
}

static void test_glob(void)
{
    QAuthZList *l = qauthz_list_new("l0", DENY, &error_abort);

    qauthz_list_append_rule(l, "O=Ferry,CN=*.example.org", ALLOW, GLOB,
                            &error_abort);
    qauthz_list_append_rule(l, "user?", ALLOW, GLOB, &error_abort);
    qauthz_list_append_rule(l, "star*", ALLOW, EXACT, &error_abort);
    g_assert_true(allowed(l, "O=Ferry,CN=a.example.org"));
    g_assert_true(allowed(l, "O=Ferry,CN=a/b,OU=x,CN=.example.org"));
    g_assert_false(allowed(l, "O=Ferry,CN=a.example.com"));
    g_assert_true(allowed(l, "user1"));
    g_assert_false(allowed(l, "user10"));
    g_assert_true(allowed(l, "star*"));
    g_assert_false(allowed(l, "starfish"));
    object_unparent(OBJECT(l));
}

static void test_limits(void)
{
    QAuthZList *l = qauthz_list_new("l0", DENY, &error_abort);
    g_autofree char *big = g_strnfill(QAUTHZ_LIST_MAX_MATCH + 1, 'a');
    Error *err = NULL;

    g_assert_cmpint(qauthz_list_append_rule(l, big, ALLOW, EXACT, &err), ==,
                    -1);
    error_free_or_abort(&err);
    for (int i = 0; i < QAUTHZ_LIST_MAX_RULES; i++) {
        qauthz_list_append_rule(l, "a", DENY, EXACT, &error_abort);
    }
    g_assert_cmpint(qauthz_list_append_rule(l, "b", ALLOW, EXACT, &err), ==,
                    -1);
    error_free_or_abort(&err);
    object_unparent(OBJECT(l));
}

/* As after -object: dotted keys, and JSON. */
static void test_options(void)
{
    static const char *const good[] = {
        "authz-list,id=l0,policy=deny,"
        "rules.0.match=fred,rules.0.policy=allow,rules.0.format=exact,"
        "rules.1.match=dan*,rules.1.policy=allow,rules.1.format=glob",
        "{\"qom-type\":\"authz-list\",\"id\":\"l0\",\"rules\":["
        "{\"match\":\"fred\",\"policy\":\"allow\"},"
        "{\"match\":\"dan*\",\"policy\":\"allow\",\"format\":\"glob\"}]}",
    };
    static const char *const bad[] = {
        "authz-list,id=l0,policy=maybe",
        "authz-list,id=l0,rules.0.match=fred",
        "authz-list,id=l0,rules.0.match=a,rules.0.policy=allow,"
        "rules.0.format=regex",
        "{\"qom-type\":\"authz-list\",\"id\":\"l0\",\"rules\":[{}]}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        user_creatable_add_from_str(good[i], &error_abort);
        g_assert_true(qauthz_is_allowed_by_id("l0", "fred", &error_abort));
        g_assert_true(qauthz_is_allowed_by_id("l0", "daniel", &error_abort));
        g_assert_false(qauthz_is_allowed_by_id("l0", "bob", &error_abort));
        user_creatable_del("l0", &error_abort);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;

        g_assert_false(user_creatable_add_from_str(bad[i], &err));
        error_free_or_abort(&err);
        g_assert_null(object_resolve_path("/objects/l0", NULL));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    authz_register_types();
    g_test_add_func("/authz/list/default", test_default);
    g_test_add_func("/authz/list/order", test_order);
    g_test_add_func("/authz/list/glob", test_glob);
    g_test_add_func("/authz/list/limits", test_limits);
    g_test_add_func("/authz/list/options", test_options);
    return g_test_run();
}
