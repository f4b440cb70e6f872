/*
 * NBD: the protocol's numbers that servers, clients and their users share.
 *
 * Source: the NBD protocol document (proto.md of the reference
 * implementation), with its EXTENDED_HEADERS extension.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NBD_NBD_H
#define NBD_NBD_H

#include <stdint.h>

#define NBD_DEFAULT_PORT 10809

/* Longest name, description, context or message, bytes. */
#define NBD_MAX_STRING 4096
/* Longest read or write, and longest payload of either side. */
#define NBD_MAX_PAYLOAD (32 * 1024 * 1024)
/* Most metadata contexts of one connection. */
#define NBD_MAX_CONTEXTS 64

/* What an export can do (transmission flags). */
typedef enum NBDFlags {
    NBD_FLAG_HAS_FLAGS = 1 << 0,
    NBD_FLAG_READ_ONLY = 1 << 1,
    NBD_FLAG_SEND_FLUSH = 1 << 2,
    NBD_FLAG_SEND_FUA = 1 << 3,
    NBD_FLAG_ROTATIONAL = 1 << 4,
    NBD_FLAG_SEND_TRIM = 1 << 5,
    NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6,
    NBD_FLAG_SEND_DF = 1 << 7,
    NBD_FLAG_CAN_MULTI_CONN = 1 << 8,
    NBD_FLAG_SEND_RESIZE = 1 << 9,
    NBD_FLAG_SEND_CACHE = 1 << 10,
    NBD_FLAG_SEND_FAST_ZERO = 1 << 11,
    NBD_FLAG_BLOCK_STAT_PAYLOAD = 1 << 12,
} NBDFlags;

typedef enum NBDCmd {
    NBD_CMD_READ = 0,
    NBD_CMD_WRITE = 1,
    NBD_CMD_DISC = 2,
    NBD_CMD_FLUSH = 3,
    NBD_CMD_TRIM = 4,
    NBD_CMD_CACHE = 5,
    NBD_CMD_WRITE_ZEROES = 6,
    NBD_CMD_BLOCK_STATUS = 7,
} NBDCmd;

typedef enum NBDCmdFlags {
    NBD_CMD_FLAG_FUA = 1 << 0,
    NBD_CMD_FLAG_NO_HOLE = 1 << 1,
    NBD_CMD_FLAG_DF = 1 << 2,
    NBD_CMD_FLAG_REQ_ONE = 1 << 3,
    NBD_CMD_FLAG_FAST_ZERO = 1 << 4,
    NBD_CMD_FLAG_PAYLOAD_LEN = 1 << 5,
} NBDCmdFlags;

/* Context base:allocation. */
#define NBD_STATE_HOLE (1u << 0)
#define NBD_STATE_ZERO (1u << 1)
/* Context qemu:dirty-bitmap:NAME. */
#define NBD_STATE_DIRTY (1u << 0)

#define NBD_CONTEXT_ALLOCATION   "base:allocation"
#define NBD_CONTEXT_DEPTH        "qemu:allocation-depth"
#define NBD_CONTEXT_DIRTY_BITMAP "qemu:dirty-bitmap:"

/* One piece of an export, as a metadata context sees it. */
typedef struct NBDExtent {
    uint64_t length; /* bytes, not 0 */
    uint64_t flags;
} NBDExtent;

#endif
