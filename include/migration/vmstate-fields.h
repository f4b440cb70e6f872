/*
 * The macros that make VMStateFields; part of vmstate.h.
 *
 * Letters of the parameters: _f member, _s struct type, _n number of
 * elements or member that holds it, _v first version with the field, _test
 * field_exists(), _info VMStateInfo, _vmsd VMStateDescription, _type type of
 * an element.
 *
 * The type of a member is checked against what the macro puts: a mismatch
 * is a build error ("size of array is negative").
 *
 * A member that is an array bounds the number of elements that a VARRAY may
 * load. Where the elements stand behind a pointer and their number comes
 * from the stream, the number that stood in the count member before the load
 * is the bound (allocate first, or use an _ALLOC form).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_VMSTATE_FIELDS_H
#define MIGRATION_VMSTATE_FIELDS_H

#include "migration/vmstate.h"
#include "util/queue.h"

/* -- where a member is, with its type checked ------------------------------- */

#define VMSTATE_MEMBER_(_s, _f) (((_s *)0)->_f)
/* 0; a build error unless the two types are the same */
#define VMSTATE_SAME_TYPE_(_t1, _t2)                                           \
    (sizeof(char[__builtin_types_compatible_p(_t1, _t2) ? 1 : -1]) - 1)

#define vmstate_offset_value(_s, _f, _type)                                    \
    (offsetof(_s, _f) +                                                        \
     VMSTATE_SAME_TYPE_(__typeof__(VMSTATE_MEMBER_(_s, _f)), _type))
#define vmstate_offset_pointer(_s, _f, _type)                                  \
    (offsetof(_s, _f) +                                                        \
     VMSTATE_SAME_TYPE_(__typeof__(VMSTATE_MEMBER_(_s, _f)), _type *))
#define vmstate_offset_array(_s, _f, _type, _n)                                \
    (offsetof(_s, _f) +                                                        \
     VMSTATE_SAME_TYPE_(__typeof__(VMSTATE_MEMBER_(_s, _f)), _type[_n]))
#define vmstate_offset_2darray(_s, _f, _type, _n1, _n2)                        \
    (offsetof(_s, _f) +                                                        \
     VMSTATE_SAME_TYPE_(__typeof__(VMSTATE_MEMBER_(_s, _f)), _type[_n1][_n2]))
#define vmstate_offset_sub_array(_s, _f, _type, _start)                        \
    (vmstate_offset_varray(_s, _f, _type) + (_start) * sizeof(_type))
#define vmstate_offset_varray(_s, _f, _type)                                   \
    (offsetof(_s, _f) +                                                        \
     VMSTATE_SAME_TYPE_(__typeof__(VMSTATE_MEMBER_(_s, _f)[0]), _type))
#define vmstate_offset_buffer(_s, _f)                                          \
    (offsetof(_s, _f) +                                                        \
     (sizeof(char[sizeof(VMSTATE_MEMBER_(_s, _f)[0]) == 1 ? 1 : -1]) - 1))
/* elements of an array member */
#define VMSTATE_ROOM_(_s, _f)                                                  \
    (sizeof(VMSTATE_MEMBER_(_s, _f)) / sizeof(VMSTATE_MEMBER_(_s, _f)[0]))

/* -- the forms that all others are made of ---------------------------------- */

#define VMSTATE_SINGLE_TEST(_f, _s, _test, _v, _info, _type)                   \
    {                                                                          \
        .name = #_f, .version_id = (_v), .field_exists = (_test),              \
        .size = sizeof(_type), .info = &(_info), .flags = VMS_SINGLE,          \
        .offset = vmstate_offset_value(_s, _f, _type),                         \
    }
#define VMSTATE_SINGLE_FULL(_f, _s, _test, _v, _info, _type, _hint)            \
    {                                                                          \
        .name = #_f, .err_hint = (_hint), .version_id = (_v),                  \
        .field_exists = (_test), .size = sizeof(_type), .info = &(_info),      \
        .flags = VMS_SINGLE, .offset = vmstate_offset_value(_s, _f, _type),    \
    }
/* Nothing on the stream: the load fails unless _test says true here. */
#define VMSTATE_VALIDATE(_name, _test)                                         \
    {                                                                          \
        .name = (_name), .field_exists = (_test),                              \
        .flags = (VMStateFlags)(VMS_ARRAY | VMS_MUST_EXIST), .num = 0,         \
    }
#define VMSTATE_POINTER(_f, _s, _v, _info, _type)                              \
    {                                                                          \
        .name = #_f, .version_id = (_v), .info = &(_info),                     \
        .size = sizeof(_type),                                                 \
        .flags = (VMStateFlags)(VMS_SINGLE | VMS_POINTER),                     \
        .offset = vmstate_offset_value(_s, _f, _type),                         \
    }
#define VMSTATE_POINTER_TEST(_f, _s, _test, _info, _type)                      \
    {                                                                          \
        .name = #_f, .info = &(_info), .field_exists = (_test),                \
        .size = sizeof(_type),                                                 \
        .flags = (VMStateFlags)(VMS_SINGLE | VMS_POINTER),                     \
        .offset = vmstate_offset_value(_s, _f, _type),                         \
    }
#define VMSTATE_ARRAY(_f, _s, _n, _v, _info, _type)                            \
    {                                                                          \
        .name = #_f, .version_id = (_v), .num = (_n), .info = &(_info),        \
        .size = sizeof(_type), .flags = VMS_ARRAY,                             \
        .offset = vmstate_offset_array(_s, _f, _type, _n),                     \
    }
#define VMSTATE_ARRAY_TEST(_f, _s, _n, _test, _info, _type)                    \
    {                                                                          \
        .name = #_f, .field_exists = (_test), .num = (_n), .info = &(_info),   \
        .size = sizeof(_type), .flags = VMS_ARRAY,                             \
        .offset = vmstate_offset_array(_s, _f, _type, _n),                     \
    }
#define VMSTATE_SUB_ARRAY(_f, _s, _start, _n, _v, _info, _type)                \
    {                                                                          \
        .name = #_f, .version_id = (_v), .num = (_n), .info = &(_info),        \
        .size = sizeof(_type), .flags = VMS_ARRAY,                             \
        .offset = vmstate_offset_sub_array(_s, _f, _type, _start),             \
    }
#define VMSTATE_2DARRAY(_f, _s, _n1, _n2, _v, _info, _type)                    \
    VMSTATE_2DARRAY_TEST(_f, _s, _n1, _n2, NULL, _v, _info, _type)
