/*
 * ferry-img: its commands. Each is one file that defines `img_command_NAME`,
 * and one line in meson.build.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_IMG_H
#define TOOLS_IMG_H

#include "tool-common.h"

/* Rows of option tables that many commands have; T is the struct. */
#define IMG_ROW(letter, name, kind, field, arg, help)                          \
    {                                                                          \
        letter, name, kind, field, arg, help, 0, 0                             \
    }
#define IMG_OBJECT(T)                                                          \
    IMG_ROW(0, "object", TOOL_LIST, offsetof(T, objects), "OBJECT",            \
            "make an object first: secret,id=...")
#define IMG_IMAGE_OPTS(T)                                                      \
    IMG_ROW(0, "image-opts", TOOL_FLAG, offsetof(T, image_opts), NULL,         \
            "image names are options: driver=nbd,host=...")
#define IMG_FORMAT(T)                                                          \
    IMG_ROW('f', "format", TOOL_STRING, offsetof(T, format), "FMT",            \
            "format of the image (default: look at it)")
#define IMG_QUIET(T)                                                           \
    IMG_ROW('q', "quiet", TOOL_FLAG, offsetof(T, quiet), NULL,                 \
            "say nothing but errors")
#define IMG_PROGRESS(T)                                                        \
    IMG_ROW('p', "progress", TOOL_FLAG, offsetof(T, progress), NULL,           \
            "show how far it is")
#define IMG_FORCE_SHARE(T)                                                     \
    IMG_ROW('U', "force-share", TOOL_FLAG, offsetof(T, force_share), NULL,     \
            "open it even though another program writes to it")
#define IMG_CACHE(T, help)                                                     \
    IMG_ROW('t', "cache", TOOL_STRING, offsetof(T, cache), "MODE", help)
#define IMG_SOURCE_CACHE(T)                                                    \
    IMG_ROW('T', "source-cache", TOOL_STRING, offsetof(T, source_cache),       \
            "MODE", "cache mode of what is read (default: writeback)")
#define IMG_OUTPUT(T)                                                          \
    IMG_ROW(0, "output", TOOL_STRING, offsetof(T, output), "human|json",       \
            "for people (default) or for programs")
#define IMG_CREATE_OPTIONS(T)                                                  \
    IMG_ROW('o', "options", TOOL_LIST, offsetof(T, options), "OPTIONS",        \
            "options of the format: NAME=VALUE,...; or `help`")

#define IMG_CACHE_HELP "cache mode of what is written (default: writeback)"

/* Every line of it ends --help. */
#define IMG_CACHE_MODES                                                        \
    "Cache modes: none, writeback, writethrough, directsync, unsafe.\n"

/** img_output_is_json: --output. @text: nullable. Errors: other words. */
bool img_output_is_json(const char *text, bool *ret_json, Error **errp);
/** img_fail: print @err. Returns: exit status 1. */
int img_fail(Error *err);
/** img_errno: print "what: strerror(-@ret)". Returns: exit status 1. */
int img_errno(int ret, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

#endif
