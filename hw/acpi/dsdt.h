/*
 * The DSDT of the PC: what ACPI software learns about the board's devices.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_ACPI_DSDT_H
#define HW_ACPI_DSDT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define DSDT_PORTS_MAX 8

/* A serial or parallel port. */
typedef struct DsdtPort {
    bool parallel;
    unsigned uid; /* from 1 */
    uint16_t base;
    uint8_t irq;
} DsdtPort;

/* Addresses are inclusive; first > last: there is none. */
typedef struct DsdtConfig {
    unsigned cpus;
    uint16_t pm_base; /* port of the power management registers */
    uint32_t mem32_first;
    uint32_t mem32_last;
    uint64_t mem64_first;
    uint64_t mem64_last;
    bool hpet;
    bool i8042;
    bool fw_cfg;
    unsigned n_ports;
    DsdtPort port[DSDT_PORTS_MAX];
} DsdtConfig;

/** dsdt_build: (transfer full) AML, without the table's header. */
GBytes *dsdt_build(const DsdtConfig *config);

#endif
