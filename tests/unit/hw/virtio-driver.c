/*
 * A guest's virtio driver, for tests.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "virtio-driver.h"

#include "util/bswap.h"
#include "util/main-loop.h"

#define MODERN_AT 0xe0000000u
#define MSIX_AT   0xe1000000u
#define LEGACY_AT 0xc000u

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u
#define DESC_AVAIL    (1u << 7)
#define DESC_USED     (1u << 15)

void vd_init(VirtDriver *d)
{
    memset(d, 0, sizeof(*d));
    qemu_init_main_loop(&error_abort);
    fake_pci_init(&d->pci);
    d->ram = g_aligned_alloc0(1, VD_RAM_BYTES, 4096);
    guest_memory_map(d->pci.memory, NULL, 0, VD_RAM_BYTES, d->ram,
                     &error_abort);
    d->brk = 0x10000;
    d->devfn = PCI_DEVFN(3, 0);
}

void vd_deinit(VirtDriver *d)
{
    fake_pci_deinit(&d->pci);
    main_loop_wait(1); /* bottom halves that free themselves */
    g_aligned_free(d->ram);
}

void vd_new(VirtDriver *d, const char *type, ...)
{
    PCIDevice *dev = pci_new((int)d->devfn, type);
    const char *name;
    va_list ap;

    va_start(ap, type);
    while ((name = va_arg(ap, const char *))) {
        object_property_parse(OBJECT(dev), name, va_arg(ap, const char *),
                              &error_abort);
    }
    va_end(ap);
    fake_pci_realize(&d->pci, dev, &error_abort);
    d->proxy = VIRTIO_PCI(dev);
    d->vdev = d->proxy->vdev;
    device_cold_reset(DEVICE(dev));
}

