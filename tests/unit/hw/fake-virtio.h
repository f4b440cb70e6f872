/*
 * A virtio device that gives back what it is sent, and the driver of tests in
 * front of it, for each form of its rings.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_HW_FAKE_VIRTIO_H
#define TESTS_HW_FAKE_VIRTIO_H

#include "hw/types.h"
#include "hw/virtio/virtio-transport.h"
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

static inline EchoPCI *echo_of(VirtIODevice *vdev)
{
    return container_of(vdev, EchoPCI, vdev);
}

static inline void echo_handle(VirtIODevice *vdev, VirtQueue *vq)
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

static inline void echo_get_config(VirtIODevice *vdev, uint8_t *config)
{
    memcpy(config, echo_of(vdev)->config, sizeof(echo_of(vdev)->config));
}

static inline void echo_set_config(VirtIODevice *vdev, const uint8_t *config)
{
    memcpy(echo_of(vdev)->config, config, sizeof(echo_of(vdev)->config));
}

static inline void echo_queue_reset(VirtIODevice *vdev, VirtQueue *vq)
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

static inline bool echo_realize(VirtIOPCIProxy *proxy, Error **errp)
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

static inline void echo_unrealize(VirtIOPCIProxy *proxy)
{
    virtio_device_unrealize(&ECHO_BASE(proxy)->vdev);
}

static inline void echo_class_init(ObjectClass *oc, void *data)
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

static inline void set_up_mode(Fixture *f, const Mode *m, uint16_t num)
{
    vd_init(&f->d);
    vd_new(&f->d, TYPE_ECHO, "packed", "on", NULL);
    f->e = ECHO_BASE(f->d.proxy);
    vd_map(&f->d, m->legacy);
    vd_start(&f->d, m->features);
    f->q = vd_queue(&f->d, 0, num);
    vd_go(&f->d);
}

static inline void set_up(Fixture *f, gconstpointer data)
{
    set_up_mode(f, data, 0);
}

static inline void tear_down(Fixture *f, gconstpointer data)
{
    vd_deinit(&f->d);
}

/* One request of @n_out and @n_in buffers of odd sizes. */
static inline void echo_once(Fixture *f, unsigned n_out, unsigned n_in,
                             bool indirect)
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

static inline void fake_virtio_register(void)
{
    hw_register_types();
    type_register_static(&echo_base_type);
    type_register_static(&hw_type_echo);
    type_register_static(&hw_type_echo_transitional);
    type_register_static(&hw_type_echo_non_transitional);
}

#endif
