/*
 * Parsing kernel files. Everything in them is checked against the length of
 * the file before it is used, with additions that cannot wrap.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/boot-image.h"

#include <elf.h>

#include "util/error.h"

#define MB_SEARCH_BYTES   8192u
#define MB_HEADER_MAGIC   0x1badb002u
#define MB_HEADER_BYTES   12u
#define MB_ADDRESS_BYTES  32u
#define MB_FLAG_ADDRESSES (1u << 16)
/* Bits 0 to 15 are demands: page-aligned modules and memory information are
 * given always, a video mode cannot be. */
#define MB_FLAGS_KNOWN     0x3u
#define MB_FLAG_VIDEO      (1u << 2)
#define MB_FLAGS_MANDATORY 0xffffu
#define NOTE_NAME_XEN      "Xen"
#define NOTE_PHYS32_ENTRY  18u /* XEN_ELFNOTE_PHYS32_ENTRY */

typedef struct Bytes {
    const uint8_t *data;
    size_t len;
} Bytes;

/* The one form to which 32- and 64-bit program headers are brought. */
typedef struct Phdr {
    uint32_t type;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t paddr;
    uint64_t filesz;
    uint64_t memsz;
} Phdr;

typedef struct ElfFile {
    uint64_t entry;
    unsigned n_phdrs;
    Phdr phdr[BOOT_SEGMENTS_MAX];
} ElfFile;

static bool in_file(Bytes b, uint64_t offset, uint64_t n)
{
    return offset <= b.len && n <= b.len - offset;
}

static uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

/* -- ELF ----------------------------------------------------------------------- */

static bool elf_is(Bytes b)
{
    return b.len >= EI_NIDENT && memcmp(b.data, ELFMAG, SELFMAG) == 0;
}

static Phdr phdr32(const uint8_t *p)
{
    Elf32_Phdr h;

    memcpy(&h, p, sizeof(h));
    return (Phdr){ h.p_type,  h.p_offset, h.p_vaddr,
                   h.p_paddr, h.p_filesz, h.p_memsz };
}

static Phdr phdr64(const uint8_t *p)
{
    Elf64_Phdr h;

    memcpy(&h, p, sizeof(h));
    return (Phdr){ h.p_type,  h.p_offset, h.p_vaddr,
                   h.p_paddr, h.p_filesz, h.p_memsz };
}

static bool elf_phdrs(Bytes b, ElfFile *elf, uint64_t phoff, unsigned phentsize,
                      unsigned phnum, bool is64, Error **errp)
{
    size_t want = is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

    if (phnum > BOOT_SEGMENTS_MAX) {
        error_setg(errp, "%u program headers, at most %u are supported", phnum,
                   BOOT_SEGMENTS_MAX);
        return false;
    }
    if (phentsize != want || !in_file(b, phoff, (uint64_t)phnum * phentsize)) {
        error_setg(errp, "the program headers are not inside the file");
        return false;
    }
    for (unsigned i = 0; i < phnum; i++) {
        const uint8_t *p = b.data + phoff + (uint64_t)i * phentsize;
        Phdr *h = &elf->phdr[i];

        *h = is64 ? phdr64(p) : phdr32(p);
        if (!in_file(b, h->offset, h->filesz)) {
            error_setg(errp, "program header %u points outside the file", i);
            return false;
        }
        if (h->type == PT_LOAD &&
            (h->memsz < h->filesz || h->paddr + h->memsz < h->paddr)) {
            error_setg(errp, "program header %u has impossible sizes", i);
            return false;
        }
    }
    elf->n_phdrs = phnum;
    return true;
}

