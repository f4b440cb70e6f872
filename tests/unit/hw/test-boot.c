/*
 * Kernel files: what is accepted, what is refused, and what then stands in
 * RAM.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <elf.h>
#include <glib/gstdio.h>

#include "hw/x86/boot-image.h"
#include "hw/x86/boot.h"
#include "util/error.h"

#define LOAD_ADDRESS 0x100000u
#define FILE_BYTES   0x400u
#define CODE_OFFSET  0x200u
#define NOTE_OFFSET  0x180u
#define MB_OFFSET    0x200u
#define RAM_BYTES    (4u << 20)

static void put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

/* A 64-bit ELF file with one PT_LOAD and a PVH note. */
static void make_elf64(uint8_t *file)
{
    Elf64_Ehdr eh = {
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = LOAD_ADDRESS + 0x10,
        .e_phoff = sizeof(eh),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 2,
    };
    Elf64_Phdr ph[2] = {
        { .p_type = PT_LOAD,
          .p_offset = CODE_OFFSET,
          .p_vaddr = LOAD_ADDRESS,
          .p_paddr = LOAD_ADDRESS,
          .p_filesz = 0x100,
          .p_memsz = 0x2000 },
        { .p_type = PT_NOTE, .p_offset = NOTE_OFFSET, .p_filesz = 20 },
    };
    Elf64_Nhdr nh = { 4, 4, 18 };

    memset(file, 0x90, FILE_BYTES);
    memcpy(file, &eh, sizeof(eh));
    memcpy(file + sizeof(eh), ph, sizeof(ph));
    memcpy(file + NOTE_OFFSET, &nh, sizeof(nh));
    memcpy(file + NOTE_OFFSET + 12, "Xen", 4);
    put32(file + NOTE_OFFSET + 16, LOAD_ADDRESS + 0x20);
}

static void make_elf32(uint8_t *file)
{
    Elf32_Ehdr eh = {
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = EM_386,
        .e_entry = 0xc0100010, /* virtual */
        .e_phoff = sizeof(eh),
        .e_phentsize = sizeof(Elf32_Phdr),
        .e_phnum = 1,
    };
    Elf32_Phdr ph = { .p_type = PT_LOAD,
                      .p_offset = CODE_OFFSET,
                      .p_vaddr = 0xc0100000,
                      .p_paddr = LOAD_ADDRESS,
                      .p_filesz = 0x100,
                      .p_memsz = 0x100 };

    memset(file, 0, FILE_BYTES);
    memcpy(file, &eh, sizeof(eh));
    memcpy(file + sizeof(eh), &ph, sizeof(ph));
}

static void put_multiboot(uint8_t *file, uint32_t flags)
{
    put32(file + MB_OFFSET, 0x1badb002);
    put32(file + MB_OFFSET + 4, flags);
    put32(file + MB_OFFSET + 8, 0u - (0x1badb002 + flags));
}

static void put_addresses(uint8_t *file, uint32_t header, uint32_t load,
                          uint32_t load_end, uint32_t bss_end, uint32_t entry)
{
    const uint32_t v[] = { header, load, load_end, bss_end, entry };

    memcpy(file + MB_OFFSET + 12, v, sizeof(v));
}

static void refused(const uint8_t *file, size_t len, const char *why)
{
    BootImage img;
    Error *err = NULL;

    g_assert_false(boot_image_parse(file, len, &img, &err));
    if (!strstr(error_get_pretty(err), why)) {
        g_error("unexpected message: %s", error_get_pretty(err));
    }
    error_free(err);
}

static void test_pvh(void)
{
    uint8_t file[FILE_BYTES];
    BootImage img;

    make_elf64(file);
    g_assert_true(boot_image_parse(file, sizeof(file), &img, &error_abort));
    g_assert_cmpint(img.protocol, ==, BOOT_PVH);
    g_assert_cmphex(img.entry, ==, LOAD_ADDRESS + 0x20);
    g_assert_cmpuint(img.n_segments, ==, 1);
    g_assert_cmphex(img.segment[0].paddr, ==, LOAD_ADDRESS);
    g_assert_cmphex(img.segment[0].mem_bytes, ==, 0x2000);
}

