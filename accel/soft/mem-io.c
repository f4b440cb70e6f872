/*
 * Accesses by guest-physical address to what is not RAM.
 *
 * The local APIC's page is the CPU's own: it shadows whatever else is there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-accel.h"

#define MMIO_BYTES_MAX 8u

static bool is_apic(const SoftCPU *cpu, uint64_t gpa)
{
    return (gpa & SOFT_PAGE_MASK) == cpu->priv->apic_page;
}

static void mmio(SoftCPU *cpu, uint64_t gpa, bool is_write, unsigned len,
                 uint8_t *data)
{
    AccelState *a = cpu->base.accel;

    if (is_apic(cpu, gpa)) {
        unsigned offset = (unsigned)(gpa & ~SOFT_PAGE_MASK);

        if (is_write) {
            a->irq_host->apic_write(a->irq_opaque, cpu->base.index, offset, len,
                                    data);
        } else {
            a->irq_host->apic_read(a->irq_opaque, cpu->base.index, offset, len,
                                   data);
        }
        return;
    }
    soft_leave_guest(cpu);
    a->host->mmio(a->host_opaque, gpa, is_write, len, data);
    soft_enter_guest(cpu);
}

void soft_phys_read(SoftCPU *cpu, uint64_t gpa, void *buf, unsigned len)
{
    uint8_t *data = buf;

    while (len) {
        unsigned n = MIN(len, MMIO_BYTES_MAX);

        memset(data, 0, n);
        mmio(cpu, gpa, false, n, data);
        gpa += n;
        data += n;
        len -= n;
    }
}

void soft_phys_write(SoftCPU *cpu, uint64_t gpa, const void *buf, unsigned len)
{
    const uint8_t *data = buf;

    while (len) {
        uint8_t copy[MMIO_BYTES_MAX];
        unsigned n = MIN(len, MMIO_BYTES_MAX);

        memcpy(copy, data, n);
        mmio(cpu, gpa, true, n, copy);
        gpa += n;
        data += n;
        len -= n;
    }
}
