/*
 * PAM: what stands between 768 KiB and 1 MiB: RAM, the BIOS ROM, or RAM that
 * looks like a ROM (Intel 82441FX data sheet, 3.2.18).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_X86_PAM_H
#define HW_X86_PAM_H

#include "hw/core/guest-memory.h"
#include "hw/core/io-space.h"

#define PAM_SEGMENTS 13
#define PAM_BASE     0xc0000u
#define PAM_END      0x100000u

/* Bits of a segment's attribute. */
#define PAM_READ  0x1 /* reads come from RAM, else from the ROM */
#define PAM_WRITE 0x2 /* writes go to RAM, else nowhere */

typedef struct PAMSegment {
    GuestMemory *memory;
    uint8_t attr;
    GuestMemoryRegion ram;
    GuestMemoryRegion rom;  /* size 0: no ROM here */
    IORegion write_through; /* PAM_WRITE alone: writes go below the ROM */
} PAMSegment;

typedef struct PAM {
    GuestMemory *memory;
    IOSpace *mmio;
    PAMSegment segment[PAM_SEGMENTS];
} PAM;

/**
 * pam_init:
 * @ram: host memory of guest address 0, at least 1 MiB
 * @rom: (nullable) the last @rom_bytes (a multiple of 16 KiB, at most 256 KiB)
 *       below 1 MiB
 *
 * All attributes are 0 afterwards. Memory must outlive @memory.
 */
void pam_init(PAM *pam, GuestMemory *memory, IOSpace *mmio, uint8_t *ram,
              uint8_t *rom, uint32_t rom_bytes);
void pam_deinit(PAM *pam);

/** pam_set: attribute of segment @n: 0 is F0000h, 1 to 12 from C0000h up in
 *  steps of 16 KiB, as the registers are. */
void pam_set(PAM *pam, unsigned n, uint8_t attr);

/** pam_set_all: every segment. */
void pam_set_all(PAM *pam, uint8_t attr);

#endif
