/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A cluster of simulated agents and schedulers
 *
 *     agents [--agents=N] [--tasks=N] [--frameworks=N] [--connections=N] [--resources=TEXT]
 *
 * Does what it is told line by line on standard input, answering each with one line when it is done
 * (bench/master.py is who tells it, and measures the master meanwhile):
 *
 *     master PORT                      the master, at 127.0.0.1, is this one from now on
 *     register SPREAD_MS               all agents register, spread over so long     MS BYTES
 * REPEATED reregister SPREAD_MS             all agents come back with their tasks        MS BYTES
 * REPEATED hold MS                          only what has to be answered is answered     PINGS
 *     subscribe N ROLES                so many schedulers, in so many roles         MS
 *     offers N                         waits until they hold so many offers         MS
 *     decline N                        all decline all at once, for no time, and wait for N again
 * MS launch MS IN_FLIGHT PER_ACCEPT   tasks run through, so many in flight for each scheduler
 *                                                           FINISHED MS P50_MS P99_MS
 *     leave                            the schedulers are gone
 */

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/fleet.h"
#include "bench/schedulers.h"
#include "common/base/parse.h"

#define N_COMMAND_NUMBERS 4U
/* Connections are counted twice, ours and the master's, and each process needs a few descriptors
 * beside. */
#define SPARE_FDS 400U
#define WAIT_TIMEOUT (120 * USEC_PER_SEC)

typedef struct Bench {
        Lines lines;
        Fleet *fleet;
        Schedulers *schedulers;
        struct sockaddr_in master;
        uint64_t numbers[N_COMMAND_NUMBERS]; /* of the command */
} Bench;

static double milliseconds_since(usec_t begin_usec) {
        return (double) usec_sub(usec_now(CLOCK_MONOTONIC), begin_usec) / (double) USEC_PER_MSEC;
}

static void run_for(Bench *b, usec_t duration_usec) {
        usec_t end_usec = usec_add(usec_now(CLOCK_MONOTONIC), duration_usec), now_usec;

        while ((now_usec = usec_now(CLOCK_MONOTONIC)) < end_usec)
                lines_run(&b->lines, end_usec - now_usec);
}

static void on_master(Bench *b) {
        b->master = (struct sockaddr_in){
                .sin_family = AF_INET,
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                .sin_port = htons((uint16_t) b->numbers[0]),
        };
        b->schedulers = schedulers_free(b->schedulers);
        fleet_set_master(b->fleet, &b->master);
        printf("\n");
}

static void print_round(const FleetRound *round) {
        printf("%.1f %zu %zu\n", (double) round->took_usec / (double) USEC_PER_MSEC, round->n_bytes,
               round->n_repeated);
}

static void on_register(Bench *b) {
        FleetRound round;

        fleet_register(b->fleet, b->numbers[0] * USEC_PER_MSEC, &round);
        print_round(&round);
}

static void on_reregister(Bench *b) {
        FleetRound round;

        fleet_reregister(b->fleet, b->numbers[0] * USEC_PER_MSEC, &round);
        print_round(&round);
}

static void on_hold(Bench *b) {
        uint64_t before = fleet_pings(b->fleet);

        run_for(b, b->numbers[0] * USEC_PER_MSEC);
        printf("%ju\n", (uintmax_t) (fleet_pings(b->fleet) - before));
}

static void on_subscribe(Bench *b) {
        SchedulersConfig config = { .n_schedulers = (unsigned) b->numbers[0],
                                    .n_roles = (unsigned) b->numbers[1] };
        usec_t begin_usec = usec_now(CLOCK_MONOTONIC);

        schedulers_free(b->schedulers);
        b->schedulers = schedulers_new(&b->lines, &b->master, &config);
        printf("%.1f\n", milliseconds_since(begin_usec));
}

static void wait_offers(Bench *b, uint64_t n_wanted) {
        usec_t begin_usec = usec_now(CLOCK_MONOTONIC);

        while (schedulers_offers(b->schedulers) < n_wanted) {
                if (usec_now(CLOCK_MONOTONIC) > usec_add(begin_usec, WAIT_TIMEOUT))
                        bench_die("%zu of %ju offers came", schedulers_offers(b->schedulers),
                                  (uintmax_t) n_wanted);
                lines_run(&b->lines, 100 * USEC_PER_MSEC);
        }
        printf("%.1f\n", milliseconds_since(begin_usec));
}

static void on_offers(Bench *b) {
        wait_offers(b, b->numbers[0]);
}

static void on_decline(Bench *b) {
        schedulers_decline(b->schedulers, 0);
        wait_offers(b, b->numbers[0]);
}

