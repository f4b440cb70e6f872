/*
 * Loading a kernel, by Multiboot or PVH.
 *
 * In RAM stand, one after another from the end of the kernel: the modules,
 * each on its own page, then one block with the boot information and all that
 * it points to. The block is built here as bytes and copied at the end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/boot.h"

#include "hw/x86/boot-image.h"
#include "util/error.h"
#include "util/read-file.h"

#define PAGE             4096u
#define MIB              (1u << 20)
#define LOW_RAM_BYTES    0x9fc00u
#define BOOT_MODULES_MAX 64u

/* Multiboot information, specification 3.3. */
#define MBI_BYTES       116u
#define MBI_FLAGS       0
#define MBI_MEM_LOWER   4
#define MBI_MEM_UPPER   8
#define MBI_CMDLINE     16
#define MBI_MODS_COUNT  20
#define MBI_MODS_ADDR   24
#define MBI_MMAP_LENGTH 44
#define MBI_MMAP_ADDR   48
#define MBI_LOADER_NAME 64
#define MBI_HAS         ((1u << 0) | (1u << 2) | (1u << 3) | (1u << 6) | (1u << 9))
#define MB_LOADED_MAGIC 0x2badb002u
#define MB_MMAP_BYTES   24u

/* struct hvm_start_info, version 1. */
#define PVH_MAGIC        0x336ec578u
#define PVH_INFO_BYTES   56u
#define PVH_MODULE_BYTES 32u
#define PVH_MMAP_BYTES   24u

typedef struct BootModule {
    GBytes *bytes;
    char *text; /* file name and arguments */
} BootModule;

struct BootKernel {
    GBytes *file;
    BootImage image;
    char *cmdline;   /* as the protocol wants it */
    GArray *modules; /* BootModule */
};

/* -- files ---------------------------------------------------------------------- */

static GBytes *read_whole(const char *path, Error **errp)
{
    size_t len;
    char *data = read_file_bounded(path, BOOT_FILE_BYTES_MAX, &len, errp);

    return data ? g_bytes_new_take(data, len) : NULL;
}

static void module_clear(void *data)
{
    BootModule *m = data;

    g_clear_pointer(&m->bytes, g_bytes_unref);
    g_clear_pointer(&m->text, g_free);
}

/* The next item of a comma list, with ",," made ","; NULL at the end. */
static char *next_item(const char **pos)
{
    GString *item;

    if (**pos == '\0') {
        return NULL;
    }
    item = g_string_new(NULL);
    for (; **pos; (*pos)++) {
        if (**pos == ',') {
            (*pos)++;
            if (**pos != ',') {
                break;
            }
        }
        g_string_append_c(item, **pos);
    }
    return g_string_free(item, FALSE);
}

static bool open_modules(BootKernel *bk, const char *initrd, Error **errp)
{
    char *item;

    while ((item = next_item(&initrd))) {
        BootModule m = { .text = item };
        g_autofree char *path = g_strndup(item, strcspn(item, " "));

        if (bk->modules->len == BOOT_MODULES_MAX) {
            error_setg(errp, "more than %u modules", BOOT_MODULES_MAX);
            g_free(item);
            return false;
        }
        m.bytes = read_whole(path, errp);
        g_array_append_val(bk->modules, m);
        if (!m.bytes) {
            return false;
        }
    }
    return true;
}

BootKernel *boot_kernel_open(const char *kernel, const char *initrd,
                             const char *append, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(BootKernel) bk = g_new0(BootKernel, 1);

    bk->modules = g_array_new(FALSE, FALSE, sizeof(BootModule));
    g_array_set_clear_func(bk->modules, module_clear);
    bk->file = read_whole(kernel, errp);
    if (!bk->file) {
        return NULL;
    }
    if (!boot_image_parse(g_bytes_get_data(bk->file, NULL),
                          g_bytes_get_size(bk->file), &bk->image, errp)) {
        error_prepend(errp, "could not load kernel '%s': ", kernel);
        return NULL;
    }
    /* A Multiboot command line begins with the name of the kernel. */
    if (bk->image.protocol == BOOT_MULTIBOOT) {
        bk->cmdline = g_strdup_printf("%s%s%s", kernel, append ? " " : "",
                                      append ? append : "");
    } else {
        bk->cmdline = g_strdup(append ? append : "");
    }
    if (initrd && !open_modules(bk, initrd, errp)) {
        return NULL;
    }
    return g_steal_pointer(&bk);
}

