/*
 * Driver "null-aio": the same as null-co here, where every request is a
 * coroutine.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/protocol/null-internal.h"

static const char *const null_aio_schemes[] = { "null-aio", NULL };

static void null_aio_class_init(ObjectClass *oc, void *data)
{
    BLOCK_NODE_CLASS(oc)->driver = "null-aio";
    BLOCK_NODE_CLASS(oc)->uri_schemes = null_aio_schemes;
}

extern const TypeInfo block_type_null_aio;
const TypeInfo block_type_null_aio = {
    .name = TYPE_BLOCK_NODE "-null-aio",
    .parent = TYPE_BLOCK_NULL,
    .class_init = null_aio_class_init,
};
