/*
 * Virtio rings, by a driver of our own and a device that gives back what it is
 * sent.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/bswap.h"

#include "fake-virtio.h"

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

static void add_mode_test(const char *name, const Mode *m,
                          void (*func)(Fixture *, gconstpointer))
{
    g_autofree char *path = g_strdup_printf("/virtio/%s/%s", m->name, name);

    g_test_add(path, Fixture, m, set_up, func, tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fake_virtio_register();
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
    g_test_add_func("/virtio/ring-sizes", test_ring_sizes);
    return g_test_run();
}