#define VMSTATE_2DARRAY_TEST(_f, _s, _n1, _n2, _test, _v, _info, _type)        \
    {                                                                          \
        .name = #_f, .version_id = (_v), .field_exists = (_test),              \
        .num = (_n1) * (_n2), .info = &(_info), .size = sizeof(_type),         \
        .flags = VMS_ARRAY,                                                    \
        .offset = vmstate_offset_2darray(_s, _f, _type, _n1, _n2),             \
    }

/* -- arrays whose number of elements is a member ---------------------------- */

/* Elements: member _n, a uint32, times _multiply; in an array member. */
#define VMSTATE_VARRAY_MULTIPLY(_f, _s, _n, _multiply, _info, _type)           \
    {                                                                          \
        .name = #_f, .num_offset = vmstate_offset_value(_s, _n, uint32_t),     \
        .num = (_multiply), .num_max = VMSTATE_ROOM_(_s, _f),                  \
        .info = &(_info), .size = sizeof(_type),                               \
        .flags = (VMStateFlags)(VMS_VARRAY_UINT32 | VMS_MULTIPLY_ELEMENTS),    \
        .offset = vmstate_offset_varray(_s, _f, _type),                        \
    }
#define VMSTATE_VARRAY_PTR_(_f, _s, _n, _ntype, _flag, _v, _info, _type)       \
    {                                                                          \
        .name = #_f, .version_id = (_v),                                       \
        .num_offset = vmstate_offset_value(_s, _n, _ntype), .info = &(_info),  \
        .size = sizeof(_type), .flags = (VMStateFlags)((_flag) | VMS_POINTER), \
        .offset = vmstate_offset_pointer(_s, _f, _type),                       \
    }
#define VMSTATE_VARRAY_ALLOC_(_f, _s, _n, _ntype, _flag, _v, _info, _type,     \
                              _max)                                            \
    {                                                                          \
        .name = #_f, .version_id = (_v), .num_max = (_max),                    \
        .num_offset = vmstate_offset_value(_s, _n, _ntype), .info = &(_info),  \
        .size = sizeof(_type),                                                 \
        .flags = (VMStateFlags)((_flag) | VMS_POINTER | VMS_ALLOC),            \
        .offset = vmstate_offset_pointer(_s, _f, _type),                       \
    }
#define VMSTATE_VARRAY_INT32(_f, _s, _n, _v, _info, _type)                     \
    VMSTATE_VARRAY_PTR_(_f, _s, _n, int32_t, VMS_VARRAY_INT32, _v, _info, _type)
#define VMSTATE_VARRAY_UINT32(_f, _s, _n, _v, _info, _type)                    \
    VMSTATE_VARRAY_PTR_(_f, _s, _n, uint32_t, VMS_VARRAY_UINT32, _v, _info,    \
                        _type)
/* The load allocates; at most _max elements. */
#define VMSTATE_VARRAY_UINT32_ALLOC_MAX(_f, _s, _n, _v, _info, _type, _max)    \
    VMSTATE_VARRAY_ALLOC_(_f, _s, _n, uint32_t, VMS_VARRAY_UINT32, _v, _info,  \
                          _type, _max)
#define VMSTATE_VARRAY_UINT32_ALLOC(_f, _s, _n, _v, _info, _type)              \
    VMSTATE_VARRAY_UINT32_ALLOC_MAX(_f, _s, _n, _v, _info, _type,              \
                                    VMSTATE_ALLOC_MAX / sizeof(_type))
#define VMSTATE_VARRAY_UINT16_ALLOC(_f, _s, _n, _v, _info, _type)              \
    VMSTATE_VARRAY_ALLOC_(_f, _s, _n, uint16_t, VMS_VARRAY_UINT16, _v, _info,  \
                          _type, VMSTATE_ALLOC_MAX / sizeof(_type))
/* In an array member; number: a uint16. */
#define VMSTATE_VARRAY_UINT16_UNSAFE(_f, _s, _n, _v, _info, _type)             \
    {                                                                          \
        .name = #_f, .version_id = (_v),                                       \
        .num_offset = vmstate_offset_value(_s, _n, uint16_t),                  \
        .num_max = VMSTATE_ROOM_(_s, _f), .info = &(_info),                    \
        .size = sizeof(_type), .flags = VMS_VARRAY_UINT16,                     \
        .offset = vmstate_offset_varray(_s, _f, _type),                        \
    }

/* -- structs ---------------------------------------------------------------- */

#define VMSTATE_VSTRUCT_TEST(_f, _s, _test, _v, _vmsd, _type, _struct_v)       \
    {                                                                          \
        .name = #_f, .version_id = (_v), .struct_version_id = (_struct_v),     \
        .field_exists = (_test), .vmsd = &(_vmsd), .size = sizeof(_type),      \
        .flags = VMS_VSTRUCT, .offset = vmstate_offset_value(_s, _f, _type),   \
    }
#define VMSTATE_VSTRUCT_V(_f, _s, _v, _vmsd, _type, _struct_v)                 \
    VMSTATE_VSTRUCT_TEST(_f, _s, NULL, _v, _vmsd, _type, _struct_v)
#define VMSTATE_VSTRUCT(_f, _s, _vmsd, _type, _struct_v)                       \
    VMSTATE_VSTRUCT_V(_f, _s, 0, _vmsd, _type, _struct_v)
#define VMSTATE_STRUCT_TEST(_f, _s, _test, _v, _vmsd, _type)                   \
    {                                                                          \
        .name = #_f, .version_id = (_v), .field_exists = (_test),              \
        .vmsd = &(_vmsd), .size = sizeof(_type), .flags = VMS_STRUCT,          \
        .offset = vmstate_offset_value(_s, _f, _type),                         \
    }
#define VMSTATE_STRUCT(_f, _s, _v, _vmsd, _type)                               \
    VMSTATE_STRUCT_TEST(_f, _s, NULL, _v, _vmsd, _type)
/* The member is a pointer to the struct, which exists on both sides;
 * _type is the struct's. */
#define VMSTATE_STRUCT_POINTER_TEST_V(_f, _s, _test, _v, _vmsd, _type)         \
    {                                                                          \
        .name = #_f, .version_id = (_v), .field_exists = (_test),              \
        .vmsd = &(_vmsd), .size = sizeof(_type *),                             \
        .flags = (VMStateFlags)(VMS_STRUCT | VMS_POINTER),                     \
        .offset = vmstate_offset_pointer(_s, _f, _type),                       \
    }
#define VMSTATE_STRUCT_POINTER_V(_f, _s, _v, _vmsd, _type)                     \
    VMSTATE_STRUCT_POINTER_TEST_V(_f, _s, NULL, _v, _vmsd, _type)
