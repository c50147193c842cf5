/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Weights
 *
 * A role's fair share is in proportion to its weight, which is 1 unless an operator says otherwise.
 * What they say is in the registry, and counts from when it is durable there. --weights is from the
 * time before: it is stored when the registry has no weights, and ignored when it has some.
 */

#include <math.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/model/role.h"
#include "common/net/json_reader.h"
#include "common/net/pbjson.h"
#include "master/departure.h"
#include "master/framework_info.h"
#include "master/master.h"
#include "master/promise.h"
#include "master/weights.h"
#include "proto/master.pb-c.h"

typedef Mesos__V1__WeightInfo WeightInfo;
typedef Mesos__V1__Master__Call__UpdateWeights UpdateWeights;

/* Waits for the registry. */
struct WeightUpdate {
        Master *master;
        Promise promise;
        char **roles; /* owned; what it is about */
        size_t n_roles;
        WeightUpdate *prev, *next;
};

static WeightUpdate *weight_update_free(WeightUpdate *u) {
        if (!u)
                return NULL;

        if (u->prev)
                DL_DELETE(u->master->weight_updates, u);
        for (size_t i = 0; i < u->n_roles; i++)
                free(u->roles[i]);
        free(u->roles);
        free(u);
        return NULL;
}
DEFINE_CLEANUP(WeightUpdate *, weight_update_free)

void weights_stop(Master *m) {
        while (m->weight_updates)
                weight_update_free(m->weight_updates);
}

void weights_to_json(const Master *m, JsonWriter *w) {
        RegistryWeight *const *weights;
        size_t n;

        weights = registry_weights(m->registry, &n);
        json_array_begin(w, NULL);
        for (size_t i = 0; i < n; i++) {
                json_object_begin(w, NULL);
                json_put_string(w, "role", weights[i]->info->role ?: "");
                json_put_double(w, "weight", weights[i]->info->weight);
                json_object_end(w);
        }
        json_array_end(w);
}

