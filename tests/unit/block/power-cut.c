/*
 * See power-cut.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "power-cut.h"

#include "util/bswap.h"

typedef struct Flushed {
    guint end; /* entry of the log */
    guint operation;
} Flushed;

/* -- numbers on the disk --------------------------------------------------------- */

uint8_t *tag_fill(uint32_t tag, uint32_t sectors)
{
    uint32_t *buf = g_malloc((size_t)sectors * SECTOR);

    for (uint32_t i = 0; i < sectors * SECTOR / 4; i++) {
        buf[i] = tag;
    }
    return (uint8_t *)buf;
}

int64_t tag_read(const uint8_t *sector)
{
    uint32_t first = (uint32_t)ldl_he_p(sector);

    for (unsigned i = 4; i < SECTOR; i += 4) {
        if ((uint32_t)ldl_he_p(sector + i) != first) {
            return -1;
        }
    }
    return first;
}

/* -- who wrote what ----------------------------------------------------------------- */

void history_init(History *h)
{
    *h = (History){ .next_tag = 1 };
    h->flushes = g_array_new(false, false, sizeof(Flushed));
    for (uint32_t i = 0; i < MAX_SECTORS; i++) {
        h->sectors[i] = g_array_new(false, false, sizeof(Stamp));
    }
}

void history_destroy(History *h)
{
    for (uint32_t i = 0; i < MAX_SECTORS; i++) {
        g_array_unref(h->sectors[i]);
    }
    g_array_unref(h->flushes);
}

void history_note(History *h, uint32_t first, uint32_t count, uint32_t tag,
                  guint begin)
{
    Stamp s = { tag, begin, h->operation };

    for (uint32_t i = first; i < first + count; i++) {
        g_array_append_val(h->sectors[i], s);
        h->now[i] = tag;
    }
}

void history_flushed(History *h, guint end)
{
    Flushed f = { end, h->operation };

    g_array_append_val(h->flushes, f);
}

guint history_durable(const History *h, guint cut)
{
    guint operation = 0;

    for (guint i = 0; i < h->flushes->len; i++) {
        const Flushed *f = &g_array_index(h->flushes, Flushed, i);

        if (f->end <= cut) {
            operation = f->operation;
        }
    }
    return operation;
}

bool history_may_be(const GArray *stamps, guint durable, guint cut, int64_t tag)
{
    bool is_durable = false; /* zeroes from the beginning are not it */
    bool ok = false;

    for (guint i = stamps->len; i-- > 0 && !is_durable;) {
        const Stamp *s = &g_array_index(stamps, Stamp, i);

        if (s->begin <= cut) {
            ok |= s->tag == tag;
            is_durable = s->operation < durable;
        }
    }
    return ok || (!is_durable && tag == 0);
}

void history_check(const History *h, guint cut, const uint8_t *buf,
                   int64_t bytes)
{
    guint durable = history_durable(h, cut);

    for (uint32_t i = 0; i < bytes / SECTOR; i++) {
        int64_t tag = tag_read(buf + (size_t)i * SECTOR);

        if (history_may_be(h->sectors[i], durable, cut, tag)) {
            continue;
        }
        g_test_message("cut %u: sector %u has %" PRId64 ", flushed before %u",
                       cut, i, tag, durable);
        for (guint k = 0; k < h->sectors[i]->len; k++) {
            const Stamp *s = &g_array_index(h->sectors[i], Stamp, k);

            g_test_message("  written %u at %u by %u", s->tag, s->begin,
                           s->operation);
        }
        g_test_fail();
    }
}

/* -- cutting -------------------------------------------------------------------------- */

GByteArray *power_cut(const GArray *log, unsigned file, const GByteArray *base,
                      guint cut, GRand *rnd)
{
    GByteArray *bytes = g_byte_array_new();
    guint flushed = 0;

    g_byte_array_append(bytes, base->data, base->len);
    for (guint i = 0; i < cut; i++) {
        const MemEntry *e = &g_array_index(log, MemEntry, i);

        if (e->what == MEM_FLUSH && e->file == file) {
            flushed = i;
        }
    }
    for (guint i = 0; i < cut; i++) {
        const MemEntry *e = &g_array_index(log, MemEntry, i);
        g_autofree uint8_t *sectors = NULL;
        size_t n = (size_t)(e->bytes / SECTOR + 2);
        unsigned mode;

        if (e->file != file) {
            continue;
        }
        mode = (unsigned)g_rand_int_range(rnd, 0, 4);
        if (i < flushed || mode == 0 || e->what == MEM_TRUNCATE) {
            mem_apply(bytes, e, NULL);
            continue;
        }
        if (mode == 1) {
            continue;
        }
        sectors = g_malloc(n);
        for (size_t k = 0; k < n; k++) {
            sectors[k] = (uint8_t)g_rand_boolean(rnd);
        }
        mem_apply(bytes, e, sectors);
    }
    return bytes;
}
