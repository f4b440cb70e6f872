/*
 * VMState: plain values.
 *
 * The infos of integers differ in width and sign only and come from two
 * macros: one for the value, one for "must be equal on both sides".
 *
 * Source: the documented QEMU migration stream (VMState wire rules):
 * integers big-endian, bool one byte, timer be64, buffer raw.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/qemu-file.h"
#include "migration/vmstate/vmstate-internal.h"
#include "util/timer.h"

/* get_NAME and put_NAME of an integer type, and vmstate_info_NAME. */
#define VMSTATE_DEFINE_INFO(_name, _type, _get, _put)                          \
    static int get_##_name(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,   \
                           const VMStateField *field G_GNUC_UNUSED)            \
    {                                                                          \
        *(_type *)pv = (_type)_get(f);                                         \
        return 0;                                                              \
    }                                                                          \
    static int put_##_name(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,   \
                           const VMStateField *field G_GNUC_UNUSED,            \
                           JSONWriter *vmdesc G_GNUC_UNUSED)                   \
    {                                                                          \
        _put(f, *(_type *)pv);                                                 \
        return 0;                                                              \
    }                                                                          \
    const VMStateInfo vmstate_info_##_name = {                                 \
        .name = #_name,                                                        \
        .get = get_##_name,                                                    \
        .put = put_##_name,                                                    \
    }

/* vmstate_info_NAME_equal on top of it. */
#define VMSTATE_DEFINE_EQUAL(_name, _type, _get, _fmt)                         \
    static int get_##_name##_equal(QEMUFile *f, void *pv,                      \
                                   size_t size G_GNUC_UNUSED,                  \
                                   const VMStateField *field)                  \
    {                                                                          \
        _type ours = *(_type *)pv;                                             \
        _type theirs = (_type)_get(f);                                         \
                                                                               \
        if (theirs != ours && qemu_file_get_error(f) == 0) {                   \
            return vmstate_fail_info(f, field,                                 \
                                     "%" _fmt " in the stream, %" _fmt         \
                                     " on this side",                          \
                                     theirs, ours);                            \
        }                                                                      \
        return 0;                                                              \
    }                                                                          \
    const VMStateInfo vmstate_info_##_name##_equal = {                         \
        .name = #_name " equal",                                               \
        .get = get_##_name##_equal,                                            \
        .put = put_##_name,                                                    \
    }

static int get_bool(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                    const VMStateField *field G_GNUC_UNUSED)
{
    /* a byte that is neither 0 nor 1 must not get into a bool */
    *(bool *)pv = qemu_get_byte(f) != 0;
    return 0;
}

static int put_bool(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                    const VMStateField *field G_GNUC_UNUSED,
                    JSONWriter *vmdesc G_GNUC_UNUSED)
{
    qemu_put_byte(f, *(bool *)pv);
    return 0;
}

const VMStateInfo vmstate_info_bool = {
    .name = "bool",
    .get = get_bool,
    .put = put_bool,
};

VMSTATE_DEFINE_INFO(int8, int8_t, qemu_get_sbyte, qemu_put_sbyte);
VMSTATE_DEFINE_INFO(int16, int16_t, qemu_get_sbe16, qemu_put_sbe16);
VMSTATE_DEFINE_INFO(int32, int32_t, qemu_get_sbe32, qemu_put_sbe32);
VMSTATE_DEFINE_INFO(int64, int64_t, qemu_get_sbe64, qemu_put_sbe64);
VMSTATE_DEFINE_INFO(uint8, uint8_t, qemu_get_byte, qemu_put_byte);
VMSTATE_DEFINE_INFO(uint16, uint16_t, qemu_get_be16, qemu_put_be16);
VMSTATE_DEFINE_INFO(uint32, uint32_t, qemu_get_be32, qemu_put_be32);
VMSTATE_DEFINE_INFO(uint64, uint64_t, qemu_get_be64, qemu_put_be64);

VMSTATE_DEFINE_EQUAL(int32, int32_t, qemu_get_sbe32, PRId32);
VMSTATE_DEFINE_EQUAL(int64, int64_t, qemu_get_sbe64, PRId64);
VMSTATE_DEFINE_EQUAL(uint8, uint8_t, qemu_get_byte, PRIu8);
VMSTATE_DEFINE_EQUAL(uint16, uint16_t, qemu_get_be16, PRIu16);
VMSTATE_DEFINE_EQUAL(uint32, uint32_t, qemu_get_be32, PRIu32);
VMSTATE_DEFINE_EQUAL(uint64, uint64_t, qemu_get_be64, PRIu64);

