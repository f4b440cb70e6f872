/*
 * What creation and amendment of qcow2 images share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_QCOW2_CREATE_H
#define BLOCK_QCOW2_CREATE_H

#include "block/qcow2/internal.h"

/** qcow_luks_create_options, qcow_luks_amend_options: of the property
 *  "encrypt", whose leaves may be text; NULL: @errp. */
QCryptoBlockCreateOptions *qcow_luks_create_options(const json_t *encrypt,
                                                    Error **errp);
QCryptoBlockAmendOptions *qcow_luks_amend_options(const json_t *encrypt,
                                                  Error **errp);

#endif
