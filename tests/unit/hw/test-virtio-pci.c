/*
 * The registers of a virtio PCI device: features, capabilities, configuration
 * space, interrupts, resets of a queue.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/pci/msix.h"
#include "util/bswap.h"

#include "fake-virtio.h"

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fake_virtio_register();
    g_test_add_func("/virtio/pci/features", test_features);
    g_test_add_func("/virtio/pci/modern-only", test_modern_only);
    g_test_add_func("/virtio/pci/golden", test_golden);
    g_test_add_func("/virtio/pci/config-space", test_config_space);
    g_test_add_func("/virtio/pci/pci-cfg", test_pci_cfg);
    g_test_add_func("/virtio/pci/msix", test_msix);
    g_test_add_func("/virtio/pci/queue-reset", test_queue_reset);
    return g_test_run();
}
