/*
 * Rows of plain pages from a source that lies: what was read ahead on a guess is
 * no page of the guest's, whatever comes in its place.
 *
 * The first part of the stream is a row; when the loader waits for more of it, it
 * has guessed where the next bytes go. The second part decides.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/ioctl.h>

#include "io/channel-socket.h"
#include "migration/qemu-file.h"
#include "migration/ram/incoming.h"
#include "migration/ram/wire.h"
#include "util/bswap.h"
#include "util/thread.h"

#include "channel-pair.h"
#include "fake-ram.h"

#define PAGES 256
#define ROW   20 /* pages of the first part; the last is half of one */
#define BEGIN 32 /* the row's first page */

typedef struct Load {
    RAMIncoming *ri;
    QEMUFile *in;
    bool ok;
    Error *err;
} Load;

static void *load_thread(void *opaque)
{
    Load *l = opaque;

    l->ok = ram_load(l->ri, l->in, &error_abort) && /* the list */
            ram_load(l->ri, l->in, &l->err) && ram_load_finish(l->ri, &l->err);
    return NULL;
}

static void put_word(GByteArray *a, uint64_t word)
{
    word = cpu_to_be64(word);
    g_byte_array_append(a, (uint8_t *)&word, sizeof(word));
}

static void put_page(GByteArray *a, uint8_t fill)
{
    uint8_t page[RAM_PAGE_SIZE];

    memset(page, fill, sizeof(page));
    g_byte_array_append(a, page, sizeof(page));
}

static void put_block(GByteArray *a, uint64_t word, const char *name)
{
    uint8_t len = (uint8_t)strlen(name);

    put_word(a, word);
    g_byte_array_append(a, &len, 1);
    g_byte_array_append(a, (const uint8_t *)name, len);
}

static void put_list(GByteArray *a, FakeRAM *fr)
{
    put_word(a, ram_blocks_bytes(&fr->list) | RAM_WIRE_MEM_SIZE);
    for (unsigned i = 0; i < fr->list.n; i++) {
        const RAMBlock *rb = fr->list.block[i];
        RAMWireBlock b = { .used_length = rb->used_length };
        uint8_t buf[RAM_WIRE_BLOCK_MAX];

        g_byte_array_append(a, buf,
                            (guint)ram_wire_block_encode(buf, rb->idstr, &b));
    }
    put_word(a, RAM_WIRE_EOS);
}

static void send_all(QIOChannel *ioc, GByteArray *a)
{
    g_assert_cmpint(qio_channel_write_all(ioc, (char *)a->data, a->len,
                                          &error_abort),
                    ==, 0);
    g_byte_array_set_size(a, 0);
}

/* The loader has read all and waits. */
static void await_hungry(QIOChannel *ioc)
{
    int left = 1;

    while (left > 0) {
        g_assert_cmpint(ioctl(QIO_CHANNEL_SOCKET(ioc)->fd, FIONREAD, &left), ==,
                        0);
        g_usleep(1000);
    }
}

/* The row, and half of its last page. */
static void put_row(GByteArray *a)
{
    put_block(a, BEGIN * RAM_PAGE_SIZE | RAM_WIRE_PAGE, "a");
    put_page(a, 1);
    for (unsigned i = 1; i < ROW; i++) {
        put_word(a, (BEGIN + i) * RAM_PAGE_SIZE | RAM_WIRE_PAGE |
                        RAM_WIRE_CONTINUE);
        put_page(a, (uint8_t)(1 + i));
    }
    g_byte_array_set_size(a, a->len - RAM_PAGE_SIZE / 2);
}

static bool is_filled(const RAMBlock *rb, uint64_t page, uint8_t fill)
{
    const uint8_t *p = rb->host + page * RAM_PAGE_SIZE;

    return p[0] == fill && !memcmp(p, p + 1, RAM_PAGE_SIZE - 1);
}

typedef struct Case {
    const char *error;  /* in the message; NULL: it loads */
    uint64_t word;      /* where the row would go on */
    const char *name;   /* behind it; or NULL */
    bool data;          /* a page follows, with 0x77 */
    unsigned more;      /* and so many records that would fit the row's guess */
    const char *landed; /* block in which 0x77 is to be; or NULL */
    uint64_t at;
} Case;

#define NEXT ((BEGIN + ROW) * RAM_PAGE_SIZE)