void boot_kernel_free(BootKernel *bk)
{
    if (bk) {
        if (bk->modules) {
            g_array_unref(bk->modules);
        }
        g_clear_pointer(&bk->file, g_bytes_unref);
        g_free(bk->cmdline);
        g_free(bk);
    }
}

/* -- the information block -------------------------------------------------------- */

/* A growing block of bytes that will stand at @base. */
typedef struct Block {
    GByteArray *bytes;
    uint64_t base;
} Block;

typedef struct Placed {
    uint64_t start;
    uint64_t size;
    uint64_t text; /* address of its text, 0 before it is written */
} Placed;

static uint64_t block_end(const Block *b)
{
    return b->base + b->bytes->len;
}

static void block_align(Block *b)
{
    static const uint8_t zeros[8];

    if (b->bytes->len % 8) {
        g_byte_array_append(b->bytes, zeros, 8 - b->bytes->len % 8);
    }
}

static void put32(Block *b, uint64_t v)
{
    uint32_t le = GUINT32_TO_LE((uint32_t)v);

    g_byte_array_append(b->bytes, (const uint8_t *)&le, sizeof(le));
}

static void put64(Block *b, uint64_t v)
{
    uint64_t le = GUINT64_TO_LE(v);

    g_byte_array_append(b->bytes, (const uint8_t *)&le, sizeof(le));
}

static uint64_t put_text(Block *b, const char *text)
{
    uint64_t at = block_end(b);

    g_byte_array_append(b->bytes, (const uint8_t *)text,
                        (guint)strlen(text) + 1);
    return at;
}

static void set32(Block *b, unsigned offset, uint64_t v)
{
    uint32_t le = GUINT32_TO_LE((uint32_t)v);

    memcpy(b->bytes->data + offset, &le, sizeof(le));
}

static void build_multiboot(Block *b, const BootKernel *bk, Placed *mods,
                            const MemmapEntry *map, size_t n_map,
                            uint64_t low_end)
{
    guint n = bk->modules->len;

    g_byte_array_set_size(b->bytes, MBI_BYTES);
    memset(b->bytes->data, 0, MBI_BYTES);
    set32(b, MBI_FLAGS, MBI_HAS);
    set32(b, MBI_MEM_LOWER, LOW_RAM_BYTES / 1024);
    set32(b, MBI_MEM_UPPER, (low_end - MIB) / 1024);
    set32(b, MBI_CMDLINE, put_text(b, bk->cmdline));
    set32(b, MBI_LOADER_NAME, put_text(b, "ferry"));
    block_align(b);
    set32(b, MBI_MODS_COUNT, n);
    set32(b, MBI_MODS_ADDR, block_end(b));
    for (guint i = 0; i < n; i++) {
        put32(b, mods[i].start);
        put32(b, mods[i].start + mods[i].size);
        put32(b, mods[i].text);
        put32(b, 0);
    }
    set32(b, MBI_MMAP_ADDR, block_end(b));
    set32(b, MBI_MMAP_LENGTH, n_map * MB_MMAP_BYTES);
    for (size_t i = 0; i < n_map; i++) {
        put32(b, MB_MMAP_BYTES - 4);
        put64(b, map[i].start);
        put64(b, map[i].size);
        put32(b, map[i].type);
    }
}

static void build_pvh(Block *b, const BootKernel *bk, Placed *mods,
                      const MemmapEntry *map, size_t n_map)
{
    guint n = bk->modules->len;
    uint64_t modlist = b->base + PVH_INFO_BYTES;
    uint64_t memmap = modlist + (uint64_t)n * PVH_MODULE_BYTES;
    uint64_t cmdline = memmap + n_map * PVH_MMAP_BYTES;

    put32(b, PVH_MAGIC);
    put32(b, 1); /* version */
    put32(b, 0); /* flags */
    put32(b, n);
    put64(b, n ? modlist : 0);
    put64(b, cmdline);
    put64(b, 0); /* no ACPI tables */
    put64(b, memmap);
    put32(b, n_map);
    put32(b, 0);
    assert(b->bytes->len == PVH_INFO_BYTES);
    for (guint i = 0; i < n; i++) {
        put64(b, mods[i].start);
        put64(b, mods[i].size);
        put64(b, mods[i].text);
        put64(b, 0);
    }
    for (size_t i = 0; i < n_map; i++) {
        put64(b, map[i].start);
        put64(b, map[i].size);
        put32(b, map[i].type);
        put32(b, 0);
    }
    put_text(b, bk->cmdline);
}

