/*
 * The way of a key press: sender (any thread) -> queue -> main loop -> device.
 *
 * The queue is bounded, because a sender may be a hostile peer. Its last
 * quarter is kept for releases, so that a flood of presses and movements
 * cannot leave a key stuck in the guest.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "ui/input.h"

#include "util/atomic.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/thread.h"

#include "ui-internal.h"

#define QUEUE_FOR_RELEASES (INPUT_QUEUE_MAX / 4)

typedef enum ItemKind {
    ITEM_KEY = INPUT_EVENT_KIND_KEY,
    ITEM_BTN = INPUT_EVENT_KIND_BTN,
    ITEM_REL = INPUT_EVENT_KIND_REL,
    ITEM_ABS = INPUT_EVENT_KIND_ABS,
    ITEM_SYNC = INPUT_EVENT_KIND__MAX,
    ITEM_DELAY,
} ItemKind;

typedef struct InputItem {
    ItemKind kind;
    int code;  /* key, button, axis */
    int value; /* pressed, distance, position, milliseconds */
} InputItem;

struct InputHandler {
    InputRouter *router; /* NULL: on none */
    const InputHandlerOps *ops;
    void *opaque;
    int index;     /* of a mouse, as query-mice numbers them */
    int active;    /* atomic bool */
    unsigned leds; /* atomic */
    bool touched;  /* got something since the last sync */
    QTAILQ_ENTRY(InputHandler) next;
};

struct InputRouter {
    /* main loop only */
    QTAILQ_HEAD(, InputHandler) handlers; /* newest first */
    QTAILQ_HEAD(, InputLedListener) led_listeners;
    unsigned leds; /* as the listeners know them */
    int next_index;
    bool delayed; /* the timer runs */
    QEMUTimer *timer;
    QEMUBH *bh; /* NULL without a main loop (unit tests) */

    QemuMutex lock; /* guards what follows */
    InputItem queue[INPUT_QUEUE_MAX];
    unsigned head;
    unsigned count;
};

/* -- queue --------------------------------------------------------------------- */

static bool is_release(const InputItem *item)
{
    return item->kind == ITEM_SYNC ||
           ((item->kind == ITEM_KEY || item->kind == ITEM_BTN) && !item->value);
}

static bool input_post(InputRouter *r, ItemKind kind, int code, int value)
{
    InputItem item = { kind, code, value };
    unsigned limit =
        INPUT_QUEUE_MAX - (is_release(&item) ? 0 : QUEUE_FOR_RELEASES);
    bool fits;

    qemu_mutex_lock(&r->lock);
    fits = r->count < limit;
    if (kind == ITEM_SYNC && r->count &&
        r->queue[(r->head + r->count - 1) % INPUT_QUEUE_MAX].kind == kind) {
        /* One is enough. */
    } else if (fits) {
        r->queue[(r->head + r->count++) % INPUT_QUEUE_MAX] = item;
    }
    qemu_mutex_unlock(&r->lock);
    if (r->bh) {
        qemu_bh_schedule(r->bh);
    }
    return fits;
}

static bool input_take(InputRouter *r, InputItem *ret)
{
    bool any;

    qemu_mutex_lock(&r->lock);
    any = r->count > 0;
    if (any) {
        *ret = r->queue[r->head];
        r->head = (r->head + 1) % INPUT_QUEUE_MAX;
        r->count--;
    }
    qemu_mutex_unlock(&r->lock);
    return any;
}

bool input_key(InputRouter *r, QKeyCode key, bool down)
{
    return input_post(r, ITEM_KEY, (int)key, down);
}

bool input_key_number(InputRouter *r, int number, bool down)
{
    QKeyCode key = qkeycode_from_number(number);

    return key != Q_KEY_CODE_UNMAPPED && input_key(r, key, down);
}

bool input_button(InputRouter *r, InputButton button, bool down)
{
    return input_post(r, ITEM_BTN, (int)button, down);
}

bool input_rel(InputRouter *r, InputAxis axis, int delta)
{
    return input_post(r, ITEM_REL, (int)axis, delta);
}

bool input_abs(InputRouter *r, InputAxis axis, int value)
{
    return input_post(r, ITEM_ABS, (int)axis, CLAMP(value, 0, INPUT_ABS_MAX));
}

bool input_sync(InputRouter *r)
{
    return input_post(r, ITEM_SYNC, 0, 0);
}

