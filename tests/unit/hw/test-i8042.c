/*
 * Keyboard controller, PS/2 keyboard and mouse: protocol scripts as a guest's
 * driver runs them.
 *
 * A script is text: "c AA" writes a command, "d ED" data, "m F4" a byte to
 * the mouse (command D4h), "= 55" expects a byte of the keyboard or the
 * controller, "~ FA" one of the mouse, "." an empty output buffer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/input/ps2.h"
#include "hw/types.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/main-loop.h"

#include "fake-isa.h"

typedef struct Fixture {
    FakeISA isa;
    DeviceState *dev;
    InputRouter *input;
    Object *machine;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    Object *ui = object_new(TYPE_UI);

    f->machine = object_new(TYPE_CONTAINER);
    object_property_add_child(object_get_root(), "machine", f->machine);
    object_property_add_child(f->machine, "ui", ui);
    f->input = ui_input(UI(ui));
    object_unref(ui);
    fake_isa_init(&f->isa);
    f->dev = qdev_new("i8042");
    qdev_realize(f->dev, BUS(f->isa.bus), &error_abort);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    qdev_unrealize(f->dev);
    object_unref(OBJECT(f->dev));
    fake_isa_deinit(&f->isa);
    object_unparent(f->machine);
    object_unref(f->machine);
}

static void expect(Fixture *f, uint8_t byte, bool mouse)
{
    uint8_t status = fake_isa_in(&f->isa, 0x64);

    g_assert_cmphex(status & 0x21, ==, mouse ? 0x21 : 0x01);
    g_assert_cmphex(fake_isa_in(&f->isa, 0x60), ==, byte);
}

static void run(Fixture *f, const char *script)
{
    g_auto(GStrv) words = g_strsplit(script, " ", -1);

    for (char **w = words; *w; w++) {
        uint8_t byte = 0;

        if (**w == '.') {
            g_assert_cmphex(fake_isa_in(&f->isa, 0x64) & 1, ==, 0);
            continue;
        }
        g_assert_nonnull(w[1]);
        byte = (uint8_t)g_ascii_strtoull(w[1], NULL, 16);
        switch (**w) {
        case 'c':
            fake_isa_out(&f->isa, 0x64, byte);
            break;
        case 'm':
            fake_isa_out(&f->isa, 0x64, 0xd4);
            fake_isa_out(&f->isa, 0x60, byte);
            break;
        case 'd':
            fake_isa_out(&f->isa, 0x60, byte);
            break;
        default:
            expect(f, byte, **w == '~');
            break;
        }
        w++;
    }
}

static void key(Fixture *f, QKeyCode code, bool down)
{
    g_assert_true(input_key(f->input, code, down));
    input_sync(f->input);
    input_flush(f->input);
}

static void tap(Fixture *f, QKeyCode code)
{
    key(f, code, true);
    key(f, code, false);
}

/* -- controller ------------------------------------------------------------------ */

static void test_controller(Fixture *f, gconstpointer data)
{
    g_assert_cmphex(fake_isa_in(&f->isa, 0x64), ==, 0x1c);
    run(f, "c 20 = 47");
    run(f, "c AA = 55 . c AB = 00 c A9 = 00 c C0 = 80 c E0 = 00 c A4 = F1 .");
    g_assert_cmphex(fake_isa_in(&f->isa, 0x64), ==, 0x1c);
    /* Memory and configuration. */
    run(f, "c 60 d 47 c 20 = 47 c 7F d 12 c 3F = 12 c 25 = 00 .");
    run(f, "c AD c 20 = 57 c A7 c 20 = 77 c AE c 20 = 67 c A8 c 20 = 47 .");
    /* A20 follows. */
    run(f, "c DD c D0 = CD c DF c D0 = CF c D1 d DD c D0 = CD .");
    /* Made-up bytes come untranslated and from where they say. */
    run(f, "c D2 d 1C = 1C c D3 d 1C ~ 1C .");
    /* Unknown commands are not answered. */
    run(f, "c 00 c B0 c C8 . c AA = 55 .");
}

