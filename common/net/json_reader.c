/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON from strangers
 *
 * jansson parses, but takes a hundred times the text's size when asked cleverly (a list of empty
 * objects), and refuses numbers Mesos takes: integers above INT64_MAX, and the bare words Infinity
 * and -Infinity that Mesos itself prints. So the text is surveyed first: how deep it goes, what its
 * tree will weigh, and whether such numbers occur. Only if they do, it is copied with each of them
 * turned into a string that begins with JSON_NUMBER_MARK; a real string can begin with that only if
 * somebody wrote \u0001, and gains nothing by it.
 *
 * The survey isn't a parser: it knows strings from the rest, no more. What it lets pass wrongly,
 * jansson refuses.
 *
 * Syntax errors are told as Mesos tells them: "syntax error at line 1 near: oops".
 */

#include <limits.h>
#include <stdio.h>

#include "common/base/buffer.h"
#include "common/net/json_reader.h"

/* What jansson takes for each, with its key and its slot in the container; rounded up. */
#define OBJECT_BYTES 256
#define ARRAY_BYTES 160
#define STRING_BYTES 128
#define SCALAR_BYTES 48

/* INT64_MAX has 19 digits; what has so many may be larger. */
#define MAX_SURE_DIGITS 18

/* Of the offending line, how much is shown. */
#define MAX_NEAR_BYTES 256

typedef struct Survey {
        unsigned depth;
        unsigned max_depth; /* reached */
        size_t memory_bytes;
        size_t n_marked; /* numbers to mark */
} Survey;

static bool is_word(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '+' || c == '.';
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The string that begins at json[0], with its quotes. */
static size_t string_length(const char *json, size_t n) {
        for (size_t i = 1; i < n; i++)
                if (json[i] == '\\')
                        i++;
                else if (json[i] == '"')
                        return i + 1;

        return n;
}

static size_t word_length(const char *json, size_t n) {
        size_t i = 1;

        while (i < n && is_word(json[i]))
                i++;

        return i;
}

/* A number jansson can't read but we can. */
static bool word_is_marked(const char *word, size_t n) {
        if (n > 0 && word[0] == '-') {
                word++;
                n--;
        }

        if (n == strlen("Infinity") && memcmp(word, "Infinity", n) == 0)
                return true;
        if (n <= MAX_SURE_DIGITS || word[0] == '0')
                return false;

        for (size_t i = 0; i < n; i++)
                if (word[i] < '0' || word[i] > '9')
                        return false;

        return true;
}

/* The length of what json begins with: a string, a word, or a single character. */
static size_t token_length(const char *json, size_t n) {
        if (json[0] == '"')
                return string_length(json, n);
        if (is_word(json[0]))
                return word_length(json, n);

        return 1;
}

static void survey_token(Survey *s, const char *token, size_t n) {
        switch (token[0]) {
        case '{':
                s->memory_bytes += OBJECT_BYTES;
                s->max_depth = MAX(s->max_depth, ++s->depth);
                break;
        case '[':
                s->memory_bytes += ARRAY_BYTES;
                s->max_depth = MAX(s->max_depth, ++s->depth);
                break;
        case '}':
        case ']':
                s->depth -= s->depth > 0;
                break;
        case '"':
                s->memory_bytes += STRING_BYTES + n;
                break;
        default:
                if (is_word(token[0])) {
                        s->memory_bytes += SCALAR_BYTES;
                        s->n_marked += word_is_marked(token, n);
                }
        }
}

static Survey survey_text(const char *json, size_t n) {
        Survey s = {};

        for (size_t i = 0, length; i < n; i += length) {
                length = token_length(json + i, n - i);
                survey_token(&s, json + i, length);
        }

        return s;
}

static int mark_numbers(const char *json, size_t n, Buffer *b) {
        int r;

        for (size_t i = 0, length; i < n; i += length) {
                bool marked;

                length = token_length(json + i, n - i);
                marked = is_word(json[i]) && word_is_marked(json + i, length);

                if (marked) {
                        r = buffer_append_text(b, "\"\\u0001");
                        if (r < 0)
                                return r;
                }
                r = buffer_append(b, json + i, length);
                if (r < 0)
                        return r;
                if (marked) {
                        r = buffer_append_char(b, '"');
                        if (r < 0)
                                return r;
                }
        }

        return 0;
}

/* Where the token begins that jansson stumbled over; it tells where that ends. */
static size_t error_offset(const char *json, size_t n, const json_error_t *error) {
        size_t offset = error->position > 0 ? MIN((size_t) error->position, n) : 0;

        if (json_error_code(error) == json_error_premature_end_of_input)
                return n;

        if (offset > 0 && is_word(json[offset - 1]))
                while (offset > 0 && is_word(json[offset - 1]))
                        offset--;
        else if (offset > 0 && strchr("{}[]:,\"", json[offset - 1]))
                offset--;

        return offset;
}

/* The rest of the line, as far as it is printable. */
static int append_near(Buffer *b, const char *json, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && i < MAX_NEAR_BYTES && json[i] != '\n' && r == 0; i++)
                if (json[i] >= ' ' && json[i] <= '~')
                        r = buffer_append_char(b, json[i]);

        return r;
}

