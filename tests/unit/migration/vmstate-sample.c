/*
 * See vmstate-sample.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "vmstate-sample.h"

typedef struct SampleTmp {
    Sample *parent;
    uint32_t half;
} SampleTmp;

static int tmp_pre_save(void *opaque)
{
    SampleTmp *tmp = opaque;

    tmp->half = tmp->parent->sum / 2;
    return 0;
}

static int tmp_post_load(void *opaque, int version_id G_GNUC_UNUSED)
{
    SampleTmp *tmp = opaque;

    tmp->parent->sum = tmp->half * 2;
    return 0;
}

static const VMStateDescription vmstate_tmp = {
    .name = "sample-tmp",
    .version_id = 1,
    .pre_save = tmp_pre_save,
    .post_load = tmp_post_load,
    .fields = (const VMStateField[]){ VMSTATE_UINT32(half, SampleTmp),
                                      VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_point = {
    .name = "sample-point",
    .version_id = 2,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT8(x, SamplePoint),
                                      VMSTATE_UINT16_V(y, SamplePoint, 2),
                                      VMSTATE_END_OF_LIST() },
};

/* As trees want them: the value's, then the key's. */
static const VMStateDescription vmstate_tree[2] = {
    {
        .name = "sample-item",
        .version_id = 1,
        .fields = (const VMStateField[]){ VMSTATE_UINT32(value, SampleItem),
                                          VMSTATE_END_OF_LIST() },
    },
    {
        .name = "sample-key",
        .version_id = 1,
        .fields = (const VMStateField[]){ VMSTATE_UINT8(x, SamplePoint),
                                          VMSTATE_END_OF_LIST() },
    },
};

static bool has_extra(void *opaque)
{
    return ((Sample *)opaque)->has_extra;
}

