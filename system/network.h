/*
 * -netdev and -nic.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_NETWORK_H
#define SYSTEM_NETWORK_H

#include "hw/boards.h"

#include "config.h"

/** network_create_backends: of -netdev; before the devices that name them. */
bool network_create_backends(SystemConfig *config, Error **errp);
/** network_create_cards: of -nic: a backend and a card each; a machine whose
 *  user said nothing about networks gets one with user networking. */
bool network_create_cards(SystemConfig *config, MachineState *machine,
                          Error **errp);
/** network_wants_card_help: does -nic's text say model=help? */
bool network_wants_card_help(const char *text);
/** network_card_help: (transfer full) the cards that model= may name. */
char *network_card_help(void);

#endif
