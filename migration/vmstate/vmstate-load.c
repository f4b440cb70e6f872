/*
 * VMState: loading. The bytes come from a hostile peer.
 *
 * The memory that a field may be written to is known before the first byte
 * is read: an array member's length, the limit of an allocated field, or,
 * behind a pointer, what the count member says before the load. Counts off
 * the stream are compared with that, never used to find memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/qemu-file.h"
#include "migration/stream/stream-wire.h"
#include "migration/vmstate/vmstate-internal.h"
#include "util/error.h"

/* Is the room of @field given by its count before the load? */
static bool field_room_is_count(const VMStateField *field)
{
    return (field->flags & VMS_POINTER) && !(field->flags & VMS_ALLOC) &&
           (field->flags & (VMS_VARRAY_ANY | VMS_VBUFFER)) &&
           field->num_max == 0;
}

/* Counts before the load, one for each field; NULL if none matters. */
static int64_t *rooms_of(const VMStateDescription *vmsd, void *opaque)
{
    int64_t *rooms = NULL;
    unsigned n = 0;
    bool any = false;

    for (const VMStateField *field = vmsd->fields; !(field->flags & VMS_END);
         field++) {
        any |= field_room_is_count(field);
        n++;
    }
    if (any) {
        rooms = g_new0(int64_t, n);
        for (unsigned i = 0; i < n; i++) {
            rooms[i] = vmstate_field_count(&vmsd->fields[i], opaque);
        }
    }
    return rooms;
}

/* The most that the count of @field may be. */
static int64_t field_room(const VMStateField *field, int64_t count_before)
{
    if (field_room_is_count(field)) {
        return MAX(count_before, 0);
    }
    if (field->num_max > 0) {
        return (int64_t)field->num_max;
    }
    if (field->flags & VMS_ALLOC) {
        return VMSTATE_ALLOC_MAX;
    }
    return INT64_MAX; /* no count off the stream */
}

/* Give an allocated field zeroed memory of its own. */
static bool field_alloc(void **slot, int64_t n_elems, int64_t size)
{
    uint64_t bytes;

    if (__builtin_mul_overflow((uint64_t)n_elems, (uint64_t)size, &bytes) ||
        bytes > VMSTATE_ALLOC_MAX) {
        return false;
    }
    g_clear_pointer(slot, g_free);
    *slot = bytes ? g_try_malloc0(bytes) : NULL;
    return *slot || bytes == 0;
}

/*
 * Where the elements of @field are, how many and how large.
 * Returns: 0; negative errno with @f failed.
 */
static int field_place(QEMUFile *f, const VMStateDescription *vmsd,
                       const VMStateField *field, void *opaque,
                       int64_t count_before, char **ret_first,
                       int64_t *ret_elems, int64_t *ret_size)
{
    int64_t count = vmstate_field_count(field, opaque);
    int64_t elems = vmstate_field_elems(field, count);
    int64_t size = vmstate_field_size(field, count);
    int64_t room = field_room(field, count_before);
    int64_t want = field->flags & VMS_MULTIPLY_ELEMENTS ? elems : count;
    char *first = (char *)opaque + field->offset;

    if (count < 0 || elems < 0 || size < 0 || want > room) {
        return vmstate_fail(f, -EINVAL, vmsd, field,
                            "%" PRId64 " elements or bytes in the stream, room "
                            "for %" PRId64,
                            want, room);
    }
    if (field->flags & VMS_POINTER) {
        void **slot = (void **)(void *)first;

        if ((field->flags & VMS_ALLOC) && !field_alloc(slot, elems, size)) {
            return vmstate_fail(f, -ENOMEM, vmsd, field,
                                "no memory for %" PRId64 " elements of %" PRId64
                                " bytes",
                                elems, size);
        }
        first = *slot;
        if (!first && elems > 0 && size > 0) {
            return vmstate_fail(f, -EINVAL, vmsd, field,
                                "the stream has it, this side does not");
        }
    }
    *ret_first = first;
    *ret_elems = elems;
    *ret_size = size;
    return 0;
}

static int load_elem(QEMUFile *f, const VMStateDescription *vmsd,
                     const VMStateField *field, char *elem, size_t size)
{
    int ret;

    if (field->flags & VMS_ARRAY_OF_POINTER) {
        elem = *(char **)(void *)elem;
        if (!elem) {
            ret = vmstate_info_nullptr.get(f, NULL, size, field);
            return ret || qemu_file_get_error(f)
                       ? vmstate_fail_leaf(f, ret, vmsd, "field", field->name)
                       : 0;
        }
    }
    if (field->flags & VMS_STRUCT) {
        return vmstate_load_state(f, field->vmsd, elem,
                                  field->vmsd->version_id);
    }
    if (field->flags & VMS_VSTRUCT) {
        return vmstate_load_state(f, field->vmsd, elem,
                                  field->struct_version_id);
    }
    ret = field->info->get(f, elem, size, field);
    return ret || qemu_file_get_error(f)
               ? vmstate_fail_leaf(f, ret, vmsd, "field", field->name)
               : 0;
}

