/*
 * Line editing for the human monitor: bytes of a terminal in, whole lines
 * and screen updates out. Knows nothing of channels or commands.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MONITOR_READLINE_H
#define MONITOR_READLINE_H

#include <stddef.h>

typedef struct ReadLine ReadLine;

/* Limits; what goes beyond is dropped (line) or forgotten (history). */
#define READLINE_LINE_MAX       4095 /* bytes */
#define READLINE_HISTORY_MAX    256  /* lines */
#define READLINE_COMPLETION_MAX 256  /* candidates */

typedef struct ReadLineOps {
    /* Show @len bytes of @text on the terminal. Mandatory. */
    void (*show)(const char *text, size_t len, void *opaque);
    /* A line was entered; it is borrowed for the call. Mandatory. */
    void (*line)(const char *line, void *opaque);
    /*
     * Tab was pressed after @prefix (the line up to the cursor): call
     * readline_add_completion() for each candidate of the last word.
     * NULL: no completion.
     */
    void (*complete)(ReadLine *rl, const char *prefix, void *opaque);
} ReadLineOps;

/**
 * readline_new:
 * @ops: (in) callbacks; must outlive the editor
 * @opaque: passed to them
 *
 * Returns: an editor with an empty line and an empty history.
 */
ReadLine *readline_new(const ReadLineOps *ops, void *opaque);

/** readline_free: accepts NULL. */
void readline_free(ReadLine *rl);

/**
 * readline_prompt:
 * @prompt: (in) text before the line; copied
 *
 * Start an empty line and show @prompt.
 */
void readline_prompt(ReadLine *rl, const char *prompt);

/** readline_redisplay: show prompt and line again, on a line of their own. */
void readline_redisplay(ReadLine *rl);

/** readline_reset: the terminal is gone, with what was typed on it. */
void readline_reset(ReadLine *rl);

/** readline_feed: handle @len bytes that the terminal sent. */
void readline_feed(ReadLine *rl, const char *buf, size_t len);

/**
 * readline_add_completion:
 * @word: (in) a candidate for the whole last word; copied
 */
void readline_add_completion(ReadLine *rl, const char *word);

/**
 * readline_history:
 * @index: 0 is the oldest line kept
 *
 * Returns: the line, borrowed; NULL beyond the newest.
 */
const char *readline_history(const ReadLine *rl, size_t index);

#endif
