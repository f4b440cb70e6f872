/*
 * -smbios: which key of which type goes where.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/options.h"
#include "hw/smbios/smbios.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/read-file.h"

#define FILE_BYTES_MAX   0xffffu
#define STRUCT_BYTES_MIN 6u /* header and two zero bytes */
#define MHZ_MAX          0xffffu

typedef struct Key {
    const char *name;
    size_t offset; /* in SmbiosFields */
    enum {
        KEY_TEXT,
        KEY_MHZ,
        KEY_BOOL
    } kind;
} Key;

#define TEXT(name, field)                                                      \
    {                                                                          \
        name, offsetof(SmbiosFields, field), KEY_TEXT                          \
    }
#define MHZ(name, field)                                                       \
    {                                                                          \
        name, offsetof(SmbiosFields, field), KEY_MHZ                           \
    }

static const Key bios_keys[] = {
    TEXT("vendor", manufacturer),
    TEXT("version", version),
    TEXT("date", date),
    TEXT("release", release),
    { "uefi", offsetof(SmbiosFields, uefi), KEY_BOOL },
    {},
};
static const Key system_keys[] = {
    TEXT("manufacturer", manufacturer),
    TEXT("product", product),
    TEXT("version", version),
    TEXT("serial", serial),
    TEXT("uuid", uuid),
    TEXT("sku", sku),
    TEXT("family", family),
    {},
};
static const Key board_keys[] = {
    TEXT("manufacturer", manufacturer),
    TEXT("product", product),
    TEXT("version", version),
    TEXT("serial", serial),
    TEXT("asset", asset),
    TEXT("location", location),
    {},
};
static const Key chassis_keys[] = {
    TEXT("manufacturer", manufacturer),
    TEXT("version", version),
    TEXT("serial", serial),
    TEXT("asset", asset),
    TEXT("sku", sku),
    {},
};
static const Key processor_keys[] = {
    TEXT("sock_pfx", location),
    TEXT("manufacturer", manufacturer),
    TEXT("version", version),
    TEXT("serial", serial),
    TEXT("asset", asset),
    TEXT("part", part),
    MHZ("max-speed", max_speed_mhz),
    MHZ("current-speed", current_speed_mhz),
    {},
};
static const Key memory_keys[] = {
    TEXT("loc_pfx", location),
    TEXT("bank", bank),
    TEXT("manufacturer", manufacturer),
    TEXT("serial", serial),
    TEXT("asset", asset),
    TEXT("part", part),
    MHZ("speed", speed_mhz),
    {},
};

static const struct {
    unsigned type;
    size_t offset; /* in SmbiosOptions */
    const Key *keys;
} types[] = {
    { 0, offsetof(SmbiosOptions, bios), bios_keys },
    { 1, offsetof(SmbiosOptions, system), system_keys },
    { 2, offsetof(SmbiosOptions, board), board_keys },
    { 3, offsetof(SmbiosOptions, chassis), chassis_keys },
    { 4, offsetof(SmbiosOptions, processor), processor_keys },
    { 17, offsetof(SmbiosOptions, memory), memory_keys },
};

static bool store_mhz(const json_t *opts, const Key *k, unsigned *dst,
                      Error **errp)
{
    if (!options_get_uint(opts, k->name, dst, errp)) {
        return false;
    }
    if (*dst > MHZ_MAX) {
        error_setg(errp, "-smbios %s=%u: at most %u MHz", k->name, *dst,
                   MHZ_MAX);
        return false;
    }
    return true;
}

static bool store_key(const json_t *opts, const Key *k, SmbiosFields *f,
                      Error **errp)
{
    void *dst = (char *)f + k->offset;
    const char *text = NULL;

    if (!json_object_get(opts, k->name)) {
        return true;
    }
    if (k->kind == KEY_MHZ) {
        return store_mhz(opts, k, dst, errp);
    }
    if (!options_get_string(opts, k->name, &text, errp)) {
        return false;
    }
    if (k->kind == KEY_BOOL) {
        *(bool *)dst = g_str_equal(text, "on");
        return true;
    }
    g_free(*(char **)dst);
    *(char **)dst = g_strdup(text);
    return true;
}

