/*
 * Guest-physical RAM.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/guest-memory.h"

#include "util/error.h"

struct GuestMemory {
    GArray *pieces; /* GuestRAM, ascending */
};

GuestMemory *guest_memory_new(void)
{
    GuestMemory *gm = g_new0(GuestMemory, 1);

    gm->pieces = g_array_new(FALSE, FALSE, sizeof(GuestRAM));
    return gm;
}

void guest_memory_free(GuestMemory *gm)
{
    if (gm) {
        g_array_unref(gm->pieces);
        g_free(gm);
    }
}

static GuestRAM *piece(GuestMemory *gm, guint i)
{
    return &g_array_index(gm->pieces, GuestRAM, i);
}

bool guest_memory_map(GuestMemory *gm, AccelState *accel, uint64_t gpa,
                      uint64_t size, void *host, Error **errp)
{
    GuestRAM ram = { gpa, size, host };
    guint n = 0;

    assert(size && gpa + size > gpa);
    while (n < gm->pieces->len && piece(gm, n)->gpa < gpa) {
        n++;
    }
    if ((n > 0 && gpa - piece(gm, n - 1)->gpa < piece(gm, n - 1)->size) ||
        (n < gm->pieces->len && piece(gm, n)->gpa - gpa < size)) {
        error_setg(
            errp, "RAM at guest address 0x%" PRIx64 " overlaps other RAM", gpa);
        return false;
    }
    if (accel &&
        !ACCEL_GET_CLASS(accel)->map_ram(accel, gpa, size, host, 0, errp)) {
        return false;
    }
    g_array_insert_val(gm->pieces, n, ram);
    return true;
}

static GuestRAM *find(GuestMemory *gm, uint64_t gpa)
{
    guint low = 0;
    guint high = gm->pieces->len;

    while (low < high) {
        guint mid = low + (high - low) / 2;

        if (piece(gm, mid)->gpa <= gpa) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == 0 || gpa - piece(gm, low - 1)->gpa >= piece(gm, low - 1)->size) {
        return NULL;
    }
    return piece(gm, low - 1);
}

uint8_t *guest_memory_ptr(GuestMemory *gm, uint64_t gpa, uint64_t len)
{
    GuestRAM *r = find(gm, gpa);

    if (!r || len > r->size - (gpa - r->gpa)) {
        return NULL;
    }
    return r->host + (gpa - r->gpa);
}

static bool is_ram(GuestMemory *gm, uint64_t gpa, uint64_t len)
{
    while (len) {
        GuestRAM *r = find(gm, gpa);
        uint64_t n;

        if (!r) {
            return false;
        }
        n = MIN(len, r->size - (gpa - r->gpa));
        gpa += n;
        len -= n;
    }
    return true;
}

typedef void PieceFunc(uint8_t *host, uint8_t *buf, size_t len);

static bool each_piece(GuestMemory *gm, uint64_t gpa, uint64_t len,
                       uint8_t *buf, PieceFunc *fn)
{
    if (!is_ram(gm, gpa, len)) {
        return false;
    }
    while (len) {
        GuestRAM *r = find(gm, gpa);
        uint64_t n = MIN(len, r->size - (gpa - r->gpa));

        fn(r->host + (gpa - r->gpa), buf, n);
        buf = buf ? buf + n : NULL;
        gpa += n;
        len -= n;
    }
    return true;
}

static void piece_read(uint8_t *host, uint8_t *buf, size_t len)
{
    memcpy(buf, host, len);
}

static void piece_write(uint8_t *host, uint8_t *buf, size_t len)
{
    memcpy(host, buf, len);
}

static void piece_zero(uint8_t *host, uint8_t *buf, size_t len)
{
    memset(host, 0, len);
}

bool guest_memory_read(GuestMemory *gm, uint64_t gpa, void *buf, size_t len)
{
    return each_piece(gm, gpa, len, buf, piece_read);
}

bool guest_memory_write(GuestMemory *gm, uint64_t gpa, const void *buf,
                        size_t len)
{
    return each_piece(gm, gpa, len, (uint8_t *)buf, piece_write);
}

bool guest_memory_zero(GuestMemory *gm, uint64_t gpa, uint64_t len)
{
    return each_piece(gm, gpa, len, NULL, piece_zero);
}

const GuestRAM *guest_memory_pieces(GuestMemory *gm, size_t *ret_n)
{
    *ret_n = gm->pieces->len;
    return (const GuestRAM *)(void *)gm->pieces->data;
}
