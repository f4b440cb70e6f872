/*
 * VMState against bytes written by hand from the documented stream: every
 * kind of field, versions, subsections, the description, and what a hostile
 * stream may say.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <jansson.h>

#include "io/channel-buffer.h"
#include "migration/stream/savevm.h"
#include "migration/vmstate/vmstate-json.h"
#include "util/error.h"

#include "vmstate-sample.h"

/* Golden bytes of the filled sample, version 2, without subsection; each
 * line a field, in the order of the table. */
#define G_HEAD                                                                 \
    "\x01"                                                                     \
    "\xfe"                                                                     \
    "\xff\xfd"                                                                 \
    "\xff\xff\xff\xfc"                                                         \
    "\xff\xff\xff\xff\xff\xff\xff\xfb"                                         \
    "\x06"                                                                     \
    "\x07\x08"                                                                 \
    "\x09\x0a\x0b\x0c"                                                         \
    "\x0d\x0e\x0f\x10\x11\x12\x13\x14"                                         \
    "\x11\x22\x33\x44"                                                         \
    "\x00\x00\x00\x03"                                                         \
    "\x3f\xf0\x00\x00\x00\x00\x00\x00"                                         \
    "\x70\x00\x00\x00\x00\x00\x00\x01"                                         \
    "\xff\xff\xff\xff\xff\xff\xff\xff"                                         \
    "abc"                                                                      \
    "yz"
#define G_VSIZE "\x00\x00\x00\x02"
#define G_VBUF  "VW"
#define G_ALLOC                                                                \
    "\x00\x00\x00\x01"                                                         \
    "A"
#define G_BITMAP                                                               \
    "\x00\x00\x00\x41"                                                         \
    "\x00\x00\x00\x00\x00\x00\x00\x01"                                         \
    "\x00\x00\x00\x00\x00\x00\x00\x01"
#define G_ARRAYS                                                               \
    "\x01\x02\x03\x04"                                                         \
    "\x21\x22\x23\x24"                                                         \
    "\x00\x01"                                                                 \
    "\x31\x32"                                                                 \
    "\x00\x00\x00\x01"                                                         \
    "\x41\x42"                                                                 \
    "\x00\x00\x00\x01"                                                         \
    "\x51\x52\x53\x54"                                                         \
    "\x00\x00\x00\x01"                                                         \
    "\x61\x62"
#define G_STRUCTS                                                              \
    "\x71\x72\x73"                                                             \
    "\x74" /* version 1 of the struct has no y */                              \
    "\x77\x78\x79"                                                             \
    "\x00\x00\x00\x81\x82\x83"                                                 \
    "\x01"                                                                     \
    "\x84\x85\x86"                                                             \
    "\x00\x00\x00\x01"                                                         \
    "\x87\x88\x89"                                                             \
    "\x00\x00\x00\x01"                                                         \
    "\x8a\x8b\x8c"
#define G_POINTERS                                                             \
    "\x91\x92\x93"                                                             \
    "0"                                                                        \
    "\x94\x95\x96"
#define G_LISTS                                                                \
    "\x01\x00\x00\x00\xa1\x01\x00\x00\x00\xa2\x00"                             \
    "\x01\x00\x00\x00\xa1\x01\x00\x00\x00\xa2\x00"                             \
    "\x00\x00\x00\x02"                                                         \
    "\x01\xa1\x00\x00\x00\xa1\x01\xa2\x00\x00\x00\xa2\x00"                     \
    "\x00\x00\x00\x02"                                                         \
    "\x01\x00\x00\x00\x00\x00\x00\x00\xa1\x00\x00\x00\xa1"                     \
    "\x01\x00\x00\x00\x00\x00\x00\x00\xa2\x00\x00\x00\xa2\x00"
#define G_TAIL                                                                 \
    "\x00\x00\x00\x05"                                                         \
    "\x00\x00"
#define G_NEW "\xb1"
#define G_EXTRA                                                                \
    "\x05\x0csample/extra\x00\x00\x00\x03"                                     \
    "\x00\x00\x00\xc1"                                                         \
    "\x05\x13sample/extra/nested\x00\x00\x00\x01"                              \
    "\x00\x00\x00\xc2"
