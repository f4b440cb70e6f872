/*
 * Linux kernels: what is accepted, where things go, how they are entered.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "hw/x86/boot-linux.h"
#include "util/bswap.h"
#include "util/error.h"

#define RAM_BYTES   (64u << 20)
#define SETUP_BYTES (5u * 512)
#define FILE_BYTES  (SETUP_BYTES + 0x3000)
#define INIT_SIZE   0x800000u

static const MemmapEntry map[] = {
    { 0, 0x9fc00, MEMMAP_RAM },
    { 0x9fc00, 0x60400, MEMMAP_RESERVED },
    { 0x100000, RAM_BYTES - 0x100000, MEMMAP_RAM },
};

/* A header of boot protocol 2.15. */
static void make_kernel(uint8_t *file)
{
    memset(file, 0x90, FILE_BYTES);
    memset(file, 0, SETUP_BYTES);
    file[0x1f1] = SETUP_BYTES / 512 - 1;
    stw_le_p(file + 0x1fe, 0xaa55);
    file[0x200] = 0xeb;
    file[0x201] = 0x6a; /* the header ends at 26ch */
    memcpy(file + 0x202, "HdrS", 4);
    stw_le_p(file + 0x206, 0x20f);
    file[0x211] = 1; /* loaded high */
    stl_le_p(file + 0x22c, 0x7fffffff);
    stl_le_p(file + 0x230, 0x200000);
    file[0x234] = 1;
    stw_le_p(file + 0x236, 0x3f); /* 64-bit entry */
    stl_le_p(file + 0x238, 20);   /* command line */
    stq_le_p(file + 0x258, 0x1000000);
    stl_le_p(file + 0x260, INIT_SIZE);
}

static bool parse(const uint8_t *file, size_t len, LinuxImage *img,
                  Error **errp)
{
    return linux_image_parse(file, len, len, img, errp);
}

static void test_header(void)
{
    g_autofree uint8_t *file = g_malloc(FILE_BYTES);
    LinuxImage img;

    make_kernel(file);
    g_assert_true(linux_image_is(file, FILE_BYTES));
    g_assert_true(parse(file, FILE_BYTES, &img, &error_abort));
    g_assert_cmphex(img.version, ==, 0x20f);
    g_assert_cmpuint(img.setup_bytes, ==, SETUP_BYTES);
    g_assert_cmpuint(img.kernel_bytes, ==, 0x3000);
    g_assert_cmphex(img.load, ==, 0x100000);
    g_assert_cmphex(img.run_end, ==, 0x1000000 + INIT_SIZE);
    g_assert_cmphex(img.initrd_max, ==, 0x7fffffff);
    g_assert_cmpuint(img.cmdline_max, ==, 20);
    g_assert_true(img.entry64);
    /* 2.02 has little of this. */
    stw_le_p(file + 0x206, 0x202);
    g_assert_true(parse(file, FILE_BYTES, &img, &error_abort));
    g_assert_false(img.entry64);
    g_assert_cmphex(img.initrd_max, ==, 0x37ffffff);
    g_assert_cmpuint(img.cmdline_max, ==, 255);
    g_assert_cmphex(img.run_end, ==, 0x103000);
    file[0x1f1] = 0; /* means 4 */
    g_assert_true(parse(file, FILE_BYTES, &img, &error_abort));
    g_assert_cmpuint(img.setup_bytes, ==, 5 * 512);
}

static void refuse(const uint8_t *file, size_t len)
{
    LinuxImage img = { .version = 7 };
    Error *err = NULL;

    g_assert_false(parse(file, len, &img, &err));
    error_free_or_abort(&err);
    g_assert_cmpuint(img.version, ==, 7);
}

static void test_hostile(void)
{
    g_autofree uint8_t *file = g_malloc(FILE_BYTES);
    LinuxImage img;

    for (size_t len = 0; len <= SETUP_BYTES; len += 13) {
        g_autofree uint8_t *cut = NULL;

        make_kernel(file);
        cut = g_memdup2(file, len);
        refuse(cut, len);
    }
    make_kernel(file);
    file[0x201] = 0; /* no header at all */
    refuse(file, FILE_BYTES);
    make_kernel(file);
    file[0x201] = 0xff; /* up to the e820 table: cut there */
    g_assert_true(parse(file, FILE_BYTES, &img, &error_abort));
    g_assert_cmpuint(img.header_bytes, ==, LINUX_HEADER_BYTES_MAX);
    make_kernel(file);
    file[0x1f1] = 0xff;
    refuse(file, FILE_BYTES);
    make_kernel(file);
    stw_le_p(file + 0x206, 0x201);
    refuse(file, FILE_BYTES);
    make_kernel(file);
    file[0x211] = 0; /* zImage */
    refuse(file, FILE_BYTES);
    /* Numbers that would wrap. */
    make_kernel(file);
    stq_le_p(file + 0x258, UINT64_MAX);
    stl_le_p(file + 0x260, UINT32_MAX);
    g_assert_true(parse(file, FILE_BYTES, &img, &error_abort));
    g_assert_cmphex(img.run_end, ==, 0x103000);
    stq_le_p(file + 0x258, UINT32_MAX);
    g_assert_true(parse(file, FILE_BYTES, &img, &error_abort));
    g_assert_cmphex(img.run_end, ==, UINT32_MAX + (uint64_t)UINT32_MAX);
}

/* -- loading -------------------------------------------------------------------------- */

