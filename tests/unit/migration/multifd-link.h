/*
 * A source and a destination of multifd in one process, over pairs of channels.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_MULTIFD_LINK_H
#define TESTS_MULTIFD_LINK_H

#include "migration/multifd/multifd.h"

#include "channel-pair.h"

#define MULTIFD_LINK_BLOCKS 3
#define MULTIFD_LINK_PAGES  700

typedef struct MultiFDLink {
    unsigned channels;
    ChannelPair **pair;
    RAMBlock src[MULTIFD_LINK_BLOCKS], dst[MULTIFD_LINK_BLOCKS];
    MultiFDStats stats;
    Pacer *pacer;
    MultiFDSend *send;
    MultiFDRecv *recv;
    unsigned fail_open; /* this channel cannot connect; UINT_MAX: all can */
    unsigned send_errors, recv_errors; /* atomic: calls of on_error */
    unsigned closed;
} MultiFDLink;

/** multifd_link_new: pairs of @stack (channel-pair.h); nothing is started. */
MultiFDLink *multifd_link_new(const char *stack, unsigned channels);
void multifd_link_free(MultiFDLink *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultiFDLink, multifd_link_free)

/* Settings to start from. */
MultiFDSendConfig multifd_link_send_config(MultiFDLink *l);
MultiFDRecvConfig multifd_link_recv_config(MultiFDLink *l);

/** multifd_link_accept: as the listener does for pair @i. */
bool multifd_link_accept(MultiFDLink *l, unsigned i, Error **errp);

/** multifd_link_start: both sides up, and the sync at the setup's end. */
void multifd_link_start(MultiFDLink *l, MultiFDMethod method, int level);

#endif
