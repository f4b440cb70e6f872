/*
 * Sets of descriptors and qemu_open().
 *
 * A set is a sorted array of its own descriptors plus a hash of duplicates
 * that qemu_open() handed out. A descriptor marked as removed stays open as
 * long as a duplicate exists: the number is still shown by the kernel, and
 * closing the original while a user holds a duplicate would let add-fd reuse
 * the number under query-fdsets' eyes.
 *
 * The one mutable file-scope state of this folder: descriptors belong to the
 * process, and code that opens a file by name has no object to carry the
 * registry. Everything is behind one lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/fdset.h"

#include "util/error.h"

#define FDSET_PREFIX "/dev/fdset/"

typedef struct FdsetFd {
    int fd;
    bool removed;
    char *opaque;
} FdsetFd;

typedef struct Fdset {
    int64_t id;
    GPtrArray *fds;   /* FdsetFd *, order of adding */
    GHashTable *dups; /* descriptor numbers handed out */
} Fdset;

static struct {
    GMutex lock;
    GPtrArray *sets; /* Fdset *, ascending by id; NULL before the first */
    unsigned fd_count;
    unsigned monitors;
} registry;

static void fdset_fd_free(void *p)
{
    FdsetFd *f = p;

    fd_close(f->fd);
    g_free(f->opaque);
    g_free(f);
    registry.fd_count--;
}

static void fdset_free(void *p)
{
    Fdset *set = p;

    g_ptr_array_unref(set->fds);
    g_hash_table_unref(set->dups);
    g_free(set);
}

static Fdset *fdset_find(int64_t id)
{
    for (guint i = 0; registry.sets && i < registry.sets->len; i++) {
        Fdset *set = g_ptr_array_index(registry.sets, i);

        if (set->id == id) {
            return set;
        }
    }
    return NULL;
}

/* Whether @fd still refers to a file of @set. */
static bool fdset_dup_is_live(Fdset *set, int fd)
{
    struct stat dup, own;

    if (fstat(fd, &dup) < 0) {
        return false;
    }
    for (guint i = 0; i < set->fds->len; i++) {
        FdsetFd *f = g_ptr_array_index(set->fds, i);

        if (fstat(f->fd, &own) == 0 && own.st_dev == dup.st_dev &&
            own.st_ino == dup.st_ino) {
            return true;
        }
    }
    return false;
}

/*
 * Forgets duplicates that were closed by plain close(), as a channel does
 * that only knows it owns some descriptor.
 */
static void fdset_forget_dead_dups(Fdset *set)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, set->dups);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        if (!fdset_dup_is_live(set, GPOINTER_TO_INT(key))) {
            g_hash_table_iter_remove(&iter);
        }
    }
}

/* Closes what nobody needs any more; may free @set. */
static void fdset_collect(Fdset *set)
{
    fdset_forget_dead_dups(set);
    if (g_hash_table_size(set->dups) > 0) {
        return;
    }
    for (guint i = set->fds->len; i > 0; i--) {
        FdsetFd *f = g_ptr_array_index(set->fds, i - 1);

        if (f->removed || registry.monitors == 0) {
            g_ptr_array_remove_index(set->fds, i - 1);
        }
    }
    if (set->fds->len == 0) {
        g_ptr_array_remove(registry.sets, set);
    }
}

static Fdset *fdset_create(bool has_id, int64_t id)
{
    Fdset *set = g_new0(Fdset, 1);
    guint pos = 0;

    if (!registry.sets) {
        registry.sets = g_ptr_array_new_with_free_func(fdset_free);
    }
    for (; pos < registry.sets->len; pos++) {
        Fdset *other = g_ptr_array_index(registry.sets, pos);

        if (has_id ? other->id > id : other->id != pos) {
            break;
        }
    }
    set->id = has_id ? id : pos;
    set->fds = g_ptr_array_new_with_free_func(fdset_fd_free);
    set->dups = g_hash_table_new(NULL, NULL);
    g_ptr_array_insert(registry.sets, pos, set);
    return set;
}

