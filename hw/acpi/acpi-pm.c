/*
 * ACPI fixed hardware registers. Bytes and words of a register can be reached
 * one by one; a status bit is cleared by writing a one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/acpi/acpi-pm.h"

#include "migration/vmstate.h"
#include "trace/trace-hw.h"

#define REG_STATUS  0u
#define REG_ENABLE  2u
#define REG_CONTROL 4u
#define REG_TIMER   8u
#define PM1_EVENTS                                                             \
    (ACPI_PM1_TMR | ACPI_PM1_GBL | ACPI_PM1_PWRBTN | ACPI_PM1_SLPBTN |         \
     ACPI_PM1_RTC)
#define CONTROL_WRITABLE 0x1c03u /* SCI_EN, BM_RLD, SLP_TYP */

static uint16_t status_now(AcpiPM *pm)
{
    uint16_t timer = acpi_pm_timer_status(&pm->timer) ? ACPI_PM1_TMR : 0;

    return pm->status | timer;
}

static void update_sci(AcpiPM *pm)
{
    bool level = status_now(pm) & pm->enable & PM1_EVENTS;

    for (unsigned i = 0; i < ACPI_GPE_BYTES; i++) {
        level |= (pm->gpe_status[i] & pm->gpe_enable[i]) != 0;
    }
    qemu_set_irq(pm->sci, level && (pm->control & ACPI_PM1_SCI_EN));
    acpi_pm_timer_enable(&pm->timer, pm->enable & ACPI_PM1_TMR);
}

static void timer_changed(void *opaque)
{
    update_sci(opaque);
}

/* -- PM1 ---------------------------------------------------------------------- */

static void write_control(AcpiPM *pm, uint16_t value)
{
    pm->control = value & CONTROL_WRITABLE;
    update_sci(pm);
    if (value & ACPI_PM1_SLP_EN) {
        trace_acpi_sleep(ACPI_PM1_SLP_TYPE(value));
        if (ACPI_PM1_SLP_TYPE(value) == ACPI_SLP_TYPE_S5) {
            pm->soft_off(pm->opaque);
        }
    }
}

static uint16_t read_word(AcpiPM *pm, unsigned offset)
{
    switch (offset) {
    case REG_STATUS:
        return status_now(pm);
    case REG_ENABLE:
        return pm->enable;
    case REG_CONTROL:
        return pm->control;
    case REG_TIMER:
        return (uint16_t)acpi_pm_timer_read(&pm->timer);
    case REG_TIMER + 2:
        return (uint16_t)(acpi_pm_timer_read(&pm->timer) >> 16);
    default:
        return 0;
    }
}

static void write_word(AcpiPM *pm, unsigned offset, uint16_t value)
{
    switch (offset) {
    case REG_STATUS:
        if (value & ACPI_PM1_TMR) {
            acpi_pm_timer_clear(&pm->timer);
        }
        pm->status &= (uint16_t)~value;
        update_sci(pm);
        break;
    case REG_ENABLE:
        pm->enable = value & PM1_EVENTS;
        update_sci(pm);
        break;
    case REG_CONTROL:
        write_control(pm, value);
        break;
    default:
        break;
    }
}

uint32_t acpi_pm_read(AcpiPM *pm, unsigned offset, unsigned size)
{
    if (size == 4) {
        /* The timer in one reading. */
        return offset == REG_TIMER
                   ? acpi_pm_timer_read(&pm->timer)
                   : read_word(pm, offset) | (uint32_t)read_word(pm, offset + 2)
                                                 << 16;
    }
    if (size == 2) {
        return read_word(pm, offset);
    }
    return (read_word(pm, offset & ~1u) >> (offset & 1) * 8) & 0xff;
}

void acpi_pm_write(AcpiPM *pm, unsigned offset, uint32_t value, unsigned size)
{
    unsigned shift = (offset & 1) * 8;
    unsigned word = offset & ~1u;
    uint16_t keep;

    if (size == 4) {
        write_word(pm, offset, (uint16_t)value);
        write_word(pm, offset + 2, (uint16_t)(value >> 16));
    } else if (size == 2) {
        write_word(pm, offset, (uint16_t)value);
    } else {
        /* The other byte stays: of the status, no bit of it is cleared. */
        keep = word == REG_STATUS ? 0 : read_word(pm, word);
        keep &= (uint16_t) ~(0xffu << shift);
        write_word(pm, word, (uint16_t)(keep | (value & 0xff) << shift));
    }
}

/* -- GPE ------------------------------------------------------------------------ */

uint8_t acpi_pm_gpe_read(AcpiPM *pm, unsigned offset)
{
    if (offset < ACPI_GPE_BYTES) {
        return pm->gpe_status[offset];
    }
    offset -= ACPI_GPE_BYTES;
    return offset < ACPI_GPE_BYTES ? pm->gpe_enable[offset] : 0;
}

void acpi_pm_gpe_write(AcpiPM *pm, unsigned offset, uint8_t value)
{
    if (offset < ACPI_GPE_BYTES) {
        pm->gpe_status[offset] &= (uint8_t)~value;
    } else if (offset < 2 * ACPI_GPE_BYTES) {
        pm->gpe_enable[offset - ACPI_GPE_BYTES] = value;
    }
    update_sci(pm);
}

/* -- events ----------------------------------------------------------------------- */

void acpi_pm_set_enabled(AcpiPM *pm, bool on)
{
    pm->control = (uint16_t)(on ? pm->control | ACPI_PM1_SCI_EN
                                : pm->control & ~ACPI_PM1_SCI_EN);
    update_sci(pm);
}

void acpi_pm_power_button(AcpiPM *pm)
{
    pm->status |= ACPI_PM1_PWRBTN;
    update_sci(pm);
}

void acpi_pm_reset(AcpiPM *pm)
{
    pm->status = 0;
    pm->enable = 0;
    pm->control = 0;
    memset(pm->gpe_status, 0, sizeof(pm->gpe_status));
    memset(pm->gpe_enable, 0, sizeof(pm->gpe_enable));
    acpi_pm_timer_reset(&pm->timer);
    update_sci(pm);
}

static int acpi_pm_post_load(void *opaque, int version_id)
{
    AcpiPM *pm = opaque;

    pm->enable &= PM1_EVENTS;
    pm->control &= CONTROL_WRITABLE;
    update_sci(pm);
    return 0;
}

const VMStateDescription vmstate_acpi_pm = {
    .name = "acpi_pm",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = acpi_pm_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT16(status, AcpiPM), VMSTATE_UINT16(enable, AcpiPM),
            VMSTATE_UINT16(control, AcpiPM),
            VMSTATE_UINT8_ARRAY(gpe_status, AcpiPM, ACPI_GPE_BYTES),
            VMSTATE_UINT8_ARRAY(gpe_enable, AcpiPM, ACPI_GPE_BYTES),
            VMSTATE_STRUCT(timer, AcpiPM, 0, vmstate_acpi_pm_timer,
                           ACPIPMTimer),
            VMSTATE_END_OF_LIST() },
};

void acpi_pm_init(AcpiPM *pm, qemu_irq sci, void (*soft_off)(void *opaque),
                  void *opaque)
{
    *pm = (AcpiPM){ .sci = sci, .soft_off = soft_off, .opaque = opaque };
    acpi_pm_timer_init(&pm->timer, timer_changed, pm);
}

void acpi_pm_deinit(AcpiPM *pm)
{
    acpi_pm_timer_deinit(&pm->timer);
}
