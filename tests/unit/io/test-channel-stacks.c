/*
 * The conformance suite over every class with two ends and over the stacks
 * of layers that are used, plain and through the fault-injecting channel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/main-loop.h"

#include "channel-conformance.h"

static const char *const stacks[] = {
    "unix",
    "tcp",
    "pipe",
    "cat",
    "unix/tls",
    "tcp/tls",
    "tcp/ws",
    "tcp/tls/ws",
    "unix/ws/tls",
    "unix/tls/tls",
    "unix/fault",
    "tcp/fault",
    "pipe/fault",
    "unix/fault/tls",
    "unix/fault/ws",
    "tcp/fault/tls/ws",
    "unix/tls/fault/ws",
    "unix/ws/fault/tls",
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    for (size_t i = 0; i < G_N_ELEMENTS(stacks); i++) {
        channel_conformance_add(stacks[i]);
    }
    return g_test_run();
}
