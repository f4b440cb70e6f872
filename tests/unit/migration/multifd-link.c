/*
 * Source and destination of multifd in one process: see the header.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "multifd-link.h"

#include <sys/mman.h>

#include "util/thread.h"

static void block_init(RAMBlock *rb, unsigned i)
{
    memset(rb, 0, sizeof(*rb));
    g_snprintf(rb->idstr, sizeof(rb->idstr), "block.%u", i);
    rb->used_length = rb->max_length = MULTIFD_LINK_PAGES * RAM_PAGE_SIZE;
    rb->host = mmap(NULL, rb->max_length, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(rb->host != MAP_FAILED);
    rb->index = i;
}

static QIOChannel *on_open(void *opaque, unsigned id, Error **errp)
{
    MultiFDLink *l = opaque;

    if (id == l->fail_open) {
        error_setg(errp, "nobody listens");
        return NULL;
    }
    return QIO_CHANNEL(object_ref(OBJECT(l->pair[id]->a)));
}

static void on_close(void *opaque, QIOChannel *ioc)
{
    MultiFDLink *l = opaque;

    l->closed++;
    qio_channel_close(ioc, NULL);
    object_unref(OBJECT(ioc));
}

static void on_send_error(void *opaque, Error *err)
{
    MultiFDLink *l = opaque;

    g_assert_nonnull(err);
    error_free(err);
    qatomic_inc(&l->send_errors);
}

static void on_recv_error(void *opaque, Error *err)
{
    MultiFDLink *l = opaque;

    g_assert_nonnull(err);
    error_free(err);
    qatomic_inc(&l->recv_errors);
}

static RAMBlock *on_block(void *opaque, const char *name, Error **errp)
{
    MultiFDLink *l = opaque;

    for (unsigned i = 0; i < MULTIFD_LINK_BLOCKS; i++) {
        if (g_str_equal(l->dst[i].idstr, name)) {
            return &l->dst[i];
        }
    }
    error_setg(errp, "unknown RAM block '%s'", name);
    return NULL;
}

MultiFDLink *multifd_link_new(const char *stack, unsigned channels)
{
    MultiFDLink *l = g_new0(MultiFDLink, 1);

    l->channels = channels;
    l->fail_open = UINT_MAX;
    l->pair = g_new0(ChannelPair *, channels);
    for (unsigned i = 0; i < channels; i++) {
        l->pair[i] = channel_pair_new(stack);
    }
    for (unsigned i = 0; i < MULTIFD_LINK_BLOCKS; i++) {
        block_init(&l->src[i], i);
        block_init(&l->dst[i], i);
    }
    l->pacer = pacer_new();
    return l;
}

MultiFDSendConfig multifd_link_send_config(MultiFDLink *l)
{
    return (MultiFDSendConfig){
        .channels = l->channels,
        .find_zero = true,
        .uuid = "0123456789abcde",
        .pacer = l->pacer,
        .stats = &l->stats,
        .open = on_open,
        .close = on_close,
        .on_error = on_send_error,
        .opaque = l,
    };
}

MultiFDRecvConfig multifd_link_recv_config(MultiFDLink *l)
{
    return (MultiFDRecvConfig){
        .channels = l->channels,
        .uuid = "0123456789abcde",
        .block = on_block,
        .on_error = on_recv_error,
        .opaque = l,
    };
}

bool multifd_link_accept(MultiFDLink *l, unsigned i, Error **errp)
{
    uint8_t hello[MULTIFD_HELLO_SIZE];

    return qio_channel_read_all(l->pair[i]->b, (char *)hello, sizeof(hello),
                                errp) == 0 &&
           multifd_recv_add_channel(l->recv, l->pair[i]->b, hello, errp);
}

void multifd_link_start(MultiFDLink *l, MultiFDMethod method, int level)
{
    MultiFDSendConfig sc = multifd_link_send_config(l);
    MultiFDRecvConfig rc = multifd_link_recv_config(l);

    sc.method = method;
    sc.level = level;
    l->recv = multifd_recv_new(&rc, &error_abort);
    l->send = multifd_send_new(&sc, &error_abort);
    for (unsigned i = 0; i < l->channels; i++) {
        g_assert_cmpint(multifd_recv_has_all(l->recv), ==, false);
        multifd_link_accept(l, i, &error_abort);
    }
    g_assert_true(multifd_recv_has_all(l->recv));
    multifd_send_sync(l->send, &error_abort);
    multifd_recv_sync(l->recv, &error_abort);
}

void multifd_link_free(MultiFDLink *l)
{
    multifd_send_free(l->send);
    multifd_recv_free(l->recv);
    for (unsigned i = 0; i < l->channels; i++) {
        channel_pair_free(l->pair[i]);
    }
    for (unsigned i = 0; i < MULTIFD_LINK_BLOCKS; i++) {
        munmap(l->src[i].host, l->src[i].max_length);
        munmap(l->dst[i].host, l->dst[i].max_length);
    }
    pacer_free(l->pacer);
    g_free(l->pair);
    g_free(l);
}
