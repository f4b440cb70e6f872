/*
 * The list of RAM blocks, and other memory in a block's place.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "hw/core/guest-memory.h"
#include "hw/core/ram-blocks.h"
#include "hw/mem/hostmem-internal.h"
#include "hw/types.h"
#include "qom/object_interfaces.h"
#include "util/error.h"
#include "util/fd.h"

#define PAGE  UINT64_C(4096)
#define BYTES (64 * PAGE)

typedef struct Fixture {
    GuestMemory *gm;
    RAMBlocks *blocks;
    uint8_t *host; /* 4 pages */
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->gm = guest_memory_new();
    f->blocks = guest_memory_blocks(f->gm);
    f->host = g_aligned_alloc0(4, PAGE, PAGE);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    guest_memory_free(f->gm);
    g_aligned_free(f->host);
}

static RAMBlock *add(Fixture *f, const char *name, unsigned page)
{
    return ram_blocks_add(f->blocks, name, f->host + page * PAGE, PAGE, 0,
                          &error_abort);
}

static void refused(Fixture *f, const char *name, const char *word)
{
    g_autoptr(Error) err = NULL;

    g_assert_null(ram_blocks_add(f->blocks, name, f->host, PAGE, 0, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), word));
}

static void test_list(Fixture *f, gconstpointer data)
{
    const RAMBlockList *list = ram_blocks_list(f->blocks);
    g_autofree char *longest = g_strnfill(RAM_BLOCK_NAME_MAX, 'n');
    g_autofree char *too_long = g_strnfill(RAM_BLOCK_NAME_MAX + 1, 'n');
    RAMBlock *a = add(f, "a", 0);
    RAMBlock *b = add(f, longest, 1);
    RAMBlock *c = add(f, "c", 2);
    uint64_t offset;

    g_assert_cmpuint(list->n, ==, 3);
    g_assert_true(list->block[1] == b && b->index == 1);
    g_assert_cmpuint(b->used_length, ==, PAGE);
    g_assert_cmpint(b->fd, ==, -1);
    g_assert_cmpuint(b->flags, ==, 0);
    refused(f, "a", "already");
    refused(f, "", "bytes");
    refused(f, too_long, "bytes");
    g_assert_true(ram_block_find(list, "c") == c);
    g_assert_null(ram_block_find(list, "d"));
    g_assert_true(ram_block_find_len(list, "abc", 1) == a);
    g_assert_true(ram_block_of_host(list, f->host + PAGE + 5, &offset) == b);
    g_assert_cmpuint(offset, ==, 5);
    g_assert_null(ram_block_of_host(list, f->host + 3 * PAGE, &offset));
    g_assert_cmpuint(ram_blocks_bytes(list), ==, 3 * PAGE);
    /* What follows moves up; the order stays. */
    ram_blocks_remove(f->blocks, a);
    g_assert_cmpuint(list->n, ==, 2);
    g_assert_true(list->block[0] == b && b->index == 0 && c->index == 1);
    ram_blocks_remove(f->blocks, NULL);
    ram_blocks_remove_at(f->blocks, f->host + 2 * PAGE);
    ram_blocks_remove_at(f->blocks, f->host + 3 * PAGE);
    g_assert_cmpuint(list->n, ==, 1);
    g_assert_nonnull(add(f, "a", 0));
}

static void test_full(Fixture *f, gconstpointer data)
{
    for (unsigned i = 0; i < RAM_BLOCKS_MAX; i++) {
        g_autofree char *name = g_strdup_printf("b%u", i);

        add(f, name, 0);
    }
    refused(f, "one-more", "limit");
}

static void test_range(Fixture *f, gconstpointer data)
{
    RAMBlock *rb = add(f, "a", 0);

    g_assert_true(ram_block_has_range(rb, 0, PAGE));
    g_assert_true(ram_block_has_range(rb, PAGE, 0));
    g_assert_false(ram_block_has_range(rb, 1, PAGE));
    g_assert_false(ram_block_has_range(rb, PAGE + 1, 0));
    g_assert_false(ram_block_has_range(rb, UINT64_MAX, 2));
    g_assert_false(ram_block_has_range(rb, 2, UINT64_MAX));
}

/* -- other memory ---------------------------------------------------------------- */

static HostMemoryBackend *backend_new(const char *text)
{
    g_assert_true(user_creatable_add_from_str(text, &error_abort));
    return MEMORY_BACKEND(
        object_resolve_path_component(object_get_objects_root(), "ram0"));
}

