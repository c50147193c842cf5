/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Status streams: one update in flight, in order, again and again until acknowledged. The last test
 * plays an unreliable world against a simple model of what must hold.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/model/status_stream.h"
#include "tests/unit/seed.h"

#define T0 (100 * USEC_PER_SEC)

static const uint8_t *uuid(unsigned n) {
        static uint8_t uuids[4][16];
        static unsigned next;
        uint8_t *u = uuids[next++ % 4];

        memset(u, 0, 16);
        memcpy(u, &n, sizeof(n));
        return u;
}

static int update(StatusStream *s, unsigned n, bool terminal) {
        return status_stream_update(s, uuid(n), terminal, &n, sizeof(n));
}

static unsigned head_number(const StatusStream *s) {
        const StatusUpdate *u = status_stream_head(s);
        unsigned n;

        assert_non_null(u);
        assert_int_equal(u->n_bytes, sizeof(n));
        memcpy(&n, u->bytes, sizeof(n));
        assert_memory_equal(u->uuid, uuid(n), 16);
        return n;
}

static void test_updates_are_in_flight_one_at_a_time_and_in_order(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();

        (void) state;

        assert_null(status_stream_head(s));
        assert_int_equal(status_stream_next_due(s), USEC_INFINITY);

        assert_int_equal(update(s, 1, false), 0);
        assert_int_equal(update(s, 2, false), 0);
        assert_int_equal(status_stream_next_due(s), 0);
        assert_int_equal(head_number(s), 1);

        status_stream_forwarded(s, T0);
        assert_int_equal(status_stream_next_due(s), T0 + 10 * USEC_PER_SEC);
        assert_int_equal(head_number(s), 1);

        assert_int_equal(status_stream_ack(s, uuid(1)), 0);
        assert_int_equal(head_number(s), 2);
        assert_int_equal(status_stream_next_due(s), 0);

        assert_int_equal(status_stream_ack(s, uuid(2)), 0);
        assert_null(status_stream_head(s));
        assert_int_equal(status_stream_next_due(s), USEC_INFINITY);
        assert_false(status_stream_is_done(s));
}

static void test_retries_double_from_10_seconds_to_10_minutes_for_ever(void **state) {
        static const unsigned wait_secs[] = { 10, 20, 40, 80, 160, 320, 600, 600, 600 };
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();
        usec_t now_usec = T0;

        (void) state;

        assert_int_equal(update(s, 1, false), 0);
        for (size_t i = 0; i < ELEMENTSOF(wait_secs); i++) {
                status_stream_forwarded(s, now_usec);
                assert_int_equal(status_stream_next_due(s), now_usec + wait_secs[i] * USEC_PER_SEC);
                now_usec = status_stream_next_due(s);
        }

        for (size_t i = 0; i < 1000; i++)
                status_stream_forwarded(s, now_usec);
        assert_int_equal(status_stream_next_due(s), now_usec + 600 * USEC_PER_SEC);
}

static void test_the_next_update_and_a_new_master_begin_with_10_seconds_again(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();

        (void) state;

        update(s, 1, false);
        update(s, 2, false);
        status_stream_forwarded(s, T0);
        status_stream_forwarded(s, T0);
        status_stream_forwarded(s, T0);

        status_stream_restart(s);
        assert_int_equal(status_stream_next_due(s), 0);
        status_stream_forwarded(s, T0);
        assert_int_equal(status_stream_next_due(s), T0 + 10 * USEC_PER_SEC);

        status_stream_forwarded(s, T0);
        status_stream_ack(s, uuid(1));
        status_stream_forwarded(s, T0);
        assert_int_equal(status_stream_next_due(s), T0 + 10 * USEC_PER_SEC);
}

static void test_an_update_received_before_is_a_duplicate_pending_or_acknowledged(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();

        (void) state;

        assert_int_equal(update(s, 1, false), 0);
        assert_int_equal(update(s, 2, false), 0);
        assert_int_equal(update(s, 2, false), STATUS_STREAM_E_DUPLICATE);
        assert_int_equal(status_stream_ack(s, uuid(1)), 0);
        assert_int_equal(update(s, 1, false), STATUS_STREAM_E_DUPLICATE);
        assert_int_equal(status_stream_n_pending(s), 1);
}

