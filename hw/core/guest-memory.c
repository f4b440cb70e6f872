/*
 * Guest-physical RAM: the flat list of pieces and how it changes.
 *
 * Regions are few (RAM, the BIOS segments, memory BARs), so the list is made
 * anew from all of them at each change and compared with the one before. The
 * accelerator hears only of pieces that differ; those that vanish go first.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/guest-memory.h"

#include "hw/core/ram-blocks-internal.h"
#include "hw/core/snapshot.h"
#include "trace/trace-hw.h"
#include "util/error.h"

/* Immutable once it is published. */
typedef struct FlatView {
    unsigned n;
    GuestRAM piece[];
} FlatView;

struct GuestMemory {
    AccelState *accel;
    RAMBlocks *blocks;
    GPtrArray *regions; /* GuestMemoryRegion; highest priority first */
    GPtrArray *owned;   /* those of guest_memory_map() */
    Snapshot view;      /* FlatView */
    unsigned generation;
    unsigned depth; /* of guest_memory_begin() */
    bool changed;
};

/* -- making the list --------------------------------------------------------- */

static int compare_addr(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Every address where the list may change, ascending. */
static GArray *boundaries(GuestMemory *gm)
{
    GArray *at = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    for (guint i = 0; i < gm->regions->len; i++) {
        const GuestMemoryRegion *r = g_ptr_array_index(gm->regions, i);
        uint64_t end = r->gpa + r->size;

        g_array_append_val(at, r->gpa);
        g_array_append_val(at, end);
    }
    g_array_sort(at, compare_addr);
    return at;
}

/* NULL: nothing, or a hole. */
static GuestMemoryRegion *winner(GuestMemory *gm, uint64_t gpa)
{
    for (guint i = 0; i < gm->regions->len; i++) {
        GuestMemoryRegion *r = g_ptr_array_index(gm->regions, i);

        if (gpa - r->gpa < r->size && gpa >= r->gpa) {
            return r->host ? r : NULL;
        }
    }
    return NULL;
}

static FlatView *flat_view_new(unsigned max)
{
    return g_malloc0(sizeof(FlatView) + max * sizeof(GuestRAM));
}

/* Can @b's next bytes be one piece with @a's last ones? Both are seen. */
static bool continues(const GuestMemoryRegion *a, const GuestMemoryRegion *b)
{
    return a == b ||
           (a->group && a->group == b->group && a->readonly == b->readonly &&
            (uint64_t)(uintptr_t)a->host - a->gpa ==
                (uint64_t)(uintptr_t)b->host - b->gpa);
}

static FlatView *flatten(GuestMemory *gm)
{
    g_autoptr(GArray) at = boundaries(gm);
    FlatView *view = flat_view_new(at->len);
    GuestMemoryRegion *last = NULL;

    for (guint i = 0; i + 1 < at->len; i++) {
        uint64_t from = g_array_index(at, uint64_t, i);
        uint64_t size = g_array_index(at, uint64_t, i + 1) - from;
        GuestMemoryRegion *r = size ? winner(gm, from) : last;

        if (r && last && continues(last, r)) {
            view->piece[view->n - 1].size += size;
        } else if (r) {
            view->piece[view->n++] =
                (GuestRAM){ from, size, (uint8_t *)r->host + (from - r->gpa),
                            r->readonly };
        }
        last = r;
    }
    return view;
}

static bool has_piece(const FlatView *view, const GuestRAM *p)
{
    for (unsigned i = 0; i < view->n; i++) {
        const GuestRAM *q = &view->piece[i];

        if (q->gpa == p->gpa && q->size == p->size && q->host == p->host &&
            q->readonly == p->readonly) {
            return true;
        }
    }
    return false;
}

static void accel_unmap(GuestMemory *gm, const GuestRAM *p)
{
    Error *err = NULL;

    if (gm->accel && !ACCEL_GET_CLASS(gm->accel)->unmap_ram(gm->accel, p->gpa,
                                                            p->size, &err)) {
        trace_guest_memory_refused(p->gpa, p->size, error_get_pretty(err));
        error_free(err);
    }
}

static bool accel_map(GuestMemory *gm, const GuestRAM *p, Error **errp)
{
    return !gm->accel || ACCEL_GET_CLASS(gm->accel)->map_ram(
                             gm->accel, p->gpa, p->size, p->host,
                             p->readonly ? ACCEL_RAM_READONLY : 0, errp);
}

/* Tell the accelerator what differs, and make @view the list; a piece that is
 * refused leaves @view. The first refusal is in *@err. */
static void accel_update(GuestMemory *gm, const FlatView *old, FlatView *view,
                         Error **err)
{
    bool logging = ram_log_change_begin(gm->blocks);
    unsigned n = 0;

    for (unsigned i = 0; i < old->n; i++) {
        if (!has_piece(view, &old->piece[i])) {
            if (logging) {
                ram_log_piece_goes(gm->blocks, &old->piece[i]);
            }
            accel_unmap(gm, &old->piece[i]);
        }
    }
    for (unsigned i = 0; i < view->n; i++) {
        GuestRAM p = view->piece[i];
        Error *why = NULL;

        if (has_piece(old, &p) || accel_map(gm, &p, &why)) {
            view->piece[n++] = p;
            continue;
        }
        trace_guest_memory_refused(p.gpa, p.size, error_get_pretty(why));
        if (*err) {
            error_free(why);
        } else {
            *err = why;
        }
    }
    view->n = n;
    /* Before somebody can sync by the old list. */
    g_free(snapshot_replace(&gm->view, view));
    ram_log_change_end(gm->blocks);
}

static void update(GuestMemory *gm, Error **err)
{
    FlatView *view = flatten(gm);

    gm->changed = false;
    accel_update(gm, gm->view.data, view, err);
    trace_guest_memory_update(view->n);
    qatomic_inc(&gm->generation);
}

static void region_changed(GuestMemory *gm)
{
    Error *err = NULL;

    if (gm->depth) {
        gm->changed = true;
        return;
    }
    update(gm, &err);
    error_free(err);
}

void guest_memory_begin(GuestMemory *gm)
{
    gm->depth++;
}

void guest_memory_commit(GuestMemory *gm)
{
    if (--gm->depth == 0 && gm->changed) {
        region_changed(gm);
    }
}

/* -- regions ------------------------------------------------------------------- */

static void region_insert(GuestMemory *gm, GuestMemoryRegion *region,
                          uint64_t gpa)
{
    guint n = 0;

    assert(!region->gm && region->size && gpa + region->size > gpa);
    while (n < gm->regions->len &&
           ((GuestMemoryRegion *)gm->regions->pdata[n])->priority >
               region->priority) {
        n++;
    }
    region->gpa = gpa;
    region->gm = gm;
    g_ptr_array_insert(gm->regions, (gint)n, region);
}

void guest_memory_add(GuestMemory *gm, GuestMemoryRegion *region, uint64_t gpa)
{
    region_insert(gm, region, gpa);
    region_changed(gm);
}

void guest_memory_remove(GuestMemoryRegion *region)
{
    GuestMemory *gm = region->gm;

    if (gm) {
        g_ptr_array_remove(gm->regions, region);
        region->gm = NULL;
        region_changed(gm);
    }
}

void guest_memory_set_readonly(GuestMemoryRegion *region, bool readonly)
{
    if (region->readonly != readonly) {
        region->readonly = readonly;
        if (region->gm) {
            region_changed(region->gm);
        }
    }
}

static bool overlaps(GuestMemory *gm, uint64_t gpa, uint64_t size)
{
    for (guint i = 0; i < gm->regions->len; i++) {
        const GuestMemoryRegion *r = g_ptr_array_index(gm->regions, i);

        if (gpa < r->gpa + r->size && r->gpa < gpa + size) {
            return true;
        }
    }
    return false;
}

bool guest_memory_map(GuestMemory *gm, AccelState *accel, uint64_t gpa,
                      uint64_t size, void *host, Error **errp)
{
    GuestMemoryRegion *region;
    Error *err = NULL;

    if (overlaps(gm, gpa, size)) {
        error_setg(
            errp, "RAM at guest address 0x%" PRIx64 " overlaps other RAM", gpa);
        return false;
    }
    if (accel) {
        gm->accel = accel;
    }
    region = g_new0(GuestMemoryRegion, 1);
    region->name = "ram";
    region->host = host;
    region->size = size;
    region->priority = GUEST_MEMORY_PRIO_BOARD;
    g_ptr_array_add(gm->owned, region);
    region_insert(gm, region, gpa);
    update(gm, &err);
    if (err) {
        error_propagate(errp, err);
        return false;
    }
    return true;
}

GuestMemory *guest_memory_new(void)
{
    GuestMemory *gm = g_new0(GuestMemory, 1);

    gm->regions = g_ptr_array_new();
    gm->owned = g_ptr_array_new_with_free_func(g_free);
    gm->view.data = flat_view_new(0);
    gm->blocks = ram_blocks_new(gm);
    return gm;
}

void guest_memory_free(GuestMemory *gm)
{
    if (gm) {
        for (guint i = 0; i < gm->regions->len; i++) {
            ((GuestMemoryRegion *)gm->regions->pdata[i])->gm = NULL;
        }
        ram_blocks_free(gm->blocks);
        g_ptr_array_unref(gm->regions);
        g_ptr_array_unref(gm->owned);
        g_free(gm->view.data);
        g_free(gm);
    }
}

/* -- reading ---------------------------------------------------------------------- */

static const GuestRAM *find(const FlatView *view, uint64_t gpa)
{
    unsigned low = 0;
    unsigned high = view->n;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (view->piece[mid].gpa <= gpa) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == 0 ||
        gpa - view->piece[low - 1].gpa >= view->piece[low - 1].size) {
        return NULL;
    }
    return &view->piece[low - 1];
}

