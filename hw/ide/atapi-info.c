/*
 * ATAPI CD-ROM: packet commands that answer with a table about the drive or
 * the disc. The disc is one session with one data track.
 *
 * Source: MMC-3 (T10/1363-D), clauses 5 (commands), 6 (features, mode pages).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/ide/atapi.h"

#define DATA_TRACK      0x14 /* ADR 1, data, no copy */
#define LEAD_OUT        0xaa
#define MSF_OFFSET      150u
#define FRAMES          75u
#define TOC_MSF         0x02
#define PROFILE_NONE    0x0000
#define PROFILE_CD_ROM  0x0008
#define PROFILE_DVD_ROM 0x0010
/* A CD holds no more: 80 minutes. */
#define CD_BLOCKS_MAX   (80u * 60 * FRAMES)
#define CLASS_MEDIA     4
#define PAGE_ERRORS     0x01
#define PAGE_CAPABILITY 0x2a
#define PAGE_ALL        0x3f
#define PAGE_CURRENT    0 /* page control */
#define PAGE_CHANGEABLE 1
#define PAGE_DEFAULT    2
#define MODE_HEADER     8u
#define SPEED_KB        706u

static void put_text(uint8_t *p, size_t n, const char *text)
{
    size_t len = strlen(text);

    memset(p, ' ', n);
    memcpy(p, text, MIN(len, n));
}

void atapi_inquiry(ATAPIDrive *d)
{
    const IDEDevice *dev = IDE_DEVICE(d);
    uint8_t *r = d->reply;

    if (d->packet[1] & 1) { /* no vital product data */
        atapi_fail(d, SENSE_BAD_FIELD);
        return;
    }
    r[0] = 0x05; /* CD-ROM */
    r[1] = 0x80; /* removable */
    r[3] = 0x21; /* ATAPI */
    r[4] = 31;
    put_text(r + 8, 8, "QEMU");
    put_text(r + 16, 16, dev->model ? dev->model : "QEMU DVD-ROM");
    put_text(r + 32, 4, dev->version);
    atapi_send(d, 36, be16_at(d->packet + 3));
}

void atapi_request_sense(ATAPIDrive *d)
{
    uint8_t *r = d->reply;
    uint32_t sense = d->sense;

    if (sense == SENSE_OK && d->medium_changed) {
        d->medium_changed = false;
        sense = SENSE_MEDIUM_CHANGED;
    }
    r[0] = 0xf0;
    r[2] = (uint8_t)(sense >> 16);
    r[7] = 10;
    r[12] = (uint8_t)(sense >> 8);
    r[13] = (uint8_t)sense;
    atapi_send(d, 18, d->packet[4]);
}

/* -- table of contents ----------------------------------------------------------- */

static void put_address(uint8_t *p, bool msf, uint32_t lba)
{
    uint32_t frame = lba + MSF_OFFSET;

    if (!msf) {
        put_be32(p, lba);
        return;
    }
    p[0] = 0;
    p[1] = (uint8_t)MIN(frame / FRAMES / 60, 0xff);
    p[2] = (uint8_t)(frame / FRAMES % 60);
    p[3] = (uint8_t)(frame % FRAMES);
}

static size_t put_toc_track(uint8_t *p, uint8_t track, bool msf, uint32_t lba)
{
    p[1] = DATA_TRACK;
    p[2] = track;
    put_address(p + 4, msf, lba);
    return 8;
}

static size_t toc_tracks(ATAPIDrive *d, bool msf)
{
    uint8_t *r = d->reply;
    size_t n = 4;

    r[2] = r[3] = 1;
    if (d->packet[6] <= 1) {
        n += put_toc_track(r + n, 1, msf, 0);
    }
    return n + put_toc_track(r + n, LEAD_OUT, msf, atapi_blocks(d));
}

static size_t toc_sessions(ATAPIDrive *d, bool msf)
{
    d->reply[2] = d->reply[3] = 1;
    return 4 + put_toc_track(d->reply + 4, 1, msf, 0);
}

static size_t put_full_entry(uint8_t *p, uint8_t point, uint32_t lba,
                             bool is_address, uint8_t value)
{
    p[0] = 1; /* session */
    p[1] = DATA_TRACK;
    p[3] = point;
    if (is_address) {
        put_address(p + 7, true, lba);
    } else {
        p[8] = value;
    }
    return 11;
}

static size_t toc_full(ATAPIDrive *d)
{
    uint8_t *r = d->reply;
    size_t n = 4;

    r[2] = r[3] = 1;
    n += put_full_entry(r + n, 0xa0, 0, false, 1);
    n += put_full_entry(r + n, 0xa1, 0, false, 1);
    n += put_full_entry(r + n, 0xa2, atapi_blocks(d), true, 0);
    return n + put_full_entry(r + n, 1, 0, true, 0);
}

void atapi_read_toc(ATAPIDrive *d)
{
    bool msf = d->packet[1] & TOC_MSF;
    unsigned format = d->packet[2] & 0x0f;
    size_t n;

    if (!format) {
        format = d->packet[9] >> 6; /* where SFF-8020i has it */
    }
    if (format > 2 ||
        (format == 0 && d->packet[6] > 1 && d->packet[6] != LEAD_OUT)) {
        atapi_fail(d, SENSE_BAD_FIELD);
        return;
    }
    n = format == 0   ? toc_tracks(d, msf)
        : format == 1 ? toc_sessions(d, msf)
                      : toc_full(d);
    put_be16(d->reply, (unsigned)n - 2);
    atapi_send(d, n, be16_at(d->packet + 7));
}

/* -- features ----------------------------------------------------------------------- */

