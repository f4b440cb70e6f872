/*
 * Secrets held by the kernel's key service.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/secret_keyring.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>

#include "qom/property.h"
#include "util/error.h"
#include "util/secret-mem.h"

/* keyctl(2) without a library around it. */
static long keyring_read(int32_t serial, void *buf, size_t size)
{
    return syscall(SYS_keyctl, KEYCTL_READ, serial, buf, size);
}

static bool secret_keyring_load_data(QCryptoSecretCommon *common,
                                     uint8_t **output, size_t *outputlen,
                                     Error **errp)
{
    QCryptoSecretKeyring *secret = QCRYPTO_SECRET_KEYRING(common);
    long size = keyring_read(secret->serial, NULL, 0), got;
    uint8_t *data;

    if (size < 0) {
        error_setg_errno(errp, errno, "cannot read key %" PRId32 " of keyring",
                         secret->serial);
        return false;
    }
    if ((size_t)size > QCRYPTO_SECRET_MAX) {
        error_setg(errp,
                   "key %" PRId32 " of %ld bytes is over the limit of %zu",
                   secret->serial, size, QCRYPTO_SECRET_MAX);
        return false;
    }
    data = g_malloc(size + 1);
    got = keyring_read(secret->serial, data, size);
    if (got < 0 || got > size) {
        /* Larger: somebody replaced it between the two calls. */
        error_setg_errno(errp, got < 0 ? errno : EAGAIN,
                         "cannot read key %" PRId32 " of keyring",
                         secret->serial);
        secret_free(data, size);
        return false;
    }
    data[got] = '\0';
    *output = data;
    *outputlen = got;
    return true;
}

static void secret_keyring_class_init(ObjectClass *oc, void *data)
{
    QCRYPTO_SECRET_COMMON_CLASS(oc)->load_data = secret_keyring_load_data;
}

static const Property secret_keyring_props[] = {
    { "serial", PROP_INT32, offsetof(QCryptoSecretKeyring, serial),
      .flags = PROP_F_REQUIRED, .help = "serial number of the key",
      .since = "5.1" },
    {}
};

const TypeInfo crypto_type_secret_keyring = {
    .name = TYPE_QCRYPTO_SECRET_KEYRING,
    .parent = TYPE_QCRYPTO_SECRET_COMMON,
    .instance_size = sizeof(QCryptoSecretKeyring),
    .class_init = secret_keyring_class_init,
    .props = secret_keyring_props,
};
