/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Values
 *
 * How much there is of a resource, and what an attribute says. Scalars are thousandths inside and
 * doubles on the wire: 0.1 + 0.2 is 0.3 here, and an agent gets back exactly what it lent. Ranges
 * are kept sorted and merged, sets sorted, so that all arithmetic is one walk along both sides.
 *
 *     scalar   4.5                    milli = 4500
 *     ranges   [1-5, 7-9]             {1,5} {7,9}; adding [6-6] makes it [1-9]
 *     set      {a, b}
 *     text     anything else          attributes only
 */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "common/base/parse.h"
#include "common/model/explain.h"
#include "common/model/value.h"

/* Doubles count thousandths exactly up to here; nobody has more of anything. */
#define MILLI_MAX (INT64_C(1) << 53)

void value_deinit(Value *v) {
        switch (v->kind) {
        case VALUE_SCALAR:
                break;
        case VALUE_RANGES:
                free(v->ranges);
                break;
        case VALUE_SET:
                for (size_t i = 0; i < v->n; i++)
                        free(v->items[i]);
                free(v->items);
                break;
        case VALUE_TEXT:
                free(v->text);
                break;
        }

        *v = VALUE_NULL;
}

static int ranges_copy(const Value *v, Value *ret) {
        Value copy = { .kind = VALUE_RANGES, .n = v->n };

        if (v->n > 0) {
                copy.ranges = malloc(v->n * sizeof(*copy.ranges));
                if (!copy.ranges)
                        return -ENOMEM;

                memcpy(copy.ranges, v->ranges, v->n * sizeof(*copy.ranges));
        }

        *ret = copy;
        return 0;
}

static int set_copy(const Value *v, Value *ret) {
        _cleanup_(value_deinit) Value copy = { .kind = VALUE_SET };

        if (v->n > 0) {
                copy.items = calloc(v->n, sizeof(*copy.items));
                if (!copy.items)
                        return -ENOMEM;

                for (; copy.n < v->n; copy.n++) {
                        copy.items[copy.n] = strdup(v->items[copy.n]);
                        if (!copy.items[copy.n])
                                return -ENOMEM;
                }
        }

        *ret = copy;
        copy = VALUE_NULL;
        return 0;
}

static int text_copy(const Value *v, Value *ret) {
        char *text = strdup(v->text);

        if (!text)
                return -ENOMEM;

        *ret = (Value) { .kind = VALUE_TEXT, .text = text };
        return 0;
}

int value_copy(const Value *v, Value *ret) {
        switch (v->kind) {
        case VALUE_SCALAR:
                *ret = *v;
                return 0;
        case VALUE_RANGES:
                return ranges_copy(v, ret);
        case VALUE_SET:
                return set_copy(v, ret);
        case VALUE_TEXT:
                return text_copy(v, ret);
        }

        return -EINVAL;
}

bool value_is_empty(const Value *v) {
        switch (v->kind) {
        case VALUE_SCALAR:
                return v->milli == 0;
        case VALUE_RANGES:
        case VALUE_SET:
                return v->n == 0;
        case VALUE_TEXT:
                return false;
        }

        return false;
}

static bool items_equal(const Value *a, const Value *b) {
        for (size_t i = 0; i < a->n; i++)
                if (!streq(a->items[i], b->items[i]))
                        return false;

        return true;
}

bool value_equal(const Value *a, const Value *b) {
        if (a->kind != b->kind || a->n != b->n)
                return false;

        switch (a->kind) {
        case VALUE_SCALAR:
                return a->milli == b->milli;
        case VALUE_RANGES:
                return a->n == 0 || memcmp(a->ranges, b->ranges, a->n * sizeof(*a->ranges)) == 0;
        case VALUE_SET:
                return items_equal(a, b);
        case VALUE_TEXT:
                return streq(a->text, b->text);
        }

        return false;
}

/* Since neighbours are merged, a range of b lies within one range of a or not at all. */
static bool ranges_contain(const Value *a, const Value *b) {
        size_t i = 0;

        for (size_t k = 0; k < b->n; k++) {
                while (i < a->n && a->ranges[i].end < b->ranges[k].end)
                        i++;
                if (i == a->n || a->ranges[i].begin > b->ranges[k].begin)
                        return false;
        }

        return true;
}