static void test_only_what_is_in_flight_can_be_acknowledged(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();

        (void) state;

        assert_int_equal(status_stream_ack(s, uuid(1)), STATUS_STREAM_E_UNEXPECTED);
        update(s, 1, false);
        update(s, 2, false);
        assert_int_equal(status_stream_ack(s, uuid(2)), STATUS_STREAM_E_UNEXPECTED);
        assert_int_equal(status_stream_ack(s, uuid(9)), STATUS_STREAM_E_UNEXPECTED);
        assert_int_equal(status_stream_ack(s, uuid(1)), 0);
        assert_int_equal(status_stream_ack(s, uuid(1)), STATUS_STREAM_E_DUPLICATE);
        assert_int_equal(head_number(s), 2);
}

static void test_a_late_duplicate_acknowledgement_leaves_the_retry_timer_alone(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();

        (void) state;

        update(s, 1, false);
        update(s, 2, false);
        status_stream_ack(s, uuid(1));
        status_stream_forwarded(s, T0);
        assert_int_equal(status_stream_ack(s, uuid(1)), STATUS_STREAM_E_DUPLICATE);
        assert_int_equal(status_stream_next_due(s), T0 + 10 * USEC_PER_SEC);
}

static void test_the_stream_is_done_when_the_terminal_update_is_acknowledged(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();

        (void) state;

        update(s, 1, false);
        assert_false(status_stream_is_terminated(s));
        update(s, 2, true);
        assert_true(status_stream_is_terminated(s));
        assert_false(status_stream_is_done(s));
        status_stream_ack(s, uuid(1));
        assert_false(status_stream_is_done(s));
        status_stream_ack(s, uuid(2));
        assert_true(status_stream_is_done(s));
        assert_true(status_stream_is_terminated(s));
}

static void test_nothing_is_kept_after_a_terminal_update(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();

        (void) state;

        update(s, 1, true);
        assert_int_equal(update(s, 2, true), STATUS_STREAM_E_TERMINATED);
        assert_int_equal(update(s, 3, false), STATUS_STREAM_E_TERMINATED);
        assert_int_equal(update(s, 1, true), STATUS_STREAM_E_DUPLICATE);
        assert_int_equal(status_stream_n_pending(s), 1);
        status_stream_ack(s, uuid(1));
        assert_int_equal(update(s, 2, true), STATUS_STREAM_E_TERMINATED);
}

static void test_a_full_stream_still_takes_the_terminal_update(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();
        unsigned n;

        (void) state;

        for (n = 0; n < STATUS_STREAM_MAX_PENDING; n++)
                assert_int_equal(update(s, n, false), 0);
        assert_int_equal(update(s, n, false), STATUS_STREAM_E_FULL);
        assert_int_equal(status_stream_n_pending(s), STATUS_STREAM_MAX_PENDING);

        /* Room again once one is acknowledged, and a refused one is no duplicate then. */
        assert_int_equal(status_stream_ack(s, uuid(0)), 0);
        assert_int_equal(update(s, n, false), 0);
        assert_int_equal(update(s, n + 1, true), 0);
}

static void test_the_bytes_waiting_are_bounded_but_one_large_update_always_fits(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();
        _cleanup_free_ char *large = calloc(1, STATUS_STREAM_MAX_PENDING_BYTES + 1);

        (void) state;

        assert_int_equal(status_stream_update(s, uuid(1), false, large,
                                              STATUS_STREAM_MAX_PENDING_BYTES + 1),
                         0);
        assert_int_equal(update(s, 2, false), STATUS_STREAM_E_FULL);
        assert_int_equal(status_stream_update_check(s, uuid(2), false, SIZE_MAX),
                         STATUS_STREAM_E_FULL);
        assert_int_equal(status_stream_ack(s, uuid(1)), 0);
        assert_int_equal(update(s, 2, false), 0);
        assert_int_equal(status_stream_update(s, uuid(3), false, large,
                                              STATUS_STREAM_MAX_PENDING_BYTES),
                         STATUS_STREAM_E_FULL);
        assert_int_equal(status_stream_update(s, uuid(3), false, large,
                                              STATUS_STREAM_MAX_PENDING_BYTES - 4),
                         0);
}

