/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tables
 *
 * Cells are added one by one, left to right; the columns get as wide as their widest cell, and the
 * last one has no blanks behind it. What comes from the cluster may hold anything: control
 * characters are shown as '?', so that no task's name can move the cursor.
 */

#include <stdarg.h>

#include "cli/table.h"

void table_deinit(Table *t) {
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i]);
        free(t->cells);
        t->cells = NULL;
        t->n_cells = t->n_allocated = 0;
}

/* Columns a text takes: bytes that begin a character of UTF-8. */
static size_t width(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += ((unsigned char) *text & 0xc0) != 0x80;

        return n;
}

/* Adds the next cell. */
int table_add(Table *t, const char *format, ...) {
        va_list ap;
        char *text;
        int n;

        if (t->n_cells == t->n_allocated) {
                size_t wanted = MAX(t->n_allocated * 2, (size_t) 64);
                char **p;

                p = reallocarray(t->cells, wanted, sizeof(*p));
                if (!p)
                        return -ENOMEM;

                t->cells = p;
                t->n_allocated = wanted;
        }

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;

        for (char *p = text; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        *p = '?';

        t->cells[t->n_cells++] = text;
        return 0;
}

static void print_cell(const Terminal *terminal, const TableColumn *column, const char *text,
                       size_t column_width, bool last) {
        Colour colour = column->state ? colour_of_state(text) : COLOUR_PLAIN;
        int padding = (int) (column_width - width(text));

        fprintf(terminal->file, "%*s%s%s%s", column->right ? padding : 0, "",
                terminal_begin(terminal, colour), text, terminal_end(terminal, colour));
        if (last)
                fputc('\n', terminal->file);
        else
                fprintf(terminal->file, "%*s", (column->right ? 0 : padding) + 2, "");
}

void table_print(const Table *t, const Terminal *terminal) {
        size_t widths[TABLE_MAX_COLUMNS];

        assert(t->n_columns <= TABLE_MAX_COLUMNS);
        assert(t->n_cells % t->n_columns == 0);

        for (size_t i = 0; i < t->n_columns; i++)
                widths[i] = width(t->columns[i].title);
        for (size_t i = 0; i < t->n_cells; i++)
                widths[i % t->n_columns] = MAX(widths[i % t->n_columns], width(t->cells[i]));

        for (size_t i = 0; i < t->n_columns; i++) {
                TableColumn head = { .right = t->columns[i].right };

                print_cell(terminal, &head, t->columns[i].title, widths[i], i + 1 == t->n_columns);
        }
        for (size_t i = 0; i < t->n_cells; i++) {
                size_t column = i % t->n_columns;

                print_cell(terminal, t->columns + column, t->cells[i], widths[column],
                           column + 1 == t->n_columns);
        }
}
