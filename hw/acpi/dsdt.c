/*
 * The DSDT of the PC, with the ASL it stands for in the comments.
 *
 * Interrupts of PCI slots go through four link devices, which set the PIRQ
 * registers of the PIIX3, so that they can be moved to other lines.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/acpi/dsdt.h"

#include "hw/acpi/aml.h"
#include "hw/acpi/piix4-pm.h"

#define PCI_SLOTS        32u
#define PCI_PINS         4u
#define HPET_BASE        0xfed00000u
#define HPET_BYTES       0x400u
#define FW_CFG_PORT      0x510
#define FW_CFG_PORTS     12
#define PIRQ_REGISTERS   0x60
#define PIRQ_DISABLED    0x80
#define PIRQ_LINE        0x0f
#define STA_PRESENT      0x09 /* present, shown, not decoding */
#define STA_ENABLED      0x0b
#define INTERRUPT_OFFSET 5 /* of the number in an Interrupt() descriptor */

static void name_int(Aml *a, const char *name, uint64_t value)
{
    aml_name(a, name);
    aml_int(a, value);
}

static void name_id(Aml *a, const char *name, const char *id)
{
    aml_name(a, name);
    aml_eisaid(a, id);
}

/* -- interrupt links -------------------------------------------------------------- */

/* Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { ... } */
static void interrupt_template(Aml *a, const uint32_t *gsi, unsigned n)
{
    AmlResources *r = aml_resources_new();

    aml_res_interrupt(r, gsi, n);
    aml_resources(a, r);
}

/* If (reg & 0x80) */
static void if_disabled(Aml *a, const char *reg)
{
    aml_if(a);
    aml_and(a);
    aml_path(a, reg);
    aml_int(a, PIRQ_DISABLED);
    aml_no_target(a);
}

/* Method (_STA) { If (reg & 0x80) { Return (9) } Return (0xb) } */
static void link_sta(Aml *a, const char *reg)
{
    aml_method(a, "_STA", 0, false);
    if_disabled(a, reg);
    aml_return(a);
    aml_int(a, STA_PRESENT);
    aml_end(a);
    aml_return(a);
    aml_int(a, STA_ENABLED);
    aml_end(a);
}

/* Method (_DIS) { reg |= 0x80 } */
static void link_dis(Aml *a, const char *reg)
{
    aml_method(a, "_DIS", 0, false);
    aml_or(a);
    aml_path(a, reg);
    aml_int(a, PIRQ_DISABLED);
    aml_path(a, reg);
    aml_end(a);
}

/* Name (BUF, template)
 * Method (_CRS, 0, Serialized) {
 *   CreateDWordField (BUF, 5, IRQ)
 *   If (reg & 0x80) { IRQ = 0 } Else { IRQ = reg & 0xf }
 *   Return (BUF) } */
static void link_crs(Aml *a, const char *reg)
{
    static const uint32_t none = 0;

    aml_name(a, "BUF");
    interrupt_template(a, &none, 1);
    aml_method(a, "_CRS", 0, true);
    aml_create_dword_field(a, "BUF", INTERRUPT_OFFSET, "IRQ");
    if_disabled(a, reg);
    aml_store(a);
    aml_int(a, 0);
    aml_path(a, "IRQ");
    aml_end(a);
    aml_else(a);
    aml_and(a);
    aml_path(a, reg);
    aml_int(a, PIRQ_LINE);
    aml_path(a, "IRQ");
    aml_end(a);
    aml_return(a);
    aml_path(a, "BUF");
    aml_end(a);
}

/* Method (_SRS, 1) { CreateDWordField (Arg0, 5, IRQ) reg = IRQ } */
static void link_srs(Aml *a, const char *reg)
{
    aml_method(a, "_SRS", 1, true);
    aml_create_dword_field(a, NULL, INTERRUPT_OFFSET, "IRQ");
    aml_store(a);
    aml_path(a, "IRQ");
    aml_path(a, reg);
    aml_end(a);
}

