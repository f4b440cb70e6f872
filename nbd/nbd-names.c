/*
 * NBD's numbers as names, for messages and traces, and its error numbers as
 * those of this system.
 *
 * Source: NBD protocol document, "Values" and "Error values". The protocol's
 * errors are Linux's numbers by custom, not by name: they are mapped.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "nbd-wire.h"

typedef struct NumberName {
    uint32_t number;
    const char *name;
} NumberName;

static const char *lookup(const NumberName *table, uint32_t number)
{
    for (; table->name; table++) {
        if (table->number == number) {
            return table->name;
        }
    }
    return "unknown";
}

const char *nbd_opt_name(uint32_t option)
{
    static const NumberName names[] = {
        { NBD_OPT_EXPORT_NAME, "EXPORT_NAME" },
        { NBD_OPT_ABORT, "ABORT" },
        { NBD_OPT_LIST, "LIST" },
        { NBD_OPT_STARTTLS, "STARTTLS" },
        { NBD_OPT_INFO, "INFO" },
        { NBD_OPT_GO, "GO" },
        { NBD_OPT_STRUCTURED_REPLY, "STRUCTURED_REPLY" },
        { NBD_OPT_LIST_META_CONTEXT, "LIST_META_CONTEXT" },
        { NBD_OPT_SET_META_CONTEXT, "SET_META_CONTEXT" },
        { NBD_OPT_EXTENDED_HEADERS, "EXTENDED_HEADERS" },
        {},
    };

    return lookup(names, option);
}

const char *nbd_rep_name(uint32_t type)
{
    static const NumberName names[] = {
        { NBD_REP_ACK, "ACK" },
        { NBD_REP_SERVER, "SERVER" },
        { NBD_REP_INFO, "INFO" },
        { NBD_REP_META_CONTEXT, "META_CONTEXT" },
        { NBD_REP_ERR_UNSUP, "ERR_UNSUP" },
        { NBD_REP_ERR_POLICY, "ERR_POLICY" },
        { NBD_REP_ERR_INVALID, "ERR_INVALID" },
        { NBD_REP_ERR_PLATFORM, "ERR_PLATFORM" },
        { NBD_REP_ERR_TLS_REQD, "ERR_TLS_REQD" },
        { NBD_REP_ERR_UNKNOWN, "ERR_UNKNOWN" },
        { NBD_REP_ERR_SHUTDOWN, "ERR_SHUTDOWN" },
        { NBD_REP_ERR_BLOCK_SIZE_REQD, "ERR_BLOCK_SIZE_REQD" },
        { NBD_REP_ERR_TOO_BIG, "ERR_TOO_BIG" },
        { NBD_REP_ERR_EXT_HEADER_REQD, "ERR_EXT_HEADER_REQD" },
        {},
    };

    return lookup(names, type);
}

const char *nbd_cmd_name(uint16_t cmd)
{
    static const NumberName names[] = {
        { NBD_CMD_READ, "READ" },
        { NBD_CMD_WRITE, "WRITE" },
        { NBD_CMD_DISC, "DISC" },
        { NBD_CMD_FLUSH, "FLUSH" },
        { NBD_CMD_TRIM, "TRIM" },
        { NBD_CMD_CACHE, "CACHE" },
        { NBD_CMD_WRITE_ZEROES, "WRITE_ZEROES" },
        { NBD_CMD_BLOCK_STATUS, "BLOCK_STATUS" },
        {},
    };

    return lookup(names, cmd);
}

const char *nbd_reply_type_name(uint16_t type)
{
    static const NumberName names[] = {
        { NBD_REPLY_TYPE_NONE, "NONE" },
        { NBD_REPLY_TYPE_OFFSET_DATA, "OFFSET_DATA" },
        { NBD_REPLY_TYPE_OFFSET_HOLE, "OFFSET_HOLE" },
        { NBD_REPLY_TYPE_BLOCK_STATUS, "BLOCK_STATUS" },
        { NBD_REPLY_TYPE_BLOCK_STATUS_EXT, "BLOCK_STATUS_EXT" },
        { NBD_REPLY_TYPE_ERROR, "ERROR" },
        { NBD_REPLY_TYPE_ERROR_OFFSET, "ERROR_OFFSET" },
        {},
    };

    return lookup(names, type);
}

/* -- errors ---------------------------------------------------------------- */

typedef struct WireError {
    uint32_t wire;
    int err;
    const char *name;
} WireError;

static const WireError wire_errors[] = {
    { 0, 0, "OK" },
    { 1, EPERM, "EPERM" },
    { 5, EIO, "EIO" },
    { 12, ENOMEM, "ENOMEM" },
    { 22, EINVAL, "EINVAL" },
    { 28, ENOSPC, "ENOSPC" },
    { 75, EOVERFLOW, "EOVERFLOW" },
    { 95, ENOTSUP, "ENOTSUP" },
    { 108, ESHUTDOWN, "ESHUTDOWN" },
};

uint32_t nbd_errno_to_wire(int err)
{
    switch (err) {
    case EROFS:
    case EACCES:
        err = EPERM;
        break;
    case EFBIG:
    case EDQUOT:
        err = ENOSPC;
        break;
    default:
        break;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wire_errors); i++) {
        if (wire_errors[i].err == err) {
            return wire_errors[i].wire;
        }
    }
    return 5; /* EIO: the request was good, we failed */
}

int nbd_errno_from_wire(uint32_t error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(wire_errors); i++) {
        if (wire_errors[i].wire == error) {
            return wire_errors[i].err;
        }
    }
    return EINVAL;
}

const char *nbd_error_name(uint32_t error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(wire_errors); i++) {
        if (wire_errors[i].wire == error) {
            return wire_errors[i].name;
        }
    }
    return "unknown";
}
