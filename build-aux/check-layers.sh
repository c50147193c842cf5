#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Holds every quoted include against docs/layers.txt. bench/ and tests/ may use everything.
cd "${top_srcdir:-$(dirname "$0")/..}" || exit 2

# shellcheck disable=SC2046 # the tree has no blanks in its file names
exec awk '
        function folder(path,   n, part) {
                n = split(path, part, "/")
                if (n > 2 && (part[1] == "common" || part[1] == "frameworks"))
                        return part[1] "/" part[2]
                return part[1]
        }
        FILENAME == "docs/layers.txt" {
                if ($1 ~ /:$/) {
                        from = substr($1, 1, length($1) - 1)
                        for (i = 2; i <= NF; i++)
                                may[from, $i] = 1
                }
                next
        }
        match($0, /^#[ \t]*include "[^"]+"/) {
                split($0, quoted, "\"")
                from = folder(FILENAME)
                to = folder(quoted[2])
                if (from != to && !((from, to) in may) && !((from, quoted[2]) in may)) {
                        print FILENAME ":" FNR ": " from " may not include " quoted[2]
                        bad = 1
                }
        }
        END { exit bad }' docs/layers.txt \
        $(find agent cli common executor frameworks isolator launcher master -name '*.[ch]' | sort)
