/*
 * The image below an image: its name stands in the image above and is hostile.
 *
 * The name may be any that a user could give, so an image can make its user
 * read every file that he may read: whoever opens images of strangers says what
 * is below them ("backing"). What the name cannot do: be longer than a limit,
 * name a driver that is none, make a chain without an end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/stat.h>

#include "block/graph-internal.h"
#include "block/protocol/file-internal.h"
#include "util/error.h"

/* -- is it the same image? ------------------------------------------------------------ */

static char *file_identity(const struct stat *st)
{
    return g_strdup_printf("%" PRIu64 ":%" PRIu64, (uint64_t)st->st_dev,
                           (uint64_t)st->st_ino);
}

char *node_identity(BlockNode *node)
{
    BlockNode *file = node_child_of_role(node, NODE_ROLE_PRIMARY);
    BlockFile *f;
    struct stat st;

    if (!file) {
        return NULL;
    }
    f = (BlockFile *)object_dynamic_cast(OBJECT(file), TYPE_BLOCK_FILE);
    if (f && f->fd >= 0 && fstat(f->fd, &st) == 0) {
        return file_identity(&st);
    }
    return QLIST_EMPTY(&file->children) ? node_filename(file) : NULL;
}

char *node_file_identity(const char *name)
{
    struct stat st;

    return stat(name, &st) == 0 ? file_identity(&st) : NULL;
}

/* Is the image of that identity @node, or one of those above it? */
static bool check_above(const BlockNode *node, const char *identity,
                        const char *name, Error **errp)
{
    for (; identity && node; node = node->opening_for) {
        g_autofree char *other = node_identity((BlockNode *)node);

        if (other && g_str_equal(identity, other)) {
            error_setg(errp, "backing chain has a loop: '%s' is below itself",
                       name);
            return false;
        }
    }
    return true;
}

/* Is the image of @node, which is being opened, one of those above it? */
static bool check_loop(const BlockNode *node, Error **errp)
{
    g_autofree char *own = node_identity((BlockNode *)node);
    g_autofree char *name = node_path((BlockNode *)node);

    return check_above(node->opening_for, own, name, errp);
}

/* The same of what is to be opened below @parent: an image that is written is
 * locked, so that it could not even be opened a second time. */
static bool check_loop_ahead(const BlockNode *parent, const char *name,
                             Error **errp)
{
    g_autofree char *identity = node_file_identity(name);

    return check_above(parent, identity, name, errp);
}

/* -- opening ------------------------------------------------------------------------------ */

static bool check_names(const BlockNode *parent, const char *filename,
                        const char *format, Error **errp)
{
    if (strlen(filename) > NODE_FILENAME_MAX) {
        error_setg(errp, "the name of the backing file of '%s' is too long",
                   parent->name);
        return false;
    }
    if (format && (strlen(format) > NODE_FORMAT_NAME_MAX ||
                   format[strspn(format, "abcdefghijklmnopqrstuvwxyz"
                                         "0123456789_-")] != '\0')) {
        error_setg(errp, "the format of the backing file of '%s' is not valid",
                   parent->name);
        return false;
    }
    if (parent->chain_depth + 1 >= NODE_CHAIN_MAX) {
        error_setg(errp, "backing chain is longer than %d images",
                   NODE_CHAIN_MAX);
        return false;
    }
    return true;
}

static char *resolve(BlockNode *parent, const char *name, Error **errp)
{
    g_autofree char *image = node_path(parent);

    return block_resolve_filename(image, name, errp);
}

bool block_open_backing(BlockNode *parent, NodeLink *link, const char *filename,
                        const char *format, Error **errp)
{
    g_autofree char *name = NULL;
    Error *err = NULL;
    BlockNode *node;
    bool ok;

    parent->backing_link = link;
    if (!check_names(parent, filename, format, errp) ||
        !check_loop(parent, errp)) {
        return false;
    }
    name = resolve(parent, filename, errp);
    if (!name || !check_loop_ahead(parent, name, errp)) {
        return false;
    }
    node = node_open_backing_named(parent, name, format, &err);
    if (!node) {
        error_propagate_prepend(errp, err, "Could not open backing file: ");
        return false;
    }
    ok = block_node_link_child(parent, link, node, "backing", NODE_ROLE_COW,
                               errp);
    block_node_unref(node);
    return ok;
}

char *node_backing_path(BlockNode *node)
{
    return node->backing_file ? resolve(node, node->backing_file, NULL) : NULL;
}
