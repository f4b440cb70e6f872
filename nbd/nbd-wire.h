/*
 * The messages of NBD as bytes: a pure codec. Nothing here does I/O, keeps
 * state or allocates from a peer's length.
 *
 * Decoders take exactly the header's bytes, or a payload that a limit has
 * admitted; they return false for what the protocol does not allow. Encoders
 * write into memory of the sizes named here.
 *
 * Source: NBD protocol document; all integers are big-endian.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NBD_NBD_WIRE_H
#define NBD_NBD_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "nbd/nbd.h"
#include "util/wire-buffer.h"

/* -- greeting -------------------------------------------------------------- */

#define NBD_MAGIC     0x4e42444d41474943ULL /* "NBDMAGIC" */
#define NBD_OPT_MAGIC 0x49484156454f5054ULL /* "IHAVEOPT" */
#define NBD_OLD_MAGIC 0x0000420281861253ULL

/* Of the server (16 bits) and, the same bits, of the client (32 bits). */
#define NBD_GREET_FIXED_NEWSTYLE (1u << 0)
#define NBD_GREET_NO_ZEROES      (1u << 1)

#define NBD_GREETING_MAGICS  16 /* both styles begin so */
#define NBD_GREETING_NEW     18
#define NBD_GREETING_OLD     152
#define NBD_CLIENT_FLAGS     4
#define NBD_EXPORT_REPLY     10  /* size and flags after EXPORT_NAME */
#define NBD_EXPORT_REPLY_PAD 124 /* zeroes after it, unless NO_ZEROES */

typedef enum NBDStyle {
    NBD_STYLE_BAD, /* no NBD server */
    NBD_STYLE_OLD,
    NBD_STYLE_NEW,
} NBDStyle;

void nbd_greeting_encode(uint16_t flags, uint8_t buf[NBD_GREETING_NEW]);
/** nbd_greeting_style: from its first NBD_GREETING_MAGICS bytes. */
NBDStyle nbd_greeting_style(const uint8_t *buf);

/* -- options --------------------------------------------------------------- */

typedef enum NBDOpt {
    NBD_OPT_EXPORT_NAME = 1,
    NBD_OPT_ABORT = 2,
    NBD_OPT_LIST = 3,
    NBD_OPT_STARTTLS = 5,
    NBD_OPT_INFO = 6,
    NBD_OPT_GO = 7,
    NBD_OPT_STRUCTURED_REPLY = 8,
    NBD_OPT_LIST_META_CONTEXT = 9,
    NBD_OPT_SET_META_CONTEXT = 10,
    NBD_OPT_EXTENDED_HEADERS = 11,
} NBDOpt;

#define NBD_REP_ERR_BIT (1u << 31)
typedef enum NBDRep {
    NBD_REP_ACK = 1,
    NBD_REP_SERVER = 2,
    NBD_REP_INFO = 3,
    NBD_REP_META_CONTEXT = 4,
} NBDRep;
#define NBD_REP_ERR_UNSUP           (NBD_REP_ERR_BIT | 1)
#define NBD_REP_ERR_POLICY          (NBD_REP_ERR_BIT | 2)
#define NBD_REP_ERR_INVALID         (NBD_REP_ERR_BIT | 3)
#define NBD_REP_ERR_PLATFORM        (NBD_REP_ERR_BIT | 4)
#define NBD_REP_ERR_TLS_REQD        (NBD_REP_ERR_BIT | 5)
#define NBD_REP_ERR_UNKNOWN         (NBD_REP_ERR_BIT | 6)
#define NBD_REP_ERR_SHUTDOWN        (NBD_REP_ERR_BIT | 7)
#define NBD_REP_ERR_BLOCK_SIZE_REQD (NBD_REP_ERR_BIT | 8)
#define NBD_REP_ERR_TOO_BIG         (NBD_REP_ERR_BIT | 9)
#define NBD_REP_ERR_EXT_HEADER_REQD (NBD_REP_ERR_BIT | 10)

typedef enum NBDInfo {
    NBD_INFO_EXPORT = 0,
    NBD_INFO_NAME = 1,
    NBD_INFO_DESCRIPTION = 2,
    NBD_INFO_BLOCK_SIZE = 3,
} NBDInfo;