bool fdset_add(int fd, bool has_fdset_id, int64_t fdset_id, const char *opaque,
               int64_t *ret_fdset_id, Error **errp)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED =
        g_mutex_locker_new(&registry.lock);
    Fdset *set = NULL;
    FdsetFd *f;

    if (has_fdset_id && fdset_id < 0) {
        error_setg(errp, "fd set number '%" PRId64 "' is negative", fdset_id);
        return false;
    }
    if (fcntl(fd, F_GETFD) < 0) {
        error_setg_errno(errp, errno, "file descriptor %d is not open", fd);
        return false;
    }
    if (registry.fd_count >= FDSET_MAX_FDS) {
        error_setg(errp, "there are already %d file descriptors in fd sets",
                   FDSET_MAX_FDS);
        return false;
    }
    if (has_fdset_id) {
        set = fdset_find(fdset_id);
    }
    if (!set) {
        set = fdset_create(has_fdset_id, fdset_id);
    }
    f = g_new0(FdsetFd, 1);
    f->fd = fd;
    f->opaque = g_strdup(opaque);
    g_ptr_array_add(set->fds, f);
    registry.fd_count++;
    if (ret_fdset_id) {
        *ret_fdset_id = set->id;
    }
    return true;
}

bool fdset_remove(int64_t fdset_id, bool has_fd, int64_t fd, Error **errp)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED =
        g_mutex_locker_new(&registry.lock);
    Fdset *set = fdset_find(fdset_id);
    bool found = false;

    for (guint i = 0; set && i < set->fds->len; i++) {
        FdsetFd *f = g_ptr_array_index(set->fds, i);

        if (!f->removed && (!has_fd || f->fd == fd)) {
            f->removed = true;
            found = true;
        }
    }
    if (!found) {
        if (has_fd) {
            error_setg(errp,
                       "file descriptor %" PRId64 " is not in fd set %" PRId64,
                       fd, fdset_id);
        } else {
            error_setg(errp, "there is no fd set %" PRId64, fdset_id);
        }
        return false;
    }
    fdset_collect(set);
    return true;
}

void fdset_foreach(FdsetVisitFunc *func, void *data)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED =
        g_mutex_locker_new(&registry.lock);

    for (guint i = 0; registry.sets && i < registry.sets->len; i++) {
        Fdset *set = g_ptr_array_index(registry.sets, i);
        bool any = false;

        for (guint j = 0; j < set->fds->len; j++) {
            FdsetFd *f = g_ptr_array_index(set->fds, j);

            if (!f->removed) {
                func(set->id, f->fd, f->opaque, data);
                any = true;
            }
        }
        if (!any) {
            func(set->id, -1, NULL, data);
        }
    }
}

void fdset_monitor_ref(void)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED =
        g_mutex_locker_new(&registry.lock);

    registry.monitors++;
}

void fdset_monitor_unref(void)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED =
        g_mutex_locker_new(&registry.lock);

    assert(registry.monitors > 0);
    registry.monitors--;
    for (guint i = registry.sets ? registry.sets->len : 0; i > 0; i--) {
        fdset_collect(g_ptr_array_index(registry.sets, i - 1));
    }
}

bool fdset_parse_path(const char *path, int64_t *fdset_id)
{
    const char *digits;
    guint64 value;

    if (!g_str_has_prefix(path, FDSET_PREFIX)) {
        return false;
    }
    digits = path + strlen(FDSET_PREFIX);
    /* No sign, no blank, no leading zero games: plain digits only. */
    if (!g_ascii_isdigit(*digits) ||
        !g_ascii_string_to_unsigned(digits, 10, 0, INT64_MAX, &value, NULL)) {
        return false;
    }
    *fdset_id = value;
    return true;
}

/* Gives duplicate @fd the status flags and the length that open() would. */
static int fdset_apply_flags(int fd, int flags)
{
    const int settable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;
    int now = fcntl(fd, F_GETFL);

    if (now < 0) {
        return -1;
    }
    if ((now & settable) != (flags & settable) &&
        fcntl(fd, F_SETFL, (now & ~settable) | (flags & settable)) < 0) {
        return -1;
    }
    if ((flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY) {
        struct stat st;

        /* As open() does: only a regular file has a length to lose. */
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
            ftruncate(fd, 0) < 0) {
            return -1;
        }
    }
    return 0;
}

