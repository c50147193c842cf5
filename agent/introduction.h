#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Introduction: what an agent says of itself when it comes to a master. See introduction.c. */

typedef struct Agent Agent;

/* Asks to be registered; an agent that has an id lists what it runs and what it has run. */
void introduction_send(Agent *a);
