/*
 * Snapshots of several disks at one moment.
 *
 * All or none: when one image cannot have its snapshot, those that have theirs
 * lose it again; and an older snapshot of the same name goes only when the new
 * ones are all there. Going back cannot be undone, so everything that can be
 * known is asked of all images before the first one goes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/snapshot-set.h"

#include "block/block-internal.h"
#include "block/dirty-bitmap.h"
#include "block/job/block-job.h"
#include "block/job/transaction.h"
#include "block/node-snapshot.h"
#include "block/snapshot-table.h"
#include "util/error-report.h"

typedef struct SetMember {
    NodeLink link;
    char *device;  /* for messages */
    char *made_id; /* the snapshot that is being made */
} SetMember;

struct SnapshotSet {
    GPtrArray *members;
    SetMember *vmstate; /* borrowed */
};

static BlockNode *node_of(const SetMember *m)
{
    return m->link.node;
}

static const BlockNodeClass *class_of(const SetMember *m)
{
    return BLOCK_NODE_GET_CLASS(m->link.node);
}

#define FOREACH_MEMBER(m, set)                                                 \
    for (guint i_ = 0; i_ < (set)->members->len &&                             \
                       ((m) = g_ptr_array_index((set)->members, i_), true);    \
         i_++)

/* -- choosing -------------------------------------------------------------------- */

static char *member_describe(const NodeLink *link)
{
    return g_strdup("a snapshot of the machine");
}

static const NodeLinkOps member_ops = { .describe = member_describe };

static void member_free(gpointer data)
{
    SetMember *m = data;

    node_link_detach(&m->link);
    g_free(m->device);
    g_free(m->made_id);
    g_free(m);
}

static bool has_node(SnapshotSet *set, const BlockNode *node)
{
    SetMember *m;

    FOREACH_MEMBER(m, set)
    {
        if (node_of(m) == node) {
            return true;
        }
    }
    return false;
}

static bool add_node(SnapshotSet *set, BlockNode *node, const char *device,
                     Error **errp)
{
    SetMember *m;

    if (has_node(set, node)) {
        return true;
    }
    if (!node_can_snapshot(node)) {
        error_setg(errp,
                   "Device '%s' is writable but does not support snapshots",
                   device);
        return false;
    }
    m = g_new0(SetMember, 1);
    node_link_init(&m->link, &member_ops, m, "snapshot");
    if (!node_link_attach(&m->link, node, 0,
                          NODE_PERM_ALL & ~(unsigned)NODE_PERM_RESIZE, errp)) {
        g_free(m);
        return false;
    }
    m->device = g_strdup(device);
    g_ptr_array_add(set->members, m);
    return true;
}

static bool add_named(SnapshotSet *set, const strList *devices, Error **errp)
{
    for (; devices; devices = devices->next) {
        BlockNode *node = block_find_disk(devices->value, errp);

        if (!node) {
            return false;
        }
        node = node_skip_filters(node);
        if (node->read_only) {
            error_setg(errp, "Device '%s' is read only", devices->value);
            return false;
        }
        if (!add_node(set, node, devices->value, errp)) {
            return false;
        }
    }
    if (!set->members->len) {
        error_setg(errp, "no devices are given to have a snapshot");
    }
    return set->members->len > 0;
}

typedef struct AddUnused {
    SnapshotSet *set;
    bool ok;
    Error **errp;
} AddUnused;

/* Nodes without a user, too: some keep an image for states alone. */
static bool add_unused(BlockNode *node, void *opaque)
{
    AddUnused *a = opaque;

    if (QLIST_EMPTY(&node->users) && !node->read_only && node->name[0] != '#' &&
        node_can_snapshot(node)) {
        a->ok = add_node(a->set, node, node->name, a->errp);
    }
    return a->ok;
}

static bool add_all(SnapshotSet *set, Error **errp)
{
    AddUnused unused = { set, true, errp };

    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        BlockNode *node = blk_node(blk);

        if (!node || !(*blk_name(blk) || blk_get_attached_dev(blk))) {
            continue;
        }
        node = node_skip_filters(node);
        if (!node->read_only &&
            !add_node(set, node, *blk_name(blk) ? blk_name(blk) : node->name,
                      errp)) {
            return false;
        }
    }
    node_foreach(add_unused, &unused);
    return unused.ok;
}

