/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Replays the corpus of a fuzz target, and inputs made from it
 *
 * In every `make check`: each file of tests/fuzz/corpus/<target>, each file cut short at every length
 * up to a bound, and a fixed number of seeded mutations. That is no fuzzing, but it keeps what fuzzing
 * found from coming back and catches what breaks at once. The seed is printed; FUZZ_SEED=N replays it,
 * arguments are files to replay instead.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/parse.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX ((size_t) 1 << 20)
#define TRUNCATIONS_MAX 300
#define MUTATIONS_PER_FILE 300

typedef struct Replay {
        uint64_t random;
        size_t n_files;
        size_t n_inputs;
} Replay;

/* xorshift64*, good enough to hit a byte with. */
static uint64_t next_random(Replay *r) {
        r->random ^= r->random >> 12;
        r->random ^= r->random << 25;
        r->random ^= r->random >> 27;
        return r->random * UINT64_C(2685821657736338717);
}

/* In memory of exactly that size, so that reading past it is noticed. */
static void run(Replay *r, const uint8_t *data, size_t n) {
        uint8_t *exact;

        exact = malloc(n + !n);
        assert(exact);
        memcpy(exact, data, n);
        (void) LLVMFuzzerTestOneInput(exact, n);
        free(exact);
        r->n_inputs++;
}

static size_t mutate(Replay *r, uint8_t *data, size_t n) {
        for (uint64_t left = 1 + next_random(r) % 4; left > 0 && n > 0; left--) {
                size_t at = next_random(r) % n;

                switch (next_random(r) % 5) {
                case 0:
                        data[at] = (uint8_t) next_random(r);
                        break;
                case 1:
                        data[at] ^= (uint8_t) (1U << next_random(r) % 8);
                        break;
                case 2:
                        data[at] = 0xff;
                        break;
                case 3:
                        memmove(data + at, data + at + 1, n - at - 1);
                        n--;
                        break;
                case 4:
                        if (n < INPUT_MAX) {
                                memmove(data + at + 1, data + at, n - at);
                                n++;
                        }
                        break;
                }
        }

        return n;
}

static void replay_bytes(Replay *r, const uint8_t *data, size_t n) {
        _cleanup_free_ uint8_t *changed = NULL;

        run(r, data, n);
        for (size_t k = 0; k < n && k < TRUNCATIONS_MAX; k++)
                run(r, data, k);

        changed = malloc(INPUT_MAX);
        assert(changed);
        for (size_t i = 0; i < MUTATIONS_PER_FILE; i++) {
                memcpy(changed, data, n);
                run(r, changed, mutate(r, changed, n));
        }
}

static int replay_file(Replay *r, int dir_fd, const char *name) {
        _cleanup_fd_ int fd = -EBADF;
        _cleanup_free_ uint8_t *data = NULL;
        ssize_t n;

        fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        data = malloc(INPUT_MAX);
        if (!data)
                return -ENOMEM;

        n = fd_read_full(fd, data, INPUT_MAX);
        if (n < 0)
                return (int) n;

        r->n_files++;
        replay_bytes(r, data, (size_t) n);
        return 0;
}

static int replay_directory(Replay *r, const char *path) {
        DIR *dir;
        int k = 0;

        dir = opendir(path);
        if (!dir)
                return -errno;

        for (struct dirent *entry; k >= 0 && (entry = readdir(dir));)
                if (entry->d_name[0] != '.')
                        k = replay_file(r, dirfd(dir), entry->d_name);

        (void) closedir(dir);
        return k;
}

int main(int argc, char **argv) {
        const char *target = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
        const char *source_dir = getenv("top_srcdir") ?: ".", *seed = getenv("FUZZ_SEED");
        _cleanup_free_ char *corpus = NULL;
        Replay r = {};
        int k;

        if (!seed || parse_u64(seed, &r.random) < 0)
                r.random = (uint64_t) time(NULL);
        r.random |= 1;
        printf("FUZZ_SEED=%ju\n", (uintmax_t) r.random);
        fflush(stdout);

        if (asprintf(&corpus, "%s/tests/fuzz/corpus/%s", source_dir, startswith(target, "fuzz-") ?: target) < 0)
                return 1;

        k = argc > 1 ? 0 : replay_directory(&r, corpus);
        for (int i = 1; i < argc && k >= 0; i++)
                k = replay_file(&r, AT_FDCWD, argv[i]);
        if (k < 0) {
                fprintf(stderr, "%s: %s\n", target, strerror(-k));
                return 1;
        }

        printf("%zu files, %zu inputs\n", r.n_files, r.n_inputs);
        return r.n_files > 0 ? 0 : 1;
}
