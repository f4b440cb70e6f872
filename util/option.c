/*
 * Option lists with known parameters.
 *
 * Given values are kept in order, as text; numbers and booleans are checked
 * when they come in, so the getters cannot fail.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/option.h"

#include "util/cutils.h"
#include "util/error.h"
#include "util/id.h"

typedef struct QemuOpt {
    char *name;
    char *value;
    const QemuOptDesc *desc; /* NULL where anything is allowed */
} QemuOpt;

struct QemuOpts {
    const QemuOptsList *list;
    char *id;
    GPtrArray *values; /* QemuOpt */
};

static void opt_free(void *ptr)
{
    QemuOpt *opt = ptr;

    g_free(opt->name);
    g_free(opt->value);
    g_free(opt);
}

void qemu_opts_free(QemuOpts *opts)
{
    if (opts) {
        g_free(opts->id);
        g_ptr_array_unref(opts->values);
        g_free(opts);
    }
}

QemuOpts *qemu_opts_new(const QemuOptsList *list, const char *id, Error **errp)
{
    if (id && !id_wellformed(id)) {
        error_setg(errp, "'%s' is not a valid id for %s", id, list->name);
        return NULL;
    }
    QemuOpts *opts = g_new0(QemuOpts, 1);

    opts->list = list;
    opts->id = g_strdup(id);
    opts->values = g_ptr_array_new_with_free_func(opt_free);
    return opts;
}

const char *qemu_opts_id(const QemuOpts *opts)
{
    return opts->id;
}

/* -- values --------------------------------------------------------------- */

static bool text_to_bool(const char *text, bool *ret)
{
    static const char *const yes[] = { "on", "yes", "true", "y", NULL };
    static const char *const no[] = { "off", "no", "false", "n", NULL };

    *ret = g_strv_contains(yes, text);
    return *ret || g_strv_contains(no, text);
}

bool parse_option_number(const char *name, const char *value, uint64_t *ret,
                         Error **errp)
{
    uint64_t number;
    int err = qemu_strtou64(value, NULL, 0, &number);

    if (err) {
        error_setg(errp,
                   err == -ERANGE
                       ? "value '%s' is too large for parameter '%s'"
                       : "value '%s' of parameter '%s' is not a number",
                   value, name);
        return false;
    }
    *ret = number;
    return true;
}

bool parse_option_size(const char *name, const char *value, uint64_t *ret,
                       Error **errp)
{
    uint64_t size;
    int err = qemu_strtosz(value, NULL, &size);

    if (err) {
        error_setg(errp,
                   err == -ERANGE
                       ? "value '%s' is out of range for parameter '%s'"
                       : "value '%s' of parameter '%s' is not a size",
                   value, name);
        if (err == -EINVAL) {
            error_append_hint(errp, "A size is a number, with k, M, G, T, P "
                                    "or E behind it for more than bytes.\n");
        }
        return false;
    }
    *ret = size;
    return true;
}

static const QemuOptDesc *find_desc(const QemuOptsList *list, const char *name)
{
    for (const QemuOptDesc *d = list->desc; d && d->name; d++) {
        if (g_str_equal(d->name, name)) {
            return d;
        }
    }
    return NULL;
}

static bool check_value(const QemuOptDesc *desc, const char *name,
                        const char *value, Error **errp)
{
    uint64_t number;
    bool flag;

    switch (desc ? desc->type : QEMU_OPT_STRING) {
    case QEMU_OPT_BOOL:
        if (!text_to_bool(value, &flag)) {
            error_setg(errp, "value '%s' of parameter '%s' is not on or off",
                       value, name);
            return false;
        }
        return true;
    case QEMU_OPT_NUMBER:
        return parse_option_number(name, value, &number, errp);
    case QEMU_OPT_SIZE:
        return parse_option_size(name, value, &number, errp);
    default:
        return true;
    }
}