#define G_ALL                                                                  \
    G_HEAD G_VSIZE G_VBUF G_ALLOC G_BITMAP G_ARRAYS G_STRUCTS G_POINTERS       \
        G_LISTS G_TAIL G_NEW

static const char golden[] = G_ALL;
static const char golden_extra[] = G_ALL G_EXTRA;
/* Version 1 has a byte that is unused, and no new field. */
static const char golden_v1[] = G_HEAD G_VSIZE G_VBUF G_ALLOC G_BITMAP G_ARRAYS
    G_STRUCTS G_POINTERS G_LISTS G_TAIL "\x00";

static QEMUFile *file_of(const void *bytes, size_t len)
{
    QIOChannelBuffer *mem = qio_channel_buffer_new(0);
    QEMUFile *f;

    mem->data = g_memdup2(bytes, len);
    mem->capacity = mem->usage = len;
    f = qemu_file_new_input(QIO_CHANNEL(mem));
    object_unref(OBJECT(mem));
    return f;
}

/* Load @len @bytes as a sample; fails with @message, or succeeds for NULL. */
static void load_bytes(Sample *s, const void *bytes, size_t len, int version,
                       const char *message)
{
    g_autoptr(QEMUFile) f = file_of(bytes, len);
    g_autoptr(Error) err = NULL;
    int ret = vmstate_load_state(f, &vmstate_sample, s, version);

    qemu_file_get_error_obj(f, &err);
    if (message) {
        g_assert_nonnull(err);
        g_assert_cmpstr(error_get_pretty(err), ==, message);
        g_assert_cmpint(ret, <, 0);
        g_assert_cmpint(s->post_loads, ==, 0);
    } else {
        g_assert_null(err);
        g_assert_cmpint(ret, ==, 0);
        g_assert_cmpint(qemu_file_held(f), ==, 0);
        g_assert_cmpint(s->post_loads, ==, 1);
    }
}

static uint8_t *save_bytes(Sample *s, int version, JSONWriter *json,
                           size_t *len)
{
    g_autoptr(QEMUFile) f = qemu_file_new_memory_output();

    g_assert_cmpint(vmstate_save_state_v(f, &vmstate_sample, s, json, version),
                    ==, 0);
    return qemu_file_memory_steal(f, len, &error_abort);
}

static void test_save_golden(void)
{
    g_autoptr(Sample) s = sample_new_filled();
    g_autofree uint8_t *v2 = NULL, *v1 = NULL, *extra = NULL;
    size_t len;

    v2 = save_bytes(s, 2, NULL, &len);
    g_assert_cmpmem(v2, len, golden, sizeof(golden) - 1);
    v1 = save_bytes(s, 1, NULL, &len);
    g_assert_cmpmem(v1, len, golden_v1, sizeof(golden_v1) - 1);
    s->has_extra = true;
    s->extra = 0xc1;
    s->extra_nested = 0xc2;
    extra = save_bytes(s, 2, NULL, &len);
    g_assert_cmpmem(extra, len, golden_extra, sizeof(golden_extra) - 1);
}

