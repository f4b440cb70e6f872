/*
 * Memory of the PC: RAM with the hole below 4 GiB and the one for video, the
 * segments of the BIOS, and firmware at the top of 4 GiB.
 *
 *   0        .. 9FFFF      RAM
 *   A0000    .. BFFFF      video (device space)
 *   C0000    .. FFFFF      PAM segments: RAM or the end of the firmware
 *   100000   .. low_end    RAM
 *   4G - size .. 4G - 1    firmware, read-only
 *   4G       ..            RAM that did not fit
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/datadir.h"
#include "hw/core/ram-blocks.h"
#include "hw/x86/pc.h"
#include "util/error.h"
#include "util/read-file.h"

/* RAM below 4 GiB: up to 3.5 GiB, but 3 GiB as soon as it does not all fit. */
#define LOW_RAM_SPLIT        0xc0000000ull
#define CONVENTIONAL_RAM_END 0x9fc00u
#define VIDEO_BASE           0xa0000u
#define EXTENDED_RAM_BASE    0x100000u
#define LEAST_RAM            (2ull * EXTENDED_RAM_BASE)
/* Registers of the board, which no memory BAR may hide. */
#define CHIPSET_BASE        0xfec00000ull
#define CHIPSET_BYTES       0x400000u
#define FIRMWARE_UNIT       0x10000u
#define FIRMWARE_SHADOW_MAX 0x20000u /* E0000h to FFFFFh */
#define PAGE                4096u

static uint64_t low_ram_bytes(PCMachineState *pc, uint64_t ram)
{
    if (pc->max_ram_below_4g) {
        return MIN(ram, pc->max_ram_below_4g);
    }
    return ram > PC_LOW_RAM_MAX ? LOW_RAM_SPLIT : ram;
}

static void build_memmap(PCMachineState *pc, uint64_t high_bytes)
{
    MemmapEntry *m = pc->memmap;

    *m++ = (MemmapEntry){ 0, CONVENTIONAL_RAM_END, MEMMAP_RAM };
    *m++ = (MemmapEntry){ CONVENTIONAL_RAM_END,
                          EXTENDED_RAM_BASE - CONVENTIONAL_RAM_END,
                          MEMMAP_RESERVED };
    *m++ = (MemmapEntry){ EXTENDED_RAM_BASE, pc->low_end - EXTENDED_RAM_BASE,
                          MEMMAP_RAM };
    if (high_bytes) {
        *m++ = (MemmapEntry){ PC_HIGH_RAM_BASE, high_bytes, MEMMAP_RAM };
    }
    pc->n_memmap = (size_t)(m - pc->memmap);
}

/* -- firmware ------------------------------------------------------------------ */

static bool check_firmware(const char *path, size_t len, Error **errp)
{
    if (len == 0 || len % FIRMWARE_UNIT) {
        error_setg(errp,
                   "firmware '%s' of %zu bytes is not a multiple of 64 KiB",
                   path, len);
        return false;
    }
    return true;
}

bool pc_load_firmware(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);
    const char *name = m->bios ? m->bios : PC_FIRMWARE_FILE;
    g_autofree char *path = NULL;
    g_autofree char *data = NULL;
    size_t len;

    if (m->kernel && *m->kernel && !m->bios) {
        return true;
    }
    path = datadir_find(m, name);
    if (!path) {
        error_setg(errp, "firmware '%s' not found", name);
        error_append_hint(errp,
                          "It is in Debian's package seabios; -L names another "
                          "directory, -bios another file.\n");
        return false;
    }
    data = read_file_bounded(path, PC_FIRMWARE_MAX, &len, errp);
    if (!data || !check_firmware(path, len, errp)) {
        return false;
    }
    pc->firmware = g_aligned_alloc0(1, len, PAGE);
    memcpy(pc->firmware, data, len);
    pc->firmware_region = (GuestMemoryRegion){
        .name = "pc.bios", .host = pc->firmware, .size = len, .readonly = true
    };
    return true;
}

/* -- map -------------------------------------------------------------------------- */

static bool map_ram(PCMachineState *pc, uint64_t gpa, uint64_t size,
                    uint8_t *host, Error **errp)
{
    MachineState *m = MACHINE(pc);

    return size == 0 ||
           guest_memory_map(m->memory, m->accel, gpa, size, host, errp);
}

static void map_firmware(PCMachineState *pc, uint8_t *ram)
{
    MachineState *m = MACHINE(pc);
    uint64_t size = pc->firmware_region.size;
    uint32_t shadow = (uint32_t)MIN(size, FIRMWARE_SHADOW_MAX);

    guest_memory_begin(m->memory);
    pc->chipset_hole =
        (GuestMemoryRegion){ .name = "chipset", .size = CHIPSET_BYTES };
    guest_memory_add(m->memory, &pc->chipset_hole, CHIPSET_BASE);
    if (size) {
        guest_memory_add(m->memory, &pc->firmware_region,
                         PC_HIGH_RAM_BASE - size);
    }
    pam_init(&pc->pam, m->memory, m->mmio, ram,
             size ? pc->firmware + (size - shadow) : NULL, shadow);
    if (!size) {
        pam_set_all(&pc->pam, PAM_READ | PAM_WRITE);
    }
    guest_memory_commit(m->memory);
}

static bool add_blocks(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);
    RAMBlocks *blocks = guest_memory_blocks(m->memory);

    if (!ram_blocks_add_backend(blocks, m->ram, errp)) {
        return false;
    }
    pc->firmware_block =
        pc->firmware
            ? ram_blocks_add(blocks, "pc.bios", pc->firmware,
                             pc->firmware_region.size, RAM_BLOCK_ROM, errp)
            : NULL;
    if (pc->firmware_block) {
        pc->firmware_block->gpa = PC_HIGH_RAM_BASE - pc->firmware_region.size;
    }
    return !pc->firmware || pc->firmware_block;
}

bool pc_map_memory(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);
    uint8_t *host = host_memory_backend_get_ptr(m->ram);
    uint64_t low = low_ram_bytes(pc, m->ram_bytes);
    uint64_t high = m->ram_bytes - low;

    if (m->ram_bytes < LEAST_RAM) {
        error_setg(errp, "machine '%s' needs at least 2 MiB of RAM",
                   MACHINE_GET_CLASS(m)->name);
        return false;
    }
    pc->low_end = low;
    build_memmap(pc, high);
    if (!add_blocks(pc, errp)) {
        return false;
    }
    if (!map_ram(pc, 0, VIDEO_BASE, host, errp) ||
        !map_ram(pc, EXTENDED_RAM_BASE, low - EXTENDED_RAM_BASE,
                 host + EXTENDED_RAM_BASE, errp) ||
        !map_ram(pc, PC_HIGH_RAM_BASE, high, host + low, errp)) {
        return false;
    }
    map_firmware(pc, host);
    if (pc->firmware && !guest_memory_rom_ptr(m->memory, UINT32_MAX, 1)) {
        error_setg(errp, "accelerator '%s' cannot map read-only memory",
                   machine_accel_name(m));
        return false;
    }
    return true;
}

void pc_unmap_memory(PCMachineState *pc)
{
    pam_deinit(&pc->pam);
    guest_memory_remove(&pc->firmware_region);
    guest_memory_remove(&pc->chipset_hole);
    ram_blocks_remove(guest_memory_blocks(MACHINE(pc)->memory),
                      pc->firmware_block);
    pc->firmware_block = NULL;
    g_clear_pointer(&pc->firmware, g_aligned_free);
}
