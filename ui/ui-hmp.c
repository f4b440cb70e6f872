/*
 * The human monitor's commands about screen, keyboard and mouse.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "ui/ui-hmp.h"

#include "qapi/qapi-commands-ui.h"
#include "util/cutils.h"
#include "util/error.h"

#include "ui-internal.h"

#define WHEEL_STEPS_MAX 16

static void coroutine_fn hmp_screendump(HMPContext *ctx, json_t *args)
{
    bool has_head = json_object_get(args, "head") != NULL;
    const char *format = hmp_arg_str(args, "format");
    int code = IMAGE_FORMAT_PPM;
    Error *err = NULL;

    if (format) {
        code = qapi_enum_parse(&ImageFormat_lookup, format, code, &err);
    }
    if (!err) {
        qmp_screendump(hmp_arg_str(args, "filename"),
                       hmp_arg_str(args, "device"), has_head,
                       hmp_arg_int(args, "head", 0), true, (ImageFormat)code,
                       &err);
    }
    hmp_handle_error(ctx, err);
}

/* -- sendkey ------------------------------------------------------------------- */

/* One word of "ctrl-alt-f1": a name or a number. */
static KeyValue *parse_key(const char *word, Error **errp)
{
    KeyValue *value = g_new0(KeyValue, 1);
    unsigned long number;
    int code;

    if (g_str_equal(word, "<")) {
        word = "less";
    }
    code = qapi_enum_parse(&QKeyCode_lookup, word, -1, NULL);
    if (code >= 0) {
        value->type = KEY_VALUE_KIND_QCODE;
        value->u.qcode.data = (QKeyCode)code;
    } else if (g_str_has_prefix(word, "0x") &&
               qemu_strtoul(word, NULL, 0, &number) == 0 && number <= 0xff) {
        value->type = KEY_VALUE_KIND_NUMBER;
        value->u.number.data = (int64_t)number;
    } else {
        error_setg(errp, "'%s' is not the name of a key", word);
        g_free(value);
        return NULL;
    }
    return value;
}

static void hmp_sendkey(HMPContext *ctx, json_t *args)
{
    g_auto(GStrv) words = g_strsplit(hmp_arg_str(args, "keys"), "-", -1);
    g_autoptr(KeyValueList) list = NULL;
    KeyValueList **tail = &list;
    Error *err = NULL;

    for (char **w = words; *w; w++) {
        KeyValue *value = parse_key(*w, &err);

        if (!value) {
            hmp_handle_error(ctx, err);
            return;
        }
        QAPI_LIST_APPEND(tail, value);
    }
    qmp_send_key(list, json_object_get(args, "hold_time") != NULL,
                 hmp_arg_int(args, "hold_time", 0), &err);
    hmp_handle_error(ctx, err);
}

static void complete_key(HMPContext *ctx, int arg_index, const char *text)
{
    const char *last = strrchr(text, '-');
    int done = last ? (int)(last + 1 - text) : 0;

    for (QKeyCode key = 0; arg_index == 0 && key < Q_KEY_CODE__MAX; key++) {
        g_autofree char *whole =
            g_strdup_printf("%.*s%s", done, text, QKeyCode_str(key));

        hmp_add_completion(ctx, whole);
    }
}

/* -- mouse ----------------------------------------------------------------------- */

static InputRouter *hmp_input(HMPContext *ctx)
{
    UIState *ui = ui_find();

    if (!ui) {
        hmp_printf(ctx, "Error: there is no machine yet\n");
        return NULL;
    }
    return ui_input(ui);
}

static void hmp_mouse_move(HMPContext *ctx, json_t *args)
{
    InputRouter *r = hmp_input(ctx);
    int64_t dz =
        CLAMP(hmp_arg_int(args, "dz", 0), -WHEEL_STEPS_MAX, WHEEL_STEPS_MAX);
    InputButton wheel =
        dz > 0 ? INPUT_BUTTON_WHEEL_UP : INPUT_BUTTON_WHEEL_DOWN;

    if (!r) {
        return;
    }
    input_rel(r, INPUT_AXIS_X, (int)hmp_arg_int(args, "dx", 0));
    input_rel(r, INPUT_AXIS_Y, (int)hmp_arg_int(args, "dy", 0));
    input_sync(r);
    for (int64_t i = 0; i < ABS(dz); i++) {
        input_button(r, wheel, true);
        input_sync(r);
        input_button(r, wheel, false);
        input_sync(r);
    }
}

static void hmp_mouse_button(HMPContext *ctx, json_t *args)
{
    static const InputButton order[] = { INPUT_BUTTON_LEFT, INPUT_BUTTON_RIGHT,
                                         INPUT_BUTTON_MIDDLE };
    InputRouter *r = hmp_input(ctx);
    int64_t state = hmp_arg_int(args, "button_state", 0);

    for (size_t i = 0; r && i < G_N_ELEMENTS(order); i++) {
        input_button(r, order[i], (state >> i) & 1);
    }
    if (r) {
        input_sync(r);
    }
}

static void hmp_mouse_set(HMPContext *ctx, json_t *args)
{
    InputRouter *r = hmp_input(ctx);
    Error *err = NULL;

    if (r && !input_select_mouse(r, hmp_arg_int(args, "index", 0), &err)) {
        hmp_handle_error(ctx, err);
    }
}

static void hmp_info_mice(HMPContext *ctx, json_t *args)
{
    g_autoptr(MouseInfoList) list = qmp_query_mice(NULL);

    if (!list) {
        hmp_printf(ctx, "No mouse devices connected\n");
    }
    for (const MouseInfoList *l = list; l; l = l->next) {
        hmp_printf(ctx, "%c Mouse #%" PRId64 ": %s%s\n",
                   l->value->current ? '*' : ' ', l->value->index,
                   l->value->name, l->value->absolute ? " (absolute)" : "");
    }
}

/* -- tables ---------------------------------------------------------------------- */

const HMPCommand ui_hmp_commands[] = {
    { .name = "screendump",
      .args = "filename:F,format:-fs,device:s?,head:i?",
      .params = "filename [-f ppm|png] [device [head]]",
      .help = "write a picture of the screen into a file",
      .handler = hmp_screendump,
      .flags = HMP_COROUTINE },
    { .name = "sendkey",
      .args = "keys:s,hold_time:i?",
      .params = "keys [hold_ms]",
      .help = "press keys: 'sendkey ctrl-alt-f1'",
      .handler = hmp_sendkey,
      .complete = complete_key },
    { .name = "mouse_move",
      .args = "dx:i,dy:i,dz:i?",
      .params = "dx dy [dz]",
      .help = "move the mouse and turn its wheel",
      .handler = hmp_mouse_move },
    { .name = "mouse_button",
      .args = "button_state:i",
      .params = "state",
      .help = "set the mouse's buttons (1 = left, 2 = right, 4 = middle)",
      .handler = hmp_mouse_button },
    { .name = "mouse_set",
      .args = "index:i",
      .params = "index",
      .help = "choose the mouse that gets the events",
      .handler = hmp_mouse_set },
    { NULL },
};

const HMPCommand ui_hmp_info[] = {
    { .name = "mice",
      .args = "",
      .help = "show the pointing devices",
      .handler = hmp_info_mice },
    { NULL },
};
