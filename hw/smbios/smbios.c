/*
 * SMBIOS structures. Each is a formatted part and a list of strings, which the
 * formatted part names by number.
 *
 * Section numbers in comments are those of DSP0134 2.8.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/smbios/smbios.h"

#include "util/bswap.h"
#include "util/error.h"
#include "util/uuid.h"

#define ANCHOR_BYTES     31u
#define ANCHOR_DMI       16u
#define VERSION_MAJOR    2
#define VERSION_MINOR    8
#define TABLES_BYTES_MAX 0xffffu
#define FORMATTED_MAX    64u
#define HANDLE_BIOS      0x0000
#define HANDLE_SYSTEM    0x0100
#define HANDLE_BOARD     0x0200
#define HANDLE_CHASSIS   0x0300
#define HANDLE_PROCESSOR 0x0400
#define HANDLE_OEM       0x0e00
#define HANDLE_ARRAY     0x1000
#define HANDLE_DIMM      0x1100
#define HANDLE_MAPPED    0x1300
#define HANDLE_BOOT      0x2000
#define HANDLE_END       0x7f00
#define DIMM_BYTES       (16ull << 30)
#define MIB              (1ull << 20)
#define KIB              1024ull
#define ARRAY_KIB_MAX    0x80000000ull
#define DIMM_MIB_MAX     0x7fffull

/* Values of enumerated fields. */
#define UNKNOWN              0x02
#define OTHER                0x01
#define CHASSIS_OTHER        0x01
#define STATE_SAFE           0x03
#define PROCESSOR_CENTRAL    0x03
#define PROCESSOR_ENABLED    0x41
#define PROCESSOR_OTHER_SLOT 0x01
#define USE_SYSTEM_MEMORY    0x03
#define ECC_MULTI            0x06
#define FORM_DIMM            0x09
#define MEMORY_RAM           0x07
#define NONE16               0xffff
#define NO_ERROR_INFO        0xfffe

/* One structure while it is made. */
typedef struct Struct {
    uint8_t data[FORMATTED_MAX];
    unsigned len;
    GString *strings;
    unsigned n_strings;
} Struct;

typedef struct Build {
    const SmbiosConfig *config;
    const SmbiosOptions *options;
    SmbiosTables *t;
    unsigned count;
    unsigned largest;
} Build;

/* -- one structure -------------------------------------------------------------------- */

static void put(Struct *s, uint64_t value, unsigned bytes)
{
    assert(s->len + bytes <= FORMATTED_MAX);
    for (; bytes; bytes--, value >>= 8) {
        s->data[s->len++] = (uint8_t)value;
    }
}

static Struct begin(uint8_t type, uint16_t handle)
{
    Struct s = { .strings = g_string_new(NULL) };

    put(&s, type, 1);
    put(&s, 0, 1); /* length */
    put(&s, handle, 2);
    return s;
}

/* The number of @text, or of @fallback; 0 for none. */
static void put_string(Struct *s, const char *text, const char *fallback)
{
    const char *v = text ? text : fallback;

    if (!v || !*v) {
        put(s, 0, 1);
        return;
    }
    g_string_append_len(s->strings, v, (gssize)strlen(v) + 1);
    put(s, ++s->n_strings, 1);
}

static void finish(Build *b, Struct *s)
{
    guint before = b->t->tables->len;

    s->data[1] = (uint8_t)s->len;
    if (s->n_strings == 0) {
        g_string_append_c(s->strings, '\0');
    }
    g_string_append_c(s->strings, '\0');
    g_byte_array_append(b->t->tables, s->data, s->len);
    g_byte_array_append(b->t->tables, (const uint8_t *)s->strings->str,
                        (guint)s->strings->len);
    g_string_free(s->strings, TRUE);
    b->count++;
    b->largest = MAX(b->largest, b->t->tables->len - before);
}

static bool user_has(const Build *b, uint8_t type)
{
    for (guint i = 0; b->options->files && i < b->options->files->len; i++) {
        const uint8_t *p = g_bytes_get_data(b->options->files->pdata[i], NULL);

        if (p[0] == type) {
            return true;
        }
    }
    return false;
}

/* -- the machine ------------------------------------------------------------------------- */

