#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every message id has an entry in the catalog, and every entry an id; no id stands in the code by number.
cd "${top_srcdir:-$(dirname "$0")/..}" || exit 2

ids=$(sed -n 's/^#define MESSAGE_.* "\([0-9a-f]*\)"$/\1/p' common/base/message_id.h | sort)
entries=$(sed -n 's/^-- \([0-9a-f]*\)$/\1/p' units/holdfast.catalog | sort)
status=0
if [ "$ids" != "$entries" ] || [ -n "$(echo "$ids" | grep -v '^[0-9a-f]\{32\}$')" ]; then
        echo "common/base/message_id.h has:" "$ids"
        echo "units/holdfast.catalog has:" "$entries"
        status=1
fi
if grep -rlE 'message_id = "[0-9a-f]{32}"' agent cli executor launcher master --include='*.c'; then
        echo "these have a message id by number"
        status=1
fi
exit $status