static int load_field(QEMUFile *f, const VMStateDescription *vmsd,
                      const VMStateField *field, void *opaque,
                      int64_t count_before)
{
    int64_t elems = 0, size = 0;
    char *first = NULL;
    int ret;

    ret = field_place(f, vmsd, field, opaque, count_before, &first, &elems,
                      &size);
    if (ret < 0) {
        return ret;
    }
    if (field->info == &vmstate_info_uint8 && elems > 1 &&
        !(field->flags & VMS_ARRAY_OF_POINTER)) {
        /* what a byte after the other would give */
        return qemu_get_buffer(f, (uint8_t *)first, (size_t)elems) ==
                       (size_t)elems
                   ? 0
                   : vmstate_fail_leaf(f, 0, vmsd, "field", field->name);
    }
    for (int64_t i = 0; i < elems; i++) {
        ret = load_elem(f, vmsd, field, size ? first + i * size : first,
                        (size_t)size);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/*
 * Is the next thing on the stream a subsection of @vmsd? Its name goes to
 * @name, its bytes up to the version to @ret_len. Nothing is consumed, as a
 * byte of 0x05 may belong to whatever comes behind the struct.
 */
static bool peek_subsection(QEMUFile *f, const VMStateDescription *vmsd,
                            char name[VMSTATE_NAME_MAX + 1], size_t *ret_len)
{
    size_t prefix = strlen(vmsd->name);
    uint8_t *text;
    int len;

    if (qemu_peek_byte(f, 0) != STREAM_SUBSECTION) {
        return false;
    }
    len = qemu_peek_byte(f, 1);
    if (len <= 0 || (size_t)len <= prefix + 1 ||
        qemu_peek_buffer(f, &text, prefix + 1, 2) < prefix + 1 ||
        memcmp(text, vmsd->name, prefix) != 0 || text[prefix] != '/' ||
        qemu_peek_buffer(f, &text, (size_t)len, 2) < (size_t)len ||
        !stream_is_text(text, (size_t)len)) {
        return false;
    }
    memcpy(name, text, (size_t)len);
    name[len] = '\0';
    *ret_len = 2 + (size_t)len;
    return true;
}

static int load_subsections(QEMUFile *f, const VMStateDescription *vmsd,
                            void *opaque)
{
    char name[VMSTATE_NAME_MAX + 1];
    uint64_t seen = 0;
    size_t len;

    while (peek_subsection(f, vmsd, name, &len)) {
        unsigned i = 0;
        uint32_t version;
        int ret;

        while (vmsd->subsections && vmsd->subsections[i] &&
               strcmp(vmsd->subsections[i]->name, name) != 0) {
            i++;
        }
        if (!vmsd->subsections || !vmsd->subsections[i]) {
            return vmstate_fail(f, -ENOENT, vmsd, NULL,
                                "unknown subsection '%s'", name);
        }
        g_assert(i < VMSTATE_SUBSECTIONS_MAX);
        if (seen & (UINT64_C(1) << i)) {
            return vmstate_fail(f, -EINVAL, vmsd, NULL,
                                "subsection '%s' comes twice", name);
        }
        seen |= UINT64_C(1) << i;
        qemu_file_skip(f, len);
        version = qemu_get_be32(f);
        if (version > INT32_MAX) {
            return vmstate_fail(f, -EINVAL, vmsd, NULL,
                                "subsection '%s' of version %" PRIu32, name,
                                version);
        }
        ret = vmstate_load_state(f, vmsd->subsections[i], opaque, (int)version);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* Run a hook in either of its forms. */
static int load_hook(QEMUFile *f, const VMStateDescription *vmsd, void *opaque,
                     int version_id, bool post)
{
    Error *err = NULL;
    int ret = 0;

    if (post && vmsd->post_load) {
        ret = vmsd->post_load(opaque, version_id);
    } else if (!post && vmsd->pre_load) {
        ret = vmsd->pre_load(opaque);
    }
    if (ret == 0 && post && vmsd->post_load_errp &&
        !vmsd->post_load_errp(opaque, version_id, &err)) {
        ret = -EINVAL;
    } else if (ret == 0 && !post && vmsd->pre_load_errp &&
               !vmsd->pre_load_errp(opaque, &err)) {
        ret = -EINVAL;
    }
    if (ret == 0) {
        return 0;
    }
    if (err) {
        qemu_file_set_error_obj(f, -EINVAL, err);
    }
    return vmstate_fail_leaf(f, ret, vmsd, post ? "loading" : "preparing",
                             NULL);
}

static int check_version(QEMUFile *f, const VMStateDescription *vmsd,
                         int version_id)
{
    if (version_id > vmsd->version_id) {
        return vmstate_fail(f, -EINVAL, vmsd, NULL,
                            "version %d in the stream, this side knows up to "
                            "%d",
                            version_id, vmsd->version_id);
    }
    if (version_id < vmsd->minimum_version_id) {
        return vmstate_fail(f, -EINVAL, vmsd, NULL,
                            "version %d in the stream, this side knows %d and "
                            "newer",
                            version_id, vmsd->minimum_version_id);
    }
    return 0;
}

int vmstate_load_state(QEMUFile *f, const VMStateDescription *vmsd,
                       void *opaque, int version_id)
{
    g_autofree int64_t *rooms = NULL;
    int ret = check_version(f, vmsd, version_id);

    if (ret == 0) {
        ret = load_hook(f, vmsd, opaque, version_id, false);
    }
    if (ret < 0) {
        return ret;
    }
    rooms = rooms_of(vmsd, opaque);
    for (unsigned i = 0; !(vmsd->fields[i].flags & VMS_END); i++) {
        const VMStateField *field = &vmsd->fields[i];

        if (vmstate_field_exists(field, opaque, version_id)) {
            ret = load_field(f, vmsd, field, opaque, rooms ? rooms[i] : 0);
        } else if (field->flags & VMS_MUST_EXIST) {
            ret = vmstate_fail(f, -EINVAL, vmsd, field,
                               "values in the stream are not valid");
        }
        if (ret < 0) {
            return ret;
        }
    }
    ret = load_subsections(f, vmsd, opaque);
    if (ret == 0) {
        ret = load_hook(f, vmsd, opaque, version_id, true);
    }
    return ret;
}
