/*
 * The state machine of migrations: edges, atomic moves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/migration-internal.h"

/* The ways that a user can see, from the documentation. */
static void test_courses(void)
{
    static const MigrationStatus courses[][8] = {
        { MIGRATION_STATUS_NONE, MIGRATION_STATUS_SETUP,
          MIGRATION_STATUS_ACTIVE, MIGRATION_STATUS_DEVICE,
          MIGRATION_STATUS_COMPLETED, MIGRATION_STATUS_SETUP },
        { MIGRATION_STATUS_CANCELLED, MIGRATION_STATUS_SETUP,
          MIGRATION_STATUS_ACTIVE, MIGRATION_STATUS_PRE_SWITCHOVER,
          MIGRATION_STATUS_DEVICE, MIGRATION_STATUS_POSTCOPY_ACTIVE,
          MIGRATION_STATUS_COMPLETED },
        { MIGRATION_STATUS_ACTIVE, MIGRATION_STATUS_POSTCOPY_ACTIVE,
          MIGRATION_STATUS_POSTCOPY_PAUSED,
          MIGRATION_STATUS_POSTCOPY_RECOVER_SETUP,
          MIGRATION_STATUS_POSTCOPY_RECOVER, MIGRATION_STATUS_POSTCOPY_ACTIVE },
        { MIGRATION_STATUS_SETUP, MIGRATION_STATUS_CANCELLING,
          MIGRATION_STATUS_CANCELLED },
        { MIGRATION_STATUS_DEVICE, MIGRATION_STATUS_CANCELLING },
        { MIGRATION_STATUS_PRE_SWITCHOVER, MIGRATION_STATUS_CANCELLING },
        { MIGRATION_STATUS_DEVICE, MIGRATION_STATUS_FAILED,
          MIGRATION_STATUS_SETUP, MIGRATION_STATUS_FAILED },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(courses); i++) {
        for (size_t k = 1; courses[i][k]; k++) {
            g_assert_true(migration_may_move(courses[i][k - 1], courses[i][k]));
        }
    }
}

static void test_forbidden(void)
{
    /* A decision is never taken back. */
    g_assert_false(migration_may_move(MIGRATION_STATUS_COMPLETED,
                                      MIGRATION_STATUS_FAILED));
    g_assert_false(migration_may_move(MIGRATION_STATUS_CANCELLING,
                                      MIGRATION_STATUS_COMPLETED));
    g_assert_false(
        migration_may_move(MIGRATION_STATUS_FAILED, MIGRATION_STATUS_ACTIVE));
    /* Post-copy cannot be cancelled. */
    g_assert_false(migration_may_move(MIGRATION_STATUS_POSTCOPY_ACTIVE,
                                      MIGRATION_STATUS_CANCELLING));
    g_assert_false(migration_may_move(MIGRATION_STATUS_POSTCOPY_PAUSED,
                                      MIGRATION_STATUS_CANCELLING));
    g_assert_false(
        migration_may_move(MIGRATION_STATUS_NONE, MIGRATION_STATUS_ACTIVE));
    for (int s = 0; s < MIGRATION_STATUS__MAX; s++) {
        g_assert_false(
            migration_may_move((MigrationStatus)s, (MigrationStatus)s));
        g_assert_false(
            migration_may_move((MigrationStatus)s, MIGRATION_STATUS_NONE));
        /* Every end can be left, everything else can come to one. */
        g_assert_cmpint(
            migration_status_is_end((MigrationStatus)s) ||
                s == MIGRATION_STATUS_NONE,
            ==, migration_may_move((MigrationStatus)s, MIGRATION_STATUS_SETUP));
    }
}

typedef struct Race {
    MigrationCourse *course;
    MigrationStatus to;
    bool won;
} Race;

static void *race_thread(void *opaque)
{
    Race *r = opaque;

    r->won = migration_move(r->course, MIGRATION_STATUS_DEVICE, r->to);
    return NULL;
}

/* Cancel and completion at the same moment: exactly one happens. */
static void test_race(void)
{
    g_autofree MigrationState *ms = g_new0(MigrationState, 1);

    ms->course.ms = ms;
    for (int i = 0; i < 200; i++) {
        Race a = { &ms->course, MIGRATION_STATUS_CANCELLING };
        Race b = { &ms->course, MIGRATION_STATUS_COMPLETED };
        QemuThread t[2];

        qatomic_set(&ms->course.status, MIGRATION_STATUS_DEVICE);
        qemu_thread_create(&t[0], "a", race_thread, &a, QEMU_THREAD_JOINABLE);
        qemu_thread_create(&t[1], "b", race_thread, &b, QEMU_THREAD_JOINABLE);
        qemu_thread_join(&t[0]);
        qemu_thread_join(&t[1]);
        g_assert_true(a.won != b.won);
        g_assert_cmpint(migration_status(&ms->course), ==, a.won ? a.to : b.to);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/status/courses", test_courses);
    g_test_add_func("/migration/status/forbidden", test_forbidden);
    g_test_add_func("/migration/status/race", test_race);
    return g_test_run();
}