#define NBD_OPT_HEADER       16
#define NBD_OPT_REPLY_HEADER 20
#define NBD_OPT_REPLY_MAGIC  0x0003e889045565a9ULL
/* Longest payload of an option that a server reads. */
#define NBD_OPT_PAYLOAD_MAX (64 * 1024)
/* Longer ones than the above are skipped up to here, then it hangs up. */
#define NBD_OPT_SKIP_MAX (1024 * 1024)
/* Longest payload of a reply to an option that a client reads. */
#define NBD_OPT_REPLY_MAX (64 * 1024)
/* Most information requests in INFO or GO, and queries in a meta option. */
#define NBD_OPT_INFOS_MAX   64
#define NBD_OPT_QUERIES_MAX 256

typedef struct NBDOptHeader {
    uint32_t option;
    uint32_t length;
} NBDOptHeader;

typedef struct NBDOptReply {
    uint32_t option;
    uint32_t type;
    uint32_t length;
} NBDOptReply;

void nbd_opt_encode(const NBDOptHeader *h, uint8_t buf[NBD_OPT_HEADER]);
/** nbd_opt_decode: false: wrong magic. */
bool nbd_opt_decode(const uint8_t *buf, NBDOptHeader *ret_h);
void nbd_opt_reply_encode(const NBDOptReply *r,
                          uint8_t buf[NBD_OPT_REPLY_HEADER]);
bool nbd_opt_reply_decode(const uint8_t *buf, NBDOptReply *ret_r);

/* INFO and GO. */
typedef struct NBDOptInfo {
    char *name;     /* owned */
    unsigned infos; /* bit 1 << NBDInfo for each that was asked for */
} NBDOptInfo;

void nbd_opt_info_clear(NBDOptInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NBDOptInfo, nbd_opt_info_clear)
/** nbd_opt_info_decode: false: malformed, or beyond a limit. */
bool nbd_opt_info_decode(const uint8_t *buf, size_t len, NBDOptInfo *ret_info);
void nbd_opt_info_encode(WireBuffer *b, const char *name, const NBDInfo *infos,
                         unsigned n_infos);

/* LIST_META_CONTEXT and SET_META_CONTEXT. */
typedef struct NBDOptMeta {
    char *name;     /* owned */
    char **queries; /* owned, NULL-terminated */
} NBDOptMeta;

void nbd_opt_meta_clear(NBDOptMeta *meta);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NBDOptMeta, nbd_opt_meta_clear)
bool nbd_opt_meta_decode(const uint8_t *buf, size_t len, NBDOptMeta *ret_meta);
void nbd_opt_meta_encode(WireBuffer *b, const char *name,
                         const char *const *queries);

/* Payloads of replies to options; a decoder gets all of the payload. */
typedef struct NBDInfoReply {
    NBDInfo type;  /* or one that we do not know */
    uint64_t size; /* EXPORT */
    uint16_t flags;
    uint32_t min_block; /* BLOCK_SIZE */
    uint32_t preferred_block;
    uint32_t max_block;
    char *text; /* NAME, DESCRIPTION; owned */
} NBDInfoReply;

void nbd_info_reply_clear(NBDInfoReply *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NBDInfoReply, nbd_info_reply_clear)
bool nbd_info_reply_decode(const uint8_t *buf, size_t len,
                           NBDInfoReply *ret_info);
void nbd_info_reply_encode(WireBuffer *b, const NBDInfoReply *info);
/** nbd_server_reply_decode: REP_SERVER: name and description, both owned by
 *  the caller. */
bool nbd_server_reply_decode(const uint8_t *buf, size_t len, char **ret_name,
                             char **ret_description);
/** nbd_context_reply_decode: REP_META_CONTEXT; @ret_name is the caller's. */
bool nbd_context_reply_decode(const uint8_t *buf, size_t len, uint32_t *ret_id,
                              char **ret_name);

/* -- transmission ---------------------------------------------------------- */

/* How a connection frames its requests and replies. */
typedef enum NBDMode {
    NBD_MODE_SIMPLE,
    NBD_MODE_STRUCTURED,
    NBD_MODE_EXTENDED,
} NBDMode;

#define NBD_REQUEST_MAGIC     0x25609513u
#define NBD_REQUEST_EXT_MAGIC 0x21e41c71u
#define NBD_REPLY_MAGIC       0x67446698u
#define NBD_REPLY_STR_MAGIC   0x668e33efu
#define NBD_REPLY_EXT_MAGIC   0x6e8a278cu

#define NBD_REQUEST_SIZE     28
#define NBD_REQUEST_EXT_SIZE 32
#define NBD_REPLY_SIZE       16
#define NBD_REPLY_STR_SIZE   20
#define NBD_REPLY_EXT_SIZE   32
/* A reply header, and what stands before the data in its payload. */
#define NBD_REPLY_HEAD_MAX (NBD_REPLY_EXT_SIZE + 12)