static void test_multiboot_elf(void)
{
    uint8_t file[FILE_BYTES];
    BootImage img;

    make_elf32(file);
    put_multiboot(file, 3);
    g_assert_true(boot_image_parse(file, sizeof(file), &img, &error_abort));
    g_assert_cmpint(img.protocol, ==, BOOT_MULTIBOOT);
    g_assert_cmphex(img.entry, ==, LOAD_ADDRESS + 0x10); /* made physical */
    /* The header wins over a PVH note. */
    make_elf64(file);
    put_multiboot(file, 3);
    g_assert_true(boot_image_parse(file, sizeof(file), &img, &error_abort));
    g_assert_cmpint(img.protocol, ==, BOOT_MULTIBOOT);
    put_multiboot(file, 1u << 9);
    refused(file, sizeof(file), "unknown features");
}

static void test_multiboot_addresses(void)
{
    uint8_t file[FILE_BYTES] = { 0 };
    BootImage img;

    put_multiboot(file, 0x10003);
    put_addresses(file, 0x100100, 0x100000, 0x100200, 0x100800, 0x100004);
    g_assert_true(boot_image_parse(file, sizeof(file), &img, &error_abort));
    g_assert_cmphex(img.segment[0].offset, ==, MB_OFFSET - 0x100);
    g_assert_cmphex(img.segment[0].file_bytes, ==, 0x200);
    g_assert_cmphex(img.segment[0].mem_bytes, ==, 0x800);
    /* No end: all of the file. No bss: what is loaded. */
    put_addresses(file, 0x100100, 0x100000, 0, 0, 0x100004);
    g_assert_true(boot_image_parse(file, sizeof(file), &img, &error_abort));
    g_assert_cmphex(img.segment[0].file_bytes, ==, FILE_BYTES - 0x100);

    put_addresses(file, 0x100100, 0x100200, 0, 0, 0x100004);
    refused(file, sizeof(file), "load address");
    put_addresses(file, 0x200000, 0x100000, 0, 0, 0x100004);
    refused(file, sizeof(file), "load address");
    put_addresses(file, 0x100100, 0x100000, 0x100000 + FILE_BYTES, 0, 0x100004);
    refused(file, sizeof(file), "not inside the file");
    put_addresses(file, 0x100100, 0x100000, 0xfffff, 0, 0x100004);
    refused(file, sizeof(file), "not inside the file");
    put_addresses(file, 0x100100, 0x100000, 0x100200, 0x100100, 0x100004);
    refused(file, sizeof(file), "bss");
    put_addresses(file, 0x100100, 0x100000, 0x100200, 0, 0x100200);
    refused(file, sizeof(file), "entry");
    put_addresses(file, 0x100100, 0x100000, 0x100200, 0x100800, 0x100004);
    refused(file, MB_OFFSET + 20, "cut off");
    put_multiboot(file, 3);
    refused(file, sizeof(file), "no addresses");
}

static void test_hostile_elf(void)
{
    uint8_t file[FILE_BYTES];
    Elf64_Ehdr *eh = (Elf64_Ehdr *)(void *)file;
    Elf64_Phdr *ph = (Elf64_Phdr *)(void *)(file + sizeof(*eh));

    refused((const uint8_t *)"", 0, "neither");
    make_elf64(file);
    refused(file, 20, "whole header");
    eh->e_machine = EM_ARM;
    refused(file, sizeof(file), "not x86");
    make_elf64(file);
    eh->e_phoff = UINT64_MAX - 8;
    refused(file, sizeof(file), "program headers");
    make_elf64(file);
    eh->e_phnum = 0xffff;
    refused(file, sizeof(file), "65535 program headers");
    make_elf64(file);
    ph[0].p_offset = UINT64_MAX;
    refused(file, sizeof(file), "outside the file");
    make_elf64(file);
    ph[0].p_filesz = UINT64_MAX;
    refused(file, sizeof(file), "outside the file");
    make_elf64(file);
    ph[0].p_memsz = 0x80;
    refused(file, sizeof(file), "impossible sizes");
    make_elf64(file);
    ph[0].p_paddr = UINT64_MAX - 0x1000;
    refused(file, sizeof(file), "impossible sizes");
    make_elf64(file);
    ph[0].p_type = PT_NULL;
    refused(file, sizeof(file), "nothing to load");
    make_elf64(file);
    put32(file + NOTE_OFFSET, UINT32_MAX); /* name size */
    refused(file, sizeof(file), "no PVH entry");
    make_elf64(file);
    put32(file + NOTE_OFFSET + 4, UINT32_MAX); /* descriptor size */
    refused(file, sizeof(file), "no PVH entry");
    make_elf64(file);
    put32(file + NOTE_OFFSET + 16, 0x500000);
    refused(file, sizeof(file), "no loaded segment");
}

