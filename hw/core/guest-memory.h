/*
 * Guest-physical RAM: which host memory stands where. Sorted, without
 * overlaps; filled when the board is built and constant while CPUs run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_GUEST_MEMORY_H
#define HW_CORE_GUEST_MEMORY_H

#include "accel/accel.h"

typedef struct GuestMemory GuestMemory;

typedef struct GuestRAM {
    uint64_t gpa;
    uint64_t size;
    uint8_t *host;
} GuestRAM;

GuestMemory *guest_memory_new(void);
void guest_memory_free(GuestMemory *gm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestMemory, guest_memory_free)

/**
 * guest_memory_map:
 * @accel: (nullable) told of it first; NULL in tests
 * @host: @size bytes, outlive the map
 *
 * Errors: overlap; the accelerator refuses.
 */
bool guest_memory_map(GuestMemory *gm, AccelState *accel, uint64_t gpa,
                      uint64_t size, void *host, Error **errp);

/** guest_memory_ptr: host address of @len bytes at @gpa that lie in one
 *  piece of RAM; NULL if they do not. */
uint8_t *guest_memory_ptr(GuestMemory *gm, uint64_t gpa, uint64_t len);
/** guest_memory_read, guest_memory_write: false if any byte is not RAM; then
 *  nothing was copied. May cross from one piece to the next. */
bool guest_memory_read(GuestMemory *gm, uint64_t gpa, void *buf, size_t len);
bool guest_memory_write(GuestMemory *gm, uint64_t gpa, const void *buf,
                        size_t len);
/** guest_memory_zero: as a write of zeros. */
bool guest_memory_zero(GuestMemory *gm, uint64_t gpa, uint64_t len);

/** guest_memory_pieces: ascending; borrowed. */
const GuestRAM *guest_memory_pieces(GuestMemory *gm, size_t *ret_n);

#endif
