/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Replays a fuzz target's corpus, file by file: tests/fuzz/corpus/NAME for the program fuzz-NAME, or
 * the files given. So that what a fuzzer once found stays found, on machines without one.
 */

#include <dirent.h>
#include <stdio.h>

#include "common/base/macro.h"
#include "tests/fuzz/fuzz.h"

static void replay_file(const char *path) {
        _cleanup_free_ uint8_t *data = malloc(1 << 20);
        FILE *f = fopen(path, "re");
        uint8_t *exact;
        size_t n;

        if (!f || !data)
                abort();

        n = fread(data, 1, 1 << 20, f);
        fclose(f);

        /* As large as the input and no larger, for the sanitizers to see a read beyond it. */
        exact = malloc(n);
        if (n > 0 && !exact)
                abort();
        if (n > 0)
                memcpy(exact, data, n);

        (void) LLVMFuzzerTestOneInput(exact, n);
        free(exact);
}

static unsigned replay_folder(const char *folder) {
        DIR *d = opendir(folder);
        struct dirent *entry;
        unsigned n = 0;

        if (!d) {
                perror(folder);
                exit(EXIT_FAILURE);
        }

        while ((entry = readdir(d))) {
                _cleanup_free_ char *path = NULL;

                if (entry->d_name[0] == '.')
                        continue;
                if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
                        abort();

                replay_file(path);
                n++;
        }

        closedir(d);
        return n;
}

int main(int argc, char **argv) {
        const char *top_srcdir = getenv("top_srcdir"), *name = strrchr(argv[0], '/');
        _cleanup_free_ char *folder = NULL;

        for (int i = 1; i < argc; i++)
                replay_file(argv[i]);
        if (argc > 1)
                return EXIT_SUCCESS;

        name = startswith(name ? name + 1 : argv[0], "fuzz-");
        if (!name || asprintf(&folder, "%s/tests/fuzz/corpus/%s", top_srcdir ?: ".", name) < 0)
                return EXIT_FAILURE;

        printf("%u files from %s\n", replay_folder(folder), folder);
        return EXIT_SUCCESS;
}
