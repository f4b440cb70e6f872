/*
 * Loading a kernel. Linux has a file of its own; here are Multiboot and PVH.
 *
 * In RAM stand, one after another from the end of the kernel: the modules,
 * each on its own page, then one block with the boot information and all that
 * it points to. The block is built here as bytes and copied at the end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/boot.h"

#include "hw/x86/boot-file.h"
#include "hw/x86/boot-image.h"
#include "hw/x86/boot-linux.h"
#include "util/error.h"

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
    BootFile *file;
    char *text; /* file name and arguments */
} BootModule;

struct BootKernel {
    BootFile *file;
    LinuxImage *linux_image; /* NULL: @image */
    BootImage image;
    char *cmdline;   /* as the protocol wants it */
    GArray *modules; /* BootModule; of Linux at most one */
};

/* -- files ---------------------------------------------------------------------- */

static void module_clear(void *data)
{
    BootModule *m = data;

    g_clear_pointer(&m->file, boot_file_free);
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
        m.file = boot_file_open(path, errp);
        g_array_append_val(bk->modules, m);
        if (!m.file) {
            return false;
        }
    }
    return true;
}

static bool open_initrd(BootKernel *bk, const char *path, Error **errp)
{
    BootModule m = { .file = boot_file_open(path, errp) };

    g_array_append_val(bk->modules, m);
    return m.file != NULL;
}

static bool parse_kernel(BootKernel *bk, Error **errp)
{
    g_autoptr(GBytes) bytes = boot_file_bytes(bk->file, errp);
    const uint8_t *data;
    size_t len;

    if (!bytes) {
        return false;
    }
    data = g_bytes_get_data(bytes, &len);
    if (linux_image_is(data, len)) {
        bk->linux_image = g_new0(LinuxImage, 1);
        return linux_image_parse(data, len, len, bk->linux_image, errp);
    }
    return boot_image_parse(data, len, &bk->image, errp);
}

