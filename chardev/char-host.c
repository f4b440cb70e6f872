/*
 * What chardevs ask of the program around them. Set once at start-up, which
 * seals it; a test or a small program does without.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error-report.h"

#include "char-internal.h"

static struct {
    const ChardevHostOps *ops;
    void *opaque;
} host;

void chardev_set_host_ops(const ChardevHostOps *ops, void *opaque)
{
    host.ops = ops;
    host.opaque = opaque;
}

void chardev_host_quit(void)
{
    if (host.ops && host.ops->quit) {
        host.ops->quit(host.opaque);
    } else {
        kill(getpid(), SIGTERM);
    }
}

void chardev_host_exit(int status)
{
    if (host.ops && host.ops->exit) {
        host.ops->exit(status, host.opaque);
    } else {
        warn_report("testdev: exit with status %d was asked for", status);
    }
}

bool chardev_host_commit(void)
{
    if (!host.ops || !host.ops->commit) {
        return false;
    }
    host.ops->commit(host.opaque);
    return true;
}
