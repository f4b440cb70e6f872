/*
 * Resource templates: small and large descriptors in a buffer.
 *
 * Source: ACPI 6.4, 6.4.2 (small), 6.4.3 (large).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/acpi/aml.h"

#define SMALL_IRQ        0x23 /* type 4, three bytes follow */
#define SMALL_IO         0x47 /* type 8, seven */
#define SMALL_END        0x79 /* type 15, one */
#define LARGE_MEMORY32   0x86
#define LARGE_DWORD      0x87
#define LARGE_WORD       0x88
#define LARGE_INTERRUPT  0x89
#define LARGE_QWORD      0x8a
#define IRQ_EDGE_HIGH    0x01
#define IO_DECODE16      0x01
#define SPACE_MEMORY     0
#define SPACE_IO         1
#define SPACE_BUS        2
#define WINDOW_FIXED     0x0c /* both ends fixed, positive decode, producer */
#define IO_ENTIRE_RANGE  0x03
#define MEMORY_WRITABLE  0x01
#define MEMORY_CACHEABLE 0x02
#define INTERRUPT_FLAGS  0x09 /* consumer, level, high, shared */

struct AmlResources {
    GByteArray *bytes;
};

AmlResources *aml_resources_new(void)
{
    AmlResources *r = g_new0(AmlResources, 1);

    r->bytes = g_byte_array_new();
    return r;
}

static void put_le(AmlResources *r, uint64_t value, unsigned bytes)
{
    for (; bytes; bytes--, value >>= 8) {
        uint8_t byte = (uint8_t)value;

        g_byte_array_append(r->bytes, &byte, 1);
    }
}

void aml_resources(Aml *a, AmlResources *r)
{
    uint8_t sum = 0;

    put_le(r, SMALL_END, 1);
    for (guint i = 0; i < r->bytes->len; i++) {
        sum += r->bytes->data[i];
    }
    put_le(r, (uint8_t)-sum, 1);
    aml_buffer(a, r->bytes->data, r->bytes->len);
    g_byte_array_unref(r->bytes);
    g_free(r);
}

void aml_res_io(AmlResources *r, uint16_t first, uint8_t len)
{
    put_le(r, SMALL_IO, 1);
    put_le(r, IO_DECODE16, 1);
    put_le(r, first, 2);
    put_le(r, first, 2);
    put_le(r, 1, 1);
    put_le(r, len, 1);
}

void aml_res_irq(AmlResources *r, uint16_t mask)
{
    put_le(r, SMALL_IRQ, 1);
    put_le(r, mask, 2);
    put_le(r, IRQ_EDGE_HIGH, 1);
}

void aml_res_interrupt(AmlResources *r, const uint32_t *gsi, unsigned n)
{
    put_le(r, LARGE_INTERRUPT, 1);
    put_le(r, 2 + 4 * n, 2);
    put_le(r, INTERRUPT_FLAGS, 1);
    put_le(r, n, 1);
    for (unsigned i = 0; i < n; i++) {
        put_le(r, gsi[i], 4);
    }
}

void aml_res_memory32_fixed(AmlResources *r, bool writable, uint32_t base,
                            uint32_t len)
{
    put_le(r, LARGE_MEMORY32, 1);
    put_le(r, 9, 2);
    put_le(r, writable, 1);
    put_le(r, base, 4);
    put_le(r, len, 4);
}

/* Address space descriptor whose numbers have @bytes each (6.4.3.5). */
static void put_window(AmlResources *r, uint8_t tag, unsigned bytes,
                       uint8_t space, uint8_t flags, uint64_t first,
                       uint64_t last)
{
    put_le(r, tag, 1);
    put_le(r, 3 + 5 * bytes, 2);
    put_le(r, space, 1);
    put_le(r, WINDOW_FIXED, 1);
    put_le(r, flags, 1);
    put_le(r, 0, bytes); /* granularity */
    put_le(r, first, bytes);
    put_le(r, last, bytes);
    put_le(r, 0, bytes); /* translation */
    put_le(r, last - first + 1, bytes);
}

void aml_res_bus_window(AmlResources *r, uint16_t first, uint16_t last)
{
    put_window(r, LARGE_WORD, 2, SPACE_BUS, 0, first, last);
}

void aml_res_io_window(AmlResources *r, uint16_t first, uint16_t last)
{
    put_window(r, LARGE_WORD, 2, SPACE_IO, IO_ENTIRE_RANGE, first, last);
}

static uint8_t memory_flags(bool cacheable)
{
    return MEMORY_WRITABLE | (cacheable ? MEMORY_CACHEABLE : 0);
}

void aml_res_memory32_window(AmlResources *r, bool cacheable, uint32_t first,
                             uint32_t last)
{
    put_window(r, LARGE_DWORD, 4, SPACE_MEMORY, memory_flags(cacheable), first,
               last);
}

void aml_res_memory64_window(AmlResources *r, bool cacheable, uint64_t first,
                             uint64_t last)
{
    put_window(r, LARGE_QWORD, 8, SPACE_MEMORY, memory_flags(cacheable), first,
               last);
}
