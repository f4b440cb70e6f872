/*
 * An Error is a message, a QMP class, the place that made it and an optional
 * hint. &error_abort and &error_fatal are recognised by address: setting one
 * of them ends the process right where the error was made, so that the
 * back trace shows the culprit and not the code that looked at the error.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error.h"

#include "util/error-report.h"

struct Error {
    char *msg;
    GString *hint; /* NULL when there is none */
    ErrorClass err_class;
    int os_errno; /* 0: none */
    const char *src;
    const char *func;
    int line;
};

Error *error_abort;
Error *error_fatal;

static const char *const class_names[ERROR_CLASS__MAX] = {
    [ERROR_CLASS_GENERIC_ERROR] = "GenericError",
    [ERROR_CLASS_COMMAND_NOT_FOUND] = "CommandNotFound",
    [ERROR_CLASS_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
    [ERROR_CLASS_DEVICE_NOT_FOUND] = "DeviceNotFound",
    [ERROR_CLASS_KVM_MISSING_CAP] = "KVMMissingCap",
};

/* Ends the process when @errp is one of the two special addresses. */
static void error_handle(Error **errp, Error *err)
{
    if (errp == &error_abort) {
        fprintf(stderr, "unexpected error in %s() at %s:%d:\n", err->func,
                err->src, err->line);
        error_report("%s", err->msg);
        abort();
    }
    if (errp == &error_fatal) {
        error_report_err(err);
        exit(1);
    }
}

void error_set_internal(Error **errp, const char *src, int line,
                        const char *func, ErrorClass err_class, int os_errno,
                        const char *fmt, ...)
{
    int saved_errno = errno;
    Error *err;
    va_list ap;

    if (!errp) {
        return;
    }
    assert(*errp == NULL);

    err = g_new0(Error, 1);
    va_start(ap, fmt);
    err->msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (os_errno) {
        g_autofree char *base = err->msg;

        err->msg = g_strdup_printf("%s: %s", base, g_strerror(os_errno));
    }
    err->err_class = err_class;
    err->os_errno = os_errno;
    err->src = src;
    err->line = line;
    err->func = func;

    error_handle(errp, err);
    *errp = err;
    errno = saved_errno;
}

void error_propagate(Error **dst_errp, Error *local_err)
{
    if (!local_err) {
        return;
    }
    error_handle(dst_errp, local_err);
    if (dst_errp && !*dst_errp) {
        *dst_errp = local_err;
    } else {
        error_free(local_err);
    }
}

void error_vprepend(Error *const *errp, const char *fmt, va_list ap)
{
    g_autofree char *old = NULL;
    g_autofree char *prefix = NULL;

    if (!errp || !*errp) {
        return;
    }
    old = (*errp)->msg;
    prefix = g_strdup_vprintf(fmt, ap);
    (*errp)->msg = g_strconcat(prefix, old, NULL);
}

void error_prepend(Error *const *errp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vprepend(errp, fmt, ap);
    va_end(ap);
}

void error_propagate_prepend(Error **dst_errp, Error *local_err,
                             const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vprepend(&local_err, fmt, ap);
    va_end(ap);
    error_propagate(dst_errp, local_err);
}

void error_append_hint(Error *const *errp, const char *fmt, ...)
{
    int saved_errno = errno;
    va_list ap;

    if (!errp || !*errp) {
        return;
    }
    if (!(*errp)->hint) {
        (*errp)->hint = g_string_new(NULL);
    }
    va_start(ap, fmt);
    g_string_append_vprintf((*errp)->hint, fmt, ap);
    va_end(ap);
    errno = saved_errno;
}

const char *error_get_pretty(const Error *err)
{
    return err->msg;
}

const char *error_get_hint(const Error *err)
{
    return err->hint ? err->hint->str : NULL;
}

ErrorClass error_get_class(const Error *err)
{
    return err->err_class;
}

int error_get_errno(const Error *err)
{
    return err->os_errno;
}

void error_note_errno(Error *const *errp, int os_errno)
{
    if (errp && *errp) {
        (*errp)->os_errno = os_errno;
    }
}

const char *error_class_str(ErrorClass c)
{
    assert(c < ERROR_CLASS__MAX);
    return class_names[c];
}

Error *error_copy(const Error *err)
{
    Error *copy = g_new0(Error, 1);

    *copy = *err;
    copy->msg = g_strdup(err->msg);
    copy->hint = err->hint ? g_string_new(err->hint->str) : NULL;
    return copy;
}

void error_free(Error *err)
{
    if (!err) {
        return;
    }
    g_free(err->msg);
    if (err->hint) {
        g_string_free(err->hint, TRUE);
    }
    g_free(err);
}

void error_free_or_abort(Error **errp)
{
    assert(errp && *errp);
    error_free(*errp);
    *errp = NULL;
}

static void report_err(Error *err, void (*report)(const char *fmt, ...))
{
    report("%s", err->msg);
    if (err->hint) {
        error_printf("%s", err->hint->str);
    }
    error_free(err);
}

void error_report_err(Error *err)
{
    report_err(err, error_report);
}

void warn_report_err(Error *err)
{
    report_err(err, warn_report);
}

void error_reportf_err(Error *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vprepend(&err, fmt, ap);
    va_end(ap);
    error_report_err(err);
}

void warn_reportf_err(Error *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vprepend(&err, fmt, ap);
    va_end(ap);
    warn_report_err(err);
}
