/*
 * VMState: saving, and the JSON description of what was saved.
 *
 * The description is made in the same walk, as only the walk knows which
 * fields and subsections were there and how many bytes each took. Elements
 * of an array that all look alike are described once (array_len), others one
 * by one (index).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/qemu-file.h"
#include "migration/stream/stream-wire.h"
#include "migration/vmstate/vmstate-internal.h"
#include "migration/vmstate/vmstate-json.h"
#include "util/error.h"

static bool vmsd_is_uniform(const VMStateDescription *vmsd);

/* Does every element of @field take the same bytes in the same form? */
static bool field_is_uniform(const VMStateField *field)
{
    if (field->flags & (VMS_ARRAY_OF_POINTER | VMS_VBUFFER)) {
        return false;
    }
    if (field->flags & (VMS_STRUCT | VMS_VSTRUCT)) {
        return vmsd_is_uniform(field->vmsd);
    }
    return field->vmsd == NULL; /* not a container */
}

static bool vmsd_is_uniform(const VMStateDescription *vmsd)
{
    if (vmsd->subsections) {
        return false;
    }
    for (const VMStateField *field = vmsd->fields; !(field->flags & VMS_END);
         field++) {
        if (field->field_exists || (field->flags & VMS_VARRAY_ANY) ||
            !field_is_uniform(field)) {
            return false;
        }
    }
    return true;
}

static const char *field_type(const VMStateField *field)
{
    if (field->flags & VMS_STRUCT) {
        return "struct";
    }
    return field->flags & VMS_VSTRUCT ? "vstruct" : field->info->name;
}

static int save_elem(QEMUFile *f, const VMStateDescription *vmsd,
                     const VMStateField *field, char *elem, size_t size,
                     JSONWriter *vmdesc)
{
    int ret;

    if (field->flags & (VMS_STRUCT | VMS_VSTRUCT)) {
        if (vmdesc) {
            json_writer_start_object(vmdesc, "struct");
        }
        ret = vmstate_save_state_v(f, field->vmsd, elem, vmdesc,
                                   field->flags & VMS_VSTRUCT
                                       ? field->struct_version_id
                                       : field->vmsd->version_id);
        if (vmdesc) {
            json_writer_end_object(vmdesc);
        }
        return ret;
    }
    ret = field->info->put(f, elem, size, field, vmdesc);
    return ret || qemu_file_get_error(f)
               ? vmstate_fail_leaf(f, ret, vmsd, "field", field->name)
               : 0;
}

/*
 * One element and its description. @array_len: of a run of which this is the
 * first, or 0; @index: in a field described one by one, or -1.
 */
static int save_described(QEMUFile *f, const VMStateDescription *vmsd,
                          const VMStateField *field, char *elem, size_t size,
                          JSONWriter *vmdesc, int64_t array_len, int64_t index)
{
    uint64_t before = qemu_file_transferred(f);
    bool null = false;
    int ret;

    if (field->flags & VMS_ARRAY_OF_POINTER) {
        elem = *(char **)(void *)elem;
        null = elem == NULL;
    }
    if (vmdesc) {
        json_writer_start_object(vmdesc, NULL);
        json_writer_str(vmdesc, "name", field->name);
        if (array_len > 0) {
            json_writer_int64(vmdesc, "array_len", array_len);
        } else if (index >= 0) {
            json_writer_int64(vmdesc, "index", index);
        }
        json_writer_str(vmdesc, "type",
                        null ? vmstate_info_nullptr.name : field_type(field));
    }
    ret = null ? vmstate_info_nullptr.put(f, NULL, size, field, NULL)
               : save_elem(f, vmsd, field, elem, size, vmdesc);
    if (vmdesc) {
        json_writer_int64(vmdesc, "size",
                          (int64_t)(qemu_file_transferred(f) - before));
        json_writer_end_object(vmdesc);
    }
    return ret;
}

static int save_elems(QEMUFile *f, const VMStateDescription *vmsd,
                      const VMStateField *field, char *first, int64_t elems,
                      size_t size, JSONWriter *vmdesc)
{
    bool uniform = vmdesc && elems > 1 && field_is_uniform(field);
    int ret = 0;

    for (int64_t i = 0; i < elems && ret == 0; i++) {
        bool described = vmdesc && (!uniform || i == 0);

        ret = save_described(f, vmsd, field,
                             size ? first + (size_t)i * size : first, size,
                             described ? vmdesc : NULL, uniform ? elems : 0,
                             elems > 1 ? i : -1);
    }
    return ret;
}

