/*
 * What is to be done with each range of the sources, and where data is zero.
 *
 * The cursor is shared by all coroutines that copy: each takes the next range.
 * Block status is asked for as far ahead as the source tells at once, and cut
 * into pieces afterwards.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-image.h"
#include "block/node-status.h"
#include "util/atomic.h"
#include "util/buffer-zero.h"

#include "convert.h"

/* Longest piece of zeroes, so that progress and cancelling go on. */
#define ZERO_MAX (1024 * 1024 * 1024)
/* How far one question goes. */
#define STATUS_MAX (INT64_C(1) << 40)

void convert_cursor_init(ConvertCursor *c)
{
    qemu_co_mutex_init(&c->lock);
}

static const ConvertSource *current_source(ConvertCursor *c)
{
    while (c->index < c->n_sources) {
        const ConvertSource *s = &c->sources[c->index];

        if (c->offset < s->start + s->length) {
            return s;
        }
        qatomic_set(&c->index, c->index + 1);
    }
    qatomic_set(&c->done, true);
    return NULL;
}

static ConvertKind kind_of_status(const ConvertCursor *c, int status)
{
    if (c->only_top && !(status & NODE_STATUS_ALLOCATED)) {
        return CONVERT_BACKING;
    }
    return status & NODE_STATUS_ZERO ? CONVERT_ZERO : CONVERT_DATA;
}

static int coroutine_fn ask(ConvertCursor *c, const ConvertSource *s,
                            int64_t offset, ConvertExtent *ret)
{
    BlockNode *node = node_skip_filters(blk_node(s->blk));
    int64_t end = s->start + s->length;
    int64_t pnum = 0;
    int status;

    if (c->all_is_data) {
        *ret = (ConvertExtent){ CONVERT_DATA, offset, end };
        return 0;
    }
    status = node_co_status_above(node, c->only_top ? node_backing(node) : NULL,
                                  NODE_WANT_ZERO | NODE_WANT_ALLOCATED,
                                  offset - s->start + s->skip,
                                  MIN(end - offset, STATUS_MAX), &pnum, NULL,
                                  NULL, NULL);
    if (status < 0) {
        return status;
    }
    *ret = (ConvertExtent){ kind_of_status(c, status), offset,
                            MIN(end, offset + pnum) };
    if (ret->kind == CONVERT_BACKING) {
        /* Behind its end the backing file shows zeroes. */
        if (offset >= c->backing_length) {
            ret->kind = CONVERT_ZERO;
        } else {
            ret->end = MIN(ret->end, c->backing_length);
        }
    }
    return 0;
}

/*
 * Data is rounded up to the granule, everything else down, and what does not
 * fill a granule is data. So no granule of the target is written twice.
 */
static void round_extent(const ConvertCursor *c, const ConvertSource *s,
                         ConvertExtent *e)
{
    int64_t end = s->start + s->length;
    int64_t down = QEMU_ALIGN_DOWN(e->end, c->granule);

    if (e->end >= end || down == e->end) {
        return;
    }
    if (e->kind != CONVERT_DATA && down > e->start) {
        e->end = down;
        return;
    }
    e->kind = CONVERT_DATA;
    e->end = MIN(end, down + c->granule);
}

/* Fills c->known for c->offset; data that follows data is one extent. */
static int coroutine_fn look(ConvertCursor *c, const ConvertSource *s)
{
    int64_t end = s->start + s->length;
    int ret = 0;

    if (c->beyond.start == c->offset && c->beyond.end > c->offset) {
        c->known = c->beyond;
    } else {
        ret = ask(c, s, c->offset, &c->known);
    }
    c->beyond = (ConvertExtent){ 0 };
    while (ret == 0) {
        ConvertExtent *k = &c->known;
        ConvertExtent next;

        round_extent(c, s, k);
        if (k->kind != CONVERT_DATA || k->end >= end ||
            k->end - k->start >= CONVERT_CHUNK_MAX) {
            break;
        }
        ret = ask(c, s, k->end, &next);
        if (ret < 0) {
            break;
        }
        if (next.kind != CONVERT_DATA && next.end < end &&
            next.end < k->end + c->granule) {
            next.kind = CONVERT_DATA;
        }
        if (next.kind != CONVERT_DATA) {
            c->beyond = next;
            break;
        }
        k->end = next.end;
    }
    return ret;
}

static int coroutine_fn take(ConvertCursor *c, int64_t data_max,
                             ConvertRange *ret)
{
    const ConvertSource *s = current_source(c);
    int64_t end;

    if (!s) {
        return 0;
    }
    if (c->offset >= c->known.end) {
        int err = look(c, s);

        if (err < 0) {
            c->known = (ConvertExtent){ 0 };
            ret->offset = c->offset;
            return err;
        }
    }
    end = c->known.end;
    if (c->known.kind != CONVERT_DATA) {
        end = MIN(end, c->offset + ZERO_MAX);
    } else if (end - c->offset > data_max) {
        end = QEMU_ALIGN_DOWN(c->offset + data_max, c->granule);
    }
    *ret = (ConvertRange){ c->known.kind, s, c->offset, end - c->offset,
                           c->next_ticket++ };
    c->offset = end;
    return 1;
}

int coroutine_fn convert_cursor_next(ConvertCursor *c, int64_t data_max,
                                     ConvertRange *ret)
{
    int found;

    data_max = MAX(data_max, c->granule);
    qemu_co_mutex_lock(&c->lock);
    found = take(c, data_max, ret);
    qemu_co_mutex_unlock(&c->lock);
    return found;
}

size_t convert_zero_run(const uint8_t *buf, size_t len, size_t granule,
                        bool *ret_zero)
{
    size_t n = MIN(len, granule);
    bool zero = buffer_is_zero(buf, n);

    while (n < len) {
        size_t step = MIN(len - n, granule);

        if (buffer_is_zero(buf + n, step) != zero) {
            break;
        }
        n += step;
    }
    *ret_zero = zero;
    return n;
}