static uint8_t *piece_ptr(GuestMemory *gm, uint64_t gpa, uint64_t *len,
                          bool is_write)
{
    SnapshotReader reader;
    const FlatView *view = snapshot_enter(&gm->view, &reader);
    const GuestRAM *r = find(view, gpa);
    uint8_t *p = NULL;

    if (r && !(is_write && r->readonly)) {
        p = r->host + (gpa - r->gpa);
        *len = MIN(*len, r->size - (gpa - r->gpa));
    }
    snapshot_leave(&reader);
    return p;
}

uint8_t *guest_memory_ptr(GuestMemory *gm, uint64_t gpa, uint64_t len)
{
    uint64_t have = len;
    uint8_t *p = piece_ptr(gm, gpa, &have, true);

    return have == len ? p : NULL;
}

const uint8_t *guest_memory_rom_ptr(GuestMemory *gm, uint64_t gpa, uint64_t len)
{
    uint64_t have = len;
    uint8_t *p = piece_ptr(gm, gpa, &have, false);

    return have == len ? p : NULL;
}

static bool is_memory(const FlatView *view, uint64_t gpa, uint64_t len,
                      bool is_write)
{
    while (len) {
        const GuestRAM *r = find(view, gpa);
        uint64_t n;

        if (!r || (is_write && r->readonly)) {
            return false;
        }
        n = MIN(len, r->size - (gpa - r->gpa));
        gpa += n;
        len -= n;
    }
    return true;
}

