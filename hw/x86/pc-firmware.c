/*
 * What the PC tells firmware through fw_cfg.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/options.h"
#include "hw/x86/pc.h"
#include "hw/x86/x86-cpu.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/read-file.h"
#include "util/uuid.h"

#define E820_ENTRY_BYTES  20u
#define SYSTEM_STATES     6u
#define STATE_AVAILABLE   0x80
#define STATE_S4_VALUE    2
#define USER_FILE_MAX     (64ull << 20)
#define SERCON_PORT       0x3f8
#define SPLASH_TIME_MAX   0xffffu
#define EXTENDED_RAM_BASE 0x100000u

/* -- numbers ------------------------------------------------------------------ */

/* One more than the highest APIC id: what firmware waits for. */
static unsigned apic_id_limit(PCMachineState *pc)
{
    const CpuTopology *t = &MACHINE(pc)->smp;

    return x86_cpu_place(t, t->max_cpus - 1).apic_id + 1;
}

static void append_ram(GByteArray *table, uint64_t start, uint64_t size)
{
    uint8_t e[E820_ENTRY_BYTES];

    stq_le_p(e, start);
    stq_le_p(e + 8, size);
    stl_le_p(e + 16, MEMMAP_RAM);
    g_byte_array_append(table, e, sizeof(e));
}

/* RAM below 4 GiB as one piece from 0: firmware takes out itself what it and
 * the hole of the first mebibyte use. */
static void add_e820(PCMachineState *pc, FWCfgState *f)
{
    uint64_t high = MACHINE(pc)->ram_bytes - pc->low_end;
    GByteArray *table = g_byte_array_new();

    append_ram(table, 0, pc->low_end);
    if (high) {
        append_ram(table, PC_HIGH_RAM_BASE, high);
    }
    fw_cfg_add_file(f, "etc/e820", g_byte_array_free_to_bytes(table), NULL);
}

static void add_numbers(PCMachineState *pc, FWCfgState *f)
{
    MachineState *m = MACHINE(pc);
    QemuUUID uuid = { { { 0 } } };
    uint16_t numa[4] = { 0 };

    if (m->uuid) {
        qemu_uuid_parse(m->uuid, &uuid);
    }
    fw_cfg_add_bytes(f, FW_CFG_UUID, g_bytes_new(&uuid, sizeof(uuid)));
    fw_cfg_add_i64(f, FW_CFG_RAM_SIZE, m->ram_bytes);
    fw_cfg_add_i16(f, FW_CFG_NOGRAPHIC, !m->graphics);
    fw_cfg_add_i16(f, FW_CFG_NB_CPUS, (uint16_t)m->smp.cpus);
    fw_cfg_add_i16(f, FW_CFG_MAX_CPUS, (uint16_t)apic_id_limit(pc));
    fw_cfg_add_i32(f, FW_CFG_IRQ0_OVERRIDE, 1);
    fw_cfg_add_bytes(f, FW_CFG_NUMA, g_bytes_new(numa, sizeof(numa)));
}

static bool add_system_states(PCMachineState *pc, FWCfgState *f, Error **errp)
{
    /* S0 and S5; suspend to RAM and to disk are not offered. */
    static const uint8_t states[SYSTEM_STATES] = {
        STATE_AVAILABLE, 0, 0, 1, STATE_S4_VALUE, STATE_AVAILABLE,
    };

    return !pc->acpi ||
           fw_cfg_add_file(f, "etc/system-states",
                           g_bytes_new_static(states, sizeof(states)), errp);
}

/* -- -fw_cfg ---------------------------------------------------------------------- */

static GBytes *user_file_bytes(const char *name, const char *file,
                               const char *text, Error **errp)
{
    size_t len;
    char *data;

    if (!file == !text) {
        error_setg(errp, "fw_cfg '%s' needs one of file= and string=", name);
        return NULL;
    }
    if (text) {
        return g_bytes_new(text, strlen(text)); /* without its NUL */
    }
    data = read_file_bounded(file, USER_FILE_MAX, &len, errp);
    return data ? g_bytes_new_take(data, len) : NULL;
}

