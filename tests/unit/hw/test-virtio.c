/*
 * Virtio rings and registers, by a driver of our own and a device that gives
 * back what it is sent; and what a driver that breaks the rules gets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/pci/msix.h"
#include "hw/types.h"
#include "hw/virtio/virtio-transport.h"
#include "util/bswap.h"
#include "util/main-loop.h"

#include "virtio-driver.h"

#define TYPE_ECHO_BASE "virtio-echo-pci-base"
#define TYPE_ECHO      "virtio-echo-pci"
OBJECT_DECLARE_SIMPLE_TYPE(EchoPCI, ECHO_BASE)

#define ECHO_QUEUES     2
#define ECHO_QUEUE_SIZE 128

struct EchoPCI {
    VirtIOPCIProxy parent_obj;

    VirtIODevice vdev;
    unsigned handled;
    bool hold; /* leave requests in the ring */
    uint8_t config[8];
};

static EchoPCI *echo_of(VirtIODevice *vdev)
{
    return container_of(vdev, EchoPCI, vdev);
}

static void echo_handle(VirtIODevice *vdev, VirtQueue *vq)
{
    EchoPCI *e = echo_of(vdev);
    VirtQueueElement *elem;

    if (e->hold) {
        return;
    }
    virtio_queue_set_notification(vq, false);
    while ((elem = virtqueue_pop(vq, sizeof(*elem)))) {
        size_t len = virtio_element_out_size(elem);
        g_autofree uint8_t *copy = g_malloc(len + 1);

        virtio_element_read(elem, 0, copy, len);
        len = virtio_element_write(elem, 0, copy, len);
        virtqueue_push(vq, elem, len);
        g_free(elem);
        e->handled++;
    }
    virtio_queue_set_notification(vq, true);
    virtio_notify(vdev, vq);
}

static void echo_get_config(VirtIODevice *vdev, uint8_t *config)
{
    memcpy(config, echo_of(vdev)->config, sizeof(echo_of(vdev)->config));
}

static void echo_set_config(VirtIODevice *vdev, const uint8_t *config)
{
    memcpy(echo_of(vdev)->config, config, sizeof(echo_of(vdev)->config));
}

static void echo_queue_reset(VirtIODevice *vdev, VirtQueue *vq)
{
}

static const VirtioDeviceClass echo_class = {
    .name = "virtio-echo",
    .device_id = VIRTIO_ID_RNG,
    .config_len = 8,
    .get_config = echo_get_config,
    .set_config = echo_set_config,
    .queue_reset = echo_queue_reset,
};

static bool echo_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    EchoPCI *e = ECHO_BASE(proxy);

    virtio_device_realize(&e->vdev, &echo_class, DEVICE(proxy),
                          virtio_pci_memory(proxy), qemu_get_aio_context(),
                          ECHO_QUEUES);
    for (int i = 0; i < ECHO_QUEUES; i++) {
        virtio_add_queue(&e->vdev, ECHO_QUEUE_SIZE, echo_handle);
    }
    return true;
}

static void echo_unrealize(VirtIOPCIProxy *proxy)
{
    virtio_device_unrealize(&ECHO_BASE(proxy)->vdev);
}

static void echo_class_init(ObjectClass *oc, void *data)
{
    VirtioPCIClass *vpc = VIRTIO_PCI_CLASS(oc);

    vpc->vdev_offset = offsetof(EchoPCI, vdev);
    vpc->class_code = PCI_CLASS_OTHERS;
    vpc->legacy_device_id = 0x1005;
    vpc->realize = echo_realize;
    vpc->unrealize = echo_unrealize;
}

static const Property echo_props[] = { VIRTIO_FEATURE_PROPS(EchoPCI, vdev),
                                       {} };

static const TypeInfo echo_base_type = {
    .name = TYPE_ECHO_BASE,
    .parent = TYPE_VIRTIO_PCI,
    .abstract = true,
    .instance_size = sizeof(EchoPCI),
    .class_init = echo_class_init,
    .props = echo_props,
};
VIRTIO_PCI_TYPES(echo, TYPE_ECHO_BASE, TYPE_ECHO);

/* -- fixture ------------------------------------------------------------------ */

typedef struct Mode {
    const char *name;
    bool legacy;
    uint64_t features;
} Mode;

#define F(bit) VIRTIO_FEATURE(VIRTIO_F_##bit)

