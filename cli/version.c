/* SPDX-License-Identifier: Apache-2.0 */

/* holdfast version: ours, and the master's when one is named. */

#include <stdio.h>

#include "cli/client.h"
#include "cli/verb.h"

static int print_master_version(const char *master) {
        _cleanup_free_ char *message = NULL;
        _cleanup_(client_deinit) Client client = CLIENT_NULL;
        const char *version;
        json_t *answer = NULL;
        int r;

        r = client_init(&client, master, &message);
        if (r == CLIENT_OK)
                r = client_get(&client, client.master_url, "/version", &answer, &message);
        if (r != CLIENT_OK)
                return client_report(r, message);

        version = json_string_value(json_object_get(answer, "version"));
        printf("master at %s: %s\n", client.master_url, version ?: "unknown");
        json_decref(answer);
        return EXIT_SUCCESS;
}

int verb_version(int argc, char **argv, const CliEnvironment *environment) {
        char *master = NULL;
        Flag flags[] = {
                { .name = "master", .kind = FLAG_PATH, .value = &master, .metavar = "MASTER",
                  .help = "Ask this master for its version too." },
        };
        FlagTable table = {
                .program = "holdfast version",
                .summary = "Prints the version of this program, and of the master if one is named.",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code;

        code = client_parse_flags(&table, argc, argv, NULL);
        if (code >= 0) {
                flags_deinit(&table);
                return code;
        }

        printf("holdfast %s\n", PACKAGE_VERSION);
        code = EXIT_SUCCESS;
        if (master || environment->master)
                code = print_master_version(master ?: environment->master);

        flags_deinit(&table);
        return code;
}