static void test_interrupts(Fixture *f, gconstpointer data)
{
    run(f, "c 60 d 43 m F4 ~ FA .");
    f->isa.edges[1] = f->isa.edges[12] = 0;
    tap(f, Q_KEY_CODE_A);
    input_rel(f->input, INPUT_AXIS_X, 1);
    input_sync(f->input);
    input_flush(f->input);
    g_assert_cmpint(f->isa.level[1], ==, 1);
    g_assert_cmpint(f->isa.level[12], ==, 0);
    run(f, "= 1E = 9E ~ 08 ~ 01 ~ 00 .");
    g_assert_cmpuint(f->isa.edges[1], ==, 2);
    g_assert_cmpuint(f->isa.edges[12], ==, 3);
    g_assert_cmpint(f->isa.level[12], ==, 0);
    /* No line without its bit; bytes wait for a port that is off. */
    run(f, "c 60 d 40");
    tap(f, Q_KEY_CODE_A);
    g_assert_cmpuint(f->isa.edges[1], ==, 2);
    run(f, "= 1E = 9E . c AD");
    tap(f, Q_KEY_CODE_B);
    run(f, ". c 60 d 41");
    g_assert_cmpuint(f->isa.edges[1], ==, 3);
    run(f, "= 30 = B0 .");
}

/* -- keyboard --------------------------------------------------------------------- */

static void test_keyboard_commands(Fixture *f, gconstpointer data)
{
    run(f, "c 60 d 03"); /* no translation */
    run(f, "d FF = FA = AA . d F2 = FA = AB = 83 . d EE = EE .");
    run(f, "d F3 = FA d 20 = FA . d F0 = FA d 00 = FA = 02 .");
    run(f, "d F0 = FA d 04 = FE . d 12 = FE . d FE = FE .");
    run(f, "d F7 = FA d F8 = FA d F9 = FA d FA = FA d F6 = FA .");
    /* A command takes the place of a parameter. */
    run(f, "d ED = FA d F4 = FA . d ED = FA d 07 = FA .");
    g_assert_cmphex(input_leds(f->input), ==, 0);
    input_flush(f->input);
    g_assert_cmphex(input_leds(f->input), ==, 7);
    /* With translation the identity changes as on every PC. */
    run(f, "c 60 d 43 d F2 = FA = AB = 41 .");
    /* Off, on. */
    run(f, "d F5 = FA");
    tap(f, Q_KEY_CODE_A);
    run(f, ". d F4 = FA");
    tap(f, Q_KEY_CODE_A);
    run(f, "= 1E = 9E .");
    /* What the user typed waits behind an answer and for a parameter. */
    tap(f, Q_KEY_CODE_A);
    run(f, "d ED = 1E = FA . d 00 = FA = 9E .");
}

static void test_keyboard_sets(Fixture *f, gconstpointer data)
{
    run(f, "c 60 d 03"); /* set 2 */
    tap(f, Q_KEY_CODE_A);
    tap(f, Q_KEY_CODE_F7);
    tap(f, Q_KEY_CODE_UP);
    run(f, "= 1C = F0 = 1C = 83 = F0 = 83 = E0 = 75 = E0 = F0 = 75 .");
    tap(f, Q_KEY_CODE_PAUSE);
    run(f, "= E1 = 14 = 77 = E1 = F0 = 14 = F0 = 77 .");
    tap(f, Q_KEY_CODE_PRINT);
    run(f, "= E0 = 12 = E0 = 7C = E0 = F0 = 7C = E0 = F0 = 12 .");
    key(f, Q_KEY_CODE_ALT, true);
    tap(f, Q_KEY_CODE_PRINT);
    key(f, Q_KEY_CODE_ALT, false);
    run(f, "= 11 = 84 = F0 = 84 = F0 = 11 .");
    run(f, "d F0 = FA d 01 = FA");
    tap(f, Q_KEY_CODE_A);
    tap(f, Q_KEY_CODE_KP_ENTER);
    tap(f, Q_KEY_CODE_PAUSE);
    run(f, "= 1E = 9E = E0 = 1C = E0 = 9C = E1 = 1D = 45 = E1 = 9D = C5 .");
    /* Set 3: letters say nothing when they go up until they are told to. */
    run(f, "d F0 = FA d 03 = FA d F0 = FA d 00 = FA = 03");
    tap(f, Q_KEY_CODE_A);
    tap(f, Q_KEY_CODE_SHIFT);
    run(f, "= 1C = 12 = F0 = 12 . d FC = FA d 1C = FA d F4 = FA");
    tap(f, Q_KEY_CODE_A);
    run(f, "= 1C = F0 = 1C . d F8 = FA");
    tap(f, Q_KEY_CODE_B);
    run(f, "= 32 = F0 = 32 .");
    /* The controller's translation of set 2 is set 1. */
    run(f, "d F6 = FA c 60 d 43");
    tap(f, Q_KEY_CODE_F7);
    tap(f, Q_KEY_CODE_DELETE);
    tap(f, Q_KEY_CODE_PAUSE);
    run(f, "= 41 = C1 = E0 = 53 = E0 = D3 = E1 = 1D = 45 = E1 = 9D = C5 .");
}