typedef struct NBDRequest {
    uint16_t flags; /* NBDCmdFlags */
    uint16_t type;  /* NBDCmd */
    uint64_t cookie;
    uint64_t offset;
    uint64_t length;
} NBDRequest;

static inline size_t nbd_request_size(NBDMode mode)
{
    return mode == NBD_MODE_EXTENDED ? NBD_REQUEST_EXT_SIZE : NBD_REQUEST_SIZE;
}

/** nbd_request_encode: Returns: bytes written. */
size_t nbd_request_encode(NBDMode mode, const NBDRequest *r, uint8_t *buf);
/** nbd_request_decode: nbd_request_size() bytes; false: wrong magic. */
bool nbd_request_decode(NBDMode mode, const uint8_t *buf, NBDRequest *ret_r);

#define NBD_REPLY_FLAG_DONE (1u << 0)
#define NBD_REPLY_ERR_BIT   (1u << 15)

typedef enum NBDReplyType {
    NBD_REPLY_TYPE_NONE = 0,
    NBD_REPLY_TYPE_OFFSET_DATA = 1,
    NBD_REPLY_TYPE_OFFSET_HOLE = 2,
    NBD_REPLY_TYPE_BLOCK_STATUS = 5,
    NBD_REPLY_TYPE_BLOCK_STATUS_EXT = 6,
    NBD_REPLY_TYPE_ERROR = NBD_REPLY_ERR_BIT | 1,
    NBD_REPLY_TYPE_ERROR_OFFSET = NBD_REPLY_ERR_BIT | 2,
} NBDReplyType;

/* A reply, or one chunk of it. */
typedef struct NBDReply {
    bool simple;
    uint32_t error; /* simple */
    uint16_t flags; /* chunk: NBD_REPLY_FLAG_* */
    uint16_t type;  /* chunk: NBDReplyType */
    uint64_t cookie;
    uint64_t offset; /* extended: the request's */
    uint64_t length; /* chunk: of its payload */
} NBDReply;

/** nbd_reply_encode: @r->simple picks the form, else @mode. Returns: bytes. */
size_t nbd_reply_encode(NBDMode mode, const NBDReply *r, uint8_t *buf);
/**
 * nbd_reply_decode:
 * @len: bytes at hand; a header may need NBD_REPLY_EXT_SIZE
 *
 * Returns: the header's bytes; 0 = need more; -1 = no reply of @mode.
 */
int nbd_reply_decode(NBDMode mode, const uint8_t *buf, size_t len,
                     NBDReply *ret_r);

/** nbd_status_size: bytes of a chunk's payload with @n extents. */
size_t nbd_status_size(bool extended, unsigned n);
void nbd_status_encode(bool extended, uint32_t context, const NBDExtent *ext,
                       unsigned n, uint8_t *buf);
/**
 * nbd_status_decode:
 * @max: room in @ret_ext; further extents are left out
 *
 * Returns: number of extents, at least 1; -1 = malformed.
 */
int nbd_status_decode(bool extended, const uint8_t *buf, size_t len,
                      uint32_t *ret_context, NBDExtent *ret_ext, unsigned max);
/** nbd_status_trim: extents end where the request of @bytes does, at the
 *  latest. Returns: how many are left. */
int nbd_status_trim(NBDExtent *ext, int n, uint64_t bytes);

/* What an error chunk says. */
typedef struct NBDErrorChunk {
    uint32_t error;
    char *message; /* owned; or NULL */
    bool has_offset;
    uint64_t offset;
} NBDErrorChunk;

/** nbd_error_decode: any chunk type with NBD_REPLY_ERR_BIT. */
bool nbd_error_decode(uint16_t type, const uint8_t *buf, size_t len,
                      NBDErrorChunk *ret_e);

/* -- names and numbers ----------------------------------------------------- */

/** nbd_errno_to_wire: of a positive errno; always one the protocol has. */
uint32_t nbd_errno_to_wire(int err);
/** nbd_errno_from_wire: EINVAL for one that it does not have. */
int nbd_errno_from_wire(uint32_t error);

const char *nbd_opt_name(uint32_t option);
const char *nbd_rep_name(uint32_t type);
const char *nbd_cmd_name(uint16_t cmd);
const char *nbd_reply_type_name(uint16_t type);
const char *nbd_error_name(uint32_t error);

#endif
