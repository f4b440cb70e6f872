/*
 * The real schema: its introspection is closed and has the shape that it
 * declares itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qapi-introspect.h"
#include "qapi/qapi-visit-introspect.h"
#include "qapi/qobject-input-visitor.h"

#include "schema-walk.h"

static void test_closed(void)
{
    g_autoptr(json_t) schema =
        qapi_introspect(qapi_introspect_data, NULL, NULL, NULL);

    schema_walk(schema);
    g_assert_nonnull(walk_find(schema, "query-qmp-schema"));
}

static void test_self_description(void)
{
    g_autoptr(json_t) schema =
        qapi_introspect(qapi_introspect_data, NULL, NULL, NULL);
    g_autoptr(Visitor) v = qobject_input_visitor_new(schema);
    g_autoptr(SchemaInfoList) list = NULL;

    g_assert_true(visit_type_SchemaInfoList(v, NULL, &list, &error_abort));
    g_assert_cmpuint(QAPI_LIST_LENGTH(list), ==, json_array_size(schema));
}

/* It is asked for at every start of a client. */
static void test_speed(void)
{
    gint64 start_us = g_get_monotonic_time(), took_us;
    g_autoptr(json_t) schema =
        qapi_introspect(qapi_introspect_data, NULL, NULL, NULL);

    took_us = g_get_monotonic_time() - start_us;
    g_test_message("%zu entries in %" G_GINT64_FORMAT " us",
                   json_array_size(schema), took_us);
    g_assert_cmpint(took_us, <, 1000000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/schema/closed", test_closed);
    g_test_add_func("/qapi/schema/self-description", test_self_description);
    g_test_add_func("/qapi/schema/speed", test_speed);
    return g_test_run();
}
