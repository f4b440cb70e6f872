/*
 * fw_cfg: numbers and files for the guest's firmware, and for the guest.
 *
 * An item has a key of 16 bits. The first keys have fixed meanings; files have
 * a name in the directory (key 19h) and keys from 20h up. A guest selects a
 * key and reads bytes one after another through a port, or lets whole pieces
 * be copied by DMA.
 *
 * Source: the public fw_cfg specification (docs/specs/fw_cfg).
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_NVRAM_FW_CFG_H
#define HW_NVRAM_FW_CFG_H

#include "hw/boards.h"
#include "hw/core/guest-memory.h"
#include "hw/core/io-space.h"
#include "hw/qdev-core.h"

#define TYPE_FW_CFG "fw_cfg_io"
OBJECT_DECLARE_SIMPLE_TYPE(FWCfgState, FW_CFG)

/* Keys with a fixed meaning. */
#define FW_CFG_SIGNATURE    0x00
#define FW_CFG_ID           0x01
#define FW_CFG_UUID         0x02
#define FW_CFG_RAM_SIZE     0x03
#define FW_CFG_NOGRAPHIC    0x04
#define FW_CFG_NB_CPUS      0x05
#define FW_CFG_KERNEL_ADDR  0x07
#define FW_CFG_KERNEL_SIZE  0x08
#define FW_CFG_INITRD_ADDR  0x0a
#define FW_CFG_INITRD_SIZE  0x0b
#define FW_CFG_BOOT_DEVICE  0x0c
#define FW_CFG_NUMA         0x0d
#define FW_CFG_BOOT_MENU    0x0e
#define FW_CFG_MAX_CPUS     0x0f
#define FW_CFG_KERNEL_ENTRY 0x10
#define FW_CFG_KERNEL_DATA  0x11
#define FW_CFG_INITRD_DATA  0x12
#define FW_CFG_CMDLINE_ADDR 0x13
#define FW_CFG_CMDLINE_SIZE 0x14
#define FW_CFG_CMDLINE_DATA 0x15
#define FW_CFG_SETUP_ADDR   0x16
#define FW_CFG_SETUP_SIZE   0x17
#define FW_CFG_SETUP_DATA   0x18
#define FW_CFG_FILE_DIR     0x19
#define FW_CFG_FILE_FIRST   0x20
#define FW_CFG_FILE_SLOTS   0x40u /* files at most */
#define FW_CFG_ARCH_LOCAL   0x8000
/* Of the PC. */
#define FW_CFG_IRQ0_OVERRIDE (FW_CFG_ARCH_LOCAL + 2)
#define FW_CFG_HPET          (FW_CFG_ARCH_LOCAL + 4)

#define FW_CFG_FILE_NAME_BYTES 56u /* with the NUL */

/**
 * fw_cfg_new:
 * @machine: (nullable) has it afterwards; NULL in tests
 * @ports: gets ports 510h, 511h and 514h to 51Bh
 * @memory: (nullable) for DMA
 *
 * Returns: (transfer none) the board's; NULL.
 */
FWCfgState *fw_cfg_new(MachineState *machine, IOSpace *ports,
                       GuestMemory *memory, Error **errp);
/** fw_cfg_of: the machine's, or NULL. */
FWCfgState *fw_cfg_of(MachineState *machine);

/** fw_cfg_add_bytes: item @key, replacing what was there; takes @bytes. */
void fw_cfg_add_bytes(FWCfgState *s, uint16_t key, GBytes *bytes);
void fw_cfg_add_string(FWCfgState *s, uint16_t key, const char *value);
void fw_cfg_add_i16(FWCfgState *s, uint16_t key, uint16_t value);
void fw_cfg_add_i32(FWCfgState *s, uint16_t key, uint32_t value);
void fw_cfg_add_i64(FWCfgState *s, uint16_t key, uint64_t value);

/** FWCfgWritten: the guest changed bytes of the file. */
typedef void FWCfgWritten(void *opaque, uint32_t offset, uint32_t len);

/**
 * fw_cfg_add_file:
 * @name: at most 55 characters
 * @bytes: (transfer full) read-only for the guest
 *
 * A file of the same name gets new contents.
 *
 * Errors: name too long; no slot free.
 */
bool fw_cfg_add_file(FWCfgState *s, const char *name, GBytes *bytes,
                     Error **errp);

/**
 * fw_cfg_add_file_writable:
 * @data: (borrowed) @len bytes that the guest reads and writes; outlive @s
 * @written: (optional) called after each write
 */
bool fw_cfg_add_file_writable(FWCfgState *s, const char *name, void *data,
                              uint32_t len, FWCfgWritten *written, void *opaque,
                              Error **errp);

/**
 * fw_cfg_on_select:
 * @name: of a file that is there
 * @selected: called with @opaque when the guest is about to read it from its
 *            start; may give the file other contents by fw_cfg_add_file()
 */
void fw_cfg_on_select(FWCfgState *s, const char *name,
                      void (*selected)(void *opaque), void *opaque);

/** fw_cfg_file: (nullable) contents of a read-only file, borrowed. */
GBytes *fw_cfg_file(FWCfgState *s, const char *name);

/** fw_cfg_file_names: (transfer full) names in order of the directory. */
GPtrArray *fw_cfg_file_names(FWCfgState *s);

#endif