static void test_checks_say_what_would_happen_and_change_nothing(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();

        (void) state;

        assert_int_equal(status_stream_update_check(s, uuid(1), false, 4), 0);
        assert_int_equal(status_stream_n_pending(s), 0);
        update(s, 1, false);
        assert_int_equal(status_stream_ack_check(s, uuid(1)), 0);
        assert_int_equal(status_stream_ack_check(s, uuid(2)), STATUS_STREAM_E_UNEXPECTED);
        assert_int_equal(status_stream_n_pending(s), 1);
}

static void test_a_log_that_kept_only_acknowledged_uuids_can_be_replayed(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();
        _cleanup_(status_stream_freep) StatusStream *over = status_stream_new();

        (void) state;

        assert_int_equal(status_stream_replay_acked(s, uuid(1), false), 0);
        assert_int_equal(update(s, 2, false), 0);
        assert_int_equal(update(s, 1, false), STATUS_STREAM_E_DUPLICATE);
        assert_int_equal(status_stream_ack(s, uuid(1)), STATUS_STREAM_E_DUPLICATE);
        assert_int_equal(status_stream_replay_acked(s, uuid(2), false), STATUS_STREAM_E_DUPLICATE);
        assert_int_equal(head_number(s), 2);

        assert_int_equal(status_stream_replay_acked(over, uuid(1), true), 0);
        assert_true(status_stream_is_done(over));
        assert_int_equal(status_stream_replay_acked(over, uuid(2), true),
                         STATUS_STREAM_E_TERMINATED);
}

static void test_all_that_waits_can_be_walked_oldest_first(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();
        unsigned n = 0;

        (void) state;

        assert_null(status_stream_tail(s));
        for (unsigned i = 0; i < 3; i++)
                update(s, i, i == 2);

        for (const StatusUpdate *u = status_stream_head(s); u; u = status_stream_next(u), n++)
                assert_memory_equal(u->uuid, uuid(n), 16);
        assert_int_equal(n, 3);
        assert_memory_equal(status_stream_tail(s)->uuid, uuid(2), 16);
        assert_true(status_stream_tail(s)->terminal);
}

static void test_the_memory_of_acknowledged_updates_is_a_ring(void **state) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();
        unsigned n;

        (void) state;

        for (n = 0; n < 3 * STATUS_STREAM_MAX_ACKED; n++) {
                assert_int_equal(update(s, n, false), 0);
                assert_int_equal(status_stream_ack(s, uuid(n)), 0);
        }

        for (unsigned i = n - STATUS_STREAM_MAX_ACKED; i < n; i++)
                assert_int_equal(update(s, i, false), STATUS_STREAM_E_DUPLICATE);
        assert_int_equal(update(s, n - STATUS_STREAM_MAX_ACKED - 1, false), 0);
}

/*
 * An executor that repeats itself, a network that loses forwards and acknowledgements, and an agent
 * that crashes and replays its log: the framework still sees every update, in order.
 */
typedef struct World {
        StatusStream *stream;
        unsigned n_sent;         /* updates 0 … n_sent - 1 were taken by the stream */
        unsigned n_acked;
        unsigned n_seen;         /* the framework has seen 0 … n_seen - 1 */
        unsigned n_last;         /* number of the terminal update */
        usec_t now_usec;
} World;

static void world_crash(World *w) {
        w->stream = status_stream_free(w->stream);
        w->stream = status_stream_new();
        for (unsigned n = 0; n < w->n_sent; n++)
                if (n % 2 == 0 || n >= w->n_acked) {
                        assert_int_equal(update(w->stream, n, n == w->n_last), 0);
                        if (n < w->n_acked)
                                assert_int_equal(status_stream_ack(w->stream, uuid(n)), 0);
                } else
                        assert_int_equal(status_stream_replay_acked(w->stream, uuid(n),
                                                                    n == w->n_last),
                                         0);
}

