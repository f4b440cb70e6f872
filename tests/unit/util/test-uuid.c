/*
 * UUIDs and ids.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/id.h"
#include "util/uuid.h"

#define SAMPLE "586ece27-7f09-41e0-9e74-e901317e9d42"

static void test_text(void)
{
    QemuUUID uuid, other;
    char text[UUID_STR_LEN + 1];
    g_autofree char *copy = NULL;

    g_assert_cmpint(qemu_uuid_parse(SAMPLE, &uuid), ==, 0);
    g_assert_cmpuint(uuid.data[0], ==, 0x58);
    g_assert_cmpuint(uuid.data[15], ==, 0x42);
    qemu_uuid_unparse(&uuid, text);
    g_assert_cmpstr(text, ==, SAMPLE);
    copy = qemu_uuid_unparse_strdup(&uuid);
    g_assert_cmpstr(copy, ==, SAMPLE);
    g_assert_cmpint(
        qemu_uuid_parse("586ECE27-7F09-41E0-9E74-E901317E9D42", &other), ==, 0);
    g_assert_true(qemu_uuid_is_equal(&uuid, &other));
    g_assert_cmpuint(qemu_uuid_hash(&uuid), ==, qemu_uuid_hash(&other));
    g_assert_false(qemu_uuid_is_null(&uuid));
    g_assert_cmpint(qemu_uuid_parse(UUID_NONE, &other), ==, 0);
    g_assert_true(qemu_uuid_is_null(&other));

    other = qemu_uuid_bswap(uuid);
    qemu_uuid_unparse(&other, text);
    g_assert_cmpstr(text, ==, "27ce6e58-097f-e041-9e74-e901317e9d42");
}

static void test_malformed(void)
{
    static const char *const bad[] = {
        "",
        "586ece27",
        "586ece27-7f09-41e0-9e74-e901317e9d4",
        "586ece27-7f09-41e0-9e74-e901317e9d422",
        "586ece27-7f09-41e0-9e74e-901317e9d42",
        "586ece27 7f09-41e0-9e74-e901317e9d42",
        "586ece27-7f09-41e0-9e74-e901317e9d4g",
        "{86ece27-7f09-41e0-9e74-e901317e9d4}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        QemuUUID uuid = { .data = { 7 } };

        g_assert_cmpint(qemu_uuid_parse(bad[i], &uuid), ==, -1);
        g_assert_cmpuint(uuid.data[0], ==, 7);
    }
}

static void test_generate(void)
{
    QemuUUID a, b;

    qemu_uuid_generate(&a);
    qemu_uuid_generate(&b);
    g_assert_false(qemu_uuid_is_equal(&a, &b));
    g_assert_cmpuint(a.data[6] >> 4, ==, 4);
    g_assert_cmpuint(a.data[8] >> 6, ==, 2);
}

static void test_id(void)
{
    static const char *const good[] = { "a", "Z9", "net0", "a-b_c.d" };
    static const char *const bad[] = { "",    "0a",  "-a", "_a",  ".a",
                                       "a b", "a/b", "#a", "a\n", "\xc3\xa4" };

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(id_wellformed(good[i]));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(id_wellformed(bad[i]));
    }
    g_autofree char *one = id_generate(ID_CHR);
    g_autofree char *two = id_generate(ID_CHR);
    g_assert_cmpstr(one, !=, two);
    g_assert_true(g_str_has_prefix(one, "#chr0"));
    g_assert_true(g_str_has_prefix(two, "#chr1"));
    g_assert_false(id_wellformed(one));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/uuid/text", test_text);
    g_test_add_func("/util/uuid/malformed", test_malformed);
    g_test_add_func("/util/uuid/generate", test_generate);
    g_test_add_func("/util/id", test_id);
    return g_test_run();
}