/* Every key: set 2 through the controller is the key's number. */
static void test_keyboard_all(Fixture *f, gconstpointer data)
{
    run(f, "c 60 d 43");
    for (QKeyCode k = 1; k < Q_KEY_CODE__MAX; k++) {
        int n = qkeycode_to_number(k);

        if (!n || k == Q_KEY_CODE_PRINT || k == Q_KEY_CODE_PAUSE ||
            k == Q_KEY_CODE_LANG1 || k == Q_KEY_CODE_LANG2) {
            continue;
        }
        tap(f, k);
        if (n & 0x80) {
            expect(f, 0xe0, false);
        }
        expect(f, n & 0x7f, false);
        if (n & 0x80) {
            expect(f, 0xe0, false);
        }
        expect(f, n | 0x80, false);
        run(f, ".");
        if (k != Q_KEY_CODE_ASTERISK && k != Q_KEY_CODE_MENU) {
            g_assert_cmpint(qkeycode_from_number(n), ==, k);
        }
    }
}

/* A guest that reads nothing: what was pressed goes up, too. */
static void test_keyboard_overflow(Fixture *f, gconstpointer data)
{
    int pressed = 0, released = 0;

    run(f, "c 60 d 43");
    for (int i = 0; i < 400; i++) {
        key(f, Q_KEY_CODE_A, true);
    }
    key(f, Q_KEY_CODE_A, false);
    while (fake_isa_in(&f->isa, 0x64) & 1) {
        uint8_t byte = fake_isa_in(&f->isa, 0x60);

        pressed += byte == 0x1e;
        released += byte == 0x9e;
    }
    g_assert_cmpint(pressed, >=, 100);
    g_assert_cmpint(pressed, <, 256);
    g_assert_cmpint(released, ==, 1);
}

/* -- mouse ---------------------------------------------------------------------------- */

static void move(Fixture *f, int dx, int dy)
{
    input_rel(f->input, INPUT_AXIS_X, dx);
    input_rel(f->input, INPUT_AXIS_Y, dy);
    input_sync(f->input);
    input_flush(f->input);
}

static void button(Fixture *f, InputButton b, bool down)
{
    input_button(f->input, b, down);
    input_sync(f->input);
    input_flush(f->input);
}

static void test_mouse(Fixture *f, gconstpointer data)
{
    run(f, "c 60 d 03 m FF ~ FA ~ AA ~ 00 . m F2 ~ FA ~ 00 .");
    move(f, 1, 1); /* does not report yet */
    run(f, ". m E9 ~ FA ~ 00 ~ 02 ~ 64 . m F4 ~ FA .");
    move(f, 5, 3);
    run(f, "~ 28 ~ 05 ~ FD .");
    move(f, -300, 0);
    run(f, "~ 18 ~ 01 ~ 00 ~ 18 ~ D3 ~ 00 .");
    button(f, INPUT_BUTTON_LEFT, true);
    button(f, INPUT_BUTTON_RIGHT, true);
    button(f, INPUT_BUTTON_LEFT, false);
    button(f, INPUT_BUTTON_RIGHT, false);
    button(f, INPUT_BUTTON_WHEEL_UP, true); /* has no wheel yet */
    run(f, "~ 09 ~ 00 ~ 00 ~ 0B ~ 00 ~ 00 ~ 0A ~ 00 ~ 00 ~ 08 ~ 00 ~ 00 .");
    /* Remote mode: only when asked. */
    run(f, "m F0 ~ FA");
    move(f, 2, 0);
    run(f, ". m EB ~ FA ~ 08 ~ 02 ~ 00 . m E9 ~ FA ~ 60 ~ 02 ~ 64 .");
    /* Wrap: everything comes back but reset and end of wrap. */
    run(f, "m EA ~ FA m EE ~ FA m 12 ~ 12 m F4 ~ F4 m EC ~ FA m E7 ~ FA .");
    move(f, 4, 0);
    run(f, "~ 08 ~ 06 ~ 00 . m E6 ~ FA m E8 ~ FA m 07 ~ FE m 33 ~ FE .");
}

