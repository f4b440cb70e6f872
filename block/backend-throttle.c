/*
 * BlockBackend: limits of I/O, and the command that sets them.
 *
 * A backend with limits is a member of a throttle group; its requests wait
 * there before they go to the medium. While it is drained they wait no more.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/backend-internal.h"
#include "qapi/qapi-commands-throttle.h"
#include "util/error.h"

bool blk_set_io_limits(BlockBackend *blk, const ThrottleConfig *cfg,
                       const char *group, Error **errp)
{
    ThrottleGroupMember *m = &blk->throttle;
    bool ok = true;

    if (throttle_enabled(cfg) && m->group &&
        g_str_equal(throttle_group_name(m->group), group)) {
        throttle_group_config(m->group, cfg);
        return true;
    }
    blk_drained_begin(blk);
    if (m->group) {
        throttle_group_limit(m); /* blk_drained_begin() let it through */
        throttle_group_leave(m);
    }
    if (throttle_enabled(cfg)) {
        ok = throttle_group_join(m, group, true, errp);
        if (ok) {
            throttle_group_config(m->group, cfg);
            throttle_group_let_through(m);
        }
    }
    blk_drained_end(blk);
    return ok;
}

/* One bucket of query-block. */
#define SHOW_BUCKET(info, name, bucket)                                        \
    do {                                                                       \
        const LeakyBucket *b_ = &cfg.buckets[bucket];                          \
        (info)->name = (int64_t)b_->avg;                                       \
        (info)->has_##name##_max = b_->max > 0;                                \
        (info)->name##_max = (int64_t)b_->max;                                 \
        (info)->has_##name##_max_length = b_->max > 0;                         \
        (info)->name##_max_length = (int64_t)b_->burst_length;                 \
    } while (0)

void blk_show_io_limits(BlockBackend *blk, BlockDeviceInfo *info)
{
    ThrottleConfig cfg;

    if (!blk->throttle.group) {
        return;
    }
    throttle_group_get_config(blk->throttle.group, &cfg);
    SHOW_BUCKET(info, bps, THROTTLE_BPS_TOTAL);
    SHOW_BUCKET(info, bps_rd, THROTTLE_BPS_READ);
    SHOW_BUCKET(info, bps_wr, THROTTLE_BPS_WRITE);
    SHOW_BUCKET(info, iops, THROTTLE_OPS_TOTAL);
    SHOW_BUCKET(info, iops_rd, THROTTLE_OPS_READ);
    SHOW_BUCKET(info, iops_wr, THROTTLE_OPS_WRITE);
    info->has_iops_size = cfg.op_size > 0;
    info->iops_size = (int64_t)cfg.op_size;
    info->group = g_strdup(throttle_group_name(blk->throttle.group));
}

void qmp_block_set_io_throttle(BlockIOThrottle *arg, Error **errp)
{
    BlockBackend *blk = blk_find(arg->device, arg->id, errp);
    const char *group = arg->group;
    ThrottleConfig cfg;

    if (!blk) {
        return;
    }
    if (!blk_is_inserted(blk)) {
        error_setg(errp, "Device '%s' has no medium",
                   arg->device ? arg->device : arg->id);
        return;
    }
    if (!group) {
        group = blk->throttle.group ? throttle_group_name(blk->throttle.group)
                                    : (arg->device ? arg->device : arg->id);
    }
    if (throttle_config_from_qmp(arg, &cfg, errp)) {
        blk_set_io_limits(blk, &cfg, group, errp);
    }
}
