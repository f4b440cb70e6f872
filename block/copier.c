/*
 * Copier.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/copier.h"

#include "util/buffer-zero.h"
#include "util/lockable.h"

void copier_init(Copier *c, BlockNode *source, BlockNode *target)
{
    memset(c, 0, sizeof(*c));
    c->source = source;
    c->target = target;
    qemu_mutex_init(&c->mutex);
}

void copier_destroy(Copier *c)
{
    while (c->spares > 0) {
        g_aligned_free(c->spare[--c->spares]);
    }
    qemu_mutex_destroy(&c->mutex);
}

static void *get_buffer(Copier *c)
{
    uint32_t align =
        MAX(c->source->memory_alignment, c->target->memory_alignment);

    {
        QEMU_LOCK_GUARD(&c->mutex);

        if (c->spares > 0) {
            return c->spare[--c->spares];
        }
    }
    return g_aligned_alloc(1, COPIER_MAX_BYTES, MAX(align, 4096u));
}

static void put_buffer(Copier *c, void *buf)
{
    {
        QEMU_LOCK_GUARD(&c->mutex);

        if (c->spares < G_N_ELEMENTS(c->spare)) {
            c->spare[c->spares++] = buf;
            return;
        }
    }
    g_aligned_free(buf);
}

static int coroutine_fn make_zeroes(Copier *c, int64_t offset, int64_t bytes,
                                    bool *ret_is_read)
{
    *ret_is_read = false;
    return node_co_pwrite_zeroes(c->target, offset, bytes,
                                 c->zero_flags | (c->write_flags &
                                                  BLK_REQ_WRITE_UNCHANGED));
}

static int coroutine_fn copy_data(Copier *c, int64_t offset, int64_t bytes,
                                  bool *ret_is_read)
{
    void *buf = get_buffer(c);
    int ret;

    *ret_is_read = true;
    ret = node_co_pread(c->source, offset, bytes, buf, 0);
    if (ret == 0 && c->detect_zeroes && buffer_is_zero(buf, (size_t)bytes)) {
        ret = make_zeroes(c, offset, bytes, ret_is_read);
    } else if (ret == 0) {
        *ret_is_read = false;
        ret = node_co_pwrite(c->target, offset, bytes, buf, c->write_flags);
    }
    put_buffer(c, buf);
    return ret;
}

int coroutine_fn copier_copy(Copier *c, int64_t offset, int64_t bytes,
                             bool *ret_is_read)
{
    int64_t end = MIN(offset + bytes, block_node_length(c->source));

    assert(bytes <= COPIER_MAX_BYTES);
    while (offset < end) {
        int64_t n = end - offset;
        int status = node_co_status_above(c->source, NULL, NODE_WANT_ZERO,
                                          offset, n, &n, NULL, NULL, NULL);
        int ret;

        if (status < 0) {
            *ret_is_read = true;
            return status;
        }
        ret = status & NODE_STATUS_ZERO ? make_zeroes(c, offset, n, ret_is_read)
                                        : copy_data(c, offset, n, ret_is_read);
        if (ret < 0) {
            return ret;
        }
        offset += n;
    }
    return 0;
}
