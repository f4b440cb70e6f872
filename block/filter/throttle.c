/*
 * Filter "throttle": the limits of a throttle group.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/internal.h"
#include "block/filter/throttle-group.h"
#include "util/error.h"

#define TYPE_BLOCK_THROTTLE TYPE_BLOCK_NODE "-throttle"
OBJECT_DECLARE_SIMPLE_TYPE(BlockThrottle, BLOCK_THROTTLE)

struct BlockThrottle {
    BlockFilter parent_obj;

    char *group;
    ThrottleGroupMember member;
};

static bool throttle_open(BlockNode *node, Error **errp)
{
    BlockThrottle *t = BLOCK_THROTTLE(node);

    return filter_base()->open(node, errp) &&
           throttle_group_join(&t->member, t->group, false, errp);
}

static void throttle_close(BlockNode *node)
{
    throttle_group_leave(&BLOCK_THROTTLE(node)->member);
}

static int coroutine_fn throttle_co_preadv(BlockNode *node, int64_t offset,
                                           int64_t bytes, QEMUIOVector *qiov,
                                           size_t qiov_offset,
                                           BlkRequestFlags flags)
{
    throttle_group_co_wait(&BLOCK_THROTTLE(node)->member, bytes, false);
    return node_co_preadv(filter_child(node), offset, bytes, qiov, qiov_offset,
                          flags);
}

static int coroutine_fn throttle_co_pwritev(BlockNode *node, int64_t offset,
                                            int64_t bytes, QEMUIOVector *qiov,
                                            size_t qiov_offset,
                                            BlkRequestFlags flags)
{
    throttle_group_co_wait(&BLOCK_THROTTLE(node)->member, bytes, true);
    return node_co_pwritev(filter_child(node), offset, bytes, qiov, qiov_offset,
                           flags);
}

static int coroutine_fn throttle_co_pwritev_compressed(BlockNode *node,
                                                       int64_t offset,
                                                       int64_t bytes,
                                                       QEMUIOVector *qiov,
                                                       size_t qiov_offset)
{
    return throttle_co_pwritev(node, offset, bytes, qiov, qiov_offset,
                               BLK_REQ_WRITE_COMPRESSED);
}

static int coroutine_fn throttle_co_pdiscard(BlockNode *node, int64_t offset,
                                             int64_t bytes)
{
    throttle_group_co_wait(&BLOCK_THROTTLE(node)->member, bytes, true);
    return node_co_pdiscard(filter_child(node), offset, bytes);
}

static int coroutine_fn throttle_co_pwrite_zeroes(BlockNode *node,
                                                  int64_t offset, int64_t bytes,
                                                  BlkRequestFlags flags)
{
    throttle_group_co_wait(&BLOCK_THROTTLE(node)->member, bytes, true);
    return node_co_pwrite_zeroes(filter_child(node), offset, bytes, flags);
}

static void throttle_drain_begin(BlockNode *node)
{
    throttle_group_let_through(&BLOCK_THROTTLE(node)->member);
}

static void throttle_drain_end(BlockNode *node)
{
    throttle_group_limit(&BLOCK_THROTTLE(node)->member);
}

static const Property throttle_props[] = {
    { "throttle-group", PROP_STR, offsetof(BlockThrottle, group),
      .flags = PROP_F_REQUIRED, .help = "id of an object throttle-group",
      .since = "0.2" },
    {},
};

static void throttle_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "throttle";
    nc->help = "limits of I/O, shared by a group";
    nc->open = throttle_open;
    nc->close = throttle_close;
    nc->co_preadv = throttle_co_preadv;
    nc->co_pwritev = throttle_co_pwritev;
    nc->co_pwritev_compressed = throttle_co_pwritev_compressed;
    nc->co_pdiscard = throttle_co_pdiscard;
    nc->co_pwrite_zeroes = throttle_co_pwrite_zeroes;
    nc->drain_begin = throttle_drain_begin;
    nc->drain_end = throttle_drain_end;
}

extern const TypeInfo block_type_throttle;
const TypeInfo block_type_throttle = {
    .name = TYPE_BLOCK_THROTTLE,
    .parent = TYPE_BLOCK_FILTER,
    .instance_size = sizeof(BlockThrottle),
    .class_init = throttle_class_init,
    .props = throttle_props,
};
