/*
 * Writing AML, the byte code of ACPI's definition blocks.
 *
 * An Aml is a growing block of byte code. Terms with a body (a scope, device,
 * method, package, buffer) are opened, filled and closed by aml_end(), which
 * puts their length in front:
 *
 *     aml_device(a, "RTC");
 *     aml_name(a, "_HID");
 *     aml_eisaid(a, "PNP0B00");
 *     aml_end(a);
 *
 * Names are paths as ACPI source writes them ("\\_SB.PCI0", "^LNKA"); short
 * parts are filled with '_'. Wrong use is a bug and aborts.
 *
 * Source: ACPI 6.4, chapter 20 (AML), 6.4 (resource descriptors).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_ACPI_AML_H
#define HW_ACPI_AML_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Aml Aml;

/** aml_new: (transfer full) empty. */
Aml *aml_new(void);
void aml_free(Aml *a);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Aml, aml_free)
/** aml_bytes: (transfer full) the code; nothing may be open. */
GBytes *aml_bytes(Aml *a);

/* Opened by these, closed by this. */
void aml_scope(Aml *a, const char *name);
void aml_device(Aml *a, const char *name);
/** aml_method: @args 0 to 7. */
void aml_method(Aml *a, const char *name, unsigned args, bool serialized);
void aml_if(Aml *a);   /* condition first, then the body */
void aml_else(Aml *a); /* just after the end of an aml_if() */
/** aml_package: @n elements follow, at most 255. */
void aml_package(Aml *a, unsigned n);
/** aml_field: parts follow by aml_field_unit(), aml_field_skip(). */
void aml_field(Aml *a, const char *region, uint8_t flags);
void aml_end(Aml *a);

#define AML_FIELD_BYTE_ACC   0x01
#define AML_FIELD_DWORD_ACC  0x03
#define AML_FIELD_PRESERVE   0x00
#define AML_SPACE_MEMORY     0x00
#define AML_SPACE_IO         0x01
#define AML_SPACE_PCI_CONFIG 0x02

void aml_op_region(Aml *a, const char *name, uint8_t space, uint64_t offset,
                   uint64_t len);
void aml_field_unit(Aml *a, const char *name, unsigned bits);
void aml_field_skip(Aml *a, unsigned bits);

/* Objects and expressions. */
void aml_name(Aml *a, const char *name); /* its value follows */
void aml_int(Aml *a, uint64_t value);
void aml_string(Aml *a, const char *text);
/** aml_eisaid: "PNP0A03" as the number it stands for. */
void aml_eisaid(Aml *a, const char *id);
void aml_buffer(Aml *a, const void *data, size_t len);
/** aml_path: refer to @name, or call the method of that name. */
void aml_path(Aml *a, const char *name);
void aml_arg(Aml *a, unsigned n);
void aml_local(Aml *a, unsigned n);
void aml_return(Aml *a); /* value follows */
void aml_store(Aml *a);  /* source, then target */
void aml_and(Aml *a);    /* two operands, then target or aml_no_target() */
void aml_or(Aml *a);     /* the same */
void aml_no_target(Aml *a);
/** aml_create_dword_field: @name is the dword at @offset of the buffer whose
 *  term follows ... given as the name @source, or Arg0 when NULL. */
void aml_create_dword_field(Aml *a, const char *source, uint64_t offset,
                            const char *name);

/* -- resource templates --------------------------------------------------------- */

typedef struct AmlResources AmlResources;

AmlResources *aml_resources_new(void);
/** aml_resources: write it as a buffer, and free it. */
void aml_resources(Aml *a, AmlResources *r);

/** aml_res_io: ports @first to @first + @len - 1, fixed. */
void aml_res_io(AmlResources *r, uint16_t first, uint8_t len);
/** aml_res_irq: ISA lines as in @mask, edge, high, exclusive. */
void aml_res_irq(AmlResources *r, uint16_t mask);
/** aml_res_interrupt: @n GSIs, level, high, shared. */
void aml_res_interrupt(AmlResources *r, const uint32_t *gsi, unsigned n);
/** aml_res_memory32_fixed: */
void aml_res_memory32_fixed(AmlResources *r, bool writable, uint32_t base,
                            uint32_t len);
/* Windows of a bridge; @last is the highest address. */
void aml_res_bus_window(AmlResources *r, uint16_t first, uint16_t last);
void aml_res_io_window(AmlResources *r, uint16_t first, uint16_t last);
void aml_res_memory32_window(AmlResources *r, bool cacheable, uint32_t first,
                             uint32_t last);
void aml_res_memory64_window(AmlResources *r, bool cacheable, uint64_t first,
                             uint64_t last);

#endif