void vd_map(VirtDriver *d, bool legacy)
{
    fake_pci_write(&d->pci, d->devfn, PCI_BASE_ADDRESS_0, LEGACY_AT, 4);
    fake_pci_write(&d->pci, d->devfn, PCI_BASE_ADDRESS_0 + 4, MSIX_AT, 4);
    fake_pci_write(&d->pci, d->devfn, PCI_BASE_ADDRESS_0 + 16, MODERN_AT, 4);
    fake_pci_write(&d->pci, d->devfn, PCI_BASE_ADDRESS_0 + 20, 0, 4);
    fake_pci_write(&d->pci, d->devfn, PCI_COMMAND,
                   PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    d->legacy = legacy;
    d->bar = legacy ? LEGACY_AT : MODERN_AT;
}

uint64_t vd_read(VirtDriver *d, uint64_t offset, unsigned size)
{
    return io_space_read(d->legacy ? d->pci.ports : d->pci.mmio,
                         d->bar + offset, size);
}

void vd_write(VirtDriver *d, uint64_t offset, uint64_t value, unsigned size)
{
    io_space_write(d->legacy ? d->pci.ports : d->pci.mmio, d->bar + offset,
                   value, size);
}

uint8_t vd_status(VirtDriver *d)
{
    return (uint8_t)vd_read(d, d->legacy ? 18 : VD_STATUS, 1);
}

void vd_set_status(VirtDriver *d, uint8_t status)
{
    vd_write(d, d->legacy ? 18 : VD_STATUS, status, 1);
}

uint64_t vd_config(VirtDriver *d, uint64_t offset, unsigned size)
{
    return vd_read(d, (d->legacy ? 20 : VD_DEVICE) + offset, size);
}

void vd_start(VirtDriver *d, uint64_t want)
{
    uint64_t offered;

    vd_set_status(d, 0);
    vd_set_status(d, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    if (d->legacy) {
        d->features = vd_read(d, 0, 4) & want;
        vd_write(d, 4, d->features, 4);
        return;
    }
    vd_write(d, VD_DFSELECT, 0, 4);
    offered = vd_read(d, VD_DF, 4);
    vd_write(d, VD_DFSELECT, 1, 4);
    offered |= vd_read(d, VD_DF, 4) << 32;
    d->features = offered & (want | VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
    vd_write(d, VD_GFSELECT, 0, 4);
    vd_write(d, VD_GF, (uint32_t)d->features, 4);
    vd_write(d, VD_GFSELECT, 1, 4);
    vd_write(d, VD_GF, d->features >> 32, 4);
    vd_set_status(d, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
                         VIRTIO_STATUS_FEATURES_OK);
    g_assert_cmpint(vd_status(d) & VIRTIO_STATUS_FEATURES_OK, !=, 0);
}

void vd_go(VirtDriver *d)
{
    vd_set_status(d, vd_status(d) | VIRTIO_STATUS_DRIVER_OK);
}

bool vd_packed(const VirtDriver *d)
{
    return d->features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
}

uint64_t vd_alloc(VirtDriver *d, size_t bytes, size_t align)
{
    uint64_t at = ROUND_UP(d->brk, align);

    g_assert_cmpuint(at + bytes, <=, VD_RAM_BYTES);
    d->brk = at + bytes;
    memset(d->ram + at, 0, bytes);
    return at;
}

static void legacy_queue(VirtDriver *d, VdQueue *q)
{
    vd_write(d, 14, q->index, 2);
    q->num = (uint16_t)vd_read(d, 12, 2);
    q->desc =
        vd_alloc(d, 16 * q->num + 6 + 2 * q->num + 8192 + 8 * q->num, 4096);
    q->driver = q->desc + 16 * q->num;
    q->device = ROUND_UP(q->driver + 6 + 2 * q->num, 4096);
    vd_write(d, 8, q->desc >> 12, 4);
}

VdQueue *vd_queue(VirtDriver *d, unsigned n, uint16_t num)
{
    VdQueue *q = &d->q[n];

    *q = (VdQueue){ .index = n, .avail_wrap = true, .used_wrap = true };
    if (d->legacy) {
        legacy_queue(d, q);
        return q;
    }
    vd_write(d, VD_Q_SELECT, n, 2);
    q->num = num ? num : (uint16_t)vd_read(d, VD_Q_SIZE, 2);
    g_assert_cmpuint(q->num, <=, VD_RING_MAX);
    q->desc = vd_alloc(d, 16 * q->num, 16);
    q->driver = vd_alloc(d, 6 + 2 * q->num, 4);
    q->device = vd_alloc(d, 6 + 8 * q->num, 4);
    vd_write(d, VD_Q_SIZE, q->num, 2);
    vd_write(d, VD_Q_DESC, q->desc, 4);
    vd_write(d, VD_Q_DESC + 4, 0, 4);
    vd_write(d, VD_Q_DRIVER, q->driver, 4);
    vd_write(d, VD_Q_DRIVER + 4, 0, 4);
    vd_write(d, VD_Q_DEVICE, q->device, 4);
    vd_write(d, VD_Q_DEVICE + 4, 0, 4);
    vd_write(d, VD_Q_ENABLE, 1, 2);
    return q;
}

/* -- rings -------------------------------------------------------------------- */

static void put_desc(uint8_t *p, uint64_t addr, uint32_t len, uint16_t third,
                     uint16_t fourth)
{
    stq_le_p(p, addr);
    stl_le_p(p + 8, len);
    stw_le_p(p + 12, third);
    stw_le_p(p + 14, fourth);
}

static void split_publish(VirtDriver *d, VdQueue *q, unsigned head)
{
    uint8_t *avail = vd_ptr(d, q->driver);

    stw_le_p(avail + 4 + 2 * (q->avail_idx % q->num), (uint16_t)head);
    q->avail_idx++;
    stw_le_p(avail + 2, q->avail_idx);
}

static unsigned split_add(VirtDriver *d, VdQueue *q, const VdBuf *bufs,
                          unsigned n, uint16_t flags)
{
    unsigned head = q->next_free;

    for (unsigned i = 0; i < n; i++) {
        unsigned at = (head + i) % q->num;

        put_desc(vd_ptr(d, q->desc + 16 * at), bufs[i].addr, bufs[i].len,
                 (uint16_t)(flags | (bufs[i].in ? DESC_WRITE : 0) |
                            (i + 1 < n ? DESC_NEXT : 0)),
                 (uint16_t)((at + 1) % q->num));
    }
    q->next_free = (uint16_t)((head + n) % q->num);
    split_publish(d, q, head);
    return head;
}

static void packed_advance(uint16_t *pos, bool *wrap, unsigned n, uint16_t num)
{
    unsigned p = *pos + n;

    if (p >= num) {
        p -= num;
        *wrap = !*wrap;
    }
    *pos = (uint16_t)p;
}

static unsigned packed_add(VirtDriver *d, VdQueue *q, const VdBuf *bufs,
                           unsigned n, uint16_t flags)
{
    unsigned id = q->avail_idx;
    uint16_t first_flags = 0;

    for (unsigned i = 0; i < n; i++) {
        uint16_t pos = q->avail_idx;
        bool wrap = q->avail_wrap;
        uint16_t f;

        packed_advance(&pos, &wrap, i, q->num);
        f = (uint16_t)(flags | (bufs[i].in ? DESC_WRITE : 0) |
                       (i + 1 < n ? DESC_NEXT : 0) |
                       (wrap ? DESC_AVAIL : DESC_USED));
        if (i == 0) {
            first_flags = f;
        }
        put_desc(vd_ptr(d, q->desc + 16 * pos), bufs[i].addr, bufs[i].len,
                 (uint16_t)id, i ? f : (uint16_t)~f & (DESC_AVAIL | DESC_USED));
    }
    stw_le_p((uint8_t *)vd_ptr(d, q->desc + 16 * q->avail_idx) + 14,
             first_flags);
    q->ndescs[id] = (uint16_t)n;
    packed_advance(&q->avail_idx, &q->avail_wrap, n, q->num);
    return id;
}

unsigned vd_add(VirtDriver *d, VdQueue *q, const VdBuf *bufs, unsigned n)
{
    return vd_packed(d) ? packed_add(d, q, bufs, n, 0)
                        : split_add(d, q, bufs, n, 0);
}

unsigned vd_add_indirect(VirtDriver *d, VdQueue *q, const VdBuf *bufs,
                         unsigned n)
{
    uint64_t table = vd_alloc(d, 16 * n, 16);
    VdBuf one = { table, 16 * n, false };

    for (unsigned i = 0; i < n; i++) {
        uint16_t flags = (uint16_t)((bufs[i].in ? DESC_WRITE : 0) |
                                    (i + 1 < n ? DESC_NEXT : 0));

        if (vd_packed(d)) {
            put_desc(vd_ptr(d, table + 16 * i), bufs[i].addr, bufs[i].len, 0,
                     flags & (uint16_t)~DESC_NEXT);
        } else {
            put_desc(vd_ptr(d, table + 16 * i), bufs[i].addr, bufs[i].len,
                     flags, (uint16_t)(i + 1));
        }
    }
    return vd_packed(d) ? packed_add(d, q, &one, 1, DESC_INDIRECT)
                        : split_add(d, q, &one, 1, DESC_INDIRECT);
}

unsigned vd_add_raw(VirtDriver *d, VdQueue *q, uint64_t addr, uint32_t len,
                    uint16_t flags, uint16_t next)
{
    unsigned head = q->next_free;
    uint8_t *p;

    if (vd_packed(d)) {
        VdBuf one = { addr, len, false };

        return packed_add(d, q, &one, 1, flags);
    }
    p = vd_ptr(d, q->desc + 16 * head);
    put_desc(p, addr, len, flags, next);
    q->next_free = (uint16_t)((head + 1) % q->num);
    split_publish(d, q, head);
    return head;
}

void vd_kick(VirtDriver *d, VdQueue *q)
{
    if (d->legacy) {
        vd_write(d, 16, q->index, 2);
    } else {
        vd_write(d, VD_NOTIFY + 4 * q->index, q->index, 2);
    }
}

bool vd_used(VirtDriver *d, VdQueue *q, unsigned *ret_id, uint32_t *ret_len)
{
    const uint8_t *p;

    if (vd_packed(d)) {
        uint16_t flags;

        p = vd_ptr(d, q->desc + 16 * q->used_idx);
        flags = lduw_le_p(p + 14);
        if (!!(flags & DESC_AVAIL) != q->used_wrap ||
            !!(flags & DESC_USED) != q->used_wrap) {
            return false;
        }
        *ret_id = lduw_le_p(p + 12);
        *ret_len = ldl_le_p(p + 8);
        g_assert_cmpuint(*ret_id, <, q->num);
        packed_advance(&q->used_idx, &q->used_wrap, q->ndescs[*ret_id], q->num);
        return true;
    }
    p = vd_ptr(d, q->device);
    if (lduw_le_p(p + 2) == q->used_idx) {
        return false;
    }
    p += 4 + 8 * (q->used_idx % q->num);
    *ret_id = ldl_le_p(p);
    *ret_len = ldl_le_p(p + 4);
    q->used_idx++;
    return true;
}

uint32_t vd_wait(VirtDriver *d, VdQueue *q, unsigned id)
{
    gint64 end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;
    uint32_t len = 0;
    unsigned got;

    while (!vd_used(d, q, &got, &len)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        main_loop_wait(0);
    }
    g_assert_cmpuint(got, ==, id);
    return len;
}

void vd_settle(void)
{
    for (int i = 0; i < 20; i++) {
        main_loop_wait(1);
    }
}