static unsigned current_profile(const ATAPIDrive *d)
{
    if (!atapi_has_medium(d)) {
        return PROFILE_NONE;
    }
    return atapi_blocks(d) > CD_BLOCKS_MAX ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

static size_t put_feature(uint8_t *p, unsigned code, uint8_t flags,
                          uint8_t extra)
{
    put_be16(p, code);
    p[2] = flags;
    p[3] = extra;
    return 4u + extra;
}

void atapi_get_configuration(ATAPIDrive *d)
{
    unsigned profile = current_profile(d);
    unsigned first = be16_at(d->packet + 2);
    unsigned wanted = d->packet[1] & 3; /* 2: only the one named */
    uint8_t *r = d->reply;
    size_t n = 8;
    uint8_t *p;

    put_be16(r + 6, profile);
    if (first == 0) { /* profiles */
        p = r + n;
        n += put_feature(p, 0x0000, 0x03, 8);
        put_be16(p + 4, PROFILE_DVD_ROM);
        p[6] = profile == PROFILE_DVD_ROM;
        put_be16(p + 8, PROFILE_CD_ROM);
        p[10] = profile == PROFILE_CD_ROM;
    }
    if (wanted == 2 ? first == 1 : first <= 1) { /* core: ATAPI */
        p = r + n;
        n += put_feature(p, 0x0001, 0x0b, 8);
        p[7] = 2;
        p[8] = 1;
    }
    if (wanted == 2 ? first == 3 : first <= 3) { /* tray with lock */
        p = r + n;
        n += put_feature(p, 0x0003, 0x03, 4);
        p[4] = 0x29;
    }
    put_be32(r, (uint32_t)n - 4);
    atapi_send(d, n, be16_at(d->packet + 7));
}

void atapi_get_event_status(ATAPIDrive *d)
{
    uint8_t *r = d->reply;
    size_t n = 4;

    if (!(d->packet[1] & 1)) { /* only polling */
        atapi_fail(d, SENSE_BAD_FIELD);
        return;
    }
    r[3] = 1 << CLASS_MEDIA; /* classes there are */
    if (d->packet[4] & (1 << CLASS_MEDIA)) {
        n = 8;
        r[2] = CLASS_MEDIA;
        r[4] = (uint8_t)d->event;
        r[5] = (uint8_t)(d->tray_open | (atapi_has_medium(d) ? 2 : 0));
        d->event = ATAPI_EVENT_NONE;
    } else {
        r[2] = 0x80; /* none of those */
    }
    put_be16(r, (unsigned)n - 2);
    atapi_send(d, n, be16_at(d->packet + 7));
}

/* -- mode pages ---------------------------------------------------------------------- */

static size_t put_error_page(uint8_t *p)
{
    p[0] = PAGE_ERRORS;
    p[1] = 6;
    p[3] = 5; /* attempts */
    return 8;
}

static size_t put_capability_page(const ATAPIDrive *d, uint8_t *p)
{
    p[0] = PAGE_CAPABILITY;
    p[1] = 18;
    p[2] = 0x3b; /* reads CD-R, CD-RW, DVD-ROM, DVD-R */
    p[4] = 0x70; /* mode 2, several sessions */
    p[6] = (uint8_t)(0x29 | (d->locked ? 0x02 : 0)); /* tray, eject, lock */
    put_be16(p + 8, SPEED_KB);
    put_be16(p + 12, IDE_BUFFER_BYTES / 1024);
    put_be16(p + 14, SPEED_KB);
    return 20;
}

/* Returns: bytes behind @header; 0 if there is no such page. */
static size_t put_pages(ATAPIDrive *d, size_t header)
{
    unsigned page = d->packet[2] & 0x3f;
    unsigned control = d->packet[2] >> 6;
    uint8_t *p = d->reply + header;
    size_t n = 0;

    if (control != PAGE_CURRENT && control != PAGE_DEFAULT) {
        return 0;
    }
    if (page == PAGE_ERRORS || page == PAGE_ALL) {
        n += put_error_page(p + n);
    }
    if (page == PAGE_CAPABILITY || page == PAGE_ALL) {
        n += put_capability_page(d, p + n);
    }
    return n;
}

void atapi_mode_sense_10(ATAPIDrive *d)
{
    size_t n = put_pages(d, MODE_HEADER);

    if (!n) {
        atapi_fail(d, SENSE_BAD_FIELD);
        return;
    }
    put_be16(d->reply, (unsigned)(n + MODE_HEADER) - 2);
    d->reply[2] = 0x70; /* no disc, or door open: not said */
    atapi_send(d, n + MODE_HEADER, be16_at(d->packet + 7));
}

void atapi_mode_sense_6(ATAPIDrive *d)
{
    size_t n = put_pages(d, 4);

    if (!n) {
        atapi_fail(d, SENSE_BAD_FIELD);
        return;
    }
    d->reply[0] = (uint8_t)(n + 3);
    d->reply[1] = 0x70;
    atapi_send(d, n + 4, d->packet[4]);
}

/* -- others ----------------------------------------------------------------------------- */

void atapi_read_disc_information(ATAPIDrive *d)
{
    uint8_t *r = d->reply;

    if (d->packet[1] & 7) {
        atapi_fail(d, SENSE_BAD_FIELD);
        return;
    }
    put_be16(r, 32);
    r[2] = 0x0e; /* last session and disc complete */
    r[3] = r[4] = r[5] = r[6] = 1;
    r[7] = 0x20; /* unrestricted use */
    atapi_send(d, 34, be16_at(d->packet + 7));
}

void atapi_mechanism_status(ATAPIDrive *d)
{
    put_be16(d->reply + 6, 0); /* no changer */
    d->reply[5] = 1;
    atapi_send(d, 8, be16_at(d->packet + 8));
}
