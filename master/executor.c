/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Executors
 *
 * The master knows the executors that frameworks bring along: it must not charge for one twice, and
 * refuses a task that describes a running one differently. The executor of a command task is made
 * up by the agent and not known here.
 *
 * An executor belongs to its agent and goes with it; its framework only lists it. Freeing gives its
 * resources back to the agent's books, not to the allocator, which the caller tells.
 */

#include <stdio.h>
#include <utlist.h>

#include "common/net/pbwire.h"
#include "master/executor.h"
#include "master/framework.h"
#include "master/node.h"

const char *executor_key(const char *framework_id, const char *executor_id,
                         char buf[static EXECUTOR_KEY_MAX]) {
        snprintf(buf, EXECUTOR_KEY_MAX, "%s/%s", framework_id, executor_id);
        return buf;
}

int executor_new(Framework *f, Node *n, const Mesos__V1__ExecutorInfo *info, Executor **ret) {
        _cleanup_(executor_freep) Executor *e = NULL;
        _cleanup_free_ char *error = NULL;
        char key[EXECUTOR_KEY_MAX];
        int r;

        assert(f);
        assert(n);
        assert(info);
        assert(ret);

        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;

        e->key = strdup(executor_key(f->id, info->executor_id->value, key));
        e->info = (Mesos__V1__ExecutorInfo *) pb_copy(&info->base);
        if (!e->key || !e->info)
                return -ENOMEM;

        r = resources_from_pb(info->resources, info->n_resources, &e->resources, &error);
        if (r != RESOURCES_OK)
                return r;

        r = resources_add(n->used, e->resources);
        if (r < 0)
                return r;

        e->framework = f;
        e->node = n;
        HASH_ADD_KEYPTR(hh, n->executors, e->key, strlen(e->key), e);
        DL_APPEND(f->executors, e);
        f->unheard_of = false;

        *ret = TAKE_PTR(e);
        return 0;
}

Executor *executor_free(Executor *e) {
        if (!e)
                return NULL;

        if (e->node) {
                HASH_DELETE(hh, e->node->executors, e);
                (void) resources_subtract(e->node->used, e->resources);
        }
        if (e->framework)
                DL_DELETE(e->framework->executors, e);

        resources_free(e->resources);
        if (e->info)
                pb_free(&e->info->base);
        free(e->key);
        free(e);
        return NULL;
}

Executor *executor_find(const Node *n, const char *framework_id, const char *executor_id) {
        char key[EXECUTOR_KEY_MAX];
        Executor *e;

        executor_key(framework_id, executor_id, key);
        HASH_FIND_STR(n->executors, key, e);
        return e;
}

const char *executor_id(const Executor *e) {
        return e->info->executor_id->value;
}