/* A file in memory that is full of @fill behind its first @offset bytes. */
static int other_memory(uint64_t offset, uint8_t fill)
{
    int fd = memfd_create("other", MFD_CLOEXEC);
    g_autofree uint8_t *bytes = g_malloc(BYTES);

    memset(bytes, fill, BYTES);
    g_assert_cmpint(pwrite(fd, bytes, BYTES, (off_t)offset), ==, BYTES);
    return fd;
}

static uint8_t byte_of(int fd, off_t at)
{
    uint8_t byte;

    g_assert_cmpint(pread(fd, &byte, 1, at), ==, 1);
    return byte;
}

static void remap(Fixture *f, RAMBlock *rb, RAMRemap how, int fd,
                  uint64_t offset)
{
    g_assert_true(
        ram_block_remap(f->blocks, rb, how, fd, offset, &error_abort));
}

static void test_adopt(Fixture *f, gconstpointer data)
{
    HostMemoryBackend *b =
        backend_new("memory-backend-memfd,id=ram0,size=256K,share=on");
    RAMBlock *rb = ram_blocks_add_backend(f->blocks, b, &error_abort);
    AUTO_FD fd = other_memory(2 * PAGE, 'o');
    uint8_t *host = rb->host;
    int own = rb->fd;

    g_assert_cmpstr(rb->idstr, ==, "ram0");
    g_assert_cmpuint(rb->flags, ==, RAM_BLOCK_MAIN | RAM_BLOCK_SHARED);
    g_assert_cmpint(own, >=, 0);
    memset(host, 'm', BYTES);

    remap(f, rb, RAM_REMAP_ADOPT, fd, 2 * PAGE);
    g_assert_true(rb->host == host && host[0] == 'o' && host[BYTES - 1] == 'o');
    g_assert_cmpuint(rb->fd_offset, ==, 2 * PAGE);
    g_assert_cmpint(rb->fd, !=, own);
    host[7] = 'x';
    g_assert_cmpint(byte_of(fd, 2 * PAGE + 7), ==, 'x');
    /* Back: its own is as it was. */
    remap(f, rb, RAM_REMAP_RESTORE, -1, 0);
    g_assert_cmpint(rb->fd, ==, own);
    g_assert_cmpuint(rb->fd_offset, ==, 0);
    g_assert_true(host[0] == 'm' && host[7] == 'm');
    remap(f, rb, RAM_REMAP_RESTORE, -1, 0); /* nothing to be done */
    /* For good. */
    remap(f, rb, RAM_REMAP_ADOPT, fd, 2 * PAGE);
    remap(f, rb, RAM_REMAP_SETTLE, -1, 0);
    g_assert_cmpint(fcntl(own, F_GETFD), <, 0);
    remap(f, rb, RAM_REMAP_RESTORE, -1, 0);
    g_assert_cmpint(host[7], ==, 'x');
    ram_blocks_remove(f->blocks, rb);
    g_assert_true(user_creatable_del("ram0", &error_abort));
}

static void test_abandon(Fixture *f, gconstpointer data)
{
    HostMemoryBackend *b =
        backend_new("memory-backend-memfd,id=ram0,size=256K,share=on");
    RAMBlock *rb = ram_blocks_add_backend(f->blocks, b, &error_abort);
    AUTO_FD fd = dup(rb->fd);

    memset(rb->host, 'm', BYTES);
    remap(f, rb, RAM_REMAP_ABANDON, -1, 0);
    g_assert_cmpint(rb->fd, ==, -1);
    g_assert_cmpuint(rb->flags, ==, RAM_BLOCK_MAIN);
    g_assert_cmpint(rb->host[3], ==, 0);
    /* Whatever is written here does not reach it. */
    memset(rb->host, 'z', BYTES);
    g_assert_cmpint(byte_of(fd, 3), ==, 'm');
    ram_blocks_remove(f->blocks, rb);
    g_assert_true(user_creatable_del("ram0", &error_abort));
}

static void test_no_backend(Fixture *f, gconstpointer data)
{
    g_autoptr(Error) err = NULL;
    AUTO_FD fd = other_memory(0, 'o');

    g_assert_false(ram_block_remap(f->blocks, add(f, "a", 0), RAM_REMAP_ADOPT,
                                   fd, 0, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "backend"));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(Fixture *, gconstpointer);
    } tests[] = {
        { "/ram-blocks/list", test_list },
        { "/ram-blocks/full", test_full },
        { "/ram-blocks/range", test_range },
        { "/ram-blocks/adopt", test_adopt },
        { "/ram-blocks/abandon", test_abandon },
        { "/ram-blocks/no-backend", test_no_backend },
    };

    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].func,
                   tear_down);
    }
    return g_test_run();
}
