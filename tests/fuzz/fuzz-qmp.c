/*
 * QMP from bytes to responses: framing, JSON, dispatch, visitors.
 *
 * The first byte says how long the pieces are in which the rest arrives.
 * Checked beyond "nothing breaks": what comes out does not depend on the
 * pieces, and a value that is printed reads back as the same value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qapi-init-commands.h"
#include "qapi/qapi-visit-test-schema.h"
#include "qapi/qmp-framing.h"
#include "qapi/qobject-input-visitor.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Errors carry positions within a text, so they are the same as well. */
static void log_frame(GString *log, QmpFrame frame, json_t *value, Error *err)
{
    if (frame == QMP_FRAME_VALUE) {
        GString *text = qobject_to_json(value);

        g_string_append_len(log, text->str, (gssize)text->len);
        g_string_free(text, true);
    } else {
        g_string_append(log, error_get_pretty(err));
    }
    g_string_append_c(log, '\n');
}

static void check_round_trip(json_t *value)
{
    GString *text = qobject_to_json_pretty(value, true);
    g_autoptr(json_t) again =
        json_parse_text(text->str, text->len, &error_abort);

    g_assert_true(json_equal(value, again));
    g_string_free(text, true);
}

/* The members of a request might be any type's. */
static void visit_as_types(json_t *value)
{
    g_autoptr(Visitor) v = qobject_input_visitor_new(value);
    g_autoptr(Visitor) kv = qobject_input_visitor_new_keyval(value);
    g_autoptr(TestLists) lists = NULL;
    g_autoptr(TestScalars) scalars = NULL;

    visit_type_TestLists(v, NULL, &lists, NULL);
    visit_type_TestScalars(kv, NULL, &scalars, NULL);
}

static void run_command(json_t *value)
{
    static QmpCommandList *commands; /* made once: fuzzing has one thread */
    QmpContext ctx = { .opaque = (void *)"fuzz" };
    g_autoptr(json_t) rsp = NULL;

    if (!commands) {
        commands = qmp_command_list_new();
        qmp_init_commands(commands);
    }
    ctx.commands = commands;
    rsp = qmp_dispatch(commands, value, true, &ctx);
    if (rsp) {
        g_string_free(qmp_encode(rsp, false), true);
    }
}

static GString *decode(const uint8_t *data, size_t size, size_t piece, bool use)
{
    g_autoptr(QmpDecoder) d = qmp_decoder_new(NULL);
    GString *log = g_string_new(NULL);

    while (size) {
        size_t len = MIN(piece, size);
        const uint8_t *buf = data;
        QmpFrame frame;

        do {
            g_autoptr(json_t) value = NULL;
            g_autoptr(Error) err = NULL;

            frame = qmp_decoder_feed(d, &buf, &len, &value, &err);
            if (frame != QMP_FRAME_MORE) {
                log_frame(log, frame, value, err);
            }
            if (value && use) {
                check_round_trip(value);
                visit_as_types(value);
                run_command(value);
            }
        } while (frame != QMP_FRAME_MORE);
        size -= (size_t)(buf - data);
        data = buf;
    }
    return log;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GString *whole, *pieces;

    if (size < 2) {
        return 0;
    }
    whole = decode(data + 1, size - 1, SIZE_MAX, true);
    pieces = decode(data + 1, size - 1, (size_t)data[0] + 1, false);
    g_assert_true(g_string_equal(whole, pieces));
    g_string_free(whole, true);
    g_string_free(pieces, true);
    return 0;
}