BootKernel *boot_kernel_open(const char *kernel, const char *initrd,
                             const char *append, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(BootKernel) bk = g_new0(BootKernel, 1);

    bk->modules = g_array_new(FALSE, FALSE, sizeof(BootModule));
    g_array_set_clear_func(bk->modules, module_clear);
    bk->file = boot_file_open(kernel, errp);
    if (!bk->file) {
        return NULL;
    }
    if (!parse_kernel(bk, errp)) {
        error_prepend(errp, "could not load kernel '%s': ", kernel);
        return NULL;
    }
    /* A Multiboot command line begins with the name of the kernel. */
    if (!bk->linux_image && bk->image.protocol == BOOT_MULTIBOOT) {
        bk->cmdline = g_strdup_printf("%s%s%s", kernel, append ? " " : "",
                                      append ? append : "");
    } else {
        bk->cmdline = g_strdup(append ? append : "");
    }
    if (initrd && *initrd &&
        !(bk->linux_image ? open_initrd(bk, initrd, errp)
                          : open_modules(bk, initrd, errp))) {
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
        boot_file_free(bk->file);
        g_free(bk->linux_image);
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
                            const BootPlace *p)
{
    guint n = bk->modules->len;

    g_byte_array_set_size(b->bytes, MBI_BYTES);
    memset(b->bytes->data, 0, MBI_BYTES);
    set32(b, MBI_FLAGS, MBI_HAS);
    set32(b, MBI_MEM_LOWER, LOW_RAM_BYTES / 1024);
    set32(b, MBI_MEM_UPPER, (p->low_end - MIB) / 1024);
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
    set32(b, MBI_MMAP_LENGTH, p->n_map * MB_MMAP_BYTES);
    for (size_t i = 0; i < p->n_map; i++) {
        put32(b, MB_MMAP_BYTES - 4);
        put64(b, p->map[i].start);
        put64(b, p->map[i].size);
        put32(b, p->map[i].type);
    }
}

static void build_pvh(Block *b, const BootKernel *bk, Placed *mods,
                      const BootPlace *p)
{
    guint n = bk->modules->len;
    uint64_t modlist = b->base + PVH_INFO_BYTES;
    uint64_t memmap = modlist + (uint64_t)n * PVH_MODULE_BYTES;
    uint64_t cmdline = memmap + p->n_map * PVH_MMAP_BYTES;

    put32(b, PVH_MAGIC);
    put32(b, 1); /* version */
    put32(b, 0); /* flags */
    put32(b, n);
    put64(b, n ? modlist : 0);
    put64(b, cmdline);
    put64(b, p->rsdp);
    put64(b, memmap);
    put32(b, p->n_map);
    put32(b, 0);
    assert(b->bytes->len == PVH_INFO_BYTES);
    for (guint i = 0; i < n; i++) {
        put64(b, mods[i].start);
        put64(b, mods[i].size);
        put64(b, mods[i].text);
        put64(b, 0);
    }
    for (size_t i = 0; i < p->n_map; i++) {
        put64(b, p->map[i].start);
        put64(b, p->map[i].size);
        put32(b, p->map[i].type);
        put32(b, 0);
    }
    put_text(b, bk->cmdline);
}

/* -- loading -------------------------------------------------------------------------- */

static bool load_segments(const BootKernel *bk, GuestMemory *memory,
                          uint64_t *ret_end, Error **errp)
{
    uint64_t end = MIB;

    for (unsigned i = 0; i < bk->image.n_segments; i++) {
        const BootSegment *s = &bk->image.segment[i];

        if (!boot_file_load(bk->file, s->offset, s->file_bytes, memory,
                            s->paddr, errp)) {
            return false;
        }
        if (!guest_memory_zero(memory, s->paddr + s->file_bytes,
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

/* Room for @len bytes at the next page from *@pos on, below @limit. */
static bool place(uint64_t *pos, uint64_t len, uint64_t limit, const char *what,
                  uint64_t *ret_at, Error **errp)
{
    uint64_t at = ROUND_UP(*pos, (uint64_t)PAGE);

    if (at > limit || len > limit - at) {
        error_setg(errp, "%s of %" PRIu64 " bytes does not fit into RAM", what,
                   len);
        return false;
    }
    *ret_at = at;
    *pos = at + len;
    return true;
}

static bool load_modules(const BootKernel *bk, GuestMemory *memory,
                         uint64_t limit, uint64_t *pos, Placed *placed,
                         Error **errp)
{
    for (guint i = 0; i < bk->modules->len; i++) {
        const BootModule *m = &g_array_index(bk->modules, BootModule, i);
        uint64_t size = boot_file_size(m->file);

        if (!place(pos, size, limit, m->text, &placed[i].start, errp) ||
            !boot_file_load(m->file, 0, size, memory, placed[i].start, errp)) {
            return false;
        }
        placed[i].size = size;
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

static bool load_image(const BootKernel *bk, GuestMemory *memory,
                       const BootPlace *p, X86CPUState *state, Error **errp)
{
    g_autofree Placed *placed = g_new0(Placed, bk->modules->len + 1);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Block block = { .bytes = bytes };
    bool multiboot = bk->image.protocol == BOOT_MULTIBOOT;
    uint64_t pos, at;

    if (!load_segments(bk, memory, &pos, errp)) {
        return false;
    }
    if (pos > p->low_end) {
        pos = MIB; /* a kernel above 4 GiB: the rest goes below */
    }
    if (!load_modules(bk, memory, p->low_end, &pos, placed, errp)) {
        return false;
    }
    block.base = ROUND_UP(pos, (uint64_t)PAGE);
    if (multiboot) {
        build_multiboot(&block, bk, placed, p);
    } else {
        build_pvh(&block, bk, placed, p);
    }
    if (!place(&pos, bytes->len, p->low_end, "boot information", &at, errp)) {
        return false;
    }
    if (!guest_memory_write(memory, at, bytes->data, bytes->len)) {
        error_setg(errp, "no RAM for boot information at 0x%" PRIx64, at);
        return false;
    }
    x86_state_set_flat32(state, bk->image.entry);
    state->gpr[X86_RBX] = block.base;
    state->gpr[X86_RAX] = multiboot ? MB_LOADED_MAGIC : 0;
    return true;
}

bool boot_kernel_load(const BootKernel *bk, GuestMemory *memory,
                      const BootPlace *place, X86CPUState *state, Error **errp)
{
    const BootFile *initrd = NULL;

    if (!bk->linux_image) {
        return load_image(bk, memory, place, state, errp);
    }
    if (bk->modules->len) {
        initrd = g_array_index(bk->modules, BootModule, 0).file;
    }
    return linux_load(bk->linux_image, bk->file, initrd, bk->cmdline, memory,
                      place, state, errp);
}