#define VMSTATE_STRUCT_POINTER_TEST(_f, _s, _test, _vmsd, _type)               \
    VMSTATE_STRUCT_POINTER_TEST_V(_f, _s, _test, 0, _vmsd, _type)
#define VMSTATE_STRUCT_POINTER(_f, _s, _vmsd, _type)                           \
    VMSTATE_STRUCT_POINTER_V(_f, _s, 0, _vmsd, _type)

/* Arrays of pointers; _type is the pointer type. A null element is sent as
 * a marker and must be null on the other side too. */
#define VMSTATE_ARRAY_OF_POINTER(_f, _s, _n, _v, _info, _type)                 \
    {                                                                          \
        .name = #_f, .version_id = (_v), .num = (_n), .info = &(_info),        \
        .size = sizeof(_type),                                                 \
        .flags = (VMStateFlags)(VMS_ARRAY | VMS_ARRAY_OF_POINTER),             \
        .offset = vmstate_offset_array(_s, _f, _type, _n),                     \
    }
#define VMSTATE_ARRAY_OF_POINTER_TO_STRUCT(_f, _s, _n, _v, _vmsd, _type)       \
    {                                                                          \
        .name = #_f, .version_id = (_v), .num = (_n), .vmsd = &(_vmsd),        \
        .size = sizeof(_type *),                                               \
        .flags =                                                               \
            (VMStateFlags)(VMS_ARRAY | VMS_STRUCT | VMS_ARRAY_OF_POINTER),     \
        .offset = vmstate_offset_array(_s, _f, _type *, _n),                   \
    }

#define VMSTATE_STRUCT_SUB_ARRAY(_f, _s, _start, _n, _v, _vmsd, _type)         \
    {                                                                          \
        .name = #_f, .version_id = (_v), .num = (_n), .vmsd = &(_vmsd),        \
        .size = sizeof(_type),                                                 \
        .flags = (VMStateFlags)(VMS_STRUCT | VMS_ARRAY),                       \
        .offset = vmstate_offset_sub_array(_s, _f, _type, _start),             \
    }
#define VMSTATE_STRUCT_ARRAY_TEST(_f, _s, _n, _test, _v, _vmsd, _type)         \
    {                                                                          \
        .name = #_f, .version_id = (_v), .num = (_n), .vmsd = &(_vmsd),        \
        .field_exists = (_test), .size = sizeof(_type),                        \
        .flags = (VMStateFlags)(VMS_STRUCT | VMS_ARRAY),                       \
        .offset = vmstate_offset_array(_s, _f, _type, _n),                     \
    }
#define VMSTATE_STRUCT_ARRAY(_f, _s, _n, _v, _vmsd, _type)                     \
    VMSTATE_STRUCT_ARRAY_TEST(_f, _s, _n, NULL, _v, _vmsd, _type)
#define VMSTATE_STRUCT_2DARRAY_TEST(_f, _s, _n1, _n2, _test, _v, _vmsd, _type) \
    {                                                                          \
        .name = #_f, .version_id = (_v), .num = (_n1) * (_n2),                 \
        .vmsd = &(_vmsd), .field_exists = (_test), .size = sizeof(_type),      \
        .flags = (VMStateFlags)(VMS_STRUCT | VMS_ARRAY),                       \
        .offset = vmstate_offset_2darray(_s, _f, _type, _n1, _n2),             \
    }
#define VMSTATE_STRUCT_2DARRAY(_f, _s, _n1, _n2, _v, _vmsd, _type)             \
    VMSTATE_STRUCT_2DARRAY_TEST(_f, _s, _n1, _n2, NULL, _v, _vmsd, _type)

/* An array member of structs; as many as member _n says. */
#define VMSTATE_STRUCT_VARRAY_IN_(_f, _s, _n, _ntype, _flag, _v, _vmsd, _type) \
    {                                                                          \
        .name = #_f, .version_id = (_v),                                       \
        .num_offset = vmstate_offset_value(_s, _n, _ntype),                    \
        .num_max = VMSTATE_ROOM_(_s, _f), .vmsd = &(_vmsd),                    \
        .size = sizeof(_type), .flags = (VMStateFlags)(VMS_STRUCT | (_flag)),  \
        .offset = vmstate_offset_varray(_s, _f, _type),                        \
    }
#define VMSTATE_STRUCT_VARRAY_UINT8(_f, _s, _n, _v, _vmsd, _type)              \
    VMSTATE_STRUCT_VARRAY_IN_(_f, _s, _n, uint8_t, VMS_VARRAY_UINT8, _v,       \
                              _vmsd, _type)
#define VMSTATE_STRUCT_VARRAY_UINT16(_f, _s, _n, _v, _vmsd, _type)             \
    VMSTATE_STRUCT_VARRAY_IN_(_f, _s, _n, uint16_t, VMS_VARRAY_UINT16, _v,     \
                              _vmsd, _type)
#define VMSTATE_STRUCT_VARRAY_INT32(_f, _s, _n, _v, _vmsd, _type)              \
    VMSTATE_STRUCT_VARRAY_IN_(_f, _s, _n, int32_t, VMS_VARRAY_INT32, _v,       \
                              _vmsd, _type)
#define VMSTATE_STRUCT_VARRAY_UINT32(_f, _s, _n, _v, _vmsd, _type)             \
    VMSTATE_STRUCT_VARRAY_IN_(_f, _s, _n, uint32_t, VMS_VARRAY_UINT32, _v,     \
                              _vmsd, _type)
/* The member points to the structs. */
#define VMSTATE_STRUCT_VARRAY_PTR_(_f, _s, _n, _ntype, _flag, _v, _vmsd,       \
                                   _type)                                      \
    {                                                                          \
        .name = #_f, .version_id = (_v),                                       \
        .num_offset = vmstate_offset_value(_s, _n, _ntype), .vmsd = &(_vmsd),  \
        .size = sizeof(_type),                                                 \
        .flags = (VMStateFlags)(VMS_POINTER | VMS_STRUCT | (_flag)),           \
        .offset = vmstate_offset_pointer(_s, _f, _type),                       \
    }
#define VMSTATE_STRUCT_VARRAY_POINTER_INT32(_f, _s, _n, _vmsd, _type)          \
    VMSTATE_STRUCT_VARRAY_PTR_(_f, _s, _n, int32_t, VMS_VARRAY_INT32, 0,       \
                               _vmsd, _type)
#define VMSTATE_STRUCT_VARRAY_POINTER_UINT32(_f, _s, _n, _vmsd, _type)         \
    VMSTATE_STRUCT_VARRAY_PTR_(_f, _s, _n, uint32_t, VMS_VARRAY_UINT32, 0,     \
                               _vmsd, _type)
