/*
 * Writes that would destroy metadata, and what happens when one is caught.
 *
 * Before anything is written to the image file, its place is compared with
 * that of the tables we know, but for the one that is meant (property
 * overlap-check says which kinds). So a broken image cannot get worse: it is
 * marked as corrupt in its header, BLOCK_IMAGE_CORRUPTED is sent, and nothing
 * is written to it any more. L2 tables and refcount blocks are found by a
 * hash of their clusters.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/internal.h"
#include "qapi/qapi-events-block.h"
#include "qapi/util.h"
#include "util/error-report.h"

static const struct {
    const char *name;
    unsigned kind;
    const char *text;
} kinds[] = {
    { "main-header", QCOW_META_HEADER, "qcow2_header" },
    { "active-l1", QCOW_META_ACTIVE_L1, "active L1 table" },
    { "active-l2", QCOW_META_ACTIVE_L2, "active L2 table" },
    { "refcount-block", QCOW_META_REFBLOCK, "refcount block" },
    { "refcount-table", QCOW_META_REFTABLE, "refcount table" },
    { "snapshot-table", QCOW_META_SNAPSHOTS, "snapshot table" },
    { "inactive-l1", QCOW_META_INACTIVE_L1, "inactive L1 table" },
    { "inactive-l2", QCOW_META_INACTIVE_L2, "inactive L2 table" },
    { "bitmap-directory", QCOW_META_BITMAPS, "bitmap directory" },
};

/* -- the property -------------------------------------------------------------- */

static bool parse_template(const char *text, unsigned *ret, Error **errp)
{
    static const struct {
        const char *name;
        unsigned kinds;
    } templates[] = {
        { "none", 0 },
        { "constant", QCOW_META_HEADER | QCOW_META_REFTABLE |
                          QCOW_META_ACTIVE_L1 | QCOW_META_SNAPSHOTS |
                          QCOW_META_BITMAPS },
        { "cached", QCOW_META_CACHED },
        { "all", QCOW_META_ALL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(templates); i++) {
        if (g_str_equal(text, templates[i].name)) {
            *ret = templates[i].kinds;
            return true;
        }
    }
    error_setg(errp,
               "Unsupported value '%s' for qcow2 option 'overlap-check'. "
               "Allowed are any of the following: none, constant, "
               "cached, all",
               text);
    return false;
}

static bool parse_member(BlockQcow2 *s, const char *key, const json_t *value,
                         Error **errp)
{
    bool on = json_is_true(value);

    if (g_str_equal(key, "template")) {
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!g_str_equal(key, kinds[i].name)) {
            continue;
        }
        if (json_is_string(value)) {
            if (!qapi_bool_parse(key, json_string_value(value), &on, errp)) {
                return false;
            }
        } else if (!json_is_boolean(value)) {
            error_setg(errp, "parameter 'overlap-check.%s' must be a boolean",
                       key);
            return false;
        }
        s->overlap_check = on ? s->overlap_check | kinds[i].kind
                              : s->overlap_check & ~kinds[i].kind;
        return true;
    }
    error_setg(errp, "parameter 'overlap-check.%s' is unexpected", key);
    return false;
}

bool qcow_overlap_parse(BlockQcow2 *s, Error **errp)
{
    json_t *ref = s->overlap_ref;
    const char *text = "cached";
    const char *key;
    json_t *value;

    if (json_is_string(ref)) {
        text = json_string_value(ref);
    } else if (json_is_object(ref)) {
        if (json_is_string(json_object_get(ref, "template"))) {
            text = json_string_value(json_object_get(ref, "template"));
        }
    } else if (ref) {
        error_setg(errp, "parameter 'overlap-check' must be a string or an "
                         "object");
        return false;
    }
    if (!parse_template(text, &s->overlap_check, errp)) {
        return false;
    }
    json_object_foreach(ref, key, value)
    {
        if (!parse_member(s, key, value, errp)) {
            return false;
        }
    }
    return true;
}