static const Case cases[] = {
    /* The guess was right. */
    { NULL, NEXT | RAM_WIRE_PAGE | RAM_WIRE_CONTINUE, NULL, true, 0, "a",
      BEGIN + ROW },
    /* It was wrong, and that is fine. */
    { NULL, 3 * RAM_PAGE_SIZE | RAM_WIRE_PAGE | RAM_WIRE_CONTINUE, NULL, true,
      0, "a", 3 },
    { NULL, (NEXT + RAM_PAGE_SIZE) | RAM_WIRE_PAGE | RAM_WIRE_CONTINUE, NULL,
      true, 0, "a", BEGIN + ROW + 1 },
    { NULL, 5 * RAM_PAGE_SIZE | RAM_WIRE_PAGE, "b", true, 0, "b", 5 },
    /* Lies. */
    { "impossible flags", NEXT | 0xc00, NULL, true, 3 },
    { "impossible flags", NEXT | RAM_WIRE_PAGE | RAM_WIRE_ZERO, NULL, true, 3 },
    { "is not in RAM block",
      PAGES *RAM_PAGE_SIZE | RAM_WIRE_PAGE | RAM_WIRE_CONTINUE, NULL, true, 3 },
    { "is not in RAM block", RAM_PAGE_MASK | RAM_WIRE_PAGE | RAM_WIRE_CONTINUE,
      NULL, true, 3 },
    { "no RAM block", NEXT | RAM_WIRE_PAGE, "c", true, 3 },
    { "HOOK", RAM_WIRE_HOOK, NULL, true, 3 },
    { "without multifd", RAM_WIRE_MULTIFD_FLUSH, NULL, true, 3 },
};

static void put_rest(GByteArray *a, const Case *c)
{
    uint8_t half[RAM_PAGE_SIZE / 2];

    memset(half, ROW, sizeof(half));
    g_byte_array_append(a, half, sizeof(half));
    if (c->name) {
        put_block(a, c->word, c->name);
    } else {
        put_word(a, c->word);
    }
    if (c->data) {
        put_page(a, 0x77);
    }
    for (unsigned i = 0; i < c->more; i++) {
        put_word(a, (NEXT + (i + 1) * RAM_PAGE_SIZE) | RAM_WIRE_PAGE |
                        RAM_WIRE_CONTINUE);
        put_page(a, 0x66);
    }
    put_word(a, RAM_WIRE_EOS);
}

static void assert_memory(const FakeRAM *fr, const Case *c)
{
    for (unsigned b = 0; b < fr->list.n; b++) {
        const RAMBlock *rb = fr->list.block[b];

        for (uint64_t page = 0; page < PAGES; page++) {
            uint8_t fill = 0;

            if (b == 0 && page >= BEGIN && page < BEGIN + ROW) {
                fill = (uint8_t)(1 + page - BEGIN);
            } else if (c->landed && c->landed[0] == 'a' + b && page == c->at) {
                fill = 0x77;
            }
            g_assert_true(is_filled(rb, page, fill));
        }
    }
}

static void run_case(const Case *c, bool near, bool cut)
{
    g_autoptr(ChannelPair) channels = channel_pair_new("unix");
    g_autoptr(GByteArray) a = g_byte_array_new();
    FakeRAM *fr = fake_ram_new();
    RAMIncomingConfig config = { .host = &fr->host, .host_opaque = fr };
    Load l = { .in = qemu_file_new_input(channels->b) };
    QemuThread thread;

    fake_ram_add(fr, "a", PAGES * RAM_PAGE_SIZE, 4096, 0);
    fake_ram_add(fr, "b", PAGES * RAM_PAGE_SIZE, 4096, 0);
    l.ri = ram_incoming_new(&config, &error_abort);
    ram_incoming_set_near(l.ri, near);
    qemu_thread_create(&thread, "load", load_thread, &l, QEMU_THREAD_JOINABLE);
    put_list(a, fr);
    put_row(a);
    send_all(channels->a, a);
    await_hungry(channels->b);
    put_rest(a, c);
    if (cut) { /* in a page that is nothing but a guess */
        g_byte_array_set_size(a, a->len - RAM_PAGE_SIZE);
    }
    send_all(channels->a, a);
    qio_channel_shutdown(channels->a, QIO_CHANNEL_SHUTDOWN_WRITE, NULL);
    qemu_thread_join(&thread);
    g_assert_cmpint(l.ok, ==, !c->error);
    if (c->error) {
        g_assert_nonnull(strstr(error_get_pretty(l.err), c->error));
    }
    assert_memory(fr, c);
    error_free(l.err);
    ram_incoming_free(l.ri);
    qemu_file_free(l.in);
    fake_ram_free(fr);
}

static void test_rows(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        run_case(&cases[i], false, false);
        run_case(&cases[i], true, false);
        if (cases[i].error) {
            run_case(&cases[i], false, true);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram-row/guesses", test_rows);
    return g_test_run();
}
