/*
 * -dump-vmstate's text.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <jansson.h>

#include "migration/vmstate-dump.h"
#include "util/error.h"

#include "vmstate-sample.h"

static const VMStateDescription other = {
    .name = "other",
    .version_id = 4,
    .minimum_version_id = 3,
    .fields = (const VMStateField[]){ VMSTATE_END_OF_LIST() },
};

static void test_dump(void)
{
    static const char *const first[] = { "b", "i8", "i16", "i32" };
    g_autoptr(VMStateDump) d = vmstate_dump_new("pc-9");
    g_autoptr(SaveVMRegistry) reg = savevm_registry_new();
    json_t *root, *sample, *desc, *field, *sub;
    g_autofree char *text = NULL;
    json_error_t error;
    size_t i;
    int version = 0;

    vmstate_dump_add(d, "sample-device", &vmstate_sample);
    vmstate_dump_add(d, "sample-device", &vmstate_sample);
    vmstate_register_with(reg, "00:02.0/sample", -1, &vmstate_sample, NULL, 0,
                          &error_abort);
    vmstate_register_with(reg, "other", -1, &other, NULL, 0, &error_abort);
    vmstate_dump_add_registry(d, reg);

    text = vmstate_dump_text(d);
    root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    g_assert_nonnull(root);
    g_assert_cmpuint(json_object_size(root), ==, 3);
    g_assert_cmpint(json_unpack(json_object_get(root, "other"), "{s:i}",
                                "minimum_version_id", &version),
                    ==, 0);
    g_assert_cmpint(version, ==, 3);
    sample = json_object_get(root, "sample-device");
    desc = json_object_get(sample, "Description");
    g_assert_cmpstr(json_string_value(json_object_get(desc, "name")), ==,
                    "sample");
    json_array_foreach(json_object_get(desc, "Fields"), i, field)
    {
        const char *name = json_string_value(json_object_get(field, "field"));

        if (i < ARRAY_SIZE(first)) {
            g_assert_cmpstr(name, ==, first[i]);
        }
        /* a check has no bytes */
        g_assert_cmpstr(name, !=, "u8 is not 0xee");
        if (g_str_equal(name, "point")) {
            g_assert_nonnull(json_object_get(field, "Description"));
        }
    }
    sub = json_array_get(json_object_get(desc, "Subsections"), 0);
    g_assert_cmpstr(json_string_value(json_object_get(sub, "name")), ==,
                    "sample/extra");
    json_decref(root);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmstate/dump", test_dump);
    return g_test_run();
}
