/*
 * What the QMP registry and the dispatcher share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_QMP_INTERNAL_H
#define QAPI_QMP_INTERNAL_H

#include "qapi/qmp-dispatch.h"

struct QmpCommand {
    const char *name;
    QmpCommandFunc *fn;
    QmpCommandOptions options;
    unsigned special_features;
    int enabled;          /* atomic */
    char *disable_reason; /* atomic; static text or NULL */
};

/** qmp_command_disable_reason: why @cmd is disabled; static, or NULL. */
const char *qmp_command_disable_reason(const QmpCommand *cmd);

#endif
