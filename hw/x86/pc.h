/*
 * The PC board: what its files share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_X86_PC_H
#define HW_X86_PC_H

#include "hw/core/machine-internal.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/pci/pci.h"
#include "hw/smbios/smbios.h"
#include "hw/x86/boot.h"
#include "hw/x86/pam.h"

#define TYPE_PC_MACHINE "generic-pc-machine"
OBJECT_DECLARE_SIMPLE_TYPE(PCMachineState, PC_MACHINE)

#define PC_GIB           (1ull << 30)
#define PC_HIGH_RAM_BASE (4 * PC_GIB)
#define PC_CPUS_MAX      255u
#define PC_MEMMAP_MAX    8
#define PC_FIRMWARE_MAX  (16u << 20)
#define PC_FIRMWARE_FILE "bios-256k.bin"
#define PC_IOAPIC_ID     0
#define PC_LOW_RAM_MAX   0xe0000000ull /* of RAM below 4 GiB */

struct PCMachineState {
    MachineState parent_obj;

    /* properties */
    int vmport;
    bool hpet;
    bool acpi;
    uint64_t max_ram_below_4g;
    char *oem_id;
    char *oem_table_id;

    uint64_t low_end; /* end of RAM below 4 GiB */
    MemmapEntry memmap[PC_MEMMAP_MAX];
    size_t n_memmap;
    MemmapEntry boot_map[PC_MEMMAP_MAX]; /* the same, with tables in RAM */

    uint8_t *firmware; /* page-aligned, or NULL: direct boot */
    GuestMemoryRegion firmware_region;
    struct RAMBlock *firmware_block; /* NULL without firmware */
    GuestMemoryRegion chipset_hole;  /* IOAPIC, HPET, local APICs */
    PAM pam;

    DeviceState *rtc;
    PCIBus *pci;
    PCIDevice *pm;          /* PIIX4 power management */
    BootKernel *kernel;     /* without firmware */
    const char *kernel_rom; /* path in the boot order, or NULL */
    bool tables_done;
    bool booted_once; /* -boot once= is over */
};

/* -- pc-memory.c ------------------------------------------------------------- */

/** pc_map_memory: RAM, and the firmware of machine->bios if there is one to
 *  start. */
bool pc_map_memory(PCMachineState *pc, Error **errp);
/** pc_load_firmware: before pc_map_memory(). */
bool pc_load_firmware(PCMachineState *pc, Error **errp);
void pc_unmap_memory(PCMachineState *pc);

/* -- pc-firmware.c ------------------------------------------------------------ */

/** pc_fill_fw_cfg: numbers that are known when the board is made, and the
 *  user's files. */
bool pc_fill_fw_cfg(PCMachineState *pc, Error **errp);
/** pc_finish_fw_cfg: what depends on the devices: boot order, tables. */
bool pc_finish_fw_cfg(PCMachineState *pc, Error **errp);

/* -- pc-fw-kernel.c ------------------------------------------------------------- */

/** pc_add_fw_kernel: -kernel, -initrd and -append for firmware. */
bool pc_add_fw_kernel(PCMachineState *pc, Error **errp);

/* -- pc-boot-order.c ------------------------------------------------------------ */

/** pc_set_boot_order: the CMOS bytes and the file "bootorder", before each
 *  start with firmware. Errors: -boot; a bootindex that two devices have. */
bool pc_set_boot_order(PCMachineState *pc, Error **errp);

/* -- pc-pci-setup.c ------------------------------------------------------------- */

/** pc_set_up_pci: BARs and interrupt lines, for a start without firmware. */
void pc_set_up_pci(PCMachineState *pc);

/* -- pc-tables.c, pc-smbios.c --------------------------------------------------- */

/** pc_add_tables: as files for firmware. */
bool pc_add_tables(PCMachineState *pc, Error **errp);
/** pc_put_tables: into RAM; *@boot says what is left for a kernel, and borrows
 *  from @pc. */
bool pc_put_tables(PCMachineState *pc, BootPlace *boot, Error **errp);
/** pc_mmio64_base: first address for devices behind all RAM. */
uint64_t pc_mmio64_base(PCMachineState *pc);
/** pc_build_smbios: (transfer full). Errors: -smbios. */
SmbiosTables *pc_build_smbios(PCMachineState *pc, Error **errp);

#endif
