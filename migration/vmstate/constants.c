/*
 * Constants of a device: see migration/constants.h.
 *
 * They are found by walking the device's table as saving does, with nested
 * structs and arrays of them. A name that comes again (the queues of a device)
 * gets a number, in order of the walk, which is the same on both sides.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/vmstate/constants.h"

#include "migration/vmstate/vmstate-internal.h"
#include "util/bswap.h"

#define NAME_MAX_BYTES 200
#define BIT_NAMES      32
#define BIT_NAMES_MAX  12
#define TEXT_MAX_BYTES 64

struct VMStateConstants {
    GPtrArray *list;    /* of VMStateConstant */
    GHashTable *places; /* name -> the constant */
    GHashTable *times;  /* name as given -> how often, as a pointer */
};

static void constant_free(gpointer opaque)
{
    VMStateConstant *k = opaque;

    g_free(k->name);
    g_byte_array_unref(k->bytes);
    g_free(k->changeable);
    g_free(k);
}

void vmstate_constants_free(VMStateConstants *c)
{
    if (c) {
        g_hash_table_unref(c->places);
        g_hash_table_unref(c->times);
        g_ptr_array_unref(c->list);
        g_free(c);
    }
}

unsigned vmstate_constants_count(const VMStateConstants *c)
{
    return c->list->len;
}

const VMStateConstant *vmstate_constants_at(const VMStateConstants *c,
                                            unsigned i)
{
    return c->list->pdata[i];
}

/* -- what devices add ---------------------------------------------------------- */

static char *name_of(VMStateConstants *c, const char *name)
{
    unsigned n = GPOINTER_TO_UINT(g_hash_table_lookup(c->times, name)) + 1;

    g_hash_table_insert(c->times, g_strdup(name), GUINT_TO_POINTER(n));
    return n == 1 ? g_strdup(name) : g_strdup_printf("%s, number %u", name, n);
}

static VMStateConstant *add(VMStateConstants *c, VMStateConstantKind kind,
                            const char *name, const void *bytes, size_t len)
{
    VMStateConstant *k = g_new0(VMStateConstant, 1);

    g_assert(name[0] && strlen(name) <= NAME_MAX_BYTES && len > 0 &&
             len <= VMSTATE_CONSTANT_BYTES_MAX);
    k->kind = kind;
    k->name = name_of(c, name);
    k->bytes = g_byte_array_append(g_byte_array_sized_new((guint)len), bytes,
                                   (guint)len);
    if (c->list->len < VMSTATE_CONSTANTS_MAX &&
        g_hash_table_insert(c->places, k->name, k)) {
        g_ptr_array_add(c->list, k);
        return k;
    }
    constant_free(k);
    return NULL;
}

static VMStateConstant *add_number(VMStateConstants *c,
                                   VMStateConstantKind kind, const char *name,
                                   uint64_t sent, uint64_t here)
{
    uint64_t wire = cpu_to_be64(sent);
    VMStateConstant *k = add(c, kind, name, &wire, sizeof(wire));

    if (k) {
        k->here = here;
    }
    return k;
}

void vmstate_constant(VMStateConstants *c, const char *name, uint64_t value)
{
    add_number(c, VMSTATE_CONSTANT_EQUAL, name, value, value);
}

void vmstate_constant_if_set(VMStateConstants *c, const char *name,
                             uint64_t value)
{
    add_number(c, VMSTATE_CONSTANT_IF_SET, name, value, value);
}

void vmstate_constant_least(VMStateConstants *c, const char *name,
                            uint64_t value)
{
    add_number(c, VMSTATE_CONSTANT_LEAST, name, value, value);
}

void vmstate_constant_bits(VMStateConstants *c, const char *name, uint64_t used,
                           uint64_t offered, const char *const *bit_names)
{
    VMStateConstant *k =
        add_number(c, VMSTATE_CONSTANT_BITS, name, used, offered);

    if (k) {
        k->bit_names = bit_names;
    }
}

