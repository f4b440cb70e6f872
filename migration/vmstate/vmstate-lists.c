/*
 * VMState: bitmaps, temporaries and containers.
 *
 * Lists and trees stand on the stream as elements each led by a byte 1, and
 * a byte 0 at the end. Their elements are allocated as they come, after a
 * count that is limited, so that a peer gets no more memory than it sends
 * bytes for (times the size of an element, and VMSTATE_LIST_MAX at most).
 *
 * An element that fails to load is freed, the ones before it stay linked:
 * the device's reset frees them, as it does those of a guest.
 *
 * Source: the documented QEMU migration stream (VMState wire rules).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/qemu-file.h"
#include "migration/vmstate/vmstate-internal.h"
#include "migration/vmstate/vmstate-json.h"
#include "util/bitmap.h"
#include "util/error.h"

/* -- bitmap: as be64 words, @size is bits ----------------------------------- */

#define BITS_PER_WORD64 64

static int get_bitmap(QEMUFile *f, void *pv, size_t size,
                      const VMStateField *field G_GNUC_UNUSED)
{
    unsigned long *bmp = (unsigned long *)pv;
    size_t longs = BITS_TO_LONGS(size);

    for (size_t i = 0; i < longs; i += BITS_PER_WORD64 / BITS_PER_LONG) {
        uint64_t word = qemu_get_be64(f);

        bmp[i] = (unsigned long)word;
        if (BITS_PER_LONG == 32 && i + 1 < longs) {
            bmp[i + 1] = (unsigned long)(word >> 32);
        }
    }
    return 0;
}

static int put_bitmap(QEMUFile *f, void *pv, size_t size,
                      const VMStateField *field G_GNUC_UNUSED,
                      JSONWriter *vmdesc G_GNUC_UNUSED)
{
    const unsigned long *bmp = (const unsigned long *)pv;
    size_t longs = BITS_TO_LONGS(size);

    for (size_t i = 0; i < longs; i += BITS_PER_WORD64 / BITS_PER_LONG) {
        uint64_t word = bmp[i];

        if (BITS_PER_LONG == 32 && i + 1 < longs) {
            word |= (uint64_t)bmp[i + 1] << 32;
        }
        qemu_put_be64(f, word);
    }
    return 0;
}

const VMStateInfo vmstate_info_bitmap = {
    .name = "bitmap",
    .get = get_bitmap,
    .put = put_bitmap,
};

/* -- tmp: a struct that lives for the call, beginning with its parent -------- */

static int get_tmp(QEMUFile *f, void *pv, size_t size,
                   const VMStateField *field)
{
    g_autofree void *tmp = g_malloc0(size);

    memcpy(tmp, &pv, sizeof(pv));
    return vmstate_load_state(f, field->vmsd, tmp, field->vmsd->version_id);
}

static int put_tmp(QEMUFile *f, void *pv, size_t size,
                   const VMStateField *field, JSONWriter *vmdesc)
{
    g_autofree void *tmp = g_malloc0(size);
    int ret;

    memcpy(tmp, &pv, sizeof(pv));
    if (vmdesc) {
        json_writer_start_object(vmdesc, "struct");
    }
    ret = vmstate_save_state(f, field->vmsd, tmp, vmdesc);
    if (vmdesc) {
        json_writer_end_object(vmdesc);
    }
    return ret;
}

const VMStateInfo vmstate_info_tmp = {
    .name = "tmp",
    .get = get_tmp,
    .put = put_tmp,
};

/* -- lists ------------------------------------------------------------------- */

/* The links of util/queue.h, whatever the element's type; moved by memcpy,
 * as the lists' users see them with types of their own. */
typedef struct TailqLinks {
    void *next;
    void *before;
    void *owner;
} TailqLinks;

typedef struct TailqHead {
    void *first;
    void *tail;
} TailqHead;

typedef struct ListLinks {
    void *next;
    void *prev; /* the pointer that points at us */
} ListLinks;

static void *link_next(const void *elem, size_t entry)
{
    void *next;

    memcpy(&next, (const char *)elem + entry, sizeof(next));
    return next;
}

/* All elements from @elem on; the links' first member is the next one. */
static int put_list(QEMUFile *f, const void *head, const VMStateField *field)
{
    int ret = 0;

    for (void *elem = link_next(head, 0); elem && ret == 0;
         elem = link_next(elem, field->start)) {
        qemu_put_byte(f, 1);
        ret = vmstate_save_state(f, field->vmsd, elem, NULL);
    }
    qemu_put_byte(f, 0);
    return ret;
}

/* Link @elem behind @last (NULL: it is the first). */
typedef void ListAppend(void *head, void *last, void *elem, size_t entry);

static void tailq_append(void *head, void *last, void *elem, size_t entry)
{
    TailqLinks links = { .before = last, .owner = head };

    memcpy((char *)elem + entry, &links, sizeof(links));
    memcpy(last ? (char *)last + entry : (char *)head, &elem, sizeof(elem));
    memcpy((char *)head + offsetof(TailqHead, tail), &elem, sizeof(elem));
}

static void list_append(void *head, void *last, void *elem, size_t entry)
{
    char *where = last ? (char *)last + entry : (char *)head;
    ListLinks links = { .prev = where };

    memcpy((char *)elem + entry, &links, sizeof(links));
    memcpy(where, &elem, sizeof(elem));
}

