/*
 * For test programs that run as a guest: commands in its output. A command
 * is a decimal number and a letter; "<n>q" ends the program with exit status
 * (n << 1) | 1. Anything else is thrown away.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char.h"

#include "char-internal.h"

typedef struct TestdevChardev {
    Chardev parent;
    unsigned number; /* digits so far */
} TestdevChardev;

DECLARE_INSTANCE_CHECKER(TestdevChardev, TESTDEV_CHARDEV, TYPE_CHARDEV_TESTDEV)

static void testdev_byte(TestdevChardev *t, uint8_t byte)
{
    if (g_ascii_isdigit(byte)) {
        t->number = t->number * 10 + (byte - '0');
        return;
    }
    if (byte == 'q') {
        chardev_host_exit((int)((t->number << 1) | 1));
    }
    t->number = 0;
}

static int testdev_write(Chardev *chr, const uint8_t *buf, int len)
{
    for (int i = 0; i < len; i++) {
        testdev_byte(TESTDEV_CHARDEV(chr), buf[i]);
    }
    return len;
}

static bool testdev_open(Chardev *chr, bool *be_opened, Error **errp)
{
    return true;
}

static void testdev_class_init(ObjectClass *klass, void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(klass);

    cc->help = "lets a test program end the emulator with a status";
    cc->open = testdev_open;
    cc->chr_write = testdev_write;
}

const TypeInfo chardev_type_testdev = {
    .name = TYPE_CHARDEV_TESTDEV,
    .parent = TYPE_CHARDEV,
    .instance_size = sizeof(TestdevChardev),
    .class_init = testdev_class_init,
};
