/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast top: what containers use, busiest first.
 *
 * On a terminal the picture is drawn anew until somebody has seen enough; elsewhere, and with
 * --json, once, after an interval: cpu time is what was used between two looks. Who the agents and frameworks are is asked for less often than what they use: the
 * master's answer to that is a large one.
 */

#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cluster.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "cli/verb.h"
#include "common/net/json_writer.h"

#define NAMES_AGE_USEC (15 * USEC_PER_SEC)

#define SCREEN_BEGIN "\033[?1049h\033[?7l\033[?25l"     /* a screen of its own, long lines cut, no cursor */
#define SCREEN_END "\033[?25h\033[?7h\033[?1049l"

typedef enum Order {
        ORDER_CPU,
        ORDER_MEM,
        ORDER_ID,
} Order;

typedef struct Top {
        Client client;
        bool one_agent;              /* client's "master" is the agent itself */
        bool json;
        bool live;
        Terminal terminal;
        usec_t interval_usec;
        Order order;

        json_t *state;               /* of the agent, with one_agent; owned */
        Cluster cluster;             /* else */
        usec_t names_usec;           /* when these were read; 0: never */
        UsageAgent *agents;          /* owned; texts are of state or cluster */
        size_t n_agents;
        UsageSample earlier, sample;

        struct termios termios;      /* as we found it */
        bool stopped;                /* Ctrl-C, or q */
        bool redraw;
} Top;

static void top_deinit(Top *t) {
        usage_sample_deinit(&t->sample);
        usage_sample_deinit(&t->earlier);
        free(t->agents);
        cluster_deinit(&t->cluster);
        json_decref(t->state);
        client_deinit(&t->client);
}

/* Until the next sample is taken, names of hosts in the last one point nowhere. */
static void forget_names(Top *t) {
        free(t->agents);
        t->agents = NULL;
        t->n_agents = 0;
        cluster_deinit(&t->cluster);
        json_decref(t->state);
        t->state = NULL;
}

static int read_agent(Top *t, char **reterr_message) {
        int r;

        r = client_get(&t->client, t->client.master_url, "/state", &t->state, reterr_message);
        if (r != CLIENT_OK)
                return r;

        t->agents = calloc(1, sizeof(*t->agents));
        if (!t->agents)
                return -ENOMEM;

        t->agents[t->n_agents++] = (UsageAgent) {
                .url = t->client.master_url,
                .hostname = json_string_value(json_object_get(t->state, "hostname")) ?: "",
        };
        return CLIENT_OK;
}

static int read_cluster(Top *t, char **reterr_message) {
        int r;

        r = cluster_load(&t->client, &t->cluster, reterr_message);
        if (r != CLIENT_OK)
                return r;

        t->agents = calloc(t->cluster.n_agents + 1, sizeof(*t->agents));
        if (!t->agents)
                return -ENOMEM;

        for (size_t i = 0; i < t->cluster.n_agents; i++)
                if (t->cluster.agents[i].active && t->cluster.agents[i].url[0])
                        t->agents[t->n_agents++] = (UsageAgent) {
                                .url = t->cluster.agents[i].url,
                                .hostname = t->cluster.agents[i].hostname,
                        };
        return CLIENT_OK;
}

/* Master or agent: both have their frameworks so. */
static const char *framework_name(const Top *t, const char *id) {
        json_t *list = json_object_get(t->one_agent ? t->state : t->cluster.state, "frameworks");

        for (size_t i = 0; i < json_array_size(list); i++) {
                json_t *framework = json_array_get(list, i);
                const char *found = json_string_value(json_object_get(framework, "id"));

                if (found && streq(found, id))
                        return json_string_value(json_object_get(framework, "name")) ?: id;
        }

        return id;
}

static int take_sample(Top *t, char **reterr_message) {
        UsageSample sample;
        int r;

        usage_sample_deinit(&t->earlier);
        t->earlier = t->sample;
        t->sample = (UsageSample) {};
        r = usage_sample_take(&t->client, t->agents, t->n_agents, &sample);
        if (r < 0)
                return r;

        t->sample = sample;
        usage_sample_compare(&t->sample, &t->earlier);
        if (t->n_agents == 1 && t->sample.n_silent == 1)
                return client_fail(CLIENT_E_REFUSED, reterr_message, "No answer from %s: %s", t->agents[0].url,
                                   t->sample.why_silent ?: "");
        return CLIENT_OK;
}

