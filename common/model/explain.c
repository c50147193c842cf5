/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reasons for people
 *
 * Where an outcome needs a text (why a task was refused, what is wrong with a flag), the text
 * travels as data beside the positive code: the caller owns it, and may put it into a message, the
 * log, or nowhere.
 */

#include <stdarg.h>
#include <stdio.h>

#include "common/model/explain.h"

int explain(char **reterr_message, int code, const char *format, ...) {
        va_list ap;
        int n;

        assert(reterr_message);
        assert(code > 0);

        va_start(ap, format);
        n = vasprintf(reterr_message, format, ap);
        va_end(ap);
        if (n >= 0)
                return code;

        *reterr_message = NULL;
        return -ENOMEM;
}