bool qemu_opt_set(QemuOpts *opts, const char *name, const char *value,
                  Error **errp)
{
    const QemuOptDesc *desc = find_desc(opts->list, name);

    if (opts->list->desc && !desc) {
        error_setg(errp, "%s has no parameter '%s'", opts->list->name, name);
        return false;
    }
    if (!check_value(desc, name, value, errp)) {
        return false;
    }
    QemuOpt *opt = g_new0(QemuOpt, 1);

    opt->name = g_strdup(name);
    opt->value = g_strdup(value);
    opt->desc = desc;
    g_ptr_array_add(opts->values, opt);
    return true;
}

bool qemu_opt_unset(QemuOpts *opts, const char *name)
{
    bool found = false;

    for (guint i = opts->values->len; i-- > 0;) {
        if (g_str_equal(((QemuOpt *)opts->values->pdata[i])->name, name)) {
            g_ptr_array_remove_index(opts->values, i);
            found = true;
        }
    }
    return found;
}

/* -- text ----------------------------------------------------------------- */

const char *get_opt_value(const char *p, char **value)
{
    GString *out = g_string_new(NULL);

    while (*p && (*p != ',' || p[1] == ',')) {
        if (*p == ',') {
            p++;
        }
        g_string_append_c(out, *p++);
    }
    *value = g_string_free(out, FALSE);
    return p;
}

bool is_help_option(const char *s)
{
    return g_str_equal(s, "help") || g_str_equal(s, "?");
}

bool has_help_option(const char *params)
{
    while (*params) {
        g_autofree char *word = NULL;

        params = get_opt_value(params, &word);
        if (is_help_option(word)) {
            return true;
        }
        params += *params == ',';
    }
    return false;
}

/* A word without '=': a flag, or the start of the list. */
static bool set_bare_word(QemuOpts *opts, const char *word, bool implied,
                          Error **errp)
{
    const QemuOptsList *list = opts->list;
    const QemuOptDesc *desc = find_desc(list, word);
    const char *rest;

    if (implied && list->implied_opt_name) {
        return qemu_opt_set(opts, list->implied_opt_name, word, errp);
    }
    if (!list->desc || (desc && desc->type == QEMU_OPT_BOOL)) {
        return qemu_opt_set(opts, word, "on", errp);
    }
    if (!desc && strstart(word, "no", &rest)) {
        const QemuOptDesc *flag = find_desc(list, rest);

        if (flag && flag->type == QEMU_OPT_BOOL) {
            return qemu_opt_set(opts, rest, "off", errp);
        }
    }
    if (desc) {
        error_setg(errp, "parameter '%s' of %s needs a value", word,
                   list->name);
    } else {
        error_setg(errp, "%s has no parameter '%s'", list->name, word);
    }
    return false;
}

static bool set_id(QemuOpts *opts, const char *id, Error **errp)
{
    if (!id_wellformed(id)) {
        error_setg(errp, "'%s' is not a valid id for %s", id, opts->list->name);
        return false;
    }
    g_free(opts->id);
    opts->id = g_strdup(id);
    return true;
}

static bool parse_params(QemuOpts *opts, const char *params, bool permit_abbrev,
                         Error **errp)
{
    const char *p = params;
    bool ok = true;

    while (ok && *p) {
        size_t len = strcspn(p, "=,");
        g_autofree char *name = g_strndup(p, len);
        g_autofree char *value = NULL;

        if (p[len] == '=') {
            p = get_opt_value(p + len + 1, &value);
            ok = g_str_equal(name, "id") && !find_desc(opts->list, "id")
                     ? set_id(opts, value, errp)
                     : qemu_opt_set(opts, name, value, errp);
        } else {
            bool implied = permit_abbrev && p == params;

            p = implied ? get_opt_value(p, &value) : p + len;
            ok = set_bare_word(opts, implied ? value : name, implied, errp);
        }
        p += *p == ',';
    }
    return ok;
}

