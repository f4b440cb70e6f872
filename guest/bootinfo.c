/*
 * What the loader tells: command line, memory map and modules, from either
 * of the two boot protocols, copied out before any RAM is touched.
 *
 * Sources: Multiboot Specification 0.6.96, 3.3; Xen's
 * public/arch-x86/hvm/start_info.h (PVH).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "guest.h"

#define PROTOCOL_MULTIBOOT 1
#define MB_HAS_MEM         (1u << 0)
#define MB_HAS_CMDLINE     (1u << 2)
#define MB_HAS_MODS        (1u << 3)
#define MB_HAS_MMAP        (1u << 6)
#define MEMORY_USABLE      1
#define PVH_MAGIC          0x336ec578
#define LOW_RAM_END        0xa0000u

typedef struct MultibootInfo {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
    uint32_t mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
} MultibootInfo;

typedef struct MultibootModule {
    uint32_t start, end, string, reserved;
} MultibootModule;

typedef struct MultibootMmap {
    uint32_t size;
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed)) MultibootMmap;

typedef struct PvhStartInfo {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modlist, cmdline, rsdp, memmap;
    uint32_t memmap_entries, reserved;
} PvhStartInfo;

typedef struct PvhModule {
    uint64_t paddr, size, cmdline, reserved;
} PvhModule;

typedef struct PvhMmap {
    uint64_t addr, size;
    uint32_t type, reserved;
} PvhMmap;

static void *phys(uint64_t paddr)
{
    return (void *)(uintptr_t)paddr;
}

static void add_ram(BootInfo *info, uint64_t start, uint64_t length)
{
    uint64_t end = (start + length) & ~(uint64_t)(PAGE_BYTES - 1);

    start = (start + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    if (start < end && info->n_ram < RAM_RANGES_MAX) {
        info->ram[info->n_ram++] = (RamRange){ start, end };
    }
}

static void add_module(BootInfo *info, uint64_t start, uint64_t end)
{
    if (info->n_modules < MODULES_MAX && start < end) {
        info->module[info->n_modules++] = (RamRange){ start, end };
    }
}

static void copy_cmdline(BootInfo *info, uint64_t paddr)
{
    const char *src = phys(paddr);

    for (unsigned i = 0; i + 1 < CMDLINE_MAX && src[i]; i++) {
        info->cmdline[i] = src[i];
    }
}

static void read_multiboot(BootInfo *info, uint32_t paddr)
{
    const MultibootInfo *mb = phys(paddr);

    info->protocol = "multiboot";
    if (mb->flags & MB_HAS_CMDLINE) {
        copy_cmdline(info, mb->cmdline);
    }
    if (mb->flags & MB_HAS_MODS) {
        const MultibootModule *mod = phys(mb->mods_addr);
        for (unsigned i = 0; i < mb->mods_count; i++) {
            add_module(info, mod[i].start, mod[i].end);
        }
    }
    if (mb->flags & MB_HAS_MMAP) {
        for (uint32_t off = 0; off < mb->mmap_length;) {
            const MultibootMmap *m = phys(mb->mmap_addr + off);
            if (m->type == MEMORY_USABLE) {
                add_ram(info, m->base, m->length);
            }
            off += m->size + 4;
        }
    } else if (mb->flags & MB_HAS_MEM) {
        add_ram(info, 0, (uint64_t)mb->mem_lower * 1024);
        add_ram(info, 0x100000, (uint64_t)mb->mem_upper * 1024);
    }
}

static void read_pvh(BootInfo *info, uint32_t paddr)
{
    const PvhStartInfo *si = phys(paddr);

    info->protocol = "pvh";
    if (si->magic != PVH_MAGIC) {
        return;
    }
    if (si->cmdline) {
        copy_cmdline(info, si->cmdline);
    }
    const PvhModule *mod = phys(si->modlist);
    for (unsigned i = 0; i < si->nr_modules; i++) {
        add_module(info, mod[i].paddr, mod[i].paddr + mod[i].size);
    }
    if (si->version >= 1) {
        const PvhMmap *m = phys(si->memmap);
        for (unsigned i = 0; i < si->memmap_entries; i++) {
            if (m[i].type == MEMORY_USABLE) {
                add_ram(info, m[i].addr, m[i].size);
            }
        }
    }
}

void boot_info_read(BootInfo *info, unsigned protocol, uint32_t paddr)
{
    if (protocol == PROTOCOL_MULTIBOOT) {
        read_multiboot(info, paddr);
    } else {
        read_pvh(info, paddr);
    }
}

const char *option_find(const BootInfo *info, const char *name)
{
    const char *p = info->cmdline;

    while (*p) {
        while (*p == ' ') {
            p++;
        }
        unsigned n = 0;
        while (name[n] && p[n] == name[n]) {
            n++;
        }
        if (name[n] == '\0' && (p[n] == '=' || p[n] == ' ' || p[n] == '\0')) {
            return p + n + (p[n] == '=');
        }
        while (*p && *p != ' ') {
            p++;
        }
    }
    return NULL;
}

bool option_is(const char *value, const char *word)
{
    while (*word && *value == *word) {
        value++;
        word++;
    }
    return *word == '\0' && (*value == '\0' || *value == ' ');
}

uint64_t option_size(const BootInfo *info, const char *name, uint64_t def)
{
    const char *p = option_find(info, name);
    uint64_t value = 0;

    if (!p || *p < '0' || *p > '9') {
        return def;
    }
    while (*p >= '0' && *p <= '9') {
        value = value * 10 + (uint64_t)(*p++ - '0');
    }
    switch (*p | 0x20) {
    case 't':
        value <<= 10;
        __attribute__((fallthrough));
    case 'g':
        value <<= 10;
        __attribute__((fallthrough));
    case 'm':
        value <<= 10;
        __attribute__((fallthrough));
    case 'k':
        value <<= 10;
        break;
    default:
        break;
    }
    return value;
}
