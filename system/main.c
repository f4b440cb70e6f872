/*
 * ferry: parse, start, run, clean up. The only place that ends the program.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <locale.h>

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

int main(int argc, char **argv)
{
    System *s = system_get();
    Error *err = NULL;
    int status;

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