/* One more sample; before it, once in a while, who is there. */
static int look(Top *t, char **reterr_message) {
        int r;

        if (t->names_usec == 0 || usec_now(CLOCK_MONOTONIC) > usec_add(t->names_usec, NAMES_AGE_USEC)) {
                forget_names(t);
                r = t->one_agent ? read_agent(t, reterr_message) : read_cluster(t, reterr_message);
                if (r != CLIENT_OK)
                        return r;
                t->names_usec = usec_now(CLOCK_MONOTONIC);
        }

        return take_sample(t, reterr_message);
}

static int compare_rows(const void *a, const void *b, void *userdata) {
        const UsageRow *p = a, *q = b;
        const Order *order = userdata;
        double x = 0, y = 0;

        switch (*order) {
        case ORDER_CPU:
                x = p->cpus_used;
                y = q->cpus_used;
                break;
        case ORDER_MEM:
                x = p->mem_bytes;
                y = q->mem_bytes;
                break;
        case ORDER_ID:
                break;
        }

        /* Equals keep their places from one picture to the next. */
        return x != y ? (x < y ? 1 : -1) : strcmp(p->container_id, q->container_id);
}

static UsageRow *sorted_rows(const UsageSample *s, Order order) {
        UsageRow *rows = calloc(s->n_rows + 1, sizeof(*rows));

        if (!rows)
                return NULL;

        if (s->n_rows > 0)
                memcpy(rows, s->rows, s->n_rows * sizeof(*rows));
        qsort_r(rows, s->n_rows, sizeof(*rows), compare_rows, &order);
        return rows;
}

/* A cell with a number, or with a dash when it isn't known. */
static int add_number(Table *t, int n_decimals, double value) {
        return value < 0 ? table_add(t, "-") : table_add(t, "%.*f", n_decimals, value);
}

static int add_row(const Top *t, Table *table, const UsageRow *row) {
        static const double mb = 1 << 20;
        int r = 0;

        r |= table_add(table, "%s", row->executor_id);
        r |= table_add(table, "%s", framework_name(t, row->framework_id));
        r |= table_add(table, "%s", row->hostname);
        r |= add_number(table, 1, row->cpus_used * 100);
        r |= add_number(table, 2, row->cpus_limit >= 0 ? row->cpus_limit : row->cpus);
        r |= add_number(table, 1, row->mem_bytes / mb);
        r |= add_number(table, 0, row->mem_limit_bytes / mb);
        r |= add_number(table, 0, row->pids);
        r |= add_number(table, 1, row->cpu_stall);
        r |= add_number(table, 1, row->mem_stall);
        r |= add_number(table, 1, row->io_stall);
        r |= add_number(table, 0, row->throttled * 100);
        return r < 0 ? -ENOMEM : 0;
}

static int print_table(const Top *t, FILE *file) {
        static const TableColumn columns[] = {
                { .title = "TASK" },
                { .title = "FRAMEWORK" },
                { .title = "HOST" },
                { .title = "CPU%", .right = true },
                { .title = "CPUS", .right = true },
                { .title = "MEM MB", .right = true },
                { .title = "LIMIT", .right = true },
                { .title = "PIDS", .right = true },
                { .title = "WCPU%", .right = true },
                { .title = "WMEM%", .right = true },
                { .title = "WIO%", .right = true },
                { .title = "THR%", .right = true },
        };
        _cleanup_free_ UsageRow *rows = sorted_rows(&t->sample, t->order);
        _cleanup_(table_deinit) Table table = TABLE_INIT(columns);
        Terminal terminal = t->terminal;
        int r;

        if (!rows)
                return -ENOMEM;

        for (size_t i = 0; i < t->sample.n_rows; i++) {
                r = add_row(t, &table, rows + i);
                if (r < 0)
                        return r;
        }

        terminal.file = file;
        table_print(&table, &terminal);
        return CLIENT_OK;
}

static void put_known(JsonWriter *w, const char *key, double value) {
        if (value >= 0)
                json_put_double(w, key, value);
}

static void put_known_count(JsonWriter *w, const char *key, double value) {
        if (value >= 0)
                json_put_uint(w, key, (uint64_t) value);
}

