/* SPDX-License-Identifier: Apache-2.0 */

/* Agents are given up one after the other, and what operators write for it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/removal_limiter.h"

static void check_rate(const char *text, usec_t expected_usec) {
        usec_t interval_usec;

        assert_int_equal(removal_rate_parse(text, &interval_usec), 0);
        assert_int_equal(interval_usec, expected_usec);
}

static void test_rate_is_agents_in_a_time(void **state _unused_) {
        check_rate("1/10mins", 10 * USEC_PER_MINUTE);
        check_rate("2/1hrs", 30 * USEC_PER_MINUTE);
        check_rate("1000/1secs", USEC_PER_MSEC);
}

static void test_rate_that_makes_no_sense_is_refused(void **state _unused_) {
        static const char *const texts[] = { "", "1", "1/", "/10mins", "0/1secs", "1/0secs", "-1/1secs", "1.5/1secs",
                                             "1/10", "1/10mins/2", "9/1us" };
        usec_t interval_usec;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_int_not_equal(removal_rate_parse(texts[i], &interval_usec), 0);
}

static void test_share_is_a_percentage(void **state _unused_) {
        static const char *const texts[] = { "", "%", "5", "101%", "-1%", "x%", "nan%", "50%%" };
        double percent;

        assert_int_equal(removal_share_parse("100%", &percent), 0);
        assert_true(percent == 100.0);
        assert_int_equal(removal_share_parse("2.5%", &percent), 0);
        assert_true(percent == 2.5);

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_int_not_equal(removal_share_parse(texts[i], &percent), 0);
}

/* Tickets with numbers, and the order in which their turns came. */
typedef struct Queue {
        sd_event *event;
        RemovalLimiter *limiter;
        RemovalTicket tickets[3];
        unsigned turns[3], n_turns;
} Queue;

typedef struct Who {
        Queue *queue;
        unsigned number;
} Who;

static void on_turn(void *userdata) {
        Who *w = userdata;

        w->queue->turns[w->queue->n_turns++] = w->number;
}

static void queue_init(Queue *q, usec_t interval_usec) {
        *q = (Queue) {};
        assert_int_equal(sd_event_new(&q->event), 0);
        assert_int_equal(removal_limiter_new(q->event, interval_usec, &q->limiter), 0);
        /* The loop has a time once it has run. */
        assert_true(sd_event_run(q->event, 0) >= 0);
}

static void queue_deinit(Queue *q) {
        removal_limiter_free(q->limiter);
        sd_event_unref(q->event);
}

static void run_until_turns(Queue *q, unsigned n) {
        while (q->n_turns < n)
                assert_true(sd_event_run(q->event, UINT64_MAX) >= 0);
}

static void test_without_a_limit_nobody_waits(void **state _unused_) {
        Queue q;

        queue_init(&q, 0);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(removal_limiter_queue(q.limiter, &q.tickets[i], on_turn, &(Who) { &q, i }), 0);
        assert_int_equal(q.n_turns, 3);
        queue_deinit(&q);
}

static void test_first_goes_at_once_and_the_others_in_order(void **state _unused_) {
        Queue q;
        Who who[3];

        queue_init(&q, USEC_PER_MSEC);
        for (unsigned i = 0; i < 3; i++) {
                who[i] = (Who) { &q, i };
                assert_int_equal(removal_limiter_queue(q.limiter, &q.tickets[i], on_turn, &who[i]), 0);
        }
        assert_int_equal(q.n_turns, 1);
        assert_false(removal_ticket_is_waiting(&q.tickets[0]));
        assert_true(removal_ticket_is_waiting(&q.tickets[2]));

        run_until_turns(&q, 3);
        assert_int_equal(q.turns[1], 1);
        assert_int_equal(q.turns[2], 2);
        queue_deinit(&q);
}

static void test_cancelled_one_takes_nobodys_turn(void **state _unused_) {
        Queue q;
        Who who[3];

        queue_init(&q, USEC_PER_MSEC);
        for (unsigned i = 0; i < 3; i++) {
                who[i] = (Who) { &q, i };
                assert_int_equal(removal_limiter_queue(q.limiter, &q.tickets[i], on_turn, &who[i]), 0);
        }
        assert_true(removal_ticket_cancel(&q.tickets[1]));
        assert_false(removal_ticket_cancel(&q.tickets[1]));

        run_until_turns(&q, 2);
        assert_int_equal(q.turns[1], 2);
        queue_deinit(&q);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rate_is_agents_in_a_time),
                cmocka_unit_test(test_rate_that_makes_no_sense_is_refused),
                cmocka_unit_test(test_share_is_a_percentage),
                cmocka_unit_test(test_without_a_limit_nobody_waits),
                cmocka_unit_test(test_first_goes_at_once_and_the_others_in_order),
                cmocka_unit_test(test_cancelled_one_takes_nobodys_turn),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
