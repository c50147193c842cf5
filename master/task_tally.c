/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tallies
 *
 * /state-summary shows each agent with the number of its tasks by state, each framework likewise.
 * One pass over all tasks counts both, instead of one pass per agent.
 */

#include "master/framework.h"
#include "master/master.h"
#include "master/task.h"
#include "master/task_tally.h"

static int tally_get(TaskTally **table, const char *id, TaskTally **ret) {
        TaskTally *t;

        HASH_FIND_STR(*table, id, t);
        if (!t) {
                t = calloc(1, sizeof(*t));
                if (!t)
                        return -ENOMEM;
                t->id = id;
                HASH_ADD_KEYPTR(hh, *table, t->id, strlen(t->id), t);
        }

        *ret = t;
        return 0;
}

static int tally_add_other(TaskTally *t, const char *id) {
        const char **grown;

        for (size_t i = t->n_others; i > 0; i--)
                if (streq(t->others[i - 1], id))
                        return 0;

        grown = reallocarray(t->others, t->n_others + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;

        t->others = grown;
        t->others[t->n_others++] = id;
        return 0;
}

static int count(TaskTallies *t, const Task *task) {
        TaskTally *agent, *framework;
        int r;

        r = tally_get(&t->by_agent, task->agent_id, &agent);
        if (r >= 0)
                r = tally_get(&t->by_framework, task->framework->id, &framework);
        if (r < 0)
                return r;

        if ((unsigned) task->state < TASK_TALLY_STATES) {
                agent->n_by_state[task->state]++;
                framework->n_by_state[task->state]++;
        }

        r = tally_add_other(agent, framework->id);
        return r < 0 ? r : tally_add_other(framework, agent->id);
}

int task_tallies_init(TaskTallies *t, Master *m) {
        int r = 0;

        *t = (TaskTallies) {};

        for (const Framework *f = m->frameworks.by_id; r >= 0 && f; f = f->hh.next) {
                for (const Task *task = f->tasks; r >= 0 && task; task = task->hh.next)
                        r = count(t, task);
                for (const Task *task = f->unreachable_tasks; r >= 0 && task; task = task->hh.next)
                        r = count(t, task);
                for (const Task *task = f->completed_tasks; r >= 0 && task; task = task->next)
                        r = count(t, task);
        }

        return r;
}

static void tallies_free(TaskTally **table) {
        TaskTally *t, *next;

        HASH_ITER(hh, *table, t, next) {
                HASH_DELETE(hh, *table, t);
                free(t->others);
                free(t);
        }
}

void task_tallies_deinit(TaskTallies *t) {
        tallies_free(&t->by_agent);
        tallies_free(&t->by_framework);
}

const TaskTally *task_tallies_find(TaskTally *tallies, const char *id) {
        TaskTally *t;

        HASH_FIND_STR(tallies, id, t);
        return t;
}