static const Mode modes[] = {
    { "split", false, 0 },
    { "split-event", false, F(EVENT_IDX) },
    { "split-indirect", false, F(EVENT_IDX) | F(INDIRECT_DESC) },
    { "packed", false, F(RING_PACKED) },
    { "packed-event", false, F(RING_PACKED) | F(EVENT_IDX) },
    { "packed-indirect", false,
      F(RING_PACKED) | F(EVENT_IDX) | F(INDIRECT_DESC) },
    { "legacy", true, 0 },
    { "legacy-event", true, F(EVENT_IDX) | F(INDIRECT_DESC) },
};

typedef struct Fixture {
    VirtDriver d;
    EchoPCI *e;
    VdQueue *q;
} Fixture;

static void set_up_mode(Fixture *f, const Mode *m, uint16_t num)
{
    vd_init(&f->d);
    vd_new(&f->d, TYPE_ECHO, "packed", "on", NULL);
    f->e = ECHO_BASE(f->d.proxy);
    vd_map(&f->d, m->legacy);
    vd_start(&f->d, m->features);
    f->q = vd_queue(&f->d, 0, num);
    vd_go(&f->d);
}

static void set_up(Fixture *f, gconstpointer data)
{
    set_up_mode(f, data, 0);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    vd_deinit(&f->d);
}

/* -- rings in order ---------------------------------------------------------------- */

/* One request of @n_out and @n_in buffers of odd sizes. */
static void echo_once(Fixture *f, unsigned n_out, unsigned n_in, bool indirect)
{
    VdBuf bufs[32];
    uint64_t brk = f->d.brk;
    unsigned total = 0;
    unsigned id;
    uint32_t len;

    for (unsigned i = 0; i < n_out + n_in; i++) {
        uint32_t bytes = i < n_out ? 3 + i : n_out * (3 + n_out);
        uint64_t at = vd_alloc(&f->d, bytes, 1);

        bufs[i] = (VdBuf){ at, bytes, i >= n_out };
        for (uint32_t j = 0; i < n_out && j < bytes; j++, total++) {
            ((uint8_t *)vd_ptr(&f->d, at))[j] = (uint8_t)(total * 7 + 1);
        }
    }
    id = indirect ? vd_add_indirect(&f->d, f->q, bufs, n_out + n_in)
                  : vd_add(&f->d, f->q, bufs, n_out + n_in);
    vd_kick(&f->d, f->q);
    len = vd_wait(&f->d, f->q, id);
    if (n_in) {
        const uint8_t *p = vd_ptr(&f->d, bufs[n_out].addr);

        g_assert_cmpuint(len, ==, total);
        for (uint32_t j = 0; j < MIN(total, bufs[n_out].len); j++) {
            g_assert_cmpint(p[j], ==, (uint8_t)(j * 7 + 1));
        }
    } else {
        g_assert_cmpuint(len, ==, 0);
    }
    f->d.brk = brk;
}

/* Round the ring many times, with chains of many lengths. */
static void test_echo(Fixture *f, gconstpointer data)
{
    const Mode *m = data;
    unsigned rounds = 2000;

    for (unsigned i = 0; i < rounds; i++) {
        echo_once(f, 1 + i % 5, i % 3,
                  (m->features & F(INDIRECT_DESC)) && i % 2);
    }
    g_assert_cmpuint(f->e->handled, ==, rounds);
    g_assert_false(f->e->vdev.broken);
}

/* The whole ring in one go, more than once. */
static void test_full_ring(Fixture *f, gconstpointer data)
{
    uint64_t at = vd_alloc(&f->d, 64, 64);
    VdBuf buf = { at, 4, true };

    for (int round = 0; round < 5; round++) {
        unsigned ids[VD_RING_MAX];

        for (unsigned i = 0; i < f->q->num; i++) {
            ids[i] = vd_add(&f->d, f->q, &buf, 1);
        }
        vd_kick(&f->d, f->q);
        for (unsigned i = 0; i < f->q->num; i++) {
            vd_wait(&f->d, f->q, ids[i]);
        }
    }
    g_assert_cmpuint(f->e->handled, ==, 5 * f->q->num);
}

static unsigned interrupts(Fixture *f)
{
    /* Without MSI-X in the test: the ISR register. */
    return (unsigned)vd_read(&f->d, f->d.legacy ? 19 : VD_ISR, 1);
}

