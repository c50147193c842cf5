/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rejections
 *
 * Why a call, a task or an offer was refused travels as text to the framework that asked, and is
 * read there by people and matched by programs. The functions that judge return ACCEPTED, REJECTED
 * with the text, or a negative errno.
 */

#include "master/reject.h"

int reject_prefix(int r, char **reterr_message, const char *prefix) {
        _cleanup_free_ char *inner = NULL;

        if (r <= 0 || !*reterr_message)
                return r;

        inner = TAKE_PTR(*reterr_message);
        return reject(reterr_message, "%s: %s", prefix, inner);
}
