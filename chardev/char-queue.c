/*
 * What qemu_chr_fe_write_all() could not hand to a slow peer: a byte queue
 * with a limit and a watch in the chardev's context that empties it.
 *
 * All of it is guarded by chr_write_lock. The watch is a source of the back
 * end (chr_add_watch()); without one, a back end never says EAGAIN.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/buffer.h"
#include "util/lockable.h"

#include "char-internal.h"

struct ChardevQueue {
    Buffer buf;
    GSource *watch; /* armed while @buf is not empty */
};

void chardev_queue_init(Chardev *chr)
{
    chr->queue = g_new0(ChardevQueue, 1);
}

void chardev_queue_deinit(Chardev *chr)
{
    char_source_clear(&chr->queue->watch);
    buffer_free(&chr->queue->buf);
    g_free(chr->queue);
    chr->queue = NULL;
}

bool chardev_queue_flush(Chardev *chr)
{
    ChardevClass *cc = CHARDEV_GET_CLASS(chr);
    Buffer *buf = &chr->queue->buf;

    while (!buffer_empty(buf)) {
        int n = cc->chr_write(chr, buf->buffer, MIN(buf->offset, INT_MAX));

        if (n <= 0) {
            if (n < 0 && errno != EAGAIN) {
                chardev_queue_reset(chr);
                return true;
            }
            return false;
        }
        buffer_advance(buf, n);
    }
    return true;
}

static gboolean queue_ready(void *unused, GIOCondition cond, void *opaque)
{
    Chardev *chr = opaque;

    QEMU_LOCK_GUARD(&chr->chr_write_lock);
    if (g_source_is_destroyed(g_main_current_source())) {
        return G_SOURCE_REMOVE; /* lost the race against a reset */
    }
    if (!chardev_queue_flush(chr)) {
        return G_SOURCE_CONTINUE;
    }
    char_source_clear(&chr->queue->watch);
    return G_SOURCE_REMOVE;
}

static void queue_arm(Chardev *chr)
{
    ChardevClass *cc = CHARDEV_GET_CLASS(chr);
    GSource *watch;

    if (chr->queue->watch || !cc->chr_add_watch) {
        return;
    }
    watch = cc->chr_add_watch(chr, G_IO_OUT | G_IO_HUP);
    if (!watch) {
        return;
    }
    /* The source's owner is the queue; the reference keeps @chr from being
     * finalized in the middle of a dispatch. */
    g_source_set_callback(watch, G_SOURCE_FUNC(queue_ready), object_ref(chr),
                          object_unref);
    g_source_attach(watch, chr->gcontext);
    chr->queue->watch = watch;
}

size_t chardev_queue_append(Chardev *chr, const uint8_t *buf, size_t len)
{
    Buffer *queue = &chr->queue->buf;
    size_t room = CHR_WRITE_QUEUE_MAX - MIN(queue->offset, CHR_WRITE_QUEUE_MAX);

    len = MIN(len, room);
    if (len > 0) {
        buffer_reserve(queue, len);
        buffer_append(queue, buf, len);
        queue_arm(chr);
    }
    return len;
}

void chardev_queue_reset(Chardev *chr)
{
    char_source_clear(&chr->queue->watch);
    buffer_free(&chr->queue->buf);
}

void chardev_queue_move(Chardev *chr)
{
    char_source_clear(&chr->queue->watch);
    if (!buffer_empty(&chr->queue->buf)) {
        queue_arm(chr);
    }
}
