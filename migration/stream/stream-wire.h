/*
 * The framing of a migration stream as a pure codec: header, sections,
 * commands. Bytes in, bytes out.
 *
 * Source: the documented QEMU migration stream. All integers big-endian.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_STREAM_WIRE_H
#define MIGRATION_STREAM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/typedefs.h"
#include "util/wire-buffer.h"

#define STREAM_MAGIC      0x5145564dU /* "QEVM" */
#define STREAM_VERSION    3
#define STREAM_VERSION_V2 2 /* obsolete, refused */
#define STREAM_HEADER_LEN 8

typedef enum StreamSection {
    STREAM_EOF = 0x00,
    STREAM_SECTION_START = 0x01,
    STREAM_SECTION_PART = 0x02,
    STREAM_SECTION_END = 0x03,
    STREAM_SECTION_FULL = 0x04,
    STREAM_SUBSECTION = 0x05,
    STREAM_VMDESCRIPTION = 0x06,
    STREAM_CONFIGURATION = 0x07,
    STREAM_COMMAND = 0x08,
    STREAM_SECTION_FOOTER = 0x7e,
} StreamSection;

typedef enum StreamCommand {
    STREAM_CMD_OPEN_RETURN_PATH = 1,
    STREAM_CMD_PING = 2,
    STREAM_CMD_POSTCOPY_ADVISE = 3,
    STREAM_CMD_POSTCOPY_LISTEN = 4,
    STREAM_CMD_POSTCOPY_RUN = 5,
    STREAM_CMD_POSTCOPY_RAM_DISCARD = 6,
    STREAM_CMD_PACKAGED = 7,
    STREAM_CMD_ENABLE_COLO = 8,
    STREAM_CMD_POSTCOPY_RESUME = 9,
    STREAM_CMD_RECV_BITMAP = 10,
    STREAM_CMD_SWITCHOVER_START = 11,
    STREAM_CMD__MAX,
} StreamCommand;

#define STREAM_NAME_MAX        255
#define STREAM_DISCARD_MAX     12 /* ranges of one command */
#define STREAM_DISCARD_VERSION 0
/* 1 version, 1 length, name, 1 zero, ranges */
#define STREAM_COMMAND_MAX                                                     \
    (3 + STREAM_NAME_MAX + STREAM_DISCARD_MAX * 2 * sizeof(uint64_t))
/* Most bytes of a package, and of a description that is read and dropped. */
#define STREAM_PACKAGE_MAX (256U * 1024 * 1024)
#define STREAM_VMDESC_MAX  (256U * 1024 * 1024)

/* Bytes of a block. */
typedef struct StreamRange {
    uint64_t start;
    uint64_t len;
} StreamRange;

/* What stands at the start of START and FULL. */
typedef struct StreamSectionHeader {
    uint32_t section_id;
    char idstr[STREAM_NAME_MAX + 1];
    uint32_t instance_id;
    uint32_t version_id;
} StreamSectionHeader;

/**
 * StreamCommandBody: a command with its payload.
 * @value: PING
 * @page_sizes, @target_page_size: POSTCOPY_ADVISE; both 0: bitmaps only
 * @name: POSTCOPY_RAM_DISCARD, RECV_BITMAP
 * @range: @ranges of them: POSTCOPY_RAM_DISCARD
 * @package_len: PACKAGED: bytes that follow the command
 */
typedef struct StreamCommandBody {
    StreamCommand command;
    uint32_t value;
    uint64_t page_sizes;
    uint64_t target_page_size;
    char name[STREAM_NAME_MAX + 1];
    size_t ranges;
    StreamRange range[STREAM_DISCARD_MAX];
    uint32_t package_len;
} StreamCommandBody;

/**
 * stream_is_text: are @len bytes a name that may go into messages: UTF-8, no NUL
 * and no control characters? For every name off the wire.
 */
bool stream_is_text(const void *bytes, size_t len);

/** stream_command_name: "POSTCOPY_ADVISE"; NULL = no such command. */
const char *stream_command_name(unsigned command);

/**
 * stream_header_check:
 * @bytes: the first STREAM_HEADER_LEN of a stream
 *
 * Errors: not a migration stream; obsolete or unknown version.
 */
bool stream_header_check(const uint8_t bytes[STREAM_HEADER_LEN], Error **errp);
void stream_header_put(WireBuffer *b);

/** stream_section_put: type and header of START or FULL. */
void stream_section_put(WireBuffer *b, StreamSection type,
                        const StreamSectionHeader *h);

/**
 * stream_command_decode:
 * @command, @data, @len: as on the wire
 * @ret: (out) set when the return is true
 *
 * Errors: unknown command; wrong length; a name that is empty or holds a NUL;
 * a range of length 0 or beyond 2^64; a package over STREAM_PACKAGE_MAX.
 */
bool stream_command_decode(unsigned command, const uint8_t *data, size_t len,
                           StreamCommandBody *ret, Error **errp);
/** stream_command_put: type byte, command, length, payload. */
void stream_command_put(WireBuffer *b, const StreamCommandBody *c);

#endif
