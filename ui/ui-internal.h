/*
 * What the files of this folder share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UI_UI_INTERNAL_H
#define UI_UI_INTERNAL_H

#include "ui/console.h"
#include "ui/input.h"

InputRouter *input_router_new(void);
/** input_router_free: handlers that are left are on no router any more. */
void input_router_free(InputRouter *r);
/** input_takes: is there a handler for events of @kind? */
bool input_takes(InputRouter *r, InputEventKind kind);

/**
 * image_write:
 * @fd: (in) owned; closed on every path
 *
 * Write @surface as a file. It blocks: not in the main loop.
 *
 * Errors: the system's; the PNG library is not there.
 */
bool image_write(const Surface *surface, ImageFormat format, int fd,
                 Error **errp);

#endif
