/*
 * The human monitor's commands about disks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-hmp.h"

#include "block/drive-overlay.h"
#include "qapi/qapi-commands-block.h"
#include "util/error.h"

static void print_medium(HMPContext *ctx, const BlockDeviceInfo *in)
{
    hmp_printf(ctx, " (%s): %s (%s%s)\n", in->node_name, in->file, in->drv,
               in->ro ? ", read-only" : "");
}

static void hmp_info_block(HMPContext *ctx, json_t *args)
{
    const char *device = hmp_arg_str(args, "device");
    BlockInfoList *list = qmp_query_block(NULL);

    for (BlockInfoList *l = list; l; l = l->next) {
        const BlockInfo *b = l->value;

        if (device && !g_str_equal(device, b->device)) {
            continue;
        }
        hmp_printf(ctx, "%s", *b->device ? b->device : b->qdev ?: "?");
        if (b->inserted) {
            print_medium(ctx, b->inserted);
        } else {
            hmp_printf(ctx, ": [not inserted]\n");
        }
        if (b->qdev) {
            hmp_printf(ctx, "    Attached to:      %s\n", b->qdev);
        }
        if (b->has_io_status && b->io_status != BLOCK_DEVICE_IO_STATUS_OK) {
            hmp_printf(ctx, "    I/O status:       %s\n",
                       BlockDeviceIoStatus_str(b->io_status));
        }
        if (b->removable) {
            hmp_printf(ctx, "    Removable device: %slocked, tray %s\n",
                       b->locked ? "" : "not ",
                       b->tray_open ? "open" : "closed");
        }
        if (b->inserted && b->inserted->backing_file) {
            hmp_printf(ctx,
                       "    Backing file:     %s (chain depth: %" PRId64 ")\n",
                       b->inserted->backing_file,
                       b->inserted->backing_file_depth);
        }
        if (b->inserted) {
            const BlockdevCacheInfo *c = b->inserted->cache;

            hmp_printf(ctx, "    Cache mode:       %s%s%s\n",
                       c->writeback ? "writeback" : "writethrough",
                       c->direct ? ", direct" : "",
                       c->no_flush ? ", ignore flushes" : "");
        }
    }
    qapi_free_BlockInfoList(list);
}

static void hmp_info_blockstats(HMPContext *ctx, json_t *args)
{
    BlockStatsList *list = qmp_query_blockstats(false, false, NULL);

    for (BlockStatsList *l = list; l; l = l->next) {
        const BlockDeviceStats *s = l->value->stats;

        hmp_printf(ctx,
                   "%s: rd_bytes=%" PRId64 " wr_bytes=%" PRId64
                   " rd_operations=%" PRId64 " wr_operations=%" PRId64
                   " flush_operations=%" PRId64 " wr_total_time_ns=%" PRId64
                   " rd_total_time_ns=%" PRId64 " flush_total_time_ns=%" PRId64
                   "\n",
                   l->value->device, s->rd_bytes, s->wr_bytes, s->rd_operations,
                   s->wr_operations, s->flush_operations, s->wr_total_time_ns,
                   s->rd_total_time_ns, s->flush_total_time_ns);
    }
    qapi_free_BlockStatsList(list);
}

static void hmp_block_resize(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_block_resize(hmp_arg_str(args, "device"), NULL,
                     hmp_arg_int(args, "size", 0), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_eject(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_eject(hmp_arg_str(args, "device"), NULL, true,
              hmp_arg_bool(args, "force", false), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_change(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_blockdev_change_medium(hmp_arg_str(args, "device"), NULL,
                               hmp_arg_str(args, "filename"),
                               hmp_arg_str(args, "format"), true,
                               hmp_arg_bool(args, "force", false), false,
                               BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN, &err);
    hmp_handle_error(ctx, err);
}

static bool commit_one(HMPContext *ctx, BlockBackend *blk)
{
    Error *err = NULL;

    if (!block_commit_down(blk_node(blk), &err)) {
        error_prepend(&err, "'commit' error for '%s': ", blk_name(blk));
    }
    return !hmp_handle_error(ctx, err);
}

/* Those that have an image below them. */
static void commit_all(HMPContext *ctx)
{
    for (BlockBackend *b = blk_next(NULL); b; b = blk_next(b)) {
        BlockNode *node = *blk_name(b) ? blk_node(b) : NULL;

        if (node && node_backing(node_skip_filters(node)) &&
            !commit_one(ctx, b)) {
            return;
        }
    }
}

static void hmp_commit(HMPContext *ctx, json_t *args)
{
    const char *device = hmp_arg_str(args, "device");
    BlockBackend *blk;

    if (g_str_equal(device, "all")) {
        commit_all(ctx);
        return;
    }
    blk = blk_by_name(device);
    if (!blk || !blk_node(blk)) {
        hmp_printf(ctx, "Error: Device '%s' %s\n", device,
                   blk ? "has no medium" : "not found");
        return;
    }
    commit_one(ctx, blk);
}

static void hmp_info_iothreads(HMPContext *ctx, json_t *args)
{
    IOThreadInfoList *list = qmp_query_iothreads(NULL);

    for (IOThreadInfoList *l = list; l; l = l->next) {
        const IOThreadInfo *i = l->value;

        hmp_printf(ctx, "%s:\n", i->id);
        hmp_printf(ctx, "  thread_id=%" PRId64 "\n", i->thread_id);
        hmp_printf(ctx, "  poll-max-ns=%" PRId64 "\n", i->poll_max_ns);
        hmp_printf(ctx, "  poll-grow=%" PRId64 "\n", i->poll_grow);
        hmp_printf(ctx, "  poll-shrink=%" PRId64 "\n", i->poll_shrink);
        hmp_printf(ctx, "  aio-max-batch=%" PRId64 "\n", i->aio_max_batch);
    }
    qapi_free_IOThreadInfoList(list);
}

const HMPCommand block_hmp_commands[] = {
    { .name = "change",
      .args = "force:-f,device:B,filename:F,format:s?",
      .params = "[-f] device filename [format]",
      .help = "put another medium into a drive (-f even if the guest has "
              "locked it)",
      .handler = hmp_change },
    { .name = "eject",
      .args = "force:-f,device:B",
      .params = "[-f] device",
      .help = "take the medium out of a drive (-f even if the guest has locked "
              "it)",
      .handler = hmp_eject },
    { .name = "block_resize",
      .args = "device:B,size:o",
      .params = "device size",
      .help = "change the size of an image (MiB without a suffix)",
      .handler = hmp_block_resize },
    { .name = "commit",
      .args = "device:B",
      .params = "device|all",
      .help = "write what a disk has into the image below it (-snapshot, "
              "overlays), and empty it",
      .handler = hmp_commit },
    {},
};

const HMPCommand block_hmp_info[] = {
    { .name = "block",
      .args = "device:B?",
      .params = "[device]",
      .help = "block devices",
      .handler = hmp_info_block,
      .flags = HMP_PRECONFIG },
    { .name = "blockstats",
      .args = "",
      .params = "",
      .help = "statistics of block devices",
      .handler = hmp_info_blockstats },
    { .name = "iothreads",
      .args = "",
      .params = "",
      .help = "iothread objects",
      .handler = hmp_info_iothreads,
      .flags = HMP_PRECONFIG },
    {},
};
