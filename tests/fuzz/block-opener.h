/*
 * What fuzz targets of the graph share: descriptions of nodes from outside are
 * opened on nothing that exists, and used.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_BLOCK_OPENER_H
#define TESTS_BLOCK_OPENER_H

#include "block/block-internal.h"
#include "block/types.h"
#include "qapi/json.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/main-loop.h"

#define OPENER_BYTES 4096

static void opener_quiet(const char *text, void *opaque)
{
}

static void opener_init(void)
{
    static bool ready;

    if (!ready) {
        qemu_init_main_loop(&error_abort);
        block_register_types();
        error_report_set_sink(opener_quiet, NULL);
        ready = true;
    }
}

static int opener_count(Object *obj, void *opaque)
{
    ++*(unsigned *)opaque;
    return 0;
}

static void opener_touch(BlockNode *node)
{
    uint8_t buf[OPENER_BYTES] = { 0 };
    int64_t length = block_node_length(node);
    int64_t n = MIN(length, OPENER_BYTES);

    if (n <= 0) {
        return;
    }
    node_pread(node, 0, n, buf);
    node_pread(node, length - n, n, buf);
    if (!node->read_only) {
        node_pwrite(node, 0, n, buf, 0);
        node_pwrite(node, n / 2, n / 2, buf, 0);
    }
    node_flush(node);
}

/* Open @opts, use it, and see that nothing is left. */
static void opener_run(const json_t *opts, bool keyval)
{
    Object *root = container_get(object_get_root(), "/block-nodes");
    Error *err = NULL;
    BlockNode *node =
        block_open_options(opts, keyval, 0, qemu_get_aio_context(), &err);
    unsigned left = 0;

    g_assert(!node == (err != NULL));
    error_free(err);
    if (node) {
        opener_touch(node);
        block_node_unref(node);
    }
    object_child_foreach(root, opener_count, &left);
    g_assert(left == 0);
}

#endif