static bool choose_vmstate(SnapshotSet *set, const char *vmstate, Error **errp)
{
    BlockNode *wanted = NULL;
    SetMember *m;

    if (vmstate) {
        wanted = block_find_disk(vmstate, errp);
        if (!wanted) {
            return false;
        }
        wanted = node_skip_filters(wanted);
    }
    FOREACH_MEMBER(m, set)
    {
        if ((!wanted || node_of(m) == wanted) && class_of(m)->co_save_vmstate &&
            class_of(m)->co_load_vmstate) {
            set->vmstate = m;
            return true;
        }
    }
    if (vmstate) {
        error_setg(errp,
                   "vmstate block device '%s' is not among the devices of the "
                   "snapshot, or cannot hold a state",
                   vmstate);
    } else {
        error_setg(errp, "No block device can accept snapshots");
    }
    return false;
}

SnapshotSet *snapshot_set_new(const strList *devices, const char *vmstate,
                              Error **errp)
{
    SnapshotSet *set = g_new0(SnapshotSet, 1);

    set->members = g_ptr_array_new_with_free_func(member_free);
    if (!(devices ? add_named(set, devices, errp) : add_all(set, errp)) ||
        !choose_vmstate(set, vmstate, errp)) {
        snapshot_set_free(set);
        return NULL;
    }
    return set;
}

void snapshot_set_free(SnapshotSet *set)
{
    if (set) {
        g_ptr_array_unref(set->members);
        g_free(set);
    }
}

BlockNode *snapshot_set_vmstate(SnapshotSet *set)
{
    return node_of(set->vmstate);
}

/* -- looking ----------------------------------------------------------------------- */

static bool list_of(const SetMember *m, SnapshotInfoList **ret, Error **errp)
{
    Error *err = NULL;

    *ret = node_snapshot_list(node_of(m), &err);
    if (err) {
        error_propagate_prepend(errp, err, "Device '%s': ", m->device);
    }
    return !err;
}

/* @ret: (out) (transfer full) the first of that name but @not_id; or NULL. */
static bool find(const SetMember *m, const char *tag, const char *not_id,
                 SnapshotInfo **ret, Error **errp)
{
    g_autoptr(SnapshotInfoList) list = NULL;

    *ret = NULL;
    if (!list_of(m, &list, errp)) {
        return false;
    }
    for (SnapshotInfoList *l = list; l && !*ret; l = l->next) {
        if (g_str_equal(l->value->name, tag) &&
            g_strcmp0(l->value->id, not_id) != 0) {
            *ret = g_steal_pointer(&l->value);
        }
    }
    return true;
}

bool snapshot_set_absent(SnapshotSet *set, const char *tag, Error **errp)
{
    SetMember *m;

    FOREACH_MEMBER(m, set)
    {
        g_autoptr(SnapshotInfo) info = NULL;

        if (!find(m, tag, NULL, &info, errp)) {
            return false;
        }
        if (info) {
            error_setg(errp,
                       "Snapshot '%s' already exists in one or more devices "
                       "('%s')",
                       tag, m->device);
            return false;
        }
    }
    return true;
}

/* Two of one name are what a save over the older one leaves that was cut off;
 * other disks may have but one of them. */
static bool may_go_back(const SetMember *m, const char *tag, Error **errp)
{
    g_autoptr(SnapshotInfo) one = NULL;
    g_autoptr(SnapshotInfo) two = NULL;

    if (!find(m, tag, NULL, &one, errp)) {
        return false;
    }
    if (!one) {
        error_setg(errp, "Snapshot '%s' does not exist on device '%s'", tag,
                   m->device);
        return false;
    }
    if (!find(m, tag, one->id, &two, errp)) {
        return false;
    }
    if (two) {
        error_setg(errp,
                   "Device '%s' has two snapshots '%s' (ids %s, %s): delete "
                   "one by its id",
                   m->device, tag, one->id, two->id);
        return false;
    }
    if (!QLIST_EMPTY(&node_of(m)->bitmaps)) {
        error_setg(errp, "Device '%s' has active dirty bitmaps", m->device);
        return false;
    }
    return block_job_check_free(node_of(m), errp);
}

