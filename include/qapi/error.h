/*
 * The public interface's name of util/error.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_ERROR_H
#define QAPI_ERROR_H

#include "util/error.h"

#endif