static int save_field(QEMUFile *f, const VMStateDescription *vmsd,
                      const VMStateField *field, void *opaque,
                      JSONWriter *vmdesc)
{
    int64_t count = vmstate_field_count(field, opaque);
    int64_t elems = vmstate_field_elems(field, count);
    int64_t size = vmstate_field_size(field, count);
    char *first = (char *)opaque + field->offset;

    if (count < 0 || elems < 0 || size < 0) {
        return vmstate_fail(f, -EINVAL, vmsd, field,
                            "%" PRId64 " elements or bytes", count);
    }
    if (field->flags & VMS_POINTER) {
        first = *(char **)(void *)first;
        if (!first && elems > 0 && size > 0) {
            return vmstate_fail(f, -EINVAL, vmsd, field, "is not there");
        }
    }
    return save_elems(f, vmsd, field, first, elems, (size_t)size, vmdesc);
}

bool vmstate_section_needed(const VMStateDescription *vmsd, void *opaque)
{
    return !vmsd->needed || vmsd->needed(opaque);
}

static int save_subsections(QEMUFile *f, const VMStateDescription *vmsd,
                            void *opaque, JSONWriter *vmdesc)
{
    bool any = false;
    int ret = 0;

    for (unsigned i = 0; vmsd->subsections && vmsd->subsections[i] && ret == 0;
         i++) {
        const VMStateDescription *sub = vmsd->subsections[i];

        if (!vmstate_section_needed(sub, opaque)) {
            continue;
        }
        if (vmdesc) {
            if (!any) {
                json_writer_start_array(vmdesc, "subsections");
            }
            json_writer_start_object(vmdesc, NULL);
        }
        any = true;
        qemu_put_byte(f, STREAM_SUBSECTION);
        qemu_put_counted_string(f, sub->name);
        qemu_put_be32(f, (uint32_t)sub->version_id);
        ret = vmstate_save_state(f, sub, opaque, vmdesc);
        if (vmdesc) {
            json_writer_end_object(vmdesc);
        }
    }
    if (vmdesc && any) {
        json_writer_end_array(vmdesc);
    }
    return ret;
}

static int save_pre(QEMUFile *f, const VMStateDescription *vmsd, void *opaque)
{
    Error *err = NULL;
    int ret = vmsd->pre_save ? vmsd->pre_save(opaque) : 0;

    if (ret == 0 && vmsd->pre_save_errp && !vmsd->pre_save_errp(opaque, &err)) {
        ret = -EINVAL;
    }
    if (ret == 0) {
        return 0;
    }
    if (err) {
        qemu_file_set_error_obj(f, -EINVAL, err);
    }
    return vmstate_fail_leaf(f, ret, vmsd, "saving", NULL);
}

static int save_fields(QEMUFile *f, const VMStateDescription *vmsd,
                       void *opaque, JSONWriter *vmdesc, int version_id)
{
    int ret = 0;

    for (const VMStateField *field = vmsd->fields;
         !(field->flags & VMS_END) && ret == 0; field++) {
        if (vmstate_field_exists(field, opaque, version_id)) {
            ret = save_field(f, vmsd, field, opaque, vmdesc);
        } else if (field->flags & VMS_MUST_EXIST) {
            ret = vmstate_fail(f, -EINVAL, vmsd, field,
                               "values of this side are not valid");
        }
    }
    return ret;
}

int vmstate_save_state_v(QEMUFile *f, const VMStateDescription *vmsd,
                         void *opaque, JSONWriter *vmdesc, int version_id)
{
    int ret = save_pre(f, vmsd, opaque);
    int post;

    if (vmdesc) {
        json_writer_str(vmdesc, "vmsd_name", vmsd->name);
        json_writer_int64(vmdesc, "version", version_id);
        json_writer_start_array(vmdesc, "fields");
    }
    if (ret < 0) {
        if (vmdesc) {
            json_writer_end_array(vmdesc);
        }
        return ret;
    }
    ret = save_fields(f, vmsd, opaque, vmdesc, version_id);
    if (vmdesc) {
        json_writer_end_array(vmdesc);
    }
    if (ret == 0) {
        ret = save_subsections(f, vmsd, opaque, vmdesc);
    }
    post = vmsd->post_save ? vmsd->post_save(opaque) : 0;
    if (ret == 0 && post != 0) {
        ret = vmstate_fail_leaf(f, post, vmsd, "saving", NULL);
    }
    return ret;
}

int vmstate_save_state(QEMUFile *f, const VMStateDescription *vmsd,
                       void *opaque, JSONWriter *vmdesc)
{
    return vmstate_save_state_v(f, vmsd, opaque, vmdesc, vmsd->version_id);
}