static bool items_contain(const Value *a, const Value *b) {
        size_t i = 0;

        for (size_t k = 0; k < b->n; k++) {
                while (i < a->n && strcmp(a->items[i], b->items[k]) < 0)
                        i++;
                if (i == a->n || !streq(a->items[i], b->items[k]))
                        return false;
        }

        return true;
}

bool value_contains(const Value *a, const Value *b) {
        if (a->kind != b->kind)
                return false;

        switch (a->kind) {
        case VALUE_SCALAR:
                return a->milli >= b->milli;
        case VALUE_RANGES:
                return ranges_contain(a, b);
        case VALUE_SET:
                return items_contain(a, b);
        case VALUE_TEXT:
                return streq(a->text, b->text);
        }

        return false;
}

/* Appends a range that begins no earlier than the last one; there is room. */
static void ranges_append(ValueRange *ranges, size_t *n, ValueRange next) {
        ValueRange *last = *n > 0 ? &ranges[*n - 1] : NULL;

        if (last && (next.begin <= last->end || next.begin - last->end == 1))
                last->end = MAX(last->end, next.end);
        else
                ranges[(*n)++] = next;
}

static int ranges_add(Value *a, const Value *b) {
        ValueRange *sum;
        size_t n = 0, i = 0, k = 0;

        if (b->n == 0)
                return 0;

        sum = malloc((a->n + b->n) * sizeof(*sum));
        if (!sum)
                return -ENOMEM;

        while (i < a->n || k < b->n)
                if (k == b->n || (i < a->n && a->ranges[i].begin <= b->ranges[k].begin))
                        ranges_append(sum, &n, a->ranges[i++]);
                else
                        ranges_append(sum, &n, b->ranges[k++]);

        free(a->ranges);
        a->ranges = sum;
        a->n = n;
        return 0;
}

/*
 * What is left of `r` when the ranges of b from *k on are taken out; skips those that end before
 * it.
 */
static void ranges_cut(ValueRange r, const Value *b, size_t *k, ValueRange *rest, size_t *n) {
        while (*k < b->n && b->ranges[*k].end < r.begin)
                (*k)++;

        for (size_t j = *k; j < b->n && b->ranges[j].begin <= r.end; j++) {
                if (b->ranges[j].begin > r.begin)
                        rest[(*n)++] = (ValueRange) { r.begin, b->ranges[j].begin - 1 };
                if (b->ranges[j].end >= r.end)
                        return;

                r.begin = b->ranges[j].end + 1;
        }

        rest[(*n)++] = r;
}

static int ranges_subtract(Value *a, const Value *b) {
        ValueRange *rest;
        size_t n = 0, k = 0;

        if (a->n == 0 || b->n == 0)
                return 0;

        /* Each range of b splits at most one range of a in two. */
        rest = malloc((a->n + b->n) * sizeof(*rest));
        if (!rest)
                return -ENOMEM;

        for (size_t i = 0; i < a->n; i++)
                ranges_cut(a->ranges[i], b, &k, rest, &n);

        free(a->ranges);
        a->ranges = rest;
        a->n = n;
        return 0;
}

/* Copies what only b has first, so that nothing has changed when memory runs out. */
static int items_add(Value *a, const Value *b) {
        _cleanup_(value_deinit) Value copy = VALUE_NULL;
        char **sum;
        size_t n = 0, i = 0, k = 0;
        int r;

        r = set_copy(b, &copy);
        if (r < 0)
                return r;

        sum = calloc(a->n + copy.n + 1, sizeof(*sum));
        if (!sum)
                return -ENOMEM;

        while (i < a->n || k < copy.n) {
                int c = i == a->n ? 1 : k == copy.n ? -1 : strcmp(a->items[i], copy.items[k]);

                if (c == 0)
                        k++;
                else if (c < 0)
                        sum[n++] = a->items[i++];
                else {
                        sum[n++] = TAKE_PTR(copy.items[k]);
                        k++;
                }
        }

        free(a->items);
        a->items = sum;
        a->n = n;
        return 0;
}

