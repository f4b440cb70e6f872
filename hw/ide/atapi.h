/*
 * An ATAPI CD-ROM, for the files that implement it.
 *
 *   atapi.c          IDE commands, the packet protocol, life of the medium
 *   atapi-mmc.c      packet commands
 *   atapi-info.c     packet commands that answer with a table
 *
 * Sources: ATA/ATAPI-6, 9.8 and 9.9 (packet protocol); MMC-3; SPC-2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_IDE_ATAPI_H
#define HW_IDE_ATAPI_H

#include "hw/ide/ide.h"

#define TYPE_IDE_CD "ide-cd"
OBJECT_DECLARE_SIMPLE_TYPE(ATAPIDrive, IDE_CD)

#define ATAPI_PACKET_BYTES 12u
#define ATAPI_BLOCK_BYTES  2048u
#define ATAPI_REPLY_BYTES  256u

/* Sense: key << 16 | additional code << 8 | qualifier. */
#define SENSE_OK              0x000000u
#define SENSE_NO_MEDIUM       0x023a00u
#define SENSE_MEDIUM_ERROR    0x031100u
#define SENSE_BAD_COMMAND     0x052000u
#define SENSE_BAD_ADDRESS     0x052100u
#define SENSE_BAD_FIELD       0x052400u
#define SENSE_REMOVAL_REFUSED 0x055302u
#define SENSE_MEDIUM_CHANGED  0x062800u

/* Media events (GET EVENT STATUS NOTIFICATION). */
typedef enum ATAPIEvent {
    ATAPI_EVENT_NONE,
    ATAPI_EVENT_EJECT_REQUEST,
    ATAPI_EVENT_NEW_MEDIUM,
    ATAPI_EVENT_REMOVAL,
} ATAPIEvent;

struct ATAPIDrive {
    IDEDevice parent_obj;

    uint8_t packet[ATAPI_PACKET_BYTES];
    bool dma;
    uint32_t limit; /* bytes of a PIO block */
    uint32_t sense;

    bool tray_open;
    bool locked;
    bool medium_changed; /* the guest was not told yet */
    uint8_t event;       /* ATAPIEvent */

    /* data for the guest: a table in @reply, or the medium from @offset on */
    uint8_t reply[ATAPI_REPLY_BYTES];
    uint32_t reply_at;
    bool from_medium;
    int64_t offset;
    uint64_t left; /* bytes */
};

/* -- atapi.c -------------------------------------------------------------------- */

/** atapi_ok: the command ended well. */
void atapi_ok(ATAPIDrive *d);
/** atapi_fail: ... with that sense. */
void atapi_fail(ATAPIDrive *d, uint32_t sense);
/** atapi_send: the first @bytes of d->reply, @most at most. */
void atapi_send(ATAPIDrive *d, size_t bytes, size_t most);
/** atapi_read: @blocks of the medium from @lba on. */
void atapi_read(ATAPIDrive *d, uint64_t lba, uint64_t blocks);
/** atapi_has_medium: and the tray is closed. */
bool atapi_has_medium(const ATAPIDrive *d);
/** atapi_blocks: size of the medium. */
uint32_t atapi_blocks(const ATAPIDrive *d);

/* -- atapi-mmc.c, atapi-info.c ------------------------------------------------------ */

/** atapi_execute: run d->packet. */
void atapi_execute(ATAPIDrive *d);

void atapi_inquiry(ATAPIDrive *d);
void atapi_request_sense(ATAPIDrive *d);
void atapi_read_toc(ATAPIDrive *d);
void atapi_get_configuration(ATAPIDrive *d);
void atapi_get_event_status(ATAPIDrive *d);
void atapi_mode_sense_6(ATAPIDrive *d);
void atapi_mode_sense_10(ATAPIDrive *d);
void atapi_read_disc_information(ATAPIDrive *d);
void atapi_mechanism_status(ATAPIDrive *d);

static inline unsigned be16_at(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static inline uint32_t be32_at(const uint8_t *p)
{
    return (uint32_t)be16_at(p) << 16 | be16_at(p + 2);
}

static inline void put_be16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
    put_be16(p, v >> 16);
    put_be16(p + 2, v & 0xffff);
}

#endif
