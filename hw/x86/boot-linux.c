/*
 * Loading Linux.
 *
 * The protected-mode part goes to 1 MiB (or where the header wants it), the
 * initial ramdisk as high below the end of RAM as the header allows. Below
 * 1 MiB stand what the kernel reads before it has memory of its own:
 *
 *   500     GDT
 *   10000   zero page (struct boot_params) with the e820 map
 *   11000   page tables: 4 GiB mapped one to one, for the 64-bit entry
 *   20000   command line
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/boot-linux.h"

#include "util/bswap.h"
#include "util/error.h"

/* Fields, by offset in the file and in the zero page (boot.rst). */
#define H_SETUP_SECTS   0x1f1
#define H_BOOT_FLAG     0x1fe
#define H_JUMP          0x201 /* length of the header behind 202h */
#define H_MAGIC         0x202
#define H_VERSION       0x206
#define H_LOADER_TYPE   0x210
#define H_LOADFLAGS     0x211
#define H_CODE32_START  0x214
#define H_RAMDISK_IMAGE 0x218
#define H_RAMDISK_SIZE  0x21c
#define H_HEAP_END_PTR  0x224
#define H_CMD_LINE_PTR  0x228
#define H_INITRD_MAX    0x22c
#define H_ALIGNMENT     0x230
#define H_RELOCATABLE   0x234
#define H_XLOADFLAGS    0x236
#define H_CMDLINE_SIZE  0x238
#define H_PREF_ADDRESS  0x258
#define H_INIT_SIZE     0x260
#define ZP_ACPI_RSDP    0x070
#define ZP_ALT_MEM_K    0x1e0
#define ZP_E820_ENTRIES 0x1e8
#define ZP_E820_TABLE   0x2d0
#define ZP_BYTES        4096u
#define ZP_E820_MAX     128u
#define ZP_E820_BYTES   20u

#define BOOT_FLAG            0xaa55
#define HEADER_MAGIC         0x53726448 /* "HdrS" */
#define VERSION_MIN          0x0202
#define VERSION_INITRD_MAX   0x0203
#define VERSION_RELOCATABLE  0x0205
#define VERSION_CMDLINE_SIZE 0x0206
#define VERSION_PREF_ADDRESS 0x020a
#define VERSION_XLOADFLAGS   0x020c
#define LOADED_HIGH          0x01
#define CAN_USE_HEAP         0x80
#define XLF_KERNEL_64        0x0001
#define LOADER_UNDEFINED     0xff
#define SETUP_SECTS_DEFAULT  4
#define SECTOR               512u
#define INITRD_MAX_DEFAULT   0x37ffffffu
#define CMDLINE_MAX_DEFAULT  255u
#define CMDLINE_MAX          0xffffu
#define HEAP_END             0xfe00
#define ENTRY64_OFFSET       0x200u

#define MIB          (1ull << 20)
#define PAGE         4096u
#define GDT_ADDR     0x500u
#define ZERO_PAGE    0x10000u
#define TABLES_ADDR  0x11000u
#define CMDLINE_ADDR 0x20000u
#define IDENTITY_GIB 4u
#define PTE_PRESENT  0x1ull
#define PTE_WRITE    0x2ull
#define PTE_LARGE    0x80ull
#define LARGE_PAGE   (2 * MIB)
#define SEL_CODE     0x10
#define SEL_DATA     0x18

/* -- the header ------------------------------------------------------------------ */

bool linux_image_is(const uint8_t *data, size_t len)
{
    return len > H_VERSION + 2 && lduw_le_p(data + H_BOOT_FLAG) == BOOT_FLAG &&
           (uint32_t)ldl_le_p(data + H_MAGIC) == HEADER_MAGIC;
}

/* A field of the header; 0 behind its end. */
static uint64_t field(const LinuxImage *img, unsigned at, unsigned bytes)
{
    unsigned offset = at - LINUX_HEADER_OFFSET;
    uint64_t value = 0;

    if (offset + bytes <= img->header_bytes) {
        memcpy(&value, img->header + offset, bytes);
    }
    return le64_to_cpu(value);
}

static bool parse_sizes(LinuxImage *img, uint64_t file_bytes, Error **errp)
{
    uint32_t sects = (uint32_t)field(img, H_SETUP_SECTS, 1);

    img->setup_bytes = ((sects ? sects : SETUP_SECTS_DEFAULT) + 1) * SECTOR;
    if (img->setup_bytes >= file_bytes) {
        error_setg(errp, "the Linux kernel ends inside its setup part");
        return false;
    }
    img->kernel_bytes = file_bytes - img->setup_bytes;
    return true;
}