/* 7.1 BIOS information. */
static bool type0(Build *b, Error **errp)
{
    const SmbiosFields *f = &b->options->bios;
    Struct s = begin(0, HANDLE_BIOS);
    unsigned major = 0, minor = 0;

    if (f->release && (sscanf(f->release, "%u.%u", &major, &minor) != 2 ||
                       major > 0xff || minor > 0xff)) {
        error_setg(errp, "-smbios release='%s' is not MAJOR.MINOR", f->release);
        g_string_free(s.strings, TRUE);
        return false;
    }
    put_string(&s, f->manufacturer,
               b->config->bios_vendor ? b->config->bios_vendor : "SeaBIOS");
    put_string(&s, f->version, b->config->version);
    put(&s, 0xe800, 2);
    put_string(&s, f->date, "04/01/2014");
    put(&s, 0, 1);
    put(&s, 0x08, 8); /* characteristics are not supported ... */
    put(&s, 0, 1);
    put(&s, 0x14 | (f->uefi ? 0x08 : 0), 1); /* ... virtual machine */
    put(&s, major, 1);
    put(&s, minor, 1);
    put(&s, 0xff, 1);
    put(&s, 0xff, 1);
    finish(b, &s);
    return true;
}

/* 7.2 System information. */
static bool type1(Build *b, Error **errp)
{
    const SmbiosFields *f = &b->options->system;
    const SmbiosConfig *c = b->config;
    const char *text = f->uuid ? f->uuid : c->uuid;
    QemuUUID uuid = { { { 0 } } };
    Struct s;

    if (text && qemu_uuid_parse(text, &uuid) < 0) {
        error_setg(errp, "-smbios uuid='%s' is not a UUID", text);
        return false;
    }
    uuid = qemu_uuid_bswap(uuid);
    s = begin(1, HANDLE_SYSTEM);
    put_string(&s, f->manufacturer, c->manufacturer);
    put_string(&s, f->product, c->product);
    put_string(&s, f->version, c->version);
    put_string(&s, f->serial, NULL);
    for (unsigned i = 0; i < sizeof(uuid.data); i++) {
        put(&s, uuid.data[i], 1);
    }
    put(&s, 0x06, 1); /* wake-up: power switch */
    put_string(&s, f->sku, NULL);
    put_string(&s, f->family, NULL);
    finish(b, &s);
    return true;
}

/* 7.3 Baseboard. */
static void type2(Build *b)
{
    const SmbiosFields *f = &b->options->board;
    Struct s = begin(2, HANDLE_BOARD);

    put_string(&s, f->manufacturer, b->config->manufacturer);
    put_string(&s, f->product, b->config->product);
    put_string(&s, f->version, b->config->version);
    put_string(&s, f->serial, NULL);
    put_string(&s, f->asset, NULL);
    put(&s, 0x01, 1); /* hosting board */
    put_string(&s, f->location, NULL);
    put(&s, HANDLE_CHASSIS, 2);
    put(&s, 0x0a, 1); /* motherboard */
    put(&s, 0, 1);
    finish(b, &s);
}

/* 7.4 Chassis. */
static void type3(Build *b)
{
    const SmbiosFields *f = &b->options->chassis;
    Struct s = begin(3, HANDLE_CHASSIS);

    put_string(&s, f->manufacturer, b->config->manufacturer);
    put(&s, CHASSIS_OTHER, 1);
    put_string(&s, f->version, b->config->version);
    put_string(&s, f->serial, NULL);
    put_string(&s, f->asset, NULL);
    put(&s, STATE_SAFE, 1);
    put(&s, STATE_SAFE, 1);
    put(&s, STATE_SAFE, 1);
    put(&s, UNKNOWN, 1);
    put(&s, 0, 4);
    put(&s, 0, 4); /* height, cords, contained elements and their length */
    put_string(&s, f->sku, NULL);
    finish(b, &s);
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
    return MIN(value, most);
}

