/*
 * Locks of an image file, so that two programs do not spoil it.
 *
 * For each permission bit n the file has two bytes: 100 + n is locked
 * (shared) by those who use the permission, 200 + n by those who do not let
 * others use it. Before a user goes on it takes its locks and then looks
 * whether somebody else has the opposite byte. The locks belong to the open
 * file description, so that two images in one process meet too. QEMU's
 * programs use the same bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/protocol/file-internal.h"
#include "qapi/qapi-types-common.h"
#include "trace/trace-block.h"
#include "util/error.h"

#define LOCK_USE_BASE      100
#define LOCK_UNSHARED_BASE 200
#define LOCK_BITS          4

/*
 * The kernel lets go of a killed program's file only when its last requests
 * in io_uring have ended, a moment after the program's end: who starts the
 * next one then should not be sent away.
 */
#define LOCK_PATIENCE_MS 60
#define LOCK_AGAIN_MS    10

static const char *const perm_names[LOCK_BITS] = {
    "consistent read",
    "write",
    "write unchanged",
    "resize",
};

static int set_lock(int fd, off_t byte, short type)
{
    struct flock fl = {
        .l_whence = SEEK_SET,
        .l_start = byte,
        .l_len = 1,
        .l_type = type,
    };

    return fcntl(fd, F_OFD_SETLK, &fl) < 0 ? -errno : 0;
}

/* Would an exclusive lock fail, that is, has another a lock? */
static int other_has_lock(int fd, off_t byte)
{
    struct flock fl = {
        .l_whence = SEEK_SET,
        .l_start = byte,
        .l_len = 1,
        .l_type = F_WRLCK,
    };

    if (fcntl(fd, F_OFD_GETLK, &fl) < 0) {
        return -errno;
    }
    return fl.l_type == F_UNLCK ? 0 : -EAGAIN;
}

/* The same after some patience. */
static int still_locked(int fd, off_t byte)
{
    for (int waited = 0;; waited += LOCK_AGAIN_MS) {
        int ret = other_has_lock(fd, byte);

        if (ret != -EAGAIN || waited >= LOCK_PATIENCE_MS) {
            return ret;
        }
        g_usleep(LOCK_AGAIN_MS * 1000);
    }
}

/* Locks at @base for the bits of @want, of which those of @have are held. */
static int take(int fd, off_t base, unsigned have, unsigned want)
{
    for (int i = 0; i < LOCK_BITS; i++) {
        if ((want & ~have) & (1u << i)) {
            int ret = set_lock(fd, base + i, F_RDLCK);

            if (ret < 0) {
                return ret;
            }
        }
    }
    return 0;
}

static void give_back(int fd, off_t base, unsigned have, unsigned keep)
{
    for (int i = 0; i < LOCK_BITS; i++) {
        if ((have & ~keep) & (1u << i)) {
            set_lock(fd, base + i, F_UNLCK);
        }
    }
}

static bool check(BlockFile *f, off_t base, unsigned bits, const char *what,
                  Error **errp)
{
    for (int i = 0; i < LOCK_BITS; i++) {
        int ret = bits & (1u << i) ? still_locked(f->fd, base + i) : 0;

        if (ret < 0) {
            error_setg(errp, "Failed to get %s\"%s\" lock", what,
                       perm_names[i]);
            error_append_hint(errp,
                              "Is another process using the image [%s]?\n",
                              f->filename);
            return false;
        }
    }
    return true;
}

static bool locks_wanted(const BlockFile *f)
{
    return f->locking != ON_OFF_AUTO_OFF && !BLOCK_NODE(f)->force_share;
}

bool block_file_set_perm(BlockNode *node, unsigned perm, unsigned shared,
                         Error **errp)
{
    BlockFile *f = BLOCK_FILE(node);
    unsigned unshared = NODE_PERM_ALL & ~shared;
    unsigned had_perm = f->locked_perm;
    unsigned had_unshared = f->locked_unshared;
    int ret;

    if (!locks_wanted(f)) {
        return true;
    }
    trace_block_file_lock(f->filename, perm, shared);
    ret = take(f->fd, LOCK_USE_BASE, had_perm, perm);
    if (ret == 0) {
        ret = take(f->fd, LOCK_UNSHARED_BASE, had_unshared, unshared);
    }
    if (ret < 0 && f->locking == ON_OFF_AUTO_AUTO && ret != -EAGAIN) {
        /* A file system without locks. */
        return true;
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to lock '%s'", f->filename);
    }
    /* Only what is new can clash. */
    if (ret < 0 || !check(f, LOCK_UNSHARED_BASE, perm & ~had_perm, "", errp) ||
        !check(f, LOCK_USE_BASE, unshared & ~had_unshared, "shared ", errp)) {
        give_back(f->fd, LOCK_USE_BASE, perm, had_perm);
        give_back(f->fd, LOCK_UNSHARED_BASE, unshared, had_unshared);
        return false;
    }
    give_back(f->fd, LOCK_USE_BASE, had_perm, perm);
    give_back(f->fd, LOCK_UNSHARED_BASE, had_unshared, unshared);
    f->locked_perm = perm;
    f->locked_unshared = unshared;
    return true;
}

void block_file_move_locks(BlockFile *f, int fd)
{
    if (locks_wanted(f)) {
        /* Shared locks, and nobody takes others: they are to be had. */
        take(fd, LOCK_USE_BASE, 0, f->locked_perm);
        take(fd, LOCK_UNSHARED_BASE, 0, f->locked_unshared);
    }
}