static void world_executor_sends(World *w, Random *random) {
        unsigned n = (unsigned) random_below(random, w->n_sent + 1);
        int r;

        r = update(w->stream, n, n == w->n_last);
        if (n < w->n_sent)
                assert_int_equal(r, STATUS_STREAM_E_DUPLICATE);
        else if (w->n_sent > w->n_last)
                assert_int_equal(r, STATUS_STREAM_E_TERMINATED);
        else {
                assert_int_equal(r, 0);
                w->n_sent++;
        }
}

static void world_forwards(World *w, Random *random) {
        if (status_stream_next_due(w->stream) > w->now_usec)
                return;

        status_stream_forwarded(w->stream, w->now_usec);
        if (random_below(random, 3) == 0)
                return;

        assert_in_range(head_number(w->stream), 0, w->n_seen);
        if (head_number(w->stream) == w->n_seen)
                w->n_seen++;
}

static void world_framework_acks(World *w, Random *random) {
        unsigned n;
        int r;

        if (w->n_seen == 0)
                return;

        n = (unsigned) random_below(random, w->n_seen);
        r = status_stream_ack(w->stream, uuid(n));
        if (n == w->n_acked) {
                assert_int_equal(r, 0);
                w->n_acked++;
        } else
                assert_int_equal(r, STATUS_STREAM_E_DUPLICATE);
}

static void test_an_unreliable_world_sees_every_update_in_order(void **state) {
        Random random = random_seeded();

        (void) state;

        for (unsigned round = 0; round < 200; round++) {
                World w = { .stream = status_stream_new(),
                            .n_last = (unsigned) random_below(&random, 40) };
                unsigned n_steps = 0;

                while (!status_stream_is_done(w.stream)) {
                        switch (random_below(&random, 16)) {
                        case 0:
                                world_crash(&w);
                                break;
                        case 1:
                                status_stream_restart(w.stream);
                                break;
                        case 2 ... 5:
                                world_executor_sends(&w, &random);
                                break;
                        case 6 ... 10:
                                world_forwards(&w, &random);
                                break;
                        default:
                                world_framework_acks(&w, &random);
                        }

                        w.now_usec += random_below(&random, 20) * USEC_PER_SEC;
                        assert_int_equal(status_stream_n_pending(w.stream), w.n_sent - w.n_acked);
                        assert_in_range(n_steps++, 0, 1000000);
                }

                assert_int_equal(w.n_acked, w.n_last + 1);
                assert_int_equal(w.n_seen, w.n_last + 1);
                status_stream_free(w.stream);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_updates_are_in_flight_one_at_a_time_and_in_order),
                cmocka_unit_test(test_retries_double_from_10_seconds_to_10_minutes_for_ever),
                cmocka_unit_test(test_the_next_update_and_a_new_master_begin_with_10_seconds_again),
                cmocka_unit_test(
                                test_an_update_received_before_is_a_duplicate_pending_or_acknowledged),
                cmocka_unit_test(test_only_what_is_in_flight_can_be_acknowledged),
                cmocka_unit_test(
                                test_a_late_duplicate_acknowledgement_leaves_the_retry_timer_alone),
                cmocka_unit_test(test_the_stream_is_done_when_the_terminal_update_is_acknowledged),
                cmocka_unit_test(test_nothing_is_kept_after_a_terminal_update),
                cmocka_unit_test(test_a_full_stream_still_takes_the_terminal_update),
                cmocka_unit_test(
                                test_the_bytes_waiting_are_bounded_but_one_large_update_always_fits),
                cmocka_unit_test(test_checks_say_what_would_happen_and_change_nothing),
                cmocka_unit_test(test_a_log_that_kept_only_acknowledged_uuids_can_be_replayed),
                cmocka_unit_test(test_all_that_waits_can_be_walked_oldest_first),
                cmocka_unit_test(test_the_memory_of_acknowledged_updates_is_a_ring),
                cmocka_unit_test(test_an_unreliable_world_sees_every_update_in_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
