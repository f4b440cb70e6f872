/*
 * authz-list-file: an authz-list kept in a JSON file.
 *
 *   { "policy": "deny",
 *     "rules": [ { "match": "O=Example,CN=*", "policy": "allow",
 *                  "format": "glob" } ] }
 *
 * With refresh=on (the default) the file is read again when it changes, also
 * when it is replaced by rename. A file that cannot be read or is malformed
 * then leaves the rules as they were and is reported.
 * `authz-listfile` is another spelling of the same class.
 *
 * Thread: the file is read again in the main loop's thread; is_allowed() may
 * be called from any thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef AUTHZ_LISTFILE_H
#define AUTHZ_LISTFILE_H

#include "authz/base.h"

#define TYPE_QAUTHZ_LIST_FILE       "authz-list-file"
#define TYPE_QAUTHZ_LIST_FILE_ALIAS "authz-listfile"

OBJECT_DECLARE_SIMPLE_TYPE(QAuthZListFile, QAUTHZ_LIST_FILE)

#define QAUTHZ_LIST_FILE_MAX_BYTES (4 * 1024 * 1024)

/**
 * qauthz_list_file_new:
 * @id: (in) id below /objects
 * @filename: (in) path of the JSON file
 * @refresh: (in) true = follow changes of the file
 * @errp: (out)
 *
 * Returns: a completed object, borrowed from /objects; NULL on failure.
 * Errors: file missing, over QAUTHZ_LIST_FILE_MAX_BYTES or malformed; no
 *         inotify; @id is taken.
 */
QAuthZListFile *qauthz_list_file_new(const char *id, const char *filename,
                                     bool refresh, Error **errp);

#endif