static void items_subtract(Value *a, const Value *b) {
        size_t n = 0, k = 0;

        for (size_t i = 0; i < a->n; i++) {
                while (k < b->n && strcmp(b->items[k], a->items[i]) < 0)
                        k++;
                if (k < b->n && streq(b->items[k], a->items[i]))
                        free(a->items[i]);
                else
                        a->items[n++] = a->items[i];
        }

        a->n = n;
}

static int scalar_add(Value *a, const Value *b) {
        int64_t sum;

        if (__builtin_add_overflow(a->milli, b->milli, &sum))
                return -EOVERFLOW;

        a->milli = sum;
        return 0;
}

int value_add(Value *a, const Value *b) {
        assert(a->kind == b->kind);

        switch (a->kind) {
        case VALUE_SCALAR:
                return scalar_add(a, b);
        case VALUE_RANGES:
                return ranges_add(a, b);
        case VALUE_SET:
                return items_add(a, b);
        case VALUE_TEXT:
                return -EINVAL;
        }

        return -EINVAL;
}

int value_subtract(Value *a, const Value *b) {
        assert(a->kind == b->kind);

        switch (a->kind) {
        case VALUE_SCALAR:
                a->milli = MAX(a->milli - b->milli, INT64_C(0));
                return 0;
        case VALUE_RANGES:
                return ranges_subtract(a, b);
        case VALUE_SET:
                items_subtract(a, b);
                return 0;
        case VALUE_TEXT:
                return -EINVAL;
        }

        return -EINVAL;
}

bool value_milli_from_double(double number, int64_t *ret_milli) {
        double milli = round(number * 1000);

        if (!(fabs(milli) <= (double) MILLI_MAX))
                return false;

        *ret_milli = (int64_t) milli;
        return true;
}

double value_milli_to_double(int64_t milli) {
        return (double) milli / 1000;
}

int value_format_milli(int64_t milli, Buffer *b) {
        uint64_t magnitude = milli < 0 ? -(uint64_t) milli : (uint64_t) milli;
        char fraction[5] = "";

        if (magnitude % 1000 > 0) {
                size_t n;

                snprintf(fraction, sizeof(fraction), ".%03u", (unsigned) (magnitude % 1000));
                for (n = strlen(fraction); fraction[n - 1] == '0'; n--)
                        fraction[n - 1] = '\0';
        }

        return buffer_printf(b, "%s%" PRIu64 "%s", milli < 0 ? "-" : "", magnitude / 1000,
                             fraction);
}

static int ranges_format(const Value *v, Buffer *b) {
        int r;

        r = buffer_append_char(b, '[');
        for (size_t i = 0; i < v->n && r >= 0; i++)
                r = buffer_printf(b, "%s%" PRIu64 "-%" PRIu64, i > 0 ? ", " : "",
                                  v->ranges[i].begin, v->ranges[i].end);

        return r < 0 ? r : buffer_append_char(b, ']');
}

static int items_format(const Value *v, Buffer *b) {
        int r;

        r = buffer_append_char(b, '{');
        for (size_t i = 0; i < v->n && r >= 0; i++)
                r = buffer_printf(b, "%s%s", i > 0 ? ", " : "", v->items[i]);

        return r < 0 ? r : buffer_append_char(b, '}');
}

int value_format(const Value *v, Buffer *b) {
        switch (v->kind) {
        case VALUE_SCALAR:
                return value_format_milli(v->milli, b);
        case VALUE_RANGES:
                return ranges_format(v, b);
        case VALUE_SET:
                return items_format(v, b);
        case VALUE_TEXT:
                return buffer_append_text(b, v->text);
        }

        return -EINVAL;
}