static int get_int32_le(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                        const VMStateField *field)
{
    int32_t ours = *(int32_t *)pv;
    int32_t theirs = qemu_get_sbe32(f);

    if ((theirs < 0 || theirs > ours) && qemu_file_get_error(f) == 0) {
        return vmstate_fail_info(f, field,
                                 "%" PRId32 " in the stream, 0 to %" PRId32
                                 " are possible",
                                 theirs, ours);
    }
    *(int32_t *)pv = theirs;
    return 0;
}

const VMStateInfo vmstate_info_int32_le = {
    .name = "int32 le",
    .get = get_int32_le,
    .put = put_int32,
};

static int get_nullptr(QEMUFile *f, void *pv G_GNUC_UNUSED,
                       size_t size G_GNUC_UNUSED,
                       const VMStateField *field G_GNUC_UNUSED)
{
    int marker = qemu_get_byte(f);

    if (marker != VMS_NULLPTR_MARKER && qemu_file_get_error(f) == 0) {
        return vmstate_fail_info(f, NULL,
                                 "the stream has an element that this side has "
                                 "not (byte 0x%02x)",
                                 (unsigned)marker);
    }
    return 0;
}

static int put_nullptr(QEMUFile *f, void *pv G_GNUC_UNUSED,
                       size_t size G_GNUC_UNUSED,
                       const VMStateField *field G_GNUC_UNUSED,
                       JSONWriter *vmdesc G_GNUC_UNUSED)
{
    qemu_put_byte(f, VMS_NULLPTR_MARKER);
    return 0;
}

const VMStateInfo vmstate_info_nullptr = {
    .name = "nullptr",
    .get = get_nullptr,
    .put = put_nullptr,
};

static int get_cpudouble(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                         const VMStateField *field G_GNUC_UNUSED)
{
    ((CPU_DoubleU *)pv)->ll = qemu_get_be64(f);
    return 0;
}

static int put_cpudouble(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                         const VMStateField *field G_GNUC_UNUSED,
                         JSONWriter *vmdesc G_GNUC_UNUSED)
{
    qemu_put_be64(f, ((CPU_DoubleU *)pv)->ll);
    return 0;
}

const VMStateInfo vmstate_info_cpudouble = {
    .name = "CPU_Double_U",
    .get = get_cpudouble,
    .put = put_cpudouble,
};

/* All ones is "not pending"; a time before 0 is long past. */
static int get_timer(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                     const VMStateField *field G_GNUC_UNUSED)
{
    QEMUTimer *timer = (QEMUTimer *)pv;
    int64_t expire = qemu_get_sbe64(f);

    if (qemu_file_get_error(f)) {
        return 0;
    }
    if (expire == -1) {
        timer_del(timer);
    } else {
        timer_mod_ns(timer, MAX(expire, 0));
    }
    return 0;
}

static int put_timer(QEMUFile *f, void *pv, size_t size G_GNUC_UNUSED,
                     const VMStateField *field G_GNUC_UNUSED,
                     JSONWriter *vmdesc G_GNUC_UNUSED)
{
    qemu_put_sbe64(f, timer_expire_time_ns((QEMUTimer *)pv));
    return 0;
}

const VMStateInfo vmstate_info_timer = {
    .name = "timer",
    .get = get_timer,
    .put = put_timer,
};

static int get_buffer(QEMUFile *f, void *pv, size_t size,
                      const VMStateField *field G_GNUC_UNUSED)
{
    if (size > 0) { /* else there may be no memory */
        qemu_get_buffer(f, (uint8_t *)pv, size);
    }
    return 0;
}

static int put_buffer(QEMUFile *f, void *pv, size_t size,
                      const VMStateField *field G_GNUC_UNUSED,
                      JSONWriter *vmdesc G_GNUC_UNUSED)
{
    qemu_put_buffer(f, (const uint8_t *)pv, size);
    return 0;
}

const VMStateInfo vmstate_info_buffer = {
    .name = "buffer",
    .get = get_buffer,
    .put = put_buffer,
};

static int get_unused_buffer(QEMUFile *f, void *pv G_GNUC_UNUSED, size_t size,
                             const VMStateField *field G_GNUC_UNUSED)
{
    qemu_file_discard(f, size);
    return 0;
}

static int put_unused_buffer(QEMUFile *f, void *pv G_GNUC_UNUSED, size_t size,
                             const VMStateField *field G_GNUC_UNUSED,
                             JSONWriter *vmdesc G_GNUC_UNUSED)
{
    static const uint8_t zeros[1024];

    while (size > 0) {
        size_t n = MIN(size, sizeof(zeros));

        qemu_put_buffer(f, zeros, n);
        size -= n;
    }
    return 0;
}

const VMStateInfo vmstate_info_unused_buffer = {
    .name = "unused_buffer",
    .get = get_unused_buffer,
    .put = put_unused_buffer,
};