static bool elf_parse(Bytes b, ElfFile *elf, Error **errp)
{
    bool is64 = b.data[EI_CLASS] == ELFCLASS64;
    Elf64_Ehdr h64;
    Elf32_Ehdr h32;

    if (b.data[EI_DATA] != ELFDATA2LSB ||
        (!is64 && b.data[EI_CLASS] != ELFCLASS32) ||
        !in_file(b, 0, is64 ? sizeof(h64) : sizeof(h32))) {
        error_setg(errp, "not a little-endian ELF file with a whole header");
        return false;
    }
    if (is64) {
        memcpy(&h64, b.data, sizeof(h64));
        if (h64.e_machine != EM_X86_64) {
            error_setg(errp, "ELF machine %u is not x86", h64.e_machine);
            return false;
        }
        elf->entry = h64.e_entry;
        return elf_phdrs(b, elf, h64.e_phoff, h64.e_phentsize, h64.e_phnum,
                         true, errp);
    }
    memcpy(&h32, b.data, sizeof(h32));
    if (h32.e_machine != EM_386) {
        error_setg(errp, "ELF machine %u is not x86", h32.e_machine);
        return false;
    }
    elf->entry = h32.e_entry;
    return elf_phdrs(b, elf, h32.e_phoff, h32.e_phentsize, h32.e_phnum, false,
                     errp);
}

static bool take_segments(const ElfFile *elf, BootImage *img, Error **errp)
{
    for (unsigned i = 0; i < elf->n_phdrs; i++) {
        const Phdr *h = &elf->phdr[i];

        if (h->type == PT_LOAD && h->memsz) {
            img->segment[img->n_segments++] =
                (BootSegment){ h->paddr, h->offset, h->filesz, h->memsz };
        }
    }
    if (img->n_segments == 0) {
        error_setg(errp, "nothing to load in the ELF file");
        return false;
    }
    return true;
}

/* The entry is a virtual address: where its segment puts it. */
static uint64_t physical_entry(const ElfFile *elf)
{
    for (unsigned i = 0; i < elf->n_phdrs; i++) {
        const Phdr *h = &elf->phdr[i];

        if (h->type == PT_LOAD && elf->entry >= h->vaddr &&
            elf->entry - h->vaddr < h->memsz) {
            return elf->entry - h->vaddr + h->paddr;
        }
    }
    return elf->entry;
}

static bool set_entry(BootImage *img, uint64_t entry, Error **errp)
{
    for (unsigned i = 0; i < img->n_segments; i++) {
        const BootSegment *s = &img->segment[i];

        if (entry <= UINT32_MAX && entry >= s->paddr &&
            entry - s->paddr < s->mem_bytes) {
            img->entry = (uint32_t)entry;
            return true;
        }
    }
    error_setg(errp, "entry 0x%" PRIx64 " is in no loaded segment below 4 GiB",
               entry);
    return false;
}

/* -- PVH ------------------------------------------------------------------------ */

/* One note segment. Returns: true if it has the entry. */
static bool note_entry(Bytes b, uint64_t *ret_entry)
{
    uint64_t pos = 0;

    while (in_file(b, pos, sizeof(Elf64_Nhdr))) {
        Elf64_Nhdr n; /* same layout in both classes */
        uint64_t name = pos + sizeof(n);
        uint64_t desc;

        memcpy(&n, b.data + pos, sizeof(n));
        desc = name + ROUND_UP((uint64_t)n.n_namesz, 4);
        if (!in_file(b, name, n.n_namesz) || !in_file(b, desc, n.n_descsz)) {
            return false;
        }
        if (n.n_type == NOTE_PHYS32_ENTRY &&
            n.n_namesz == sizeof(NOTE_NAME_XEN) &&
            memcmp(b.data + name, NOTE_NAME_XEN, n.n_namesz) == 0 &&
            (n.n_descsz == 4 || n.n_descsz == 8)) {
            *ret_entry = 0;
            memcpy(ret_entry, b.data + desc, n.n_descsz);
            return true;
        }
        pos = desc + ROUND_UP((uint64_t)n.n_descsz, 4);
    }
    return false;
}

static bool find_pvh_entry(Bytes b, const ElfFile *elf, uint64_t *ret)
{
    for (unsigned i = 0; i < elf->n_phdrs; i++) {
        const Phdr *h = &elf->phdr[i];

        if (h->type == PT_NOTE && h->filesz <= BOOT_NOTES_BYTES_MAX &&
            note_entry((Bytes){ b.data + h->offset, h->filesz }, ret)) {
            return true;
        }
    }
    return false;
}

