#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* User namespaces: whether this kernel gives them to users. See user_namespace.c. */

#include "isolator/isolator.h"

/* Tries it, in a process of its own. Refused: with what stands in the way, as /proc (proc_fd) tells. */
int user_namespace_probe(int proc_fd, char **reterr_message);

/* The same with a /proc for a pid namespace. */
int user_namespace_probe_proc(char **reterr_message);

/* The text for an errno that the attempt failed with. */
int user_namespace_explain(int proc_fd, int error, char **reterr_message);
