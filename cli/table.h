#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Table: rows of text in aligned columns. See table.c. */

#include "cli/terminal.h"
#include "common/base/macro.h"

#define TABLE_MAX_COLUMNS 12

typedef struct TableColumn {
        const char *title;
        bool right;           /* numbers */
        bool state;           /* coloured as a task's state */
} TableColumn;

typedef struct Table {
        const TableColumn *columns;     /* borrowed */
        size_t n_columns;
        char **cells;                   /* owned, row by row */
        size_t n_cells;
        size_t n_allocated;
} Table;

#define TABLE_INIT(c) ((Table) { .columns = (c), .n_columns = ELEMENTSOF(c) })

void table_deinit(Table *t);
int table_add(Table *t, const char *format, ...) _printf_(2, 3);
void table_print(const Table *t, const Terminal *terminal);
