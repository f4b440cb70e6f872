/*
 * What a virtio driver that breaks the rules gets: a device that stands still
 * until it is reset, and nothing else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bswap.h"

#include "fake-virtio.h"

static void expect_broken(Fixture *f)
{
    bool legacy = f->d.legacy;

    vd_kick(&f->d, f->q);
    vd_settle();
    g_assert_true(f->e->vdev.broken);
    g_assert_cmpuint(f->e->handled, ==, 0);
    g_assert_cmpuint(!!(vd_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET), ==,
                     !legacy);
    /* Only a reset helps. */
    vd_kick(&f->d, f->q);
    vd_settle();
    g_assert_cmpuint(f->e->handled, ==, 0);
    vd_start(&f->d, f->d.features);
    f->q = vd_queue(&f->d, 0, 0);
    vd_go(&f->d);
    echo_once(f, 1, 1, false);
}

static void hostile_loop(Fixture *f, bool packed, bool indirect)
{
    if (packed) {
        /* Every descriptor has a next one. */
        for (unsigned i = 0; i < f->q->num; i++) {
            uint8_t *p = vd_ptr(&f->d, f->q->desc + 16 * i);

            stq_le_p(p, 0x1000);
            stl_le_p(p + 8, 8);
            stw_le_p(p + 14, 1 | 1u << 7);
        }
    } else {
        vd_add_raw(&f->d, f->q, 0x1000, 8, 1, f->q->next_free);
    }
    expect_broken(f);
}

static void hostile_head(Fixture *f, bool packed, bool indirect)
{
    uint8_t *avail = vd_ptr(&f->d, f->q->driver);

    if (packed) {
        hostile_loop(f, packed, indirect);
        return;
    }
    stw_le_p(avail + 4, f->q->num);
    stw_le_p(avail + 2, 1);
    expect_broken(f);
}

static void hostile_index(Fixture *f, bool packed, bool indirect)
{
    uint8_t *avail = vd_ptr(&f->d, f->q->driver);

    if (packed) {
        hostile_loop(f, packed, indirect);
        return;
    }
    stw_le_p(avail + 2, (uint16_t)(f->q->num + 1));
    expect_broken(f);
}

static void hostile_next(Fixture *f, bool packed, bool indirect)
{
    if (packed) {
        hostile_loop(f, packed, indirect);
        return;
    }
    vd_add_raw(&f->d, f->q, 0x1000, 8, 1, f->q->num);
    expect_broken(f);
}

static void hostile_address(Fixture *f, bool packed, bool indirect)
{
    vd_add_raw(&f->d, f->q, VD_RAM_BYTES - 4, 8, 2, 0);
    expect_broken(f);
}

static void hostile_address_wraps(Fixture *f, bool packed, bool indirect)
{
    vd_add_raw(&f->d, f->q, UINT64_MAX - 3, 8, 0, 0);
    expect_broken(f);
}

static void hostile_length(Fixture *f, bool packed, bool indirect)
{
    vd_add_raw(&f->d, f->q, 0x1000, UINT32_MAX, 0, 0);
    expect_broken(f);
}

static void hostile_empty_buffer(Fixture *f, bool packed, bool indirect)
{
    vd_add_raw(&f->d, f->q, 0x1000, 0, 0, 0);
    expect_broken(f);
}

static void hostile_order(Fixture *f, bool packed, bool indirect)
{
    VdBuf bufs[] = { { 0x1000, 8, true }, { 0x2000, 8, false } };

    vd_add(&f->d, f->q, bufs, 2);
    expect_broken(f);
}

static void hostile_table_length(Fixture *f, bool packed, bool indirect)
{
    vd_add_raw(&f->d, f->q, 0x1000, 24, 4, 0);
    expect_broken(f);
}

static void hostile_table_huge(Fixture *f, bool packed, bool indirect)
{
    vd_add_raw(&f->d, f->q, 0x1000, 16 * (VIRTQUEUE_MAX_SIZE + 1), 4, 0);
    expect_broken(f);
}

static void hostile_table_nested(Fixture *f, bool packed, bool indirect)
{
    uint8_t *p = vd_ptr(&f->d, 0x1000);

    stq_le_p(p, 0x1000);
    stl_le_p(p + 8, 16);
    stw_le_p(p + (packed ? 14 : 12), 4);
    vd_add_raw(&f->d, f->q, 0x1000, 16, 4, 0);
    expect_broken(f);
}

