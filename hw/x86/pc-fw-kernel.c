/*
 * A Linux kernel that firmware starts (-kernel together with -bios): the
 * image, its initial ramdisk and the command line as items of fw_cfg. UEFI
 * firmware reads them itself; for a BIOS there is an option ROM that does.
 *
 * The setup part runs in real mode here, so its header is filled in as the
 * boot protocol asks a boot loader to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/datadir.h"
#include "hw/x86/boot-linux.h"
#include "hw/x86/pc.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/read-file.h"

#define SETUP_ADDR   0x10000u
#define CMDLINE_ADDR 0x20000u
#define PAGE         4096u
#define LOADER_QEMU  0xb0 /* as the public interface has it */
#define HEAP_END     (CMDLINE_ADDR - SETUP_ADDR - 0x200u)
#define ROM_FILE     "linuxboot_dma.bin"
#define ROM_MAX      (128u << 10)

/* Fields of the setup header (boot.rst). */
#define H_LOADER_TYPE   0x210
#define H_LOADFLAGS     0x211
#define H_RAMDISK_IMAGE 0x218
#define H_RAMDISK_SIZE  0x21c
#define H_HEAP_END_PTR  0x224
#define H_CMD_LINE_PTR  0x228
#define CAN_USE_HEAP    0x80

static uint64_t initrd_address(PCMachineState *pc, const LinuxImage *img,
                               uint64_t size)
{
    uint64_t top = MIN(pc->low_end, img->initrd_max + 1);

    /* Firmware has its own tables at the end of RAM. */
    top = MIN(top, pc->low_end - MIN(pc->low_end / 16, 16u << 20));
    return top > size ? ROUND_DOWN(top - size, (uint64_t)PAGE) : 0;
}

static bool add_initrd(PCMachineState *pc, const LinuxImage *img,
                       uint8_t *setup, Error **errp)
{
    MachineState *m = MACHINE(pc);
    g_autoptr(BootFile) file = boot_file_open(m->initrd, errp);
    GBytes *bytes = file ? boot_file_bytes(file, errp) : NULL;
    uint64_t size, at;

    if (!bytes) {
        return false;
    }
    size = g_bytes_get_size(bytes);
    at = initrd_address(pc, img, size);
    if (at < img->run_end) {
        error_setg(errp, "initial ramdisk '%s' does not fit into RAM",
                   m->initrd);
        g_bytes_unref(bytes);
        return false;
    }
    fw_cfg_add_i32(m->fw_cfg, FW_CFG_INITRD_ADDR, (uint32_t)at);
    fw_cfg_add_i32(m->fw_cfg, FW_CFG_INITRD_SIZE, (uint32_t)size);
    fw_cfg_add_bytes(m->fw_cfg, FW_CFG_INITRD_DATA, bytes);
    stl_le_p(setup + H_RAMDISK_IMAGE, (uint32_t)at);
    stl_le_p(setup + H_RAMDISK_SIZE, (uint32_t)size);
    return true;
}

static void add_kernel(FWCfgState *f, const LinuxImage *img, GBytes *file,
                       uint8_t *setup)
{
    fw_cfg_add_i32(f, FW_CFG_KERNEL_ADDR, (uint32_t)img->load);
    fw_cfg_add_i32(f, FW_CFG_KERNEL_SIZE, (uint32_t)img->kernel_bytes);
    fw_cfg_add_bytes(f, FW_CFG_KERNEL_DATA,
                     g_bytes_new_from_bytes(file, img->setup_bytes,
                                            img->kernel_bytes));
    fw_cfg_add_i32(f, FW_CFG_SETUP_ADDR, SETUP_ADDR);
    fw_cfg_add_i32(f, FW_CFG_SETUP_SIZE, img->setup_bytes);
    fw_cfg_add_bytes(f, FW_CFG_SETUP_DATA,
                     g_bytes_new(setup, img->setup_bytes));
}

static void add_cmdline(FWCfgState *f, const char *text)
{
    fw_cfg_add_i32(f, FW_CFG_CMDLINE_ADDR, CMDLINE_ADDR);
    fw_cfg_add_i32(f, FW_CFG_CMDLINE_SIZE, (uint32_t)strlen(text) + 1);
    fw_cfg_add_string(f, FW_CFG_CMDLINE_DATA, text);
}

/* The option ROM for a BIOS; left out if its package is not there. */
static bool add_rom(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);
    g_autofree char *path = datadir_find(m, ROM_FILE);
    size_t len;
    char *data;

    if (!path) {
        return true;
    }
    data = read_file_bounded(path, ROM_MAX, &len, errp);
    pc->kernel_rom = "/rom@genroms/" ROM_FILE;
    return data && fw_cfg_add_file(m->fw_cfg, "genroms/" ROM_FILE,
                                   g_bytes_new_take(data, len), errp);
}

bool pc_add_fw_kernel(PCMachineState *pc, Error **errp)
{
    ERRP_GUARD();
    MachineState *m = MACHINE(pc);
    g_autoptr(BootFile) file = boot_file_open(m->kernel, errp);
    g_autoptr(GBytes) bytes = file ? boot_file_bytes(file, errp) : NULL;
    g_autofree uint8_t *setup = NULL;
    const uint8_t *data;
    LinuxImage img;
    size_t len;

    if (!bytes) {
        return false;
    }
    data = g_bytes_get_data(bytes, &len);
    if (!linux_image_parse(data, len, len, &img, errp)) {
        error_prepend(errp,
                      "could not load kernel '%s' for firmware: ", m->kernel);
        return false;
    }
    setup = g_memdup2(data, img.setup_bytes);
    setup[H_LOADER_TYPE] = LOADER_QEMU;
    setup[H_LOADFLAGS] |= CAN_USE_HEAP;
    stw_le_p(setup + H_HEAP_END_PTR, HEAP_END);
    stl_le_p(setup + H_CMD_LINE_PTR, CMDLINE_ADDR);
    if (m->initrd && *m->initrd && !add_initrd(pc, &img, setup, errp)) {
        return false;
    }
    add_kernel(m->fw_cfg, &img, bytes, setup);
    add_cmdline(m->fw_cfg, m->append ? m->append : "");
    return add_rom(pc, errp);
}
