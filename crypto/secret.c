/*
 * Secrets given in the configuration or read from a file.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/secret.h"

#include "qom/property.h"
#include "util/error.h"
#include "util/read-file.h"
#include "util/secret-mem.h"

static bool secret_load_data(QCryptoSecretCommon *common, uint8_t **output,
                             size_t *outputlen, Error **errp)
{
    QCryptoSecret *secret = QCRYPTO_SECRET(common);

    if (secret->data && secret->file) {
        error_setg(errp, "properties 'data' and 'file' exclude each other");
        return false;
    }
    if (secret->file) {
        *output = (uint8_t *)read_file_bounded(secret->file, QCRYPTO_SECRET_MAX,
                                               outputlen, errp);
        return *output;
    }
    if (!secret->data) {
        error_setg(errp, "property 'data' or 'file' is needed");
        return false;
    }
    /* The property cannot be read back: this was its only use. */
    *outputlen = strlen(secret->data);
    *output = (uint8_t *)g_steal_pointer(&secret->data);
    return true;
}

static void secret_class_init(ObjectClass *oc, void *data)
{
    QCRYPTO_SECRET_COMMON_CLASS(oc)->load_data = secret_load_data;
}

static const Property secret_props[] = {
    { "data", PROP_STR, offsetof(QCryptoSecret, data),
      .flags = PROP_F_WRITE_ONLY | PROP_F_WIPE,
      .help = "the bytes themselves; other users of the host may see them in "
              "the process list",
      .since = "2.6" },
    { "file", PROP_STR, offsetof(QCryptoSecret, file),
      .help = "file that holds the bytes; also /dev/stdin, /dev/fd/N, "
              "/dev/fdset/N",
      .since = "2.6" },
    {}
};

const TypeInfo crypto_type_secret = {
    .name = TYPE_QCRYPTO_SECRET,
    .parent = TYPE_QCRYPTO_SECRET_COMMON,
    .instance_size = sizeof(QCryptoSecret),
    .class_init = secret_class_init,
    .props = secret_props,
};
