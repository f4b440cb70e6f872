/*
 * ferry-io: requests that stop at an event of a blkdebug node.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "block/blkdebug.h"
#include "util/aio-wait.h"

#include "io.h"

static bool report(int ret, const char *what)
{
    if (ret < 0) {
        printf("Could not %s: %s\n", what, strerror(-ret));
    }
    return ret == 0;
}

static bool run_break(Io *io, void *args, int npos, const char **pos)
{
    int event = qapi_enum_parse(&BlkdebugEvent_lookup, pos[0], -1, NULL);

    return report(event < 0 ? -ENOENT
                            : blkdebug_break(blk_node(io->blk),
                                             (BlkdebugEvent)event, pos[1]),
                  "set breakpoint");
}

static bool run_resume(Io *io, void *args, int npos, const char **pos)
{
    BlockNode *node = blk_node(io->blk);

    if (blkdebug_is_suspended(node, pos[0])) {
        printf("blkdebug: Resuming request '%s'\n", pos[0]);
    }
    return report(blkdebug_resume(node, pos[0]), "resume request");
}

/* With nothing in flight, no request could stop. */
static bool run_wait_break(Io *io, void *args, int npos, const char **pos)
{
    BlockNode *node = blk_node(io->blk);

    AIO_WAIT_WHILE_UNLOCKED(io->tool.ctx,
                            !blkdebug_is_suspended(node, pos[0]) &&
                                io->aio > 0 && !io->tool.interrupted);
    if (!blkdebug_is_suspended(node, pos[0])) {
        printf("No request stops at breakpoint %s\n", pos[0]);
        return false;
    }
    printf("blkdebug: Suspended request '%s'\n", pos[0]);
    return true;
}

static bool run_remove_break(Io *io, void *args, int npos, const char **pos)
{
    g_autofree char *what = g_strconcat("remove breakpoint ", pos[0], NULL);
    BlockNode *node = blk_node(io->blk);

    if (blkdebug_is_suspended(node, pos[0])) {
        printf("blkdebug: Resuming request '%s'\n", pos[0]);
    }
    return report(blkdebug_remove_break(node, pos[0]), what);
}

const IoCommand io_commands_break[] = {
    { .name = "break",
      .args = "event tag",
      .help = "sets a breakpoint on event and tags the stopped request as tag",
      .more = "\nA node of the driver blkdebug must be below the image. The "
              "break stops one request,\nwhich must be one that runs while "
              "further commands are read: aio_read, aio_write.\n",
      .min_positional = 2,
      .max_positional = 2,
      .run = run_break },
    { .name = "remove_break",
      .args = "tag",
      .help = "remove a breakpoint by tag",
      .min_positional = 1,
      .max_positional = 1,
      .run = run_remove_break },
    { .name = "resume",
      .args = "tag",
      .help = "resumes the request tagged as tag",
      .min_positional = 1,
      .max_positional = 1,
      .run = run_resume },
    { .name = "wait_break",
      .args = "tag",
      .help = "waits for the suspension of a request",
      .min_positional = 1,
      .max_positional = 1,
      .run = run_wait_break },
    {},
};
