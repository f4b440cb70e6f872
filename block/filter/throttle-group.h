/*
 * Groups of users that share limits of I/O.
 *
 * A group is an object: made by -object throttle-group, or on its own by a
 * block device's limits, and then it lives as long as it has members. Members
 * are what issues requests: a throttle node, a BlockBackend.
 *
 * Requests over the limit wait in their member's queue, first come, first
 * served; the group serves its members in turn, and reads and writes in turn,
 * so that none starves. Members may be in several threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_THROTTLE_GROUP_H
#define BLOCK_THROTTLE_GROUP_H

#include <jansson.h>

#include "qapi/qapi-types-throttle.h"
#include "qom/object.h"
#include "util/coroutine.h"
#include "util/throttle.h"

#define TYPE_THROTTLE_GROUP "throttle-group"
OBJECT_DECLARE_SIMPLE_TYPE(ThrottleGroup, THROTTLE_GROUP)

typedef struct ThrottleWaiter ThrottleWaiter;
typedef QSIMPLEQ_HEAD(ThrottleWaiters, ThrottleWaiter) ThrottleWaiters;

/* Embedded by the user; zeroed memory is no member of any group. */
typedef struct ThrottleGroupMember {
    ThrottleGroup *group; /* owned reference; NULL: of none */
    unsigned unlimited;   /* reasons to let everything through; group's lock */
    ThrottleWaiters waiting[2]; /* reads, writes; group's lock */
    QTAILQ_ENTRY(ThrottleGroupMember) next;
} ThrottleGroupMember;

/**
 * throttle_group_join:
 * @name: of the group
 * @make: if there is none, make one
 *
 * Thread: main loop. Errors: no such group.
 */
bool throttle_group_join(ThrottleGroupMember *m, const char *name, bool make,
                         Error **errp);
/** throttle_group_leave: nothing of it waits. Harmless for no member. Thread:
 *  main loop. */
void throttle_group_leave(ThrottleGroupMember *m);

/**
 * throttle_group_co_wait:
 *
 * A request of @bytes is about to begin: wait until it may. Thread: any.
 */
void coroutine_fn throttle_group_co_wait(ThrottleGroupMember *m, int64_t bytes,
                                         bool is_write);

/** throttle_group_let_through: requests of @m do not wait until as many calls
 *  of throttle_group_limit(). Nests. Thread: any. */
void throttle_group_let_through(ThrottleGroupMember *m);
void throttle_group_limit(ThrottleGroupMember *m);

const char *throttle_group_name(const ThrottleGroup *group);
/** throttle_group_config: new limits, for those that wait too. Thread: main
 *  loop. */
void throttle_group_config(ThrottleGroup *group, const ThrottleConfig *cfg);
void throttle_group_get_config(ThrottleGroup *group, ThrottleConfig *cfg);

/** throttle_limits_to_config: what @limits has replaces what is in @cfg. */
bool throttle_limits_to_config(const ThrottleLimits *limits,
                               ThrottleConfig *cfg, Error **errp);
/** throttle_config_to_limits: the reverse; @limits is zeroed memory. */
void throttle_config_to_limits(const ThrottleConfig *cfg,
                               ThrottleLimits *limits);

/** throttle_config_from_qmp: of block_set_io_throttle. */
bool throttle_config_from_qmp(const BlockIOThrottle *t, ThrottleConfig *cfg,
                              Error **errp);
/**
 * throttle_config_from_drive:
 * @opts: (inout) options of -drive: throttling.iops-total and so on, and the
 *        old spellings (iops, bps_rd_max ...); those found are taken out
 * @group: (out) throttling.group or NULL; g_free()
 */
bool throttle_config_from_drive(json_t *opts, ThrottleConfig *cfg, char **group,
                                Error **errp);

#endif
