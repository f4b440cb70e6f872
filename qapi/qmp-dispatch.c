/*
 * From a QMP request to its response.
 *
 * Checking (qmp_request_parse) is apart from running (qmp_request_run),
 * because the monitor chooses the thread in between.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qmp-dispatch.h"

#include "qapi/compat-policy.h"

#include "qmp-internal.h"

/* The members of a request. */
typedef struct RequestMembers {
    const char *name; /* of the command, borrowed */
    json_t *args;     /* borrowed, or NULL */
    bool oob;
} RequestMembers;

static bool take_name(RequestMembers *m, const char *key, json_t *value,
                      Error **errp)
{
    if (qobject_type(value) != QTYPE_QSTRING || json_string_has_nul(value)) {
        error_setg(errp, "QMP input member '%s' must be a string", key);
        return false;
    }
    if (m->name) {
        error_setg(errp,
                   "QMP input members 'execute' and 'exec-oob' exclude each "
                   "other");
        return false;
    }
    m->name = json_string_value(value);
    return true;
}

static bool take_members(json_t *request, bool allow_oob, RequestMembers *m,
                         Error **errp)
{
    const char *key;
    json_t *value;

    json_object_foreach(request, key, value)
    {
        bool exec_oob = strcmp(key, "exec-oob") == 0 && allow_oob;

        if (exec_oob || strcmp(key, "execute") == 0) {
            m->oob = exec_oob;
            if (!take_name(m, key, value, errp)) {
                return false;
            }
        } else if (strcmp(key, "arguments") == 0) {
            if (!json_is_object(value)) {
                error_setg(errp,
                           "QMP input member 'arguments' must be an object");
                return false;
            }
            m->args = value;
        } else if (strcmp(key, "id") != 0) {
            error_setg(errp, "QMP input member '%s' is unexpected", key);
            return false;
        }
    }
    if (!m->name) {
        error_setg(errp, "QMP input lacks member 'execute'");
        return false;
    }
    return true;
}

static bool check_command(const QmpCommand *cmd, const char *name,
                          const RequestMembers *m, const QmpContext *ctx,
                          Error **errp)
{
    const char *reason;

    if (!cmd) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                  "the command %s has not been found", name);
        return false;
    }
    if (!compat_policy_input_ok(cmd->special_features, ctx->compat,
                                ERROR_CLASS_COMMAND_NOT_FOUND, "command", name,
                                errp)) {
        return false;
    }
    if (!qmp_command_is_enabled(cmd)) {
        reason = qmp_command_disable_reason(cmd);
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                  "command %s has been disabled%s%s", name, reason ? ": " : "",
                  reason ? reason : "");
        return false;
    }
    if (m->oob && !(cmd->options & QCO_ALLOW_OOB)) {
        error_setg(errp, "the command %s does not support OOB", name);
        return false;
    }
    if (ctx->preconfig && !(cmd->options & QCO_ALLOW_PRECONFIG)) {
        error_setg(errp,
                   "the command '%s' isn't permitted before the machine is "
                   "initialized",
                   name);
        return false;
    }
    return true;
}

bool qmp_request_parse(const QmpCommandList *cmds, json_t *request,
                       bool allow_oob, const QmpContext *ctx, QmpRequest *req,
                       Error **errp)
{
    RequestMembers m = { 0 };
    const QmpCommand *cmd;

    *req = (QmpRequest){ 0 };
    if (!json_is_object(request)) {
        error_setg(errp, "QMP input must be a JSON object");
        return false;
    }
    req->id = json_incref(json_object_get(request, "id"));
    if (!take_members(request, allow_oob, &m, errp)) {
        return false;
    }
    req->oob = m.oob;
    cmd = qmp_find_command(cmds, m.name);
    if (!check_command(cmd, m.name, &m, ctx, errp)) {
        return false;
    }
    req->cmd = cmd;
    req->args = m.args ? json_incref(m.args) : json_object();
    return true;
}

json_t *qmp_request_run(const QmpRequest *req, QmpContext *ctx)
{
    Error *err = NULL;
    json_t *ret = NULL, *rsp;

    req->cmd->fn(ctx, req->args, &ret, &err);
    if (ctx->again) {
        assert(ctx->takes_errands && !err && !ret);
        return NULL;
    }
    if (err) {
        json_decref(ret);
        rsp = qmp_error_response(err);
    } else if (!qmp_has_success_response(req->cmd)) {
        json_decref(ret);
        return NULL;
    } else {
        rsp = json_object();
        json_object_set_new(rsp, "return", ret ? ret : json_object());
    }
    qmp_response_set_id(rsp, req->id);
    return rsp;
}

void qmp_request_clear(QmpRequest *req)
{
    json_decref(req->id);
    json_decref(req->args);
    *req = (QmpRequest){ 0 };
}

json_t *qmp_dispatch(const QmpCommandList *cmds, json_t *request,
                     bool allow_oob, QmpContext *ctx)
{
    g_auto(QmpRequest) req = { 0 };
    Error *err = NULL;
    json_t *rsp;

    if (qmp_request_parse(cmds, request, allow_oob, ctx, &req, &err)) {
        return qmp_request_run(&req, ctx);
    }
    rsp = qmp_error_response(err);
    qmp_response_set_id(rsp, req.id);
    return rsp;
}

json_t *qmp_error_response(Error *err)
{
    json_t *error = json_object(), *rsp = json_object();
    const char *text = error_get_pretty(err);
    json_t *desc = json_string(text);

    if (!desc) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);

        desc = json_string(valid);
    }
    json_object_set_new(error, "class",
                        json_string(error_class_str(error_get_class(err))));
    json_object_set_new(error, "desc", desc);
    json_object_set_new(rsp, "error", error);
    error_free(err);
    return rsp;
}

void qmp_response_set_id(json_t *rsp, json_t *id)
{
    if (id) {
        json_object_set(rsp, "id", id);
    }
}

bool qmp_is_oob(json_t *request)
{
    return json_object_get(request, "exec-oob") &&
           !json_object_get(request, "execute");
}