static void test_mouse_wheel(Fixture *f, gconstpointer data)
{
    run(f, "c 60 d 03 m F3 ~ FA m C8 ~ FA m F3 ~ FA m 64 ~ FA "
           "m F3 ~ FA m 50 ~ FA m F2 ~ FA ~ 03 . m F4 ~ FA");
    button(f, INPUT_BUTTON_WHEEL_UP, true);
    button(f, INPUT_BUTTON_WHEEL_UP, false);
    button(f, INPUT_BUTTON_WHEEL_DOWN, true);
    run(f, "~ 08 ~ 00 ~ 00 ~ FF ~ 08 ~ 00 ~ 00 ~ 01 .");
    button(f, INPUT_BUTTON_SIDE, true); /* not of this model */
    run(f, ". m F3 ~ FA m C8 ~ FA m F3 ~ FA m C8 ~ FA "
           "m F3 ~ FA m 50 ~ FA m F2 ~ FA ~ 04 .");
    button(f, INPUT_BUTTON_EXTRA, true);
    run(f, "~ 08 ~ 00 ~ 00 ~ 30 .");
    button(f, INPUT_BUTTON_WHEEL_UP, true);
    run(f, "~ 08 ~ 00 ~ 00 ~ 3F .");
}

/* A guest that reads nothing gets the sum, and no more than a few packets. */
static void test_mouse_flood(Fixture *f, gconstpointer data)
{
    int sum = 0, packets = 0;

    run(f, "c 60 d 03 m F4 ~ FA");
    for (int i = 0; i < 1000; i++) {
        move(f, 1, -1);
    }
    while (fake_isa_in(&f->isa, 0x64) & 1) {
        uint8_t p[3];

        for (int i = 0; i < 3; i++) {
            p[i] = fake_isa_in(&f->isa, 0x60);
        }
        g_assert_cmphex(p[0], ==, 0x08);
        g_assert_cmphex(p[1], ==, p[2]);
        sum += p[1];
        packets++;
    }
    g_assert_cmpint(sum, ==, 1000);
    g_assert_cmpint(packets, <, 20);
}

/* -- router ------------------------------------------------------------------------------ */

static void test_router(Fixture *f, gconstpointer data)
{
    MouseInfoList *mice = input_mice(f->input);
    int taken = 0;

    g_assert_cmpstr(mice->value->name, ==, "QEMU PS/2 Mouse");
    g_assert_true(mice->value->current);
    g_assert_false(mice->value->absolute);
    g_assert_null(mice->next);
    g_assert_false(input_is_absolute(f->input));
    g_assert_true(
        input_select_mouse(f->input, mice->value->index, &error_abort));
    g_assert_false(input_select_mouse(f->input, 77, NULL));
    qapi_free_MouseInfoList(mice);
    /* Bounded; the last quarter is for what goes up. */
    while (input_key(f->input, Q_KEY_CODE_A, true)) {
        taken++;
    }
    g_assert_cmpint(taken, ==, INPUT_QUEUE_MAX * 3 / 4);
    g_assert_true(input_key(f->input, Q_KEY_CODE_A, false));
    g_assert_false(input_rel(f->input, INPUT_AXIS_X, 1));
    input_flush(f->input);
    g_assert_true(input_key(f->input, Q_KEY_CODE_A, true));
    g_assert_false(input_key_number(f->input, 0x1000, true));
    g_assert_cmpint(input_abs_scale(0, 640), ==, 0);
    g_assert_cmpint(input_abs_scale(639, 640), ==, INPUT_ABS_MAX);
    g_assert_cmpint(input_abs_scale(5, 1), ==, 0);
    input_flush(f->input);
}

#define ADD(name, func)                                                        \
    g_test_add("/i8042/" name, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    hw_register_types();
    ADD("controller", test_controller);
    ADD("interrupts", test_interrupts);
    ADD("keyboard/commands", test_keyboard_commands);
    ADD("keyboard/sets", test_keyboard_sets);
    ADD("keyboard/all", test_keyboard_all);
    ADD("keyboard/overflow", test_keyboard_overflow);
    ADD("mouse/basic", test_mouse);
    ADD("mouse/wheel", test_mouse_wheel);
    ADD("mouse/flood", test_mouse_flood);
    ADD("router", test_router);
    return g_test_run();
}
