/*
 * QMP commands: the list of those a monitor knows, and running one.
 *
 * A binary registers the generated tables of the modules it implements into
 * one QmpCommandList, before monitors start; from then on only the list's
 * enable bits change. A monitor takes a request apart (qmp_request_parse()),
 * looks at the command's options to choose where it runs, and runs it there
 * (qmp_request_run()). qmp_dispatch() does both at once.
 *
 * Thread: registration before any monitor runs; parse and run from any
 * thread afterwards.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_QMP_DISPATCH_H
#define QAPI_QMP_DISPATCH_H

#include "qapi/json.h"
#include "qapi/util.h"
#include "util/error.h"

typedef struct CompatPolicy CompatPolicy;
typedef struct QmpCommandList QmpCommandList;

/* What a command may do, from the schema. */
typedef enum QmpCommandOptions {
    QCO_NO_OPTIONS = 0,
    QCO_NO_SUCCESS_RESP = 1u << 0, /* 'success-response': false */
    QCO_ALLOW_OOB = 1u << 1,       /* 'allow-oob': may be "exec-oob" */
    QCO_ALLOW_PRECONFIG = 1u << 2, /* 'allow-preconfig' */
    QCO_COROUTINE = 1u << 3,       /* 'coroutine': run it in a coroutine */
    QCO_CONCURRENT = 1u << 4,      /* 'x-concurrent': run it at once, in
                                     * the monitor's own thread */
} QmpCommandOptions;

/*
 * Work that takes a handler long and does not belong in its thread. The handler
 * fills this in, sets QmpContext.again and returns, without result or error;
 * when the work is done it is called again, with the same arguments. The
 * commands of its monitor wait meanwhile, those of others do not: the handler
 * must expect another world. It may send out further errands.
 */
typedef struct QmpErrand {
    void *opaque;                 /* NULL in the handler's first call */
    int (*work)(void *opaque);    /* in a worker thread */
    void (*cancel)(void *opaque); /* the program ends: this work and any further
                                   * is to end soon; it may be running */
    void (*free)(void *opaque);   /* when the command is over */
} QmpErrand;

/*
 * What a command's handler may want to know about who asks. The monitor
 * fills it in; commands marked 'x-context' in the schema get it as their
 * first parameter.
 */
typedef struct QmpContext {
    const QmpCommandList *commands;
    const CompatPolicy *compat; /* NULL = accept and show everything */
    bool
        preconfig; /* before machine initialisation: only QCO_ALLOW_PRECONFIG */
    void *opaque;  /* the session, owned by the monitor */
    bool takes_errands; /* else the handler does everything by itself */
    bool again;         /* (out) there is an errand */
    QmpErrand errand;   /* the handler's, from its first call to its last */
} QmpContext;

/**
 * QmpCommandFunc:
 * @ctx: (in) who asks; borrowed, valid until the call returns
 * @args: (in) the arguments, an object; borrowed, never NULL
 * @ret: (out) set to a new reference on success
 * @errp: (out) set on failure
 */
typedef void QmpCommandFunc(QmpContext *ctx, json_t *args, json_t **ret,
                            Error **errp);

/* One command of a generated table. */
typedef struct QmpCommandEntry {
    const char *name;
    QmpCommandFunc *fn;
    QmpCommandOptions options;
    unsigned special_features; /* set of 1u << QapiSpecialFeature */
} QmpCommandEntry;

/* The commands of one module: qmp_commands_<module>; ends with name NULL. */
typedef struct QmpCommandTable {
    const char *module;
    const QmpCommandEntry *entries;
} QmpCommandTable;

/* One registered command. Read only, but by the functions below. */
typedef struct QmpCommand QmpCommand;

/** qmp_command_list_new: returns an empty list. */
QmpCommandList *qmp_command_list_new(void);
/** qmp_command_list_free: accepts NULL. */
void qmp_command_list_free(QmpCommandList *cmds);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpCommandList, qmp_command_list_free)

/**
 * qmp_register_command:
 * @cmds: (inout) list
 * @name: (in) static; registering a name twice is a programming error
 */
void qmp_register_command(QmpCommandList *cmds, const char *name,
                          QmpCommandFunc *fn, QmpCommandOptions options,
                          unsigned special_features);