void vmstate_constant_text(VMStateConstants *c, const char *name,
                           const char *text)
{
    add(c, VMSTATE_CONSTANT_TEXT, name, text,
        MIN(strlen(text) + 1, TEXT_MAX_BYTES));
}

void vmstate_constant_bytes(VMStateConstants *c, const char *name,
                            const uint8_t *bytes, const uint8_t *changeable,
                            size_t len)
{
    VMStateConstant *k = add(c, VMSTATE_CONSTANT_BYTES, name, bytes, len);

    if (k) {
        k->changeable = g_memdup2(changeable, len);
    }
}

/* -- the walk ---------------------------------------------------------------------- */

static void walk(VMStateConstants *c, const VMStateDescription *vmsd,
                 void *opaque);

static bool is_equal_info(const VMStateInfo *info)
{
    return info == &vmstate_info_uint8_equal ||
           info == &vmstate_info_uint16_equal ||
           info == &vmstate_info_uint32_equal ||
           info == &vmstate_info_uint64_equal ||
           info == &vmstate_info_int32_equal ||
           info == &vmstate_info_int64_equal;
}

static uint64_t read_equal(const VMStateField *field, const void *elem)
{
    switch (field->size) {
    case 1:
        return *(const uint8_t *)elem;
    case 2:
        return *(const uint16_t *)elem;
    case 4:
        return *(const uint32_t *)elem;
    default:
        return *(const uint64_t *)elem;
    }
}

static void walk_elem(VMStateConstants *c, const VMStateField *field,
                      void *elem)
{
    if (field->flags & (VMS_STRUCT | VMS_VSTRUCT)) {
        walk(c, field->vmsd, elem);
    } else {
        vmstate_constant(c, field->err_hint ? field->err_hint : field->name,
                         read_equal(field, elem));
    }
}

static void walk_field(VMStateConstants *c, const VMStateField *field,
                       void *opaque)
{
    char *first = (char *)opaque + field->offset;
    int64_t elems =
        vmstate_field_elems(field, vmstate_field_count(field, opaque));

    if (field->flags & VMS_POINTER) {
        first = *(char **)(void *)first;
    }
    for (int64_t i = 0; first && i < elems; i++) {
        char *elem = first + (int64_t)field->size * i;

        if (field->flags & VMS_ARRAY_OF_POINTER) {
            elem = *(char **)(void *)elem;
        }
        if (elem) {
            walk_elem(c, field, elem);
        }
    }
}

/* Only what can hold a constant is looked at: what others count and point to
 * may mean nothing before pre_save. */
static bool has_constants(const VMStateDescription *vmsd)
{
    const VMStateField *field;
    bool has = vmsd->constants;

    for (field = vmsd->fields; !has && field && !(field->flags & VMS_END);
         field++) {
        has = field->flags & (VMS_STRUCT | VMS_VSTRUCT)
                  ? has_constants(field->vmsd)
                  : is_equal_info(field->info);
    }
    return has;
}

static bool is_of_interest(const VMStateField *field)
{
    return field->flags & (VMS_STRUCT | VMS_VSTRUCT)
               ? !(field->flags & VMS_ALLOC) && has_constants(field->vmsd)
               : is_equal_info(field->info);
}

static void walk(VMStateConstants *c, const VMStateDescription *vmsd,
                 void *opaque)
{
    const VMStateField *field;

    for (field = vmsd->fields; field && !(field->flags & VMS_END); field++) {
        if (is_of_interest(field) &&
            vmstate_field_exists(field, opaque, vmsd->version_id)) {
            walk_field(c, field, opaque);
        }
    }
    if (vmsd->constants) {
        vmsd->constants(opaque, c);
    }
}

VMStateConstants *vmstate_constants_of(const VMStateDescription *vmsd,
                                       void *opaque)
{
    VMStateConstants *c = g_new0(VMStateConstants, 1);

    c->list = g_ptr_array_new_with_free_func(constant_free);
    c->places = g_hash_table_new(g_str_hash, g_str_equal);
    c->times = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    walk(c, vmsd, opaque);
    return c;
}

/* -- comparing ------------------------------------------------------------------------ */

