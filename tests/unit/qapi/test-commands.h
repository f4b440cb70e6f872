/*
 * Handlers of the commands in test-schema.json.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TEST_COMMANDS_H
#define TEST_COMMANDS_H

/* What the handlers have seen; reset by the tests. */
typedef struct TestCommandLog {
    int nothing_calls;
    int silent_calls;
    char *open_type;    /* of the last test-open, owned */
    char *open_members; /* as JSON, owned */
} TestCommandLog;

extern TestCommandLog test_command_log;

#endif
