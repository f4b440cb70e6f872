/*
 * The table loader's script: entries of 128 bytes, little-endian.
 *
 *   allocate  1: file[56] align:4 zone:1
 *   pointer   2: dest file[56] source file[56] offset:4 size:1
 *   checksum  3: file[56] offset:4 start:4 length:4
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/acpi/bios-linker.h"

#include "util/bswap.h"

#define ENTRY_BYTES     128u
#define NAME_BYTES      56u
#define CMD_ALLOCATE    1u
#define CMD_ADD_POINTER 2u
#define CMD_CHECKSUM    3u

typedef struct LinkerFile {
    const char *name;
    GByteArray *bytes; /* borrowed */
    uint32_t align;
    BiosLinkerZone zone;
    uint64_t address; /* once it runs */
} LinkerFile;

typedef struct LinkerStep {
    uint32_t command; /* CMD_ADD_POINTER, CMD_CHECKSUM */
    const char *file;
    const char *target;
    uint32_t offset;
    uint32_t start;
    uint32_t len; /* of the pointer, or of what is summed up */
} LinkerStep;

struct BiosLinker {
    GArray *files; /* LinkerFile */
    GArray *steps; /* LinkerStep; pointers first */
};

BiosLinker *bios_linker_new(void)
{
    BiosLinker *l = g_new0(BiosLinker, 1);

    l->files = g_array_new(FALSE, FALSE, sizeof(LinkerFile));
    l->steps = g_array_new(FALSE, FALSE, sizeof(LinkerStep));
    return l;
}

void bios_linker_free(BiosLinker *l)
{
    if (l) {
        g_array_unref(l->files);
        g_array_unref(l->steps);
        g_free(l);
    }
}

void bios_linker_allocate(BiosLinker *l, const char *file, GByteArray *bytes,
                          uint32_t align, BiosLinkerZone zone)
{
    LinkerFile f = { file, bytes, align, zone, 0 };

    assert(strlen(file) < NAME_BYTES);
    g_array_append_val(l->files, f);
}

void bios_linker_add_pointer(BiosLinker *l, const char *file, uint32_t offset,
                             uint8_t size, const char *target)
{
    LinkerStep s = { .command = CMD_ADD_POINTER,
                     .file = file,
                     .target = target,
                     .offset = offset,
                     .len = size };
    guint n = 0;

    /* A checksum is right only when the pointers under it are. */
    while (n < l->steps->len &&
           g_array_index(l->steps, LinkerStep, n).command == CMD_ADD_POINTER) {
        n++;
    }
    g_array_insert_val(l->steps, n, s);
}

void bios_linker_add_checksum(BiosLinker *l, const char *file, uint32_t offset,
                              uint32_t start, uint32_t len)
{
    LinkerStep s = { .command = CMD_CHECKSUM,
                     .file = file,
                     .offset = offset,
                     .start = start,
                     .len = len };

    g_array_append_val(l->steps, s);
}

/* -- as a script -------------------------------------------------------------------- */

static void put_name(uint8_t *p, const char *name)
{
    g_strlcpy((char *)p, name, NAME_BYTES);
}

static void put_step(GByteArray *out, const LinkerStep *s)
{
    uint8_t e[ENTRY_BYTES] = { 0 };
    uint8_t *p = e + 4 + NAME_BYTES;

    stl_le_p(e, s->command);
    put_name(e + 4, s->file);
    if (s->command == CMD_ADD_POINTER) {
        put_name(p, s->target);
        p += NAME_BYTES;
        stl_le_p(p, s->offset);
        p[4] = (uint8_t)s->len;
    } else {
        stl_le_p(p, s->offset);
        stl_le_p(p + 4, s->start);
        stl_le_p(p + 8, s->len);
    }
    g_byte_array_append(out, e, sizeof(e));
}

GBytes *bios_linker_script(const BiosLinker *l)
{
    GByteArray *out = g_byte_array_new();

    for (guint i = 0; i < l->files->len; i++) {
        const LinkerFile *f = &g_array_index(l->files, LinkerFile, i);
        uint8_t e[ENTRY_BYTES] = { 0 };

        stl_le_p(e, CMD_ALLOCATE);
        put_name(e + 4, f->name);
        stl_le_p(e + 4 + NAME_BYTES, f->align);
        e[4 + NAME_BYTES + 4] = (uint8_t)f->zone;
        g_byte_array_append(out, e, sizeof(e));
    }
    for (guint i = 0; i < l->steps->len; i++) {
        put_step(out, &g_array_index(l->steps, LinkerStep, i));
    }
    return g_byte_array_free_to_bytes(out);
}

/* -- by ourselves ---------------------------------------------------------------------- */

static LinkerFile *find_file(BiosLinker *l, const char *name)
{
    for (guint i = 0; i < l->files->len; i++) {
        LinkerFile *f = &g_array_index(l->files, LinkerFile, i);

        if (g_str_equal(f->name, name)) {
            return f;
        }
    }
    g_assert_not_reached();
}

static void patch_pointer(uint8_t *p, unsigned size, uint64_t add)
{
    uint64_t value = 0;

    memcpy(&value, p, size);
    value = cpu_to_le64(le64_to_cpu(value) + add);
    memcpy(p, &value, size);
}

static void patch_checksum(uint8_t *bytes, const LinkerStep *s)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < s->len; i++) {
        sum += bytes[s->start + i];
    }
    bytes[s->offset] = (uint8_t)(bytes[s->offset] - sum);
}

void bios_linker_run(BiosLinker *l,
                     uint64_t (*place)(void *opaque, const char *file,
                                       uint32_t len, uint32_t align,
                                       BiosLinkerZone zone),
                     void *opaque)
{
    for (guint i = 0; i < l->files->len; i++) {
        LinkerFile *f = &g_array_index(l->files, LinkerFile, i);

        f->address = place(opaque, f->name, f->bytes->len, f->align, f->zone);
    }
    for (guint i = 0; i < l->steps->len; i++) {
        const LinkerStep *s = &g_array_index(l->steps, LinkerStep, i);
        uint8_t *bytes = find_file(l, s->file)->bytes->data;

        if (s->command == CMD_ADD_POINTER) {
            patch_pointer(bytes + s->offset, s->len,
                          find_file(l, s->target)->address);
        } else {
            patch_checksum(bytes, s);
        }
    }
}
