/*
 * Plain-data helpers for the state of an x86 CPU and for CPUID tables.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/x86-state.h"

#define RFLAGS_FIXED 0x2u
#define DR6_RESET    0xffff0ff0u
#define DR7_RESET    0x400u
#define SEL_CODE     0x08
#define SEL_DATA     0x10

X86CPUState *x86_state_new(void)
{
    return g_new0(X86CPUState, 1);
}

void x86_state_free(X86CPUState *state)
{
    if (state) {
        g_free(state->xsave);
        g_free(state->msrs);
        g_free(state);
    }
}

const uint64_t *x86_state_msr(const X86CPUState *state, uint32_t index)
{
    for (size_t i = 0; i < state->n_msrs; i++) {
        if (state->msrs[i].index == index) {
            return &state->msrs[i].value;
        }
    }
    return NULL;
}

static X86Segment flat_segment(uint16_t selector, uint8_t type)
{
    return (X86Segment){
        .limit = UINT32_MAX,
        .selector = selector,
        .type = type,
        .s = true,
        .present = true,
        .db = true,
        .g = true,
    };
}

void x86_state_set_flat32(X86CPUState *state, uint32_t entry)
{
    memset(state->gpr, 0, sizeof(state->gpr));
    state->rip = entry;
    state->rflags = RFLAGS_FIXED;
    state->seg[X86_CS] = flat_segment(SEL_CODE, X86_SEG_TYPE_CODE_RX);
    state->seg[X86_DS] = flat_segment(SEL_DATA, X86_SEG_TYPE_DATA_RW);
    state->seg[X86_ES] = state->seg[X86_DS];
    state->seg[X86_FS] = state->seg[X86_DS];
    state->seg[X86_GS] = state->seg[X86_DS];
    state->seg[X86_SS] = state->seg[X86_DS];
    state->seg[X86_TR] = (X86Segment){
        .limit = 0x67,
        .type = X86_SEG_TYPE_TSS32,
        .present = true,
    };
    state->seg[X86_LDTR] = (X86Segment){
        .limit = 0xffff,
        .type = X86_SEG_TYPE_LDT,
        .present = true,
    };
    state->gdt = (X86Table){ 0, 0 };
    state->idt = (X86Table){ 0, 0 };
    state->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE;
    state->cr2 = 0;
    state->cr3 = 0;
    state->cr4 = 0;
    state->cr8 = 0;
    state->efer = 0;
    state->dr6 = DR6_RESET;
    state->dr7 = DR7_RESET;
}

void x86_state_set_flat64(X86CPUState *state, uint64_t entry, uint64_t tables)
{
    x86_state_set_flat32(state, 0);
    state->rip = entry;
    state->seg[X86_CS].l = true;
    state->seg[X86_CS].db = false;
    state->cr0 |= X86_CR0_PG;
    state->cr3 = tables;
    state->cr4 = X86_CR4_PAE;
    state->efer = X86_EFER_LME | X86_EFER_LMA;
}

static bool entry_matches(const X86CPUIDEntry *e, uint32_t function,
                          uint32_t index)
{
    return e->function == function && (!e->has_index || e->index == index);
}

const X86CPUIDEntry *x86_cpuid_find(const X86CPUIDTable *table,
                                    uint32_t function, uint32_t index)
{
    for (unsigned i = 0; i < table->count; i++) {
        if (entry_matches(&table->entry[i], function, index)) {
            return &table->entry[i];
        }
    }
    return NULL;
}

bool x86_cpuid_add(X86CPUIDTable *table, const X86CPUIDEntry *entry)
{
    for (unsigned i = 0; i < table->count; i++) {
        if (entry_matches(&table->entry[i], entry->function, entry->index)) {
            table->entry[i] = *entry;
            return true;
        }
    }
    if (table->count == X86_CPUID_ENTRIES_MAX) {
        return false;
    }
    table->entry[table->count++] = *entry;
    return true;
}