/* What was loaded is what saves to the same bytes. */
static void test_load_golden(void)
{
    g_autoptr(Sample) s = sample_new();
    g_autofree uint8_t *again = NULL;
    size_t len;

    load_bytes(s, golden_extra, sizeof(golden_extra) - 1, 2, NULL);
    g_assert_true(s->b);
    g_assert_cmpint(s->i64, ==, -5);
    g_assert_cmpuint(s->u64, ==, 0x0d0e0f1011121314);
    g_assert_cmpint(s->le, ==, 3);
    g_assert_cmpfloat(s->doubles[0].d, ==, 1.0);
    g_assert_cmpint(timer_expire_time_ns(&s->timer), ==, 0x7000000000000001);
    g_assert_false(timer_pending(s->timer_ptr));
    g_assert_cmpmem(s->part, 4, "\0\0yz", 4);
    g_assert_cmpuint(s->n_alloc, ==, 1);
    g_assert_cmpuint(s->alloc[0], ==, 0x6162);
    g_assert_cmpuint(s->vpoint.x, ==, 0x74);
    g_assert_cmpuint(s->vpoint.y, ==, 0);
    g_assert_null(s->point_ptrs[1]);
    g_assert_cmpuint(QTAILQ_LAST(&s->tail)->value, ==, 0xa2);
    g_assert_cmpuint(QTAILQ_PREV(QTAILQ_LAST(&s->tail), tail_next)->value, ==,
                     0xa1);
    g_assert_cmpint(g_tree_nnodes(s->tree), ==, 2);
    g_assert_cmpuint(s->sum, ==, 10);
    g_assert_cmpuint(s->extra_nested, ==, 0xc2);
    s->has_extra = true;
    again = save_bytes(s, 2, NULL, &len);
    g_assert_cmpmem(again, len, golden_extra, sizeof(golden_extra) - 1);
}

static void test_versions(void)
{
    g_autoptr(Sample) old = sample_new();
    g_autoptr(Sample) newer = sample_new();

    old->new_field = 0x55;
    load_bytes(old, golden_v1, sizeof(golden_v1) - 1, 1, NULL);
    g_assert_cmpuint(old->new_field, ==, 0x55);
    load_bytes(newer, golden, sizeof(golden) - 1, 3,
               "'sample': version 3 in the stream, this side knows up to 2");
    load_bytes(newer, golden, sizeof(golden) - 1, 0,
               "'sample': version 0 in the stream, this side knows 1 and "
               "newer");
}

/* Every cut-off stream fails, none crashes or succeeds. */
static void test_truncated(void)
{
    for (size_t len = 0; len < sizeof(golden) - 1; len++) {
        g_autoptr(Sample) s = sample_new();
        g_autoptr(QEMUFile) f = file_of(golden, len);

        g_assert_cmpint(vmstate_load_state(f, &vmstate_sample, s, 2), <, 0);
        g_assert_cmpint(s->post_loads, ==, 0);
    }
}

/* One place of the golden bytes changed, and what is said about it. */
typedef struct HostileCase {
    size_t at; /* offset in the golden bytes */
    const char *bytes;
    size_t len;
    const char *message;
} HostileCase;

#define AT(before)    (sizeof(before) - 1)
#define HOSTILE(b)    (b), sizeof(b) - 1
#define G_TO_STRUCTS  G_HEAD G_VSIZE G_VBUF G_ALLOC G_BITMAP G_ARRAYS
#define G_TO_POINTERS G_TO_STRUCTS G_STRUCTS

