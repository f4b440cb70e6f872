/*
 * The object types of io/, from the list in meson.build.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/types.h"

#include "crypto/types.h"
#include "qom/object.h"
#include "qom/types.h"
#include "util/module.h"

#define TYPE_ENTRY(n) extern const TypeInfo io_type_##n;
#include "io-types.inc"
#undef TYPE_ENTRY

#define TYPE_ENTRY(n) &io_type_##n,
static const TypeInfo *const types[] = {
#include "io-types.inc"
};

/*
 * write() to a pipe without reader kills the process unless SIGPIPE is
 * ignored; file and command channels report the error instead. Whoever chose
 * another handling keeps it. Children start with the default again.
 */
static void ignore_sigpipe(void)
{
    struct sigaction act;

    if (sigaction(SIGPIPE, NULL, &act) == 0 && act.sa_handler == SIG_DFL) {
        act.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &act, NULL);
    }
}

void io_register_types(void)
{
    static gsize once;    /* guard of the table */
    static gsize sigpipe; /* guard of the signal */

    crypto_register_types();
    qom_register_type_table(&once, types, G_N_ELEMENTS(types));
    if (g_once_init_enter(&sigpipe)) {
        ignore_sigpipe();
        g_once_init_leave(&sigpipe, 1);
    }
}

type_init(io_register_types)