/* Where it goes and which RAM it needs there. */
static void parse_addresses(LinuxImage *img)
{
    uint64_t preferred = img->version >= VERSION_PREF_ADDRESS
                             ? field(img, H_PREF_ADDRESS, 8)
                             : MIB;
    uint64_t init =
        img->version >= VERSION_PREF_ADDRESS ? field(img, H_INIT_SIZE, 4) : 0;

    img->load = MIB;
    img->run_start = MAX(MIB, preferred);
    img->run_end = img->load + img->kernel_bytes;
    if (img->run_start <= UINT32_MAX) {
        img->run_end = MAX(img->run_end, img->run_start + init);
    }
}

static void parse_limits(LinuxImage *img)
{
    uint16_t v = img->version;

    img->initrd_max = v >= VERSION_INITRD_MAX ? field(img, H_INITRD_MAX, 4)
                                              : INITRD_MAX_DEFAULT;
    img->cmdline_max =
        v >= VERSION_CMDLINE_SIZE
            ? (uint32_t)MIN(field(img, H_CMDLINE_SIZE, 4), CMDLINE_MAX)
            : CMDLINE_MAX_DEFAULT;
    img->entry64 =
        v >= VERSION_XLOADFLAGS && field(img, H_XLOADFLAGS, 2) & XLF_KERNEL_64;
}

bool linux_image_parse(const uint8_t *data, size_t len, uint64_t file_bytes,
                       LinuxImage *ret, Error **errp)
{
    LinuxImage img = { 0 };
    uint32_t end;

    if (!linux_image_is(data, len)) {
        error_setg(errp, "not a Linux kernel with a setup header");
        return false;
    }
    end = MIN(H_MAGIC + data[H_JUMP], LINUX_HEADER_END_MAX);
    if (end > len || end < H_INITRD_MAX) {
        error_setg(errp, "the Linux setup header is cut off");
        return false;
    }
    img.header_bytes = end - LINUX_HEADER_OFFSET;
    memcpy(img.header, data + LINUX_HEADER_OFFSET, img.header_bytes);
    img.version = (uint16_t)field(&img, H_VERSION, 2);
    if (img.version < VERSION_MIN ||
        !(field(&img, H_LOADFLAGS, 1) & LOADED_HIGH)) {
        error_setg(errp,
                   "Linux boot protocol %u.%02u is too old, or the kernel is "
                   "no bzImage",
                   img.version >> 8, img.version & 0xff);
        return false;
    }
    if (!parse_sizes(&img, file_bytes, errp)) {
        return false;
    }
    parse_addresses(&img);
    parse_limits(&img);
    *ret = img;
    return true;
}

/* -- what stands below 1 MiB -------------------------------------------------------- */

static bool put(GuestMemory *memory, uint64_t gpa, const void *data, size_t len,
                Error **errp)
{
    if (!guest_memory_write(memory, gpa, data, len)) {
        error_setg(errp, "no RAM for boot information at 0x%" PRIx64, gpa);
        return false;
    }
    return true;
}

static bool put_zero_page(const LinuxImage *img, GuestMemory *memory,
                          const BootPlace *place, uint64_t initrd,
                          uint64_t initrd_bytes, Error **errp)
{
    g_autofree uint8_t *zp = g_malloc0(ZP_BYTES);
    size_t n = MIN(place->n_map, ZP_E820_MAX);

    memcpy(zp + LINUX_HEADER_OFFSET, img->header, img->header_bytes);
    zp[H_LOADER_TYPE] = LOADER_UNDEFINED;
    zp[H_LOADFLAGS] |= CAN_USE_HEAP;
    stw_le_p(zp + H_HEAP_END_PTR, HEAP_END);
    stl_le_p(zp + H_CODE32_START, (uint32_t)img->load);
    stl_le_p(zp + H_CMD_LINE_PTR, CMDLINE_ADDR);
    stl_le_p(zp + H_RAMDISK_IMAGE, (uint32_t)initrd);
    stl_le_p(zp + H_RAMDISK_SIZE, (uint32_t)initrd_bytes);
    stq_le_p(zp + ZP_ACPI_RSDP, place->rsdp);
    stl_le_p(zp + ZP_ALT_MEM_K, (uint32_t)((place->low_end - MIB) / 1024));
    zp[ZP_E820_ENTRIES] = (uint8_t)n;
    for (size_t i = 0; i < n; i++) {
        uint8_t *e = zp + ZP_E820_TABLE + i * ZP_E820_BYTES;

        stq_le_p(e, place->map[i].start);
        stq_le_p(e + 8, place->map[i].size);
        stl_le_p(e + 16, place->map[i].type);
    }
    return put(memory, ZERO_PAGE, zp, ZP_BYTES, errp);
}

