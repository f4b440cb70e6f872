/*
 * Samples of pages: what share of memory changes?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_DIRTY_SAMPLE_H
#define MIGRATION_DIRTY_SAMPLE_H

#include "migration/ram-block.h"

typedef struct DirtySample DirtySample;

/** dirty_sample_new: note what is in @pages_per_gib pages of each GiB of
 *  memory that the guest can write, in pages chosen at random; at least one of
 *  each block. @list stays. */
DirtySample *dirty_sample_new(const RAMBlockList *list, unsigned pages_per_gib);
void dirty_sample_free(DirtySample *s);

/** dirty_sample_changed: estimate of the bytes of memory whose content differs
 *  from then. */
uint64_t dirty_sample_changed(const DirtySample *s);

/** dirty_sample_zero_share: share of @n pages chosen at random among those set
 *  in @map (of @pages pages of @rb) that are zero; 0 if there are none. */
double dirty_sample_zero_share(const RAMBlock *rb, const unsigned long *map,
                               uint64_t pages, unsigned n);

#endif