static int range_compare(const void *a, const void *b) {
        const ValueRange *x = a, *y = b;

        return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Sorts and merges in place. */
static void ranges_normalize(Value *v) {
        size_t n = 0;

        if (v->n == 0)
                return;

        qsort(v->ranges, v->n, sizeof(*v->ranges), range_compare);
        for (size_t i = 0; i < v->n; i++)
                ranges_append(v->ranges, &n, v->ranges[i]);
        v->n = n;
}

static int item_compare(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static void items_normalize(Value *v) {
        size_t n = 0;

        if (v->n == 0)
                return;

        qsort(v->items, v->n, sizeof(*v->items), item_compare);
        for (size_t i = 0; i < v->n; i++)
                if (n > 0 && streq(v->items[n - 1], v->items[i]))
                        free(v->items[i]);
                else
                        v->items[n++] = v->items[i];
        v->n = n;
}

int value_from_ranges_pb(const Mesos__V1__Value__Ranges *pb, Value *ret) {
        Value v = { .kind = VALUE_RANGES, .n = pb->n_range };

        if (v.n > 0) {
                v.ranges = malloc(v.n * sizeof(*v.ranges));
                if (!v.ranges)
                        return -ENOMEM;
        }

        for (size_t i = 0; i < v.n; i++)
                v.ranges[i] = (ValueRange) { pb->range[i]->begin, pb->range[i]->end };

        ranges_normalize(&v);
        *ret = v;
        return 0;
}

int value_from_set_pb(const Mesos__V1__Value__Set *pb, Value *ret) {
        const Value borrowed = { .kind = VALUE_SET, .n = pb->n_item, .items = pb->item };
        int r;

        r = set_copy(&borrowed, ret);
        if (r < 0)
                return r;

        items_normalize(ret);
        return 0;
}

int value_to_scalar_pb(const Value *v, Mesos__V1__Value__Scalar **ret) {
        Mesos__V1__Value__Scalar *pb = malloc(sizeof(*pb));

        if (!pb)
                return -ENOMEM;

        mesos__v1__value__scalar__init(pb);
        pb->value = value_milli_to_double(v->milli);
        *ret = pb;
        return 0;
}

static void ranges_pb_freep(Mesos__V1__Value__Ranges **pb) {
        if (*pb)
                protobuf_c_message_free_unpacked(&(*pb)->base, NULL);
}

int value_to_ranges_pb(const Value *v, Mesos__V1__Value__Ranges **ret) {
        _cleanup_(ranges_pb_freep) Mesos__V1__Value__Ranges *pb = malloc(sizeof(*pb));

        if (!pb)
                return -ENOMEM;

        mesos__v1__value__ranges__init(pb);
        pb->range = calloc(v->n + 1, sizeof(Mesos__V1__Value__Range *));
        if (!pb->range)
                return -ENOMEM;

        for (; pb->n_range < v->n; pb->n_range++) {
                Mesos__V1__Value__Range *range = malloc(sizeof(*range));

                if (!range)
                        return -ENOMEM;

                mesos__v1__value__range__init(range);
                range->begin = v->ranges[pb->n_range].begin;
                range->end = v->ranges[pb->n_range].end;
                pb->range[pb->n_range] = range;
        }

        *ret = TAKE_PTR(pb);
        return 0;
}

int value_to_set_pb(const Value *v, Mesos__V1__Value__Set **ret) {
        Mesos__V1__Value__Set *pb;
        Value copy;
        int r;

        r = set_copy(v, &copy);
        if (r < 0)
                return r;

        pb = malloc(sizeof(*pb));
        if (!pb) {
                value_deinit(&copy);
                return -ENOMEM;
        }

        mesos__v1__value__set__init(pb);
        pb->n_item = copy.n;
        pb->item = copy.items;
        *ret = pb;
        return 0;
}

/* The next token between separators; empty ones don't count. Returns its length, 0 at the end. */
static size_t next_token(const char **p, const char *separators, const char **ret_token) {
        size_t n;

        *p += strspn(*p, separators);
        n = strcspn(*p, separators);
        *ret_token = *p;
        *p += n;
        return n;
}

static size_t count_tokens(const char *text, const char *separators) {
        const char *token;
        size_t n = 0;

        while (next_token(&text, separators, &token) > 0)
                n++;

        return n;
}

static int parse_bound(const char *token, size_t n, uint64_t *ret, char **reterr_message) {
        char digits[24] = "";

        if (n < sizeof(digits)) {
                memcpy(digits, token, n);
                digits[n] = '\0';
                if (parse_u64(digits, ret) >= 0)
                        return VALUE_OK;
        }

        return explain(reterr_message, VALUE_E_INVALID, "Expecting non-negative integers in '%.*s'",
                       (int) n, token);
}

static int ranges_parse(const char *text, Value *ret, char **reterr_message) {
        static const char separators[] = "[]-,\n";
        _cleanup_(value_deinit) Value v = { .kind = VALUE_RANGES };
        const size_t n_tokens = count_tokens(text, separators);
        const char *token;
        int r;

        if (n_tokens % 2 != 0)
                return explain(reterr_message, VALUE_E_INVALID, "Expecting one or more \"ranges\"");

        v.ranges = calloc(n_tokens / 2 + 1, sizeof(*v.ranges));
        if (!v.ranges)
                return -ENOMEM;

        for (; v.n < n_tokens / 2; v.n++) {
                size_t n = next_token(&text, separators, &token);

                r = parse_bound(token, n, &v.ranges[v.n].begin, reterr_message);
                if (r != VALUE_OK)
                        return r;

                n = next_token(&text, separators, &token);
                r = parse_bound(token, n, &v.ranges[v.n].end, reterr_message);
                if (r != VALUE_OK)
                        return r;

                if (v.ranges[v.n].begin > v.ranges[v.n].end)
                        return explain(reterr_message, VALUE_E_INVALID,
                                       "Invalid ranges resource: begin > end");
        }

        ranges_normalize(&v);
        *ret = v;
        v = VALUE_NULL;
        return VALUE_OK;
}

static int set_parse(const char *text, Value *ret) {
        static const char separators[] = "{},\n";
        _cleanup_(value_deinit) Value v = { .kind = VALUE_SET };
        const char *token;
        size_t n;

        v.items = calloc(count_tokens(text, separators) + 1, sizeof(*v.items));
        if (!v.items)
                return -ENOMEM;

        while ((n = next_token(&text, separators, &token)) > 0) {
                v.items[v.n] = strndup(token, n);
                if (!v.items[v.n])
                        return -ENOMEM;
                v.n++;
        }

        items_normalize(&v);
        *ret = v;
        v = VALUE_NULL;
        return VALUE_OK;
}

static bool brackets_match(const char *text, char open, char close) {
        size_t depth = 0;

        for (const char *p = text; *p; p++)
                if (*p == open)
                        depth++;
                else if (*p == close && depth-- == 0)
                        return false;

        return depth == 0;
}

static int scalar_or_text_parse(const char *text, Value *ret) {
        double number;
        char *copy;

        if (parse_double(text, &number) >= 0) {
                Value v = VALUE_NULL;

                if (value_milli_from_double(number, &v.milli)) {
                        *ret = v;
                        return VALUE_OK;
                }
        }

        copy = strdup(text);
        if (!copy)
                return -ENOMEM;

        *ret = (Value) { .kind = VALUE_TEXT, .text = copy };
        return VALUE_OK;
}

/* Spaces don't count, not even within a text: Mesos drops them first. */
int value_parse(const char *text, Value *ret, char **reterr_message) {
        _cleanup_free_ char *dense = malloc(strlen(text) + 1);
        char *end = dense;

        if (!dense)
                return -ENOMEM;

        for (const char *p = text; *p; p++)
                if (*p != ' ')
                        *end++ = *p;
        *end = '\0';

        if (*dense == '\0')
                return explain(reterr_message, VALUE_E_INVALID, "Expecting non-empty string");
        if (!brackets_match(dense, '{', '}') || !brackets_match(dense, '[', ']') ||
            !brackets_match(dense, '(', ')'))
                return explain(reterr_message, VALUE_E_INVALID, "Mismatched brackets");

        if (*dense == '[')
                return ranges_parse(dense, ret, reterr_message);
        if (strchr(dense, '['))
                return explain(reterr_message, VALUE_E_INVALID, "Unexpected '[' found");
        if (*dense == '{')
                return set_parse(dense, ret);
        if (strchr(dense, '{'))
                return explain(reterr_message, VALUE_E_INVALID, "Unexpected '{' found");

        return scalar_or_text_parse(dense, ret);
}