static void on_launch(Bench *b) {
        uint64_t n_before = schedulers_finished(b->schedulers), n_finished;
        usec_t begin_usec = usec_now(CLOCK_MONOTONIC);
        double took_ms;

        schedulers_start(b->schedulers, (unsigned) b->numbers[1], (unsigned) b->numbers[2]);
        run_for(b, b->numbers[0] * USEC_PER_MSEC);
        n_finished = schedulers_finished(b->schedulers) - n_before;
        took_ms = milliseconds_since(begin_usec);

        schedulers_stop(b->schedulers);
        begin_usec = usec_now(CLOCK_MONOTONIC);
        while (schedulers_in_flight(b->schedulers) > 0) {
                if (usec_now(CLOCK_MONOTONIC) > usec_add(begin_usec, WAIT_TIMEOUT))
                        bench_die("%ju tasks did not finish",
                                  (uintmax_t) schedulers_in_flight(b->schedulers));
                lines_run(&b->lines, 100 * USEC_PER_MSEC);
        }

        printf("%ju %.1f %.1f %.1f\n", (uintmax_t) n_finished, took_ms,
               (double) schedulers_latency(b->schedulers, 50) / (double) USEC_PER_MSEC,
               (double) schedulers_latency(b->schedulers, 99) / (double) USEC_PER_MSEC);
}

static void on_leave(Bench *b) {
        b->schedulers = schedulers_free(b->schedulers);
        printf("\n");
}

typedef struct Command {
        const char *name;
        size_t n_numbers;
        bool needs_schedulers;
        void (*run)(Bench *b);
} Command;

static const Command commands[] = {
        { "master", 1, false, on_master },         { "register", 1, false, on_register },
        { "reregister", 1, false, on_reregister }, { "hold", 1, false, on_hold },
        { "subscribe", 2, false, on_subscribe },   { "offers", 1, true, on_offers },
        { "decline", 1, true, on_decline },        { "launch", 3, true, on_launch },
        { "leave", 0, false, on_leave },
};

static const Command *find_command(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (streq(commands[i].name, name))
                        return &commands[i];

        bench_die("what is '%s'?", name);
}

static void obey(Bench *b, char *line) {
        char *rest = line, *name = strsep(&rest, " \n"), *word;
        const Command *c = find_command(name);
        size_t n = 0;

        while ((word = strsep(&rest, " \n")))
                if (*word && (n == c->n_numbers || parse_u64(word, &b->numbers[n++]) < 0))
                        bench_die("%s takes %zu numbers", name, c->n_numbers);
        if (n < c->n_numbers)
                bench_die("%s takes %zu numbers", name, c->n_numbers);
        if (c->needs_schedulers && !b->schedulers)
                bench_die("%s needs schedulers", name);

        c->run(b);
        (void) fflush(stdout);
}

/* The master's limit is ours: a connection to each agent, and as many from agents as there is room
 * for. */
static unsigned connections_that_fit(unsigned n_agents) {
        struct rlimit limit = {};

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                bench_die("getrlimit: %m");
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);

        if (limit.rlim_max < (rlim_t) n_agents + SPARE_FDS + 1)
                bench_die("%u agents need more than the %ju file descriptors there may be",
                          n_agents, (uintmax_t) limit.rlim_max);
        return (unsigned) MIN((rlim_t) n_agents, limit.rlim_max - n_agents - SPARE_FDS);
}

static unsigned option_number(const char *text) {
        uint64_t n;

        if (parse_u64(text, &n) < 0 || n > 1000000)
                bench_die("'%s' is no number", text);
        return (unsigned) n;
}

static void parse_options(int argc, char **argv, FleetConfig *c) {
        static const struct option options[] = {
                { "agents", required_argument, NULL, 'a' },
                { "tasks", required_argument, NULL, 't' },
                { "frameworks", required_argument, NULL, 'f' },
                { "connections", required_argument, NULL, 'c' },
                { "resources", required_argument, NULL, 'r' },
                {},
        };
        int k;

        while ((k = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (k) {
                case 'a':
                        c->n_agents = option_number(optarg);
                        break;
                case 't':
                        c->n_tasks = option_number(optarg);
                        break;
                case 'f':
                        c->n_frameworks = option_number(optarg);
                        break;
                case 'c':
                        c->n_connections = option_number(optarg);
                        break;
                case 'r':
                        c->resources = optarg;
                        break;
                default:
                        exit(EXIT_FAILURE);
                }

        if (c->n_agents == 0 || c->n_frameworks == 0 || optind < argc)
                bench_die("agents and frameworks are at least one, and there are no arguments");
}

int main(int argc, char **argv) {
        FleetConfig config = {
                .n_agents = 10000,
                .n_tasks = 10,
                .n_frameworks = 5,
                .resources = "cpus:16;mem:65536;disk:100000;ports:[31000-32000]",
        };
        char line[256];
        Bench b = {};

        parse_options(argc, argv, &config);
        if (config.n_connections == 0)
                config.n_connections = connections_that_fit(config.n_agents);
        lines_init(&b.lines);
        b.fleet = fleet_new(&b.lines, &config);
        printf("%u\n", config.n_connections);
        (void) fflush(stdout);

        while (fgets(line, sizeof(line), stdin))
                obey(&b, line);

        schedulers_free(b.schedulers);
        fleet_free(b.fleet);
        lines_deinit(&b.lines);
        return EXIT_SUCCESS;
}
