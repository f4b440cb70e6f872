/*
 * -sandbox: a filter on system calls, by libseccomp.
 *
 * Calls that no emulator needs (loading kernels, mounting, setting clocks,
 * reading other processes' memory) end the process: whoever makes them here is an
 * attacker. Calls of the optional groups fail with EPERM, so that a feature
 * that needs one reports an error instead of taking the guest down.
 *
 * glibc starts threads by clone3(), whose flags a filter cannot see. It
 * answers ENOSYS there, and glibc goes back to clone(), whose flags it can.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "sandbox.h"

#include "util/error.h"
#include "util/library.h"

#if CONFIG_SECCOMP

#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>

/* Loaded only when a sandbox is wanted. */
static scmp_filter_ctx (*lib_init)(uint32_t action);
static int (*lib_attr_set)(scmp_filter_ctx ctx, enum scmp_filter_attr attr,
                           uint32_t value);
static int (*lib_rule_add)(scmp_filter_ctx ctx, uint32_t action, int nr,
                           unsigned count, const struct scmp_arg_cmp *args);
static int (*lib_load)(scmp_filter_ctx ctx);
static void (*lib_release)(scmp_filter_ctx ctx);
static const LibrarySymbol seccomp_symbols[] = {
    { "seccomp_init", &lib_init },
    { "seccomp_attr_set", &lib_attr_set },
    { "seccomp_rule_add_array", &lib_rule_add },
    { "seccomp_load", &lib_load },
    { "seccomp_release", &lib_release },
    {}
};
static Library seccomp_library = { .soname = "libseccomp.so.2",
                                   .symbols = seccomp_symbols };

typedef enum CallGroup {
    GROUP_ALWAYS,
    GROUP_OBSOLETE,
    GROUP_PRIVILEGES,
    GROUP_SPAWN,
    GROUP_RESOURCES,
} CallGroup;

static const struct {
    int nr;
    CallGroup group;
} filtered[] = {
    { SCMP_SYS(reboot), GROUP_ALWAYS },
    { SCMP_SYS(swapon), GROUP_ALWAYS },
    { SCMP_SYS(swapoff), GROUP_ALWAYS },
    { SCMP_SYS(syslog), GROUP_ALWAYS },
    { SCMP_SYS(mount), GROUP_ALWAYS },
    { SCMP_SYS(umount2), GROUP_ALWAYS },
    { SCMP_SYS(pivot_root), GROUP_ALWAYS },
    { SCMP_SYS(kexec_load), GROUP_ALWAYS },
    { SCMP_SYS(kexec_file_load), GROUP_ALWAYS },
    { SCMP_SYS(init_module), GROUP_ALWAYS },
    { SCMP_SYS(finit_module), GROUP_ALWAYS },
    { SCMP_SYS(delete_module), GROUP_ALWAYS },
    { SCMP_SYS(acct), GROUP_ALWAYS },
    { SCMP_SYS(quotactl), GROUP_ALWAYS },
    { SCMP_SYS(settimeofday), GROUP_ALWAYS },
    { SCMP_SYS(clock_settime), GROUP_ALWAYS },
    { SCMP_SYS(adjtimex), GROUP_ALWAYS },
    { SCMP_SYS(clock_adjtime), GROUP_ALWAYS },
    { SCMP_SYS(sethostname), GROUP_ALWAYS },
    { SCMP_SYS(setdomainname), GROUP_ALWAYS },
    { SCMP_SYS(ptrace), GROUP_ALWAYS },
    { SCMP_SYS(process_vm_readv), GROUP_ALWAYS },
    { SCMP_SYS(process_vm_writev), GROUP_ALWAYS },
    { SCMP_SYS(bpf), GROUP_ALWAYS },
    { SCMP_SYS(iopl), GROUP_ALWAYS },
    { SCMP_SYS(ioperm), GROUP_ALWAYS },
    { SCMP_SYS(vhangup), GROUP_ALWAYS },

    { SCMP_SYS(readdir), GROUP_OBSOLETE },
    { SCMP_SYS(_sysctl), GROUP_OBSOLETE },
    { SCMP_SYS(bdflush), GROUP_OBSOLETE },
    { SCMP_SYS(create_module), GROUP_OBSOLETE },
    { SCMP_SYS(get_kernel_syms), GROUP_OBSOLETE },
    { SCMP_SYS(query_module), GROUP_OBSOLETE },
    { SCMP_SYS(sgetmask), GROUP_OBSOLETE },
    { SCMP_SYS(ssetmask), GROUP_OBSOLETE },
    { SCMP_SYS(sysfs), GROUP_OBSOLETE },
    { SCMP_SYS(uselib), GROUP_OBSOLETE },
    { SCMP_SYS(ustat), GROUP_OBSOLETE },
    { SCMP_SYS(modify_ldt), GROUP_OBSOLETE },

    { SCMP_SYS(setuid), GROUP_PRIVILEGES },
    { SCMP_SYS(setgid), GROUP_PRIVILEGES },
    { SCMP_SYS(setpgid), GROUP_PRIVILEGES },
    { SCMP_SYS(setsid), GROUP_PRIVILEGES },
    { SCMP_SYS(setreuid), GROUP_PRIVILEGES },
    { SCMP_SYS(setregid), GROUP_PRIVILEGES },
    { SCMP_SYS(setresuid), GROUP_PRIVILEGES },
    { SCMP_SYS(setresgid), GROUP_PRIVILEGES },
    { SCMP_SYS(setfsuid), GROUP_PRIVILEGES },
    { SCMP_SYS(setfsgid), GROUP_PRIVILEGES },

    { SCMP_SYS(fork), GROUP_SPAWN },
    { SCMP_SYS(vfork), GROUP_SPAWN },
    { SCMP_SYS(execve), GROUP_SPAWN },
    { SCMP_SYS(execveat), GROUP_SPAWN },

    { SCMP_SYS(setpriority), GROUP_RESOURCES },
    { SCMP_SYS(sched_setparam), GROUP_RESOURCES },
    { SCMP_SYS(sched_setscheduler), GROUP_RESOURCES },
    { SCMP_SYS(sched_setattr), GROUP_RESOURCES },
    { SCMP_SYS(sched_setaffinity), GROUP_RESOURCES },
    { SCMP_SYS(ioprio_set), GROUP_RESOURCES },
};