/* Interrupts: wanted, not wanted, at an index. */
static void test_interrupts(Fixture *f, gconstpointer data)
{
    const Mode *m = data;
    bool event = m->features & F(EVENT_IDX);
    bool packed = m->features & F(RING_PACKED);
    VdBuf buf = { vd_alloc(&f->d, 8, 8), 8, true };
    uint8_t *driver = vd_ptr(&f->d, f->q->driver);

    echo_once(f, 1, 1, false);
    g_assert_true(f->d.pci.line[3]); /* slot 3, INTA */
    g_assert_cmpuint(interrupts(f), ==, 1);
    g_assert_false(f->d.pci.line[3]);
    if (packed) {
        stw_le_p(driver + 2, 1); /* disable */
    } else {
        stw_le_p(driver, 1);                     /* no interrupt */
        stw_le_p(driver + 4 + 2 * f->q->num, 5); /* or: at index 5 */
    }
    for (int i = 1; i < 6; i++) {
        vd_wait(&f->d, f->q,
                (vd_kick(&f->d, f->q), vd_add(&f->d, f->q, &buf, 1)));
        vd_kick(&f->d, f->q);
        vd_settle();
        g_assert_cmpuint(interrupts(f), ==, event && !packed && i == 5 ? 1 : 0);
    }
}

/* The driver is told not to ring while the device looks at the ring, and to
 * ring afterwards. */
static void test_notification(Fixture *f, gconstpointer data)
{
    const Mode *m = data;
    const uint8_t *device = vd_ptr(&f->d, f->q->device);

    echo_once(f, 1, 1, false);
    if (m->features & F(RING_PACKED)) {
        g_assert_cmpuint(lduw_le_p(device + 2), ==,
                         m->features & F(EVENT_IDX) ? 2 : 0);
        if (m->features & F(EVENT_IDX)) {
            g_assert_cmpuint(lduw_le_p(device), ==,
                             f->q->avail_idx | (f->q->avail_wrap ? 0x8000 : 0));
        }
    } else if (m->features & F(EVENT_IDX)) {
        g_assert_cmpuint(lduw_le_p(device + 4 + 8 * f->q->num), ==,
                         f->q->avail_idx);
    } else {
        g_assert_cmpuint(lduw_le_p(device), ==, 0);
    }
}

static void test_reset(Fixture *f, gconstpointer data)
{
    const Mode *m = data;

    echo_once(f, 2, 1, false);
    vd_set_status(&f->d, 0);
    g_assert_cmpuint(vd_status(&f->d), ==, 0);
    vd_kick(&f->d, f->q);
    vd_settle();
    g_assert_cmpuint(f->e->handled, ==, 1);
    vd_start(&f->d, m->features);
    f->q = vd_queue(&f->d, 0, 0);
    vd_go(&f->d);
    echo_once(f, 2, 1, false);
    g_assert_cmpuint(f->e->handled, ==, 2);
}

/* Requests and bells before DRIVER_OK are not lost. */
static void test_early_bell(Fixture *f, gconstpointer data)
{
    const Mode *m = data;
    VdBuf buf = { vd_alloc(&f->d, 8, 8), 8, true };
    unsigned id;

    vd_start(&f->d, m->features);
    f->q = vd_queue(&f->d, 0, 0);
    id = vd_add(&f->d, f->q, &buf, 1);
    vd_kick(&f->d, f->q);
    vd_settle();
    g_assert_cmpuint(f->e->handled, ==, 0);
    vd_go(&f->d);
    vd_wait(&f->d, f->q, id);
}

