/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ids
 *
 * Frameworks choose the ids of tasks and executors, the master those of frameworks, agents and
 * offers. All of them end up as names of directories and in log lines, so one rule holds for all,
 * and it is applied once: where a message is decoded. Bytes above 0x7f are let through, because
 * frameworks use UTF-8 in names; whether they are UTF-8 is the decoder's business.
 */

#include <inttypes.h>
#include <stdio.h>

#include "common/base/parse.h"
#include "common/model/id.h"

static const char invalid_characters[] = "ID contains invalid characters";

const char *id_check(const char *text) {
        size_t n = strlen(text);

        if (n == 0)
                return "ID must not be empty";
        if (n > ID_TEXT_MAX)
                return "ID must not be greater than 255 characters";
        if (streq(text, "."))
                return "'.' is disallowed";
        if (streq(text, ".."))
                return "'..' is disallowed";

        for (const char *p = text; *p; p++) {
                unsigned char c = (unsigned char) *p;

                if (c < ' ' || c == 0x7f || c == '/' || c == '\\')
                        return invalid_characters;
        }

        return NULL;
}

const char *id_check_message(const char *text, char buf[static ID_MESSAGE_MAX]) {
        const char *message = id_check(text);

        if (!message)
                return NULL;

        if (message == invalid_characters)
                snprintf(buf, ID_MESSAGE_MAX, "'%s' contains invalid characters", text);
        else
                snprintf(buf, ID_MESSAGE_MAX, "%s", message);

        return buf;
}

/* -ENAMETOOLONG when the prefix leaves no room; nothing is written then. */
int id_make(const char *prefix, char kind, uint64_t number, char ret[static ID_TEXT_MAX + 1]) {
        char text[ID_TEXT_MAX + 1];
        int n;

        assert(prefix);

        if (kind)
                n = snprintf(text, sizeof(text), "%s-%c%" PRIu64, prefix, kind, number);
        else
                n = snprintf(text, sizeof(text), "%s-%04" PRIu64, prefix, number);

        if ((size_t) n >= sizeof(text))
                return -ENAMETOOLONG;

        memcpy(ret, text, (size_t) n + 1);
        return 0;
}

int id_random(char ret[static 37]) {
        uint8_t uuid[16];
        int r;

        r = uuid_new(uuid);
        if (r < 0)
                return r;

        uuid_to_text(uuid, ret);
        return 0;
}
