/*
 * authz-simple: one identity is let in.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef AUTHZ_SIMPLE_H
#define AUTHZ_SIMPLE_H

#include "authz/base.h"

#define TYPE_QAUTHZ_SIMPLE "authz-simple"

OBJECT_DECLARE_SIMPLE_TYPE(QAuthZSimple, QAUTHZ_SIMPLE)

/**
 * qauthz_simple_new:
 * @id: (in) id below /objects
 * @identity: (in) the identity that is let in, compared byte for byte
 * @errp: (out)
 *
 * Returns: a completed object, borrowed from /objects (object_unparent()
 *          ends it); NULL on failure.
 * Errors: @id is taken or malformed.
 */
QAuthZSimple *qauthz_simple_new(const char *id, const char *identity,
                                Error **errp);

#endif
