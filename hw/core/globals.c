/*
 * -global driver.property=value.
 *
 * The list is a registry: filled while options are read, only read after.
 * The same goes for the flag of each entry that some object has used it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/qdev-core.h"
#include "util/error-report.h"
#include "util/error.h"

typedef struct GlobalProperty {
    char *driver;
    char *property;
    char *value;
    bool used;
} GlobalProperty;

static GPtrArray *globals;

static void global_free(gpointer data)
{
    GlobalProperty *g = data;

    g_free(g->driver);
    g_free(g->property);
    g_free(g->value);
    g_free(g);
}

void qdev_global_add(const char *driver, const char *property,
                     const char *value)
{
    GlobalProperty *g = g_new0(GlobalProperty, 1);

    g->driver = g_strdup(driver);
    g->property = g_strdup(property);
    g->value = g_strdup(value);
    if (!globals) {
        globals = g_ptr_array_new_with_free_func(global_free);
    }
    g_ptr_array_add(globals, g);
}

bool qdev_globals_apply(Object *obj, Error **errp)
{
    for (guint i = 0; globals && i < globals->len; i++) {
        GlobalProperty *g = g_ptr_array_index(globals, i);
        ERRP_GUARD();

        if (!object_dynamic_cast(obj, g->driver)) {
            continue;
        }
        g->used = true;
        if (!object_property_parse(obj, g->property, g->value, errp)) {
            error_prepend(errp, "-global %s.%s=%s: ", g->driver, g->property,
                          g->value);
            return false;
        }
    }
    return true;
}

void qdev_globals_check(void)
{
    for (guint i = 0; globals && i < globals->len; i++) {
        GlobalProperty *g = g_ptr_array_index(globals, i);

        if (!g->used) {
            warn_report("global %s.%s=%s has no effect: there is no such "
                        "device",
                        g->driver, g->property, g->value);
        }
    }
}

void qdev_globals_clear(void)
{
    g_clear_pointer(&globals, g_ptr_array_unref);
}
