/*
 * A cache of tables: slices of L2 tables, refcount blocks.
 *
 * A hash finds a table by its place in the file; a clock hand that clears
 * `used` marks finds one to give up, among those that are clean and idle.
 * Memory of a table comes with its first use, and goes again when nobody used
 * it between two calls of qcow_cache_trim(). Tables that are dirty stand in a
 * list with the part of them that is.
 *
 * All changes are made under the domain's CoMutex; what readers without it
 * look at (hash, contents) also under the spin lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"
#include "util/host-utils.h"

bool qcow_cache_init(QcowCache *c, uint32_t table_bytes, uint64_t bytes,
                     QemuSpin *spin, Error **errp)
{
    uint64_t count = MAX(bytes / table_bytes, QCOW_CACHE_MIN_TABLES);
    uint64_t buckets = pow2ceil(count);

    c->tables = g_try_new0(QcowTable, count);
    c->buckets = g_try_new0(QcowTable *, buckets);
    if (!c->tables || !c->buckets || buckets > UINT32_MAX) {
        error_setg(errp,
                   "Cannot allocate a metadata cache of %" PRIu64 " bytes",
                   bytes);
        g_clear_pointer(&c->tables, g_free);
        g_clear_pointer(&c->buckets, g_free);
        return false;
    }
    c->table_bytes = table_bytes;
    c->table_bits = (unsigned)ctz32(table_bytes);
    c->count = (uint32_t)count;
    c->bucket_mask = (uint32_t)buckets - 1;
    c->hand = 0;
    c->spin = spin;
    QLIST_INIT(&c->dirty);
    return true;
}

void qcow_cache_deinit(QcowCache *c)
{
    for (uint32_t i = 0; c->tables && i < c->count; i++) {
        g_aligned_free(c->tables[i].data);
    }
    g_clear_pointer(&c->tables, g_free);
    g_clear_pointer(&c->buckets, g_free);
    c->count = 0;
}

static QcowTable **bucket_of(QcowCache *c, uint64_t offset)
{
    uint64_t n = offset >> c->table_bits;

    return &c->buckets[(n ^ n >> 17) & c->bucket_mask];
}

QcowTable *qcow_cache_find(QcowCache *c, uint64_t offset)
{
    QcowTable *t = *bucket_of(c, offset);

    while (t && t->offset != offset) {
        t = t->hash_next;
    }
    return t;
}

/* The spin lock is held. */
static void unhash(QcowCache *c, QcowTable *t)
{
    QcowTable **p = bucket_of(c, t->offset);

    while (*p != t) {
        p = &(*p)->hash_next;
    }
    *p = t->hash_next;
    t->offset = 0;
}

static bool may_go(const QcowTable *t)
{
    return !t->loading && !t->writing && t->dirty_from == t->dirty_to;
}

static QcowTable *clock_victim(QcowCache *c)
{
    for (uint32_t i = 0; i < 2 * c->count; i++) {
        QcowTable *t = &c->tables[c->hand];

        c->hand = c->hand + 1 == c->count ? 0 : c->hand + 1;
        if (!may_go(t)) {
            continue;
        }
        if (t->offset == 0 || !t->used) {
            return t;
        }
        t->used = false;
    }
    return NULL;
}

QcowTable *qcow_cache_take(QcowCache *c, uint64_t offset)
{
    QcowTable *t;

    qemu_spin_lock(c->spin);
    t = clock_victim(c);
    if (t) {
        QcowTable **p = bucket_of(c, offset);

        if (t->offset) {
            unhash(c, t);
        }
        t->offset = offset;
        t->hash_next = *p;
        t->loading = true;
        t->used = true;
        t->idle = false;
        *p = t;
    }
    qemu_spin_unlock(c->spin);
    if (t && !t->data) {
        t->data = g_aligned_alloc(1, c->table_bytes, 4096);
    }
    return t;
}

void qcow_cache_loaded(QcowCache *c, QcowTable *t, bool ok)
{
    qemu_spin_lock(c->spin);
    t->loading = false;
    if (!ok) {
        unhash(c, t);
    }
    qemu_spin_unlock(c->spin);
}

void qcow_cache_mark(QcowCache *c, QcowTable *t, uint32_t from, uint32_t bytes)
{
    if (t->dirty_from == t->dirty_to) {
        QLIST_INSERT_HEAD(&c->dirty, t, dirty);
        t->dirty_from = from;
        t->dirty_to = from + bytes;
        return;
    }
    t->dirty_from = MIN(t->dirty_from, from);
    t->dirty_to = MAX(t->dirty_to, from + bytes);
}

void qcow_cache_clean(QcowCache *c, QcowTable *t)
{
    if (t->dirty_from != t->dirty_to) {
        QLIST_REMOVE(t, dirty);
        t->dirty_from = t->dirty_to = 0;
    }
}

bool qcow_cache_forget(QcowCache *c, uint64_t offset, uint64_t bytes)
{
    bool ok = true;

    qemu_spin_lock(c->spin);
    for (uint64_t at = offset; ok && at < offset + bytes;
         at += c->table_bytes) {
        QcowTable *t = qcow_cache_find(c, at);

        ok = !t || may_go(t);
        if (t && ok) {
            unhash(c, t);
        }
    }
    qemu_spin_unlock(c->spin);
    return ok;
}

void qcow_cache_forget_all(QcowCache *c)
{
    qemu_spin_lock(c->spin);
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->tables[i].offset) {
            qcow_cache_clean(c, &c->tables[i]);
            unhash(c, &c->tables[i]);
        }
    }
    qemu_spin_unlock(c->spin);
}

void qcow_cache_trim(QcowCache *c)
{
    qemu_spin_lock(c->spin);
    for (uint32_t i = 0; i < c->count; i++) {
        QcowTable *t = &c->tables[i];

        if (may_go(t) && t->data && !t->used && t->idle) {
            if (t->offset) {
                unhash(c, t);
            }
            g_aligned_free(t->data);
            t->data = NULL;
        } else {
            t->idle = true;
            t->used = false;
        }
    }
    qemu_spin_unlock(c->spin);
}
