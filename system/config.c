/*
 * The record that the command line fills.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "config.h"

static void monitor_config_free(gpointer data)
{
    MonitorConfig *m = data;

    g_free(m->device);
    json_decref(m->opts);
    g_free(m);
}

static GPtrArray *string_array(void)
{
    return g_ptr_array_new_with_free_func(g_free);
}

SystemConfig *system_config_new(void)
{
    SystemConfig *c = g_new0(SystemConfig, 1);

    c->machine = json_object();
    c->memory = json_object();
    c->smp = json_object();
    c->rtc = json_object();
    c->boot = json_object();
    c->overcommit = json_object();
    c->sandbox = json_object();
    c->name = json_object();
    c->msg = json_object();
    c->action = json_object();
    c->compat = json_object();
    c->accels = json_array();
    c->drives = json_array();
    c->objects = string_array();
    c->chardevs = string_array();
    c->devices = string_array();
    c->globals = string_array();
    c->incoming = string_array();
    c->blockdevs = string_array();
    c->netdevs = string_array();
    c->nics = string_array();
    c->serials = string_array();
    c->parallels = string_array();
    c->debugcons = string_array();
    c->fds = string_array();
    c->traces = string_array();
    c->data_dirs = string_array();
    c->fw_cfg = string_array();
    c->smbios = string_array();
    c->monitors = g_ptr_array_new_with_free_func(monitor_config_free);
    return c;
}

void system_config_free(SystemConfig *c)
{
    json_t **objects[] = { &c->machine, &c->memory,     &c->smp,     &c->rtc,
                           &c->boot,    &c->overcommit, &c->sandbox, &c->name,
                           &c->msg,     &c->action,     &c->compat,  &c->accels,
                           &c->drives };
    GPtrArray **arrays[] = { &c->objects,   &c->chardevs,  &c->devices,
                             &c->globals,   &c->blockdevs, &c->netdevs,
                             &c->nics,      &c->serials,   &c->parallels,
                             &c->debugcons, &c->fds,       &c->traces,
                             &c->data_dirs, &c->fw_cfg,    &c->smbios,
                             &c->monitors,  &c->incoming };
    char **strings[] = { &c->vga,      &c->cpu,        &c->kernel,
                         &c->mem_path, &c->append,     &c->bios,
                         &c->initrd,   &c->uuid,       &c->pidfile,
                         &c->gdb,      &c->log_file,   &c->log_items,
                         &c->runas,    &c->chroot_dir, &c->dump_vmstate,
                         &c->loadvm };

    if (!c) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        json_decref(*objects[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(arrays); i++) {
        g_ptr_array_unref(*arrays[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        g_free(*strings[i]);
    }
    g_free(c);
}
