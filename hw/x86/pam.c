/*
 * PAM segments as regions of guest memory.
 *
 * Each segment is a region of its own, apart from the rest of RAM, so that a
 * change leaves that alone; neighbours of one kind make one piece. RAM under a ROM that takes only writes is reached through device
 * space: the accelerator brings writes to read-only memory there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/pam.h"

#include "hw/core/ram-blocks.h"

#define BIG_BASE    0xf0000u
#define BIG_BYTES   0x10000u
#define SMALL_BYTES 0x4000u
#define GROUP_RAM   1u
#define GROUP_ROM   2u

static uint32_t segment_base(unsigned n)
{
    return n == 0 ? BIG_BASE : PAM_BASE + (n - 1) * SMALL_BYTES;
}

static uint64_t shadow_read(void *opaque, uint64_t offset, unsigned size)
{
    const PAMSegment *s = opaque;
    uint64_t value = UINT64_MAX;

    if (s->rom.size) {
        memcpy(&value, (const uint8_t *)s->rom.host + offset, size);
    }
    return GUINT64_FROM_LE(value);
}

static void shadow_write(void *opaque, uint64_t offset, uint64_t value,
                         unsigned size)
{
    const PAMSegment *s = opaque;

    value = GUINT64_TO_LE(value);
    memcpy((uint8_t *)s->ram.host + offset, &value, size);
    ram_blocks_written(guest_memory_blocks(s->memory),
                       (uint8_t *)s->ram.host + offset, size);
}

static const IORegionOps shadow_ops = { shadow_read, shadow_write, 8 };

void pam_set(PAM *pam, unsigned n, uint8_t attr)
{
    PAMSegment *s = &pam->segment[n];
    uint32_t base = segment_base(n);
    bool read = attr & PAM_READ;

    attr &= PAM_READ | PAM_WRITE;
    if (attr == s->attr) {
        return;
    }
    s->attr = attr;
    guest_memory_begin(pam->memory);
    guest_memory_remove(&s->rom);
    guest_memory_remove(&s->ram);
    io_space_remove(&s->write_through);
    if (read) {
        guest_memory_set_readonly(&s->ram, !(attr & PAM_WRITE));
        guest_memory_add(pam->memory, &s->ram, base);
    } else if (s->rom.size) {
        guest_memory_add(pam->memory, &s->rom, base);
    }
    if (attr == PAM_WRITE) {
        io_space_add_movable(pam->mmio, &s->write_through, base);
    }
    guest_memory_commit(pam->memory);
}

void pam_set_all(PAM *pam, uint8_t attr)
{
    guest_memory_begin(pam->memory);
    for (unsigned n = 0; n < PAM_SEGMENTS; n++) {
        pam_set(pam, n, attr);
    }
    guest_memory_commit(pam->memory);
}

void pam_init(PAM *pam, GuestMemory *memory, IOSpace *mmio, uint8_t *ram,
              uint8_t *rom, uint32_t rom_bytes)
{
    uint32_t rom_base = PAM_END - rom_bytes;

    pam->memory = memory;
    pam->mmio = mmio;
    guest_memory_begin(memory);
    for (unsigned n = 0; n < PAM_SEGMENTS; n++) {
        PAMSegment *s = &pam->segment[n];
        uint32_t base = segment_base(n);
        uint32_t size = n == 0 ? BIG_BYTES : SMALL_BYTES;

        *s = (PAMSegment){ .memory = memory };
        s->ram = (GuestMemoryRegion){ .name = "pam-ram",
                                      .host = ram + base,
                                      .size = size,
                                      .group = GROUP_RAM };
        io_region_init(&s->write_through, "pam-write", size, &shadow_ops, s);
        if (rom && base >= rom_base) {
            s->rom = (GuestMemoryRegion){ .name = "pam-rom",
                                          .host = rom + (base - rom_base),
                                          .size = size,
                                          .readonly = true,
                                          .group = GROUP_ROM };
            guest_memory_add(memory, &s->rom, base);
        }
    }
    guest_memory_commit(memory);
}

void pam_deinit(PAM *pam)
{
    if (!pam->memory) {
        return;
    }
    guest_memory_begin(pam->memory);
    for (unsigned n = 0; n < PAM_SEGMENTS; n++) {
        PAMSegment *s = &pam->segment[n];

        guest_memory_remove(&s->ram);
        guest_memory_remove(&s->rom);
        io_space_remove(&s->write_through);
    }
    guest_memory_commit(pam->memory);
    pam->memory = NULL;
}
