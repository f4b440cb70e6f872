/*
 * The ram section: any bytes load or fail; nothing outside of the blocks is
 * written. The first byte chooses what the destination was told: post-copy,
 * ignore-shared, whether a good list of blocks comes first, and the rules of
 * post-copy for what follows.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-buffer.h"
#include "migration/qemu-file.h"
#include "migration/ram/incoming.h"
#include "migration/ram/wire.h"
#include "util/bswap.h"

#include "fake-ram.h"

#define PAGES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool place(void *opaque, RAMBlock *rb, uint64_t offset, const void *page,
                  Error **errp)
{
    uint64_t len = MIN(rb->page_size, rb->used_length - offset);

    g_assert_true(ram_block_has_range(rb, offset, len));
    if (page) {
        memcpy(rb->host + offset, page, len);
    } else {
        memset(rb->host + offset, 0, len);
    }
    return true;
}

/* Lists both blocks as they are. */
static void put_list(GByteArray *a, FakeRAM *fr, bool shared)
{
    uint64_t word =
        GUINT64_TO_BE((ram_blocks_bytes(&fr->list) | RAM_WIRE_MEM_SIZE));

    g_byte_array_append(a, (uint8_t *)&word, 8);
    for (unsigned i = 0; i < fr->list.n; i++) {
        const RAMBlock *rb = fr->list.block[i];
        uint8_t buf[RAM_WIRE_BLOCK_MAX];
        RAMWireBlock b = { .used_length = rb->used_length,
                           .has_page_size = false,
                           .has_gpa = shared };

        g_byte_array_append(a, buf,
                            (guint)ram_wire_block_encode(buf, rb->idstr, &b));
    }
    word = GUINT64_TO_BE(RAM_WIRE_EOS);
    g_byte_array_append(a, (uint8_t *)&word, 8);
}

static void load(RAMIncoming *ri, QEMUFile *f, bool postcopy, bool list)
{
    Error *err = NULL;
    bool ok = true;

    if (list) {
        g_assert_true(ram_load(ri, f, &error_abort));
    }
    if (postcopy && list) {
        ram_incoming_postcopy(ri);
    }
    while (ok && qemu_file_held(f)) {
        ok = ram_load(ri, f, &err);
        g_assert(ok == !err);
    }
    error_free(err);
    err = NULL;
    ok = ram_load_finish(ri, &err);
    g_assert(ok == !err);
    error_free(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(FakeRAM) fr = fake_ram_new();
    g_autoptr(GByteArray) stream = g_byte_array_new();
    uint8_t how = size ? data[0] : 0;
    bool list = how & 1, postcopy = how & 2, shared = how & 4;
    RAMIncomingConfig config = { .host = &fr->host,
                                 .host_opaque = fr,
                                 .postcopy = postcopy,
                                 .ignore_shared = shared,
                                 .decompress_threads = 1,
                                 .ops = { .place = place } };
    QIOChannelBuffer *bioc;
    RAMIncoming *ri;
    QEMUFile *f;

    if (!size) {
        return 0;
    }
    fake_ram_add(fr, "a", PAGES * RAM_PAGE_SIZE, 4096, RAM_BLOCK_RESIZABLE);
    fake_ram_add(fr, "b", RAM_PAGE_SIZE, 4096, RAM_BLOCK_SHARED);
    if (list) {
        put_list(stream, fr, shared);
    }
    g_byte_array_append(stream, data + 1, (guint)size - 1);
    bioc = qio_channel_buffer_new(stream->len + 1);
    if (stream->len) {
        memcpy(bioc->data, stream->data, stream->len);
    }
    bioc->usage = stream->len;
    f = qemu_file_new_input(QIO_CHANNEL(bioc));
    ri = ram_incoming_new(&config, &error_abort);
    load(ri, f, postcopy, list);
    ram_incoming_free(ri);
    qemu_file_free(f);
    object_unref(OBJECT(bioc));
    return 0;
}
