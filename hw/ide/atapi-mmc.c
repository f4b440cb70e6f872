/*
 * ATAPI CD-ROM: packet commands.
 *
 * Source: MMC-3 (T10/1363-D), clause 5.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/ide/atapi.h"

#define OP_TEST_UNIT_READY   0x00
#define OP_REQUEST_SENSE     0x03
#define OP_INQUIRY           0x12
#define OP_MODE_SENSE_6      0x1a
#define OP_START_STOP        0x1b
#define OP_PREVENT_REMOVAL   0x1e
#define OP_READ_CAPACITY     0x25
#define OP_READ_10           0x28
#define OP_SEEK              0x2b
#define OP_READ_TOC          0x43
#define OP_GET_CONFIGURATION 0x46
#define OP_GET_EVENT_STATUS  0x4a
#define OP_READ_DISC_INFO    0x51
#define OP_MODE_SENSE_10     0x5a
#define OP_READ_12           0xa8
#define OP_SET_SPEED         0xbb
#define OP_MECHANISM_STATUS  0xbd
#define OP_READ_CD           0xbe

#define START_LOAD_EJECT 0x02
#define START_START      0x01
#define PREVENT          0x01
#define READ_CD_NOTHING  0x00
#define READ_CD_DATA     0x10 /* user data: 2048 bytes */
#define READ_CD_FIELDS   0xf8

/* What must be so before a command runs. */
#define NEEDS_MEDIUM 0x01u
#define EVEN_CHANGED 0x02u /* runs though a change of medium is to be told */

typedef struct Command {
    uint8_t op;
    unsigned flags;
    void (*run)(ATAPIDrive *d);
} Command;

static void test_unit_ready(ATAPIDrive *d)
{
    atapi_ok(d);
}

static void start_stop(ATAPIDrive *d)
{
    bool load_eject = d->packet[4] & START_LOAD_EJECT;
    bool open = load_eject && !(d->packet[4] & START_START);

    if (open && d->locked) {
        atapi_fail(d, SENSE_REMOVAL_REFUSED);
        return;
    }
    if (load_eject && open != d->tray_open) {
        d->tray_open = open;
        blk_eject(IDE_DEVICE(d)->conf.blk, open);
    }
    atapi_ok(d);
}

static void prevent_removal(ATAPIDrive *d)
{
    d->locked = d->packet[4] & PREVENT;
    atapi_ok(d);
}

static void read_capacity(ATAPIDrive *d)
{
    put_be32(d->reply, atapi_blocks(d) - 1);
    put_be32(d->reply + 4, ATAPI_BLOCK_BYTES);
    atapi_send(d, 8, 8);
}

static void read_10(ATAPIDrive *d)
{
    atapi_read(d, be32_at(d->packet + 2), be16_at(d->packet + 7));
}

static void read_12(ATAPIDrive *d)
{
    atapi_read(d, be32_at(d->packet + 2), be32_at(d->packet + 6));
}

static void read_cd(ATAPIDrive *d)
{
    uint32_t blocks = (uint32_t)d->packet[6] << 16 | be16_at(d->packet + 7);

    switch (d->packet[9] & READ_CD_FIELDS) {
    case READ_CD_NOTHING:
        atapi_ok(d);
        break;
    case READ_CD_DATA:
        atapi_read(d, be32_at(d->packet + 2), blocks);
        break;
    default: /* an image has no headers and no error correction */
        atapi_fail(d, SENSE_BAD_FIELD);
        break;
    }
}

static void seek(ATAPIDrive *d)
{
    if (be32_at(d->packet + 2) >= atapi_blocks(d)) {
        atapi_fail(d, SENSE_BAD_ADDRESS);
    } else {
        atapi_ok(d);
    }
}

static const Command commands[] = {
    { OP_TEST_UNIT_READY, NEEDS_MEDIUM, test_unit_ready },
    { OP_REQUEST_SENSE, EVEN_CHANGED, atapi_request_sense },
    { OP_INQUIRY, EVEN_CHANGED, atapi_inquiry },
    { OP_MODE_SENSE_6, 0, atapi_mode_sense_6 },
    { OP_START_STOP, 0, start_stop },
    { OP_PREVENT_REMOVAL, 0, prevent_removal },
    { OP_READ_CAPACITY, NEEDS_MEDIUM, read_capacity },
    { OP_READ_10, NEEDS_MEDIUM, read_10 },
    { OP_SEEK, NEEDS_MEDIUM, seek },
    { OP_READ_TOC, NEEDS_MEDIUM, atapi_read_toc },
    { OP_GET_CONFIGURATION, EVEN_CHANGED, atapi_get_configuration },
    { OP_GET_EVENT_STATUS, EVEN_CHANGED, atapi_get_event_status },
    { OP_READ_DISC_INFO, NEEDS_MEDIUM, atapi_read_disc_information },
    { OP_MODE_SENSE_10, 0, atapi_mode_sense_10 },
    { OP_READ_12, NEEDS_MEDIUM, read_12 },
    { OP_SET_SPEED, 0, test_unit_ready },
    { OP_MECHANISM_STATUS, 0, atapi_mechanism_status },
    { OP_READ_CD, NEEDS_MEDIUM, read_cd },
};

static const Command *find_command(uint8_t op)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (commands[i].op == op) {
            return &commands[i];
        }
    }
    return NULL;
}

void atapi_execute(ATAPIDrive *d)
{
    const Command *c = find_command(d->packet[0]);

    if (!c) {
        atapi_fail(d, SENSE_BAD_COMMAND);
    } else if (d->medium_changed && !(c->flags & EVEN_CHANGED)) {
        d->medium_changed = false;
        atapi_fail(d, SENSE_MEDIUM_CHANGED);
    } else if ((c->flags & NEEDS_MEDIUM) && !atapi_has_medium(d)) {
        atapi_fail(d, SENSE_NO_MEDIUM);
    } else {
        memset(d->reply, 0, sizeof(d->reply));
        c->run(d);
    }
}
