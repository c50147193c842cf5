#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* C made comfortable: cleanup attributes, ownership transfer, small arithmetic. */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _noreturn_ __attribute__((noreturn))
#define _unused_ __attribute__((unused))
#define _packed_ __attribute__((packed))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *) (void *) ((char *) (ptr) - offsetof(type, member)))
#define CONCAT_(a, b) a##b
#define CONCAT(a, b) CONCAT_(a, b)

/* Names of their own each time, so that one may stand inside the other. */
#define MIN(a, b) COMPARE_(<, a, b, CONCAT(_a, __COUNTER__), CONCAT(_b, __COUNTER__))
#define MAX(a, b) COMPARE_(>, a, b, CONCAT(_a, __COUNTER__), CONCAT(_b, __COUNTER__))
#define COMPARE_(op, a, b, x, y) ({ __auto_type x = (a); __auto_type y = (b); x op y ? x : y; })

/* Hands over what a variable owns: the variable is empty afterwards. */
#define TAKE_PTR(p) ({ __auto_type _p = (p); (p) = NULL; _p; })
#define TAKE_FD(fd) ({ int _fd = (fd); (fd) = -EBADF; _fd; })

/* Makes x_freep() of a destructor that takes and returns the pointer, for _cleanup_(x_freep). */
#define DEFINE_CLEANUP(type, f)                                                                    \
        static inline void f##p(type *p) {                                                         \
                if (*p)                                                                            \
                        *p = f(*p);                                                                \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}

#define _cleanup_free_ _cleanup_(freep)

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* Equal, or both absent. */
static inline bool streq_ptr(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

/* What follows the prefix, or NULL. */
static inline const char *startswith(const char *s, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

/* To the nearest, halves away from zero: llround() without libm, which the launcher does without. |x| < 2^63. */
static inline int64_t double_round(double x) {
        int64_t whole = (int64_t) x;
        double rest = x - (double) whole;

        return rest >= 0.5 ? whole + 1 : rest <= -0.5 ? whole - 1 : whole;
}