#define VMSTATE_STRUCT_VARRAY_POINTER_UINT16(_f, _s, _n, _vmsd, _type)         \
    VMSTATE_STRUCT_VARRAY_PTR_(_f, _s, _n, uint16_t, VMS_VARRAY_UINT16, 0,     \
                               _vmsd, _type)
#define VMSTATE_STRUCT_VARRAY_POINTER_UINT8(_f, _s, _n, _vmsd, _type)          \
    VMSTATE_STRUCT_VARRAY_PTR_(_f, _s, _n, uint8_t, VMS_VARRAY_UINT8, 0,       \
                               _vmsd, _type)
/* The load allocates the structs, zeroed; number: an int32, at most _max. */
#define VMSTATE_STRUCT_VARRAY_ALLOC(_f, _s, _n, _v, _vmsd, _type)              \
    VMSTATE_STRUCT_VARRAY_ALLOC_MAX(_f, _s, _n, _v, _vmsd, _type,              \
                                    VMSTATE_ALLOC_MAX / sizeof(_type))
#define VMSTATE_STRUCT_VARRAY_ALLOC_MAX(_f, _s, _n, _v, _vmsd, _type, _max)    \
    {                                                                          \
        .num_max = (_max), .name = #_f, .version_id = (_v), .vmsd = &(_vmsd),  \
        .num_offset = vmstate_offset_value(_s, _n, int32_t),                   \
        .size = sizeof(_type),                                                 \
        .flags = (VMStateFlags)(VMS_STRUCT | VMS_VARRAY_INT32 | VMS_ALLOC |    \
                                VMS_POINTER),                                  \
        .offset = vmstate_offset_pointer(_s, _f, _type),                       \
    }

/* -- raw bytes -------------------------------------------------------------- */

#define VMSTATE_STATIC_BUFFER(_f, _s, _v, _test, _start, _size)                \
    {                                                                          \
        .name = #_f, .version_id = (_v), .field_exists = (_test),              \
        .size = (_size) - (_start), .info = &vmstate_info_buffer,              \
        .flags = VMS_BUFFER,                                                   \
        .offset = vmstate_offset_buffer(_s, _f) + (_start),                    \
    }
#define VMSTATE_BUFFER_V(_f, _s, _v)                                           \
    VMSTATE_STATIC_BUFFER(_f, _s, _v, NULL, 0, sizeof(VMSTATE_MEMBER_(_s, _f)))
#define VMSTATE_BUFFER(_f, _s) VMSTATE_BUFFER_V(_f, _s, 0)
#define VMSTATE_PARTIAL_BUFFER(_f, _s, _size)                                  \
    VMSTATE_STATIC_BUFFER(_f, _s, 0, NULL, 0, _size)
#define VMSTATE_BUFFER_START_MIDDLE_V(_f, _s, _start, _v)                      \
    VMSTATE_STATIC_BUFFER(_f, _s, _v, NULL, _start,                            \
                          sizeof(VMSTATE_MEMBER_(_s, _f)))
#define VMSTATE_BUFFER_START_MIDDLE(_f, _s, _start)                            \
    VMSTATE_BUFFER_START_MIDDLE_V(_f, _s, _start, 0)
#define VMSTATE_BUFFER_TEST(_f, _s, _test)                                     \
    VMSTATE_STATIC_BUFFER(_f, _s, 0, _test, 0, sizeof(VMSTATE_MEMBER_(_s, _f)))
/* The member points to bytes; as many as member _size says. */
#define VMSTATE_VBUFFER_(_f, _s, _v, _test, _size, _stype, _flags, _mul, _max) \
    {                                                                          \
        .name = #_f, .version_id = (_v), .field_exists = (_test),              \
        .size_offset = vmstate_offset_value(_s, _size, _stype),                \
        .size = (_mul), .num_max = (_max), .info = &vmstate_info_buffer,       \
        .flags = (VMStateFlags)(VMS_VBUFFER | VMS_POINTER | (_flags)),         \
        .offset = offsetof(_s, _f),                                            \
    }
#define VMSTATE_VBUFFER_MULTIPLY(_f, _s, _v, _test, _size, _multiply)          \
    VMSTATE_VBUFFER_(_f, _s, _v, _test, _size, uint32_t, VMS_MULTIPLY,         \
                     _multiply, 0)
#define VMSTATE_VBUFFER(_f, _s, _v, _test, _size)                              \
    VMSTATE_VBUFFER_(_f, _s, _v, _test, _size, int32_t, 0, 0, 0)
#define VMSTATE_VBUFFER_UINT32(_f, _s, _v, _test, _size)                       \
    VMSTATE_VBUFFER_(_f, _s, _v, _test, _size, uint32_t, 0, 0, 0)
/* _max: bytes that there is room for, whatever the size member says. */
#define VMSTATE_VBUFFER_UINT32_MAX(_f, _s, _v, _test, _size, _max)             \
    VMSTATE_VBUFFER_(_f, _s, _v, _test, _size, uint32_t, 0, 0, _max)
#define VMSTATE_VBUFFER_ALLOC_UINT32(_f, _s, _v, _test, _size)                 \
    VMSTATE_VBUFFER_ALLOC_UINT32_MAX(_f, _s, _v, _test, _size,                 \
                                     VMSTATE_ALLOC_MAX)
/* _max: bytes that a load allocates at most. */
#define VMSTATE_VBUFFER_ALLOC_UINT32_MAX(_f, _s, _v, _test, _size, _max)       \
    VMSTATE_VBUFFER_(_f, _s, _v, _test, _size, uint32_t, VMS_ALLOC, 0, _max)
#define VMSTATE_PARTIAL_VBUFFER(_f, _s, _size)                                 \
    VMSTATE_VBUFFER(_f, _s, 0, NULL, _size)
#define VMSTATE_PARTIAL_VBUFFER_UINT32(_f, _s, _size)                          \
    VMSTATE_VBUFFER_UINT32(_f, _s, 0, NULL, _size)

/* _size bytes at the member, by an info of the caller's. */
#define VMSTATE_BUFFER_UNSAFE_INFO_TEST(_f, _s, _test, _v, _info, _size)       \
    {                                                                          \
        .name = #_f, .version_id = (_v), .field_exists = (_test),              \
        .size = (_size), .info = &(_info), .flags = VMS_BUFFER,                \
        .offset = offsetof(_s, _f),                                            \
    }
#define VMSTATE_BUFFER_UNSAFE_INFO(_f, _s, _v, _info, _size)                   \
    VMSTATE_BUFFER_UNSAFE_INFO_TEST(_f, _s, NULL, _v, _info, _size)
