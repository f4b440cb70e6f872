/*
 * BlockBackend: what rerror= and werror= say, and what comes of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/backend-internal.h"
#include "block/block-backend.h"
#include "qapi/qapi-events-block.h"
#include "trace/trace-block.h"

/* Set once at start-up, constant from then on. */
static struct {
    void (*stop)(void *opaque);
    void *opaque;
} host;

void blk_set_stop_handler(void (*stop)(void *opaque), void *opaque)
{
    host.stop = stop;
    host.opaque = opaque;
}

void blk_set_on_error(BlockBackend *blk, BlockdevOnError on_read,
                      BlockdevOnError on_write)
{
    blk->on_read_error = on_read;
    blk->on_write_error = on_write;
}

BlockdevOnError blk_get_on_error(BlockBackend *blk, bool is_read)
{
    return is_read ? blk->on_read_error : blk->on_write_error;
}

BlockErrorAction blk_get_error_action(BlockBackend *blk, bool is_read,
                                      int error)
{
    switch (blk_get_on_error(blk, is_read)) {
    case BLOCKDEV_ON_ERROR_ENOSPC:
        return error == ENOSPC ? BLOCK_ERROR_ACTION_STOP
                               : BLOCK_ERROR_ACTION_REPORT;
    case BLOCKDEV_ON_ERROR_STOP:
        return BLOCK_ERROR_ACTION_STOP;
    case BLOCKDEV_ON_ERROR_IGNORE:
        return BLOCK_ERROR_ACTION_IGNORE;
    default:
        return BLOCK_ERROR_ACTION_REPORT;
    }
}

/* Only where the machine may stop does anybody ask how requests went. */
bool blk_iostatus_is_kept(BlockBackend *blk)
{
    return blk->on_write_error == BLOCKDEV_ON_ERROR_ENOSPC ||
           blk->on_write_error == BLOCKDEV_ON_ERROR_STOP ||
           blk->on_read_error == BLOCKDEV_ON_ERROR_STOP;
}

void blk_error_action(BlockBackend *blk, BlockErrorAction action, bool is_read,
                      int error)
{
    g_autofree char *node_name = blk_node_name(blk);
    bool stops = action == BLOCK_ERROR_ACTION_STOP && host.stop;

    trace_block_backend_error(blk->name, is_read, error, action);
    if (stops && blk->iostatus == BLOCK_DEVICE_IO_STATUS_OK) {
        blk->iostatus = error == ENOSPC ? BLOCK_DEVICE_IO_STATUS_NOSPACE
                                        : BLOCK_DEVICE_IO_STATUS_FAILED;
    }
    qapi_event_send_block_io_error(
        blk->name, node_name,
        is_read ? IO_OPERATION_TYPE_READ : IO_OPERATION_TYPE_WRITE, action,
        blk_iostatus_is_kept(blk), error == ENOSPC, g_strerror(error));
    if (stops) {
        host.stop(host.opaque);
    }
}

void blk_iostatus_reset(BlockBackend *blk)
{
    blk->iostatus = BLOCK_DEVICE_IO_STATUS_OK;
}
