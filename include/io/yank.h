/*
 * Yank: get out of a connection that hangs. Each long-lived connection
 * registers a function that shuts its socket down; QMP's `yank` calls it out
 * of band, also while the thread that uses the connection is stuck.
 *
 * The registry is process-wide, as the QMP command is. One lock guards it.
 * A yank function runs with that lock held, from any thread: it may call
 * shutdown(2) and set atomics, and nothing that takes a lock or waits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_YANK_H
#define IO_YANK_H

#include <stdbool.h>

#include "util/typedefs.h"

typedef struct YankInstance YankInstance; /* qapi/yank.json */

/* Shuts one connection down; see above for what it may do. */
typedef void YankFn(void *opaque);

/**
 * yank_register_instance:
 * @instance: (in) who; copied
 * @errp: (out)
 *
 * Thread: any (all calls here).
 * Returns: true, or false with @errp set: there is one of that name.
 */
bool yank_register_instance(const YankInstance *instance, Error **errp);

/** yank_unregister_instance: @instance, which is there and has no function
 * left. */
void yank_unregister_instance(const YankInstance *instance);

/** yank_register_function: one more connection of @instance. */
void yank_register_function(const YankInstance *instance, YankFn *func,
                            void *opaque);

/** yank_unregister_function: @func with @opaque never runs after this. */
void yank_unregister_function(const YankInstance *instance, YankFn *func,
                              void *opaque);

/** yank_generic_iochannel: YankFn for a QIOChannel: shutdown both ways. */
void yank_generic_iochannel(void *opaque);

/* The instance of a block node. The compound literal lives as long as the
 * block. */
#define BLOCKDEV_YANK_INSTANCE(the_name)                                       \
    (&(YankInstance){ .type = YANK_INSTANCE_TYPE_BLOCK_NODE,                   \
                      .u.block_node.node_name = (char *)(the_name) })

#endif
