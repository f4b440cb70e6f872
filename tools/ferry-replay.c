/*
 * ferry-replay: ask a migration policy about recorded migrations.
 *
 *   ferry-replay [-p POLICY] [-k KNOB=VALUE]... FILE
 *
 * FILE is what the parameter x-record of a migration made. Each report in it
 * is given to the policy again, with knobs (parameters as in
 * migrate-set-parameters, capabilities as true or false) changed if -k says so.
 * Printed is a table of the decisions then and now.
 *
 * Exit status: 0: all decisions are the same; 1: some differ; 2: error.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "migration/policy-replay.h"
#include "util/error.h"
#include "util/read-file.h"

#define FILE_MAX    (256u << 20)
#define EXIT_DIFFER 1
#define EXIT_BROKEN 2

/* "name=value": value is JSON: a number, true or false. */
static bool add_knob(json_t *knobs, const char *text, Error **errp)
{
    const char *equals = strchr(text, '=');
    g_autofree char *name =
        equals ? g_strndup(text, (gsize)(equals - text)) : NULL;
    json_t *value =
        equals ? json_loads(equals + 1, JSON_DECODE_ANY, NULL) : NULL;

    if (!value) {
        error_setg(errp, "'%s' is not KNOB=NUMBER, KNOB=true or KNOB=false",
                   text);
        return false;
    }
    json_object_set_new(knobs, name, value);
    return true;
}

static bool replay(const char *path, const char *policy, char **knob,
                   uint64_t *ret_differ, Error **errp)
{
    json_auto_t *knobs = json_object();
    g_autoptr(GString) table = g_string_new(NULL);
    g_autofree char *text = NULL;
    size_t len;
    bool ok;

    for (; knob && *knob; knob++) {
        if (!add_knob(knobs, *knob, errp)) {
            return false;
        }
    }
    text = read_file_bounded(path, FILE_MAX, &len, errp);
    if (!text) {
        return false;
    }
    ok = policy_replay(text, len, policy, knobs, table, ret_differ, errp);
    fputs(table->str, stdout);
    if (!ok) {
        error_prepend(errp, "%s: ", path);
    }
    return ok;
}

int main(int argc, char **argv)
{
    g_autofree char *policy = NULL;
    g_auto(GStrv) knob = NULL;
    const GOptionEntry options[] = {
        { "policy", 'p', 0, G_OPTION_ARG_STRING, &policy,
          "policy to ask (default: the recorded one)", "POLICY" },
        { "knob", 'k', 0, G_OPTION_ARG_STRING_ARRAY, &knob,
          "replace a recorded knob", "KNOB=VALUE" },
        {},
    };
    GOptionContext *ctx = g_option_context_new("FILE");
    g_autoptr(GError) usage = NULL;
    uint64_t differ = 0;
    Error *err = NULL;
    bool ok;

    g_option_context_add_main_entries(ctx, options, NULL);
    ok = g_option_context_parse(ctx, &argc, &argv, &usage);
    g_option_context_free(ctx);
    if (!ok || argc != 2) {
        fprintf(stderr, "ferry-replay: %s\n",
                usage ? usage->message : "one file is needed, see --help");
        return EXIT_BROKEN;
    }
    if (!replay(argv[1], policy, knob, &differ, &err)) {
        fprintf(stderr, "ferry-replay: %s\n", error_get_pretty(err));
        error_free(err);
        return EXIT_BROKEN;
    }
    return differ ? EXIT_DIFFER : EXIT_SUCCESS;
}
