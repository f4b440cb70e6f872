/*
 * Property accessors that know about other folders: a device's connection to
 * a character device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-fe.h"
#include "hw/core/qdev-internal.h"
#include "qapi/visitor.h"
#include "util/error.h"

static CharBackend *chr_field(Object *obj, const char *name)
{
    const Property *prop = object_property_find(obj, name)->table;

    return (CharBackend *)((char *)obj + prop->offset);
}

void qdev_prop_chr_get(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    Chardev *chr = qemu_chr_fe_get_driver(chr_field(obj, name));
    g_autofree char *id = g_strdup(chr && chr->label ? chr->label : "");

    visit_type_str(v, name, &id, errp);
}

void qdev_prop_chr_set(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    CharBackend *be = chr_field(obj, name);
    g_autofree char *id = NULL;
    Chardev *chr;

    if (!visit_type_str(v, name, &id, errp)) {
        return;
    }
    if (qemu_chr_fe_get_driver(be)) {
        error_setg(errp, "property '%s' is set already", name);
        return;
    }
    if (*id == '\0') {
        return;
    }
    chr = qemu_chr_find(id);
    if (!chr) {
        error_setg(errp, "no chardev '%s'", id);
        return;
    }
    qemu_chr_fe_init(be, chr, errp);
}
