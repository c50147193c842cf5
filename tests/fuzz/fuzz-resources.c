/* SPDX-License-Identifier: Apache-2.0 */

/* The text of --resources: what is understood adds up and comes apart again. */

#include <string.h>

#include "common/model/resources.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        _cleanup_(resources_freep) Resources *a = NULL, *sum = NULL;
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(16U << 20);
        _cleanup_free_ char *text = NULL, *error = NULL;

        text = strndup((const char *) data, n);
        assert(text);
        if (resources_parse(text, "*", &a, &error) != RESOURCES_OK)
                return 0;

        assert(resources_format(a, &b) >= 0);
        assert(resources_contains(a, a));

        sum = resources_copy(a);
        assert(sum);
        if (resources_add(sum, a) == 0) {
                assert(resources_contains(sum, a));
                assert(resources_subtract(sum, a) == 0);
        }
        return 0;
}
