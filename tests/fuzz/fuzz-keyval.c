/*
 * Fuzz: key=value,... text, with and without implied key, and the option
 * lists that share its habits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/keyval.h"
#include "util/option.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const QemuOptDesc desc[] = {
    { "a", QEMU_OPT_STRING, NULL, NULL },
    { "flag", QEMU_OPT_BOOL, NULL, NULL },
    { "n", QEMU_OPT_NUMBER, NULL, NULL },
    { "size", QEMU_OPT_SIZE, NULL, NULL },
    {},
};
static const QemuOptsList list = { "fuzz", "a", desc };

/* What was parsed merges with itself, but for strings in arrays. */
static void check_result(json_t *parsed)
{
    json_t *copy = json_deep_copy(parsed);

    g_assert(json_is_object(parsed));
    g_assert(keyval_merge(copy, parsed, &error_abort));
    json_decref(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup(size ? (const char *)data : "", size);
    static const char *const implied[] = { NULL, "type", "a.b.0" };

    for (size_t i = 0; i < G_N_ELEMENTS(implied); i++) {
        bool help;
        Error *err = NULL;
        json_t *parsed = keyval_parse(text, implied[i], &help, &err);

        g_assert(!parsed == !!err);
        error_free(err);
        if (parsed) {
            check_result(parsed);
            json_decref(parsed);
        }
    }
    g_autoptr(QemuOpts) opts = qemu_opts_parse(&list, text, true, NULL);
    if (opts) {
        json_decref(qemu_opts_to_json(opts));
        qemu_opt_get_size(opts, "size", 0);
    }
    return 0;
}
