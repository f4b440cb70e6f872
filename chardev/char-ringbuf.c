/*
 * A buffer in memory: what the front end writes stays until QMP reads it;
 * the oldest bytes are overwritten. Producer and consumer count bytes in
 * free-running counters, which a size of a power of two makes exact.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-ringbuf.h"

#include "qom/property.h"
#include "util/error.h"
#include "util/lockable.h"

#define RINGBUF_SIZE_MAX (1024 * 1024 * 1024)

typedef struct RingBufChardev {
    Chardev parent;
    uint64_t size; /* option */
    /* Guarded by chr_write_lock. */
    uint8_t *buf;
    uint64_t produced;
    uint64_t consumed;
} RingBufChardev;

DECLARE_INSTANCE_CHECKER(RingBufChardev, RINGBUF_CHARDEV, TYPE_CHARDEV_RINGBUF)

static bool ringbuf_open(Chardev *chr, bool *be_opened, Error **errp)
{
    RingBufChardev *r = RINGBUF_CHARDEV(chr);

    if (r->size == 0 || (r->size & (r->size - 1))) {
        error_setg(errp, "ringbuf size %" PRIu64 " is not a power of two",
                   r->size);
        return false;
    }
    r->buf = g_try_malloc(r->size);
    if (!r->buf) {
        error_setg(errp,
                   "there is no memory for a ringbuf of %" PRIu64 " bytes",
                   r->size);
        return false;
    }
    return true;
}

static int ringbuf_write(Chardev *chr, const uint8_t *buf, int len)
{
    RingBufChardev *r = RINGBUF_CHARDEV(chr);

    for (int i = 0; i < len; i++) {
        r->buf[r->produced++ & (r->size - 1)] = buf[i];
    }
    if (r->produced - r->consumed > r->size) {
        r->consumed = r->produced - r->size;
    }
    return len;
}

size_t qemu_chr_ringbuf_count(Chardev *chr)
{
    RingBufChardev *r = RINGBUF_CHARDEV(chr);

    QEMU_LOCK_GUARD(&chr->chr_write_lock);
    return r->produced - r->consumed;
}

/* Bytes of @buf at the end that begin a character and do not finish it. */
static size_t unfinished_tail(const uint8_t *buf, size_t len)
{
    for (size_t back = 1; back <= MIN(len, 3); back++) {
        uint8_t byte = buf[len - back];
        size_t want = byte >= 0xf0   ? 4
                      : byte >= 0xe0 ? 3
                      : byte >= 0xc0 ? 2
                                     : 1;

        if ((byte & 0xc0) != 0x80) {
            return want > back ? back : 0;
        }
    }
    return 0;
}

size_t qemu_chr_ringbuf_read(Chardev *chr, uint8_t *buf, size_t size,
                             bool whole_chars)
{
    RingBufChardev *r = RINGBUF_CHARDEV(chr);
    size_t n;

    QEMU_LOCK_GUARD(&chr->chr_write_lock);
    n = MIN(size, r->produced - r->consumed);
    for (size_t i = 0; i < n; i++) {
        buf[i] = r->buf[(r->consumed + i) & (r->size - 1)];
    }
    if (whole_chars) {
        n -= unfinished_tail(buf, n);
    }
    r->consumed += n;
    return n;
}

static void ringbuf_finalize(Object *obj)
{
    g_free(RINGBUF_CHARDEV(obj)->buf);
}

static const Property ringbuf_props[] = {
    { "size", PROP_SIZE, offsetof(RingBufChardev, size), .def = "64k", .min = 1,
      .max = RINGBUF_SIZE_MAX, .unit = "bytes",
      .help = "size of the buffer, a power of two", .since = "1.5" },
    {},
};

static void ringbuf_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "a buffer in memory, read by ringbuf-read";
    cc->open = ringbuf_open;
    cc->chr_write = ringbuf_write;
}

const TypeInfo chardev_type_ringbuf = {
    .name = TYPE_CHARDEV_RINGBUF,
    .parent = TYPE_CHARDEV,
    .instance_size = sizeof(RingBufChardev),
    .instance_finalize = ringbuf_finalize,
    .class_init = ringbuf_class_init,
    .props = ringbuf_props,
};