static int apply(Master *m) {
        RegistryWeight *const *weights;
        size_t n;

        weights = registry_weights(m->registry, &n);
        for (size_t i = 0; i < n; i++) {
                int r;

                r = allocator_set_weight(m->allocator, weights[i]->info->role ?: "",
                                         weights[i]->info->weight);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* -- Changes -- */

static bool has_frameworks(const Master *m, const char *role) {
        for (const Framework *f = m->frameworks.by_id; f; f = f->hh.next)
                for (size_t i = 0; i < f->n_roles; i++)
                        if (streq(f->roles[i], role))
                                return true;

        return false;
}

/* What was offered by the old weights is offered anew. */
static void rescind_offers(Master *m, const WeightUpdate *u) {
        bool concerned = false;

        for (size_t i = 0; i < u->n_roles && !concerned; i++)
                concerned = has_frameworks(m, u->roles[i]);

        for (Node *node = m->nodes.by_id; concerned && node; node = node->hh.next)
                departure_return_node_offers(node, true);
}

static void on_stored(int error, void *userdata) {
        _cleanup_(weight_update_freep) WeightUpdate *u = userdata;
        Master *m = u->master;

        if (error >= 0)
                error = apply(m);
        promise_keep(&u->promise, error < 0 ? 500 : 200);
        if (error < 0)
                master_fail(m, error, "Cannot record weights");
        else
                rescind_offers(m, u);
}

static int weight_update_new(Master *m, WeightInfo *const *weights, size_t n, WeightUpdate **ret) {
        _cleanup_(weight_update_freep) WeightUpdate *u = NULL;

        u = calloc(1, sizeof(*u));
        if (!u)
                return -ENOMEM;

        u->master = m;
        u->roles = calloc(n + 1, sizeof(*u->roles));
        if (!u->roles)
                return -ENOMEM;

        for (; u->n_roles < n; u->n_roles++) {
                u->roles[u->n_roles] = strdup(weights[u->n_roles]->role);
                if (!u->roles[u->n_roles])
                        return -ENOMEM;
        }

        DL_APPEND(m->weight_updates, u);
        *ret = TAKE_PTR(u);
        return 0;
}

static int store(Master *m, WeightInfo *const *weights, size_t n, HttpRequest *request) {
        WeightUpdate *u;
        int r;

        r = weight_update_new(m, weights, n, &u);
        if (r < 0)
                return r;

        r = registry_set_weights(m->registry, weights, n, on_stored, u);
        if (r != REGISTRY_OK) {
                weight_update_free(u);
                return r;
        }

        promise_init(&u->promise, request);
        return 0;
}

/* True when it may be; otherwise the request is answered. */
static bool judge(const Master *m, HttpRequest *r, const WeightInfo *info) {
        static const char prefix[] = "Failed to validate update weights request JSON";
        _cleanup_free_ char *error = NULL;
        const char *role = info->role ?: "";

        if (role_check(role, &error) != ROLE_OK)
                http_request_answer_text(r, 400, "%s: Invalid role '%s': %s", prefix, role,
                                         error ?: "");
        else if (m->config->roles && !framework_whitelist_has(m->config->roles, role))
                http_request_answer_text(r, 400, "%s: Unknown role '%s'", prefix, role);
        else if (!isfinite(info->weight) || info->weight <= 0)
                http_request_answer_text(r, 400,
                                         "%s for role '%s': Invalid weight '%g': Weights must be "
                                         "positive",
                                         prefix, role, info->weight);
        else
                return true;

        return false;
}

void weights_update(Master *m, HttpRequest *r, WeightInfo *const *weights, size_t n) {
        int k;

        for (size_t i = 0; i < n; i++)
                if (!judge(m, r, weights[i]))
                        return;

        k = store(m, weights, n, r);
        if (k == 0)
                return;

        if (k > 0) {
                http_request_answer_text(r, 400, "There are more weights than can be kept");
                return;
        }

        http_request_answer(r, 500, NULL, NULL, 0);
        master_fail(m, k, "Cannot record weights");
}

/* Is it one JSON value, and a list? */
static int check_list(const char *body, size_t n, char **reterr_message) {
        _cleanup_(json_unrefp) json_t *json = NULL;
        int r;

        r = json_read(body, n, PB_LIMITS_DEFAULT.max_depth, PB_LIMITS_DEFAULT.max_memory_bytes,
                      &json, reterr_message);
        if (r != JSON_READ_OK)
                return r;

        if (json_is_array(json))
                return 0;

        *reterr_message = strdup("Unexpected JSON type parsed");
        return -EBADMSG;
}

/* The list as the field of a message, which is what we can parse. */
static int parse_list(const char *body, size_t n, ProtobufCMessage **ret, char **reterr_message) {
        Buffer b = BUFFER_INIT(n + 64);
        int r;

        r = check_list(body, n, reterr_message);
        if (r == 0)
                r = buffer_append_text(&b, "{\"weight_infos\":");
        if (r == 0)
                r = buffer_append(&b, body, n);
        if (r == 0)
                r = buffer_append_char(&b, '}');
        if (r == 0)
                r = pbjson_parse(&mesos__v1__master__call__update_weights__descriptor,
                                 buffer_data(&b), buffer_size(&b), PB_LIMITS_DEFAULT, ret,
                                 reterr_message);
        buffer_deinit(&b);
        return r;
}

void weights_put(Master *m, HttpRequest *r) {
        _cleanup_(pb_freep) ProtobufCMessage *message = NULL;
        _cleanup_free_ char *error = NULL;
        const UpdateWeights *update;
        const char *body;
        size_t n;

        body = http_request_body(r, &n);
        if (parse_list(body ?: "", n, &message, &error) != 0) {
                http_request_answer_text(r, 400,
                                         "Failed to parse update weights request JSON '%.*s': %s",
                                         (int) MIN(n, (size_t) 4096), body ?: "", error ?: "");
                return;
        }

        update = (const UpdateWeights *) message;
        weights_update(m, r, update->weight_infos, update->n_weight_infos);
}

/* -- The flag -- */

typedef struct FlagWeights {
        char *copy;        /* owned; the roles are in it */
        WeightInfo *infos; /* owned */
        WeightInfo **list; /* owned */
        size_t n;
} FlagWeights;

static void flag_weights_deinit(FlagWeights *f) {
        free(f->copy);
        free(f->infos);
        free(f->list);
}

static int parse_item(char *item, WeightInfo *ret) {
        _cleanup_free_ char *error = NULL;
        char *weight = strchr(item, '=');

        if (!weight)
                return -EINVAL;
        *weight++ = '\0';

        mesos__v1__weight_info__init(ret);
        ret->role = item;
        if (role_check(item, &error) != ROLE_OK || parse_double(weight, &ret->weight) < 0 ||
            !isfinite(ret->weight) || ret->weight <= 0)
                return -EINVAL;

        return 0;
}

static int flag_weights_init(FlagWeights *f, const char *text) {
        size_t n_max = 1;
        char *rest, *item;

        for (const char *p = text; *p; p++)
                n_max += *p == ',';

        f->copy = rest = strdup(text);
        f->infos = calloc(n_max, sizeof(*f->infos));
        f->list = calloc(n_max, sizeof(*f->list));
        if (!f->copy || !f->infos || !f->list)
                return -ENOMEM;

        while ((item = strsep(&rest, ","))) {
                int r;

                r = parse_item(item, &f->infos[f->n]);
                if (r < 0)
                        return r;

                f->list[f->n] = &f->infos[f->n];
                f->n++;
        }

        return 0;
}

int weights_check_text(const char *text) {
        _cleanup_(flag_weights_deinit) FlagWeights f = {};

        return flag_weights_init(&f, text);
}

int weights_start(Master *m) {
        _cleanup_(flag_weights_deinit) FlagWeights f = {};
        size_t n;
        int r;

        (void) registry_weights(m->registry, &n);
        if (n > 0 && m->config->weights)
                log_notice("The registry has weights of roles, --weights is ignored");
        if (n > 0 || !m->config->weights)
                return apply(m);

        r = flag_weights_init(&f, m->config->weights);
        if (r < 0)
                return r;

        r = store(m, f.list, f.n, NULL);
        return r > 0 ? -EMSGSIZE : r;
}