static bool is_key(const Key *keys, const char *name)
{
    for (; keys->name; keys++) {
        if (g_str_equal(keys->name, name)) {
            return true;
        }
    }
    return g_str_equal(name, "type");
}

static bool store_type(json_t *opts, unsigned type, const Key *keys,
                       SmbiosFields *f, Error **errp)
{
    const char *name;
    json_t *value;

    json_object_foreach(opts, name, value)
    {
        if (!is_key(keys, name)) {
            error_setg(errp, "-smbios type=%u has no '%s'", type, name);
            return false;
        }
    }
    f->given = true;
    for (; keys->name; keys++) {
        if (!store_key(opts, keys, f, errp)) {
            return false;
        }
    }
    return true;
}

/* type=11,value=TEXT: one string each time. */
static bool store_oem_string(const json_t *opts, SmbiosOptions *o, Error **errp)
{
    static const char *const known[] = { "type", "value", NULL };
    const char *text = NULL;

    if (!options_check_known(opts, known, "-smbios type=11", errp) ||
        !options_get_string(opts, "value", &text, errp)) {
        return false;
    }
    if (!text || !*text || o->oem_strings->len == SMBIOS_STRINGS_MAX) {
        error_setg(errp,
                   "-smbios type=11 needs value=, at most %u times and not "
                   "empty",
                   SMBIOS_STRINGS_MAX);
        return false;
    }
    g_ptr_array_add(o->oem_strings, g_strdup(text));
    return true;
}

static bool add_file(SmbiosOptions *o, const char *path, Error **errp)
{
    size_t len;
    char *data = read_file_bounded(path, FILE_BYTES_MAX, &len, errp);

    if (!data) {
        return false;
    }
    if (len < STRUCT_BYTES_MIN || (uint8_t)data[1] + 2u > len ||
        data[len - 1] || data[len - 2] || o->files->len == SMBIOS_FILES_MAX) {
        error_setg(errp, "'%s' is not one whole SMBIOS structure", path);
        g_free(data);
        return false;
    }
    g_ptr_array_add(o->files, g_bytes_new_take(data, len));
    return true;
}

static bool parse_one(SmbiosOptions *o, const char *text, Error **errp)
{
    json_auto_t *opts = keyval_parse(text, NULL, NULL, errp);
    const char *file = NULL;
    unsigned type = UINT_MAX;

    if (!opts || !options_get_string(opts, "file", &file, errp) ||
        !options_get_uint(opts, "type", &type, errp)) {
        return false;
    }
    if (file) {
        return add_file(o, file, errp);
    }
    if (type == 11) {
        return store_oem_string(opts, o, errp);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (types[i].type == type) {
            return store_type(
                opts, type, types[i].keys,
                (SmbiosFields *)(void *)((char *)o + types[i].offset), errp);
        }
    }
    error_setg(errp, "-smbios '%s': type= must be 0, 1, 2, 3, 4, 11 or 17",
               text);
    return false;
}

SmbiosOptions *smbios_options_parse(char *const *texts, Error **errp)
{
    g_autoptr(SmbiosOptions) o = g_new0(SmbiosOptions, 1);

    o->oem_strings = g_ptr_array_new_with_free_func(g_free);
    o->files = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    for (; texts && *texts; texts++) {
        if (!parse_one(o, *texts, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&o);
}

static void fields_clear(SmbiosFields *f, const Key *keys)
{
    for (; keys->name; keys++) {
        if (keys->kind == KEY_TEXT) {
            g_free(*(char **)(void *)((char *)f + keys->offset));
        }
    }
}

void smbios_options_free(SmbiosOptions *o)
{
    if (!o) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        fields_clear((SmbiosFields *)(void *)((char *)o + types[i].offset),
                     types[i].keys);
    }
    g_ptr_array_unref(o->oem_strings);
    g_ptr_array_unref(o->files);
    g_free(o);
}
