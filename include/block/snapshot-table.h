/*
 * Internal snapshots as a table for people.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_SNAPSHOT_TABLE_H
#define BLOCK_SNAPSHOT_TABLE_H

#include <glib.h>

#include "qapi/qapi-types-block.h"

/**
 * snapshot_table_print:
 * @out: (inout) the table is appended: a line of titles, a line for each
 * @list: (nullable) borrowed
 *
 * Dates are local time; one that does not exist is "?". Thread: any.
 */
void snapshot_table_print(GString *out, const SnapshotInfoList *list);

#endif
