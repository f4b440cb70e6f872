/*
 * What this program is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "version.h"

#include <gnutls/gnutls.h>

static const struct {
    const char *name;
    bool built;
} features[] = {
    { "kvm", CONFIG_KVM },          { "nettle", CONFIG_NETTLE },
    { "libgcrypt", CONFIG_GCRYPT }, { "pam", CONFIG_PAM },
    { "keyring", CONFIG_KEYRING },  { "seccomp", CONFIG_SECCOMP },
    { "numa", CONFIG_NUMA },        { "io_uring", CONFIG_IO_URING },
};

void version_print(void)
{
    printf("Ferry emulator version " FERRY_VERSION
           " (command line and QMP of QEMU %d.%d.%d)\n",
           COMPAT_VERSION_MAJOR, COMPAT_VERSION_MINOR, COMPAT_VERSION_MICRO);
    printf("GnuTLS %s, GLib %u.%u.%u\n", gnutls_check_version(NULL),
           glib_major_version, glib_minor_version, glib_micro_version);
    printf("features:");
    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        printf(" %s%s", features[i].built ? "+" : "-", features[i].name);
    }
    printf("\n");
}

json_t *version_json(void)
{
    return json_pack("{s:{s:i,s:i,s:i},s:s}", "qemu", "micro",
                     COMPAT_VERSION_MICRO, "minor", COMPAT_VERSION_MINOR,
                     "major", COMPAT_VERSION_MAJOR, "package",
                     "ferry " FERRY_VERSION);
}