static const VMStateDescription vmstate_nested = {
    .name = "sample/extra/nested",
    .version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT32(extra_nested, Sample),
                                      VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_extra = {
    .name = "sample/extra",
    .version_id = 3,
    .minimum_version_id = 2,
    .needed = has_extra,
    .fields = (const VMStateField[]){ VMSTATE_UINT32(extra, Sample),
                                      VMSTATE_END_OF_LIST() },
    .subsections = (const VMStateDescription *const[]){ &vmstate_nested, NULL },
};

static bool sample_valid(void *opaque, int version_id G_GNUC_UNUSED)
{
    return ((Sample *)opaque)->u8 != 0xee;
}

static bool has_odd(void *opaque G_GNUC_UNUSED, int version_id)
{
    return version_id == 1;
}

static bool sample_post_load(void *opaque, int version_id G_GNUC_UNUSED,
                             Error **errp G_GNUC_UNUSED)
{
    ((Sample *)opaque)->post_loads++;
    return true;
}

const VMStateDescription vmstate_sample = {
    .name = "sample",
    .version_id = 2,
    .minimum_version_id = 1,
    .post_load_errp = sample_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_BOOL(b, Sample),
            VMSTATE_INT8(i8, Sample),
            VMSTATE_INT16(i16, Sample),
            VMSTATE_INT32(i32, Sample),
            VMSTATE_INT64(i64, Sample),
            VMSTATE_UINT8(u8, Sample),
            VMSTATE_UINT16(u16, Sample),
            VMSTATE_UINT32(u32, Sample),
            VMSTATE_UINT64(u64, Sample),
            VMSTATE_VALIDATE("u8 is not 0xee", sample_valid),
            VMSTATE_UINT32_EQUAL(equal, Sample, "a property"),
            VMSTATE_INT32_POSITIVE_LE(le, Sample),
            VMSTATE_CPUDOUBLE_ARRAY(doubles, Sample, 1),
            VMSTATE_TIMER(timer, Sample),
            VMSTATE_TIMER_PTR(timer_ptr, Sample),
            VMSTATE_BUFFER(buffer, Sample),
            VMSTATE_BUFFER_START_MIDDLE(part, Sample, 2),
            VMSTATE_UINT32(vsize, Sample),
            VMSTATE_VBUFFER_UINT32(vbuffer, Sample, 0, NULL, vsize),
            VMSTATE_UINT32(alloc_size, Sample),
            VMSTATE_VBUFFER_ALLOC_UINT32_MAX(alloc_buffer, Sample, 0, NULL,
                                             alloc_size, 64),
            VMSTATE_INT32(bits, Sample),
            VMSTATE_BITMAP(bitmap, Sample, 0, bits),
            VMSTATE_UINT16_ARRAY(array, Sample, 2),
            VMSTATE_UINT8_2DARRAY(grid, Sample, 2, 2),
            VMSTATE_UINT16(n_in, Sample),
            VMSTATE_VARRAY_UINT16_UNSAFE(in, Sample, n_in, 0,
                                         vmstate_info_uint16, uint16_t),
            VMSTATE_UINT32(n_rows, Sample),
            VMSTATE_VARRAY_MULTIPLY(rows, Sample, n_rows, 2, vmstate_info_uint8,
                                    uint8_t),
            VMSTATE_INT32(n_out, Sample),
            VMSTATE_VARRAY_INT32(out, Sample, n_out, 0, vmstate_info_uint32,
                                 uint32_t),
            VMSTATE_UINT32(n_alloc, Sample),
            VMSTATE_VARRAY_UINT32_ALLOC_MAX(
                alloc, Sample, n_alloc, 0, vmstate_info_uint16, uint16_t, 1000),
            VMSTATE_STRUCT(point, Sample, 0, vmstate_point, SamplePoint),
            VMSTATE_VSTRUCT(vpoint, Sample, vmstate_point, SamplePoint, 1),
            VMSTATE_STRUCT_POINTER(point_ptr, Sample, vmstate_point,
                                   SamplePoint),
            VMSTATE_STRUCT_ARRAY(points, Sample, 2, 0, vmstate_point,
                                 SamplePoint),
            VMSTATE_UINT8(n_points_in, Sample),
            VMSTATE_STRUCT_VARRAY_UINT8(points_in, Sample, n_points_in, 0,
                                        vmstate_point, SamplePoint),
            VMSTATE_UINT32(n_points_out, Sample),
            VMSTATE_STRUCT_VARRAY_POINTER_UINT32(
                points_out, Sample, n_points_out, vmstate_point, SamplePoint),
            VMSTATE_INT32(n_points_alloc, Sample),
            VMSTATE_STRUCT_VARRAY_ALLOC_MAX(points_alloc, Sample,
                                            n_points_alloc, 0, vmstate_point,
                                            SamplePoint, 1000),
            VMSTATE_ARRAY_OF_POINTER_TO_STRUCT(point_ptrs, Sample, 3, 0,
                                               vmstate_point, SamplePoint),
            VMSTATE_QTAILQ(tail, Sample, vmstate_tree[0], SampleItem,
                           tail_next),
            VMSTATE_QLIST_V(list, Sample, 0, vmstate_tree[0], SampleItem,
                            list_next),
            VMSTATE_GTREE_V(tree, Sample, 0, vmstate_tree, SamplePoint,
                            SampleItem),
            VMSTATE_GTREE_DIRECT_KEY_V(direct_tree, Sample, 0, vmstate_tree,
                                       SampleItem),
            VMSTATE_WITH_TMP(Sample, SampleTmp, vmstate_tmp),
            VMSTATE_UNUSED(2),
            VMSTATE_UNUSED_TEST(has_odd, 1),
            VMSTATE_UINT8_V(new_field, Sample, 2),
            VMSTATE_END_OF_LIST(),
        },
    .subsections = (const VMStateDescription *const[]){ &vmstate_extra, NULL },
};

static gint compare_keys(gconstpointer a, gconstpointer b,
                         gpointer data G_GNUC_UNUSED)
{
    return ((const SamplePoint *)a)->x - ((const SamplePoint *)b)->x;
}

static gint compare_direct(gconstpointer a, gconstpointer b,
                           gpointer data G_GNUC_UNUSED)
{
    return (uintptr_t)a < (uintptr_t)b ? -1 : (uintptr_t)a > (uintptr_t)b;
}

static void timer_cb(void *opaque G_GNUC_UNUSED)
{
}

Sample *sample_new(void)
{
    Sample *s = g_new0(Sample, 1);

    s->equal = 0x11223344;
    s->le = 7;
    timer_init_ns(&s->timer, QEMU_CLOCK_VIRTUAL, timer_cb, NULL);
    s->timer_ptr = timer_new_ns(QEMU_CLOCK_VIRTUAL, timer_cb, NULL);
    s->vsize = SAMPLE_ROOM;
    s->vbuffer = g_new0(uint8_t, SAMPLE_ROOM);
    s->bits = SAMPLE_ROOM * 64;
    s->bitmap = bitmap_new(SAMPLE_ROOM * 64);
    s->n_out = SAMPLE_ROOM;
    s->out = g_new0(uint32_t, SAMPLE_ROOM);
    s->n_points_out = SAMPLE_ROOM;
    s->points_out = g_new0(SamplePoint, SAMPLE_ROOM);
    s->point_ptr = g_new0(SamplePoint, 1);
    s->point_ptrs[0] = g_new0(SamplePoint, 1);
    s->point_ptrs[2] = g_new0(SamplePoint, 1);
    QTAILQ_INIT(&s->tail);
    QLIST_INIT(&s->list);
    s->tree = g_tree_new_full(compare_keys, NULL, g_free, g_free);
    s->direct_tree = g_tree_new_full(compare_direct, NULL, NULL, g_free);
    return s;
}

