/*
 * authz-pam: decisions of real PAM modules. Needs the right to write a
 * service file into /etc/pam.d for a moment, and is skipped without.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "authz/pamacct.h"
#include "authz/types.h"
#include "util/error.h"

/* @line: the account line of a PAM service. Returns: its name, or NULL. */
static char *make_service(const char *line)
{
    g_autofree char *name = g_strdup_printf("ferry-test-%d", (int)getpid());
    g_autofree char *path = g_strdup_printf("/etc/pam.d/%s", name);

    if (!g_file_set_contents(path, line, -1, NULL)) {
        g_test_skip("cannot write /etc/pam.d");
        return NULL;
    }
    return g_steal_pointer(&name);
}

static void drop_service(const char *name)
{
    g_autofree char *path = g_strdup_printf("/etc/pam.d/%s", name);

    g_unlink(path);
}

static bool ask(const char *line, Error **errp)
{
    g_autofree char *service = make_service(line);
    QAuthZPAM *p;
    bool ok;

    if (!service) {
        return false;
    }
    p = qauthz_pam_new("p0", service, &error_abort);
    ok = qauthz_is_allowed(QAUTHZ(p), "alice", errp);
    object_unparent(OBJECT(p));
    drop_service(service);
    return ok;
}

static void test_permit(void)
{
    bool ok = ask("account required pam_permit.so\n", &error_abort);

    g_assert_true(ok || access("/etc/pam.d", W_OK) < 0);
}

static void test_deny(void)
{
    g_assert_false(ask("account required pam_deny.so\n", &error_abort));
}

static void test_broken(void)
{
    Error *err = NULL;

    g_assert_false(ask("account required pam_nosuchmodule.so\n", &err));
    error_free(err);
}

static void test_service_name(void)
{
    static const char *const bad[] = { "", "a/b", "../passwd", ".hidden" };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;

        g_assert_null(qauthz_pam_new("p0", bad[i], &err));
        error_free_or_abort(&err);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    authz_register_types();
    g_test_add_func("/authz/pam/permit", test_permit);
    g_test_add_func("/authz/pam/deny", test_deny);
    g_test_add_func("/authz/pam/broken", test_broken);
    g_test_add_func("/authz/pam/service-name", test_service_name);
    return g_test_run();
}
