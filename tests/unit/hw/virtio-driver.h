/*
 * A guest's virtio driver, for tests of devices: PCI registers of both
 * interfaces, both forms of ring, and direct access to everything, so that a
 * test can break the rules.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_HW_VIRTIO_DRIVER_H
#define TESTS_HW_VIRTIO_DRIVER_H

#include "hw/virtio/virtio-pci.h"

#include "fake-pci.h"

#define VD_RAM_BYTES  (4u << 20)
#define VD_QUEUES_MAX 8
#define VD_RING_MAX   256

/* Offsets in struct virtio_pci_common_cfg. */
enum {
    VD_DFSELECT = 0,
    VD_DF = 4,
    VD_GFSELECT = 8,
    VD_GF = 12,
    VD_MSIX = 16,
    VD_NUMQ = 18,
    VD_STATUS = 20,
    VD_GENERATION = 21,
    VD_Q_SELECT = 22,
    VD_Q_SIZE = 24,
    VD_Q_MSIX = 26,
    VD_Q_ENABLE = 28,
    VD_Q_NOFF = 30,
    VD_Q_DESC = 32,
    VD_Q_DRIVER = 40,
    VD_Q_DEVICE = 48,
    VD_Q_RESET = 58,
};

/* Parts of the modern BAR. */
#define VD_COMMON 0x0000u
#define VD_ISR    0x1000u
#define VD_DEVICE 0x2000u
#define VD_NOTIFY 0x3000u

/* A buffer of a request. */
typedef struct VdBuf {
    uint64_t addr;
    uint32_t len;
    bool in;
} VdBuf;

typedef struct VdQueue {
    unsigned index;
    uint16_t num;
    uint64_t desc;
    uint64_t driver;
    uint64_t device;
    uint16_t next_free; /* split: next descriptor to use */
    uint16_t avail_idx;
    uint16_t used_idx;
    bool avail_wrap;
    bool used_wrap;
    uint16_t ndescs[VD_RING_MAX]; /* packed: descriptors of buffer id n */
} VdQueue;

typedef struct VirtDriver {
    FakePCI pci;
    uint8_t *ram; /* VD_RAM_BYTES at guest address 0 */
    uint64_t brk;
    VirtIOPCIProxy *proxy;
    VirtIODevice *vdev;
    unsigned devfn;
    bool legacy;
    uint64_t bar; /* modern BAR, or legacy ports */
    uint64_t features;
    VdQueue q[VD_QUEUES_MAX];
} VirtDriver;

/** vd_init: memory and bus; then make the device with vd_new(). */
void vd_init(VirtDriver *d);
void vd_deinit(VirtDriver *d);
/** vd_new: device of @type with properties "name", "value", ..., NULL. */
void vd_new(VirtDriver *d, const char *type, ...) G_GNUC_NULL_TERMINATED;
/** vd_map: decode the BARs; @legacy: talk by the old interface. */
void vd_map(VirtDriver *d, bool legacy);
/** vd_start: from reset to FEATURES_OK with the offered ones of @want. */
void vd_start(VirtDriver *d, uint64_t want);
/** vd_queue: set up queue @n with @num entries (0: as many as there are). */
VdQueue *vd_queue(VirtDriver *d, unsigned n, uint16_t num);
/** vd_go: DRIVER_OK. */
void vd_go(VirtDriver *d);

uint64_t vd_read(VirtDriver *d, uint64_t offset, unsigned size);
void vd_write(VirtDriver *d, uint64_t offset, uint64_t value, unsigned size);
uint8_t vd_status(VirtDriver *d);
void vd_set_status(VirtDriver *d, uint8_t status);
/** vd_config: byte(s) of the device's configuration space. */
uint64_t vd_config(VirtDriver *d, uint64_t offset, unsigned size);

/** vd_alloc: guest memory, zeroed. */
uint64_t vd_alloc(VirtDriver *d, size_t bytes, size_t align);
/** vd_ptr: host address of guest address @addr. */
static inline void *vd_ptr(VirtDriver *d, uint64_t addr)
{
    return d->ram + addr;
}

/** vd_add: make a request available. Returns: its id. */
unsigned vd_add(VirtDriver *d, VdQueue *q, const VdBuf *bufs, unsigned n);
/** vd_add_indirect: the same by a table of its own. */
unsigned vd_add_indirect(VirtDriver *d, VdQueue *q, const VdBuf *bufs,
                         unsigned n);
/** vd_add_raw: one descriptor with these very words. */
unsigned vd_add_raw(VirtDriver *d, VdQueue *q, uint64_t addr, uint32_t len,
                    uint16_t flags, uint16_t next);
void vd_kick(VirtDriver *d, VdQueue *q);
/** vd_used: take a used request; false if there is none. */
bool vd_used(VirtDriver *d, VdQueue *q, unsigned *ret_id, uint32_t *ret_len);
/** vd_wait: run the loop until there is one; fails the test after 10 s. */
uint32_t vd_wait(VirtDriver *d, VdQueue *q, unsigned id);
/** vd_settle: run the loop until nothing is left to do. */
void vd_settle(void);
/** vd_packed: which form of ring was negotiated. */
bool vd_packed(const VirtDriver *d);

#endif
