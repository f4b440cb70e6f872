/*
 * The dirty log keeps the rules of MigrationHost: a sync reports and clears
 * nothing; a clear takes back only what the last sync reported.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "fake-ram.h"

#include <sys/mman.h>

#include "util/bitmap.h"
#include "util/fd.h"

static FakeRAMBlock *fake_block(RAMBlock *rb)
{
    return container_of(rb, FakeRAMBlock, rb);
}

static const RAMBlockList *fake_blocks(void *opaque)
{
    return &((FakeRAM *)opaque)->list;
}

static bool fake_resize(void *opaque, RAMBlock *rb, uint64_t used_length,
                        Error **errp)
{
    rb->used_length = used_length;
    return true;
}

static void fake_written(void *opaque, RAMBlock *rb, uint64_t offset,
                         uint64_t len)
{
    g_assert_true(ram_block_has_range(rb, offset, len));
    ((FakeRAM *)opaque)->written_bytes += len;
}

static bool fake_log_start(void *opaque, Error **errp)
{
    FakeRAM *fr = opaque;

    g_assert_false(fr->logging);
    fr->logging = true;
    return true;
}

static void fake_log_stop(void *opaque)
{
    ((FakeRAM *)opaque)->logging = false;
}

static bool fake_sync(void *opaque, RAMBlock *rb, uint64_t first_page,
                      uint64_t n_pages, unsigned long *bitmap,
                      uint64_t *ret_new, Error **errp)
{
    FakeRAM *fr = opaque;
    FakeRAMBlock *fb = fake_block(rb);
    uint64_t fresh = 0;

    g_assert_true(fr->logging);
    g_assert_cmpuint(first_page % 64, ==, 0);
    fr->syncs++;
    for (uint64_t p = first_page; p < first_page + n_pages; p++) {
        if (qatomic_load_acquire(&fb->log[BIT_WORD(p)]) & BIT_MASK(p)) {
            set_bit((long)p, fb->reported);
            fresh += !test_and_set_bit((long)(p - first_page), bitmap);
        } else {
            clear_bit((long)p, fb->reported);
        }
    }
    if (ret_new) {
        *ret_new = fresh;
    }
    return true;
}

static void fake_clear(void *opaque, RAMBlock *rb, uint64_t first_page,
                       uint64_t n_pages)
{
    FakeRAM *fr = opaque;
    FakeRAMBlock *fb = fake_block(rb);

    g_assert_cmpuint(first_page % 64, ==, 0);
    g_assert_cmpuint(first_page + n_pages, <=, ram_block_pages(rb));
    fr->clears++;
    for (uint64_t p = first_page; p < first_page + n_pages; p++) {
        if (test_and_clear_bit((long)p, fb->reported)) {
            clear_bit_atomic((long)p, fb->log);
        }
    }
}

FakeRAM *fake_ram_new(void)
{
    FakeRAM *fr = g_new0(FakeRAM, 1);

    fr->list.block = fr->list_block;
    fr->host = (MigrationHost){
        .ram_blocks = fake_blocks,
        .ram_resize = fake_resize,
        .ram_written = fake_written,
        .dirty_log_start = fake_log_start,
        .dirty_log_stop = fake_log_stop,
        .dirty_sync = fake_sync,
        .dirty_clear = fake_clear,
    };
    return fr;
}

void fake_ram_free(FakeRAM *fr)
{
    for (unsigned i = 0; i < fr->list.n; i++) {
        FakeRAMBlock *fb = &fr->block[i];

        munmap(fb->rb.host, fb->mapped);
        if (fb->rb.fd >= 0) {
            fd_close(fb->rb.fd);
        }
        g_free(fb->log);
        g_free(fb->reported);
    }
    g_free(fr);
}

/* @bytes at an address that is a multiple of @align. */
static uint8_t *map_aligned(size_t bytes, size_t align, int flags, int fd)
{
    uint8_t *room = mmap(NULL, bytes + align, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *at;

    g_assert_true(room != MAP_FAILED);
    at = (uint8_t *)ROUND_UP((uintptr_t)room, align);
    g_assert_true(mmap(at, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd,
                       0) == at);
    if (at > room) {
        munmap(room, (size_t)(at - room));
    }
    if (room + align > at) {
        munmap(at + bytes, (size_t)(room + align - at));
    }
    return at;
}

RAMBlock *fake_ram_add(FakeRAM *fr, const char *name, uint64_t bytes,
                       size_t page_size, unsigned flags)
{
    FakeRAMBlock *fb = &fr->block[fr->list.n];
    RAMBlock *rb = &fb->rb;
    int kind = MAP_PRIVATE | MAP_ANONYMOUS;

    g_assert_cmpuint(fr->list.n, <, FAKE_RAM_BLOCKS);
    g_strlcpy(rb->idstr, name, sizeof(rb->idstr));
    rb->fd = -1;
    if (flags & RAM_BLOCK_SHARED) {
        rb->fd = memfd_create("fake-ram", MFD_CLOEXEC);
        g_assert_cmpint(rb->fd, >=, 0);
        g_assert_cmpint(ftruncate(rb->fd, (off_t)bytes), ==, 0);
        kind = MAP_SHARED;
    }
    rb->used_length = rb->max_length = bytes;
    rb->page_size = page_size;
    rb->flags = flags;
    rb->index = fr->list.n;
    fb->mapped = ROUND_UP(bytes, page_size);
    rb->host = map_aligned(fb->mapped, page_size, kind, rb->fd);
    fb->log = bitmap_new((long)ram_block_pages(rb));
    fb->reported = bitmap_new((long)ram_block_pages(rb));
    fr->list_block[fr->list.n++] = rb;
    return rb;
}

void fake_ram_write(FakeRAM *fr, RAMBlock *rb, uint64_t offset,
                    const void *data, size_t len)
{
    FakeRAMBlock *fb = fake_block(rb);
    uint64_t first = offset >> RAM_PAGE_BITS;
    uint64_t last = (offset + len - 1) >> RAM_PAGE_BITS;

    g_assert_true(ram_block_has_range(rb, offset, len));
    memcpy(rb->host + offset, data, len);
    for (uint64_t p = first; p <= last; p++) {
        set_bit_atomic((long)p, fb->log);
    }
}

void fake_ram_fill(FakeRAM *fr, RAMBlock *rb, uint64_t first, uint64_t n,
                   uint32_t seed)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    uint64_t page[RAM_PAGE_SIZE / 8];

    for (uint64_t p = first; p < first + n; p++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(page); i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            page[i] = x;
        }
        fake_ram_write(fr, rb, p << RAM_PAGE_BITS, page, sizeof(page));
    }
}

void fake_ram_assert_equal(FakeRAM *a, FakeRAM *b)
{
    for (unsigned i = 0; i < a->list.n; i++) {
        RAMBlock *x = a->list.block[i];
        RAMBlock *y = ram_block_find(&b->list, x->idstr);

        g_assert_nonnull(y);
        g_assert_cmpuint(x->used_length, ==, y->used_length);
        for (uint64_t o = 0; o < x->used_length; o += RAM_PAGE_SIZE) {
            if (memcmp(x->host + o, y->host + o, RAM_PAGE_SIZE)) {
                g_error("block '%s' differs in page 0x%" PRIx64, x->idstr, o);
            }
        }
    }
}

uint64_t fake_ram_resident(RAMBlock *rb)
{
    uint64_t n = DIV_ROUND_UP(rb->used_length, (size_t)getpagesize());
    g_autofree unsigned char *vec = g_malloc(n);
    uint64_t resident = 0;

    g_assert_cmpint(mincore(rb->host, rb->used_length, vec), ==, 0);
    for (uint64_t i = 0; i < n; i++) {
        resident += vec[i] & 1;
    }
    return resident;
}
