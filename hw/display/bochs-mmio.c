/*
 * The register BAR of `VGA` and `bochs-display`.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/bochs-mmio.h"

#define EDID_END       0x400u
#define PORTS          0x400u
#define PORTS_END      0x420u
#define FIRST_PORT     0x3c0u
#define VBE            0x500u
#define VBE_END        0x516u
#define EXTENDED       0x600u
#define EXTENDED_SIZE  8u
#define BYTE_ORDER_REG (EXTENDED + 4)
#define LITTLE         0x1e1e1e1eu
#define BIG            0xbebebebeu

static uint64_t read_edid(const BochsMMIO *m, uint64_t offset, unsigned size)
{
    uint64_t v = 0;

    for (unsigned i = 0; m->has_edid && i < size; i++) {
        if (offset + i < EDID_BYTES) {
            v |= (uint64_t)m->edid[offset + i] << (8 * i);
        }
    }
    return v;
}

static uint64_t read_ports(const BochsMMIO *m, uint64_t offset, unsigned size)
{
    uint16_t port = (uint16_t)(FIRST_PORT + offset - PORTS);
    uint64_t v = 0;

    for (unsigned i = 0; i < size && offset + i < PORTS_END; i++) {
        v |= (uint64_t)m->ops->port_read(m->opaque, (uint16_t)(port + i))
             << (8 * i);
    }
    return v;
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    const BochsMMIO *m = opaque;

    if (offset < EDID_END) {
        return read_edid(m, offset, size);
    }
    if (offset < PORTS_END && m->ops->port_read) {
        return read_ports(m, offset, size);
    }
    if (offset >= VBE && offset < VBE_END) {
        return m->ops->vbe_read(m->opaque, (unsigned)(offset - VBE) / 2);
    }
    if (m->has_extended && size == 4 && offset == EXTENDED) {
        return EXTENDED_SIZE;
    }
    if (m->has_extended && size == 4 && offset == BYTE_ORDER_REG) {
        return *m->big_endian ? BIG : LITTLE;
    }
    return 0;
}

static void write_ports(BochsMMIO *m, uint64_t offset, uint64_t value,
                        unsigned size)
{
    uint16_t port = (uint16_t)(FIRST_PORT + offset - PORTS);

    for (unsigned i = 0; i < size && offset + i < PORTS_END; i++) {
        m->ops->port_write(m->opaque, (uint16_t)(port + i),
                           (uint8_t)(value >> (8 * i)));
    }
}

static void mmio_write(void *opaque, uint64_t offset, uint64_t value,
                       unsigned size)
{
    BochsMMIO *m = opaque;

    if (offset >= PORTS && offset < PORTS_END && m->ops->port_write) {
        write_ports(m, offset, value, size);
    } else if (offset >= VBE && offset < VBE_END && size >= 2) {
        m->ops->vbe_write(m->opaque, (unsigned)(offset - VBE) / 2,
                          (uint16_t)value);
    } else if (m->has_extended && size == 4 && offset == BYTE_ORDER_REG) {
        if (value == LITTLE || value == BIG) {
            *m->big_endian = value == BIG;
        }
    }
}

static const IORegionOps mmio_ops = { mmio_read, mmio_write, 4 };

void bochs_mmio_init(BochsMMIO *m, const char *name)
{
    io_region_init(&m->region, name, BOCHS_MMIO_BYTES, &mmio_ops, m);
}
