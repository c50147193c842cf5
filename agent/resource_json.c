/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Resources as JSON
 *
 * Tools read amounts by name, whatever role they are for; those who want to know exactly read the
 * "full" forms, which are Resource messages.
 *
 * Each function returns 0 or -ENOMEM; errors of the writer stick in the writer.
 */

#include "agent/resource_json.h"

static void print_total(const char *name, int64_t milli, const char *text, void *userdata) {
        if (text)
                json_put_string(userdata, name, text);
        else
                json_put_milli(userdata, name, milli);
}

int json_put_resources(JsonWriter *w, const char *key, const Resources *resources) {
        int r;

        json_object_begin(w, key);
        r = resources_foreach_total(resources, print_total, w);
        json_object_end(w);
        return r;
}

static int print_full(JsonWriter *w, const char *key, const Resources *resources) {
        Mesos__V1__Resource **list = NULL;
        size_t n = 0;
        int r;

        r = resources_to_pb(resources, RESOURCE_FORMAT_ENDPOINT, &list, &n);
        if (r < 0)
                return r;

        json_array_begin(w, key);
        for (size_t i = 0; i < n; i++) {
                json_put_message(w, NULL, &list[i]->base);
                (void) pb_free(&list[i]->base);
        }
        json_array_end(w);
        free(list);
        return 0;
}

static int print_reservation(const char *role, const Resources *reserved, void *userdata) {
        return json_put_resources(userdata, role, reserved);
}

static int print_reservation_full(const char *role, const Resources *reserved, void *userdata) {
        return print_full(userdata, role, reserved);
}

int json_put_reserved_resources(JsonWriter *w, const char *key, const Resources *resources) {
        int r;

        json_object_begin(w, key);
        r = resources_foreach_reservation(resources, print_reservation, w);
        json_object_end(w);
        return r;
}

int json_put_reserved_resources_full(JsonWriter *w, const char *key, const Resources *resources) {
        int r;

        json_object_begin(w, key);
        r = resources_foreach_reservation(resources, print_reservation_full, w);
        json_object_end(w);
        return r;
}

int json_put_unreserved_resources(JsonWriter *w, const char *key, const Resources *resources) {
        _cleanup_(resources_freep) Resources *unreserved = resources_unreserved(resources);

        return unreserved ? json_put_resources(w, key, unreserved) : -ENOMEM;
}

int json_put_unreserved_resources_full(JsonWriter *w, const char *key, const Resources *resources) {
        _cleanup_(resources_freep) Resources *unreserved = resources_unreserved(resources);

        return unreserved ? print_full(w, key, unreserved) : -ENOMEM;
}