typedef struct Fixture {
    char *dir;
    char *kernel;
    char *initrd;
    GuestMemory *memory;
    uint8_t *ram;
    X86CPUState *state;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    g_autofree uint8_t *file = g_malloc(FILE_BYTES);

    make_kernel(file);
    if (data) {
        stw_le_p(file + 0x236, 0); /* 32-bit entry only */
    }
    f->dir = g_dir_make_tmp("ferry-linux-XXXXXX", NULL);
    f->kernel = g_build_filename(f->dir, "bzImage", NULL);
    f->initrd = g_build_filename(f->dir, "init,rd", NULL);
    g_file_set_contents(f->kernel, (char *)file, FILE_BYTES, NULL);
    g_file_set_contents(f->initrd, "initial ramdisk", -1, NULL);
    f->ram = g_malloc(RAM_BYTES);
    memset(f->ram, 0xee, RAM_BYTES);
    f->memory = guest_memory_new();
    guest_memory_map(f->memory, NULL, 0, RAM_BYTES, f->ram, &error_abort);
    f->state = x86_state_new();
}

static void tear_down(Fixture *f, gconstpointer data)
{
    guest_memory_free(f->memory);
    x86_state_free(f->state);
    g_free(f->ram);
    g_unlink(f->kernel);
    g_unlink(f->initrd);
    g_rmdir(f->dir);
    g_free(f->kernel);
    g_free(f->initrd);
    g_free(f->dir);
}

static bool load(Fixture *f, const char *append, uint64_t low_end, Error **errp)
{
    g_autoptr(BootKernel) bk =
        boot_kernel_open(f->kernel, f->initrd, append, &error_abort);
    BootPlace place = { map, G_N_ELEMENTS(map), low_end, 0xf1230 };

    return boot_kernel_load(bk, f->memory, &place, f->state, errp);
}

static void test_load(Fixture *f, gconstpointer only32)
{
    uint8_t *zp = f->ram + 0x10000;
    uint32_t initrd;

    g_assert_true(load(f, "console=ttyS0", RAM_BYTES, &error_abort));
    g_assert_cmphex(f->ram[0x100000], ==, 0x90);
    g_assert_cmphex(f->ram[0x102fff], ==, 0x90);
    g_assert_cmphex(f->ram[0x103000], ==, 0xee);
    g_assert_cmphex(f->state->gpr[X86_RSI], ==, 0x10000);
    g_assert_cmphex(zp[0x210], ==, 0xff);
    g_assert_cmphex(ldl_le_p(zp + 0x202), ==, 0x53726448);
    g_assert_cmpstr((char *)f->ram + ldl_le_p(zp + 0x228), ==, "console=ttyS0");
    initrd = (uint32_t)ldl_le_p(zp + 0x218);
    g_assert_cmphex(initrd, ==, RAM_BYTES - 4096);
    g_assert_cmpuint(ldl_le_p(zp + 0x21c), ==, 15);
    g_assert_cmpmem(f->ram + initrd, 15, "initial ramdisk", 15);
    g_assert_cmphex(ldq_le_p(zp + 0x70), ==, 0xf1230);
    g_assert_cmpuint(zp[0x1e8], ==, 3);
    g_assert_cmphex(ldq_le_p(zp + 0x2d0 + 20), ==, 0x9fc00);
    g_assert_cmpuint(ldl_le_p(zp + 0x2d0 + 36), ==, MEMMAP_RESERVED);
    g_assert_cmphex(f->state->seg[X86_CS].selector, ==, 0x10);
    g_assert_cmphex(f->state->seg[X86_SS].selector, ==, 0x18);
    g_assert_cmphex(f->state->gdt.base, ==, 0x500);
    if (only32) {
        g_assert_cmphex(f->state->rip, ==, 0x100000);
        g_assert_cmphex(f->state->cr0 & X86_CR0_PG, ==, 0);
        return;
    }
    g_assert_cmphex(f->state->rip, ==, 0x100200);
    g_assert_true(f->state->seg[X86_CS].l);
    g_assert_cmphex(f->state->efer, ==, X86_EFER_LME | X86_EFER_LMA);
    /* 3 GiB + 2 MiB is mapped to itself. */
    g_assert_cmphex(ldq_le_p(f->ram + f->state->cr3), ==, 0x12003);
    g_assert_cmphex(ldq_le_p(f->ram + 0x12000 + 3 * 8), ==, 0x16003);
    g_assert_cmphex(ldq_le_p(f->ram + 0x16000 + 8), ==, 0xc0200083);
}

static void test_limits(Fixture *f, gconstpointer data)
{
    Error *err = NULL;

    g_assert_true(load(f, "12345678901234567890", RAM_BYTES, &error_abort));
    g_assert_false(load(f, "123456789012345678901", RAM_BYTES, &err));
    error_free_or_abort(&err);
    /* No room between what the kernel uses and the end of RAM. */
    g_assert_false(load(f, NULL, 0x1000000 + INIT_SIZE + 14, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "init,rd"));
    error_free_or_abort(&err);
    /* The file got shorter since it was opened. */
    g_autoptr(BootKernel) bk =
        boot_kernel_open(f->kernel, NULL, NULL, &error_abort);
    BootPlace place = { map, G_N_ELEMENTS(map), RAM_BYTES, 0 };

    g_assert_cmpint(truncate(f->kernel, SETUP_BYTES), ==, 0);
    g_assert_false(boot_kernel_load(bk, f->memory, &place, f->state, &err));
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot-linux/header", test_header);
    g_test_add_func("/boot-linux/hostile", test_hostile);
    g_test_add("/boot-linux/load/64", Fixture, NULL, set_up, test_load,
               tear_down);
    g_test_add("/boot-linux/load/32", Fixture, "32", set_up, test_load,
               tear_down);
    g_test_add("/boot-linux/limits", Fixture, NULL, set_up, test_limits,
               tear_down);
    return g_test_run();
}