bool snapshot_set_loadable(SnapshotSet *set, const char *tag,
                           int64_t *ret_bytes, uint64_t *ret_clock_ns,
                           Error **errp)
{
    g_autoptr(SnapshotInfo) state = NULL;
    SetMember *m;

    FOREACH_MEMBER(m, set)
    {
        if (!may_go_back(m, tag, errp)) {
            return false;
        }
    }
    if (!find(set->vmstate, tag, NULL, &state, errp)) {
        return false;
    }
    if (state->vm_state_size == 0) {
        error_setg(errp,
                   "Snapshot '%s' on device '%s' has disk contents only, no "
                   "state of a machine: go back to it with ferry-img or "
                   "qemu-img",
                   tag, set->vmstate->device);
        return false;
    }
    if (state->vm_state_size < 0 || state->vm_state_size > SNAPSHOT_STATE_MAX) {
        error_setg(errp,
                   "Snapshot '%s' on device '%s' has a state of %" PRIu64
                   " bytes, more than %" PRId64,
                   tag, set->vmstate->device, (uint64_t)state->vm_state_size,
                   SNAPSHOT_STATE_MAX);
        return false;
    }
    *ret_bytes = state->vm_state_size;
    *ret_clock_ns = (uint64_t)state->vm_clock_sec * 1000000000 +
                    (uint64_t)state->vm_clock_nsec;
    return true;
}

/* -- doing --------------------------------------------------------------------------- */

static void drain(SnapshotSet *set, bool begin)
{
    SetMember *m;

    FOREACH_MEMBER(m, set)
    {
        if (begin) {
            node_drained_begin(node_of(m));
        } else {
            node_drained_end(node_of(m));
        }
    }
}

static bool delete_id(const SetMember *m, const char *id, Error **errp)
{
    if (!node_snapshot_delete(node_of(m), id, NULL, errp)) {
        error_prepend(
            errp, "Error while deleting snapshot on device '%s': ", m->device);
        return false;
    }
    return true;
}

static bool create_one(SnapshotSet *set, SetMember *m, const char *tag,
                       int64_t state_bytes, uint64_t clock_ns, int64_t date_us,
                       Error **errp)
{
    g_autoptr(SnapshotInfo) info = node_snapshot_info_new(tag, date_us);

    info->vm_state_size = m == set->vmstate ? state_bytes : 0;
    info->vm_clock_sec = (int64_t)(clock_ns / 1000000000);
    info->vm_clock_nsec = (int64_t)(clock_ns % 1000000000);
    if (!node_snapshot_create(node_of(m), info, errp)) {
        error_prepend(
            errp, "Error while creating snapshot on device '%s': ", m->device);
        return false;
    }
    m->made_id = g_strdup(info->id);
    return true;
}

static void take_back(SnapshotSet *set)
{
    SetMember *m;

    FOREACH_MEMBER(m, set)
    {
        Error *err = NULL;

        if (m->made_id && !delete_id(m, m->made_id, &err)) {
            error_report_err(err);
        }
        g_clear_pointer(&m->made_id, g_free);
    }
}

/* The snapshots are made whatever happens here. */
static bool delete_older(SnapshotSet *set, const char *tag, Error **errp)
{
    SetMember *m;

    FOREACH_MEMBER(m, set)
    {
        g_autoptr(SnapshotInfoList) list = NULL;

        if (!list_of(m, &list, errp)) {
            return false;
        }
        for (SnapshotInfoList *l = list; l; l = l->next) {
            if (g_str_equal(l->value->name, tag) &&
                !g_str_equal(l->value->id, m->made_id) &&
                !delete_id(m, l->value->id, errp)) {
                return false;
            }
        }
    }
    return true;
}

bool snapshot_set_create(SnapshotSet *set, const char *tag, int64_t state_bytes,
                         uint64_t clock_ns, bool replace, Error **errp)
{
    int64_t date_us = g_get_real_time();
    bool ok = true;
    SetMember *m;

    drain(set, true);
    FOREACH_MEMBER(m, set)
    {
        ok = create_one(set, m, tag, state_bytes, clock_ns, date_us, errp);
        if (!ok) {
            take_back(set);
            break;
        }
    }
    ok = ok && (!replace || delete_older(set, tag, errp));
    drain(set, false);
    return ok;
}

