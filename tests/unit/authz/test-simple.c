/*
 * authz-simple, and asking by id.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "authz/simple.h"
#include "authz/types.h"
#include "qom/object_interfaces.h"
#include "util/error.h"

static void test_decide(void)
{
    QAuthZSimple *s = qauthz_simple_new("a0", "CN=alice", &error_abort);

    g_assert_true(qauthz_is_allowed(QAUTHZ(s), "CN=alice", &error_abort));
    g_assert_false(qauthz_is_allowed(QAUTHZ(s), "CN=alic", &error_abort));
    g_assert_false(qauthz_is_allowed(QAUTHZ(s), "CN=alice2", &error_abort));
    g_assert_false(qauthz_is_allowed(QAUTHZ(s), "cn=alice", &error_abort));
    g_assert_false(qauthz_is_allowed(QAUTHZ(s), "", &error_abort));
    object_unparent(OBJECT(s));
}

static void test_by_id(void)
{
    QAuthZSimple *s = qauthz_simple_new("a0", "bob", &error_abort);
    Error *err = NULL;

    g_assert_true(qauthz_is_allowed_by_id("a0", "bob", &error_abort));
    g_assert_false(qauthz_is_allowed_by_id("a0", "eve", &error_abort));
    g_assert_true(qauthz_check_id("a0", &error_abort));
    g_assert_false(qauthz_is_allowed_by_id("a1", "bob", &err));
    error_free_or_abort(&err);
    g_assert_false(qauthz_is_allowed_by_id("a0/../a0", "bob", &err));
    error_free_or_abort(&err);
    g_assert_false(qauthz_check_id("a1", &err));
    error_free_or_abort(&err);
    object_unparent(OBJECT(s));
    g_assert_false(qauthz_is_allowed_by_id("a0", "bob", &err));
    error_free_or_abort(&err);
}

static void test_not_authz(void)
{
    Object *obj = object_new(TYPE_CONTAINER);
    Error *err = NULL;

    object_property_add_child(object_get_objects_root(), "c0", obj);
    object_unref(obj);
    g_assert_false(qauthz_is_allowed_by_id("c0", "bob", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "not an authorization"));
    error_free_or_abort(&err);
    object_unparent(obj);
}

static void test_identity_required(void)
{
    Error *err = NULL;

    g_assert_null(object_new_with_props(
        TYPE_QAUTHZ_SIMPLE, object_get_objects_root(), "a0", &err, NULL));
    error_free_or_abort(&err);
    g_assert_null(object_resolve_path("/objects/a0", NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    authz_register_types();
    g_test_add_func("/authz/simple/decide", test_decide);
    g_test_add_func("/authz/simple/by-id", test_by_id);
    g_test_add_func("/authz/simple/not-authz", test_not_authz);
    g_test_add_func("/authz/simple/identity-required", test_identity_required);
    return g_test_run();
}