#define VMSTATE_BUFFER_UNSAFE(_f, _s, _v, _size)                               \
    VMSTATE_BUFFER_UNSAFE_INFO(_f, _s, _v, vmstate_info_buffer, _size)
#define VMSTATE_BUFFER_POINTER_UNSAFE(_f, _s, _v, _size)                       \
    {                                                                          \
        .name = #_f, .version_id = (_v), .size = (_size),                      \
        .info = &vmstate_info_buffer,                                          \
        .flags = (VMStateFlags)(VMS_BUFFER | VMS_POINTER),                     \
        .offset = offsetof(_s, _f),                                            \
    }

/* Bytes that nobody uses any more: zeros when sent, dropped when loaded. */
#define VMSTATE_UNUSED_BUFFER(_test, _v, _size)                                \
    {                                                                          \
        .name = "unused", .field_exists = (_test), .version_id = (_v),         \
        .size = (_size), .info = &vmstate_info_unused_buffer,                  \
        .flags = VMS_BUFFER,                                                   \
    }
#define VMSTATE_UNUSED_V(_v, _size)       VMSTATE_UNUSED_BUFFER(NULL, _v, _size)
#define VMSTATE_UNUSED(_size)             VMSTATE_UNUSED_V(0, _size)
#define VMSTATE_UNUSED_TEST(_test, _size) VMSTATE_UNUSED_BUFFER(_test, 0, _size)
/* Member _n, a uint32, times _size bytes; at most VMSTATE_ALLOC_MAX. */
#define VMSTATE_UNUSED_VARRAY_UINT32(_s, _test, _v, _n, _size)                 \
    {                                                                          \
        .name = "unused", .field_exists = (_test), .version_id = (_v),         \
        .num_offset = vmstate_offset_value(_s, _n, uint32_t),                  \
        .num_max = VMSTATE_ALLOC_MAX / (_size), .size = (_size),               \
        .info = &vmstate_info_unused_buffer, .flags = VMS_VARRAY_UINT32,       \
    }

/* -- containers and temporaries ---------------------------------------------- */

/*
 * The fields of _vmsd, whose struct is a temporary _tmp_type that lives for
 * the load or save only. Its first member is `_s *parent`, set before the
 * hooks of _vmsd run.
 */
#define VMSTATE_WITH_TMP_TEST(_s, _test, _tmp_type, _vmsd)                     \
    {                                                                          \
        .name = "tmp", .field_exists = (_test),                                \
        .size =                                                                \
            sizeof(_tmp_type) + offsetof(_tmp_type, parent) * 0 +              \
            (sizeof(char[offsetof(_tmp_type, parent) == 0 ? 1 : -1]) - 1) +    \
            VMSTATE_SAME_TYPE_(__typeof__(VMSTATE_MEMBER_(_tmp_type, parent)), \
                               _s *),                                          \
        .vmsd = &(_vmsd), .info = &vmstate_info_tmp,                           \
    }
#define VMSTATE_WITH_TMP(_s, _tmp_type, _vmsd)                                 \
    VMSTATE_WITH_TMP_TEST(_s, NULL, _tmp_type, _vmsd)
/* The member points to a bitmap of as many bits as member _n, an int32. */
#define VMSTATE_BITMAP_TEST(_f, _s, _test, _v, _n)                             \
    {                                                                          \
        .name = #_f, .version_id = (_v), .field_exists = (_test),              \
        .size_offset = vmstate_offset_value(_s, _n, int32_t),                  \
        .info = &vmstate_info_bitmap,                                          \
        .flags = (VMStateFlags)(VMS_VBUFFER | VMS_POINTER),                    \
        .offset = offsetof(_s, _f),                                            \
    }
#define VMSTATE_BITMAP(_f, _s, _v, _n) VMSTATE_BITMAP_TEST(_f, _s, NULL, _v, _n)
/*
 * A QTAILQ (QLIST) member; _next: name of the links in an element. A load
 * adds elements from g_malloc0() to a list that must be empty before.
 */
#define VMSTATE_QTAILQ_V(_f, _s, _v, _vmsd, _type, _next)                      \
    {                                                                          \
        .name = #_f, .version_id = (_v), .vmsd = &(_vmsd),                     \
        .size = sizeof(_type), .info = &vmstate_info_qtailq,                   \
        .offset = offsetof(_s, _f), .start = offsetof(_type, _next),           \
    }
#define VMSTATE_QTAILQ(_f, _s, _vmsd, _type, _next)                            \
    VMSTATE_QTAILQ_V(_f, _s, 0, _vmsd, _type, _next)
#define VMSTATE_QLIST_V(_f, _s, _v, _vmsd, _type, _next)                       \
    {                                                                          \
        .name = #_f, .version_id = (_v), .vmsd = &(_vmsd),                     \
        .size = sizeof(_type), .info = &vmstate_info_qlist,                    \
        .offset = offsetof(_s, _f), .start = offsetof(_type, _next),           \
    }
/*
 * A GTree * member, made with g_tree_new_full() and destroy functions, empty
 * before a load. _vmsd is an array: [0] of the value (_val_type), [1] of the
 * key (_key_type). The direct form has keys that are the pointers themselves
 * (8 bytes on the stream) and only [0].
 */
#define VMSTATE_GTREE_V(_f, _s, _v, _vmsd, _key_type, _val_type)               \
    {                                                                          \
        .name = #_f, .version_id = (_v), .vmsd = (_vmsd),                      \
        .info = &vmstate_info_gtree, .start = sizeof(_key_type),               \
        .size = sizeof(_val_type), .offset = offsetof(_s, _f),                 \
    }
#define VMSTATE_GTREE_DIRECT_KEY_V(_f, _s, _v, _vmsd, _val_type)               \
    {                                                                          \
        .name = #_f, .version_id = (_v), .vmsd = (_vmsd),                      \
        .info = &vmstate_info_gtree, .start = 0, .size = sizeof(_val_type),    \
        .offset = offsetof(_s, _f),                                            \
    }

/* -- plain values ------------------------------------------------------------ */

#define VMSTATE_SINGLE(_f, _s, _v, _info, _type)                               \
    VMSTATE_SINGLE_TEST(_f, _s, NULL, _v, _info, _type)

#define VMSTATE_BOOL_V(_f, _s, _v)                                             \
    VMSTATE_SINGLE(_f, _s, _v, vmstate_info_bool, bool)
#define VMSTATE_BOOL(_f, _s) VMSTATE_BOOL_V(_f, _s, 0)
#define VMSTATE_BOOL_TEST(_f, _s, _test)                                       \
    VMSTATE_SINGLE_TEST(_f, _s, _test, 0, vmstate_info_bool, bool)
