/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Resources as operators write them
 *
 *     cpus:8;mem:1024;ports:[31000-32000];cpus(ops):2
 *
 * Each item becomes a message and takes the way of all messages. There is a JSON form of the flag
 * as well; the caller decodes it, since JSON is none of this folder's business.
 */

#include "common/model/convert.h"
#include "common/model/explain.h"
#include "common/model/resource_entry.h"
#include "common/model/resources.h"
#include "common/model/role.h"
#include "common/model/value.h"

#define REFUSE(...) explain(reterr_message, RESOURCES_E_INVALID, __VA_ARGS__)

/* Cuts blanks off both ends, in place. */
static char *trim(char *text) {
        char *end;

        text += strspn(text, " \t\r\n");
        for (end = text + strlen(text); end > text && strchr(" \t\r\n", end[-1]); end--)
                end[-1] = '\0';

        return text;
}

static void value_to_pb(const Value *v, Mesos__V1__Resource *pb, Mesos__V1__Value__Scalar *scalar,
                        Mesos__V1__Value__Set *set) {
        pb->type = (Mesos__V1__Value__Type) v->kind;
        if (v->kind == VALUE_SCALAR) {
                scalar->value = value_milli_to_double(v->milli);
                pb->scalar = scalar;
        } else if (v->kind == VALUE_SET) {
                set->n_item = v->n;
                set->item = v->items;
                pb->set = set;
        }
}

static int add_parsed(Resources *r, const char *name, const char *role, const Value *v,
                      char **reterr_message) {
        _cleanup_(resources_freep) Resources *one = NULL;
        Mesos__V1__Value__Scalar scalar = MESOS__V1__VALUE__SCALAR__INIT;
        Mesos__V1__Value__Set set = MESOS__V1__VALUE__SET__INIT;
        Mesos__V1__Value__Ranges *ranges = NULL;
        Mesos__V1__Resource pb = MESOS__V1__RESOURCE__INIT;
        Mesos__V1__Resource *list[] = { &pb };
        int k;

        pb.name = (char *) name;
        pb.role = (char *) role;
        value_to_pb(v, &pb, &scalar, &set);
        if (v->kind == VALUE_RANGES) {
                k = value_to_ranges_pb(v, &ranges);
                if (k < 0)
                        return k;
                pb.ranges = ranges;
        }

        k = resources_from_pb(list, 1, &one, reterr_message);
        message_free(ranges);
        if (k != RESOURCES_OK)
                return k;

        return resources_add(r, one);
}

/* "name(role)" or "name", in place. */
static int split_role(char *text, const char *token, char **ret_name, const char **role,
                      char **reterr_message) {
        char *open = strchr(text, '('), *close;

        if (open) {
                close = strchr(open, ')');
                if (!close)
                        return REFUSE("Bad value for resources, mismatched parentheses in %s",
                                      token);

                *open = *close = '\0';
                *role = trim(open + 1);
        }

        *ret_name = trim(text);
        return RESOURCES_OK;
}

static int parse_item(Resources *r, const char *token, const char *default_role,
                      char **reterr_message) {
        _cleanup_(value_deinit) Value v = VALUE_NULL;
        _cleanup_free_ char *copy = strdup(token), *reason = NULL;
        const char *role = default_role;
        char *save = NULL, *name = NULL, *left, *right;
        int k;

        if (!copy)
                return -ENOMEM;

        left = strtok_r(copy, ":", &save);
        right = strtok_r(NULL, ":", &save);
        if (!left || !right || strtok_r(NULL, ":", &save))
                return REFUSE("Bad value for resources, missing or extra ':' in %s", token);

        k = split_role(left, token, &name, &role, reterr_message);
        if (k != RESOURCES_OK)
                return k;

        k = value_parse(right, &v, &reason);
        if (k < 0)
                return k;
        if (k != VALUE_OK)
                return REFUSE("Failed to parse resource %s value %s error %s", name, right, reason);
        if (v.kind == VALUE_TEXT)
                return REFUSE("Bad type for resource %s value %s type TEXT", name, right);

        return add_parsed(r, name, role, &v, reterr_message);
}

/* A flag says what a machine has, not what was done to it. */
static int validate_flag(const Resources *r, char **reterr_message) {
        for (size_t i = 0; i < r->n; i++) {
                const ResourceMeta *m = r->entries[i].meta;

                if (m->persistent_volume)
                        return REFUSE("Persistent volumes cannot be specified at the command line");
                if (m->revocable)
                        return REFUSE("Revocable resources cannot be specified at the command "
                                      "line; do not include a 'revocable' key in the resources "
                                      "JSON");
                if (m->dynamic)
                        return REFUSE("Dynamic reservations cannot be specified at the command "
                                      "line; do not include a reservation with DYNAMIC type in "
                                      "the resources JSON");

                for (size_t j = 0; j < i; j++)
                        if (streq(r->entries[j].meta->name, m->name) &&
                            r->entries[j].meta->kind != m->kind)
                                return REFUSE("Resources with the same name ('%s') but different "
                                              "types are not allowed",
                                              m->name);
        }

        return RESOURCES_OK;
}

/* Returns 0, RESOURCES_E_INVALID with the reason, or -ENOMEM. */
int resources_parse(const char *text, const char *default_role, Resources **ret,
                    char **reterr_message) {
        _cleanup_(resources_freep) Resources *r = NULL;
        _cleanup_free_ char *copy = NULL;
        char *save = NULL;
        int k;

        assert(text);
        assert(default_role);
        assert(ret);
        assert(reterr_message);

        r = resources_new();
        copy = strdup(text);
        if (!r || !copy)
                return -ENOMEM;

        for (char *token = strtok_r(copy, ";", &save); token; token = strtok_r(NULL, ";", &save)) {
                k = parse_item(r, token, default_role, reterr_message);
                if (k != RESOURCES_OK)
                        return k;
        }

        k = validate_flag(r, reterr_message);
        if (k != RESOURCES_OK)
                return k;

        *ret = TAKE_PTR(r);
        return RESOURCES_OK;
}

static int add_flag_pb(Resources *r, const Mesos__V1__Resource *pb, const char *default_role,
                       char **reterr_message) {
        _cleanup_(resources_freep) Resources *one = NULL;
        Mesos__V1__Resource copy = *pb;
        Mesos__V1__Resource *list[] = { &copy };
        int k;

        if (pb->n_reservations == 0 &&
            (!pb->role || pb->role == mesos__v1__resource__role__default_value))
                copy.role = (char *) default_role;

        k = resources_from_pb(list, 1, &one, reterr_message);
        return k == RESOURCES_OK ? resources_add(r, one) : k;
}

int resources_from_flag_pb(Mesos__V1__Resource *const *list, size_t n, const char *default_role,
                           Resources **ret, char **reterr_message) {
        _cleanup_(resources_freep) Resources *r = resources_new();
        int k;

        if (!r)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                k = add_flag_pb(r, list[i], default_role, reterr_message);
                if (k != RESOURCES_OK)
                        return k;
        }

        k = validate_flag(r, reterr_message);
        if (k != RESOURCES_OK)
                return k;

        *ret = TAKE_PTR(r);
        return RESOURCES_OK;
}
