/*
 * VMState: what saving and loading have in common: how many elements a field
 * has, how large they are, and how a failure names its place.
 *
 * Messages are built from the inside out: "field 'x' of 'foo': ..." is made
 * here once, where the fault is; nested structs pass it on, and savevm puts
 * the device's name before it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/qemu-file.h"
#include "migration/vmstate/vmstate-internal.h"
#include "util/error.h"

bool vmstate_field_exists(const VMStateField *field, void *opaque,
                          int version_id)
{
    return field->version_id <= version_id &&
           (!field->field_exists || field->field_exists(opaque, version_id));
}

int64_t vmstate_field_count(const VMStateField *field, void *opaque)
{
    const char *base = opaque;

    if (field->flags & VMS_VBUFFER) {
        int32_t n;

        memcpy(&n, base + field->size_offset, sizeof(n));
        return n;
    }
    if (field->flags & VMS_VARRAY_INT32) {
        int32_t n;

        memcpy(&n, base + field->num_offset, sizeof(n));
        return n;
    }
    if (field->flags & VMS_VARRAY_UINT32) {
        uint32_t n;

        memcpy(&n, base + field->num_offset, sizeof(n));
        return n;
    }
    if (field->flags & VMS_VARRAY_UINT16) {
        uint16_t n;

        memcpy(&n, base + field->num_offset, sizeof(n));
        return n;
    }
    if (field->flags & VMS_VARRAY_UINT8) {
        return *(const uint8_t *)(base + field->num_offset);
    }
    return 0;
}

int64_t vmstate_field_elems(const VMStateField *field, int64_t count)
{
    if (field->flags & VMS_ARRAY) {
        return field->num;
    }
    if (!(field->flags & VMS_VARRAY_ANY)) {
        return 1;
    }
    if (field->flags & VMS_MULTIPLY_ELEMENTS) {
        int64_t n;

        return __builtin_mul_overflow(count, (int64_t)field->num, &n) ||
                       n > INT32_MAX
                   ? -1
                   : n;
    }
    return count > INT32_MAX ? -1 : count;
}

int64_t vmstate_field_size(const VMStateField *field, int64_t count)
{
    int64_t size;

    if (!(field->flags & VMS_VBUFFER)) {
        return (int64_t)field->size;
    }
    if (!(field->flags & VMS_MULTIPLY)) {
        return count;
    }
    return __builtin_mul_overflow(count, (int64_t)field->size, &size) ||
                   size > INT32_MAX
               ? -1
               : size;
}

int vmstate_fail(QEMUFile *f, int ret, const VMStateDescription *vmsd,
                 const VMStateField *field, const char *fmt, ...)
{
    g_autofree char *why = NULL;
    Error *err = NULL;
    va_list ap;

    va_start(ap, fmt);
    why = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (field) {
        error_setg(&err, "field '%s' of '%s': %s", field->name, vmsd->name,
                   why);
    } else {
        error_setg(&err, "'%s': %s", vmsd->name, why);
    }
    qemu_file_set_error_obj(f, ret, err);
    return ret;
}

int vmstate_fail_info(QEMUFile *f, const VMStateField *field, const char *fmt,
                      ...)
{
    g_autofree char *why = NULL;
    Error *err = NULL;
    va_list ap;

    va_start(ap, fmt);
    why = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (field && field->err_hint) {
        error_setg(&err, "%s (%s)", why, field->err_hint);
    } else {
        error_setg(&err, "%s", why);
    }
    qemu_file_set_error_obj(f, -EINVAL, err);
    return -EINVAL;
}

int vmstate_fail_leaf(QEMUFile *f, int ret, const VMStateDescription *vmsd,
                      const char *what, const char *name)
{
    int was = qemu_file_get_error(f);

    if (was) {
        qemu_file_prepend_error(f, "%s%s%s%sof '%s': ", what, name ? " '" : " ",
                                name ? name : "", name ? "' " : "", vmsd->name);
        return was;
    }
    if (ret >= 0) {
        ret = -EINVAL;
    }
    if (name) {
        return vmstate_fail(f, ret, vmsd, NULL, "%s '%s' failed with error %d",
                            what, name, ret);
    }
    return vmstate_fail(f, ret, vmsd, NULL, "%s failed with error %d", what,
                        ret);
}
