/*
 * A back end that swallows output and never has input.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char.h"

static bool null_open(Chardev *chr, bool *be_opened, Error **errp)
{
    *be_opened = false; /* nobody is there, and nobody will come */
    return true;
}

static int null_write(Chardev *chr, const uint8_t *buf, int len)
{
    return len;
}

static void null_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "nothing: output is dropped, there is no input";
    cc->open = null_open;
    cc->chr_write = null_write;
}

const TypeInfo chardev_type_null = {
    .name = TYPE_CHARDEV_NULL,
    .parent = TYPE_CHARDEV,
    .class_init = null_class_init,
};
