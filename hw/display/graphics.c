/*
 * The graphics card that a machine has without -device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/graphics.h"

#include "hw/pci/pci.h"
#include "util/error.h"

typedef struct Card {
    const char *name;
    const char *type; /* NULL: no card */
    const char *help;
} Card;

static const Card cards[] = {
    { "none", NULL, "no graphics card" },
    { "std", "VGA", "standard VGA with linear modes (default)" },
};

static const Card *find_card(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cards); i++) {
        if (g_str_equal(cards[i].name, name)) {
            return &cards[i];
        }
    }
    return NULL;
}

bool graphics_known(const char *name)
{
    return find_card(name) != NULL;
}

char *graphics_help(void)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(cards); i++) {
        g_string_append_printf(text, "%-8s %s\n", cards[i].name, cards[i].help);
    }
    return g_string_free(text, FALSE);
}

bool machine_add_graphics(MachineState *machine, const char *name, Error **errp)
{
    const Card *card = find_card(name);
    BusState *bus = qdev_find_bus_of_type(TYPE_PCI_BUS);

    if (!card) {
        error_setg(errp, "there is no graphics card '%s'", name);
        return false;
    }
    return !card->type || !bus ||
           pci_create_simple(PCI_BUS(bus), -1, card->type, errp);
}
