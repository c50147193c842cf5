/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Views of a bag
 *
 * For those who show resources rather than count them: entry by entry, summed by name, or by the
 * role they are reserved to.
 */

#include "common/model/resource_entry.h"
#include "common/model/resources.h"

/* A text is at most some times as long as the message it came from. */
#define TEXT_MAX_BYTES (64U * 1024 * 1024)

static bool is_unreserved(const ResourceView *v, _unused_ void *userdata) {
        return !v->reservation_role;
}

Resources *resources_unreserved(const Resources *r) {
        return resources_filter(r, is_unreserved, NULL);
}

static bool is_reserved_to(const ResourceView *v, void *userdata) {
        return v->reservation_role && streq(v->reservation_role, userdata);
}

static bool role_seen_before(const Resources *r, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (streq_ptr(r->entries[k].meta->reservation_role,
                              r->entries[i].meta->reservation_role))
                        return true;

        return false;
}

/* Stops at the first visit that doesn't return 0, and returns that. */
int resources_foreach_reservation(const Resources *r, ResourceReservationVisitor visit,
                                  void *userdata) {
        assert(r);
        assert(visit);

        for (size_t i = 0; i < r->n; i++) {
                _cleanup_(resources_freep) Resources *reserved = NULL;
                char *role = r->entries[i].meta->reservation_role;
                int k;

                if (!role || role_seen_before(r, i))
                        continue;

                reserved = resources_filter(r, is_reserved_to, role);
                if (!reserved)
                        return -ENOMEM;

                k = visit(role, reserved, userdata);
                if (k != 0)
                        return k;
        }

        return 0;
}

int resources_foreach(const Resources *r, ResourceVisitor visit, void *userdata) {
        assert(r);
        assert(visit);

        for (size_t i = 0; i < r->n; i++) {
                const Entry *e = &r->entries[i];
                _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(TEXT_MAX_BYTES);
                _cleanup_free_ char *text = NULL;
                ResourceView v = resources_view(e);
                int k;

                if (v.scalar) {
                        visit(&v, e->value.milli, NULL, userdata);
                        continue;
                }

                k = value_format(&e->value, &b);
                if (k < 0)
                        return k;

                text = buffer_take_text(&b);
                if (!text)
                        return -ENOMEM;

                visit(&v, 0, text, userdata);
        }

        return 0;
}

void resources_foreach_scalar(const Resources *r, ResourceScalarVisitor visit, void *userdata) {
        assert(r);
        assert(visit);

        for (size_t i = 0; i < r->n; i++)
                if (r->entries[i].meta->kind == VALUE_SCALAR)
                        visit(r->entries[i].meta->name, r->entries[i].value.milli, userdata);
}

/*
 * Totals by name. Few names, so the list is searched from the start; readers count on some being
 * there.
 */
typedef struct Total {
        const ResourceMeta *meta;
        Value value;
} Total;

static int total_add(Total *totals, size_t *n, const Entry *e) {
        Value copy;
        int k;

        for (size_t i = 0; i < *n; i++)
                if (totals[i].meta->kind == e->meta->kind &&
                    totals[i].meta->revocable == e->meta->revocable &&
                    streq(totals[i].meta->name, e->meta->name))
                        return value_add(&totals[i].value, &e->value);

        k = value_copy(&e->value, &copy);
        if (k < 0)
                return k;

        totals[(*n)++] = (Total) { .meta = e->meta, .value = copy };
        return 0;
}

static int total_visit(const Total *t, ResourceTotalVisitor visit, void *userdata) {
        _cleanup_(buffer_deinit) Buffer name = BUFFER_INIT(TEXT_MAX_BYTES),
                                        text = BUFFER_INIT(TEXT_MAX_BYTES);
        const bool scalar = t->meta->kind == VALUE_SCALAR;
        int k;

        k = buffer_printf(&name, "%s%s%c", t->meta->name, t->meta->revocable ? "_revocable" : "",
                          '\0');
        if (k >= 0 && !scalar)
                k = value_format(&t->value, &text);
        if (k >= 0 && !scalar)
                k = buffer_append_char(&text, '\0');
        if (k < 0)
                return k;

        visit(buffer_data(&name), scalar ? t->value.milli : 0, scalar ? NULL : buffer_data(&text),
              userdata);
        return 0;
}

static bool is_usual(const Total *t, const char *name) {
        return t->meta->kind == VALUE_SCALAR && !t->meta->revocable && streq(t->meta->name, name);
}

static int visit_totals(const Total *totals, size_t n, ResourceTotalVisitor visit, void *userdata) {
        static const char *const usual[] = { "cpus", "gpus", "mem", "disk" };
        bool seen;
        int k;

        for (size_t u = 0; u < ELEMENTSOF(usual); u++) {
                seen = false;
                for (size_t i = 0; i < n; i++)
                        seen = seen || is_usual(&totals[i], usual[u]);
                if (!seen)
                        visit(usual[u], 0, NULL, userdata);
        }

        for (size_t i = 0; i < n; i++) {
                k = total_visit(&totals[i], visit, userdata);
                if (k < 0)
                        return k;
        }

        return 0;
}

int resources_foreach_total(const Resources *r, ResourceTotalVisitor visit, void *userdata) {
        Total *totals;
        size_t n = 0;
        int k = 0;

        assert(r);
        assert(visit);

        totals = calloc(r->n + 1, sizeof(*totals));
        if (!totals)
                return -ENOMEM;

        for (size_t i = 0; i < r->n && k >= 0; i++)
                k = total_add(totals, &n, &r->entries[i]);
        if (k >= 0)
                k = visit_totals(totals, n, visit, userdata);

        for (size_t i = 0; i < n; i++)
                value_deinit(&totals[i].value);
        free(totals);
        return k;
}