static void begin(GString *why, const char *name)
{
    g_string_append_printf(why, "%s%s", why->len ? "; " : "", name);
}

static void say_bits(const VMStateConstant *k, uint64_t missing, GString *why)
{
    unsigned n = 0;

    begin(why, k->name);
    g_string_append(why, ": only the source has ");
    for (unsigned bit = 0; bit < 64; bit++) {
        const char *name =
            k->bit_names && bit < BIT_NAMES ? k->bit_names[bit] : NULL;

        if (!(missing >> bit & 1) || n++ >= BIT_NAMES_MAX) {
            continue;
        }
        g_string_append(why, n > 1 ? ", " : "");
        if (name) {
            g_string_append(why, name);
        } else {
            g_string_append_printf(why, "bit %u", bit);
        }
    }
    if (n > BIT_NAMES_MAX) {
        g_string_append_printf(why, " and %u more", n - BIT_NAMES_MAX);
    }
}

static bool compare_number(const VMStateConstant *k, uint64_t theirs,
                           GString *why)
{
    uint64_t here = k->here;

    switch (k->kind) {
    case VMSTATE_CONSTANT_IF_SET:
        if (theirs == 0) {
            return true;
        }
        /* fallthrough */
    case VMSTATE_CONSTANT_EQUAL:
        if (theirs == here) {
            return true;
        }
        begin(why, k->name);
        g_string_append_printf(why,
                               " is %" PRIu64 " at the source and %" PRIu64
                               " here",
                               theirs, here);
        return false;
    case VMSTATE_CONSTANT_LEAST:
        if (theirs <= here) {
            return true;
        }
        begin(why, k->name);
        g_string_append_printf(why,
                               " is %" PRIu64 " at the source and only %" PRIu64
                               " here",
                               theirs, here);
        return false;
    default:
        if (!(theirs & ~here)) {
            return true;
        }
        say_bits(k, theirs & ~here, why);
        return false;
    }
}

/* What came from a source, for a terminal. */
static char *printable(const uint8_t *bytes, size_t len)
{
    char *text = g_strndup((const char *)bytes, MIN(len, TEXT_MAX_BYTES));

    for (char *p = text; *p; p++) {
        *p = g_ascii_isprint(*p) ? *p : '?';
    }
    return text;
}

static bool compare_text(const VMStateConstant *k, const uint8_t *bytes,
                         size_t len, GString *why)
{
    g_autofree char *theirs = NULL;
    g_autofree char *ours = NULL;

    if (len == k->bytes->len && memcmp(bytes, k->bytes->data, len) == 0) {
        return true;
    }
    theirs = printable(bytes, len);
    ours = printable(k->bytes->data, k->bytes->len);
    begin(why, k->name);
    g_string_append_printf(why, " is '%s' at the source and '%s' here", theirs,
                           ours);
    return false;
}

static bool compare_bytes(const VMStateConstant *k, const uint8_t *bytes,
                          GString *why)
{
    for (guint i = 0; i < k->bytes->len; i++) {
        uint8_t here = k->bytes->data[i];

        if ((bytes[i] ^ here) & ~k->changeable[i]) {
            begin(why, k->name);
            g_string_append_printf(
                why, ": byte 0x%02x is 0x%02x at the source and 0x%02x here", i,
                bytes[i], here);
            return false;
        }
    }
    return true;
}

bool vmstate_constants_compare(const VMStateConstants *c, const char *name,
                               const uint8_t *bytes, size_t len, GString *why)
{
    const VMStateConstant *k = g_hash_table_lookup(c->places, name);

    if (!k) {
        return true;
    }
    if (k->kind == VMSTATE_CONSTANT_TEXT) {
        return compare_text(k, bytes, len, why);
    }
    if (len != k->bytes->len) {
        begin(why, name);
        g_string_append_printf(why,
                               " has %zu bytes at the source and %u bytes here",
                               len, k->bytes->len);
        return false;
    }
    return k->kind == VMSTATE_CONSTANT_BYTES
               ? compare_bytes(k, bytes, why)
               : compare_number(k, ldq_be_p(bytes), why);
}