static void links(Aml *a)
{
    static const uint32_t possible[] = { 5, 10, 11 };

    for (unsigned i = 0; i < PCI_PINS; i++) {
        char name[5] = { 'L', 'N', 'K', (char)('A' + i), 0 };
        g_autofree char *reg = g_strdup_printf("\\_SB.PCI0.ISA.PRQ%u", i);

        aml_device(a, name);
        name_id(a, "_HID", "PNP0C0F");
        name_int(a, "_UID", i);
        aml_name(a, "_PRS");
        interrupt_template(a, possible, G_N_ELEMENTS(possible));
        link_sta(a, reg);
        link_dis(a, reg);
        link_crs(a, reg);
        link_srs(a, reg);
        aml_end(a);
    }
}

/* -- the PCI bus ---------------------------------------------------------------------- */

/* Package { slot << 16 | 0xffff, pin, \_SB.LNKx, 0 } for each pin. */
static void routing_table(Aml *a)
{
    aml_name(a, "_PRT");
    aml_package(a, PCI_SLOTS * PCI_PINS);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        for (unsigned pin = 0; pin < PCI_PINS; pin++) {
            unsigned line = (slot + pin + PCI_PINS - 1) % PCI_PINS;
            char name[] = "\\_SB.LNKx";

            name[sizeof(name) - 2] = (char)('A' + line);
            aml_package(a, 4);
            aml_int(a, slot << 16 | 0xffff);
            aml_int(a, pin);
            aml_path(a, name);
            aml_int(a, 0);
            aml_end(a);
        }
    }
    aml_end(a);
}

static void windows(Aml *a, const DsdtConfig *c)
{
    AmlResources *r = aml_resources_new();

    aml_res_bus_window(r, 0, 0xff);
    aml_res_io(r, 0xcf8, 8);
    aml_res_io_window(r, 0, 0xcf7);
    aml_res_io_window(r, 0xd00, 0xffff);
    aml_res_memory32_window(r, true, 0xa0000, 0xbffff);
    if (c->mem32_first < c->mem32_last) {
        aml_res_memory32_window(r, false, c->mem32_first, c->mem32_last);
    }
    if (c->mem64_first < c->mem64_last) {
        aml_res_memory64_window(r, true, c->mem64_first, c->mem64_last);
    }
    aml_name(a, "_CRS");
    aml_resources(a, r);
}

/* -- devices --------------------------------------------------------------------------- */

static void isa_device(Aml *a, const char *name, const char *id)
{
    aml_device(a, name);
    name_id(a, "_HID", id);
}

static void ports_and_irq(Aml *a, uint16_t base, uint8_t len, unsigned irq)
{
    AmlResources *r = aml_resources_new();

    aml_res_io(r, base, len);
    aml_res_irq(r, (uint16_t)(1u << irq));
    aml_name(a, "_CRS");
    aml_resources(a, r);
}

static void keyboard_and_mouse(Aml *a)
{
    AmlResources *r = aml_resources_new();

    isa_device(a, "KBD", "PNP0303");
    aml_res_io(r, 0x60, 1);
    aml_res_io(r, 0x64, 1);
    aml_res_irq(r, 1u << 1);
    aml_name(a, "_CRS");
    aml_resources(a, r);
    name_int(a, "_STA", 0xf);
    aml_end(a);
    r = aml_resources_new();
    isa_device(a, "MOU", "PNP0F13");
    aml_res_irq(r, 1u << 12);
    aml_name(a, "_CRS");
    aml_resources(a, r);
    name_int(a, "_STA", 0xf);
    aml_end(a);
}

static void port(Aml *a, const DsdtPort *p)
{
    char name[5] = { 0 };

    memcpy(name, p->parallel ? "LPT" : "COM", 3);
    name[3] = (char)('0' + p->uid % 10);
    isa_device(a, name, p->parallel ? "PNP0400" : "PNP0501");
    name_int(a, "_UID", p->uid);
    name_int(a, "_STA", 0xf);
    ports_and_irq(a, p->base, 8, p->irq);
    aml_end(a);
}