static bool parse_pvh(Bytes b, BootImage *img, Error **errp)
{
    g_autofree ElfFile *elf = g_new0(ElfFile, 1);
    uint64_t entry;

    if (!elf_is(b)) {
        error_setg(errp, "neither a Multiboot kernel nor an ELF file with a "
                         "PVH entry note");
        return false;
    }
    if (!elf_parse(b, elf, errp)) {
        return false;
    }
    if (!find_pvh_entry(b, elf, &entry)) {
        error_setg(errp, "no Multiboot header and no PVH entry note in the ELF "
                         "file");
        return false;
    }
    img->protocol = BOOT_PVH;
    return take_segments(elf, img, errp) && set_entry(img, entry, errp);
}

/* -- Multiboot --------------------------------------------------------------------- */

static bool find_multiboot(Bytes b, uint64_t *ret_offset)
{
    uint64_t end = MIN(b.len, MB_SEARCH_BYTES);

    for (uint64_t at = 0; at + MB_HEADER_BYTES <= end; at += 4) {
        const uint8_t *p = b.data + at;

        if (get_le32(p) == MB_HEADER_MAGIC &&
            get_le32(p) + get_le32(p + 4) + get_le32(p + 8) == 0) {
            *ret_offset = at;
            return true;
        }
    }
    return false;
}

/* Address fields: header_addr, load_addr, load_end_addr, bss_end_addr, entry
 * (specification 3.1.3). */
static bool addresses(Bytes b, uint64_t at, BootImage *img, Error **errp)
{
    uint64_t header, load, load_end, bss_end, offset, bytes;

    if (!in_file(b, at, MB_ADDRESS_BYTES)) {
        error_setg(errp, "the Multiboot header is cut off");
        return false;
    }
    header = get_le32(b.data + at + 12);
    load = get_le32(b.data + at + 16);
    load_end = get_le32(b.data + at + 20);
    bss_end = get_le32(b.data + at + 24);
    if (load > header || header - load > at) {
        error_setg(errp,
                   "Multiboot load address 0x%" PRIx64
                   " does not fit header address 0x%" PRIx64,
                   load, header);
        return false;
    }
    offset = at - (header - load);
    bytes = load_end ? load_end - load : b.len - offset;
    if ((load_end && load_end < load) || !in_file(b, offset, bytes) ||
        bytes == 0) {
        error_setg(errp, "the Multiboot load range is not inside the file");
        return false;
    }
    if (bss_end && bss_end < load + bytes) {
        error_setg(errp, "the Multiboot bss ends before the loaded part");
        return false;
    }
    img->segment[0] =
        (BootSegment){ load, offset, bytes, bss_end ? bss_end - load : bytes };
    img->n_segments = 1;
    return set_entry(img, get_le32(b.data + at + 28), errp);
}

static bool parse_multiboot(Bytes b, uint64_t at, BootImage *img, Error **errp)
{
    g_autofree ElfFile *elf = NULL;

    img->protocol = BOOT_MULTIBOOT;
    img->flags = get_le32(b.data + at + 4);
    if (img->flags & MB_FLAGS_MANDATORY & ~(MB_FLAGS_KNOWN | MB_FLAG_VIDEO)) {
        error_setg(errp,
                   "the Multiboot header demands unknown features, flags "
                   "0x%x",
                   img->flags);
        return false;
    }
    if (img->flags & MB_FLAG_ADDRESSES) {
        return addresses(b, at, img, errp);
    }
    if (!elf_is(b)) {
        error_setg(errp, "the Multiboot header has no addresses, and the file "
                         "is not ELF");
        return false;
    }
    elf = g_new0(ElfFile, 1);
    return elf_parse(b, elf, errp) && take_segments(elf, img, errp) &&
           set_entry(img, physical_entry(elf), errp);
}

bool boot_image_parse(const uint8_t *data, size_t len, BootImage *ret,
                      Error **errp)
{
    Bytes b = { data, len };
    g_autofree BootImage *img = g_new0(BootImage, 1);
    uint64_t at;
    bool ok;

    if (find_multiboot(b, &at)) {
        ok = parse_multiboot(b, at, img, errp);
    } else {
        ok = parse_pvh(b, img, errp);
    }
    if (ok) {
        *ret = *img;
    }
    return ok;
}
