/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Paths
 *
 * Texts for people name a field by its place in the whole message. The path is kept as a chain of
 * stack frames, which costs nothing until there is something to complain about. A text that
 * outgrows its buffer is cut: it still says what to mend first.
 */

#include "common/net/pbpath.h"

void pbpath_append(const PbPath *path, Buffer *b) {
        if (path->parent) {
                pbpath_append(path->parent, b);
                (void) buffer_append_char(b, '.');
        }

        (void) buffer_append_text(b, path->field->name);
        if (path->field->label == PROTOBUF_C_LABEL_REPEATED)
                (void) buffer_printf(b, "[%zu]", path->index);
}

/* Adds a field that should be below parent to a list: "a.b, a.c". */
void pbpath_append_missing(const PbPath *parent, const ProtobufCFieldDescriptor *field, Buffer *b) {
        if (buffer_size(b) > 0)
                (void) buffer_append_text(b, ", ");

        pbpath_append(&(PbPath) { .parent = parent, .field = field }, b);
}