/* "deny" and "allow", and "children" where @children is given. */
static bool read_choice(json_t *opts, const char *key, bool *deny,
                        bool *children, Error **errp)
{
    const char *value = json_string_value(json_object_get(opts, key));

    if (!value || g_str_equal(value, "allow")) {
        return true;
    }
    if (g_str_equal(value, "deny")) {
        *deny = true;
        return true;
    }
    if (children && g_str_equal(value, "children")) {
        *children = true;
        return true;
    }
    error_setg(errp, "-sandbox: parameter '%s' does not take '%s'", key, value);
    return false;
}

static int add_rules(scmp_filter_ctx ctx, const bool *deny)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(filtered) && r == 0; i++) {
        CallGroup group = filtered[i].group;

        if (group == GROUP_ALWAYS) {
            r = lib_rule_add(ctx, SCMP_ACT_KILL_PROCESS, filtered[i].nr, 0,
                             NULL);
        } else if (deny[group]) {
            r = lib_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), filtered[i].nr, 0,
                             NULL);
        }
    }
    if (r == 0 && deny[GROUP_SPAWN]) {
        const struct scmp_arg_cmp no_thread =
            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);

        r = lib_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                         &no_thread);
        r = r
                ?: lib_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
                                0, NULL);
    }
    return r;
}

static bool load_filter(const bool *deny, Error **errp)
{
    scmp_filter_ctx ctx;
    int r;

    if (!library_load(&seccomp_library, errp)) {
        return false;
    }
    ctx = lib_init(SCMP_ACT_ALLOW);
    r = ctx ? 0 : -ENOMEM;
    r = r ?: lib_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    r = r ?: add_rules(ctx, deny);
    r = r ?: lib_load(ctx);
    if (ctx) {
        lib_release(ctx);
    }
    if (r < 0) {
        error_setg_errno(errp, -r, "-sandbox: the filter was not installed");
        return false;
    }
    return true;
}

static bool is_on(json_t *opts, bool *on, Error **errp)
{
    const char *text = json_string_value(json_object_get(opts, "enable"));

    if (!text || g_str_equal(text, "off")) {
        *on = false;
    } else if (g_str_equal(text, "on")) {
        *on = true;
    } else {
        error_setg(errp,
                   "-sandbox: parameter 'enable' expects 'on' or 'off', "
                   "not '%s'",
                   text);
        return false;
    }
    return true;
}

bool sandbox_enable(json_t *opts, Error **errp)
{
    static const char *const keys[] = {
        "enable", "obsolete",        "elevateprivileges",
        "spawn",  "resourcecontrol", NULL
    };
    bool deny[] = { [GROUP_OBSOLETE] = true, [GROUP_RESOURCES] = false };
    bool children = false;
    bool on;
    const char *key;
    json_t *value;

    json_object_foreach(opts, key, value)
    {
        if (!g_strv_contains(keys, key)) {
            error_setg(errp, "-sandbox: unknown parameter '%s'", key);
            return false;
        }
    }
    if (!is_on(opts, &on, errp)) {
        return false;
    }
    if (!on) {
        return true;
    }
    if (g_strcmp0(json_string_value(json_object_get(opts, "obsolete")),
                  "allow") == 0) {
        deny[GROUP_OBSOLETE] = false;
    }
    if (!read_choice(opts, "obsolete", &deny[GROUP_OBSOLETE], NULL, errp) ||
        !read_choice(opts, "elevateprivileges", &deny[GROUP_PRIVILEGES],
                     &children, errp) ||
        !read_choice(opts, "spawn", &deny[GROUP_SPAWN], NULL, errp) ||
        !read_choice(opts, "resourcecontrol", &deny[GROUP_RESOURCES], NULL,
                     errp)) {
        return false;
    }
    if ((children || deny[GROUP_PRIVILEGES]) &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        error_setg_errno(errp, errno, "-sandbox: elevateprivileges");
        return false;
    }
    return load_filter(deny, errp);
}

#else

bool sandbox_enable(json_t *opts, Error **errp)
{
    const char *text = json_string_value(json_object_get(opts, "enable"));

    if (text && !g_str_equal(text, "off")) {
        error_setg(errp, "-sandbox: this build has no system call filter");
        return false;
    }
    return true;
}

#endif