static const HostileCase hostile[] = {
    { 18, HOSTILE("\xee"), NULL },
    { 16, HOSTILE("\xee"),
      "field 'u8 is not 0xee' of 'sample': values in the stream are not "
      "valid" },
    { 31, HOSTILE("\x11\x22\x33\x45"),
      "field 'equal' of 'sample': 287454021 in the stream, 287454020 on this "
      "side (a property)" },
    { 35, HOSTILE("\x00\x00\x00\x08"),
      "field 'le' of 'sample': 8 in the stream, 0 to 7 are possible" },
    { 35, HOSTILE("\xff\xff\xff\xff"),
      "field 'le' of 'sample': -1 in the stream, 0 to 7 are possible" },
    { AT(G_HEAD), HOSTILE("\x00\x00\x00\x05"),
      "field 'vbuffer' of 'sample': 5 elements or bytes in the stream, room "
      "for 4" },
    { AT(G_HEAD), HOSTILE("\x80\x00\x00\x00"),
      "field 'vbuffer' of 'sample': -2147483648 elements or bytes in the "
      "stream, room for 4" },
    { AT(G_HEAD G_VSIZE G_VBUF), HOSTILE("\x00\x00\x00\x41"),
      "field 'alloc_buffer' of 'sample': 65 elements or bytes in the stream, "
      "room for 64" },
    { AT(G_HEAD G_VSIZE G_VBUF G_ALLOC), HOSTILE("\x00\x00\x01\x01"),
      "field 'bitmap' of 'sample': 257 elements or bytes in the stream, room "
      "for 256" },
    { AT(G_HEAD G_VSIZE G_VBUF G_ALLOC G_BITMAP) + 8, HOSTILE("\x00\x05"),
      "field 'in' of 'sample': 5 elements or bytes in the stream, room for 4" },
    { AT(G_HEAD G_VSIZE G_VBUF G_ALLOC G_BITMAP) + 12,
      HOSTILE("\x00\x00\x00\x05"),
      "field 'rows' of 'sample': 10 elements or bytes in the stream, room "
      "for 8" },
    { AT(G_HEAD G_VSIZE G_VBUF G_ALLOC G_BITMAP) + 12,
      HOSTILE("\xff\xff\xff\xff"),
      "field 'rows' of 'sample': -1 elements or bytes in the stream, room "
      "for 8" },
    { AT(G_HEAD G_VSIZE G_VBUF G_ALLOC G_BITMAP) + 18,
      HOSTILE("\x00\x00\x00\x05"),
      "field 'out' of 'sample': 5 elements or bytes in the stream, room for "
      "4" },
    { AT(G_HEAD G_VSIZE G_VBUF G_ALLOC G_BITMAP) + 26,
      HOSTILE("\x00\x00\x03\xe9"),
      "field 'alloc' of 'sample': 1001 elements or bytes in the stream, room "
      "for 1000" },
    { AT(G_TO_STRUCTS) + 13, HOSTILE("\x05"),
      "field 'points_in' of 'sample': 5 elements or bytes in the stream, room "
      "for 4" },
    { AT(G_TO_STRUCTS) + 17, HOSTILE("\x7f\xff\xff\xff"),
      "field 'points_out' of 'sample': 2147483647 elements or bytes in the "
      "stream, room for 4" },
    { AT(G_TO_STRUCTS) + 24, HOSTILE("\xff\xff\xff\xff"),
      "field 'points_alloc' of 'sample': -1 elements or bytes in the stream, "
      "room for 1000" },
    { AT(G_TO_POINTERS) + 3, HOSTILE("\x31"),
      "field 'point_ptrs' of 'sample': the stream has an element that this "
      "side has not (byte 0x31)" },
    { AT(G_TO_POINTERS G_POINTERS), HOSTILE("\x02"),
      "field 'tail' of 'sample': byte 0x02 before an element" },
    { AT(G_TO_POINTERS G_POINTERS) + 22, HOSTILE("\x00\x10\x00\x01"),
      "field 'tree' of 'sample': 1048577 nodes, at most 1048576 are "
      "possible" },
    { AT(G_TO_POINTERS G_POINTERS) + 22, HOSTILE("\x00\x00\x00\x01"),
      "field 'tree' of 'sample': more than the 1 nodes announced" },
    { AT(G_TO_POINTERS G_POINTERS) + 22, HOSTILE("\x00\x00\x00\x03"),
      "field 'tree' of 'sample': 3 nodes announced, 2 came" },
};

static void test_hostile(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        const HostileCase *c = &hostile[i];
        g_autoptr(Sample) s = sample_new();
        g_autofree char *bytes = g_memdup2(golden, sizeof(golden) - 1);

        memcpy(bytes + c->at, c->bytes, c->len);
        load_bytes(s, bytes, sizeof(golden) - 1, 2, c->message);
    }
}

/* A list that is in use is not overwritten. */
static void test_list_in_use(void)
{
    g_autoptr(Sample) s = sample_new();

    sample_add(s, 1);
    load_bytes(s, golden, sizeof(golden) - 1, 2,
               "field 'tail' of 'sample': the list is not empty");
}

static void load_joined(const char *tail, size_t tail_len, const char *message)
{
    g_autoptr(Sample) s = sample_new();
    g_autoptr(GByteArray) b = g_byte_array_new();

    g_byte_array_append(b, (const uint8_t *)golden, sizeof(golden) - 1);
    g_byte_array_append(b, (const uint8_t *)tail, (guint)tail_len);
    load_bytes(s, b->data, b->len, 2, message);
}