/* -- loading -------------------------------------------------------------------------- */

static bool load_segments(const BootKernel *bk, GuestMemory *memory,
                          uint64_t *ret_end, Error **errp)
{
    const uint8_t *file = g_bytes_get_data(bk->file, NULL);
    uint64_t end = MIB;

    for (unsigned i = 0; i < bk->image.n_segments; i++) {
        const BootSegment *s = &bk->image.segment[i];

        if (!guest_memory_write(memory, s->paddr, file + s->offset,
                                s->file_bytes) ||
            !guest_memory_zero(memory, s->paddr + s->file_bytes,
                               s->mem_bytes - s->file_bytes)) {
            error_setg(errp,
                       "kernel segment 0x%" PRIx64 ", %" PRIu64
                       " bytes, is not in RAM",
                       s->paddr, s->mem_bytes);
            return false;
        }
        end = MAX(end, s->paddr + s->mem_bytes);
    }
    *ret_end = end;
    return true;
}

/* @len bytes at the next page from *@pos on, below @limit. */
static bool place(GuestMemory *memory, uint64_t *pos, const void *data,
                  uint64_t len, uint64_t limit, const char *what, Error **errp)
{
    uint64_t at = ROUND_UP(*pos, (uint64_t)PAGE);

    if (at > limit || len > limit - at ||
        !guest_memory_write(memory, at, data, len)) {
        error_setg(errp, "%s of %" PRIu64 " bytes does not fit into RAM", what,
                   len);
        return false;
    }
    *pos = at + len;
    return true;
}

static bool load_modules(const BootKernel *bk, GuestMemory *memory,
                         uint64_t limit, uint64_t *pos, Placed *placed,
                         Error **errp)
{
    for (guint i = 0; i < bk->modules->len; i++) {
        const BootModule *m = &g_array_index(bk->modules, BootModule, i);
        uint64_t size = g_bytes_get_size(m->bytes);

        if (!place(memory, pos, g_bytes_get_data(m->bytes, NULL), size, limit,
                   m->text, errp)) {
            return false;
        }
        placed[i].size = size;
        placed[i].start = *pos - size;
        /* Its text follows it. */
        placed[i].text = *pos;
        if (!guest_memory_write(memory, *pos, m->text, strlen(m->text) + 1)) {
            error_setg(errp, "text of module '%s' does not fit into RAM",
                       m->text);
            return false;
        }
        *pos += strlen(m->text) + 1;
    }
    return true;
}

bool boot_kernel_load(const BootKernel *bk, GuestMemory *memory,
                      const MemmapEntry *map, size_t n_map, uint64_t low_end,
                      X86CPUState *state, Error **errp)
{
    g_autofree Placed *placed = g_new0(Placed, bk->modules->len + 1);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Block block = { .bytes = bytes };
    uint64_t pos;

    if (!load_segments(bk, memory, &pos, errp)) {
        return false;
    }
    if (pos > low_end) {
        pos = MIB; /* a kernel above 4 GiB: the rest goes below */
    }
    if (!load_modules(bk, memory, low_end, &pos, placed, errp)) {
        return false;
    }
    block.base = ROUND_UP(pos, (uint64_t)PAGE);
    if (bk->image.protocol == BOOT_MULTIBOOT) {
        build_multiboot(&block, bk, placed, map, n_map, low_end);
    } else {
        build_pvh(&block, bk, placed, map, n_map);
    }
    if (!place(memory, &pos, bytes->data, bytes->len, low_end,
               "boot information", errp)) {
        return false;
    }
    x86_state_set_flat32(state, bk->image.entry);
    state->gpr[X86_RBX] = block.base;
    if (bk->image.protocol == BOOT_MULTIBOOT) {
        state->gpr[X86_RAX] = MB_LOADED_MAGIC;
    }
    return true;
}
