/*
 * QMP: pictures of the screen, and keyboard and mouse.
 *
 * screendump takes a copy of the pixels in the main loop and writes the file
 * in a worker thread: neither the guest nor other commands wait for a disk.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qapi-commands-ui.h"
#include "util/aio.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/main-loop.h"
#include "util/thread-pool.h"

#include "ui-internal.h"

#define HOLD_DEFAULT_MS 100
#define HOLD_MAX_MS     60000
#define SEND_KEYS_MAX   16

static UIState *find_ui(Error **errp)
{
    UIState *ui = ui_find();

    if (!ui) {
        error_setg(errp, "there is no machine yet");
    }
    return ui;
}

static Console *find_console(const char *device, bool has_head, int64_t head,
                             Error **errp)
{
    UIState *ui = find_ui(errp);

    if (!ui) {
        return NULL;
    }
    if (has_head && !device) {
        error_setg(errp, "'head' needs 'device'");
        return NULL;
    }
    if (has_head && (head < 0 || head > G_MAXUINT)) {
        error_setg(errp, "'head' must not be negative");
        return NULL;
    }
    return console_find(ui, device, has_head ? (unsigned)head : 0, errp);
}

/* -- screendump ---------------------------------------------------------------- */

typedef struct Screendump {
    const char *filename;
    ImageFormat format;
    Surface *surface;
    Error *err;
} Screendump;

/* In a worker thread. */
static int screendump_work(void *opaque)
{
    Screendump *d = opaque;
    int fd = qemu_create(d->filename, O_WRONLY | O_TRUNC, 0666, &d->err);

    if (fd < 0) {
        return -1;
    }
    if (!image_write(d->surface, d->format, fd, &d->err)) {
        error_prepend(&d->err, "'%s': ", d->filename);
        return -1;
    }
    return 0;
}

void coroutine_fn qmp_screendump(const char *filename, const char *device,
                                 bool has_head, int64_t head, bool has_format,
                                 ImageFormat format, Error **errp)
{
    Console *con = find_console(device, has_head, head, errp);
    g_autoptr(Surface) copy = NULL;
    Screendump d = { filename, has_format ? format : IMAGE_FORMAT_PPM };

    if (!con) {
        return;
    }
    console_refresh(con);
    copy = surface_copy(console_surface(con));
    if (!copy) {
        error_setg(errp, "no memory for a copy of the screen");
        return;
    }
    d.surface = copy;
    thread_pool_submit_co(aio_get_thread_pool(qemu_get_aio_context()),
                          screendump_work, &d);
    error_propagate(errp, d.err);
}

/* -- keys ------------------------------------------------------------------------ */

static bool key_of(const KeyValue *value, QKeyCode *ret, Error **errp)
{
    if (value->type == KEY_VALUE_KIND_QCODE) {
        *ret = value->u.qcode.data;
        return true;
    }
    *ret = qkeycode_from_number(
        (int)CLAMP(value->u.number.data, INT_MIN, INT_MAX));
    if (*ret == Q_KEY_CODE_UNMAPPED) {
        error_setg(errp, "no key has the number %" PRId64,
                   value->u.number.data);
        return false;
    }
    return true;
}

void qmp_send_key(KeyValueList *keys, bool has_hold_time, int64_t hold_time,
                  Error **errp)
{
    UIState *ui = find_ui(errp);
    InputRouter *r = ui ? ui_input(ui) : NULL;
    QKeyCode codes[SEND_KEYS_MAX];
    bool ok = true;
    int n = 0;

    if (!ui) {
        return;
    }
    if (!has_hold_time) {
        hold_time = HOLD_DEFAULT_MS;
    }
    if (hold_time < 0 || hold_time > HOLD_MAX_MS) {
        error_setg(errp, "hold-time must be 0 to %d milliseconds", HOLD_MAX_MS);
        return;
    }
    for (const KeyValueList *k = keys; k; k = k->next, n++) {
        if (n == SEND_KEYS_MAX) {
            error_setg(errp, "more than %d keys at once", SEND_KEYS_MAX);
            return;
        }
        if (!key_of(k->value, &codes[n], errp)) {
            return;
        }
    }
    for (int i = 0; i < n; i++) {
        ok = input_key(r, codes[i], true) && input_sync(r) && ok;
    }
    ok = input_delay(r, (int)hold_time) && ok;
    for (int i = n; i-- > 0;) {
        ok = input_key(r, codes[i], false) && input_sync(r) && ok;
    }
    if (!ok) {
        error_setg(errp, "too many events wait already; some were dropped");
    }
}

/* -- events ------------------------------------------------------------------------ */

static bool check_event(InputRouter *r, const InputEvent *e, Error **errp)
{
    QKeyCode key;

    if (!input_takes(r, e->type)) {
        error_setg(errp, "no device of the machine takes '%s' events",
                   InputEventKind_str(e->type));
        return false;
    }
    return e->type != INPUT_EVENT_KIND_KEY ||
           key_of(e->u.key.data->key, &key, errp);
}

void qmp_input_send_event(const char *device, bool has_head, int64_t head,
                          InputEventList *events, Error **errp)
{
    UIState *ui = find_ui(errp);
    bool ok = true;

    if (!ui ||
        ((device || has_head) && !find_console(device, has_head, head, errp))) {
        return;
    }
    for (const InputEventList *e = events; e; e = e->next) {
        if (!check_event(ui_input(ui), e->value, errp)) {
            return;
        }
    }
    for (const InputEventList *e = events; e; e = e->next) {
        ok = input_event(ui_input(ui), e->value) && ok;
    }
    input_sync(ui_input(ui));
    if (!ok) {
        error_setg(errp, "too many events wait already; some were dropped");
    }
}

MouseInfoList *qmp_query_mice(Error **errp)
{
    UIState *ui = ui_find();

    return ui ? input_mice(ui_input(ui)) : NULL;
}

DisplayOptions *qmp_query_display_options(Error **errp)
{
    DisplayOptions *options = g_new0(DisplayOptions, 1);

    options->type = DISPLAY_TYPE_NONE;
    return options;
}
