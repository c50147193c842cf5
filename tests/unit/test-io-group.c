/* SPDX-License-Identifier: Apache-2.0 */

/* Groups of descriptors: all are served, none after its watch has ended. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/net/io_group.h"

#define N_MANY 500

typedef struct Counter {
        IoWatch watch;
        int fd;
        unsigned n_calls;
        uint32_t events;
        struct Counter *ends;        /* what it ends when it is called; NULL: nothing */
} Counter;

typedef struct World {
        sd_event *event;
        IoGroup *group;
} World;

static void start(World *w) {
        *w = (World) {};
        assert_int_equal(sd_event_new(&w->event), 0);
        assert_int_equal(io_group_new(w->event, &w->group), 0);
}

static void stop(World *w) {
        io_group_free(w->group);
        sd_event_unref(w->event);
}

static void on_ready(uint32_t events, void *userdata) {
        Counter *c = userdata;
        uint64_t value;

        c->n_calls++;
        c->events = events;
        (void) !read(c->fd, &value, sizeof(value));
        if (c->ends)
                io_watch_end(&c->ends->watch);
}

static void counter_start(Counter *c, World *w, IoGroup *group) {
        *c = (Counter) { .fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK) };
        assert_true(c->fd >= 0);
        assert_int_equal(io_watch_start(&c->watch, w->event, group, c->fd, EPOLLIN, on_ready, c), 0);
}

static void counter_stop(Counter *c) {
        io_watch_end(&c->watch);
        close(c->fd);
}

static void run_until_idle(World *w) {
        while (sd_event_run(w->event, 0) > 0)
                ;
}

static void test_more_than_fit_into_a_turn_are_all_served(void **state) {
        static Counter counters[N_MANY];
        World w;

        (void) state;
        start(&w);
        for (size_t i = 0; i < N_MANY; i++)
                counter_start(&counters[i], &w, w.group);
        run_until_idle(&w);

        for (size_t i = 0; i < N_MANY; i++) {
                assert_int_equal(counters[i].n_calls, 1);
                counter_stop(&counters[i]);
        }
        stop(&w);
}

static void test_other_sources_have_their_turn_while_a_group_is_busy(void **state) {
        static Counter counters[N_MANY];
        unsigned n_served = 0;
        Counter alone;
        World w;

        (void) state;
        start(&w);
        for (size_t i = 0; i < N_MANY; i++)
                counter_start(&counters[i], &w, w.group);
        counter_start(&alone, &w, NULL);
        for (unsigned i = 0; i < 2; i++)
                assert_true(sd_event_run(w.event, 0) > 0);

        assert_int_equal(alone.n_calls, 1);
        for (size_t i = 0; i < N_MANY; i++) {
                n_served += counters[i].n_calls;
                counter_stop(&counters[i]);
        }
        assert_true(n_served < N_MANY);
        counter_stop(&alone);
        stop(&w);
}

static void test_who_was_ended_in_the_same_turn_is_not_called(void **state) {
        Counter a, b;
        World w;

        (void) state;
        start(&w);
        counter_start(&a, &w, w.group);
        counter_start(&b, &w, w.group);
        a.ends = &b;
        b.ends = &a;
        run_until_idle(&w);

        assert_int_equal(a.n_calls + b.n_calls, 1);
        counter_stop(&a);
        counter_stop(&b);
        stop(&w);
}

static void test_a_watch_may_end_itself_and_start_again(void **state) {
        const uint64_t one = 1;
        Counter c;
        World w;

        (void) state;
        start(&w);
        counter_start(&c, &w, w.group);
        c.ends = &c;
        run_until_idle(&w);
        assert_int_equal(write(c.fd, &one, sizeof(one)), sizeof(one));
        run_until_idle(&w);
        assert_int_equal(c.n_calls, 1);

        assert_int_equal(io_watch_start(&c.watch, w.event, w.group, c.fd, EPOLLIN, on_ready, &c), 0);
        run_until_idle(&w);
        assert_int_equal(c.n_calls, 2);
        counter_stop(&c);
        stop(&w);
}

static void test_what_is_asked_for_can_be_changed(void **state) {
        World w;

        (void) state;
        start(&w);
        for (unsigned alone = 0; alone < 2; alone++) {
                Counter c;

                counter_start(&c, &w, alone ? NULL : w.group);
                run_until_idle(&w);
                assert_int_equal(c.events, EPOLLIN);
                assert_int_equal(io_watch_modify(&c.watch, EPOLLOUT), 0);
                assert_true(sd_event_run(w.event, 0) > 0);
                assert_int_equal(c.events, EPOLLOUT);
                counter_stop(&c);
                assert_int_equal(io_watch_modify(&c.watch, EPOLLIN), -ENOTCONN);
        }
        stop(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_more_than_fit_into_a_turn_are_all_served),
                cmocka_unit_test(test_other_sources_have_their_turn_while_a_group_is_busy),
                cmocka_unit_test(test_who_was_ended_in_the_same_turn_is_not_called),
                cmocka_unit_test(test_a_watch_may_end_itself_and_start_again),
                cmocka_unit_test(test_what_is_asked_for_can_be_changed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