/* 7.5 Processor: one for each socket. */
static void type4(Build *b, unsigned n)
{
    const SmbiosFields *f = &b->options->processor;
    const SmbiosConfig *c = b->config;
    Struct s = begin(4, (uint16_t)(HANDLE_PROCESSOR + n));
    g_autofree char *socket =
        g_strdup_printf("%s%2x", f->location ? f->location : "CPU", n);

    put_string(&s, socket, NULL);
    put(&s, PROCESSOR_CENTRAL, 1);
    put(&s, OTHER, 1);
    put_string(&s, f->manufacturer, c->manufacturer);
    put(&s, c->processor_id, 8);
    put_string(&s, f->version, c->processor_version);
    put(&s, 0, 1);
    put(&s, 0, 2);
    put(&s, f->max_speed_mhz ? f->max_speed_mhz : 2000, 2);
    put(&s, f->current_speed_mhz ? f->current_speed_mhz : 2000, 2);
    put(&s, PROCESSOR_ENABLED, 1);
    put(&s, PROCESSOR_OTHER_SLOT, 1);
    put(&s, NONE16, 2); /* caches are not described */
    put(&s, NONE16, 2);
    put(&s, NONE16, 2);
    put_string(&s, f->serial, NULL);
    put_string(&s, f->asset, NULL);
    put_string(&s, f->part, NULL);
    put(&s, at_most(c->cores, 0xff), 1);
    put(&s, at_most(c->cores, 0xff), 1);
    put(&s, at_most(c->threads, 0xff), 1);
    put(&s, 0x0002, 2); /* characteristics unknown */
    put(&s, OTHER, 2);  /* family */
    finish(b, &s);
}

/* 7.12 OEM strings. */
static void type11(Build *b)
{
    const GPtrArray *texts = b->options->oem_strings;
    Struct s;

    if (!texts || texts->len == 0) {
        return;
    }
    s = begin(11, HANDLE_OEM);
    put(&s, texts->len, 1);
    for (guint i = 0; i < texts->len; i++) {
        const char *v = texts->pdata[i];

        g_string_append_len(s.strings, v, (gssize)strlen(v) + 1);
        s.n_strings++;
    }
    finish(b, &s);
}

/* 7.17 Physical memory array. */
static void type16(Build *b, unsigned dimms)
{
    uint64_t kib = b->config->ram_bytes / KIB;
    Struct s = begin(16, HANDLE_ARRAY);

    put(&s, OTHER, 1);
    put(&s, USE_SYSTEM_MEMORY, 1);
    put(&s, ECC_MULTI, 1);
    put(&s, at_most(kib, ARRAY_KIB_MAX), 4);
    put(&s, NO_ERROR_INFO, 2);
    put(&s, dimms, 2);
    put(&s, kib >= ARRAY_KIB_MAX ? b->config->ram_bytes : 0, 8);
    finish(b, &s);
}

/* 7.18 Memory device. */
static void type17(Build *b, unsigned n, uint64_t bytes)
{
    const SmbiosFields *f = &b->options->memory;
    uint64_t mib = bytes / MIB;
    Struct s = begin(17, (uint16_t)(HANDLE_DIMM + n));
    g_autofree char *locator =
        g_strdup_printf("%s %u", f->location ? f->location : "DIMM", n);

    put(&s, HANDLE_ARRAY, 2);
    put(&s, NO_ERROR_INFO, 2);
    put(&s, NONE16, 2);
    put(&s, NONE16, 2);
    put(&s, at_most(mib, DIMM_MIB_MAX), 2);
    put(&s, FORM_DIMM, 1);
    put(&s, 0, 1);
    put_string(&s, locator, NULL);
    put_string(&s, f->bank, NULL);
    put(&s, MEMORY_RAM, 1);
    put(&s, 0x0002, 2); /* detail: other */
    put(&s, f->speed_mhz, 2);
    put_string(&s, f->manufacturer, b->config->manufacturer);
    put_string(&s, f->serial, NULL);
    put_string(&s, f->asset, NULL);
    put_string(&s, f->part, NULL);
    put(&s, 0, 1);
    put(&s, mib >= DIMM_MIB_MAX ? mib : 0, 4);
    put(&s, f->speed_mhz, 2);
    put(&s, 0, 6); /* voltages */
    finish(b, &s);
}

/* 7.20 Memory array mapped address. */
static void type19(Build *b, unsigned n, const SmbiosMemory *m)
{
    uint64_t first = m->start / KIB;
    uint64_t last = (m->start + m->size - 1) / KIB;
    bool wide = last >= NONE16 * 0x10000ull + NONE16;
    Struct s = begin(19, (uint16_t)(HANDLE_MAPPED + n));

    put(&s, wide ? UINT32_MAX : first, 4);
    put(&s, wide ? UINT32_MAX : last, 4);
    put(&s, HANDLE_ARRAY, 2);
    put(&s, 1, 1);
    put(&s, wide ? m->start : 0, 8);
    put(&s, wide ? m->start + m->size - 1 : 0, 8);
    finish(b, &s);
}