/* -- looking --------------------------------------------------------------------- */

/* A value of the hash: kinds, and above them how many entries of the active L1
 * table name the cluster. A good image has one; a strange one may have more,
 * and the cluster is a table until the last of them is gone. */
#define NAMED_ONCE ((size_t)QCOW_META_ALL + 1)

static size_t lookup(const BlockQcow2 *s, uint64_t cluster)
{
    return GPOINTER_TO_SIZE(
        g_hash_table_lookup(s->metadata, GSIZE_TO_POINTER(cluster)));
}

void qcow_metadata_add(BlockQcow2 *s, uint64_t offset, unsigned kind)
{
    uint64_t cluster = offset >> s->cluster_bits;
    size_t value;

    qemu_spin_lock(&s->spin);
    value = lookup(s, cluster) | kind;
    if (kind == QCOW_META_ACTIVE_L2) {
        value += NAMED_ONCE;
    }
    g_hash_table_insert(s->metadata, GSIZE_TO_POINTER(cluster),
                        GSIZE_TO_POINTER(value));
    qemu_spin_unlock(&s->spin);
}

void qcow_metadata_remove_table(BlockQcow2 *s, uint64_t offset)
{
    uint64_t cluster = offset >> s->cluster_bits;
    size_t value;

    qemu_spin_lock(&s->spin);
    value = lookup(s, cluster);
    if (value >= NAMED_ONCE) {
        value -= NAMED_ONCE;
    }
    if (value < NAMED_ONCE) {
        value &= ~(size_t)QCOW_META_ACTIVE_L2;
    }
    if (value) {
        g_hash_table_insert(s->metadata, GSIZE_TO_POINTER(cluster),
                            GSIZE_TO_POINTER(value));
    } else {
        g_hash_table_remove(s->metadata, GSIZE_TO_POINTER(cluster));
    }
    qemu_spin_unlock(&s->spin);
}

/* Inactive L2 tables are read only for those who asked for them. */
static bool load_inactive(BlockQcow2 *s, Error **errp)
{
    for (uint32_t i = 0; i < s->header.nb_snapshots; i++) {
        const QcowSnapshot *sn = &s->snapshots[i];
        g_autofree uint64_t *l1 =
            qcow_read_l1(s, sn->l1_offset, sn->l1_size, errp);

        if (!l1) {
            return false;
        }
        for (uint32_t k = 0; k < sn->l1_size; k++) {
            uint64_t offset = l1[k] & QCOW_OFFSET_MASK;

            if (offset) {
                qcow_metadata_add(s, offset, QCOW_META_INACTIVE_L2);
            }
        }
    }
    return true;
}

bool qcow_overlap_load(BlockQcow2 *s, Error **errp)
{
    g_hash_table_remove_all(s->metadata);
    for (uint32_t i = 0; i < s->l1_size; i++) {
        if (s->l1[i] & QCOW_OFFSET_MASK) {
            qcow_metadata_add(s, s->l1[i] & QCOW_OFFSET_MASK,
                              QCOW_META_ACTIVE_L2);
        }
    }
    for (uint32_t i = 0; i < s->reftable_size; i++) {
        if (s->reftable[i] & QCOW_REFTABLE_MASK) {
            qcow_metadata_add(s, s->reftable[i] & QCOW_REFTABLE_MASK,
                              QCOW_META_REFBLOCK);
        }
    }
    return !(s->overlap_check & QCOW_META_INACTIVE_L2) ||
           load_inactive(s, errp);
}

