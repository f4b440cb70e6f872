/*
 * Ids that users give to objects, devices and nodes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_ID_H
#define UTIL_ID_H

#include <stdbool.h>

/* Who asks for a generated id; shows in the id as a word. */
typedef enum IdSubSystems {
    ID_QDEV,
    ID_BLOCK,
    ID_CHR,
    ID_NET,
    ID_OBJECT,
    ID_MAX,
} IdSubSystems;

/**
 * id_generate:
 *
 * Returns: a new id such as "#qdev042", never given before in this process
 * and never well-formed, so that no user can have taken it; g_free().
 * Thread: any.
 */
char *id_generate(IdSubSystems id);

/**
 * id_wellformed:
 * @id: any text
 *
 * Returns: whether @id is an ASCII letter followed by letters, digits, '-',
 * '.' and '_' only.
 */
bool id_wellformed(const char *id);

#endif