void sample_add(Sample *s, uint32_t value)
{
    SampleItem *items[4], *last = NULL;
    SamplePoint *key = g_new0(SamplePoint, 1);

    for (int i = 0; i < 4; i++) {
        items[i] = g_new0(SampleItem, 1);
        items[i]->value = value;
    }
    QTAILQ_INSERT_TAIL(&s->tail, items[0], tail_next);
    QLIST_FOREACH(last, &s->list, list_next) {
        if (!QLIST_NEXT(last, list_next)) {
            break;
        }
    }
    if (last) {
        QLIST_INSERT_AFTER(last, items[1], list_next);
    } else {
        QLIST_INSERT_HEAD(&s->list, items[1], list_next);
    }
    key->x = (uint8_t)value;
    g_tree_insert(s->tree, key, items[2]);
    g_tree_insert(s->direct_tree, (void *)(uintptr_t)value, items[3]);
}

Sample *sample_new_filled(void)
{
    Sample *s = sample_new();

    s->b = true;
    s->i8 = -2;
    s->i16 = -3;
    s->i32 = -4;
    s->i64 = -5;
    s->u8 = 6;
    s->u16 = 0x0708;
    s->u32 = 0x090a0b0c;
    s->u64 = 0x0d0e0f1011121314;
    s->le = 3;
    s->doubles[0].d = 1.0;
    timer_mod_ns(&s->timer, 0x7000000000000001);
    memcpy(s->buffer, "abc", 3);
    memcpy(s->part, "wxyz", 4);
    s->vsize = 2;
    memcpy(s->vbuffer, "VW", 2);
    s->alloc_size = 1;
    s->alloc_buffer = g_memdup2("A", 1);
    s->bits = 65;
    set_bit(0, s->bitmap);
    set_bit(64, s->bitmap);
    s->array[0] = 0x0102;
    s->array[1] = 0x0304;
    memcpy(s->grid, "\x21\x22\x23\x24", 4);
    s->n_in = 1;
    s->in[0] = 0x3132;
    s->n_rows = 1;
    memcpy(s->rows, "\x41\x42", 2);
    s->n_out = 1;
    s->out[0] = 0x51525354;
    s->n_alloc = 1;
    s->alloc = g_new0(uint16_t, 1);
    s->alloc[0] = 0x6162;
    s->point = (SamplePoint){ 0x71, 0x7273 };
    s->vpoint = (SamplePoint){ 0x74, 0x7576 };
    *s->point_ptr = (SamplePoint){ 0x77, 0x7879 };
    s->points[1] = (SamplePoint){ 0x81, 0x8283 };
    s->n_points_in = 1;
    s->points_in[0] = (SamplePoint){ 0x84, 0x8586 };
    s->n_points_out = 1;
    s->points_out[0] = (SamplePoint){ 0x87, 0x8889 };
    s->n_points_alloc = 1;
    s->points_alloc = g_new0(SamplePoint, 1);
    s->points_alloc[0] = (SamplePoint){ 0x8a, 0x8b8c };
    *s->point_ptrs[0] = (SamplePoint){ 0x91, 0x9293 };
    *s->point_ptrs[2] = (SamplePoint){ 0x94, 0x9596 };
    sample_add(s, 0xa1);
    sample_add(s, 0xa2);
    s->sum = 10;
    s->new_field = 0xb1;
    return s;
}

void sample_free(Sample *s)
{
    SampleItem *item, *tmp;

    if (!s) {
        return;
    }
    timer_deinit(&s->timer);
    timer_free(s->timer_ptr);
    g_free(s->vbuffer);
    g_free(s->alloc_buffer);
    g_free(s->bitmap);
    g_free(s->out);
    g_free(s->alloc);
    g_free(s->point_ptr);
    g_free(s->points_out);
    g_free(s->points_alloc);
    g_free(s->point_ptrs[0]);
    g_free(s->point_ptrs[2]);
    QTAILQ_FOREACH_SAFE(item, &s->tail, tail_next, tmp) {
        QTAILQ_REMOVE(&s->tail, item, tail_next);
        g_free(item);
    }
    QLIST_FOREACH_SAFE(item, &s->list, list_next, tmp) {
        QLIST_REMOVE(item, list_next);
        g_free(item);
    }
    g_tree_destroy(s->tree);
    g_tree_destroy(s->direct_tree);
    g_free(s);
}
