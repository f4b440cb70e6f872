/*
 * authz-pam: PAM's account management decides (pam_acct_mgmt).
 *
 * `service` names a file in /etc/pam.d. PAM modules may read files or talk to
 * a network: qauthz_is_allowed() blocks as long as they do, in the thread
 * that calls it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef AUTHZ_PAMACCT_H
#define AUTHZ_PAMACCT_H

#include "authz/base.h"

#define TYPE_QAUTHZ_PAM "authz-pam"

OBJECT_DECLARE_SIMPLE_TYPE(QAuthZPAM, QAUTHZ_PAM)

/**
 * qauthz_pam_new:
 * @id: (in) id below /objects
 * @service: (in) PAM service, a plain file name without slashes
 * @errp: (out)
 *
 * Only in builds with PAM (CONFIG_PAM).
 *
 * Returns: a completed object, borrowed from /objects; NULL on failure.
 * Errors: @service is no plain name; @id is taken.
 */
QAuthZPAM *qauthz_pam_new(const char *id, const char *service, Error **errp);

#endif
