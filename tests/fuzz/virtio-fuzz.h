/*
 * What fuzz targets of virtio devices share: a guest that does anything.
 *
 * The input is steps of eight bytes: what, then a small and two larger
 * numbers. Some steps are any access to any register; others do what a driver
 * does, so that an input gets to the queues quickly: negotiate, put a
 * descriptor chain into a ring, ring, let the device run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_FUZZ_VIRTIO_FUZZ_H
#define TESTS_FUZZ_VIRTIO_FUZZ_H

#include "hw/types.h"
#include "hw/virtio/virtio-transport.h"
#include "tests/unit/hw/virtio-driver.h"
#include "util/bswap.h"
#include "util/main-loop.h"

#define VF_STEP_BYTES 8
#define VF_STEPS_MAX  64
#define VF_QUEUES     4
/* Chains come from here; a page that requests write to as well. */
#define VF_DATA 0x8000u

static inline void vf_negotiate(VirtDriver *d, uint8_t how, uint32_t features)
{
    vd_map(d, how & 1);
    vd_set_status(d, 0);
    if (vd_status(d)) {
        return; /* a request is in flight: not now */
    }
    d->brk = 0x10000;
    vd_start(d, features | (uint64_t)(how & 2) << 33);
    for (unsigned i = 0; i < MIN(VF_QUEUES, d->vdev->n_vqs); i++) {
        vd_queue(d, i, d->legacy ? 0 : 16);
    }
    vd_go(d);
}

/* Up to four buffers, mostly inside the data page. */
static inline void vf_add(VirtDriver *d, uint8_t how, uint16_t a, uint32_t b)
{
    VdQueue *q = &d->q[how % VF_QUEUES];
    unsigned n = 1 + (how >> 2) % 4;
    VdBuf bufs[4];

    if (!q->num || q->num > VD_RING_MAX || q->desc + 16 * q->num > d->brk) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        bufs[i] = (VdBuf){
            .addr = VF_DATA + (a + i * 64u) % 4096,
            .len = (b >> (8 * i)) & 0xff,
            .in = (how >> (4 + i)) & 1,
        };
    }
    if (how & 0x80) {
        bufs[n - 1].addr = (uint64_t)b << 8 | a;
    }
    if (d->brk + 4096 < VD_RAM_BYTES && (a & 0x8000)) {
        vd_add_indirect(d, q, bufs, n);
    } else {
        vd_add(d, q, bufs, n);
    }
    vd_kick(d, q);
}

/* Let the device do what it has to; cheaper than vd_settle(). */
static inline void vf_pump(void)
{
    for (int i = 0; i < 8 && aio_poll(qemu_get_aio_context(), false); i++) {
    }
    main_loop_wait(1);
}

static inline void vf_step(VirtDriver *d, const uint8_t *p)
{
    uint8_t how = p[1];
    uint16_t a = lduw_le_p(p + 2);
    uint32_t b = ldl_le_p(p + 4);
    unsigned size = 1u << (how & 3);

    switch (p[0] % 10) {
    case 0:
        io_space_write(d->pci.mmio, 0xe0000000u + a % 0x4000, b, size);
        break;
    case 1:
        io_space_read(d->pci.mmio, 0xe0000000u + a % 0x4000, size);
        break;
    case 2:
        io_space_write(d->pci.ports, 0xc000u + a % 0x80, b, MIN(size, 4));
        break;
    case 3:
        io_space_read(d->pci.ports, 0xc000u + a % 0x80, MIN(size, 4));
        break;
    case 4:
        size = MIN(size, 4);
        fake_pci_write(&d->pci, d->devfn, a % 256 & ~(size - 1), b, size);
        break;
    case 5:
        stl_le_p(vd_ptr(d, (VF_DATA + a) % (VD_RAM_BYTES - 4)), b);
        break;
    case 6: /* into the rings */
        stl_le_p(vd_ptr(d, 0x10000 + a), b);
        break;
    case 7:
        vf_negotiate(d, how, b);
        break;
    case 8:
        vf_add(d, how, a, b);
        break;
    default:
        vf_pump();
        break;
    }
}

static inline void vf_run(VirtDriver *d, const uint8_t *data, size_t size)
{
    d->vdev->warned = true; /* nobody wants to read of each broken device */
    vd_map(d, false);
    for (size_t i = 0; i < VF_STEPS_MAX && size >= VF_STEP_BYTES; i++) {
        vf_step(d, data);
        data += VF_STEP_BYTES;
        size -= VF_STEP_BYTES;
    }
    vf_pump();
}

#endif