#define VMSTATE_BOOL_ARRAY_V(_f, _s, _n, _v)                                   \
    VMSTATE_ARRAY(_f, _s, _n, _v, vmstate_info_bool, bool)
#define VMSTATE_BOOL_ARRAY(_f, _s, _n) VMSTATE_BOOL_ARRAY_V(_f, _s, _n, 0)
#define VMSTATE_BOOL_ARRAY_TEST(_f, _s, _n, _test)                             \
    VMSTATE_ARRAY_TEST(_f, _s, _n, _test, vmstate_info_bool, bool)
#define VMSTATE_BOOL_SUB_ARRAY(_f, _s, _start, _n)                             \
    VMSTATE_SUB_ARRAY(_f, _s, _start, _n, 0, vmstate_info_bool, bool)
#define VMSTATE_BOOL_2DARRAY_V(_f, _s, _n1, _n2, _v)                           \
    VMSTATE_2DARRAY(_f, _s, _n1, _n2, _v, vmstate_info_bool, bool)
#define VMSTATE_BOOL_2DARRAY(_f, _s, _n1, _n2)                                 \
    VMSTATE_BOOL_2DARRAY_V(_f, _s, _n1, _n2, 0)

#define VMSTATE_INT8_V(_f, _s, _v)                                             \
    VMSTATE_SINGLE(_f, _s, _v, vmstate_info_int8, int8_t)
#define VMSTATE_INT8(_f, _s) VMSTATE_INT8_V(_f, _s, 0)
#define VMSTATE_INT8_TEST(_f, _s, _test)                                       \
    VMSTATE_SINGLE_TEST(_f, _s, _test, 0, vmstate_info_int8, int8_t)
#define VMSTATE_INT8_ARRAY_V(_f, _s, _n, _v)                                   \
    VMSTATE_ARRAY(_f, _s, _n, _v, vmstate_info_int8, int8_t)
#define VMSTATE_INT8_ARRAY(_f, _s, _n) VMSTATE_INT8_ARRAY_V(_f, _s, _n, 0)
#define VMSTATE_INT8_ARRAY_TEST(_f, _s, _n, _test)                             \
    VMSTATE_ARRAY_TEST(_f, _s, _n, _test, vmstate_info_int8, int8_t)
#define VMSTATE_INT8_SUB_ARRAY(_f, _s, _start, _n)                             \
    VMSTATE_SUB_ARRAY(_f, _s, _start, _n, 0, vmstate_info_int8, int8_t)
#define VMSTATE_INT8_2DARRAY_V(_f, _s, _n1, _n2, _v)                           \
    VMSTATE_2DARRAY(_f, _s, _n1, _n2, _v, vmstate_info_int8, int8_t)
#define VMSTATE_INT8_2DARRAY(_f, _s, _n1, _n2)                                 \
    VMSTATE_INT8_2DARRAY_V(_f, _s, _n1, _n2, 0)

#define VMSTATE_INT16_V(_f, _s, _v)                                            \
    VMSTATE_SINGLE(_f, _s, _v, vmstate_info_int16, int16_t)
#define VMSTATE_INT16(_f, _s) VMSTATE_INT16_V(_f, _s, 0)
#define VMSTATE_INT16_TEST(_f, _s, _test)                                      \
    VMSTATE_SINGLE_TEST(_f, _s, _test, 0, vmstate_info_int16, int16_t)
#define VMSTATE_INT16_ARRAY_V(_f, _s, _n, _v)                                  \
    VMSTATE_ARRAY(_f, _s, _n, _v, vmstate_info_int16, int16_t)
#define VMSTATE_INT16_ARRAY(_f, _s, _n) VMSTATE_INT16_ARRAY_V(_f, _s, _n, 0)
#define VMSTATE_INT16_ARRAY_TEST(_f, _s, _n, _test)                            \
    VMSTATE_ARRAY_TEST(_f, _s, _n, _test, vmstate_info_int16, int16_t)
#define VMSTATE_INT16_SUB_ARRAY(_f, _s, _start, _n)                            \
    VMSTATE_SUB_ARRAY(_f, _s, _start, _n, 0, vmstate_info_int16, int16_t)
#define VMSTATE_INT16_2DARRAY_V(_f, _s, _n1, _n2, _v)                          \
    VMSTATE_2DARRAY(_f, _s, _n1, _n2, _v, vmstate_info_int16, int16_t)
#define VMSTATE_INT16_2DARRAY(_f, _s, _n1, _n2)                                \
    VMSTATE_INT16_2DARRAY_V(_f, _s, _n1, _n2, 0)

#define VMSTATE_INT32_V(_f, _s, _v)                                            \
    VMSTATE_SINGLE(_f, _s, _v, vmstate_info_int32, int32_t)
#define VMSTATE_INT32(_f, _s) VMSTATE_INT32_V(_f, _s, 0)
#define VMSTATE_INT32_TEST(_f, _s, _test)                                      \
    VMSTATE_SINGLE_TEST(_f, _s, _test, 0, vmstate_info_int32, int32_t)
#define VMSTATE_INT32_ARRAY_V(_f, _s, _n, _v)                                  \
    VMSTATE_ARRAY(_f, _s, _n, _v, vmstate_info_int32, int32_t)
#define VMSTATE_INT32_ARRAY(_f, _s, _n) VMSTATE_INT32_ARRAY_V(_f, _s, _n, 0)
#define VMSTATE_INT32_ARRAY_TEST(_f, _s, _n, _test)                            \
    VMSTATE_ARRAY_TEST(_f, _s, _n, _test, vmstate_info_int32, int32_t)
#define VMSTATE_INT32_SUB_ARRAY(_f, _s, _start, _n)                            \
    VMSTATE_SUB_ARRAY(_f, _s, _start, _n, 0, vmstate_info_int32, int32_t)
#define VMSTATE_INT32_2DARRAY_V(_f, _s, _n1, _n2, _v)                          \
    VMSTATE_2DARRAY(_f, _s, _n1, _n2, _v, vmstate_info_int32, int32_t)
#define VMSTATE_INT32_2DARRAY(_f, _s, _n1, _n2)                                \
    VMSTATE_INT32_2DARRAY_V(_f, _s, _n1, _n2, 0)

#define VMSTATE_INT64_V(_f, _s, _v)                                            \
    VMSTATE_SINGLE(_f, _s, _v, vmstate_info_int64, int64_t)
