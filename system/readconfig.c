/*
 * -readconfig: sections of an ini file as options.
 *
 *     [chardev "c0"]          is   -chardev id=c0,backend=null
 *       backend = "null"
 *
 * A section becomes the text that would stand on the command line, so that
 * nothing can be said in a file that cannot be said there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/config-file.h"
#include "util/error.h"

#include "options.h"

/* Section names that differ from the option's, and implied first keys. */
static const struct {
    const char *section;
    const char *option;
    const char *first_key;
} section_names[] = {
    { "object", "object", "qom-type" },  { "device", "device", "driver" },
    { "chardev", "chardev", "backend" }, { "memory", "m", NULL },
    { "smp-opts", "smp", NULL },         { "rtc", "rtc", NULL },
};

static void append_value(GString *text, const char *key, const char *value)
{
    if (text->len) {
        g_string_append_c(text, ',');
    }
    if (key) {
        g_string_append_printf(text, "%s=", key);
    }
    for (; *value; value++) {
        g_string_append_c(text, *value);
        if (*value == ',') {
            g_string_append_c(text, ',');
        }
    }
}

static bool handle_section(const char *group, const char *id, json_t *opts,
                           void *opaque, Error **errp)
{
    SystemConfig *config = opaque;
    g_autoptr(GString) text = g_string_new(NULL);
    const char *option = group;
    const char *first_key = NULL;
    const char *first;
    const char *key;
    json_t *value;

    for (size_t i = 0; i < ARRAY_SIZE(section_names); i++) {
        if (g_str_equal(group, section_names[i].section)) {
            option = section_names[i].option;
            first_key = section_names[i].first_key;
        }
    }
    first =
        first_key ? json_string_value(json_object_get(opts, first_key)) : NULL;
    if (first) {
        append_value(text, NULL, first);
    }
    json_object_foreach(opts, key, value)
    {
        if (!first || !g_str_equal(key, first_key)) {
            append_value(text, key, json_string_value(value));
        }
    }
    if (g_str_equal(option, "readconfig")) {
        error_setg(errp, "a configuration file cannot read another");
        return false;
    }
    return system_config_set(config, option, text->str, errp) == PARSE_OK;
}

ParseResult options_read_config(SystemConfig *config, const char *path,
                                Error **errp)
{
    return config_file_read(path, handle_section, config, errp) ? PARSE_OK
                                                                : PARSE_FAILED;
}
