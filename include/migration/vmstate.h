/*
 * VMState: the state of a device as tables.
 *
 * A VMStateDescription names a version and lists fields; the fields of a
 * struct are put one after another, without padding or names. The macros
 * that make fields are in vmstate-fields.h, which this header includes.
 *
 *   static const VMStateDescription vmstate_foo = {
 *       .name = "foo",
 *       .version_id = 2,
 *       .minimum_version_id = 1,
 *       .post_load = foo_post_load,
 *       .fields = (const VMStateField[]){
 *           VMSTATE_UINT32(ctrl, FooState),
 *           VMSTATE_UINT8_ARRAY(regs, FooState, 16),
 *           VMSTATE_UINT32_V(mask, FooState, 2),
 *           VMSTATE_END_OF_LIST()
 *       },
 *       .subsections = (const VMStateDescription *const[]){
 *           &vmstate_foo_fifo,
 *           NULL
 *       },
 *   };
 *
 * The stream is hostile. What the loader guarantees: it writes only into the
 * memory that fields describe, and never more elements than there is room
 * for (see VMStateField.num_max). What it can not know is which values a
 * device may have: a device checks every index, count and enumeration that
 * it uses later, in post_load or with VMSTATE_VALIDATE, and fails the load.
 *
 * Source: the documented QEMU migration stream (VMState wire rules).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_VMSTATE_H
#define MIGRATION_VMSTATE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "migration/qemu-file-types.h"
#include "util/typedefs.h"

typedef struct JSONWriter JSONWriter;
typedef struct VMStateConstants VMStateConstants;
typedef struct VMStateInfo VMStateInfo;
typedef struct VMStateField VMStateField;
typedef struct VMStateDescription VMStateDescription;

/* Most bytes that the load of one allocated field may ask for. */
#define VMSTATE_ALLOC_MAX (64 * 1024 * 1024)
/* Most elements of one list or tree that is loaded. */
#define VMSTATE_LIST_MAX (1024 * 1024)
/* Longest name of a subsection: its length is one byte. */
#define VMSTATE_NAME_MAX 255
/* Most subsections of one description. */
#define VMSTATE_SUBSECTIONS_MAX 64

/**
 * VMStateInfo: how one kind of value stands on the stream.
 * @name: the type's name in the JSON description
 * @get: read it to @pv. @size: bytes of an element in memory
 * @put: write it from @pv. @vmdesc: (nullable) description that an info with
 *       a structure of its own adds to; simple ones ignore it
 *
 * Both return 0, or negative errno; qemu_file_set_error_obj() may say why.
 */
struct VMStateInfo {
    const char *name;
    int (*get)(QEMUFile *f, void *pv, size_t size, const VMStateField *field);
    int (*put)(QEMUFile *f, void *pv, size_t size, const VMStateField *field,
               JSONWriter *vmdesc);
};

typedef enum VMStateFlags {
    VMS_SINGLE = 0x001,             /* the value stands at offset */
    VMS_POINTER = 0x002,            /* at offset is a pointer to the first */
    VMS_ARRAY = 0x004,              /* num elements */
    VMS_STRUCT = 0x008,             /* each element is a vmsd's struct */
    VMS_VARRAY_INT32 = 0x010,       /* their number is an int32 at num_offset */
    VMS_BUFFER = 0x020,             /* raw bytes of fixed size */
    VMS_ARRAY_OF_POINTER = 0x040,   /* each element is a pointer to the value */
    VMS_VARRAY_UINT16 = 0x080,      /* number: a uint16 at num_offset */
    VMS_VBUFFER = 0x100,            /* size: an int32 at size_offset */
    VMS_MULTIPLY = 0x200,           /* that size times .size */
    VMS_VARRAY_UINT8 = 0x400,       /* number: a uint8 at num_offset */
    VMS_VARRAY_UINT32 = 0x800,      /* number: a uint32 at num_offset */
    VMS_MUST_EXIST = 0x1000,        /* field_exists() false fails the load */
    VMS_ALLOC = 0x2000,             /* loading allocates (replaces) *pointer */
    VMS_MULTIPLY_ELEMENTS = 0x4000, /* that number times .num */
    VMS_VSTRUCT = 0x8000,           /* a struct with struct_version_id */
    VMS_END = 0x10000,              /* the last entry of a table */
} VMStateFlags;

/**
 * VMStateField: one field; made by the macros of vmstate-fields.h.
 * @num_max: of a varray: most elements that there is room for. 0: as many as
 *           the count said before the load of this struct began. Of a
 *           vbuffer or bitmap the same in bytes (bits)
 */
struct VMStateField {
    const char *name;
    const char *err_hint;
    size_t offset;
    size_t size;
    size_t start;
    int num;
    size_t num_max;
    size_t num_offset;
    size_t size_offset;
    const VMStateInfo *info;
    VMStateFlags flags;
    const VMStateDescription *vmsd;
    int version_id;
    int struct_version_id;
    bool (*field_exists)(void *opaque, int version_id);
};

/* Order among devices: higher ones are saved and loaded first. */
typedef enum MigrationPriority {
    MIG_PRI_DEFAULT = 0,
    MIG_PRI_IOMMU,      /* before PCI devices */
    MIG_PRI_PCI_BUS,    /* before IOMMU */
    MIG_PRI_VIRTIO_MEM, /* before IOMMU */
    MIG_PRI_GICV3_ITS,  /* before PCI devices */
    MIG_PRI_GICV3,      /* before its ITS */
    MIG_PRI_MAX,
} MigrationPriority;