static bool meets(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

static unsigned in_tables(const BlockQcow2 *s, uint64_t offset, uint64_t bytes)
{
    const QcowHeader *h = &s->header;
    unsigned found = 0;

    if (offset < s->cluster_bytes) {
        found |= QCOW_META_HEADER;
    }
    if (meets(offset, bytes, s->l1_offset, (uint64_t)s->l1_size * 8)) {
        found |= QCOW_META_ACTIVE_L1;
    }
    if (meets(offset, bytes, h->reftable_offset,
              (uint64_t)h->reftable_clusters << s->cluster_bits)) {
        found |= QCOW_META_REFTABLE;
    }
    if (h->nb_snapshots &&
        meets(offset, bytes, h->snapshots_offset, s->snapshots_bytes)) {
        found |= QCOW_META_SNAPSHOTS;
    }
    if (h->has_bitmaps &&
        meets(offset, bytes, h->bitmap_dir_offset, h->bitmap_dir_size)) {
        found |= QCOW_META_BITMAPS;
    }
    for (uint32_t i = 0; s->snapshots && i < h->nb_snapshots; i++) {
        if (meets(offset, bytes, s->snapshots[i].l1_offset,
                  (uint64_t)s->snapshots[i].l1_size * 8)) {
            found |= QCOW_META_INACTIVE_L1;
        }
    }
    return found;
}

unsigned qcow_overlaps(BlockQcow2 *s, unsigned ignore, uint64_t offset,
                       uint64_t bytes)
{
    unsigned look = s->overlap_check & ~ignore;
    unsigned found;

    if (look == 0) {
        return 0;
    }
    qemu_spin_lock(&s->spin);
    found = in_tables(s, offset, bytes);
    if (look &
        (QCOW_META_ACTIVE_L2 | QCOW_META_REFBLOCK | QCOW_META_INACTIVE_L2)) {
        for (uint64_t c = offset >> s->cluster_bits;
             c << s->cluster_bits < offset + bytes; c++) {
            found |= (unsigned)lookup(s, c);
        }
    }
    qemu_spin_unlock(&s->spin);
    return found & look;
}

/* -- reporting --------------------------------------------------------------------- */

static void send_event(BlockQcow2 *s, bool fatal, int64_t offset, int64_t bytes,
                       const char *text)
{
    BlockNode *node = BLOCK_NODE(s);

    qapi_event_send_block_image_corrupted("", node->named ? node->name : NULL,
                                          text, offset >= 0, offset, bytes >= 0,
                                          bytes, fatal);
}

int coroutine_fn qcow_corrupt(BlockQcow2 *s, bool fatal, int64_t offset,
                              int64_t bytes, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;
    bool first;

    fatal = fatal && s->active;
    first = fatal ? !qatomic_xchg(&s->broken, true)
                  : !qatomic_xchg(&s->signaled, true);
    if (!first || (!fatal && qatomic_read(&s->broken))) {
        return -EIO;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    send_event(s, fatal, offset, bytes, text);
    error_report(
        "qcow2: %s: %s%s", BLOCK_NODE(s)->name,
        fatal ? "Marking image as corrupt: " : "Image is corrupt: ", text);
    if (fatal) {
        /* Alone, whatever else waits to be written. */
        uint8_t buf[8];

        stq_be_p(buf,
                 qatomic_read(&s->header.incompatible) | QCOW_INCOMPAT_CORRUPT);
        if (s->header.version >= 3 &&
            node_co_pwrite(s->file.node, QCOW_HEADER_OFS_INCOMPAT, 8, buf, 0) ==
                0) {
            node_co_flush(s->file.node);
        }
    }
    return -EIO;
}

int coroutine_fn qcow_overlap_refuse(BlockQcow2 *s, unsigned ignore,
                                     uint64_t offset, uint64_t bytes)
{
    unsigned found;

    if (qatomic_read(&s->broken)) {
        return -EIO;
    }
    found = qcow_overlaps(s, ignore, offset, bytes);
    for (size_t i = 0; found && i < G_N_ELEMENTS(kinds); i++) {
        if (found & kinds[i].kind) {
            return qcow_corrupt(s, true, (int64_t)offset, (int64_t)bytes,
                                "Preventing invalid write on metadata "
                                "(overlaps with %s)",
                                kinds[i].text);
        }
    }
    return 0;
}