/* Level 4, level 3, and a level 2 table for each gibibyte. */
static bool put_page_tables(GuestMemory *memory, Error **errp)
{
    unsigned pages = 2 + IDENTITY_GIB;
    g_autofree uint64_t *t = g_malloc0(pages * PAGE);
    uint64_t *level3 = t + PAGE / 8;
    uint64_t *level2 = level3 + PAGE / 8;

    t[0] = cpu_to_le64((TABLES_ADDR + PAGE) | PTE_PRESENT | PTE_WRITE);
    for (unsigned i = 0; i < IDENTITY_GIB; i++) {
        level3[i] = cpu_to_le64((TABLES_ADDR + (2 + i) * PAGE) | PTE_PRESENT |
                                PTE_WRITE);
    }
    for (unsigned i = 0; i < IDENTITY_GIB * PAGE / 8; i++) {
        level2[i] =
            cpu_to_le64(i * LARGE_PAGE | PTE_PRESENT | PTE_WRITE | PTE_LARGE);
    }
    return put(memory, TABLES_ADDR, t, pages * PAGE, errp);
}

/* The boot protocol names the selectors: 10h code, 18h data. */
static bool put_gdt(GuestMemory *memory, bool is64, Error **errp)
{
    uint64_t gdt[4] = { 0 };

    gdt[SEL_CODE / 8] =
        cpu_to_le64(is64 ? 0x00af9b000000ffffull : 0x00cf9b000000ffffull);
    gdt[SEL_DATA / 8] = cpu_to_le64(0x00cf93000000ffffull);
    return put(memory, GDT_ADDR, gdt, sizeof(gdt), errp);
}

static bool put_cmdline(const LinuxImage *img, GuestMemory *memory,
                        const char *cmdline, Error **errp)
{
    size_t len = strlen(cmdline);

    if (len > img->cmdline_max) {
        error_setg(errp,
                   "the kernel takes a command line of at most %u characters, "
                   "not %zu",
                   img->cmdline_max, len);
        return false;
    }
    return put(memory, CMDLINE_ADDR, cmdline, len + 1, errp);
}

/* -- loading -------------------------------------------------------------------------- */

static bool load_initrd(const LinuxImage *img, const BootFile *initrd,
                        GuestMemory *memory, const BootPlace *place,
                        uint64_t *ret_at, Error **errp)
{
    uint64_t size = boot_file_size(initrd);
    uint64_t top = MIN(place->low_end, img->initrd_max + 1);
    uint64_t at;

    if (top < img->run_end || size > top - img->run_end) {
        error_setg(errp,
                   "initial ramdisk '%s' of %" PRIu64 " bytes does not fit "
                   "into RAM between the kernel and 0x%" PRIx64,
                   boot_file_path(initrd), size, top);
        return false;
    }
    at = ROUND_DOWN(top - size, (uint64_t)PAGE);
    *ret_at = at;
    return boot_file_load(initrd, 0, size, memory, at, errp);
}

static void set_registers(const LinuxImage *img, X86CPUState *state)
{
    if (img->entry64) {
        x86_state_set_flat64(state, img->load + ENTRY64_OFFSET, TABLES_ADDR);
    } else {
        x86_state_set_flat32(state, (uint32_t)img->load);
    }
    for (unsigned i = X86_ES; i <= X86_GS; i++) {
        state->seg[i].selector = i == X86_CS ? SEL_CODE : SEL_DATA;
    }
    state->gdt = (X86Table){ .base = GDT_ADDR, .limit = 4 * 8 - 1 };
    state->gpr[X86_RSI] = ZERO_PAGE;
}

bool linux_load(const LinuxImage *img, const BootFile *kernel,
                const BootFile *initrd, const char *cmdline,
                GuestMemory *memory, const BootPlace *place, X86CPUState *state,
                Error **errp)
{
    uint64_t initrd_at = 0;

    if (!boot_file_load(kernel, img->setup_bytes, img->kernel_bytes, memory,
                        img->load, errp) ||
        (initrd &&
         !load_initrd(img, initrd, memory, place, &initrd_at, errp))) {
        return false;
    }
    if (!put_cmdline(img, memory, cmdline, errp) ||
        !put_gdt(memory, img->entry64, errp) ||
        (img->entry64 && !put_page_tables(memory, errp)) ||
        !put_zero_page(img, memory, place, initrd_at,
                       initrd ? boot_file_size(initrd) : 0, errp)) {
        return false;
    }
    set_registers(img, state);
    return true;
}