static void hostile_table_loop(Fixture *f, bool packed, bool indirect)
{
    uint8_t *p = vd_ptr(&f->d, 0x1000);

    memset(p, 0, 32);
    for (int i = 0; i < 2; i++) {
        stq_le_p(p + 16 * i, 0x3000);
        stl_le_p(p + 16 * i + 8, packed && i ? 0 : 4);
        stw_le_p(p + 16 * i + 12, packed ? 0 : 1);
    }
    vd_add_raw(&f->d, f->q, 0x1000, 32, 4, 0);
    expect_broken(f);
}

static void hostile_table_outside(Fixture *f, bool packed, bool indirect)
{
    vd_add_raw(&f->d, f->q, VD_RAM_BYTES - 16, 32, 4, 0);
    expect_broken(f);
}

static void hostile_table_and_next(Fixture *f, bool packed, bool indirect)
{
    vd_add_raw(&f->d, f->q, 0x1000, 16, 5, 0);
    expect_broken(f);
}

typedef void HostileFunc(Fixture *f, bool packed, bool indirect);

static const struct {
    const char *name;
    HostileFunc *func;
} hostile[] = {
    { "loop", hostile_loop },
    { "head", hostile_head },
    { "index", hostile_index },
    { "next", hostile_next },
    { "address", hostile_address },
    { "address-wraps", hostile_address_wraps },
    { "length", hostile_length },
    { "empty-buffer", hostile_empty_buffer },
    { "order", hostile_order },
    { "table-length", hostile_table_length },
    { "table-huge", hostile_table_huge },
    { "table-nested", hostile_table_nested },
    { "table-loop", hostile_table_loop },
    { "table-outside", hostile_table_outside },
    { "table-and-next", hostile_table_and_next },
};

/* Each in a ring of each form; indirect tables also where they were not
 * negotiated. */
static void test_hostile(gconstpointer data)
{
    size_t n = GPOINTER_TO_SIZE(data);

    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        uint64_t features = modes[i].features;
        Fixture f;

        set_up_mode(&f, &modes[i], 0);
        hostile[n].func(&f, features & F(RING_PACKED),
                        features & F(INDIRECT_DESC));
        tear_down(&f, NULL);
    }
}

/* Rings that are not in memory, or not aligned. */
static void test_bad_rings(void)
{
    static const uint64_t where[] = { VD_RAM_BYTES, VD_RAM_BYTES - 16,
                                      UINT64_MAX - 15, 0x1008, 0x1001 };

    for (size_t i = 0; i < G_N_ELEMENTS(where); i++) {
        Fixture f;

        set_up_mode(&f, &modes[0], 0);
        vd_start(&f.d, 0);
        vd_queue(&f.d, 0, 0);
        vd_start(&f.d, 0);
        vd_write(&f.d, VD_Q_SELECT, 0, 2);
        vd_write(&f.d, VD_Q_DESC, (uint32_t)where[i], 4);
        vd_write(&f.d, VD_Q_DESC + 4, where[i] >> 32, 4);
        vd_write(&f.d, VD_Q_DRIVER, 0x4000, 4);
        vd_write(&f.d, VD_Q_DEVICE, 0x5000, 4);
        vd_write(&f.d, VD_Q_ENABLE, 1, 2);
        vd_go(&f.d);
        vd_settle();
        g_assert_true(f.e->vdev.broken);
        tear_down(&f, NULL);
    }
}

/* The memory below a ring moves away: the device notices. */
static void test_memory_goes(void)
{
    Fixture f;
    GuestMemoryRegion region = { .name = "extra", .size = 0x10000 };
    VdBuf buf;

    set_up_mode(&f, &modes[0], 0);
    region.host = g_aligned_alloc0(1, region.size, 4096);
    echo_once(&f, 1, 1, false);
    guest_memory_add(f.d.pci.memory, &region, 0x10000000);
    echo_once(&f, 1, 1, false);
    buf = (VdBuf){ 0x10000000, 8, true };
    vd_wait(&f.d, f.q, (vd_kick(&f.d, f.q), vd_add(&f.d, f.q, &buf, 1)));
    guest_memory_remove(&region);
    f.e->handled = 0;
    vd_add(&f.d, f.q, &buf, 1);
    expect_broken(&f);
    tear_down(&f, NULL);
    g_aligned_free(region.host);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fake_virtio_register();
    for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
        g_autofree char *path =
            g_strdup_printf("/virtio/hostile/%s", hostile[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_hostile);
    }
    g_test_add_func("/virtio/hostile/rings", test_bad_rings);
    g_test_add_func("/virtio/hostile/memory-goes", test_memory_goes);
    return g_test_run();
}
