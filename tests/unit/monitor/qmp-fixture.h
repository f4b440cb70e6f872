/*
 * A QMP monitor on a UNIX socket with commands of its own, and its client,
 * for tests: the test's thread is the main loop, which runs only when the
 * test lets it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_MONITOR_QMP_FIXTURE_H
#define TESTS_MONITOR_QMP_FIXTURE_H

#include "monitor/monitor.h"
#include "qapi/qmp-dispatch.h"
#include "util/coroutine.h"

#define CAPS "{\"execute\":\"qmp_capabilities\"}"
#define CAPS_OOB                                                               \
    "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}"

/* Commands "sleep" and "slow" leave a trace here. */
extern Coroutine *sleeper;
extern int slow_runs;
/* Those of "errand" wait for it; atomic. */
extern bool errand_may_end;

typedef struct Fixture {
    char *dir;
    char *path;
    QmpCommandList *commands;
    json_t *version;
    MonitorSet *set;
    int preconfig; /* atomic */
} Fixture;

typedef struct Client {
    int fd;
    GString *in;
} Client;

void setup_pretty(Fixture *f, bool pretty);
/* A monitor that listens, and its end. */
void setup(Fixture *f, gconstpointer data);
void teardown(Fixture *f, gconstpointer data);
Client client_connect(Fixture *f);
void client_close(Client *c);
void say_len(Client *c, const char *text, size_t len);
void say(Client *c, const char *text);
/* Whether bytes, or the end, came within @ms; the main loop runs if asked. */
bool client_fill(Client *c, int ms, bool main_loop);
/* Next message. */
json_t *hear(Client *c, bool main_loop);
/* Next message has these members; the main loop hangs meanwhile. */
void expect(Client *c, const char *text);
/* The same; the main loop runs meanwhile. */
void expect_main(Client *c, const char *text);
void expect_silence(Client *c, int ms);
Client open_session(Fixture *f, const char *caps);
void emit(const char *name);
int count_fds(void);

#endif
