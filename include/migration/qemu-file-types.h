/*
 * Scalars on a migration stream: what devices with handlers of their own
 * need of QEMUFile. All integers are big-endian.
 *
 * Puts and gets never fail by themselves: the first failure sticks to the
 * file (qemu_file_get_error()), later puts do nothing, later gets return 0.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_QEMU_FILE_TYPES_H
#define MIGRATION_QEMU_FILE_TYPES_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct QEMUFile QEMUFile;

/*
 * The first member of every QEMUFile, so that the calls of each page are
 * inline: a writer's free space, a reader's bytes that are there already.
 * Private to the functions of this header and qemu-file.c.
 */
typedef struct QEMUFileCursor {
    uint8_t *pos;
    uint8_t *end;
} QEMUFileCursor;

/* The slow ways: flush or fill, then as asked; @n is 1 to 8. */
void qemu_file_put_slow(QEMUFile *f, const uint8_t *bytes, size_t n);
void qemu_file_get_slow(QEMUFile *f, uint8_t *bytes, size_t n);

static inline void qemu_file_put_small(QEMUFile *f, const void *bytes, size_t n)
{
    QEMUFileCursor *c = (QEMUFileCursor *)f;

    if (G_LIKELY((size_t)(c->end - c->pos) >= n)) {
        memcpy(c->pos, bytes, n);
        c->pos += n;
    } else {
        qemu_file_put_slow(f, (const uint8_t *)bytes, n);
    }
}

static inline void qemu_file_get_small(QEMUFile *f, void *bytes, size_t n)
{
    QEMUFileCursor *c = (QEMUFileCursor *)f;

    if (G_LIKELY((size_t)(c->end - c->pos) >= n)) {
        memcpy(bytes, c->pos, n);
        c->pos += n;
    } else {
        qemu_file_get_slow(f, (uint8_t *)bytes, n);
    }
}

static inline void qemu_put_byte(QEMUFile *f, int v)
{
    uint8_t byte = (uint8_t)v;

    qemu_file_put_small(f, &byte, 1);
}

static inline void qemu_put_be16(QEMUFile *f, unsigned int v)
{
    uint16_t be = GUINT16_TO_BE((uint16_t)v);

    qemu_file_put_small(f, &be, sizeof(be));
}

static inline void qemu_put_be32(QEMUFile *f, unsigned int v)
{
    uint32_t be = GUINT32_TO_BE((uint32_t)v);

    qemu_file_put_small(f, &be, sizeof(be));
}

static inline void qemu_put_be64(QEMUFile *f, uint64_t v)
{
    uint64_t be = GUINT64_TO_BE(v);

    qemu_file_put_small(f, &be, sizeof(be));
}

/** qemu_get_byte ... qemu_get_be64: the value; 0 after the file failed. */
static inline int qemu_get_byte(QEMUFile *f)
{
    uint8_t byte;

    qemu_file_get_small(f, &byte, 1);
    return byte;
}

static inline unsigned int qemu_get_be16(QEMUFile *f)
{
    uint16_t be;

    qemu_file_get_small(f, &be, sizeof(be));
    return GUINT16_FROM_BE(be);
}

static inline unsigned int qemu_get_be32(QEMUFile *f)
{
    uint32_t be;

    qemu_file_get_small(f, &be, sizeof(be));
    return GUINT32_FROM_BE(be);
}

static inline uint64_t qemu_get_be64(QEMUFile *f)
{
    uint64_t be;

    qemu_file_get_small(f, &be, sizeof(be));
    return GUINT64_FROM_BE(be);
}

#define qemu_put_sbyte qemu_put_byte

static inline int8_t qemu_get_sbyte(QEMUFile *f)
{
    return (int8_t)qemu_get_byte(f);
}

static inline void qemu_put_sbe16(QEMUFile *f, int v)
{
    qemu_put_be16(f, (unsigned int)v);
}

static inline void qemu_put_sbe32(QEMUFile *f, int v)
{
    qemu_put_be32(f, (unsigned int)v);
}

static inline void qemu_put_sbe64(QEMUFile *f, int64_t v)
{
    qemu_put_be64(f, (uint64_t)v);
}

static inline int16_t qemu_get_sbe16(QEMUFile *f)
{
    return (int16_t)qemu_get_be16(f);
}

static inline int32_t qemu_get_sbe32(QEMUFile *f)
{
    return (int32_t)qemu_get_be32(f);
}

static inline int64_t qemu_get_sbe64(QEMUFile *f)
{
    return (int64_t)qemu_get_be64(f);
}

/** The forms with an s: the value stands at a pointer. */
static inline void qemu_put_8s(QEMUFile *f, const uint8_t *pv)
{
    qemu_put_byte(f, *pv);
}

static inline void qemu_put_be16s(QEMUFile *f, const uint16_t *pv)
{
    qemu_put_be16(f, *pv);
}

static inline void qemu_put_be32s(QEMUFile *f, const uint32_t *pv)
{
    qemu_put_be32(f, *pv);
}

static inline void qemu_put_be64s(QEMUFile *f, const uint64_t *pv)
{
    qemu_put_be64(f, *pv);
}

static inline void qemu_get_8s(QEMUFile *f, uint8_t *pv)
{
    *pv = (uint8_t)qemu_get_byte(f);
}

static inline void qemu_get_be16s(QEMUFile *f, uint16_t *pv)
{
    *pv = (uint16_t)qemu_get_be16(f);
}

static inline void qemu_get_be32s(QEMUFile *f, uint32_t *pv)
{
    *pv = qemu_get_be32(f);
}

static inline void qemu_get_be64s(QEMUFile *f, uint64_t *pv)
{
    *pv = qemu_get_be64(f);
}

static inline void qemu_put_sbe64s(QEMUFile *f, const int64_t *pv)
{
    qemu_put_sbe64(f, *pv);
}

static inline void qemu_get_sbe64s(QEMUFile *f, int64_t *pv)
{
    *pv = qemu_get_sbe64(f);
}

static inline void qemu_put_sbe32s(QEMUFile *f, const int32_t *pv)
{
    qemu_put_sbe32(f, *pv);
}

static inline void qemu_get_sbe32s(QEMUFile *f, int32_t *pv)
{
    *pv = qemu_get_sbe32(f);
}

/**
 * qemu_put_buffer: @size bytes, copied before the call returns.
 */
void qemu_put_buffer(QEMUFile *f, const uint8_t *buf, size_t size);

/**
 * qemu_get_buffer:
 * @buf: (out) @size bytes; what did not come is left as it was
 *
 * What the file holds is copied, the rest is read straight into @buf.
 *
 * Returns: bytes got: @size, or fewer after the file failed or ended (which
 * makes it fail).
 */
size_t qemu_get_buffer(QEMUFile *f, uint8_t *buf, size_t size);

#endif