static void test_subsections(void)
{
    load_joined(HOSTILE(G_EXTRA), NULL);
    load_joined(HOSTILE(G_EXTRA G_EXTRA),
                "'sample': subsection 'sample/extra' comes twice");
    load_joined(HOSTILE("\x05\x0csample/other\x00\x00\x00\x01"),
                "'sample': unknown subsection 'sample/other'");
    load_joined(HOSTILE("\x05\x0csample/extra\x00\x00\x00\x04"),
                "'sample/extra': version 4 in the stream, this side knows up "
                "to 3");
    load_joined(HOSTILE("\x05\x0csample/extra\xff\xff\xff\xff"),
                "'sample': subsection 'sample/extra' of version 4294967295");
}

/* A byte 0x05 behind the struct that is no subsection of it stays there. */
static void test_not_a_subsection(void)
{
    static const char *const tails[] = { "\x05", "\x05\x30", "\x05\x07sampleX/",
                                         "\x05\x08serial/x" };

    for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
        g_autoptr(Sample) s = sample_new();
        g_autofree char *bytes = g_malloc(sizeof(golden) + 32);
        g_autoptr(QEMUFile) f = NULL;

        memcpy(bytes, golden, sizeof(golden) - 1);
        memcpy(bytes + sizeof(golden) - 1, tails[i], strlen(tails[i]));
        f = file_of(bytes, sizeof(golden) - 1 + strlen(tails[i]));
        g_assert_cmpint(vmstate_load_state(f, &vmstate_sample, s, 2), ==, 0);
        g_assert_cmpuint(qemu_file_held(f), ==, strlen(tails[i]));
    }
}

static json_t *field_named(json_t *desc, const char *name, size_t nth)
{
    json_t *fields = json_object_get(desc, "fields"), *field;
    size_t i;

    json_array_foreach(fields, i, field)
    {
        if (g_str_equal(json_string_value(json_object_get(field, "name")),
                        name) &&
            nth-- == 0) {
            return field;
        }
    }
    g_assert_not_reached();
}

static void assert_field(json_t *desc, const char *name, const char *expected)
{
    char *text = json_dumps(field_named(desc, name, 0), JSON_COMPACT);

    g_assert_cmpstr(text, ==, expected);
    free(text);
}

static void test_description(void)
{
    g_autoptr(Sample) s = sample_new_filled();
    g_autoptr(JSONWriter) w = json_writer_new(false);
    g_autofree uint8_t *bytes = NULL;
    g_autofree char *text = NULL;
    json_error_t error;
    json_t *desc, *field;
    size_t len, i, sum = 0;

    s->has_extra = true;
    json_writer_start_object(w, NULL);
    bytes = save_bytes(s, 2, w, &len);
    json_writer_end_object(w);
    text = json_writer_text(w, &len);
    g_assert_cmpuint(strlen(text), ==, len);
    desc = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    g_assert_nonnull(desc);
    g_assert_cmpstr(json_string_value(json_object_get(desc, "vmsd_name")), ==,
                    "sample");
    g_assert_cmpint(json_integer_value(json_object_get(desc, "version")), ==,
                    2);
    assert_field(desc, "b", "{\"name\":\"b\",\"type\":\"bool\",\"size\":1}");
    assert_field(desc, "equal",
                 "{\"name\":\"equal\",\"type\":\"uint32 equal\",\"size\":4}");
    assert_field(desc, "bitmap",
                 "{\"name\":\"bitmap\",\"type\":\"bitmap\",\"size\":16}");
    assert_field(desc, "array",
                 "{\"name\":\"array\",\"array_len\":2,\"type\":\"uint16\","
                 "\"size\":2}");
    assert_field(desc, "vpoint",
                 "{\"name\":\"vpoint\",\"type\":\"vstruct\",\"struct\":{"
                 "\"vmsd_name\":\"sample-point\",\"version\":1,\"fields\":[{"
                 "\"name\":\"x\",\"type\":\"uint8\",\"size\":1}]},\"size\":1}");
    assert_field(desc, "tail",
                 "{\"name\":\"tail\",\"type\":\"qtailq\",\"size\":11}");
    g_assert_cmpint(json_integer_value(json_object_get(
                        field_named(desc, "point_ptrs", 2), "index")),
                    ==, 2);
    g_assert_cmpstr(json_string_value(json_object_get(
                        field_named(desc, "point_ptrs", 1), "type")),
                    ==, "nullptr");
    json_array_foreach(json_object_get(desc, "fields"), i, field)
    {
        json_int_t n = json_integer_value(json_object_get(field, "array_len"));

        sum += (size_t)json_integer_value(json_object_get(field, "size")) *
               (size_t)MAX(n, 1);
    }
    g_assert_cmpuint(sum, ==, sizeof(golden) - 1);
    g_assert_cmpuint(json_array_size(json_object_get(desc, "subsections")), ==,
                     1);
    json_decref(desc);
}

