/*
 * Handlers of the commands in test-schema.json: just enough to see that
 * arguments arrive and results go back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "test-commands.h"

#include "qapi/clone-visitor.h"
#include "qapi/qapi-commands-test-schema.h"
#include "qapi/qapi-visit-test-schema.h"

TestCommandLog test_command_log;

void qmp_test_nothing(Error **errp)
{
    test_command_log.nothing_calls++;
}

void qmp_test_old_name(Error **errp)
{
    error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "no device \xff here");
}

int64_t qmp_test_sum(int64_t a, bool has_b, int64_t b, Error **errp)
{
    if (has_b && b == 0) {
        error_setg(errp, "adding nothing makes no sense");
        return -1;
    }
    return a + (has_b ? b : 1000);
}

TestLeaf *qmp_test_leaf(TestLeaf *arg, Error **errp)
{
    return QAPI_CLONE(TestLeaf, arg);
}

strList *qmp_test_list(QmpContext *ctx, bool has_words, strList *words,
                       Error **errp)
{
    strList *list = NULL;

    QAPI_LIST_PREPEND(list, g_strdup(ctx->opaque));
    for (strList *l = words; l; l = l->next) {
        QAPI_LIST_PREPEND(list, g_strdup(l->value));
    }
    if (!has_words) {
        QAPI_LIST_PREPEND(list, g_strdup("absent"));
    }
    return list;
}

void qmp_test_shape(TestShape *arg, Error **errp)
{
    if (arg->kind == TEST_COL_DARK_GREEN) {
        error_setg(errp, "%s is not a color", TestColor_str(arg->kind));
    }
}

static void log_open(const char *type, json_t *members)
{
    g_free(test_command_log.open_type);
    g_free(test_command_log.open_members);
    test_command_log.open_type = g_strdup(type);
    test_command_log.open_members =
        g_string_free(qobject_to_json(members), false);
}

void qmp_test_open(TestOpen *arg, Error **errp)
{
    log_open(arg->qom_type, arg->open_members);
}

void qmp_test_backend(const char *id, TestBackend *backend, Error **errp)
{
    log_open(TestColor_str(backend->type), backend->open_members);
}

void qmp_test_silent(Error **errp)
{
    test_command_log.silent_calls++;
}

void qmp_test_raw(QmpContext *ctx, json_t *args, json_t **ret, Error **errp)
{
    json_t *x = json_object_get(args, "x");

    if (!x) {
        error_setg(errp, "parameter 'x' is missing");
        return;
    }
    *ret = json_incref(x);
}

void qmp_test_either(TestEither *e, TestMany *m, Error **errp)
{
    if (e && e->type == QTYPE_QNULL) {
        error_setg(errp, "null is not welcome");
    }
}
