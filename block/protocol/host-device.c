/*
 * Driver "host_device": a block device of the host.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/protocol/file-internal.h"
#include "util/error.h"

static bool host_device_open(BlockNode *node, Error **errp)
{
    BlockNodeClass *file =
        BLOCK_NODE_CLASS(object_class_by_name(TYPE_BLOCK_FILE));

    if (!file->open(node, errp)) {
        return false;
    }
    if (!BLOCK_FILE(node)->is_device) {
        error_setg(errp, "'%s' is not a block device",
                   BLOCK_FILE(node)->filename);
        file->close(node);
        return false;
    }
    return true;
}

static const char *const host_device_schemes[] = { "host_device", NULL };

static void host_device_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "host_device";
    nc->help = "a block device of the host";
    nc->uri_schemes = host_device_schemes;
    nc->open = host_device_open;
}

extern const TypeInfo block_type_host_device;
const TypeInfo block_type_host_device = {
    .name = TYPE_BLOCK_HOST_DEVICE,
    .parent = TYPE_BLOCK_FILE,
    .class_init = host_device_class_init,
};