bool input_delay(InputRouter *r, int ms)
{
    return input_post(r, ITEM_DELAY, 0, MAX(ms, 0));
}

bool input_event(InputRouter *r, const InputEvent *evt)
{
    switch (evt->type) {
    case INPUT_EVENT_KIND_KEY: {
        const InputKeyEvent *key = evt->u.key.data;

        return key->key->type == KEY_VALUE_KIND_NUMBER
                   ? input_key_number(r, (int)key->key->u.number.data,
                                      key->down)
                   : input_key(r, key->key->u.qcode.data, key->down);
    }
    case INPUT_EVENT_KIND_BTN:
        return input_button(r, evt->u.btn.data->button, evt->u.btn.data->down);
    case INPUT_EVENT_KIND_REL:
        return input_rel(r, evt->u.rel.data->axis,
                         (int)CLAMP(evt->u.rel.data->value, INT_MIN, INT_MAX));
    case INPUT_EVENT_KIND_ABS:
        return input_abs(r, evt->u.abs.data->axis,
                         (int)CLAMP(evt->u.abs.data->value, 0, INPUT_ABS_MAX));
    default:
        return false;
    }
}

/* -- handing out ------------------------------------------------------------------ */

static InputHandler *find_handler(InputRouter *r, InputEventKind kind)
{
    InputHandler *idle = NULL;
    InputHandler *h;

    QTAILQ_FOREACH(h, &r->handlers, next) {
        if (!(h->ops->mask & (1u << kind))) {
            continue;
        }
        if (qatomic_read(&h->active)) {
            return h;
        }
        idle = idle ?: h;
    }
    return idle;
}

bool input_takes(InputRouter *r, InputEventKind kind)
{
    return find_handler(r, kind) != NULL;
}

static void hand_out_sync(InputRouter *r)
{
    InputHandler *h, *tmp;

    QTAILQ_FOREACH_SAFE(h, &r->handlers, next, tmp) {
        if (h->touched && h->ops->sync) {
            h->ops->sync(h->opaque);
        }
        h->touched = false;
    }
}

static void hand_out(InputRouter *r, const InputItem *item)
{
    InputHandler *h;

    if (item->kind == ITEM_SYNC) {
        hand_out_sync(r);
        return;
    }
    h = find_handler(r, (InputEventKind)item->kind);
    if (!h) {
        return;
    }
    h->touched = true;
    switch (item->kind) {
    case ITEM_KEY:
        h->ops->key(h->opaque, (QKeyCode)item->code, item->value != 0);
        break;
    case ITEM_BTN:
        h->ops->button(h->opaque, (InputButton)item->code, item->value != 0);
        break;
    case ITEM_REL:
        h->ops->rel(h->opaque, (InputAxis)item->code, item->value);
        break;
    case ITEM_ABS:
        h->ops->abs(h->opaque, (InputAxis)item->code, item->value);
        break;
    default:
        break;
    }
}

static void delay_over(void *opaque);

static void wait_ms(InputRouter *r, int ms)
{
    if (!r->timer) {
        r->timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, delay_over, r);
    }
    r->delayed = true;
    timer_mod(r->timer, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + ms);
}

static void tell_leds(InputRouter *r)
{
    const InputHandler *h = find_handler(r, INPUT_EVENT_KIND_KEY);
    unsigned leds = h ? qatomic_read(&h->leds) : 0;
    InputLedListener *l, *tmp;

    if (leds == r->leds) {
        return;
    }
    r->leds = leds;
    QTAILQ_FOREACH_SAFE(l, &r->led_listeners, next, tmp) {
        l->changed(l, leds);
    }
}

static void input_run(void *opaque)
{
    InputRouter *r = opaque;
    InputItem item;

    tell_leds(r);
    while (!r->delayed && input_take(r, &item)) {
        if (item.kind == ITEM_DELAY) {
            wait_ms(r, item.value);
        } else {
            hand_out(r, &item);
        }
    }
}

static void delay_over(void *opaque)
{
    InputRouter *r = opaque;

    r->delayed = false;
    input_run(r);
}

void input_flush(InputRouter *r)
{
    InputItem item;

    while (input_take(r, &item)) {
        if (item.kind != ITEM_DELAY) {
            hand_out(r, &item);
        }
    }
    tell_leds(r);
}

int input_abs_scale(int value, int size)
{
    if (size <= 1) {
        return 0;
    }
    return (int)((int64_t)CLAMP(value, 0, size - 1) * INPUT_ABS_MAX /
                 (size - 1));
}