static const MemmapEntry map[] = { { 0, 0x9fc00, MEMMAP_RAM },
                                   { 0x9fc00, 0x60400, MEMMAP_RESERVED },
                                   { 0x100000, 0x300000, MEMMAP_RAM } };

typedef struct Files {
    char *dir;
    char *kernel;
    char *module;
} Files;

static void set_up(Files *f, gconstpointer multiboot)
{
    uint8_t file[FILE_BYTES];

    make_elf64(file);
    if (multiboot) {
        put_multiboot(file, 3);
    }
    f->dir = g_dir_make_tmp("ferry-boot-XXXXXX", NULL);
    f->kernel = g_build_filename(f->dir, "kernel", NULL);
    f->module = g_build_filename(f->dir, "mod,ule", NULL);
    g_file_set_contents(f->kernel, (char *)file, sizeof(file), NULL);
    g_file_set_contents(f->module, "module data", -1, NULL);
}

static void tear_down(Files *f, gconstpointer multiboot)
{
    g_unlink(f->kernel);
    g_unlink(f->module);
    g_rmdir(f->dir);
    g_free(f->kernel);
    g_free(f->module);
    g_free(f->dir);
}

static uint32_t get32(const uint8_t *ram, uint64_t at)
{
    uint32_t v;

    g_assert_cmpuint(at, <, RAM_BYTES - 8);
    memcpy(&v, ram + at, sizeof(v));
    return v;
}

static bool load(BootKernel *bk, GuestMemory *gm, uint64_t low_end,
                 X86CPUState *st, Error **errp)
{
    BootPlace place = { map, G_N_ELEMENTS(map), low_end, 0xf0000 };

    return boot_kernel_load(bk, gm, &place, st, errp);
}

static BootKernel *open_kernel(Files *f)
{
    g_autofree char *initrd =
        g_strdup_printf("%s/mod,,ule arg=1,%s", f->dir, f->kernel);

    return boot_kernel_open(f->kernel, initrd, "a=b c", &error_abort);
}

static void test_load_multiboot(Files *f, gconstpointer data)
{
    g_autoptr(BootKernel) bk = open_kernel(f);
    g_autoptr(GuestMemory) gm = guest_memory_new();
    g_autofree uint8_t *ram = g_malloc(RAM_BYTES);
    g_autoptr(X86CPUState) st = x86_state_new();
    g_autofree char *cmdline = g_strdup_printf("%s a=b c", f->kernel);
    uint32_t mbi, mods;

    memset(ram, 0xff, RAM_BYTES);
    guest_memory_map(gm, NULL, 0, RAM_BYTES, ram, &error_abort);
    g_assert_true(load(bk, gm, RAM_BYTES, st, &error_abort));
    g_assert_cmphex(st->gpr[X86_RAX], ==, 0x2badb002);
    g_assert_cmphex(st->rip, ==, LOAD_ADDRESS + 0x10);
    g_assert_cmphex(st->cr0 & X86_CR0_PE, ==, X86_CR0_PE);
    g_assert_cmphex(ram[LOAD_ADDRESS + 0xff], ==, 0x90);
    g_assert_cmphex(ram[LOAD_ADDRESS + 0x100], ==, 0); /* bss */
    g_assert_cmphex(ram[LOAD_ADDRESS + 0x1fff], ==, 0);
    mbi = (uint32_t)st->gpr[X86_RBX];
    g_assert_cmphex(get32(ram, mbi), ==, 0x24d);
    g_assert_cmpuint(get32(ram, mbi + 4), ==, 639);
    g_assert_cmpuint(get32(ram, mbi + 8), ==, 3 * 1024);
    g_assert_cmpstr((char *)ram + get32(ram, mbi + 16), ==, cmdline);
    g_assert_cmpuint(get32(ram, mbi + 20), ==, 2);
    mods = get32(ram, mbi + 24);
    g_assert_cmphex(get32(ram, mods) % 4096, ==, 0);
    g_assert_cmpmem(ram + get32(ram, mods), 11, "module data", 11);
    g_assert_cmpuint(get32(ram, mods + 4) - get32(ram, mods), ==, 11);
    g_assert_true(
        g_str_has_suffix((char *)ram + get32(ram, mods + 8), "mod,ule arg=1"));
    g_assert_cmpuint(get32(ram, mods + 20) - get32(ram, mods + 16), ==,
                     FILE_BYTES);
    g_assert_cmpuint(get32(ram, mbi + 44), ==, 24 * 3);
    g_assert_cmphex(get32(ram, get32(ram, mbi + 48) + 24 + 4), ==, 0x9fc00);
}