/* 7.33 System boot information: no error. */
static void type32(Build *b)
{
    Struct s = begin(32, HANDLE_BOOT);

    put(&s, 0, 6);
    put(&s, 0, 1);
    finish(b, &s);
}

static void type127(Build *b)
{
    Struct s = begin(127, HANDLE_END);

    finish(b, &s);
}

/* -- all ------------------------------------------------------------------------------------ */

static void build_memory(Build *b)
{
    uint64_t left = b->config->ram_bytes;
    unsigned n = (unsigned)((left + DIMM_BYTES - 1) / DIMM_BYTES);

    type16(b, n);
    for (unsigned i = 0; i < n; i++, left -= MIN(left, DIMM_BYTES)) {
        type17(b, i, MIN(left, DIMM_BYTES));
    }
    for (unsigned i = 0; i < b->config->n_memory; i++) {
        type19(b, i, &b->config->memory[i]);
    }
}

static void add_user_files(Build *b)
{
    for (guint i = 0; b->options->files && i < b->options->files->len; i++) {
        gsize len;
        const uint8_t *p = g_bytes_get_data(b->options->files->pdata[i], &len);

        g_byte_array_append(b->t->tables, p, (guint)len);
        b->count++;
        b->largest = MAX(b->largest, (unsigned)len);
    }
}

static bool build_structures(Build *b, Error **errp)
{
    bool bios = b->options->bios.given || b->config->bios_vendor;

    add_user_files(b);
    if ((!user_has(b, 0) && bios && !type0(b, errp)) ||
        (!user_has(b, 1) && !type1(b, errp))) {
        return false;
    }
    if (b->options->board.given && !user_has(b, 2)) {
        type2(b);
    }
    if (!user_has(b, 3)) {
        type3(b);
    }
    for (unsigned i = 0; !user_has(b, 4) && i < b->config->sockets; i++) {
        type4(b, i);
    }
    type11(b);
    if (!user_has(b, 16) && !user_has(b, 17) && !user_has(b, 19)) {
        build_memory(b);
    }
    if (!user_has(b, 32)) {
        type32(b);
    }
    type127(b);
    if (b->t->tables->len > TABLES_BYTES_MAX) {
        error_setg(errp, "SMBIOS tables of %u bytes: at most %u are possible",
                   b->t->tables->len, TABLES_BYTES_MAX);
        return false;
    }
    return true;
}

static uint8_t sum(const uint8_t *p, unsigned len)
{
    uint8_t total = 0;

    while (len--) {
        total += *p++;
    }
    return total;
}

/* 5.2.1 The entry point. */
static void build_anchor(Build *b)
{
    uint8_t a[ANCHOR_BYTES] = { 0 };

    memcpy(a, "_SM_", 4);
    a[5] = ANCHOR_BYTES;
    a[6] = VERSION_MAJOR;
    a[7] = VERSION_MINOR;
    stw_le_p(a + 8, (uint16_t)b->largest);
    memcpy(a + ANCHOR_DMI, "_DMI_", 5);
    stw_le_p(a + 22, (uint16_t)b->t->tables->len);
    stw_le_p(a + 28, (uint16_t)b->count);
    a[30] = VERSION_MAJOR << 4 | VERSION_MINOR;
    g_byte_array_append(b->t->anchor, a, sizeof(a));
    smbios_set_address(b->t, 0);
}

void smbios_set_address(SmbiosTables *t, uint32_t address)
{
    uint8_t *a = t->anchor->data;

    stl_le_p(a + 24, address);
    a[21] = 0;
    a[21] = (uint8_t)-sum(a + ANCHOR_DMI, ANCHOR_BYTES - ANCHOR_DMI);
    a[4] = 0;
    a[4] = (uint8_t)-sum(a, ANCHOR_BYTES);
}

SmbiosTables *smbios_build(const SmbiosConfig *config, const SmbiosOptions *o,
                           Error **errp)
{
    g_autoptr(SmbiosTables) t = g_new0(SmbiosTables, 1);
    Build b = { .config = config, .options = o, .t = t };

    t->tables = g_byte_array_new();
    t->anchor = g_byte_array_new();
    if (!build_structures(&b, errp)) {
        return NULL;
    }
    build_anchor(&b);
    return g_steal_pointer(&t);
}

void smbios_tables_free(SmbiosTables *t)
{
    if (t) {
        g_byte_array_unref(t->tables);
        g_byte_array_unref(t->anchor);
        g_free(t);
    }
}