static bool add_user_file(FWCfgState *f, const char *option, Error **errp)
{
    static const char *const known[] = { "name", "file", "string", NULL };
    json_auto_t *opts = keyval_parse(option, "name", NULL, errp);
    const char *name = NULL;
    const char *file = NULL;
    const char *text = NULL;
    GBytes *bytes;

    if (!opts || !options_check_known(opts, known, "-fw_cfg", errp) ||
        !options_get_string(opts, "name", &name, errp) ||
        !options_get_string(opts, "file", &file, errp) ||
        !options_get_string(opts, "string", &text, errp)) {
        return false;
    }
    if (!name) {
        error_setg(errp, "-fw_cfg needs name=");
        return false;
    }
    bytes = user_file_bytes(name, file, text, errp);
    return bytes && fw_cfg_add_file(f, name, bytes, errp);
}

/* -- -boot ------------------------------------------------------------------------- */

/* etc/boot-menu-wait: how long the menu waits, in ms. */
static bool add_menu_wait(FWCfgState *f, const json_t *boot, Error **errp)
{
    unsigned ms = 0;
    uint16_t le;

    if (!json_object_get(boot, "splash-time")) {
        return true;
    }
    if (!options_get_uint(boot, "splash-time", &ms, errp)) {
        return false;
    }
    if (ms > SPLASH_TIME_MAX) {
        error_setg(errp, "-boot splash-time=%u is more than %u ms", ms,
                   SPLASH_TIME_MAX);
        return false;
    }
    le = cpu_to_le16((uint16_t)ms);
    return fw_cfg_add_file(f, "etc/boot-menu-wait",
                           g_bytes_new(&le, sizeof(le)), errp);
}

/* etc/boot-fail-wait: ms until the next try; all ones: none. */
static bool add_fail_wait(FWCfgState *f, const json_t *boot, Error **errp)
{
    const char *text = NULL;
    unsigned ms = UINT32_MAX;
    uint32_t le;

    if (!options_get_string(boot, "reboot-timeout", &text, errp)) {
        return false;
    }
    if (text && !g_str_equal(text, "-1") &&
        !options_get_uint(boot, "reboot-timeout", &ms, errp)) {
        return false;
    }
    if (text && ms != UINT32_MAX && ms > SPLASH_TIME_MAX) {
        error_setg(errp, "-boot reboot-timeout=%u is more than %u ms", ms,
                   SPLASH_TIME_MAX);
        return false;
    }
    le = cpu_to_le32(ms);
    return fw_cfg_add_file(f, "etc/boot-fail-wait",
                           g_bytes_new(&le, sizeof(le)), errp);
}

/* Without a screen, firmware's text goes to the first serial port. */
static bool add_sercon(PCMachineState *pc, FWCfgState *f, Error **errp)
{
    uint64_t port = cpu_to_le64(SERCON_PORT);

    return MACHINE(pc)->graphics ||
           fw_cfg_add_file(f, "etc/sercon-port",
                           g_bytes_new(&port, sizeof(port)), errp);
}

static bool add_boot_options(PCMachineState *pc, FWCfgState *f, Error **errp)
{
    const json_t *boot = MACHINE(pc)->boot;
    const char *menu = NULL;

    if (!options_get_string(boot, "menu", &menu, errp)) {
        return false;
    }
    if (menu) {
        fw_cfg_add_i16(f, FW_CFG_BOOT_MENU, g_str_equal(menu, "on"));
    }
    return add_menu_wait(f, boot, errp) && add_fail_wait(f, boot, errp);
}

/* -- the two moments ------------------------------------------------------------------ */

bool pc_fill_fw_cfg(PCMachineState *pc, Error **errp)
{
    MachineState *m = MACHINE(pc);
    FWCfgState *f = m->fw_cfg;

    add_numbers(pc, f);
    add_e820(pc, f);
    if (!add_system_states(pc, f, errp) || !add_sercon(pc, f, errp) ||
        !add_boot_options(pc, f, errp)) {
        return false;
    }
    for (char **o = m->fw_cfg_files; o && *o; o++) {
        if (!add_user_file(f, *o, errp)) {
            return false;
        }
    }
    return true;
}

bool pc_finish_fw_cfg(PCMachineState *pc, Error **errp)
{
    return !pc->firmware || pc_add_tables(pc, errp);
}
