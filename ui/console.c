/*
 * Screens and their viewers, and the object they hang from.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "ui/console.h"

#include "util/atomic.h"
#include "util/error.h"

#include "ui-internal.h"

#define BLANK_WIDTH  640
#define BLANK_HEIGHT 480

struct UIState {
    Object parent_obj;

    InputRouter *input;
    QTAILQ_HEAD(, Console) consoles;
};

struct Console {
    UIState *ui;    /* NULL: in no list */
    Object *device; /* borrowed, or NULL */
    unsigned head;
    const ConsoleOps *ops;
    void *opaque;

    Surface *surface;
    CursorImage *cursor; /* NULL: hidden */
    int cursor_x;
    int cursor_y;
    bool refreshing;
    QTAILQ_HEAD(, ConsoleListener) listeners;
    QTAILQ_ENTRY(Console) next;
};

/* -- cursor images ----------------------------------------------------------- */

CursorImage *cursor_image_new(int width, int height)
{
    CursorImage *c;

    if (width < 1 || width > CURSOR_SIZE_MAX || height < 1 ||
        height > CURSOR_SIZE_MAX) {
        return NULL;
    }
    c = g_malloc0(sizeof(*c) +
                  (size_t)width * (size_t)height * sizeof(uint32_t));
    c->refcount = 1;
    c->width = width;
    c->height = height;
    return c;
}

CursorImage *cursor_image_ref(CursorImage *cursor)
{
    qatomic_inc(&cursor->refcount);
    return cursor;
}

void cursor_image_unref(CursorImage *cursor)
{
    if (cursor && qatomic_fetch_dec(&cursor->refcount) == 1) {
        g_free(cursor);
    }
}

/* -- consoles ------------------------------------------------------------------ */

Console *console_new(UIState *ui, Object *device, unsigned head,
                     const ConsoleOps *ops, void *opaque)
{
    Console *con = g_new0(Console, 1);

    con->ui = ui;
    con->device = device;
    con->head = head;
    con->ops = ops;
    con->opaque = opaque;
    con->surface = surface_new(BLANK_WIDTH, BLANK_HEIGHT);
    if (!con->surface) {
        g_error("no memory for a screen of %d x %d", BLANK_WIDTH, BLANK_HEIGHT);
    }
    QTAILQ_INIT(&con->listeners);
    if (ui) {
        QTAILQ_INSERT_TAIL(&ui->consoles, con, next);
    }
    return con;
}

void console_free(Console *con)
{
    ConsoleListener *l;

    if (!con) {
        return;
    }
    while ((l = QTAILQ_FIRST(&con->listeners))) {
        console_remove_listener(l);
        if (l->ops->gone) {
            l->ops->gone(l);
        }
    }
    if (con->ui) {
        QTAILQ_REMOVE(&con->ui->consoles, con, next);
    }
    surface_unref(con->surface);
    cursor_image_unref(con->cursor);
    g_free(con);
}

Console *console_nth(UIState *ui, unsigned n)
{
    Console *con;

    QTAILQ_FOREACH(con, &ui->consoles, next) {
        if (n-- == 0) {
            return con;
        }
    }
    return NULL;
}

unsigned console_index(const Console *con)
{
    const Console *c;
    unsigned n = 0;

    if (con->ui) {
        QTAILQ_FOREACH(c, &con->ui->consoles, next) {
            if (c == con) {
                break;
            }
            n++;
        }
    }
    return n;
}

static Object *find_device(const char *device)
{
    g_autofree char *path = g_strconcat("/machine/peripheral/", device, NULL);
    Object *obj = object_resolve_path(path, NULL);

    return obj ?: object_resolve_path(device, NULL);
}

Console *console_find(UIState *ui, const char *device, unsigned head,
                      Error **errp)
{
    Object *obj;
    Console *con;

    if (!ui || QTAILQ_EMPTY(&ui->consoles)) {
        error_setg(errp, "the machine has no graphics card");
        return NULL;
    }
    if (!device) {
        return QTAILQ_FIRST(&ui->consoles);
    }
    obj = find_device(device);
    if (!obj) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "device '%s' not found",
                  device);
        return NULL;
    }
    QTAILQ_FOREACH(con, &ui->consoles, next) {
        if (con->device == obj && con->head == head) {
            return con;
        }
    }
    error_setg(errp, "device '%s' has no screen with head %u", device, head);
    return NULL;
}