typedef void PieceFunc(uint8_t *host, uint8_t *buf, size_t len);

static bool each_piece(GuestMemory *gm, uint64_t gpa, uint64_t len,
                       uint8_t *buf, bool is_write, PieceFunc *fn)
{
    SnapshotReader reader;
    const FlatView *view = snapshot_enter(&gm->view, &reader);
    bool ok = is_memory(view, gpa, len, is_write);

    while (ok && len) {
        const GuestRAM *r = find(view, gpa);
        uint64_t n = MIN(len, r->size - (gpa - r->gpa));

        fn(r->host + (gpa - r->gpa), buf, n);
        buf = buf ? buf + n : NULL;
        gpa += n;
        len -= n;
    }
    snapshot_leave(&reader);
    return ok;
}

static void piece_read(uint8_t *host, uint8_t *buf, size_t len)
{
    memcpy(buf, host, len);
}

static void piece_write(uint8_t *host, uint8_t *buf, size_t len)
{
    memcpy(host, buf, len);
}

static void piece_zero(uint8_t *host, uint8_t *buf, size_t len)
{
    memset(host, 0, len);
}

bool guest_memory_read(GuestMemory *gm, uint64_t gpa, void *buf, size_t len)
{
    return each_piece(gm, gpa, len, buf, false, piece_read);
}

bool guest_memory_write(GuestMemory *gm, uint64_t gpa, const void *buf,
                        size_t len)
{
    if (!each_piece(gm, gpa, len, (uint8_t *)buf, true, piece_write)) {
        return false;
    }
    guest_memory_written(gm, gpa, len);
    return true;
}

bool guest_memory_zero(GuestMemory *gm, uint64_t gpa, uint64_t len)
{
    if (!each_piece(gm, gpa, len, NULL, true, piece_zero)) {
        return false;
    }
    guest_memory_written(gm, gpa, len);
    return true;
}

void *guest_memory_dma_map(GuestMemory *gm, uint64_t gpa, uint64_t *len,
                           bool is_write)
{
    return *len ? piece_ptr(gm, gpa, len, is_write) : NULL;
}

void guest_memory_dma_unmap(GuestMemory *gm, uint64_t gpa, uint64_t written)
{
    guest_memory_written(gm, gpa, written);
}

/* Into the log, if one is on. */
static void log_written(GuestMemory *gm, uint64_t gpa, uint64_t len)
{
    SnapshotReader reader;
    const FlatView *view;

    if (!ram_blocks_logging(gm->blocks)) {
        return;
    }
    view = snapshot_enter(&gm->view, &reader);
    while (len) {
        const GuestRAM *r = find(view, gpa);
        uint64_t n = r ? MIN(len, r->size - (gpa - r->gpa)) : len;

        if (r) {
            ram_blocks_written(gm->blocks, r->host + (gpa - r->gpa), n);
        }
        gpa += n;
        len -= n;
    }
    snapshot_leave(&reader);
}

void guest_memory_written(GuestMemory *gm, uint64_t gpa, uint64_t len)
{
    if (gm->accel && len) {
        AccelClass *ac = ACCEL_GET_CLASS(gm->accel);

        if (ac->ram_written) {
            ac->ram_written(gm->accel, gpa, len);
        }
        log_written(gm, gpa, len);
    }
}

RAMBlocks *guest_memory_blocks(GuestMemory *gm)
{
    return gm->blocks;
}

AccelState *guest_memory_accel(GuestMemory *gm)
{
    return gm->accel;
}

unsigned guest_memory_generation(GuestMemory *gm)
{
    return qatomic_load_acquire(&gm->generation);
}

GuestRAM *guest_memory_pieces(GuestMemory *gm, size_t *ret_n)
{
    SnapshotReader reader;
    const FlatView *view = snapshot_enter(&gm->view, &reader);
    GuestRAM *copy = g_new(GuestRAM, view->n + 1);

    memcpy(copy, view->piece, view->n * sizeof(GuestRAM));
    *ret_n = view->n;
    snapshot_leave(&reader);
    return copy;
}
