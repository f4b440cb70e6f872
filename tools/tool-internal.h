/*
 * Between the files of tool-*.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_TOOL_INTERNAL_H
#define TOOLS_TOOL_INTERNAL_H

#include "tool-common.h"

/** tool_progress_print: one line now, whether or not -p was given. */
void tool_progress_print(Tool *tool);

#endif
