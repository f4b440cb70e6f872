/*
 * Keyboard and mouse: from whoever has the user (send-key, the VNC server) to
 * the device that has the guest.
 *
 * A sender calls the input_*() functions, in any thread, and ends each group
 * of events that belong together (an x and a y, a button) with input_sync().
 * Events wait in a bounded queue and are handed out in order by the main
 * loop, so a sender never runs device code and never waits. A device has an
 * InputHandler; the newest active handler that takes a kind of event gets it.
 *
 * Axes: relative movement is in counts. Absolute positions are 0 to
 * INPUT_ABS_MAX for the whole width and height of the screen.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UI_INPUT_H
#define UI_INPUT_H

#include <glib.h>
#include <stdbool.h>

#include "qapi/qapi-types-ui.h"
#include "qom/object.h"
#include "util/queue.h"

#define INPUT_ABS_MAX 0x7fff
/* Most events and delays that wait; what comes on top is dropped. */
#define INPUT_QUEUE_MAX 1024

/* Kinds of events a handler takes. */
#define INPUT_MASK_KEY (1u << INPUT_EVENT_KIND_KEY)
#define INPUT_MASK_BTN (1u << INPUT_EVENT_KIND_BTN)
#define INPUT_MASK_REL (1u << INPUT_EVENT_KIND_REL)
#define INPUT_MASK_ABS (1u << INPUT_EVENT_KIND_ABS)

typedef struct InputRouter InputRouter;
typedef struct InputHandler InputHandler;

/**
 * InputHandlerOps:
 * @name: of the device as `info mice` shows it ("QEMU PS/2 Mouse")
 * @mask: INPUT_MASK_* of what it takes
 * @key: a key goes down or up. Numbers were turned into QKeyCode.
 * @button, @rel, @abs: as the mask says
 * @sync: (optional) a group of events is complete
 *
 * Called in the main loop, no lock held: a device takes the machine lock.
 */
typedef struct InputHandlerOps {
    const char *name;
    unsigned mask;
    void (*key)(void *opaque, QKeyCode key, bool down);
    void (*button)(void *opaque, InputButton button, bool down);
    void (*rel)(void *opaque, InputAxis axis, int delta);
    void (*abs)(void *opaque, InputAxis axis, int value);
    void (*sync)(void *opaque);
} InputHandlerOps;

/* What the lamps of a keyboard show. */
#define INPUT_LED_SCROLL (1u << 0)
#define INPUT_LED_NUM    (1u << 1)
#define INPUT_LED_CAPS   (1u << 2)

/* Who wants to know about the lamps (the VNC server); embedded. */
typedef struct InputLedListener InputLedListener;
struct InputLedListener {
    void (*changed)(InputLedListener *l, unsigned leds);
    QTAILQ_ENTRY(InputLedListener) next; /* private */
};

/* -- for those who have the user: any thread --------------------------------- */

/** input_key: Returns: false if the queue is full and the event was dropped
 *  (the same for all that follow). */
bool input_key(InputRouter *r, QKeyCode key, bool down);
/** input_key_number: the same by number: a set 1 scan code, with 0x80 for
 *  those behind e0h. False too if no key has that number. */
bool input_key_number(InputRouter *r, int number, bool down);
bool input_button(InputRouter *r, InputButton button, bool down);
bool input_rel(InputRouter *r, InputAxis axis, int delta);
bool input_abs(InputRouter *r, InputAxis axis, int value);
/** input_sync: what was sent since the last one belongs together. */
bool input_sync(InputRouter *r);
/** input_delay: what follows waits @ms milliseconds of real time. */
bool input_delay(InputRouter *r, int ms);
/** input_event: one of QAPI's, without input_sync(). */
bool input_event(InputRouter *r, const InputEvent *evt);

/* -- the rest: main loop ------------------------------------------------------- */

/** input_abs_scale: @value out of @size pixels as an absolute position. */
int input_abs_scale(int value, int size);
/** input_is_absolute: does the pointer device take absolute positions? */
bool input_is_absolute(InputRouter *r);
/** input_flush: hand out what is queued now; delays are not waited for. */
void input_flush(InputRouter *r);

/** input_leds: what the lamps show, INPUT_LED_*. */
unsigned input_leds(InputRouter *r);
void input_add_led_listener(InputRouter *r, InputLedListener *l);
void input_remove_led_listener(InputRouter *r, InputLedListener *l);

/* -- numbers of keys ------------------------------------------------------------ */

/** qkeycode_from_number: Q_KEY_CODE_UNMAPPED if there is no such key. */
QKeyCode qkeycode_from_number(int number);
/** qkeycode_to_number: 0 if the key has none. */
int qkeycode_to_number(QKeyCode key);

/* -- for devices ------------------------------------------------------------------- */

/**
 * input_handler_new:
 * @r: (nullable) NULL in tests of a single device
 * @ops, @opaque: outlive the handler
 *
 * Returns: (transfer full) a handler, the newest of its kinds.
 * Thread: main loop.
 */
InputHandler *input_handler_new(InputRouter *r, const InputHandlerOps *ops,
                                void *opaque);
/** input_handler_free: accepts NULL. */
void input_handler_free(InputHandler *h);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InputHandler, input_handler_free)
/** input_handler_set_active: a device that the guest does not listen to gets
 *  nothing while another takes the same kind. Any thread. */
void input_handler_set_active(InputHandler *h, bool active);
/** input_handler_set_leds: the guest set the lamps. Any thread: listeners are
 *  called later, in the main loop. */
void input_handler_set_leds(InputHandler *h, unsigned leds);

/** input_mice: (transfer full) what query-mice shows. */
MouseInfoList *input_mice(InputRouter *r);
/** input_select_mouse: mouse_set: the pointer device @index becomes the one
 *  that is used. Errors: no such mouse. */
bool input_select_mouse(InputRouter *r, int64_t index, Error **errp);

#endif