bool snapshot_set_goto(SnapshotSet *set, const char *tag, bool *ret_changed,
                       Error **errp)
{
    bool ok = true;
    SetMember *m;

    *ret_changed = false;
    drain(set, true);
    FOREACH_MEMBER(m, set)
    {
        g_autoptr(SnapshotInfo) info = NULL;

        ok = find(m, tag, NULL, &info, errp);
        if (ok && !info) {
            error_setg(errp, "Snapshot '%s' does not exist on device '%s'", tag,
                       m->device);
            ok = false;
        }
        if (!ok) {
            break;
        }
        ok = node_snapshot_goto(node_of(m), info->id, errp);
        if (!ok) {
            error_prepend(errp,
                          "Error while activating snapshot '%s' on device "
                          "'%s': ",
                          tag, m->device);
            break;
        }
        *ret_changed = true;
    }
    drain(set, false);
    return ok;
}

bool snapshot_set_delete(SnapshotSet *set, const char *tag, Error **errp)
{
    bool found = false, ok = true;
    SetMember *m;

    drain(set, true);
    FOREACH_MEMBER(m, set)
    {
        g_autoptr(SnapshotInfo) info = NULL;

        ok = find(m, tag, NULL, &info, errp);
        if (ok && info) {
            found = true;
            ok = delete_id(m, info->id, errp);
        }
        if (!ok) {
            break;
        }
    }
    drain(set, false);
    if (ok && !found) {
        error_setg(errp, "Snapshot '%s' does not exist on any of the devices",
                   tag);
    }
    return found && ok;
}

static int coroutine_fn forget_entry(void *opaque)
{
    BlockNode *node = opaque;

    return BLOCK_NODE_GET_CLASS(node)->co_forget_vmstate(node);
}

void snapshot_set_forget(SnapshotSet *set)
{
    BlockNode *node = node_of(set->vmstate);

    /* Space that stays in use is no reason to fail. */
    if (class_of(set->vmstate)->co_forget_vmstate) {
        node_run_co(node->ctx, forget_entry, node);
    }
}

/* -- for people ------------------------------------------------------------------------ */

/* The names of each member's snapshots, in the members' order; NULL. */
static GPtrArray *names_of(SnapshotSet *set, Error **errp)
{
    g_autoptr(GPtrArray) names =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
    SetMember *m;

    FOREACH_MEMBER(m, set)
    {
        g_autoptr(SnapshotInfoList) list = NULL;
        GHashTable *own;

        if (!list_of(m, &list, errp)) {
            return NULL;
        }
        own = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (SnapshotInfoList *l = list; l; l = l->next) {
            g_hash_table_add(own, g_strdup(l->value->name));
        }
        g_ptr_array_add(names, own);
    }
    return g_steal_pointer(&names);
}

static bool on_all(const GPtrArray *names, const char *tag)
{
    for (guint i = 0; i < names->len; i++) {
        if (!g_hash_table_contains(g_ptr_array_index(names, i), tag)) {
            return false;
        }
    }
    return true;
}

/* (transfer full) those of @m that all have, or those that some lack. */
static SnapshotInfoList *pick(const GPtrArray *names, const SetMember *m,
                              bool all)
{
    SnapshotInfoList *from;
    SnapshotInfoList *to = NULL;
    SnapshotInfoList **tail = &to;

    list_of(m, &from, NULL); /* names_of() could */
    for (SnapshotInfoList *l = from; l; l = l->next) {
        if (on_all(names, l->value->name) == all) {
            QAPI_LIST_APPEND(tail, g_steal_pointer(&l->value));
        }
    }
    qapi_free_SnapshotInfoList(from);
    return to;
}

char *snapshot_set_describe(SnapshotSet *set, Error **errp)
{
    GString *out;
    g_autoptr(GPtrArray) names = names_of(set, errp);
    g_autoptr(SnapshotInfoList) whole = NULL;
    SetMember *m;

    if (!names) {
        return NULL;
    }
    out = g_string_new(NULL);
    whole = pick(names, set->vmstate, true);
    if (whole) {
        /* Each image has its own number for it. */
        for (SnapshotInfoList *l = whole; l; l = l->next) {
            g_free(l->value->id);
            l->value->id = g_strdup("--");
        }
        g_string_append(out, "List of snapshots present on all disks:\n");
        snapshot_table_print(out, whole);
    }
    FOREACH_MEMBER(m, set)
    {
        g_autoptr(SnapshotInfoList) partial = pick(names, m, false);

        if (partial) {
            g_string_append_printf(
                out, "%sList of partial (non-loadable) snapshots on '%s':\n",
                out->len ? "\n" : "", m->device);
            snapshot_table_print(out, partial);
        }
    }
    if (!out->len) {
        g_string_append(out, "There is no snapshot available.\n");
    }
    return g_string_free(out, FALSE);
}