static void write_row(const Top *t, JsonWriter *w, const UsageRow *row) {
        json_object_begin(w, NULL);
        json_put_string(w, "container_id", row->container_id);
        json_put_string(w, "executor_id", row->executor_id);
        json_put_string(w, "framework_id", row->framework_id);
        json_put_string(w, "framework_name", framework_name(t, row->framework_id));
        json_put_string(w, "hostname", row->hostname);
        put_known(w, "cpus_used", row->cpus_used);
        put_known(w, "cpus", row->cpus);
        put_known(w, "cpus_limit", row->cpus_limit);
        put_known_count(w, "mem_bytes", row->mem_bytes);
        put_known_count(w, "mem_limit_bytes", row->mem_limit_bytes);
        put_known_count(w, "pids", row->pids);
        put_known(w, "cpu_wait_percent", row->cpu_stall);
        put_known(w, "mem_wait_percent", row->mem_stall);
        put_known(w, "io_wait_percent", row->io_stall);
        put_known(w, "throttled", row->throttled);
        json_object_end(w);
}

static int print_json(const Top *t) {
        _cleanup_free_ UsageRow *rows = sorted_rows(&t->sample, t->order);
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(64U * 1024 * 1024);
        JsonWriter w = JSON_WRITER(&b);
        int r;

        if (!rows)
                return -ENOMEM;

        json_array_begin(&w, NULL);
        for (size_t i = 0; i < t->sample.n_rows; i++)
                write_row(t, &w, rows + i);
        json_array_end(&w);

        r = json_finish(&w);
        if (r < 0)
                return r;

        printf("%.*s\n", (int) buffer_size(&b), buffer_data(&b));
        return CLIENT_OK;
}

static void print_head(const Top *t, FILE *file) {
        char when[TERMINAL_TIME_MAX];
        double cpus = 0, mem = 0;

        for (size_t i = 0; i < t->sample.n_rows; i++) {
                cpus += MAX(t->sample.rows[i].cpus_used, 0.0);
                mem += MAX(t->sample.rows[i].mem_bytes, 0.0);
        }

        fprintf(file, "%s  containers: %zu on %zu agent%s, which use %.2f cpus and %.0f MB",
                terminal_time(usec_now(CLOCK_REALTIME), when), t->sample.n_rows, t->n_agents, t->n_agents == 1 ? "" : "s",
                cpus, mem / (1 << 20));
        if (t->sample.n_silent > 0)
                fprintf(file, "; %zu do not answer", t->sample.n_silent);
        fprintf(file, "\n\n");
}

/* As many lines as there is room for; what was on the screen is written over rather than cleared, so that
 * nothing flickers. */
static void show_screen(const char *text, FILE *file) {
        struct winsize size = {};
        unsigned n_left;

        (void) ioctl(fileno(file), TIOCGWINSZ, &size);
        n_left = size.ws_row > 0 ? size.ws_row : 24;
        fputs("\033[H", file);
        while (*text && n_left-- > 0) {
                size_t n = strcspn(text, "\n");

                fprintf(file, "%.*s\033[K%s", (int) n, text, n_left > 0 ? "\n" : "");
                text += n + (text[n] == '\n');
        }
        fputs("\033[J", file);
        (void) fflush(file);
}

static int draw(const Top *t) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        FILE *file;
        int r;

        file = open_memstream(&text, &n);
        if (!file)
                return -errno;

        print_head(t, file);
        r = print_table(t, file);
        if (fclose(file) != 0)
                return -ENOMEM;
        if (r == CLIENT_OK)
                show_screen(text, t->terminal.file);
        return r;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Top *t = userdata;

        (void) source;
        if (info->ssi_signo == SIGWINCH)
                t->redraw = true;
        else
                t->stopped = true;
        return 0;
}

static int on_key(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Top *t = userdata;
        char key;

        (void) source;
        (void) events;
        if (read(fd, &key, 1) != 1 || key == 'q')
                t->stopped = true;
        else if (key == 'c' || key == 'm')
                t->order = key == 'c' ? ORDER_CPU : ORDER_MEM;
        t->redraw = true;
        return 0;
}

static int screen_begin(Top *t) {
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH };
        struct termios raw;
        sigset_t mask;
        int r;

        (void) sigemptyset(&mask);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaddset(&mask, signals[i]);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                r = sd_event_add_signal(t->client.event, NULL, signals[i], on_signal, t);
                if (r < 0)
                        return r;
        }

        if (tcgetattr(STDIN_FILENO, &t->termios) == 0) {
                raw = t->termios;
                raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
                (void) tcsetattr(STDIN_FILENO, TCSANOW, &raw);
                r = sd_event_add_io(t->client.event, NULL, STDIN_FILENO, EPOLLIN, on_key, t);
                if (r < 0)
                        return r;
        }

        fputs(SCREEN_BEGIN, t->terminal.file);
        return 0;
}