#define VMSTATE_INT64(_f, _s) VMSTATE_INT64_V(_f, _s, 0)
#define VMSTATE_INT64_TEST(_f, _s, _test)                                      \
    VMSTATE_SINGLE_TEST(_f, _s, _test, 0, vmstate_info_int64, int64_t)
#define VMSTATE_INT64_ARRAY_V(_f, _s, _n, _v)                                  \
    VMSTATE_ARRAY(_f, _s, _n, _v, vmstate_info_int64, int64_t)
#define VMSTATE_INT64_ARRAY(_f, _s, _n) VMSTATE_INT64_ARRAY_V(_f, _s, _n, 0)
#define VMSTATE_INT64_ARRAY_TEST(_f, _s, _n, _test)                            \
    VMSTATE_ARRAY_TEST(_f, _s, _n, _test, vmstate_info_int64, int64_t)
#define VMSTATE_INT64_SUB_ARRAY(_f, _s, _start, _n)                            \
    VMSTATE_SUB_ARRAY(_f, _s, _start, _n, 0, vmstate_info_int64, int64_t)
#define VMSTATE_INT64_2DARRAY_V(_f, _s, _n1, _n2, _v)                          \
    VMSTATE_2DARRAY(_f, _s, _n1, _n2, _v, vmstate_info_int64, int64_t)
#define VMSTATE_INT64_2DARRAY(_f, _s, _n1, _n2)                                \
    VMSTATE_INT64_2DARRAY_V(_f, _s, _n1, _n2, 0)

#define VMSTATE_UINT8_V(_f, _s, _v)                                            \
    VMSTATE_SINGLE(_f, _s, _v, vmstate_info_uint8, uint8_t)
#define VMSTATE_UINT8(_f, _s) VMSTATE_UINT8_V(_f, _s, 0)
#define VMSTATE_UINT8_TEST(_f, _s, _test)                                      \
    VMSTATE_SINGLE_TEST(_f, _s, _test, 0, vmstate_info_uint8, uint8_t)
#define VMSTATE_UINT8_ARRAY_V(_f, _s, _n, _v)                                  \
    VMSTATE_ARRAY(_f, _s, _n, _v, vmstate_info_uint8, uint8_t)
#define VMSTATE_UINT8_ARRAY(_f, _s, _n) VMSTATE_UINT8_ARRAY_V(_f, _s, _n, 0)
#define VMSTATE_UINT8_ARRAY_TEST(_f, _s, _n, _test)                            \
    VMSTATE_ARRAY_TEST(_f, _s, _n, _test, vmstate_info_uint8, uint8_t)
#define VMSTATE_UINT8_SUB_ARRAY(_f, _s, _start, _n)                            \
    VMSTATE_SUB_ARRAY(_f, _s, _start, _n, 0, vmstate_info_uint8, uint8_t)
#define VMSTATE_UINT8_2DARRAY_V(_f, _s, _n1, _n2, _v)                          \
    VMSTATE_2DARRAY(_f, _s, _n1, _n2, _v, vmstate_info_uint8, uint8_t)
#define VMSTATE_UINT8_2DARRAY(_f, _s, _n1, _n2)                                \
    VMSTATE_UINT8_2DARRAY_V(_f, _s, _n1, _n2, 0)

#define VMSTATE_UINT16_V(_f, _s, _v)                                           \
    VMSTATE_SINGLE(_f, _s, _v, vmstate_info_uint16, uint16_t)
#define VMSTATE_UINT16(_f, _s) VMSTATE_UINT16_V(_f, _s, 0)
#define VMSTATE_UINT16_TEST(_f, _s, _test)                                     \
    VMSTATE_SINGLE_TEST(_f, _s, _test, 0, vmstate_info_uint16, uint16_t)
#define VMSTATE_UINT16_ARRAY_V(_f, _s, _n, _v)                                 \
    VMSTATE_ARRAY(_f, _s, _n, _v, vmstate_info_uint16, uint16_t)
#define VMSTATE_UINT16_ARRAY(_f, _s, _n) VMSTATE_UINT16_ARRAY_V(_f, _s, _n, 0)
#define VMSTATE_UINT16_ARRAY_TEST(_f, _s, _n, _test)                           \
    VMSTATE_ARRAY_TEST(_f, _s, _n, _test, vmstate_info_uint16, uint16_t)
#define VMSTATE_UINT16_SUB_ARRAY(_f, _s, _start, _n)                           \
    VMSTATE_SUB_ARRAY(_f, _s, _start, _n, 0, vmstate_info_uint16, uint16_t)
#define VMSTATE_UINT16_2DARRAY_V(_f, _s, _n1, _n2, _v)                         \
    VMSTATE_2DARRAY(_f, _s, _n1, _n2, _v, vmstate_info_uint16, uint16_t)
#define VMSTATE_UINT16_2DARRAY(_f, _s, _n1, _n2)                               \
    VMSTATE_UINT16_2DARRAY_V(_f, _s, _n1, _n2, 0)

#define VMSTATE_UINT32_V(_f, _s, _v)                                           \
    VMSTATE_SINGLE(_f, _s, _v, vmstate_info_uint32, uint32_t)
#define VMSTATE_UINT32(_f, _s) VMSTATE_UINT32_V(_f, _s, 0)
#define VMSTATE_UINT32_TEST(_f, _s, _test)                                     \
    VMSTATE_SINGLE_TEST(_f, _s, _test, 0, vmstate_info_uint32, uint32_t)
#define VMSTATE_UINT32_ARRAY_V(_f, _s, _n, _v)                                 \
    VMSTATE_ARRAY(_f, _s, _n, _v, vmstate_info_uint32, uint32_t)
#define VMSTATE_UINT32_ARRAY(_f, _s, _n) VMSTATE_UINT32_ARRAY_V(_f, _s, _n, 0)
#define VMSTATE_UINT32_ARRAY_TEST(_f, _s, _n, _test)                           \
    VMSTATE_ARRAY_TEST(_f, _s, _n, _test, vmstate_info_uint32, uint32_t)
#define VMSTATE_UINT32_SUB_ARRAY(_f, _s, _start, _n)                           \
    VMSTATE_SUB_ARRAY(_f, _s, _start, _n, 0, vmstate_info_uint32, uint32_t)
#define VMSTATE_UINT32_2DARRAY_V(_f, _s, _n1, _n2, _v)                         \
    VMSTATE_2DARRAY(_f, _s, _n1, _n2, _v, vmstate_info_uint32, uint32_t)
#define VMSTATE_UINT32_2DARRAY(_f, _s, _n1, _n2)                               \
    VMSTATE_UINT32_2DARRAY_V(_f, _s, _n1, _n2, 0)

