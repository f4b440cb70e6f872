/*
 * ferry: parse, start, run, clean up. The only place that ends the program.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <jansson.h>
#include <locale.h>
#include <malloc.h>

#include "hw/types.h"
#include "util/atomic.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "config.h"
#include "runstate.h"
#include "startup.h"

static bool start(System *s, Error **errp)
{
    if (!startup_process(s, errp) || !startup_backends(s, errp)) {
        return false;
    }
    /* Until x-exit-preconfig, which makes the machine from the monitor. */
    if (!s->config->preconfig && !startup_machine(s, errp)) {
        return false;
    }
    return startup_run(s, errp);
}

/*
 * A secret may arrive inside a JSON text (object-add, -object); jansson's
 * copies of it are wiped like all others.
 */
static void *json_alloc(size_t size)
{
    return g_malloc(size);
}

static void json_wipe_free(void *p)
{
    if (p) {
        explicit_bzero(p, malloc_usable_size(p));
    }
    g_free(p);
}

int main(int argc, char **argv)
{
    System *s = system_get();
    Error *err = NULL;
    int status;

    json_set_alloc_funcs(json_alloc, json_wipe_free);
    setlocale(LC_CTYPE, "");
    g_set_prgname("ferry");
    /* `help` options list classes. */
    hw_register_types();
    s->config = system_config_new();
    qatomic_set(&s->preconfig, true);

    switch (system_config_parse(s->config, argc, argv, &err)) {
    case PARSE_DONE:
        system_config_free(s->config);
        return EXIT_SUCCESS;
    case PARSE_FAILED:
        error_report_err(err);
        system_config_free(s->config);
        return EXIT_FAILURE;
    case PARSE_OK:
        break;
    }

    if (start(s, &err)) {
        status = run_main_loop();
    } else {
        error_report_err(err);
        status = EXIT_FAILURE;
    }
    shutdown_all(s);
    system_config_free(s->config);
    return status;
}