static int fail_hook(void *opaque G_GNUC_UNUSED)
{
    return -EPERM;
}

static bool fail_errp(void *opaque G_GNUC_UNUSED, Error **errp)
{
    error_setg(errp, "not now");
    return false;
}

/* A hook's refusal, with and without a reason, fails both directions. */
static void test_hooks(void)
{
    static const VMStateField none[] = { VMSTATE_END_OF_LIST() };
    static const VMStateDescription plain = { .name = "plain",
                                              .pre_save = fail_hook,
                                              .pre_load = fail_hook,
                                              .fields = none };
    static const VMStateDescription reason = { .name = "reason",
                                               .pre_save_errp = fail_errp,
                                               .pre_load_errp = fail_errp,
                                               .fields = none };
    static const struct {
        const VMStateDescription *vmsd;
        const char *save, *load;
    } cases[] = {
        { &plain, "'plain': saving failed with error -1",
          "'plain': preparing failed with error -1" },
        { &reason, "saving of 'reason': not now",
          "preparing of 'reason': not now" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autoptr(QEMUFile) out = qemu_file_new_memory_output();
        g_autoptr(QEMUFile) in = file_of("", 0);
        g_autoptr(Error) err = NULL, err2 = NULL;

        g_assert_cmpint(vmstate_save_state(out, cases[i].vmsd, NULL, NULL), <,
                        0);
        qemu_file_get_error_obj(out, &err);
        g_assert_cmpstr(error_get_pretty(err), ==, cases[i].save);
        g_assert_cmpint(vmstate_load_state(in, cases[i].vmsd, NULL, 0), <, 0);
        qemu_file_get_error_obj(in, &err2);
        g_assert_cmpstr(error_get_pretty(err2), ==, cases[i].load);
    }
}

/* A state that this side itself would refuse is not sent. */
static void test_save_invalid(void)
{
    g_autoptr(Sample) s = sample_new_filled();
    g_autoptr(QEMUFile) f = qemu_file_new_memory_output();
    g_autoptr(Error) err = NULL;

    s->u8 = 0xee;
    g_assert_cmpint(vmstate_save_state(f, &vmstate_sample, s, NULL), <, 0);
    qemu_file_get_error_obj(f, &err);
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "field 'u8 is not 0xee' of 'sample': values of this side "
                    "are not valid");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmstate/save-golden", test_save_golden);
    g_test_add_func("/vmstate/load-golden", test_load_golden);
    g_test_add_func("/vmstate/versions", test_versions);
    g_test_add_func("/vmstate/truncated", test_truncated);
    g_test_add_func("/vmstate/hostile", test_hostile);
    g_test_add_func("/vmstate/list-in-use", test_list_in_use);
    g_test_add_func("/vmstate/subsections", test_subsections);
    g_test_add_func("/vmstate/not-a-subsection", test_not_a_subsection);
    g_test_add_func("/vmstate/description", test_description);
    g_test_add_func("/vmstate/hooks", test_hooks);
    g_test_add_func("/vmstate/save-invalid", test_save_invalid);
    return g_test_run();
}