#define VMSTATE_UINT64_V(_f, _s, _v)                                           \
    VMSTATE_SINGLE(_f, _s, _v, vmstate_info_uint64, uint64_t)
#define VMSTATE_UINT64(_f, _s) VMSTATE_UINT64_V(_f, _s, 0)
#define VMSTATE_UINT64_TEST(_f, _s, _test)                                     \
    VMSTATE_SINGLE_TEST(_f, _s, _test, 0, vmstate_info_uint64, uint64_t)
#define VMSTATE_UINT64_ARRAY_V(_f, _s, _n, _v)                                 \
    VMSTATE_ARRAY(_f, _s, _n, _v, vmstate_info_uint64, uint64_t)
#define VMSTATE_UINT64_ARRAY(_f, _s, _n) VMSTATE_UINT64_ARRAY_V(_f, _s, _n, 0)
#define VMSTATE_UINT64_ARRAY_TEST(_f, _s, _n, _test)                           \
    VMSTATE_ARRAY_TEST(_f, _s, _n, _test, vmstate_info_uint64, uint64_t)
#define VMSTATE_UINT64_SUB_ARRAY(_f, _s, _start, _n)                           \
    VMSTATE_SUB_ARRAY(_f, _s, _start, _n, 0, vmstate_info_uint64, uint64_t)
#define VMSTATE_UINT64_2DARRAY_V(_f, _s, _n1, _n2, _v)                         \
    VMSTATE_2DARRAY(_f, _s, _n1, _n2, _v, vmstate_info_uint64, uint64_t)
#define VMSTATE_UINT64_2DARRAY(_f, _s, _n1, _n2)                               \
    VMSTATE_UINT64_2DARRAY_V(_f, _s, _n1, _n2, 0)

/* The value is the same on both sides, or the load fails with _hint. */
#define VMSTATE_INT32_EQUAL_V(_f, _s, _v, _hint)                               \
    VMSTATE_SINGLE_FULL(_f, _s, NULL, _v, vmstate_info_int32_equal, int32_t,   \
                        _hint)
#define VMSTATE_INT32_EQUAL(_f, _s, _hint)                                     \
    VMSTATE_INT32_EQUAL_V(_f, _s, 0, _hint)
#define VMSTATE_INT64_EQUAL_V(_f, _s, _v, _hint)                               \
    VMSTATE_SINGLE_FULL(_f, _s, NULL, _v, vmstate_info_int64_equal, int64_t,   \
                        _hint)
#define VMSTATE_INT64_EQUAL(_f, _s, _hint)                                     \
    VMSTATE_INT64_EQUAL_V(_f, _s, 0, _hint)
#define VMSTATE_UINT8_EQUAL_V(_f, _s, _v, _hint)                               \
    VMSTATE_SINGLE_FULL(_f, _s, NULL, _v, vmstate_info_uint8_equal, uint8_t,   \
                        _hint)
#define VMSTATE_UINT8_EQUAL(_f, _s, _hint)                                     \
    VMSTATE_UINT8_EQUAL_V(_f, _s, 0, _hint)
#define VMSTATE_UINT16_EQUAL_V(_f, _s, _v, _hint)                              \
    VMSTATE_SINGLE_FULL(_f, _s, NULL, _v, vmstate_info_uint16_equal, uint16_t, \
                        _hint)
#define VMSTATE_UINT16_EQUAL(_f, _s, _hint)                                    \
    VMSTATE_UINT16_EQUAL_V(_f, _s, 0, _hint)
#define VMSTATE_UINT32_EQUAL_V(_f, _s, _v, _hint)                              \
    VMSTATE_SINGLE_FULL(_f, _s, NULL, _v, vmstate_info_uint32_equal, uint32_t, \
                        _hint)
#define VMSTATE_UINT32_EQUAL(_f, _s, _hint)                                    \
    VMSTATE_UINT32_EQUAL_V(_f, _s, 0, _hint)
#define VMSTATE_UINT64_EQUAL_V(_f, _s, _v, _hint)                              \
    VMSTATE_SINGLE_FULL(_f, _s, NULL, _v, vmstate_info_uint64_equal, uint64_t, \
                        _hint)
#define VMSTATE_UINT64_EQUAL(_f, _s, _hint)                                    \
    VMSTATE_UINT64_EQUAL_V(_f, _s, 0, _hint)
/* An int32 of 0 up to the value that the member has before the load. */
#define VMSTATE_INT32_POSITIVE_LE(_f, _s)                                      \
    VMSTATE_SINGLE(_f, _s, 0, vmstate_info_int32_le, int32_t)

#define VMSTATE_CPUDOUBLE_ARRAY_V(_f, _s, _n, _v)                              \
    VMSTATE_ARRAY(_f, _s, _n, _v, vmstate_info_cpudouble, CPU_DoubleU)
#define VMSTATE_CPUDOUBLE_ARRAY(_f, _s, _n)                                    \
    VMSTATE_CPUDOUBLE_ARRAY_V(_f, _s, _n, 0)

/* A QEMUTimer, or (PTR) a pointer to one: expiry in ns, or not pending. */
#define VMSTATE_TIMER_TEST(_f, _s, _test)                                      \
    VMSTATE_SINGLE_TEST(_f, _s, _test, 0, vmstate_info_timer, QEMUTimer)
#define VMSTATE_TIMER_V(_f, _s, _v)                                            \
    VMSTATE_SINGLE(_f, _s, _v, vmstate_info_timer, QEMUTimer)
#define VMSTATE_TIMER(_f, _s) VMSTATE_TIMER_V(_f, _s, 0)
#define VMSTATE_TIMER_ARRAY(_f, _s, _n)                                        \
    VMSTATE_ARRAY(_f, _s, _n, 0, vmstate_info_timer, QEMUTimer)
#define VMSTATE_TIMER_PTR_TEST(_f, _s, _test)                                  \
    VMSTATE_POINTER_TEST(_f, _s, _test, vmstate_info_timer, QEMUTimer *)
#define VMSTATE_TIMER_PTR_V(_f, _s, _v)                                        \
    VMSTATE_POINTER(_f, _s, _v, vmstate_info_timer, QEMUTimer *)
#define VMSTATE_TIMER_PTR(_f, _s) VMSTATE_TIMER_PTR_V(_f, _s, 0)
#define VMSTATE_TIMER_PTR_ARRAY(_f, _s, _n)                                    \
    VMSTATE_ARRAY_OF_POINTER(_f, _s, _n, 0, vmstate_info_timer, QEMUTimer *)

#define VMSTATE_END_OF_LIST()                                                  \
    {                                                                          \
        .flags = VMS_END                                                       \
    }

#endif
