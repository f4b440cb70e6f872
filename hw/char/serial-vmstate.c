/*
 * UART 16550A: what a migration carries of it.
 *
 * The line itself (speed, break, modem outputs) is set up anew at the back end
 * of the new place; its modem inputs are read when the guest asks for them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-serial.h"
#include "hw/char/serial-internal.h"
#include "hw/core/vmstate-check.h"

static bool fifo_post_load(void *opaque, int version_id, Error **errp)
{
    const SerialFifo *f = opaque;

    return vmstate_check("first byte of a FIFO", f->head, 0,
                         UART_FIFO_BYTES - 1, errp) &&
           vmstate_check("bytes of a FIFO", f->count, 0, UART_FIFO_BYTES, errp);
}

static const VMStateDescription vmstate_serial_fifo = {
    .name = "serial_fifo",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = fifo_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT8_ARRAY(data, SerialFifo, UART_FIFO_BYTES),
            VMSTATE_UINT32(head, SerialFifo), VMSTATE_UINT32(count, SerialFifo),
            VMSTATE_END_OF_LIST() },
};

static int serial_post_load(void *opaque, int version_id)
{
    SerialState *s = opaque;
    int on = s->break_sent;

    s->ier &= IER_MASK;
    s->fcr = serial_fifos_on(s) ? s->fcr & FCR_KEPT : 0;
    s->mcr &= MCR_MASK;
    serial_update_parameters(s);
    qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_SERIAL_SET_BREAK, &on);
    serial_write_modem_outputs(s);
    serial_arm_modem_timer(s);
    serial_update_irq(s);
    return 0;
}

const VMStateDescription vmstate_serial = {
    .name = "serial",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = serial_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT16(divider, SerialState),
            VMSTATE_UINT8(ier, SerialState), VMSTATE_UINT8(fcr, SerialState),
            VMSTATE_UINT8(lcr, SerialState), VMSTATE_UINT8(mcr, SerialState),
            VMSTATE_UINT8(lsr, SerialState), VMSTATE_UINT8(msr, SerialState),
            VMSTATE_UINT8(scr, SerialState), VMSTATE_UINT8(rbr, SerialState),
            VMSTATE_STRUCT(rx, SerialState, 0, vmstate_serial_fifo, SerialFifo),
            VMSTATE_UINT16(rx_break, SerialState),
            VMSTATE_STRUCT(tx, SerialState, 0, vmstate_serial_fifo, SerialFifo),
            VMSTATE_BOOL(thr_pending, SerialState),
            VMSTATE_BOOL(timeout_pending, SerialState),
            VMSTATE_BOOL(break_sent, SerialState),
            VMSTATE_TIMER_PTR(timeout_timer, SerialState),
            VMSTATE_END_OF_LIST() },
};