static void screen_end(const Top *t) {
        fputs(SCREEN_END, t->terminal.file);
        (void) fflush(t->terminal.file);
        if (isatty(STDIN_FILENO))
                (void) tcsetattr(STDIN_FILENO, TCSANOW, &t->termios);
}

/* Until the next look is due, keys and signals are served. */
static int wait_interval(Top *t) {
        usec_t until_usec = usec_add(usec_now(CLOCK_MONOTONIC), t->interval_usec);

        while (!t->stopped) {
                usec_t now_usec = usec_now(CLOCK_MONOTONIC);
                int r;

                if (now_usec >= until_usec)
                        return 0;

                r = sd_event_run(t->client.event, until_usec - now_usec);
                if (r < 0)
                        return r;
                if (t->redraw && t->live) {
                        t->redraw = false;
                        r = draw(t);
                        if (r != CLIENT_OK)
                                return r;
                }
        }

        return 0;
}

static int show_once(Top *t, char **reterr_message) {
        int r;

        r = look(t, reterr_message);
        if (r == CLIENT_OK)
                r = wait_interval(t);
        if (r == CLIENT_OK)
                r = look(t, reterr_message);
        if (r != CLIENT_OK)
                return r;

        return t->json ? print_json(t) : print_table(t, t->terminal.file);
}

static int show_live(Top *t, char **reterr_message) {
        int r;

        r = screen_begin(t);
        while (r == CLIENT_OK && !t->stopped) {
                r = look(t, reterr_message);
                if (r == CLIENT_OK && !t->stopped)
                        r = draw(t);
                if (r == CLIENT_OK)
                        r = wait_interval(t);
        }

        screen_end(t);
        return r;
}

static int parse_order(const char *text, Order *ret, char **reterr_message) {
        static const char *const names[] = { [ORDER_CPU] = "cpu", [ORDER_MEM] = "mem", [ORDER_ID] = "id" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(text, names[i])) {
                        *ret = (Order) i;
                        return CLIENT_OK;
                }

        return client_fail(CLIENT_E_USAGE, reterr_message, "--sort='%s': expected cpu, mem or id", text);
}

static int top(Top *t, const char *whom, const char *sort, char **reterr_message) {
        int r;

        r = parse_order(sort, &t->order, reterr_message);
        if (r == CLIENT_OK && t->interval_usec < 100 * USEC_PER_MSEC)
                r = client_fail(CLIENT_E_USAGE, reterr_message, "--interval: expected at least 100ms");
        if (r == CLIENT_OK)
                r = client_init(&t->client, whom, reterr_message);
        if (r != CLIENT_OK)
                return r;

        return t->live ? show_live(t, reterr_message) : show_once(t, reterr_message);
}

int verb_top(int argc, char **argv, const CliEnvironment *environment) {
        _cleanup_free_ char *message = NULL;
        _cleanup_(top_deinit) Top t = { .terminal = terminal_make(stdout, environment->no_color) };
        char *master = NULL, *agent = NULL, *sort = NULL;
        Flag flags[] = {
                { .name = "agent", .kind = FLAG_PATH, .value = &agent, .metavar = "HOST:PORT",
                  .help = "Ask this agent only, and no master." },
                { .name = "interval", .kind = FLAG_DURATION, .value = &t.interval_usec, .default_text = "2secs",
                  .metavar = "TIME", .help = "How often to look." },
                { .name = "json", .kind = FLAG_BOOL, .value = &t.json, .default_text = "false",
                  .help = "Print one JSON array, once." },
                { .name = "master", .kind = FLAG_PATH, .value = &master, .metavar = "MASTER",
                  .help = "The master to ask." },
                { .name = "sort", .kind = FLAG_STRING, .value = &sort, .default_text = "cpu", .metavar = "ORDER",
                  .help = "What comes first: cpu or mem, the most of it; or id." },
        };
        FlagTable table = {
                .program = "holdfast top",
                .summary = "Shows what containers use; on a terminal until q is pressed (c, m: most cpu, memory first).",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code, r;

        code = client_parse_flags(&table, argc, argv, NULL);
        if (code < 0) {
                t.one_agent = agent != NULL;
                t.live = isatty(STDOUT_FILENO) && !t.json;
                r = top(&t, agent ?: master ?: environment->master, sort, &message);
                code = client_report(r, message);
        }

        flags_deinit(&table);
        return code;
}
