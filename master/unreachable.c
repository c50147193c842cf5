/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Unreachable tasks, by agent
 *
 * A framework owns its unreachable tasks (framework.c); the agent they were on has no Node any more.
 * What happens to them next happens to an agent, though: it comes back and says what it has, it is
 * declared gone, the registry forgets it. With ten thousand agents returning and a hundred thousand
 * tasks missing, looking through all frameworks for each of them is out of the question, so there is
 * this second way in:
 *
 *     framework->unreachable_tasks   by task id, oldest first
 *     index                          by agent id ──▶ its tasks, linked where a node's are
 */

#include <utlist.h>

#include "master/task.h"
#include "master/unreachable.h"

struct UnreachableAgent {
        char *id;
        Task *tasks;                     /* never empty, but while it is visited */
        UT_hash_handle hh;
};

static UnreachableAgent *agent_free(UnreachableAgent *a) {
        if (!a)
                return NULL;

        free(a->id);
        free(a);
        return NULL;
}
DEFINE_CLEANUP(UnreachableAgent *, agent_free)

static UnreachableAgent *agent_find(const UnreachableIndex *x, const char *agent_id) {
        UnreachableAgent *a;

        HASH_FIND_STR(x->agents, agent_id, a);
        return a;
}

static int agent_new(UnreachableIndex *x, const char *agent_id, UnreachableAgent **ret) {
        _cleanup_(agent_freep) UnreachableAgent *a = calloc(1, sizeof(*a));

        if (!a)
                return -ENOMEM;

        a->id = strdup(agent_id);
        if (!a->id)
                return -ENOMEM;

        HASH_ADD_KEYPTR(hh, x->agents, a->id, strlen(a->id), a);
        *ret = TAKE_PTR(a);
        return 0;
}

static void drop_if_empty(UnreachableIndex *x, UnreachableAgent *a) {
        if (a->tasks)
                return;

        HASH_DELETE(hh, x->agents, a);
        agent_free(a);
}

void unreachable_index_deinit(UnreachableIndex *x) {
        assert(!x->agents);
}

int unreachable_index_add(UnreachableIndex *x, Task *t) {
        UnreachableAgent *a = agent_find(x, t->agent_id);
        int r;

        assert(!t->node);

        if (!a) {
                r = agent_new(x, t->agent_id, &a);
                if (r < 0)
                        return r;
        }

        DL_APPEND2(a->tasks, t, node_prev, node_next);
        return 0;
}

void unreachable_index_remove(UnreachableIndex *x, Task *t) {
        UnreachableAgent *a = agent_find(x, t->agent_id);

        assert(a);

        DL_DELETE2(a->tasks, t, node_prev, node_next);
        if (a != x->visited)
                drop_if_empty(x, a);
}

Task *unreachable_index_first(const UnreachableIndex *x, const char *agent_id) {
        UnreachableAgent *a = agent_find(x, agent_id);

        return a ? a->tasks : NULL;
}

void unreachable_index_foreach(UnreachableIndex *x, UnreachableVisitor visit, void *userdata) {
        UnreachableAgent *a, *next;

        assert(!x->visited);

        HASH_ITER(hh, x->agents, a, next) {
                x->visited = a;
                visit(a->id, userdata);
                x->visited = NULL;
                drop_if_empty(x, a);
        }
}
