/*
 * What every channel must do, whatever it is made of. Each stack of
 * tests/lib/channel-pair.h runs all tests that make sense for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_UNIT_IO_CHANNEL_CONFORMANCE_H
#define TESTS_UNIT_IO_CHANNEL_CONFORMANCE_H

/** Add the tests of @stack (see channel-pair.h) as /<stack>/... */
void channel_conformance_add(const char *stack);

#endif