static void test_load_pvh(Files *f, gconstpointer data)
{
    g_autoptr(BootKernel) bk = open_kernel(f);
    g_autoptr(GuestMemory) gm = guest_memory_new();
    g_autofree uint8_t *ram = g_malloc0(RAM_BYTES);
    g_autoptr(X86CPUState) st = x86_state_new();
    uint32_t si;

    guest_memory_map(gm, NULL, 0, RAM_BYTES, ram, &error_abort);
    g_assert_true(load(bk, gm, RAM_BYTES, st, &error_abort));
    si = (uint32_t)st->gpr[X86_RBX];
    g_assert_cmphex(get32(ram, si), ==, 0x336ec578);
    g_assert_cmpuint(get32(ram, si + 4), ==, 1);
    g_assert_cmpuint(get32(ram, si + 12), ==, 2);
    g_assert_cmpstr((char *)ram + get32(ram, si + 24), ==, "a=b c");
    g_assert_cmpmem(ram + get32(ram, get32(ram, si + 16)), 11, "module data",
                    11);
    g_assert_cmphex(get32(ram, si + 32), ==, 0xf0000); /* RSDP */
    g_assert_cmpuint(get32(ram, si + 48), ==, 3);
    g_assert_cmphex(get32(ram, get32(ram, si + 40) + 48), ==, 0x100000);
}

static void test_load_too_big(Files *f, gconstpointer data)
{
    g_autoptr(BootKernel) bk = open_kernel(f);
    g_autoptr(GuestMemory) gm = guest_memory_new();
    g_autofree uint8_t *ram = g_malloc0(RAM_BYTES);
    g_autoptr(X86CPUState) st = x86_state_new();
    Error *err = NULL;

    /* The kernel ends at 0x102000; nothing is free behind it. */
    guest_memory_map(gm, NULL, 0, 0x102000, ram, &error_abort);
    g_assert_false(load(bk, gm, 0x102000, st, &err));
    error_free_or_abort(&err);
    g_clear_pointer(&gm, guest_memory_free);
    gm = guest_memory_new();
    guest_memory_map(gm, NULL, 0, 0x101000, ram, &error_abort);
    g_assert_false(load(bk, gm, 0x101000, st, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "not in RAM"));
    error_free_or_abort(&err);
}

static void test_open_errors(Files *f, gconstpointer data)
{
    Error *err = NULL;

    g_assert_null(boot_kernel_open("/nonexistent", NULL, NULL, &err));
    error_free_or_abort(&err);
    g_assert_null(boot_kernel_open(f->kernel, "/nonexistent", NULL, &err));
    error_free_or_abort(&err);
    g_assert_null(boot_kernel_open(f->module, NULL, NULL, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "could not load kernel"));
    error_free_or_abort(&err);
}

#define ADD(name, func, data)                                                  \
    g_test_add("/boot/" name, Files, data, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot-image/pvh", test_pvh);
    g_test_add_func("/boot-image/multiboot/elf", test_multiboot_elf);
    g_test_add_func("/boot-image/multiboot/addresses",
                    test_multiboot_addresses);
    g_test_add_func("/boot-image/hostile-elf", test_hostile_elf);
    ADD("load/multiboot", test_load_multiboot, "multiboot");
    ADD("load/pvh", test_load_pvh, NULL);
    ADD("load/too-big", test_load_too_big, NULL);
    ADD("open-errors", test_open_errors, NULL);
    return g_test_run();
}
