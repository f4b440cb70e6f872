/*
 * Devices of the ISA bus and fw_cfg on a bench.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char.h"
#include "hw/machine-lock.h"
#include "hw/nvram/fw_cfg.h"
#include "qom/object.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/bswap.h"
#include "util/main-loop.h"

#include "fake-isa.h"
#include "state-bench.h"

typedef struct ISABench {
    StateBench parent;

    FakeISA isa;
    DeviceState *dev;
    char *chr;
} ISABench;

static StateBench *make_isa(const char *type, bool chardev)
{
    static unsigned n;
    ISABench *b = g_new0(ISABench, 1);

    fake_isa_init(&b->isa);
    b->dev = qdev_new(type);
    if (chardev) {
        g_autofree char *option = NULL;

        b->chr = g_strdup_printf("sb%u", n++);
        option = g_strdup_printf("ringbuf,id=%s,size=1024", b->chr);
        qemu_chr_new_from_cli(option, NULL, &error_abort);
        object_property_parse(OBJECT(b->dev), "chardev", b->chr, &error_abort);
    }
    qdev_realize(b->dev, BUS(b->isa.bus), &error_abort);
    device_cold_reset(b->dev);
    sb_add_part(&b->parent, b->dev);
    return &b->parent;
}

static void destroy_isa(StateBench *sb)
{
    ISABench *b = (ISABench *)sb;

    qdev_unrealize(b->dev);
    object_unref(OBJECT(b->dev));
    fake_isa_deinit(&b->isa);
    if (b->chr) {
        qemu_chr_remove(b->chr, &error_abort);
    }
    main_loop_wait(1);
    g_free(b->chr);
    g_free(b);
}

static void step_ports(StateBench *sb, const uint8_t *p, uint16_t first,
                       unsigned count)
{
    ISABench *b = (ISABench *)sb;
    uint16_t port = (uint16_t)(first + p[1] % count);

    MACHINE_LOCK_GUARD();
    if (p[0] & 1) {
        fake_isa_in(&b->isa, port);
    } else {
        fake_isa_out(&b->isa, port, p[2]);
    }
}

/* -- serial ------------------------------------------------------------------------ */

static StateBench *make_serial(void)
{
    return make_isa("isa-serial", true);
}

static void step_serial(StateBench *sb, const uint8_t *p)
{
    ISABench *b = (ISABench *)sb;
    Chardev *chr = qemu_chr_find(b->chr);

    if (p[0] < 0xe0) {
        step_ports(sb, p, 0x3f8, 8);
    } else if (qemu_chr_be_can_write(chr) > 0) {
        qemu_chr_be_write(chr, (uint8_t *)p + 3, 1);
    }
}

const StateBenchKind sb_serial = { .name = "isa-serial",
                                   .make = make_serial,
                                   .step = step_serial,
                                   .destroy = destroy_isa };

/* -- parallel ------------------------------------------------------------------------ */

static StateBench *make_parallel(void)
{
    return make_isa("isa-parallel", true);
}

static void step_parallel(StateBench *sb, const uint8_t *p)
{
    step_ports(sb, p, 0x378, 8);
}

const StateBenchKind sb_parallel = { .name = "isa-parallel",
                                     .make = make_parallel,
                                     .step = step_parallel,
                                     .destroy = destroy_isa };

/* -- i8042 ----------------------------------------------------------------------------- */

/* The user's keyboard and mouse are those of /machine/ui. */
static InputRouter *router(void)
{
    static Object *machine;
    static Object *ui;

    if (!machine) {
        machine = object_new(TYPE_CONTAINER);
        ui = object_new(TYPE_UI);
        object_property_add_child(object_get_root(), "machine", machine);
        object_property_add_child(machine, "ui", ui);
    }
    return ui_input(UI(ui));
}

static StateBench *make_i8042(void)
{
    router();
    return make_isa("i8042", false);
}

static void step_i8042(StateBench *sb, const uint8_t *p)
{
    InputRouter *r = router();
    uint8_t port = p[0] & 2 ? 0 : 4;

    switch (p[0] >> 6) {
    case 0:
        input_key(r, (QKeyCode)(p[2] % Q_KEY_CODE__MAX), p[3] & 1);
        break;
    case 1:
        input_rel(r, (InputAxis)(p[2] & 1), (int8_t)p[3] * 100);
        input_button(r, (InputButton)(p[4] % INPUT_BUTTON__MAX), p[3] & 1);
        break;
    default:
        step_ports(sb, (const uint8_t[]){ p[0], port, p[2] }, 0x60, 5);
        return;
    }
    input_sync(r);
    input_flush(r);
}

const StateBenchKind sb_i8042 = { .name = "i8042",
                                  .make = make_i8042,
                                  .step = step_i8042,
                                  .destroy = destroy_isa };

/* -- port 92h ---------------------------------------------------------------------------- */

static StateBench *make_port92(void)
{
    return make_isa("port92", false);
}

static void step_port92(StateBench *sb, const uint8_t *p)
{
    step_ports(sb, p, 0x92, 1);
}

const StateBenchKind sb_port92 = { .name = "port92",
                                   .make = make_port92,
                                   .step = step_port92,
                                   .destroy = destroy_isa };

/* -- fw_cfg ------------------------------------------------------------------------------- */

#define FW_RAM 0x4000u

typedef struct FwBench {
    StateBench parent;

    IOSpace *ports;
    GuestMemory *memory;
    FWCfgState *fw;
    uint8_t writable[64];
} FwBench;

static StateBench *make_fw(void)
{
    FwBench *b = g_new0(FwBench, 1);

    b->ports = io_space_new("I/O ports", 0xffff);
    b->memory = guest_memory_new();
    b->parent.ram_bytes = FW_RAM;
    b->parent.ram = g_aligned_alloc0(1, FW_RAM, 4096);
    guest_memory_map(b->memory, NULL, 0, FW_RAM, b->parent.ram, &error_abort);
    b->fw = fw_cfg_new(NULL, b->ports, b->memory, &error_abort);
    fw_cfg_add_string(b->fw, FW_CFG_CMDLINE_DATA, "console=ttyS0");
    fw_cfg_add_file_writable(b->fw, "etc/w", b->writable, sizeof(b->writable),
                             NULL, NULL, &error_abort);
    device_cold_reset(DEVICE(b->fw));
    sb_add_part(&b->parent, b->fw);
    return &b->parent;
}

static void step_fw(StateBench *sb, const uint8_t *p)
{
    FwBench *b = (FwBench *)sb;

    switch (p[0] & 3) {
    case 0:
        io_space_write(b->ports, 0x510, p[1] & 0x3f, 2);
        break;
    case 1:
        io_space_read(b->ports, 0x511, 1);
        break;
    case 2:
        memcpy(sb->ram + (p[1] & 0x3f) * 4u, p + 4, 4);
        break;
    default:
        io_space_write(b->ports, p[1] & 1 ? 0x514 : 0x518,
                       p[1] & 1 ? 0 : (uint32_t)(p[2] & 0x3f) << 26, 4);
        break;
    }
}

static void destroy_fw(StateBench *sb)
{
    FwBench *b = (FwBench *)sb;

    qdev_unrealize(DEVICE(b->fw));
    object_unref(OBJECT(b->fw));
    guest_memory_free(b->memory);
    io_space_free(b->ports);
    g_aligned_free(sb->ram);
    g_free(b);
}

const StateBenchKind sb_fw_cfg = {
    .name = "fw_cfg", .make = make_fw, .step = step_fw, .destroy = destroy_fw
};