void console_refresh(Console *con)
{
    if (con->refreshing) {
        return;
    }
    con->refreshing = true;
    con->ops->refresh(con->opaque);
    con->refreshing = false;
}

void console_invalidate(Console *con)
{
    if (con->ops->invalidate) {
        con->ops->invalidate(con->opaque);
    }
}

void console_size_hint(Console *con, int width, int height)
{
    if (con->ops->size_hint) {
        con->ops->size_hint(con->opaque, width, height);
    }
}

Surface *console_surface(Console *con)
{
    return con->surface;
}

/* -- listeners ----------------------------------------------------------------- */

static void tell_resize(ConsoleListener *l)
{
    if (l->ops->resize) {
        l->ops->resize(l, l->console->surface);
    }
}

static void tell_cursor(ConsoleListener *l)
{
    const Console *con = l->console;

    if (l->ops->cursor) {
        l->ops->cursor(l, con->cursor, con->cursor_x, con->cursor_y);
    }
}

static void tell_cursor_all(Console *con)
{
    ConsoleListener *l;

    QTAILQ_FOREACH(l, &con->listeners, next) {
        tell_cursor(l);
    }
}

void console_add_listener(Console *con, ConsoleListener *l)
{
    assert(!l->console);
    l->console = con;
    QTAILQ_INSERT_TAIL(&con->listeners, l, next);
    tell_resize(l);
    tell_cursor(l);
}

void console_remove_listener(ConsoleListener *l)
{
    if (l->console) {
        QTAILQ_REMOVE(&l->console->listeners, l, next);
        l->console = NULL;
    }
}

/* -- for cards -------------------------------------------------------------------- */

bool console_resize(Console *con, int width, int height)
{
    Surface *s;

    if (con->surface->width == width && con->surface->height == height) {
        return true;
    }
    s = surface_new(width, height);
    if (!s) {
        return false;
    }
    console_set_surface(con, s);
    return true;
}

void console_set_surface(Console *con, Surface *surface)
{
    ConsoleListener *l;

    surface_unref(con->surface);
    con->surface = surface;
    QTAILQ_FOREACH(l, &con->listeners, next) {
        tell_resize(l);
    }
}

void console_update(Console *con, SurfaceRect rect)
{
    int right = MIN(rect.x + rect.w, con->surface->width);
    int bottom = MIN(rect.y + rect.h, con->surface->height);
    ConsoleListener *l;

    rect.x = MAX(rect.x, 0);
    rect.y = MAX(rect.y, 0);
    rect.w = right - rect.x;
    rect.h = bottom - rect.y;
    if (rect.w <= 0 || rect.h <= 0) {
        return;
    }
    QTAILQ_FOREACH(l, &con->listeners, next) {
        if (l->ops->update) {
            l->ops->update(l, rect);
        }
    }
}

static void span_to_console(void *opaque, SurfaceRect rect)
{
    console_update(opaque, rect);
}

SurfaceSpan console_span(Console *con)
{
    return (SurfaceSpan){ .emit = span_to_console, .opaque = con };
}

void console_set_cursor(Console *con, CursorImage *cursor)
{
    cursor_image_unref(con->cursor);
    con->cursor = cursor ? cursor_image_ref(cursor) : NULL;
    tell_cursor_all(con);
}

void console_move_cursor(Console *con, int x, int y)
{
    con->cursor_x = x;
    con->cursor_y = y;
    tell_cursor_all(con);
}

/* -- the object ----------------------------------------------------------------------- */

UIState *ui_find(void)
{
    Object *obj = object_resolve_path("/machine/ui", NULL);

    return (UIState *)object_dynamic_cast(obj, TYPE_UI);
}

InputRouter *ui_input(UIState *ui)
{
    return ui->input;
}

static void ui_instance_init(Object *obj)
{
    UIState *ui = UI(obj);

    QTAILQ_INIT(&ui->consoles);
    ui->input = input_router_new();
}

static void ui_instance_finalize(Object *obj)
{
    UIState *ui = UI(obj);
    Console *con;

    /* The cards are gone with the machine, or are about to go. */
    while ((con = QTAILQ_FIRST(&ui->consoles))) {
        QTAILQ_REMOVE(&ui->consoles, con, next);
        con->ui = NULL;
    }
    input_router_free(ui->input);
}

extern const TypeInfo ui_type_ui;
const TypeInfo ui_type_ui = {
    .name = TYPE_UI,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(UIState),
    .instance_init = ui_instance_init,
    .instance_finalize = ui_instance_finalize,
};
