/*
 * TAP on COM1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest.h"

static unsigned n_tests, n_failed;
static const char *group_name = "";

static void put_char(char c)
{
    while (!(inb(COM1 + 5) & 0x20)) {
    }
    outb(COM1, (uint8_t)c);
}

void put(const char *text)
{
    for (; *text; text++) {
        put_char(*text);
    }
}

void put_hex(uint64_t v)
{
    unsigned shift = 60;

    while (shift && !(v >> shift)) {
        shift -= 4;
    }
    put("0x");
    for (;; shift -= 4) {
        put_char("0123456789abcdef"[v >> shift & 15]);
        if (!shift) {
            return;
        }
    }
}

static void put_decimal(unsigned v)
{
    if (v >= 10) {
        put_decimal(v / 10);
    }
    put_char((char)('0' + v % 10));
}

static void line(bool good, const char *name)
{
    n_tests++;
    n_failed += !good;
    put(good ? "ok " : "not ok ");
    put_decimal(n_tests);
    put(" - ");
    put(group_name);
    put(": ");
    put(name);
}

void group(const char *name)
{
    group_name = name;
}

void ok(bool good, const char *name)
{
    line(good, name);
    put("\n");
}

void ok_eq(uint64_t have, uint64_t want, const char *name)
{
    line(have == want, name);
    if (have != want) {
        put(" (is ");
        put_hex(have);
        put(", should be ");
        put_hex(want);
        put(")");
    }
    put("\n");
}

void skip(const char *name, const char *why)
{
    line(true, name);
    put(" # SKIP ");
    put(why);
    put("\n");
}

void finish(void)
{
    put("1..");
    put_decimal(n_tests);
    put("\n");
    outb(DEBUG_EXIT_PORT, n_failed ? 1 : 0);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
