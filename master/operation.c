/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Operations
 *
 * Reservations are made and volumes created by operations, which agents carry out and remember
 * until the framework that wanted them knows the outcome. A new leader learns of them as of
 * everything else, from the agents: after each registration an UpdateSlave lists all there is.
 *
 * They are shown to operators and answered to frameworks that ask. Their effect on the agent's
 * resources needs no record here: it is in what the agent says it has.
 */

#include <stdio.h>
#include <utlist.h>

#include "common/net/pbwire.h"
#include "master/master.h"
#include "master/node.h"
#include "master/operation.h"

#define KEY_MAX 1024

void operation_table_deinit(OperationTable *t) {
        assert(!t->by_key);
        assert(t->n == 0);
}

static const char *make_key(const char *framework_id, const char *operation_id,
                            char buf[static KEY_MAX]) {
        int n = snprintf(buf, KEY_MAX, "%s/%s", framework_id, operation_id);

        return n > 0 && n < KEY_MAX ? buf : NULL;
}

static void operation_free(Operation *o) {
        OperationTable *t = &o->node->master->operations;

        DL_DELETE(o->node->operations, o);
        if (o->key)
                HASH_DELETE(hh, t->by_key, o);
        t->n--;
        pb_free(&o->pb->base);
        free(o->key);
        free(o);
}

void operations_forget(Node *n) {
        while (n->operations)
                operation_free(n->operations);
}

static int operation_new(Node *n, const Mesos__V1__Operation *pb) {
        OperationTable *t = &n->master->operations;
        const char *key = NULL;
        char buf[KEY_MAX];
        Operation *o;

        if (pb->framework_id && pb->info->id)
                key = make_key(pb->framework_id->value, pb->info->id->value, buf);

        o = calloc(1, sizeof(*o));
        if (!o)
                return -ENOMEM;

        o->node = n;
        o->key = key ? strdup(key) : NULL;
        o->pb = (Mesos__V1__Operation *) pb_copy(&pb->base);
        if (!o->pb || (key && !o->key)) {
                if (o->pb)
                        pb_free(&o->pb->base);
                free(o->key);
                free(o);
                return -ENOMEM;
        }

        DL_APPEND(n->operations, o);
        if (o->key)
                HASH_ADD_KEYPTR(hh, t->by_key, o->key, strlen(o->key), o);
        t->n++;
        return 0;
}

static int take_list(Node *n, const Mesos__Internal__UpdateSlaveMessage__Operations *list) {
        int r = 0;

        for (size_t i = 0; r >= 0 && list && i < list->n_operations; i++)
                r = operation_new(n, list->operations[i]);

        return r;
}

int operations_replace(Node *n, const Mesos__Internal__UpdateSlaveMessage *u) {
        const Mesos__Internal__UpdateSlaveMessage__ResourceProviders *p = u->resource_providers;
        int r;

        operations_forget(n);

        r = take_list(n, u->operations);
        for (size_t i = 0; r >= 0 && p && i < p->n_providers; i++)
                r = take_list(n, p->providers[i]->operations);

        return r;
}

Operation *operation_find(const OperationTable *t, const char *framework_id,
                          const char *operation_id) {
        char buf[KEY_MAX];
        const char *key = make_key(framework_id, operation_id, buf);
        Operation *o;

        if (!key)
                return NULL;

        HASH_FIND_STR(t->by_key, key, o);
        return o;
}
