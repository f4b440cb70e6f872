/*
 * Errors: why a call failed, for a person and for QMP.
 *
 * Rules (docs/STYLE.md): @errp is the last parameter; a callee never reads
 * it and never sets it on success; the function also says by its return
 * value (false, NULL, negative) that it failed. Expected outcomes such as
 * EOF or WOULD_BLOCK are return values, never an Error.
 *
 * A caller passes one of: NULL (not interested), the address of a NULL
 * `Error *` (gets the error, owns it), &error_abort (a failure is a bug),
 * &error_fatal (report and exit 1; only in main()).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include <errno.h>
#include <glib.h>
#include <stdarg.h>
#include <stdbool.h>

#include "util/typedefs.h"

/* Error classes of QMP; the names are the wire's. */
typedef enum ErrorClass {
    ERROR_CLASS_GENERIC_ERROR,
    ERROR_CLASS_COMMAND_NOT_FOUND,
    ERROR_CLASS_DEVICE_NOT_ACTIVE,
    ERROR_CLASS_DEVICE_NOT_FOUND,
    ERROR_CLASS_KVM_MISSING_CAP,
    ERROR_CLASS__MAX,
} ErrorClass;

extern Error *error_abort;
extern Error *error_fatal;

/**
 * error_setg:
 * @errp: (out) where the new error goes, or NULL
 * @...: printf format, lower case, no full stop, naming object and value
 *
 * errno is kept.
 */
#define error_setg(errp, ...)                                                  \
    error_set_internal((errp), __FILE__, __LINE__, __func__,                   \
                       ERROR_CLASS_GENERIC_ERROR, 0, __VA_ARGS__)

/** error_setg_errno: as error_setg(), with ": strerror(@os_errno)" added. */
#define error_setg_errno(errp, os_errno, ...)                                  \
    error_set_internal((errp), __FILE__, __LINE__, __func__,                   \
                       ERROR_CLASS_GENERIC_ERROR, (os_errno), __VA_ARGS__)

/** error_set: as error_setg(), with a QMP error class. */
#define error_set(errp, err_class, ...)                                        \
    error_set_internal((errp), __FILE__, __LINE__, __func__, (err_class), 0,   \
                       __VA_ARGS__)

/** error_setg_file_open: "could not open 'FILE': reason". */
#define error_setg_file_open(errp, os_errno, filename)                         \
    error_setg_errno((errp), (os_errno), "could not open '%s'", (filename))

void error_set_internal(Error **errp, const char *src, int line,
                        const char *func, ErrorClass err_class, int os_errno,
                        const char *fmt, ...) G_GNUC_PRINTF(7, 8);

/**
 * error_propagate:
 * @dst_errp: (out) where the error goes, or NULL
 * @local_err: (in) error to hand over, or NULL; owned by this call
 *
 * If @dst_errp already holds an error, that one stays and @local_err is freed.
 */
void error_propagate(Error **dst_errp, Error *local_err);

/** error_propagate_prepend: error_propagate() after error_prepend(). */
void error_propagate_prepend(Error **dst_errp, Error *local_err,
                             const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/** error_prepend: put text before the message; add ": " yourself. */
void error_prepend(Error *const *errp, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);
void error_vprepend(Error *const *errp, const char *fmt, va_list ap)
    G_GNUC_PRINTF(2, 0);

/** error_append_hint: add advice for a person, not sent over QMP. */
void error_append_hint(Error *const *errp, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/** error_get_pretty: the message; borrowed from @err. */
const char *error_get_pretty(const Error *err);
/** error_get_hint: the hint, or NULL; borrowed from @err. */
const char *error_get_hint(const Error *err);
/** error_get_class: the QMP class. */
ErrorClass error_get_class(const Error *err);
/** error_get_errno: what error_setg_errno() was given; 0: nothing. For the few
 *  who must know a reason, not only tell it. */
int error_get_errno(const Error *err);
/** error_note_errno: for error_get_errno(), where the message has it already. */
void error_note_errno(Error *const *errp, int os_errno);
/** error_class_str: the name of @c as QMP spells it. */
const char *error_class_str(ErrorClass c);

Error *error_copy(const Error *err);
/** error_free: accepts NULL. */
void error_free(Error *err);
/** error_free_or_abort: free *@errp, which must be set; for tests. */
void error_free_or_abort(Error **errp);

/**
 * error_report_err / warn_report_err:
 * @err: (in) error to print to the current reporter; owned by this call
 */
void error_report_err(Error *err);
void warn_report_err(Error *err);
void error_reportf_err(Error *err, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void warn_reportf_err(Error *err, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Error, error_free)

/*
 * ERRP_GUARD(): lets a function look at *errp after a call, and prepend to
 * it, although the caller may have passed NULL or &error_fatal.
 */
typedef struct ErrorPropagator {
    Error *local_err;
    Error **errp;
} ErrorPropagator;

static inline void error_propagator_cleanup(ErrorPropagator *prop)
{
    if (prop->local_err) {
        error_propagate(prop->errp, prop->local_err);
    }
}

#define ERRP_GUARD()                                                           \
    __attribute__((cleanup(error_propagator_cleanup)))                         \
    ErrorPropagator errp_guard_prop_ = { .errp = errp };                       \
    do {                                                                       \
        if (!errp || errp == &error_fatal) {                                   \
            errp = &errp_guard_prop_.local_err;                                \
        }                                                                      \
    } while (0)

#endif
