/*
 * Lock guards: the lock is given back when the scope ends, however it ends.
 *
 *   QEMU_LOCK_GUARD(&s->lock);          until the end of the block
 *   WITH_QEMU_LOCK_GUARD(&s->lock) { }  for this block only
 *
 * They take a QemuMutex, QemuRecMutex, CoMutex, QemuSpin or QemuLockable
 * pointer. QEMU_MAKE_LOCKABLE() also serves functions that wait on a queue
 * and have to give back whatever lock the caller holds.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_LOCKABLE_H
#define UTIL_LOCKABLE_H

#include "util/coroutine.h"
#include "util/thread.h"

typedef void QemuLockUnlockFunc(void *);

struct QemuLockable {
    void *object;
    QemuLockUnlockFunc *lock;
    QemuLockUnlockFunc *unlock;
};

/* Thunks, because calling through a cast function pointer is undefined. */
#define LOCKABLE_THUNKS_(prefix, type)                                         \
    static inline void lockable_##prefix##_lock_(void *obj)                    \
    {                                                                          \
        prefix##_lock((type *)obj);                                            \
    }                                                                          \
    static inline void lockable_##prefix##_unlock_(void *obj)                  \
    {                                                                          \
        prefix##_unlock((type *)obj);                                          \
    }
LOCKABLE_THUNKS_(qemu_mutex, QemuMutex)
LOCKABLE_THUNKS_(qemu_rec_mutex, QemuRecMutex)
LOCKABLE_THUNKS_(qemu_co_mutex, CoMutex)
LOCKABLE_THUNKS_(qemu_spin, QemuSpin)

#define LOCKABLE_OF_(x, prefix)                                                \
    (&(QemuLockable){ .object = (void *)(x),                                   \
                      .lock = lockable_##prefix##_lock_,                       \
                      .unlock = lockable_##prefix##_unlock_ })

static inline QemuLockable *lockable_same_(void *x)
{
    return (QemuLockable *)x;
}

/*
 * QEMU_MAKE_LOCKABLE:
 * @x: a lock pointer, not NULL
 *
 * Returns: a QemuLockable that lives as long as the enclosing block.
 */
#define QEMU_MAKE_LOCKABLE(x)                                                  \
    _Generic((x), QemuLockable *                                               \
             : lockable_same_((void *)(x)), QemuMutex *                        \
             : LOCKABLE_OF_(x, qemu_mutex), QemuRecMutex *                     \
             : LOCKABLE_OF_(x, qemu_rec_mutex), CoMutex *                      \
             : LOCKABLE_OF_(x, qemu_co_mutex), QemuSpin *                      \
             : LOCKABLE_OF_(x, qemu_spin))
/* The same for an @x that may be NULL, which gives NULL. */
#define QEMU_MAKE_LOCKABLE_NONNULL(x) QEMU_MAKE_LOCKABLE(x)

static inline void qemu_lockable_lock(QemuLockable *x)
{
    x->lock(x->object);
}

static inline void qemu_lockable_unlock(QemuLockable *x)
{
    x->unlock(x->object);
}

static inline QemuLockable *qemu_lockable_auto_lock(QemuLockable *x)
{
    qemu_lockable_lock(x);
    return x;
}

static inline void qemu_lockable_auto_unlock(QemuLockable *x)
{
    if (x) {
        qemu_lockable_unlock(x);
    }
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuLockable, qemu_lockable_auto_unlock)

#define QEMU_LOCK_GUARD(x)                                                     \
    g_autoptr(QemuLockable) glue(qemu_lockable_auto_, __COUNTER__)             \
        G_GNUC_UNUSED = qemu_lockable_auto_lock(QEMU_MAKE_LOCKABLE((x)))

#define WITH_QEMU_LOCK_GUARD_(x, var)                                          \
    for (g_autoptr(QemuLockable)                                               \
             var = qemu_lockable_auto_lock(QEMU_MAKE_LOCKABLE((x)));           \
         var; qemu_lockable_auto_unlock(var), var = NULL)
#define WITH_QEMU_LOCK_GUARD(x)                                                \
    WITH_QEMU_LOCK_GUARD_((x), glue(qemu_lockable_auto_, __COUNTER__))

#endif