bool input_is_absolute(InputRouter *r)
{
    const InputHandler *rel = find_handler(r, INPUT_EVENT_KIND_REL);
    const InputHandler *abs = find_handler(r, INPUT_EVENT_KIND_ABS);
    InputHandler *h;

    if (!rel || !abs) {
        return abs != NULL;
    }
    QTAILQ_FOREACH(h, &r->handlers, next) {
        if (h == rel || h == abs) {
            return h == abs;
        }
    }
    return false;
}

/* -- lamps ---------------------------------------------------------------------------- */

unsigned input_leds(InputRouter *r)
{
    return r->leds;
}

void input_add_led_listener(InputRouter *r, InputLedListener *l)
{
    QTAILQ_INSERT_TAIL(&r->led_listeners, l, next);
}

void input_remove_led_listener(InputRouter *r, InputLedListener *l)
{
    QTAILQ_REMOVE(&r->led_listeners, l, next);
}

/* -- for devices ------------------------------------------------------------------------ */

static bool is_mouse(const InputHandler *h)
{
    return h->ops->mask & (INPUT_MASK_REL | INPUT_MASK_ABS);
}

InputHandler *input_handler_new(InputRouter *r, const InputHandlerOps *ops,
                                void *opaque)
{
    InputHandler *h = g_new0(InputHandler, 1);

    h->router = r;
    h->ops = ops;
    h->opaque = opaque;
    h->active = true;
    if (r) {
        h->index = is_mouse(h) ? r->next_index++ : -1;
        QTAILQ_INSERT_HEAD(&r->handlers, h, next);
    }
    return h;
}

void input_handler_free(InputHandler *h)
{
    if (h && h->router) {
        QTAILQ_REMOVE(&h->router->handlers, h, next);
    }
    g_free(h);
}

void input_handler_set_active(InputHandler *h, bool active)
{
    qatomic_set(&h->active, (int)active);
}

void input_handler_set_leds(InputHandler *h, unsigned leds)
{
    qatomic_set(&h->leds, leds);
    if (h->router && h->router->bh) {
        qemu_bh_schedule(h->router->bh);
    }
}

/* -- mice ---------------------------------------------------------------------------------- */

MouseInfoList *input_mice(InputRouter *r)
{
    const InputHandler *current = find_handler(
        r, input_is_absolute(r) ? INPUT_EVENT_KIND_ABS : INPUT_EVENT_KIND_REL);
    MouseInfoList *list = NULL;
    MouseInfoList **tail = &list;
    InputHandler *h;

    QTAILQ_FOREACH(h, &r->handlers, next) {
        MouseInfo *info;

        if (!is_mouse(h)) {
            continue;
        }
        info = g_new0(MouseInfo, 1);
        info->name = g_strdup(h->ops->name);
        info->index = h->index;
        info->current = h == current;
        info->absolute = (h->ops->mask & INPUT_MASK_ABS) != 0;
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

bool input_select_mouse(InputRouter *r, int64_t index, Error **errp)
{
    InputHandler *h;

    QTAILQ_FOREACH(h, &r->handlers, next) {
        if (is_mouse(h) && h->index == index) {
            QTAILQ_REMOVE(&r->handlers, h, next);
            QTAILQ_INSERT_HEAD(&r->handlers, h, next);
            input_handler_set_active(h, true);
            return true;
        }
    }
    error_setg(errp, "there is no mouse with index %" PRId64, index);
    return false;
}

/* -- life ------------------------------------------------------------------------------------ */

InputRouter *input_router_new(void)
{
    InputRouter *r = g_new0(InputRouter, 1);

    QTAILQ_INIT(&r->handlers);
    QTAILQ_INIT(&r->led_listeners);
    qemu_mutex_init(&r->lock);
    if (qemu_get_aio_context()) {
        r->bh = qemu_bh_new(input_run, r);
    }
    return r;
}

void input_router_free(InputRouter *r)
{
    InputHandler *h;

    if (!r) {
        return;
    }
    while ((h = QTAILQ_FIRST(&r->handlers))) {
        QTAILQ_REMOVE(&r->handlers, h, next);
        h->router = NULL;
    }
    if (r->bh) {
        qemu_bh_delete(r->bh);
    }
    timer_free(r->timer);
    qemu_mutex_destroy(&r->lock);
    g_free(r);
}
