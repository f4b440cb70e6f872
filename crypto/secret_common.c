/*
 * Secrets: decoding, decryption, lookup.
 *
 * Completion runs one pipeline, each step of which wipes what it consumed:
 *
 *     load_data -> [base64] -> [AES-256-CBC, PKCS#7] -> rawdata
 *
 * `format` says how the loaded bytes are encoded, and with keyid those are
 * the cipher text. The key is another secret, looked up when this one is
 * completed; it must exist already, so there are no loops, and it may go
 * away afterwards.
 *
 * The bytes do not change once an object is complete, so that lookups need
 * no lock beyond the reference that keeps the object alive.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/secret_common.h"

#include "crypto/cipher.h"
#include "qapi/qapi-types-crypto.h"
#include "qom/object_interfaces.h"
#include "qom/property.h"
#include "util/base64.h"
#include "util/error.h"
#include "util/secret-mem.h"

#define SECRET_KEY_LEN 32 /* AES-256 */
#define SECRET_IV_LEN  16

/* Bytes on their way through the pipeline, with a NUL behind them. */
typedef struct SecretBuf {
    uint8_t *data;
    size_t len;
} SecretBuf;

static void secret_buf_clear(SecretBuf *buf)
{
    secret_free(buf->data, buf->len);
    buf->data = NULL;
    buf->len = 0;
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SecretBuf, secret_buf_clear)

/* Replace the contents of @buf by @data, which it then owns. */
static void secret_buf_take(SecretBuf *buf, uint8_t *data, size_t len)
{
    secret_buf_clear(buf);
    buf->data = data;
    buf->len = len;
}

static bool secret_decode_base64(SecretBuf *buf, Error **errp)
{
    size_t len;
    uint8_t *data = qbase64_decode((char *)buf->data, buf->len, &len, errp);

    if (!data) {
        error_prepend(errp, "data is not base64: ");
        return false;
    }
    secret_buf_take(buf, data, len);
    return true;
}

/* The text of @errp from a failed lookup names the key's id. */
static bool secret_load_key(const char *keyid, uint8_t key[SECRET_KEY_LEN],
                            Error **errp)
{
    g_auto(SecretBuf) buf = { 0 };

    if (qcrypto_secret_lookup(keyid, &buf.data, &buf.len, errp) < 0) {
        return false;
    }
    if (buf.len != SECRET_KEY_LEN) {
        error_setg(errp, "key '%s' must have %d bytes, not %zu", keyid,
                   SECRET_KEY_LEN, buf.len);
        return false;
    }
    memcpy(key, buf.data, SECRET_KEY_LEN);
    return true;
}

static bool secret_load_iv(const char *base64, uint8_t iv[SECRET_IV_LEN],
                           Error **errp)
{
    g_autofree uint8_t *data = NULL;
    size_t len;

    if (!base64) {
        error_setg(errp, "property 'iv' is needed when 'keyid' is set");
        return false;
    }
    data = qbase64_decode(base64, strlen(base64), &len, errp);
    if (!data) {
        error_prepend(errp, "property 'iv' is not base64: ");
        return false;
    }
    if (len != SECRET_IV_LEN) {
        error_setg(errp, "property 'iv' must have %d bytes, not %zu",
                   SECRET_IV_LEN, len);
        return false;
    }
    memcpy(iv, data, SECRET_IV_LEN);
    return true;
}

/*
 * PKCS#7 padding (RFC 5652 6.3) of @buf: cut it off.
 *
 * Only the last byte decides, so that what QEMU accepts is accepted here.
 */
static bool secret_unpad(SecretBuf *buf, Error **errp)
{
    size_t pad = buf->data[buf->len - 1];

    if (pad == 0 || pad > SECRET_IV_LEN || pad > buf->len) {
        error_setg(errp, "data does not decrypt with this key and iv: "
                         "its padding is wrong");
        return false;
    }
    explicit_bzero(buf->data + buf->len - pad, pad);
    buf->len -= pad;
    return true;
}

static bool secret_decrypt(QCryptoSecretCommon *secret, SecretBuf *buf,
                           Error **errp)
{
    g_autoptr(QCryptoCipher) cipher = NULL;
    uint8_t key[SECRET_KEY_LEN], iv[SECRET_IV_LEN];

    if (!secret_load_key(secret->keyid, key, errp)) {
        return false;
    }
    cipher =
        qcrypto_cipher_new(QCRYPTO_CIPHER_ALG_AES_256, QCRYPTO_CIPHER_MODE_CBC,
                           key, sizeof(key), errp);
    secret_wipe(key, sizeof(key));
    if (!cipher || !secret_load_iv(secret->iv, iv, errp)) {
        return false;
    }
    if (secret->format == QCRYPTO_SECRET_FORMAT_BASE64 &&
        !secret_decode_base64(buf, errp)) {
        return false;
    }
    if (buf->len == 0) {
        error_setg(errp, "there is no data to decrypt");
        return false;
    }
    if (qcrypto_cipher_setiv(cipher, iv, sizeof(iv), errp) < 0 ||
        qcrypto_cipher_decrypt(cipher, buf->data, buf->data, buf->len, errp) <
            0) {
        error_prepend(errp, "data does not decrypt: ");
        return false;
    }
    return secret_unpad(buf, errp);
}

