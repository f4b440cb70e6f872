/*
 * Screens: what a graphics card shows, and who looks at it.
 *
 * A console is one head of one card. The card gives it ConsoleOps; a consumer
 * (screendump, the VNC server) hangs a ConsoleListener on it. Nothing is
 * rendered unless somebody asks:
 *
 *     consumer:  console_refresh(con)        at its own rate
 *        card:   ops->refresh()              compares, renders what changed
 *     console:   console_set_surface()       -> listener->resize()
 *                console_update(rect)        -> listener->update()
 *                console_set_cursor()        -> listener->cursor()
 *
 * All calls to listeners happen inside console_refresh(), but cursor() and
 * gone(). A listener that comes late gets resize() and cursor() at once.
 *
 * All consoles of a machine and its input hang from one object, UIState at
 * /machine/ui.
 *
 * Thread: the main loop's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UI_CONSOLE_H
#define UI_CONSOLE_H

#include "qom/object.h"
#include "ui/surface.h"
#include "util/queue.h"

#define TYPE_UI "ui"
OBJECT_DECLARE_SIMPLE_TYPE(UIState, UI)

typedef struct Console Console;
typedef struct InputRouter InputRouter;

/* Width and height of a cursor, most pixels. */
#define CURSOR_SIZE_MAX 512

/* The guest's mouse pointer, drawn by whoever shows the screen. */
typedef struct CursorImage {
    int refcount; /* atomic */
    int width;
    int height;
    int hot_x;
    int hot_y;
    uint32_t pixels[]; /* ARGB, not premultiplied */
} CursorImage;

/** cursor_image_new: (transfer full) transparent; sizes 1 to
 *  CURSOR_SIZE_MAX, else NULL. */
CursorImage *cursor_image_new(int width, int height);
CursorImage *cursor_image_ref(CursorImage *cursor);
/** cursor_image_unref: accepts NULL. */
void cursor_image_unref(CursorImage *cursor);

/**
 * ConsoleOps: what a card does for its console.
 * @refresh: bring the surface up to date: console_set_surface() when mode or
 *           size changed, console_update() for what differs. Mandatory.
 * @invalidate: (optional) forget what was rendered: the next refresh draws
 *           everything
 * @size_hint: (optional) the viewer would like this size (EDID)
 *
 * Called in the main loop without the machine lock; the card takes it.
 */
typedef struct ConsoleOps {
    void (*refresh)(void *opaque);
    void (*invalidate)(void *opaque);
    void (*size_hint)(void *opaque, int width, int height);
} ConsoleOps;

/**
 * ConsoleListener: a consumer; embedded in its own struct.
 * @update: these pixels changed
 * @resize: there is another surface; take a reference to keep it. All of it
 *          is new.
 * @cursor: shape (NULL: hidden) and position of the guest's pointer
 * @gone: the console is being destroyed; the listener is off it already
 *
 * Each is optional. None may add or remove listeners but gone().
 */
typedef struct ConsoleListener ConsoleListener;
typedef struct ConsoleListenerOps {
    void (*update)(ConsoleListener *l, SurfaceRect rect);
    void (*resize)(ConsoleListener *l, Surface *surface);
    void (*cursor)(ConsoleListener *l, CursorImage *cursor, int x, int y);
    void (*gone)(ConsoleListener *l);
} ConsoleListenerOps;

struct ConsoleListener {
    const ConsoleListenerOps *ops;
    Console *console; /* NULL: on none */
    QTAILQ_ENTRY(ConsoleListener) next;
};

/** ui_find: (nullable) (transfer none) the UIState of the machine. For QMP
 *  handlers and devices that realize; others are handed what they need. */
UIState *ui_find(void);
/** ui_input: (transfer none) where key presses go: ui/input.h. */
InputRouter *ui_input(UIState *ui);

/**
 * console_new:
 * @ui: (nullable) whose list it joins; NULL in tests of a single card
 * @device: (nullable) the card, for console_find(); borrowed
 * @head: number of the head on that card
 * @ops, @opaque: outlive the console
 *
 * Returns: (transfer full) a console with a black surface of 640 x 480: a
 *   screen without a signal. The first one of a machine is the primary one.
 */
Console *console_new(UIState *ui, Object *device, unsigned head,
                     const ConsoleOps *ops, void *opaque);
/** console_free: tells the listeners. Accepts NULL. */
void console_free(Console *con);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Console, console_free)

/**
 * console_find:
 * @device: (nullable) id or QOM path of a card; NULL: the primary console
 * @head: head of that card
 *
 * Returns: (transfer none) a console, or NULL.
 * Errors: no graphics card; no such device; the device has no such head.
 */
Console *console_find(UIState *ui, const char *device, unsigned head,
                      Error **errp);
/** console_nth: (nullable) the @n-th of all, 0 = the primary one. */
Console *console_nth(UIState *ui, unsigned n);
/** console_index: its number in the machine. */
unsigned console_index(const Console *con);

/** console_refresh: ask the card to bring the surface up to date. Inside a
 *  refresh of the same console it does nothing. */
void console_refresh(Console *con);
/** console_invalidate: the next refresh draws everything anew. */
void console_invalidate(Console *con);
/** console_size_hint: what size the viewer would like. */
void console_size_hint(Console *con, int width, int height);
/** console_surface: (transfer none) never NULL. */
Surface *console_surface(Console *con);

/** console_add_listener: calls its resize() and cursor() before it returns.
 *  console_remove_listener: no-op if it is on none. */
void console_add_listener(Console *con, ConsoleListener *l);
void console_remove_listener(ConsoleListener *l);

/* -- for cards ------------------------------------------------------------- */

/**
 * console_resize:
 *
 * Give the console a black surface of that size, unless it has the size.
 *
 * Returns: false if the size is out of range or there is no memory; the
 *   surface stays as it was.
 */
bool console_resize(Console *con, int width, int height);
/** console_set_surface: show @surface (takes the reference). */
void console_set_surface(Console *con, Surface *surface);
/** console_update: that part of the surface changed; clipped. */
void console_update(Console *con, SurfaceRect rect);
/** console_span: a SurfaceSpan that ends in console_update(). */
SurfaceSpan console_span(Console *con);
/** console_set_cursor: shape of the pointer (borrowed), NULL hides it. */
void console_set_cursor(Console *con, CursorImage *cursor);
/** console_move_cursor: where it is. */
void console_move_cursor(Console *con, int x, int y);

#endif