/** qmp_register_table: qmp_register_command() for each entry of @table. */
void qmp_register_table(QmpCommandList *cmds, const QmpCommandTable *table);

/** qmp_find_command: the command, enabled or not; NULL = no such command. */
const QmpCommand *qmp_find_command(const QmpCommandList *cmds,
                                   const char *name);

/**
 * qmp_disable_command:
 * @disable_reason: (in) static text for the error, or NULL
 *
 * Thread: any; later requests see it.
 */
void qmp_disable_command(QmpCommandList *cmds, const char *name,
                         const char *disable_reason);
/** qmp_enable_command: undo qmp_disable_command(). */
void qmp_enable_command(QmpCommandList *cmds, const char *name);

const char *qmp_command_name(const QmpCommand *cmd);
QmpCommandOptions qmp_command_options(const QmpCommand *cmd);
unsigned qmp_command_special_features(const QmpCommand *cmd);
bool qmp_command_is_enabled(const QmpCommand *cmd);
/** qmp_has_success_response: false for 'success-response': false. */
bool qmp_has_success_response(const QmpCommand *cmd);

typedef void qmp_cmd_callback_fn(const QmpCommand *cmd, void *opaque);

/** qmp_for_each_command: call @fn for each command, sorted by name. */
void qmp_for_each_command(const QmpCommandList *cmds, qmp_cmd_callback_fn *fn,
                          void *opaque);

/* A request taken apart. Members are read only for the monitor. */
typedef struct QmpRequest {
    json_t *id;            /* owned; NULL = none was given */
    json_t *args;          /* owned; an object */
    const QmpCommand *cmd; /* of the list */
    bool oob;              /* "exec-oob" */
} QmpRequest;

/**
 * qmp_request_parse:
 * @cmds: (in) list
 * @request: (in) what the peer sent, borrowed
 * @allow_oob: "exec-oob" has been negotiated
 * @ctx: (in) context, borrowed
 * @req: (out) always set; free with qmp_request_clear(). @id is set even on
 *       failure if the request has one, so that the error can carry it.
 * @errp: (out) set when the return is false
 *
 * Check everything that can be said before running: the members of the
 * request, the command's name, its state, policy, out-of-band permission.
 *
 * Returns: true if the command may run.
 * Errors: not an object; unknown member; "execute" missing, twice or not a
 * string; arguments not an object; no such command (CommandNotFound),
 * disabled, not allowed out of band or before machine initialisation,
 * refused by the policy.
 */
bool qmp_request_parse(const QmpCommandList *cmds, json_t *request,
                       bool allow_oob, const QmpContext *ctx, QmpRequest *req,
                       Error **errp);

/**
 * qmp_request_run:
 * @req: (in) from qmp_request_parse(), borrowed
 * @ctx: (in) context, borrowed
 *
 * Call the handler, here and now; the caller chose thread and coroutine by
 * qmp_command_options().
 *
 * Returns: the response with "return" or "error" and the id, a new
 * reference; NULL if the command succeeded and has no response, or wants to be
 * run again (@ctx->again).
 */
json_t *qmp_request_run(const QmpRequest *req, QmpContext *ctx);

/** qmp_request_clear: release what @req owns; may be called twice. */
void qmp_request_clear(QmpRequest *req);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(QmpRequest, qmp_request_clear)

/**
 * qmp_dispatch:
 * Parse and run @request on the spot.
 *
 * Returns: the response, a new reference; NULL if there is none.
 */
json_t *qmp_dispatch(const QmpCommandList *cmds, json_t *request,
                     bool allow_oob, QmpContext *ctx);

/**
 * qmp_error_response:
 * @err: (in) owned by this call
 *
 * Returns: {"error": {"class": ..., "desc": ...}}, a new reference.
 */
json_t *qmp_error_response(Error *err);

/**
 * qmp_response_set_id:
 * @rsp: (inout) response
 * @id: (in) the request's id, borrowed; NULL does nothing
 */
void qmp_response_set_id(json_t *rsp, json_t *id);

/** qmp_is_oob: does @request ask for "exec-oob"? Any value is accepted. */
bool qmp_is_oob(json_t *request);

#endif
