/*
 * The command line, read into a SystemConfig by the table of options
 * (option-table.c): the kinds of options, -help, query-command-line-options,
 * parsing. What depends on the value of other options is the business of
 * startup.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "options.h"

#include "qapi/json.h"
#include "util/error.h"
#include "util/keyval.h"

/* -- kinds --------------------------------------------------------------- */

static void *field_of(SystemConfig *c, const OptionDef *def)
{
    return (char *)c + def->offset;
}

static ParseResult store_keyval(SystemConfig *c, const OptionDef *def,
                                const char *value, Error **errp)
{
    json_t **dst = field_of(c, def);
    g_autoptr(json_t) parsed = NULL;
    bool help = false;

    parsed = keyval_parse(value, def->implied_key, &help, errp);
    if (!parsed) {
        return PARSE_FAILED;
    }
    if (help && def->text) {
        g_autofree char *text = def->text();

        fputs(text, stdout);
        return PARSE_DONE;
    }
    if (help) {
        options_print_keys(def->name);
        return PARSE_DONE;
    }
    json_object_update_recursive(*dst, parsed);
    return PARSE_OK;
}

static ParseResult store_option(SystemConfig *c, const OptionDef *def,
                                const char *value, Error **errp)
{
    switch (def->kind) {
    case OPT_FLAG:
        *(bool *)field_of(c, def) = true;
        return PARSE_OK;
    case OPT_STRING: {
        char **dst = field_of(c, def);

        if (def->text &&
            (g_str_equal(value, "help") || g_str_equal(value, "?"))) {
            g_autofree char *text = def->text();

            fputs(text, stdout);
            return PARSE_DONE;
        }
        g_free(*dst);
        *dst = g_strdup(value);
        return PARSE_OK;
    }
    case OPT_LIST:
        g_ptr_array_add(*(GPtrArray **)field_of(c, def), g_strdup(value));
        return PARSE_OK;
    case OPT_KEYVAL:
        return store_keyval(c, def, value, errp);
    case OPT_CUSTOM:
        return def->handle(c, def, value, errp);
    case OPT_SECTION:
        break;
    }
    g_assert_not_reached();
}

/* -- help and introspection ---------------------------------------------- */

static const OptionDef *option_find(const char *name)
{
    for (const OptionDef *d = option_table; d->name; d++) {
        if (d->kind != OPT_SECTION && g_str_equal(d->name, name)) {
            return d;
        }
    }
    return NULL;
}

void options_print_help(void)
{
    printf("Usage: ferry [OPTION]...\n");
    for (const OptionDef *d = option_table; d->name; d++) {
        if (d->kind == OPT_SECTION) {
            printf("\n%s:\n", d->name);
        } else if (d->help) {
            printf("  -%s%s%s\n        %s\n", d->name, d->params ? " " : "",
                   d->params ?: "", d->help);
        }
    }
    printf("\nWhile the guest runs on a shared terminal, Ctrl-a h lists the "
           "keys of the\nmultiplexer. See ferry(1) and the manual for all "
           "of it.\n");
}

void options_print_keys(const char *name)
{
    const OptionDef *def = option_find(name);

    printf("%s options:\n", name);
    for (const OptionKey *k = def->keys; k && k->name; k++) {
        printf("  %s=<%s>%*s- %s\n", k->name, k->type,
               (int)MAX(1, 24 - (int)(strlen(k->name) + strlen(k->type))), "",
               k->help);
    }
}

json_t *system_options_json(const char *only)
{
    json_t *all = json_array();

    for (const OptionDef *d = option_table; d->name; d++) {
        json_t *parameters;

        if (d->kind == OPT_SECTION || (only && !g_str_equal(only, d->name))) {
            continue;
        }
        parameters = json_array();
        for (const OptionKey *k = d->keys; k && k->name; k++) {
            json_array_append_new(parameters,
                                  json_pack("{s:s,s:s,s:s}", "name", k->name,
                                            "type", k->type, "help", k->help));
        }
        json_array_append_new(all, json_pack("{s:s,s:o}", "option", d->name,
                                             "parameters", parameters));
    }
    return all;
}

/* -- parsing ------------------------------------------------------------- */

ParseResult system_config_set(SystemConfig *config, const char *option,
                              const char *value, Error **errp)
{
    ERRP_GUARD();
    const OptionDef *def = option_find(option);
    ParseResult result;

    if (!def) {
        error_setg(errp, "-%s: unknown option", option);
        error_append_hint(errp, "'ferry -help' lists the options.\n");
        return PARSE_FAILED;
    }
    if (def->params && !value) {
        error_setg(errp, "-%s: needs a value: %s", option, def->params);
        return PARSE_FAILED;
    }
    result = store_option(config, def, value, errp);
    if (result == PARSE_FAILED) {
        error_prepend(errp, "-%s%s%s: ", option, value ? " " : "", value ?: "");
    }
    return result;
}

ParseResult system_config_parse(SystemConfig *config, int argc, char **argv,
                                Error **errp)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const OptionDef *def;
        const char *value = NULL;
        ParseResult result;

        if (name[0] != '-' || !name[1]) {
            error_setg(errp,
                       "'%s' is not an option, and disk images are not "
                       "supported by this machine",
                       name);
            return PARSE_FAILED;
        }
        name += name[1] == '-' ? 2 : 1;
        def = option_find(name);
        if (def && def->params && i + 1 < argc) {
            value = argv[++i];
        }
        result = system_config_set(config, name, value, errp);
        if (result != PARSE_OK) {
            return result;
        }
    }
    return PARSE_OK;
}
