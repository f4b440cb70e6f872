/*
 * VGA: any registers, any accesses to the window, looked at in between. Each
 * step is four bytes: what, place (two), value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/vga.h"

#define VRAM_BYTES  (1u << 20)
#define STEP_BYTES  4
#define REFRESH_MAX 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void refresh(void *opaque)
{
    vga_refresh(opaque);
}

static const ConsoleOps console_ops = { .refresh = refresh };

static void step(VGAState *s, const uint8_t *p, unsigned *refreshes)
{
    unsigned place = p[1] | (unsigned)p[2] << 8;

    switch (p[0] & 7) {
    case 0:
        vga_port_write(s, (uint16_t)(0x3b0 + place % 0x30), p[3]);
        break;
    case 1:
        vga_port_read(s, (uint16_t)(0x3b0 + place % 0x30));
        break;
    case 2:
        vga_mem_write(s, place | (p[0] & 8u) << 13, p[3]);
        break;
    case 3:
        vga_mem_read(s, place | (p[0] & 8u) << 13);
        break;
    case 4:
        vga_vbe_write(s, p[3] & 0x0f, (uint16_t)(place & 0x83ff));
        break;
    case 5:
        for (int i = 0; i < 256; i++) {
            vga_window_accessed(s);
        }
        break;
    case 6: /* an index and its data at once */
        vga_port_write(s, (uint16_t)(0x3c0 + (p[0] >> 3)), p[1]);
        vga_port_write(s, (uint16_t)(0x3c1 + (p[0] >> 3)), p[3]);
        break;
    default:
        if (++*refreshes <= REFRESH_MAX) {
            s->attr_index |= VGA_ATTR_UNBLANK;
            /* Large pictures only take longer. */
            s->crtc[VGA_CRTC_HDISP] &= 0x3f;
            s->crtc[VGA_CRTC_OVERFLOW] &= 0xbd;
            console_refresh(s->console);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *vram = g_aligned_alloc0(1, VRAM_BYTES, 4096);
    GuestMemory *memory = guest_memory_new();
    VGAState *s = g_new0(VGAState, 1);
    unsigned refreshes = 0;

    vga_init(s, vram, VRAM_BYTES, memory);
    s->console = console_new(NULL, NULL, 0, &console_ops, s);
    for (; size >= STEP_BYTES; size -= STEP_BYTES, data += STEP_BYTES) {
        step(s, data, &refreshes);
    }
    vga_deinit(s);
    g_free(s);
    guest_memory_free(memory);
    g_aligned_free(vram);
    return 0;
}