/* The byte before each element: 1 = one more, 0 = end, negative = failed. */
static int get_more(QEMUFile *f, const VMStateField *field, size_t n)
{
    int more = qemu_get_byte(f);

    if (qemu_file_get_error(f)) {
        return qemu_file_get_error(f);
    }
    if (more > 1) {
        return vmstate_fail_info(f, field, "byte 0x%02x before an element",
                                 (unsigned)more);
    }
    if (more && n >= VMSTATE_LIST_MAX) {
        return vmstate_fail_info(f, field, "more than %d elements",
                                 VMSTATE_LIST_MAX);
    }
    return more;
}

/* A zeroed element of @size bytes, loaded by @vmsd; NULL: @f failed. */
static void *get_elem(QEMUFile *f, const VMStateField *field,
                      const VMStateDescription *vmsd, size_t size)
{
    g_autofree void *elem = g_try_malloc0(MAX(size, 1));

    if (!elem) {
        vmstate_fail_info(f, field, "no memory for an element");
        return NULL;
    }
    if (vmstate_load_state(f, vmsd, elem, vmsd->version_id) < 0) {
        return NULL;
    }
    return g_steal_pointer(&elem);
}

static int get_list(QEMUFile *f, void *head, const VMStateField *field,
                    ListAppend *append)
{
    void *last = NULL;
    int more;

    if (link_next(head, 0)) {
        return vmstate_fail_info(f, field, "the list is not empty");
    }
    for (size_t n = 0; (more = get_more(f, field, n)) > 0; n++) {
        void *elem = get_elem(f, field, field->vmsd, field->size);

        if (!elem) {
            return -EINVAL;
        }
        append(head, last, elem, field->start);
        last = elem;
    }
    return more;
}

static int get_qtailq(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                      const VMStateField *field)
{
    return get_list(f, pv, field, tailq_append);
}

static int get_qlist(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                     const VMStateField *field)
{
    return get_list(f, pv, field, list_append);
}

static int put_qlist(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                     const VMStateField *field,
                     JSONWriter *vmdesc G_GNUC_UNUSED)
{
    return put_list(f, pv, field);
}

const VMStateInfo vmstate_info_qtailq = {
    .name = "qtailq",
    .get = get_qtailq,
    .put = put_qlist,
};

const VMStateInfo vmstate_info_qlist = {
    .name = "qlist",
    .get = get_qlist,
    .put = put_qlist,
};

/* -- gtree ------------------------------------------------------------------- */

typedef struct TreeSave {
    QEMUFile *f;
    const VMStateField *field;
    int ret;
} TreeSave;

static gboolean put_node(gpointer key, gpointer value, gpointer data)
{
    TreeSave *save = (TreeSave *)data;

    qemu_put_byte(save->f, 1);
    if (save->field->start == 0) {
        qemu_put_be64(save->f, (uint64_t)(uintptr_t)key);
    } else {
        save->ret =
            vmstate_save_state(save->f, &save->field->vmsd[1], key, NULL);
    }
    if (save->ret == 0) {
        save->ret =
            vmstate_save_state(save->f, &save->field->vmsd[0], value, NULL);
    }
    return save->ret != 0;
}

static int put_gtree(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                     const VMStateField *field,
                     JSONWriter *vmdesc G_GNUC_UNUSED)
{
    GTree *tree = *(GTree **)pv;
    TreeSave save = { .f = f, .field = field };

    qemu_put_be32(f, (unsigned)g_tree_nnodes(tree));
    g_tree_foreach(tree, put_node, &save);
    qemu_put_byte(f, 0);
    return save.ret;
}

static int get_node(QEMUFile *f, GTree *tree, const VMStateField *field)
{
    g_autofree void *owned_key = NULL;
    void *key, *value;

    if (field->start == 0) {
        key = (void *)(uintptr_t)qemu_get_be64(f);
    } else {
        key = owned_key = get_elem(f, field, &field->vmsd[1], field->start);
        if (!key) {
            return -EINVAL;
        }
    }
    value = get_elem(f, field, &field->vmsd[0], field->size);
    if (!value) {
        return -EINVAL;
    }
    owned_key = NULL; /* the tree's */
    g_tree_insert(tree, key, value);
    return 0;
}

static int get_gtree(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                     const VMStateField *field)
{
    GTree *tree = *(GTree **)pv;
    uint32_t nodes = qemu_get_be32(f);
    uint32_t n = 0;
    int more;

    if (!tree || g_tree_nnodes(tree) != 0) {
        return vmstate_fail_info(f, field, "there is no empty tree");
    }
    if (nodes > VMSTATE_LIST_MAX) {
        return vmstate_fail_info(f, field,
                                 "%" PRIu32 " nodes, at most %d are "
                                 "possible",
                                 nodes, VMSTATE_LIST_MAX);
    }
    while ((more = get_more(f, field, n)) > 0) {
        if (n++ == nodes) {
            return vmstate_fail_info(
                f, field, "more than the %" PRIu32 " nodes announced", nodes);
        }
        if (get_node(f, tree, field) < 0) {
            return -EINVAL;
        }
    }
    if (more == 0 && n != nodes) {
        return vmstate_fail_info(f, field,
                                 "%" PRIu32 " nodes announced, %" PRIu32
                                 " came",
                                 nodes, n);
    }
    return more;
}

const VMStateInfo vmstate_info_gtree = {
    .name = "gtree",
    .get = get_gtree,
    .put = put_gtree,
};
