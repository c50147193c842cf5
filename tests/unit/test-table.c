/* SPDX-License-Identifier: Apache-2.0 */

/* Tables: alignment, characters wider than a byte, control characters. */

#include "cli/table.h"
#include "tests/unit/test.h"

static char *print(const Table *t, bool colours) {
        Terminal terminal = { .colours = colours };
        char *text = NULL;
        size_t n;

        terminal.file = open_memstream(&text, &n);
        assert_non_null(terminal.file);
        table_print(t, &terminal);
        assert_int_equal(fclose(terminal.file), 0);
        return text;
}

static void test_columns_are_as_wide_as_their_widest_cell(_unused_ void **state) {
        static const TableColumn columns[] = { { .title = "NAME" }, { .title = "N", .right = true }, { .title = "LAST" } };
        _cleanup_(table_deinit) Table t = TABLE_INIT(columns);
        _cleanup_free_ char *text = NULL;

        assert_int_equal(table_add(&t, "%s", "a"), 0);
        assert_int_equal(table_add(&t, "%i", 5), 0);
        assert_int_equal(table_add(&t, "x"), 0);
        assert_int_equal(table_add(&t, "käse-brot"), 0);
        assert_int_equal(table_add(&t, "%i", 1234), 0);
        assert_int_equal(table_add(&t, "longer"), 0);

        text = print(&t, false);
        assert_string_equal(text, "NAME          N  LAST\n"
                                  "a             5  x\n"
                                  "käse-brot  1234  longer\n");
}

static void test_a_table_without_rows_is_its_head(_unused_ void **state) {
        static const TableColumn columns[] = { { .title = "A" }, { .title = "B" } };
        _cleanup_(table_deinit) Table t = TABLE_INIT(columns);
        _cleanup_free_ char *text = NULL;

        text = print(&t, true);
        assert_string_equal(text, "A  B\n");
}

static void test_states_have_colours_and_control_characters_have_none(_unused_ void **state) {
        static const TableColumn columns[] = { { .title = "STATE", .state = true }, { .title = "T" } };
        _cleanup_(table_deinit) Table t = TABLE_INIT(columns);
        _cleanup_free_ char *text = NULL;

        assert_int_equal(table_add(&t, "TASK_FAILED"), 0);
        assert_int_equal(table_add(&t, "a\033[31m\nb"), 0);
        text = print(&t, true);
        assert_string_equal(text, "STATE        T\n\033[31mTASK_FAILED\033[0m  a?[31m?b\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_columns_are_as_wide_as_their_widest_cell),
                cmocka_unit_test(test_a_table_without_rows_is_its_head),
                cmocka_unit_test(test_states_have_colours_and_control_characters_have_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