/* Device (ISA) with the PIRQ registers and what is behind the bridge. */
static void isa_bridge(Aml *a, const DsdtConfig *c)
{
    aml_device(a, "ISA");
    name_int(a, "_ADR", 0x00010000);
    aml_op_region(a, "PIRQ", AML_SPACE_PCI_CONFIG, PIRQ_REGISTERS, PCI_PINS);
    aml_field(a, "PIRQ", AML_FIELD_BYTE_ACC | AML_FIELD_PRESERVE);
    for (unsigned i = 0; i < PCI_PINS; i++) {
        char name[5] = { 'P', 'R', 'Q', (char)('0' + i), 0 };

        aml_field_unit(a, name, 8);
    }
    aml_end(a);
    isa_device(a, "RTC", "PNP0B00");
    ports_and_irq(a, 0x70, 8, 8);
    aml_end(a);
    if (c->i8042) {
        keyboard_and_mouse(a);
    }
    for (unsigned i = 0; i < c->n_ports; i++) {
        port(a, &c->port[i]);
    }
    aml_end(a);
}

/* Ports that belong to the board and to no device. */
static void board_resources(Aml *a, const DsdtConfig *c)
{
    AmlResources *r = aml_resources_new();

    aml_res_io(r, c->pm_base, 0x40);
    aml_res_io(r, PIIX4_SMB_BASE, 0x10);
    aml_res_io(r, PIIX4_GPE_BASE, PIIX4_GPE_BYTES);
    aml_device(a, "MRES");
    name_id(a, "_HID", "PNP0C02");
    aml_name(a, "_CRS");
    aml_resources(a, r);
    aml_end(a);
}

static void hpet(Aml *a)
{
    AmlResources *r = aml_resources_new();

    aml_res_memory32_fixed(r, false, HPET_BASE, HPET_BYTES);
    aml_device(a, "HPET");
    name_id(a, "_HID", "PNP0103");
    name_int(a, "_UID", 0);
    aml_name(a, "_CRS");
    aml_resources(a, r);
    aml_end(a);
}

static void fw_cfg(Aml *a)
{
    AmlResources *r = aml_resources_new();

    aml_res_io(r, FW_CFG_PORT, FW_CFG_PORTS);
    aml_device(a, "FWCF");
    aml_name(a, "_HID");
    aml_string(a, "QEMU0002");
    name_int(a, "_STA", 0xb);
    aml_name(a, "_CRS");
    aml_resources(a, r);
    aml_end(a);
}

static void processors(Aml *a, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("C%03X", i);

        aml_device(a, name);
        aml_name(a, "_HID");
        aml_string(a, "ACPI0007");
        name_int(a, "_UID", i);
        aml_end(a);
    }
}

/* Name (\_S5, Package { 0, 0, 0, 0 }): sleep type 0 is soft off. */
static void sleep_states(Aml *a)
{
    aml_scope(a, "\\");
    aml_name(a, "_S5");
    aml_package(a, 4);
    for (unsigned i = 0; i < 4; i++) {
        aml_int(a, 0);
    }
    aml_end(a);
    aml_end(a);
}

GBytes *dsdt_build(const DsdtConfig *c)
{
    g_autoptr(Aml) a = aml_new();

    aml_scope(a, "\\_SB");
    aml_device(a, "PCI0");
    name_id(a, "_HID", "PNP0A03");
    name_int(a, "_UID", 0);
    windows(a, c);
    routing_table(a);
    isa_bridge(a, c);
    aml_end(a);
    links(a);
    board_resources(a, c);
    if (c->hpet) {
        hpet(a);
    }
    if (c->fw_cfg) {
        fw_cfg(a);
    }
    processors(a, c->cpus);
    aml_end(a);
    sleep_states(a);
    return aml_bytes(a);
}