/* Without bus mastering the device does not touch memory. */
static void test_bus_master(Fixture *f, gconstpointer data)
{
    VdBuf buf = { vd_alloc(&f->d, 8, 8), 8, true };
    unsigned id;

    fake_pci_write(&f->d.pci, f->d.devfn, PCI_COMMAND,
                   PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
    id = vd_add(&f->d, f->q, &buf, 1);
    vd_kick(&f->d, f->q);
    vd_settle();
    g_assert_cmpuint(f->e->handled, ==, 0);
    fake_pci_write(&f->d.pci, f->d.devfn, PCI_COMMAND,
                   PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    vd_wait(&f->d, f->q, id);
}

static void test_stopped(Fixture *f, gconstpointer data)
{
    VdBuf buf = { vd_alloc(&f->d, 8, 8), 8, true };
    unsigned id;

    virtio_set_running(f->d.vdev, false);
    id = vd_add(&f->d, f->q, &buf, 1);
    vd_kick(&f->d, f->q);
    vd_settle();
    g_assert_cmpuint(f->e->handled, ==, 0);
    virtio_set_running(f->d.vdev, true);
    vd_wait(&f->d, f->q, id);
}

/* -- rules broken ---------------------------------------------------------------------- */

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

/* -- registers ------------------------------------------------------------------------- */

static void test_features(void)
{
    Fixture f;

    set_up_mode(&f, &modes[0], 0);
    vd_set_status(&f.d, 0);
    vd_set_status(&f.d, 3);
    /* A bit that was not offered is not accepted. */
    vd_write(&f.d, VD_GFSELECT, 1, 4);
    vd_write(&f.d, VD_GF, 0xffffffff, 4);
    vd_set_status(&f.d, 11);
    g_assert_cmpuint(vd_status(&f.d), ==, 3);
    /* Nor packed rings without VERSION_1. */
    vd_write(&f.d, VD_GF, 1u << (VIRTIO_F_RING_PACKED - 32), 4);
    vd_set_status(&f.d, 11);
    g_assert_cmpuint(vd_status(&f.d), ==, 3);
    vd_write(&f.d, VD_GF, 1, 4);
    vd_set_status(&f.d, 11);
    g_assert_cmpuint(vd_status(&f.d), ==, 11);
    /* Too late for another wish. */
    vd_write(&f.d, VD_GF, 0, 4);
    g_assert_cmphex(f.e->vdev.guest_features, ==, F(VERSION_1));
    /* A select beyond the words gives nothing. */
    vd_write(&f.d, VD_DFSELECT, 2, 4);
    g_assert_cmpuint(vd_read(&f.d, VD_DF, 4), ==, 0);
    tear_down(&f, NULL);
}

static void test_modern_only(void)
{
    VirtDriver d;

    vd_init(&d);
    vd_new(&d, TYPE_ECHO "-non-transitional", NULL);
    g_assert_cmphex(fake_pci_read(&d.pci, d.devfn, 0, 4), ==, 0x10441af4);
    g_assert_cmphex(fake_pci_read(&d.pci, d.devfn, 8, 4), ==, 0x00ff0001);
    vd_map(&d, false);
    g_assert_cmphex(fake_pci_read(&d.pci, d.devfn, 0x10, 4), ==, 0);
    vd_set_status(&d, 3);
    /* Without VERSION_1 there is no way to talk. */
    vd_set_status(&d, 11);
    g_assert_cmpuint(vd_status(&d), ==, 3);
    vd_deinit(&d);
}

static unsigned find_cap(VirtDriver *d, uint8_t type)
{
    unsigned at = fake_pci_read(&d->pci, d->devfn, PCI_CAPABILITY_LIST, 1);

    for (int i = 0; at && i < 48; i++) {
        if (fake_pci_read(&d->pci, d->devfn, at, 1) == PCI_CAP_ID_VNDR &&
            fake_pci_read(&d->pci, d->devfn, at + 3, 1) == type) {
            return at;
        }
        at = fake_pci_read(&d->pci, d->devfn, at + 1, 1);
    }
    return 0;
}

/* What a driver finds, to the byte. */
static void test_golden(void)
{
    static const struct {
        uint8_t type, bytes;
        uint32_t offset, length;
    } caps[] = {
        { 1, 16, 0x0000, 0x1000 },
        { 3, 16, 0x1000, 0x1000 },
        { 4, 16, 0x2000, 0x1000 },
        { 2, 20, 0x3000, 0x1000 },
    };
    Fixture f;
    FakePCI *p = &f.d.pci;
    unsigned devfn;

    set_up_mode(&f, &modes[0], 0);
    devfn = f.d.devfn;
    g_assert_cmphex(fake_pci_read(p, devfn, 0, 4), ==, 0x10051af4);
    g_assert_cmphex(fake_pci_read(p, devfn, 8, 4), ==, 0x00ff0000);
    g_assert_cmphex(fake_pci_read(p, devfn, 0x2c, 4), ==, 0x00041af4);
    g_assert_cmphex(fake_pci_read(p, devfn, 0x3d, 1), ==, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(caps); i++) {
        unsigned at = find_cap(&f.d, caps[i].type);

        g_assert_cmpuint(at, !=, 0);
        g_assert_cmpuint(fake_pci_read(p, devfn, at + 2, 1), ==, caps[i].bytes);
        g_assert_cmpuint(fake_pci_read(p, devfn, at + 4, 1), ==, 4);
        g_assert_cmphex(fake_pci_read(p, devfn, at + 8, 4), ==, caps[i].offset);
        g_assert_cmphex(fake_pci_read(p, devfn, at + 12, 4), ==,
                        caps[i].length);
    }
    g_assert_cmpuint(fake_pci_read(p, devfn, find_cap(&f.d, 2) + 16, 4), ==, 4);
    g_assert_cmpuint(msix_nr_vectors(PCI_DEVICE(f.d.proxy)), ==, 3);
    g_assert_cmpuint(vd_read(&f.d, VD_NUMQ, 2), ==, ECHO_QUEUES);
    vd_write(&f.d, VD_Q_SELECT, 1, 2);
    g_assert_cmpuint(vd_read(&f.d, VD_Q_SIZE, 2), ==, ECHO_QUEUE_SIZE);
    g_assert_cmpuint(vd_read(&f.d, VD_Q_NOFF, 2), ==, 1);
    g_assert_cmpuint(vd_read(&f.d, VD_Q_MSIX, 2), ==, VIRTIO_NO_VECTOR);
    vd_write(&f.d, VD_Q_SELECT, ECHO_QUEUES, 2);
    g_assert_cmpuint(vd_read(&f.d, VD_Q_SIZE, 2), ==, 0);
    tear_down(&f, NULL);
}

static void test_config_space(void)
{
    for (int legacy = 0; legacy < 2; legacy++) {
        Fixture f;

        set_up_mode(&f, &modes[legacy ? 6 : 0], 0);
        memcpy(f.e->config, "abcdefgh", 8);
        g_assert_cmphex(vd_config(&f.d, 0, 1), ==, 'a');
        g_assert_cmphex(vd_config(&f.d, 2, 2), ==, 'd' << 8 | 'c');
        g_assert_cmphex(vd_config(&f.d, 4, 4), ==, 0x68676665);
        g_assert_cmphex(vd_config(&f.d, 8, 1), ==, 0xff);
        vd_write(&f.d, (legacy ? 20 : VD_DEVICE) + 1, 'X', 1);
        g_assert_cmpint(memcmp(f.e->config, "aXcdefgh", 8), ==, 0);
        vd_write(&f.d, (legacy ? 20 : VD_DEVICE) + 8, 'X', 1);
        tear_down(&f, NULL);
    }
}

/* The capability that reaches registers without a BAR. */
static void test_pci_cfg(void)
{
    Fixture f;
    FakePCI *p = &f.d.pci;
    unsigned at;

    set_up_mode(&f, &modes[0], 0);
    memcpy(f.e->config, "abcdefgh", 8);
    at = find_cap(&f.d, 5);
    fake_pci_write(p, f.d.devfn, at + 4, 4, 1);
    fake_pci_write(p, f.d.devfn, at + 8, VD_DEVICE + 4, 4);
    fake_pci_write(p, f.d.devfn, at + 12, 4, 4);
    g_assert_cmphex(fake_pci_read(p, f.d.devfn, at + 16, 4), ==, 0x68676665);
    fake_pci_write(p, f.d.devfn, at + 12, 1, 4);
    fake_pci_write(p, f.d.devfn, at + 16, 'Q', 4);
    g_assert_cmpint(f.e->config[4], ==, 'Q');
    /* Wrong lengths, BARs and offsets do nothing. */
    fake_pci_write(p, f.d.devfn, at + 12, 3, 4);
    fake_pci_write(p, f.d.devfn, at + 16, 'Z', 4);
    fake_pci_write(p, f.d.devfn, at + 12, 1, 4);
    fake_pci_write(p, f.d.devfn, at + 4, 1, 1);
    fake_pci_write(p, f.d.devfn, at + 16, 'Z', 4);
    fake_pci_write(p, f.d.devfn, at + 4, 4, 1);
    fake_pci_write(p, f.d.devfn, at + 8, 0xffffffff, 4);
    fake_pci_write(p, f.d.devfn, at + 16, 'Z', 4);
    g_assert_cmpint(f.e->config[4], ==, 'Q');
    tear_down(&f, NULL);
}

static void test_msix(void)
{
    Fixture f;
    PCIDevice *dev;
    VdBuf buf;
    uint64_t table;

    set_up_mode(&f, &modes[0], 0);
    dev = PCI_DEVICE(f.d.proxy);
    table = pci_get_bar_addr(dev, 1);
    g_assert_cmphex(table, !=, PCI_BAR_UNMAPPED);
    fake_pci_write(&f.d.pci, f.d.devfn, dev->msix_cap + 2u, 0x8000, 2);
    io_space_write(f.d.pci.mmio, table + 16, 0xfee00000, 4);
    io_space_write(f.d.pci.mmio, table + 24, 0x41, 4);
    io_space_write(f.d.pci.mmio, table + 28, 0, 4);
    /* A vector that is not there. */
    vd_write(&f.d, VD_Q_SELECT, 0, 2);
    vd_write(&f.d, VD_Q_MSIX, 3, 2);
    g_assert_cmpuint(vd_read(&f.d, VD_Q_MSIX, 2), ==, VIRTIO_NO_VECTOR);
    vd_write(&f.d, VD_Q_MSIX, 1, 2);
    g_assert_cmpuint(vd_read(&f.d, VD_Q_MSIX, 2), ==, 1);
    buf = (VdBuf){ vd_alloc(&f.d, 8, 8), 8, true };
    vd_wait(&f.d, f.q, (vd_kick(&f.d, f.q), vd_add(&f.d, f.q, &buf, 1)));
    vd_settle();
    g_assert_cmpuint(f.d.pci.n_msi, ==, 1);
    g_assert_cmphex(f.d.pci.msi.data, ==, 0x41);
    g_assert_false(f.d.pci.line[3]);
    tear_down(&f, NULL);
}

static void test_queue_reset(void)
{
    Fixture f;
    const Mode m = { "", false, F(RING_RESET) };

    set_up_mode(&f, &m, 0);
    echo_once(&f, 1, 1, false);
    vd_write(&f.d, VD_Q_SELECT, 0, 2);
    vd_write(&f.d, VD_Q_RESET, 1, 2);
    g_assert_cmpuint(vd_read(&f.d, VD_Q_RESET, 2), ==, 0);
    g_assert_cmpuint(vd_read(&f.d, VD_Q_ENABLE, 2), ==, 0);
    f.q = vd_queue(&f.d, 0, 16);
    echo_once(&f, 1, 1, false);
    g_assert_cmpuint(f.e->handled, ==, 2);
    tear_down(&f, NULL);
}

/* Small rings wrap often; packed ones may have any size. */
static void test_ring_sizes(void)
{
    static const uint16_t sizes[] = { 2, 4, 64, 128 };
    Fixture f;

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        set_up_mode(&f, &modes[0], sizes[i]);
        for (int n = 0; n < 300; n++) {
            echo_once(&f, 1, n % 2, false);
        }
        tear_down(&f, NULL);
    }
    for (uint16_t size = 2; size < 128; size += 7) {
        set_up_mode(&f, &modes[4], size);
        for (int n = 0; n < 300; n++) {
            echo_once(&f, 1, n % 2, false);
        }
        tear_down(&f, NULL);
    }
    /* A split ring may not. */
    set_up_mode(&f, &modes[0], 3);
    g_assert_true(f.e->vdev.broken);
    tear_down(&f, NULL);
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

static void add_mode_test(const char *name, const Mode *m,
                          void (*func)(Fixture *, gconstpointer))
{
    g_autofree char *path = g_strdup_printf("/virtio/%s/%s", m->name, name);

    g_test_add(path, Fixture, m, set_up, func, tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    type_register_static(&echo_base_type);
    type_register_static(&hw_type_echo);
    type_register_static(&hw_type_echo_transitional);
    type_register_static(&hw_type_echo_non_transitional);
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        add_mode_test("echo", &modes[i], test_echo);
        add_mode_test("full-ring", &modes[i], test_full_ring);
        add_mode_test("interrupts", &modes[i], test_interrupts);
        add_mode_test("notification", &modes[i], test_notification);
        add_mode_test("reset", &modes[i], test_reset);
        add_mode_test("early-bell", &modes[i], test_early_bell);
        add_mode_test("bus-master", &modes[i], test_bus_master);
        add_mode_test("stopped", &modes[i], test_stopped);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
        g_autofree char *path =
            g_strdup_printf("/virtio/hostile/%s", hostile[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_hostile);
    }
    g_test_add_func("/virtio/hostile/rings", test_bad_rings);
    g_test_add_func("/virtio/hostile/memory-goes", test_memory_goes);
    g_test_add_func("/virtio/pci/features", test_features);
    g_test_add_func("/virtio/pci/modern-only", test_modern_only);
    g_test_add_func("/virtio/pci/golden", test_golden);
    g_test_add_func("/virtio/pci/config-space", test_config_space);
    g_test_add_func("/virtio/pci/pci-cfg", test_pci_cfg);
    g_test_add_func("/virtio/pci/msix", test_msix);
    g_test_add_func("/virtio/pci/queue-reset", test_queue_reset);
    g_test_add_func("/virtio/ring-sizes", test_ring_sizes);
    return g_test_run();
}