QemuOpts *qemu_opts_parse(const QemuOptsList *list, const char *params,
                          bool permit_abbrev, Error **errp)
{
    g_autoptr(QemuOpts) opts = qemu_opts_new(list, NULL, errp);

    if (strnlen(params, OPTS_TEXT_MAX_BYTES) == OPTS_TEXT_MAX_BYTES) {
        error_setg(errp, "parameters of %s are longer than %d bytes",
                   list->name, OPTS_TEXT_MAX_BYTES);
        return NULL;
    }
    if (!parse_params(opts, params, permit_abbrev, errp)) {
        return NULL;
    }
    return g_steal_pointer(&opts);
}

/* -- getters -------------------------------------------------------------- */

static const char *find_given(const QemuOpts *opts, const char *name)
{
    for (guint i = opts->values->len; i-- > 0;) {
        const QemuOpt *opt = opts->values->pdata[i];

        if (g_str_equal(opt->name, name)) {
            return opt->value;
        }
    }
    return NULL;
}

const char *qemu_opt_get(const QemuOpts *opts, const char *name)
{
    const char *value = find_given(opts, name);
    const QemuOptDesc *desc = value ? NULL : find_desc(opts->list, name);

    return desc ? desc->def_value_str : value;
}

bool qemu_opt_is_given(const QemuOpts *opts, const char *name)
{
    return find_given(opts, name) != NULL;
}

bool qemu_opt_get_bool(const QemuOpts *opts, const char *name, bool defval)
{
    const char *text = qemu_opt_get(opts, name);
    bool value;

    return text && text_to_bool(text, &value) ? value : defval;
}

uint64_t qemu_opt_get_number(const QemuOpts *opts, const char *name,
                             uint64_t defval)
{
    const char *text = qemu_opt_get(opts, name);
    uint64_t value;

    return text && parse_option_number(name, text, &value, NULL) ? value
                                                                 : defval;
}

uint64_t qemu_opt_get_size(const QemuOpts *opts, const char *name,
                           uint64_t defval)
{
    const char *text = qemu_opt_get(opts, name);
    uint64_t value;

    return text && parse_option_size(name, text, &value, NULL) ? value : defval;
}

bool qemu_opt_foreach(const QemuOpts *opts,
                      bool (*fn)(void *opaque, const char *name,
                                 const char *value, Error **errp),
                      void *opaque, Error **errp)
{
    for (guint i = 0; i < opts->values->len; i++) {
        const QemuOpt *opt = opts->values->pdata[i];

        if (!fn(opaque, opt->name, opt->value, errp)) {
            return false;
        }
    }
    return true;
}

json_t *qemu_opts_to_json(const QemuOpts *opts)
{
    json_t *ret = json_object();

    if (opts->id) {
        json_object_set_new(ret, "id", json_string(opts->id));
    }
    for (guint i = 0; i < opts->values->len; i++) {
        const QemuOpt *opt = opts->values->pdata[i];
        g_autofree char *valid = g_utf8_make_valid(opt->value, -1);

        json_object_set_new(ret, opt->name, json_string(valid));
    }
    return ret;
}

const char *qemu_opt_type_name(QemuOptType type)
{
    static const char *const names[] = {
        [QEMU_OPT_STRING] = "string",
        [QEMU_OPT_BOOL] = "boolean",
        [QEMU_OPT_NUMBER] = "number",
        [QEMU_OPT_SIZE] = "size",
    };

    return names[type];
}

char *qemu_opts_help(const QemuOptsList *list)
{
    GString *out = g_string_new(NULL);

    for (const QemuOptDesc *d = list->desc; d && d->name; d++) {
        g_string_append_printf(out, "  %s=<%s>", d->name,
                               d->type == QEMU_OPT_BOOL
                                   ? "bool (on/off)"
                                   : qemu_opt_type_name(d->type));
        if (d->help) {
            g_string_append_printf(out, " - %s", d->help);
        }
        if (d->def_value_str) {
            g_string_append_printf(out, " (default: %s)", d->def_value_str);
        }
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}
