/*
 * Breakpoints. Software ones are an INT3 in guest memory with the byte under
 * it remembered; reads of GDB see that byte. Hardware ones are the
 * accelerator's, the same on every CPU.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "gdb-internal.h"

#define INT3 0xcc

/* 'Z' types (GDB manual E.2). */
enum {
    Z_SOFTWARE,
    Z_HARDWARE,
    Z_WRITE,
    Z_READ,
    Z_ACCESS
};

static size_t poke(GdbServer *s, uint64_t addr, uint8_t *byte, bool write)
{
    g_autoptr(X86CPUState) st = x86_state_new();

    if (!s->host->get_state(s->opaque, s->cpu, X86_STATE_REGS | X86_STATE_SREGS,
                            st, NULL)) {
        return 0;
    }
    return s->host->memory(s->opaque, st, addr, byte, 1, write);
}

static int insert_int3(GdbServer *s, uint64_t addr)
{
    uint64_t *key;
    uint8_t old, int3 = INT3;

    if (g_hash_table_contains(s->int3, &addr)) {
        return 0;
    }
    if (g_hash_table_size(s->int3) >= GDB_BREAKPOINTS_MAX ||
        !poke(s, addr, &old, false) || !poke(s, addr, &int3, true)) {
        return -1;
    }
    key = g_new(uint64_t, 1);
    *key = addr;
    g_hash_table_insert(s->int3, key, GUINT_TO_POINTER(old));
    return 0;
}

static int remove_int3(GdbServer *s, uint64_t addr)
{
    gpointer value;
    uint8_t old, now;

    if (!g_hash_table_lookup_extended(s->int3, &addr, NULL, &value)) {
        return 0;
    }
    old = (uint8_t)GPOINTER_TO_UINT(value);
    g_hash_table_remove(s->int3, &addr);
    /* The guest may have loaded something else there meanwhile. */
    if (poke(s, addr, &now, false) && now == INT3) {
        return poke(s, addr, &old, true) ? 0 : -1;
    }
    return 0;
}

static int set_point(GdbServer *s, AccelDebugPoint p, bool insert)
{
    AccelDebug *d = &s->debug;
    unsigned i;

    for (i = 0; i < d->n_points; i++) {
        if (d->point[i].kind == p.kind && d->point[i].addr == p.addr &&
            d->point[i].len == p.len) {
            break;
        }
    }
    if (insert && i == d->n_points) {
        if (i == ACCEL_DEBUG_POINTS) {
            return -1;
        }
        d->point[d->n_points++] = p;
    } else if (!insert && i < d->n_points) {
        d->point[i] = d->point[--d->n_points];
    }
    return 0;
}

int gdb_break_set(GdbServer *s, unsigned type, uint64_t addr, uint64_t kind,
                  bool insert)
{
    AccelDebugPoint p = { .addr = addr, .len = (unsigned)kind };

    switch (type) {
    case Z_SOFTWARE:
        return insert ? insert_int3(s, addr) : remove_int3(s, addr);
    case Z_HARDWARE:
        p.kind = ACCEL_DEBUG_EXEC;
        p.len = 1;
        return set_point(s, p, insert);
    case Z_WRITE:
        p.kind = ACCEL_DEBUG_WRITE;
        break;
    case Z_ACCESS:
        p.kind = ACCEL_DEBUG_ACCESS;
        break;
    default: /* there is none for reads alone */
        return 1;
    }
    if ((kind != 1 && kind != 2 && kind != 4 && kind != 8) || addr % kind) {
        return -1;
    }
    return set_point(s, p, insert);
}

void gdb_break_clear(GdbServer *s)
{
    g_autofree uint64_t **keys =
        (uint64_t **)g_hash_table_get_keys_as_array(s->int3, NULL);

    for (unsigned i = 0; keys[i]; i++) {
        remove_int3(s, *keys[i]);
    }
    g_hash_table_remove_all(s->int3);
    s->debug = (AccelDebug){ 0 };
}

void gdb_break_hide(GdbServer *s, uint64_t addr, uint8_t *buf, size_t len)
{
    GHashTableIter it;
    gpointer key, value;

    g_hash_table_iter_init(&it, s->int3);
    while (g_hash_table_iter_next(&it, &key, &value)) {
        uint64_t at = *(uint64_t *)key - addr;

        if (at < len && buf[at] == INT3) {
            buf[at] = (uint8_t)GPOINTER_TO_UINT(value);
        }
    }
}

void gdb_break_keep(GdbServer *s, uint64_t addr, uint8_t *buf, size_t len)
{
    GHashTableIter it;
    gpointer key, value;

    g_hash_table_iter_init(&it, s->int3);
    while (g_hash_table_iter_next(&it, &key, &value)) {
        uint64_t at = *(uint64_t *)key - addr;

        if (at < len) {
            g_hash_table_iter_replace(&it, GUINT_TO_POINTER(buf[at]));
            buf[at] = INT3;
        }
    }
}