static int fdset_dup(Fdset *set, int flags)
{
    for (guint i = 0; i < set->fds->len; i++) {
        FdsetFd *f = g_ptr_array_index(set->fds, i);
        AUTO_FD fd = -1;
        int mode;

        if (f->removed) {
            continue;
        }
        mode = fcntl(f->fd, F_GETFL);
        if (mode < 0 || (mode & O_ACCMODE) != (flags & O_ACCMODE)) {
            continue;
        }
        fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0 || fdset_apply_flags(fd, flags) < 0) {
            return -1;
        }
        g_hash_table_add(set->dups, GINT_TO_POINTER(fd));
        return fd_steal(&fd);
    }
    errno = EACCES;
    return -1;
}

static int fdset_open_id(int64_t id, int flags)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED =
        g_mutex_locker_new(&registry.lock);
    Fdset *set = fdset_find(id);

    if (!set) {
        errno = ENOENT;
        return -1;
    }
    return fdset_dup(set, flags);
}

int fdset_open(const char *path, int flags, Error **errp)
{
    int64_t id;
    int fd;

    if (!fdset_parse_path(path, &id)) {
        error_setg(errp, "'%s' is not of the form " FDSET_PREFIX "N", path);
        errno = EINVAL;
        return -1;
    }
    fd = fdset_open_id(id, flags);
    if (fd >= 0) {
        return fd;
    }
    if (errno == ENOENT) {
        error_setg(errp, "could not open '%s': there is no such fd set", path);
        errno = ENOENT;
    } else if (errno == EACCES) {
        static const char *const modes[] = { "read-only", "write-only",
                                             "read-write" };

        error_setg(errp,
                   "could not open '%s': the fd set has no descriptor that "
                   "was opened %s",
                   path, modes[flags & O_ACCMODE]);
        errno = EACCES;
    } else {
        error_setg_file_open(errp, errno, path);
    }
    return -1;
}

/* open(2), EINTR retried: opening a FIFO or a terminal may be interrupted. */
static int open_plain(const char *name, int flags, mode_t mode)
{
    int fd;

    do {
        fd = open(name, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static int open_any(const char *name, int flags, mode_t mode, Error **errp)
{
    int64_t id;
    int fd;

    if (fdset_parse_path(name, &id)) {
        return fdset_open(name, flags, errp);
    }
    fd = open_plain(name, flags, mode);
    if (fd < 0) {
        int saved = errno;
        const char *verb = (flags & O_CREAT) ? "create" : "open";

        error_setg_errno(errp, saved, "could not %s '%s'", verb, name);
        if (saved == EINVAL && (flags & O_DIRECT)) {
            error_append_hint(errp,
                              "The file system may not support O_DIRECT.\n");
        }
        errno = saved;
    }
    return fd;
}

int qemu_open(const char *name, int flags, Error **errp)
{
    assert(!(flags & O_CREAT));
    return open_any(name, flags, 0, errp);
}

int qemu_create(const char *name, int flags, mode_t mode, Error **errp)
{
    assert(!(flags & O_DIRECTORY));
    return open_any(name, flags | O_CREAT, mode, errp);
}

int qemu_open_old(const char *name, int flags, ...)
{
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_list ap;

        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    return open_any(name, flags, mode, NULL);
}

int qemu_close(int fd)
{
    int ret, saved;

    g_mutex_lock(&registry.lock);
    for (guint i = 0; registry.sets && i < registry.sets->len; i++) {
        Fdset *set = g_ptr_array_index(registry.sets, i);

        if (g_hash_table_remove(set->dups, GINT_TO_POINTER(fd))) {
            fdset_collect(set);
            break;
        }
    }
    /* Under the lock: another thread must not find the number in use by a
     * new set before this one has let go of it. */
    ret = close(fd);
    saved = errno;
    g_mutex_unlock(&registry.lock);
    errno = saved;
    return ret;
}

int qemu_unlink(const char *name)
{
    int64_t id;

    return fdset_parse_path(name, &id) ? 0 : unlink(name);
}