static int take_message(Buffer *b, char **reterr_message) {
        char *text;

        if (!reterr_message)
                return 0;

        text = buffer_take_text(b);
        if (!text)
                return -ENOMEM;

        *reterr_message = text;
        return 0;
}

static int refuse(int code, const char *text, const char *near, size_t n_near,
                  char **reterr_message) {
        Buffer b = BUFFER_INIT(2 * MAX_NEAR_BYTES);
        int r;

        r = buffer_append_text(&b, text);
        if (r == 0)
                r = append_near(&b, near, n_near);
        if (r == 0)
                r = take_message(&b, reterr_message);

        buffer_deinit(&b);
        return r < 0 ? r : code;
}

static int refuse_syntax(const char *json, size_t n, const json_error_t *error,
                         char **reterr_message) {
        size_t offset = error_offset(json, n, error), line = 1;
        char text[64];

        if (json_error_code(error) == json_error_out_of_memory)
                return -ENOMEM;

        for (size_t i = 0; i < offset; i++)
                line += json[i] == '\n';

        (void) snprintf(text, sizeof(text), "syntax error at line %zu near: ", line);
        return refuse(JSON_READ_E_SYNTAX, text, json + offset, n - offset, reterr_message);
}

static int parse(const char *json, size_t n, json_t **ret, char **reterr_message) {
        _cleanup_(json_unrefp) json_t *tree = NULL;
        json_error_t error;
        size_t end;

        tree = json_loadb(json, n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK,
                          &error);
        if (!tree)
                return refuse_syntax(json, n, &error, reterr_message);

        end = (size_t) error.position;
        while (end < n && is_blank(json[end]))
                end++;
        if (end < n)
                return refuse(JSON_READ_E_SYNTAX,
                              "Parsed JSON included non-whitespace trailing characters: ",
                              json + end, n - end, reterr_message);

        *ret = TAKE_PTR(tree);
        return JSON_READ_OK;
}

/*
 * Parses n bytes of JSON; any value may stand at the top. The tree takes no more than
 * max_memory_bytes, by an estimate that errs to the high side.
 *
 * Returns JSON_READ_OK, JSON_READ_E_BOUNDS or JSON_READ_E_SYNTAX with a text for the peer, -ENOMEM.
 */
int json_read(const char *json, size_t n, unsigned max_depth, size_t max_memory_bytes, json_t **ret,
              char **reterr_message) {
        Survey survey = survey_text(json, n);
        Buffer marked = BUFFER_INIT(SIZE_MAX);
        int r;

        if (survey.max_depth > max_depth)
                return refuse(JSON_READ_E_BOUNDS, "JSON nested too deeply", NULL, 0,
                              reterr_message);
        /* jansson counts its place in the text in an int. */
        if (survey.memory_bytes > max_memory_bytes || n > INT_MAX / 2)
                return refuse(JSON_READ_E_BOUNDS, "JSON would take too much memory", NULL, 0,
                              reterr_message);

        if (survey.n_marked == 0)
                return parse(n > 0 ? json : "", n, ret, reterr_message);

        /* At most twice the text: a mark takes eight bytes, what it stands beside no fewer. */
        r = mark_numbers(json, n, &marked);
        if (r == 0)
                r = parse(buffer_data(&marked), buffer_size(&marked), ret, reterr_message);

        buffer_deinit(&marked);
        return r;
}
