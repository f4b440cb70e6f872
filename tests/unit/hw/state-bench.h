/*
 * Devices whose state is saved, loaded and tampered with: each on a bus of its
 * own, driven by steps of eight bytes as a guest would, more or less.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_HW_STATE_BENCH_H
#define TESTS_HW_STATE_BENCH_H

#include "migration/vmstate.h"
#include "util/error.h"

#define SB_STEP_BYTES 8
#define SB_PARTS_MAX  4

typedef struct StateBench StateBench;

/**
 * StateBenchKind:
 * @make: a device as after reset
 * @step: one access, by @p (SB_STEP_BYTES bytes)
 * @stop: (optional) as when the machine stops: nothing is in flight after it
 * @go: (optional) the opposite
 * @reset: (optional) default: device_cold_reset() of each part
 * @destroy: the opposite of @make
 */
typedef struct StateBenchKind {
    const char *name;
    StateBench *(*make)(void);
    void (*step)(StateBench *b, const uint8_t *p);
    void (*stop)(StateBench *b);
    void (*go)(StateBench *b);
    void (*reset)(StateBench *b);
    void (*destroy)(StateBench *b);
} StateBenchKind;

typedef struct StateBenchPart {
    const VMStateDescription *vmsd;
    void *opaque;
} StateBenchPart;

/* First member of every bench. */
struct StateBench {
    const StateBenchKind *kind;
    StateBenchPart part[SB_PARTS_MAX];
    unsigned n_parts;
    uint8_t *ram; /* guest memory that goes along with the state, or NULL */
    size_t ram_bytes;
};

/** sb_init: once, before anything else. */
void sb_init(void);
/** sb_kind: NULL after the last one. */
const StateBenchKind *sb_kind(unsigned n);
StateBench *sb_make(const StateBenchKind *kind);
void sb_destroy(StateBench *b);
/** sb_add_part: @dev's class says how it is saved. */
void sb_add_part(StateBench *b, void *dev);
/** sb_save: stop and save. */
GByteArray *sb_save(StateBench *b);
/** sb_load: stop and load; Errors: as the devices say. */
bool sb_load(StateBench *b, const uint8_t *data, size_t len, Error **errp);
/** sb_reset: as the machine after a load that failed. */
void sb_reset(StateBench *b);
/** sb_go: run on. */
void sb_go(StateBench *b);

/* The kinds, by file. */
extern const StateBenchKind sb_serial, sb_parallel, sb_i8042, sb_port92,
    sb_fw_cfg;
extern const StateBenchKind sb_acpi_pm, sb_vga, sb_vga_core, sb_bochs, sb_ide;
extern const StateBenchKind sb_virtio_blk, sb_virtio_net, sb_virtio_serial,
    sb_virtio_balloon, sb_virtio_rng;

#endif
