/*
 * Interrupt lines: a wire from a device to whoever listens at its end.
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_IRQ_H
#define HW_IRQ_H

typedef struct IRQState *qemu_irq;
typedef void (*qemu_irq_handler)(void *opaque, int n, int level);

/**
 * qemu_allocate_irq:
 * @handler: called with @opaque, @n and the new level at each set
 *
 * Returns: (transfer full) a line, for qemu_free_irq().
 */
qemu_irq qemu_allocate_irq(qemu_irq_handler handler, void *opaque, int n);
/** qemu_allocate_irqs: @n lines numbered from 0; for qemu_free_irqs(). */
qemu_irq *qemu_allocate_irqs(qemu_irq_handler handler, void *opaque, int n);
void qemu_free_irq(qemu_irq irq);
void qemu_free_irqs(qemu_irq *irqs, int n);

/** qemu_set_irq: drive @irq to @level; NULL is an unconnected line. */
void qemu_set_irq(qemu_irq irq, int level);

static inline void qemu_irq_raise(qemu_irq irq)
{
    qemu_set_irq(irq, 1);
}

static inline void qemu_irq_lower(qemu_irq irq)
{
    qemu_set_irq(irq, 0);
}

static inline void qemu_irq_pulse(qemu_irq irq)
{
    qemu_set_irq(irq, 1);
    qemu_set_irq(irq, 0);
}

#endif