/**
 * VMStateDescription:
 * @name: of the section or subsection. A subsection's begins with its
 *        parent's and "/"
 * @unmigratable: the device cannot migrate: qdev_realize() adds a blocker
 * @version_id: written, and the newest that can be loaded
 * @minimum_version_id: oldest that can be loaded
 * @priority: order among the sections
 * @pre_load, @post_load, @pre_save, @post_save: (optional) hooks around the
 *     fields. Non-zero fails; post_load runs after fields and subsections
 * @pre_load_errp, @post_load_errp, @pre_save_errp: (optional) the same with
 *     a reason; false fails. At most one of each pair
 * @needed: (optional) whether this subsection is sent now
 * @dev_unplug_pending: (optional) of a failover primary device
 * @constants: (optional) what must be the same on the other side, see
 *     migration/constants.h; under the machine lock, the guest may run
 * @fields: ends with VMSTATE_END_OF_LIST()
 * @subsections: (nullable) ends with NULL
 *
 * Hooks run under the machine lock with the guest stopped; pre_save only
 * reads the hardware's side (a source that goes on after a failed migration
 * must not notice it).
 */
struct VMStateDescription {
    const char *name;
    bool unmigratable;
    int version_id;
    int minimum_version_id;
    MigrationPriority priority;
    int (*pre_load)(void *opaque);
    bool (*pre_load_errp)(void *opaque, Error **errp);
    int (*post_load)(void *opaque, int version_id);
    bool (*post_load_errp)(void *opaque, int version_id, Error **errp);
    int (*pre_save)(void *opaque);
    bool (*pre_save_errp)(void *opaque, Error **errp);
    int (*post_save)(void *opaque);
    bool (*needed)(void *opaque);
    bool (*dev_unplug_pending)(void *opaque);
    void (*constants)(void *opaque, VMStateConstants *c);
    const VMStateField *fields;
    const VMStateDescription *const *subsections;
};

/* A double, or its 64 bits: VMSTATE_CPUDOUBLE_ARRAY. */
typedef union CPU_DoubleU {
    double d;
    uint64_t ll;
} CPU_DoubleU;

extern const VMStateInfo vmstate_info_bool;
extern const VMStateInfo vmstate_info_int8;
extern const VMStateInfo vmstate_info_int16;
extern const VMStateInfo vmstate_info_int32;
extern const VMStateInfo vmstate_info_int64;
extern const VMStateInfo vmstate_info_uint8;
extern const VMStateInfo vmstate_info_uint16;
extern const VMStateInfo vmstate_info_uint32;
extern const VMStateInfo vmstate_info_uint64;
/* The stream's value must be the one that is there already. */
extern const VMStateInfo vmstate_info_uint8_equal;
extern const VMStateInfo vmstate_info_uint16_equal;
extern const VMStateInfo vmstate_info_int32_equal;
extern const VMStateInfo vmstate_info_int64_equal;
extern const VMStateInfo vmstate_info_uint32_equal;
extern const VMStateInfo vmstate_info_uint64_equal;
/* Not negative, and not above the value that is there already. */
extern const VMStateInfo vmstate_info_int32_le;
/* A marker byte in place of a null pointer. */
#define VMS_NULLPTR_MARKER 0x30 /* '0' */
extern const VMStateInfo vmstate_info_nullptr;
extern const VMStateInfo vmstate_info_cpudouble;
extern const VMStateInfo vmstate_info_timer;
extern const VMStateInfo vmstate_info_buffer;
extern const VMStateInfo vmstate_info_unused_buffer;
extern const VMStateInfo vmstate_info_tmp;
extern const VMStateInfo vmstate_info_bitmap;
extern const VMStateInfo vmstate_info_qtailq;
extern const VMStateInfo vmstate_info_gtree;
extern const VMStateInfo vmstate_info_qlist;

/**
 * vmstate_save_state:
 * @opaque: (in) the struct that @vmsd describes
 * @vmdesc: (nullable) JSON object that gets the description of what was sent
 *
 * Run the hooks, put fields and subsections.
 *
 * Returns: 0; negative errno, and the reason in @f.
 */
int vmstate_save_state(QEMUFile *f, const VMStateDescription *vmsd,
                       void *opaque, JSONWriter *vmdesc);
/** vmstate_save_state_v: in the form of version @version_id. */
int vmstate_save_state_v(QEMUFile *f, const VMStateDescription *vmsd,
                         void *opaque, JSONWriter *vmdesc, int version_id);

/**
 * vmstate_load_state:
 * @version_id: of the stream; any value
 *
 * Run the hooks, get fields and subsections.
 *
 * Returns: 0; negative errno, and the reason in @f: @opaque is then partly
 * loaded and must be reset before use.
 * Errors: version out of range; a count above the room; a hook or a field
 * refuses; unknown subsection; the stream ends.
 */
int vmstate_load_state(QEMUFile *f, const VMStateDescription *vmsd,
                       void *opaque, int version_id);

/** vmstate_section_needed: would this subsection be sent now? */
bool vmstate_section_needed(const VMStateDescription *vmsd, void *opaque);

#include "migration/vmstate-fields.h" /* IWYU pragma: export */

#endif
