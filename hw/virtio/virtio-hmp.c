/*
 * The human monitor's commands about virtio devices.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/virtio/virtio-hmp.h"

#include "qapi/qapi-commands-virtio.h"
#include "qapi/qapi-types-virtio.h"

#define MIB (1024 * 1024)

static void hmp_balloon(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_balloon(hmp_arg_int(args, "value", 0), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_info_balloon(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;
    BalloonInfo *info = qmp_query_balloon(&err);

    if (info) {
        hmp_printf(ctx, "balloon: actual=%" PRId64 "\n", info->actual / MIB);
        qapi_free_BalloonInfo(info);
    }
    hmp_handle_error(ctx, err);
}

const HMPCommand virtio_hmp_commands[] = {
    { .name = "balloon",
      .args = "value:M",
      .params = "target",
      .help = "ask the guest to do with this much memory (MiB)",
      .handler = hmp_balloon },
    {},
};

const HMPCommand virtio_hmp_info[] = {
    { .name = "balloon",
      .args = "",
      .params = "",
      .help = "memory that the guest has",
      .handler = hmp_info_balloon },
    {},
};
