/*
 * Line settings of a serial back end, for qemu_chr_fe_ioctl().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_CHAR_SERIAL_H
#define CHARDEV_CHAR_SERIAL_H

/* CHR_IOCTL_SERIAL_SET_PARAMS, argument QEMUSerialSetParams (in) */
#define CHR_IOCTL_SERIAL_SET_PARAMS 1
typedef struct QEMUSerialSetParams {
    int speed;     /* bits per second */
    int parity;    /* 'N', 'O', 'E' */
    int data_bits; /* 5..8 */
    int stop_bits; /* 1, 2 */
} QEMUSerialSetParams;

/* CHR_IOCTL_SERIAL_SET_BREAK, argument int (in): nonzero = send a break */
#define CHR_IOCTL_SERIAL_SET_BREAK 2

/* CHR_IOCTL_SERIAL_SET_TIOCM / _GET_TIOCM, argument int of CHR_TIOCM_* */
#define CHR_IOCTL_SERIAL_SET_TIOCM 13
#define CHR_IOCTL_SERIAL_GET_TIOCM 14

#define CHR_TIOCM_CTS 0x020
#define CHR_TIOCM_CAR 0x040
#define CHR_TIOCM_DSR 0x100
#define CHR_TIOCM_RI  0x080
#define CHR_TIOCM_DTR 0x002
#define CHR_TIOCM_RTS 0x004

#endif
