/*
 * VGA: what a migration carries of the card. Its memory is a RAM block.
 *
 * The window at A0000h is never mapped when a state is saved: the card unmaps
 * it when the machine stops (vga-pci.c), so that what is in the text buffer is
 * in memory before memory is sent for the last time. The new place maps it
 * when that pays again. The picture is made of the loaded state at the next
 * refresh.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/vmstate-check.h"
#include "hw/display/vga.h"

static int vga_pre_load(void *opaque)
{
    vga_window_unmap(opaque);
    return 0;
}

static bool vga_post_load(void *opaque, int version_id, Error **errp)
{
    VGAState *s = opaque;

    vga_mask_registers(s);
    return vmstate_check("part of a DAC entry", s->dac_part, 0, 2, errp);
}

const VMStateDescription vmstate_vga = {
    .name = "vga_core",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = vga_pre_load,
    .post_load_errp = vga_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_BOOL(big_endian, VGAState),
            VMSTATE_UINT8(misc, VGAState),
            VMSTATE_UINT8(feature, VGAState),
            VMSTATE_UINT8(seq_index, VGAState),
            VMSTATE_UINT8_ARRAY(seq, VGAState, VGA_SEQ_COUNT),
            VMSTATE_UINT8(gfx_index, VGAState),
            VMSTATE_UINT8_ARRAY(gfx, VGAState, VGA_GFX_COUNT),
            VMSTATE_UINT8(crtc_index, VGAState),
            VMSTATE_UINT8_ARRAY(crtc, VGAState, VGA_CRTC_COUNT),
            VMSTATE_UINT8(attr_index, VGAState),
            VMSTATE_UINT8_ARRAY(attr, VGAState, VGA_ATTR_COUNT),
            VMSTATE_BOOL(attr_data, VGAState),
            VMSTATE_UINT8(dac_mask, VGAState),
            VMSTATE_UINT8(dac_read, VGAState),
            VMSTATE_UINT8(dac_write, VGAState),
            VMSTATE_UINT8(dac_part, VGAState),
            VMSTATE_BOOL(dac_reading, VGAState),
            VMSTATE_UINT8_ARRAY(dac_latch, VGAState, 3),
            VMSTATE_BUFFER_UNSAFE(dac, VGAState, 0, 3 * VGA_DAC_COLORS),
            VMSTATE_UINT32(latch, VGAState),
            VMSTATE_STRUCT(vbe, VGAState, 0, vmstate_vbe, VBERegs),
            VMSTATE_UINT16(vbe_index, VGAState),
            VMSTATE_UINT8(vbe_low, VGAState),
            VMSTATE_END_OF_LIST() },
};
