/*
 * Files of a credentials directory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error-report.h"
#include "util/error.h"
#include "util/read-file.h"

#include "tlscreds-internal.h"

void tls_file_clear(TLSFile *f)
{
    if (f->data) {
        explicit_bzero(f->data, f->len);
    }
    g_clear_pointer(&f->data, g_free);
    g_clear_pointer(&f->path, g_free);
}

bool tls_creds_read_file(QCryptoTLSCreds *creds, const char *name,
                         bool required, TLSFile *f, Error **errp)
{
    f->path = g_build_filename(creds->dir, name, NULL);
    if (!required && access(f->path, F_OK) < 0 && errno == ENOENT) {
        return true;
    }
    f->data =
        read_file_bounded(f->path, QCRYPTO_TLS_CREDS_MAX_FILE, &f->len, errp);
    return f->data != NULL;
}

bool tls_creds_read_key_file(QCryptoTLSCreds *creds, const char *name,
                             bool required, TLSFile *f, Error **errp)
{
    struct stat st;

    if (!tls_creds_read_file(creds, name, required, f, errp)) {
        return false;
    }
    if (f->data && stat(f->path, &st) == 0 &&
        (st.st_mode & (S_IRWXO | S_IWGRP))) {
        warn_report("TLS credentials '%s': mode %04o of '%s' lets others use "
                    "the key",
                    tls_creds_id(creds), (unsigned)st.st_mode & 07777, f->path);
    }
    return true;
}
