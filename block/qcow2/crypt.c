/*
 * Encryption of the disk's contents; tables and header stay in the clear.
 *
 * The LUKS header is in clusters of its own that the header extension names;
 * its initialisation vectors are made from host offsets. The old AES method
 * has no header, and vectors from guest offsets; it is only for reading what
 * people still have.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/qcow2/crypt.h"

#include "block/format/crypt-header.h"
#include "block/qcow2/internal.h"
#include "qapi/qapi-visit-crypto.h"
#include "qapi/qobject-input-visitor.h"

int coroutine_fn qcow_crypt_read_header(void *opaque, size_t offset,
                                        uint8_t *buf, size_t bytes,
                                        Error **errp)
{
    BlockQcow2 *s = opaque;
    int ret = -ERANGE;

    if (offset <= s->header.crypt_length &&
        bytes <= s->header.crypt_length - offset) {
        ret = node_co_pread(s->file.node,
                            (int64_t)(s->header.crypt_offset + offset),
                            (int64_t)bytes, buf, 0);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Unable to read encryption header");
    }
    return ret;
}

static bool read_options(BlockQcow2 *s, QCryptoBlockOpenOptions *o,
                         Error **errp)
{
    bool luks = s->header.crypt_method == QCOW_CRYPT_LUKS;
    const char *format =
        json_string_value(json_object_get(s->encrypt_ref, "format"));
    const char *secret =
        json_string_value(json_object_get(s->encrypt_ref, "key-secret"));
    const char *want = luks ? "luks" : "aes";
    const char *key;
    json_t *value;

    if (format && !g_str_equal(format, want)) {
        error_setg(errp,
                   "Header reported '%s' encryption format but options "
                   "specify '%s'",
                   want, format);
        return false;
    }
    json_object_foreach(s->encrypt_ref, key, value)
    {
        if (!g_str_equal(key, "format") && !g_str_equal(key, "key-secret")) {
            error_setg(errp, "parameter 'encrypt.%s' is unexpected", key);
            return false;
        }
    }
    if (luks) {
        o->format = QCRYPTO_BLOCK_FORMAT_LUKS;
        o->u.luks.key_secret = g_strdup(secret);
    } else {
        o->format = QCRYPTO_BLOCK_FORMAT_QCOW;
        o->u.qcow.key_secret = g_strdup(secret);
    }
    return true;
}

bool qcow_crypt_open(BlockQcow2 *s, Error **errp)
{
    BlockNode *node = BLOCK_NODE(s);
    g_autoptr(QCryptoBlockOpenOptions) options = NULL;
    CryptHeader header = { .co_read = qcow_crypt_read_header, .opaque = s };
    unsigned flags = 0;

    if (s->header.crypt_method == QCOW_CRYPT_NONE) {
        if (s->encrypt_ref) {
            error_setg(
                errp,
                "No encryption in image header, but options "
                "specified format '%s'",
                json_string_value(json_object_get(s->encrypt_ref, "format"))
                    ?: "");
            return false;
        }
        return true;
    }
    options = g_new0(QCryptoBlockOpenOptions, 1);
    if (!read_options(s, options, errp)) {
        return false;
    }
    if (node->open_flags & (NODE_OPEN_NO_IO | NODE_OPEN_CHECK)) {
        flags |= QCRYPTO_BLOCK_OPEN_NO_IO;
    }
    s->crypt = crypt_open(node, &header, options, "encrypt.", flags, errp);
    if (!s->crypt) {
        return false;
    }
    if (!(flags & QCRYPTO_BLOCK_OPEN_NO_IO)) {
        crypt_io_init(&s->crypt_io, s->crypt);
    }
    return true;
}

void qcow_crypt_close(BlockQcow2 *s)
{
    crypt_io_deinit(&s->crypt_io);
    memset(&s->crypt_io, 0, sizeof(s->crypt_io));
    g_clear_pointer(&s->crypt, qcrypto_block_free);
}

/* -- data -------------------------------------------------------------------------- */

int coroutine_fn qcow_crypt_read(BlockQcow2 *s, uint64_t guest, uint64_t host,
                                 int64_t bytes, QEMUIOVector *qiov,
                                 size_t qiov_offset)
{
    size_t room = (size_t)MIN(bytes, CRYPT_IO_CHUNK);
    uint64_t vector = qcow_crypt_offset(s, guest, host);
    uint8_t *buf = crypt_io_buffer_get(&s->crypt_io, room);
    int ret = buf ? 0 : -ENOMEM;

    for (int64_t done = 0; ret == 0 && done < bytes; done += (int64_t)room) {
        size_t n = MIN(room, (size_t)(bytes - done));

        ret = qcow_file_read(s->data, host + (uint64_t)done, buf, n);
        if (ret == 0) {
            ret = crypt_io_co_decrypt(&s->crypt_io, vector + (uint64_t)done,
                                      qiov, qiov_offset + (size_t)done, buf, n);
        }
    }
    if (buf) {
        crypt_io_buffer_put(&s->crypt_io, buf, room);
    }
    return ret;
}

int coroutine_fn qcow_crypt_write(BlockQcow2 *s, uint64_t guest, uint64_t host,
                                  int64_t bytes, QEMUIOVector *qiov,
                                  size_t qiov_offset)
{
    size_t room = (size_t)MIN(bytes, CRYPT_IO_CHUNK);
    uint64_t vector = qcow_crypt_offset(s, guest, host);
    uint8_t *buf = crypt_io_buffer_get(&s->crypt_io, room);
    int ret = buf ? 0 : -ENOMEM;

    for (int64_t done = 0; ret == 0 && done < bytes; done += (int64_t)room) {
        size_t n = MIN(room, (size_t)(bytes - done));

        ret = crypt_io_co_encrypt(&s->crypt_io, vector + (uint64_t)done, qiov,
                                  qiov_offset + (size_t)done, buf, n);
        if (ret == 0) {
            ret = node_co_pwrite(s->data, (int64_t)(host + (uint64_t)done),
                                 (int64_t)n, buf, 0);
        }
    }
    if (buf) {
        crypt_io_buffer_put(&s->crypt_io, buf, room);
    }
    return ret;
}
