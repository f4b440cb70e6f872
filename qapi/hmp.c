/*
 * What handlers of human monitor commands call.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/hmp.h"

void hmp_vprintf(HMPContext *ctx, const char *fmt, va_list ap)
{
    ctx->vprintf(ctx, fmt, ap);
}

void hmp_printf(HMPContext *ctx, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    ctx->vprintf(ctx, fmt, ap);
    va_end(ap);
}

bool hmp_handle_error(HMPContext *ctx, Error *err)
{
    const char *hint;

    if (!err) {
        return false;
    }
    hmp_printf(ctx, "Error: %s\n", error_get_pretty(err));
    hint = error_get_hint(err);
    if (hint) {
        hmp_printf(ctx, "%s", hint);
    }
    error_free(err);
    return true;
}

void hmp_add_completion(HMPContext *ctx, const char *text)
{
    if (ctx->add_completion) {
        ctx->add_completion(ctx, text);
    }
}

const char *hmp_arg_str(json_t *args, const char *name)
{
    return json_string_value(json_object_get(args, name));
}

int64_t hmp_arg_int(json_t *args, const char *name, int64_t def)
{
    json_t *value = json_object_get(args, name);

    return json_is_integer(value) ? json_integer_value(value) : def;
}

bool hmp_arg_bool(json_t *args, const char *name, bool def)
{
    json_t *value = json_object_get(args, name);

    return json_is_boolean(value) ? json_is_true(value) : def;
}