static bool secret_load(QCryptoSecretCommon *secret, Error **errp)
{
    QCryptoSecretCommonClass *klass = QCRYPTO_SECRET_COMMON_GET_CLASS(secret);
    g_auto(SecretBuf) buf = { 0 };
    uint8_t *copy;

    if (!klass->load_data(secret, &buf.data, &buf.len, errp)) {
        return false;
    }
    if (buf.len > QCRYPTO_SECRET_MAX) {
        error_setg(errp, "data of %zu bytes is over the limit of %zu", buf.len,
                   QCRYPTO_SECRET_MAX);
        return false;
    }
    if (secret->keyid) {
        if (!secret_decrypt(secret, &buf, errp)) {
            return false;
        }
    } else if (secret->format == QCRYPTO_SECRET_FORMAT_BASE64 &&
               !secret_decode_base64(&buf, errp)) {
        return false;
    }
    /* A buffer of its own size, with the NUL that users may rely on. */
    copy = g_malloc(buf.len + 1);
    if (buf.len) {
        memcpy(copy, buf.data, buf.len);
    }
    copy[buf.len] = '\0';
    secret->rawdata = copy;
    secret->rawlen = buf.len;
    return true;
}

/* Whoever makes the object puts its id before the message. */
static void secret_complete(UserCreatable *uc, Error **errp)
{
    secret_load(QCRYPTO_SECRET_COMMON(uc), errp);
}

static void secret_common_finalize(Object *obj)
{
    QCryptoSecretCommon *secret = QCRYPTO_SECRET_COMMON(obj);

    secret_free(secret->rawdata, secret->rawlen);
}

static void secret_common_class_init(ObjectClass *oc, void *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    ucc->complete = secret_complete;
}

static const Property secret_common_props[] = {
    { "format", PROP_ENUM, offsetof(QCryptoSecretCommon, format),
      .qapi_type = "QCryptoSecretFormat", .lookup = &QCryptoSecretFormat_lookup,
      .def = "raw",
      .help = "encoding of the data; with 'keyid', of the cipher text",
      .since = "2.6" },
    { "keyid", PROP_STR, offsetof(QCryptoSecretCommon, keyid),
      .help = "id of the secret whose 32 bytes decrypt this one (AES-256-CBC)",
      .since = "2.6" },
    { "iv", PROP_STR, offsetof(QCryptoSecretCommon, iv),
      .help = "base64 of the 16 bytes of initialization vector, for 'keyid'",
      .since = "2.6" },
    { "loaded", PROP_BOOL, offsetof(QCryptoSecretCommon, loaded), .def = "true",
      .flags = PROP_F_DEPRECATED, .check = property_only_true,
      .help = "no effect; only true is accepted", .since = "2.6" },
    {}
};

const TypeInfo crypto_type_secret_common = {
    .name = TYPE_QCRYPTO_SECRET_COMMON,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(QCryptoSecretCommon),
    .instance_finalize = secret_common_finalize,
    .class_size = sizeof(QCryptoSecretCommonClass),
    .class_init = secret_common_class_init,
    .props = secret_common_props,
    .interfaces = (InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
};

/* A reference to the completed secret @secretid, or NULL. */
static QCryptoSecretCommon *secret_find(const char *secretid, Error **errp)
{
    /* An id has no slash, so this does not reach below /objects. */
    g_autofree char *path = g_strdup_printf("/objects/%s", secretid);
    g_autoptr(Object) obj =
        strchr(secretid, '/')
            ? NULL
            : object_resolve_path_type_ref(path, TYPE_OBJECT, NULL);
    QCryptoSecretCommon *secret;

    if (!obj) {
        error_setg(errp, "no secret with id '%s'", secretid);
        return NULL;
    }
    secret = (QCryptoSecretCommon *)object_dynamic_cast(
        obj, TYPE_QCRYPTO_SECRET_COMMON);
    if (!secret) {
        error_setg(errp, "object with id '%s' is not a secret", secretid);
        return NULL;
    }
    if (!secret->rawdata) {
        error_setg(errp, "secret with id '%s' has no data", secretid);
        return NULL;
    }
    g_steal_pointer(&obj);
    return secret;
}

int qcrypto_secret_lookup(const char *secretid, uint8_t **data, size_t *datalen,
                          Error **errp)
{
    g_autoptr(QCryptoSecretCommon) secret = secret_find(secretid, errp);

    if (!secret) {
        return -1;
    }
    *data = g_malloc(secret->rawlen + 1);
    memcpy(*data, secret->rawdata, secret->rawlen + 1);
    *datalen = secret->rawlen;
    return 0;
}

char *qcrypto_secret_lookup_as_utf8(const char *secretid, Error **errp)
{
    uint8_t *data;
    size_t len;

    if (qcrypto_secret_lookup(secretid, &data, &len, errp) < 0) {
        return NULL;
    }
    /* With a length given, GLib refuses NUL bytes too. */
    if (!g_utf8_validate((char *)data, len, NULL)) {
        error_setg(errp, "secret with id '%s' is not valid UTF-8 text",
                   secretid);
        secret_free(data, len);
        return NULL;
    }
    return (char *)data;
}

char *qcrypto_secret_lookup_as_base64(const char *secretid, Error **errp)
{
    uint8_t *data;
    size_t len;
    char *base64;

    if (qcrypto_secret_lookup(secretid, &data, &len, errp) < 0) {
        return NULL;
    }
    base64 = g_base64_encode(data, len);
    secret_free(data, len);
    return base64;
}
