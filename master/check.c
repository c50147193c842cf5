/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checks of CommandInfo, ContainerInfo, CheckInfo and HealthCheck
 *
 * Each is a message that stands in tasks and in executors alike; whoever asks puts its own prefix
 * before the reason. Pure functions over the message alone.
 */

#include "master/check.h"
#include "master/reject.h"

static int check_variable(const Mesos__V1__Environment__Variable *v, char **reterr_message) {
        switch (v->type) {
        case MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__SECRET:
                if (!v->secret)
                        return reject(reterr_message,
                                      "Environment variable '%s' of type 'SECRET' must have a "
                                      "secret "
                                      "set",
                                      v->name);
                if (v->value)
                        return reject(reterr_message,
                                      "Environment variable '%s' of type 'SECRET' must not have a "
                                      "value set",
                                      v->name);
                if (v->secret->value &&
                    memchr(v->secret->value->data.data, 0, v->secret->value->data.len))
                        return reject(reterr_message,
                                      "Environment variable '%s' specifies a secret containing "
                                      "null "
                                      "bytes, which is not allowed in the environment",
                                      v->name);
                return ACCEPTED;

        case MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__VALUE:
                if (!v->value)
                        return reject(reterr_message,
                                      "Environment variable '%s' of type 'VALUE' must have a value "
                                      "set",
                                      v->name);
                if (v->secret)
                        return reject(reterr_message,
                                      "Environment variable '%s' of type 'VALUE' must not have a "
                                      "secret set",
                                      v->name);
                return ACCEPTED;

        case MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__UNKNOWN:
        case _MESOS__V1__ENVIRONMENT__VARIABLE__TYPE_IS_INT_SIZE:
                return reject(reterr_message,
                              "Environment variable of type 'UNKNOWN' is not allowed");
        }

        return reject(reterr_message, "Environment variable of type 'UNKNOWN' is not allowed");
}

int check_command(const Mesos__V1__CommandInfo *command, char **reterr_message) {
        for (size_t i = 0; command->environment && i < command->environment->n_variables; i++) {
                int r;

                r = check_variable(command->environment->variables[i], reterr_message);
                if (r != ACCEPTED)
                        return r;
        }

        return ACCEPTED;
}

static int check_volume_source(const Mesos__V1__Volume__Source *s, char **reterr_message) {
        static const char unset[] = "'source.%s' is not set for %s volume";

        switch (s->type) {
        case MESOS__V1__VOLUME__SOURCE__TYPE__DOCKER_VOLUME:
                return s->docker_volume ? ACCEPTED
                                        : reject(reterr_message, unset, "docker_volume",
                                                 "DOCKER_VOLUME");
        case MESOS__V1__VOLUME__SOURCE__TYPE__HOST_PATH:
                return s->host_path ? ACCEPTED
                                    : reject(reterr_message, unset, "host_path", "HOST_PATH");
        case MESOS__V1__VOLUME__SOURCE__TYPE__SANDBOX_PATH:
                return s->sandbox_path ? ACCEPTED
                                       : reject(reterr_message, unset, "sandbox_path",
                                                "SANDBOX_PATH");
        case MESOS__V1__VOLUME__SOURCE__TYPE__SECRET:
                return s->secret ? ACCEPTED : reject(reterr_message, unset, "secret", "SECRET");
        case MESOS__V1__VOLUME__SOURCE__TYPE__CSI_VOLUME:
                return s->csi_volume ? ACCEPTED
                                     : reject(reterr_message, unset, "csi_volume", "CSI_VOLUME");
        case MESOS__V1__VOLUME__SOURCE__TYPE__UNKNOWN:
        case _MESOS__V1__VOLUME__SOURCE__TYPE_IS_INT_SIZE:
                break;
        }

        return reject(reterr_message, "'source.type' is unknown");
}

static int check_volume(const Mesos__V1__Volume *v, char **reterr_message) {
        if (!!v->host_path + !!v->image + !!v->source != 1)
                return reject(reterr_message,
                              "Only one of them should be set: 'host_path', 'image' and 'source'");

        return v->source ? check_volume_source(v->source, reterr_message) : ACCEPTED;
}

static int check_docker(const Mesos__V1__ContainerInfo *container, char **reterr_message) {
        if (container->type != MESOS__V1__CONTAINER_INFO__TYPE__DOCKER)
                return ACCEPTED;

        if (!container->docker)
                return reject(reterr_message,
                              "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo");

        for (size_t i = 0; i < container->docker->n_parameters; i++)
                if (streq(container->docker->parameters[i]->key, "name"))
                        return reject(reterr_message, "Parameter in DockerInfo must not be 'name'");

        return ACCEPTED;
}

int check_container(const Mesos__V1__ContainerInfo *container, char **reterr_message) {
        int r;

        for (size_t i = 0; i < container->n_volumes; i++) {
                r = check_volume(container->volumes[i], reterr_message);
                if (r != ACCEPTED)
                        return reject_prefix(r, reterr_message, "Invalid volume");
        }

        return check_docker(container, reterr_message);
}

/* What CheckInfo and HealthCheck both have; `kind` is how texts name it. */
static int check_probe_command(const Mesos__V1__CommandInfo *command, const char *kind,
                               char **reterr_message) {
        int r;

        if (!command->value)
                return reject(reterr_message, "Command %s must contain %s", kind,
                              command->shell ? "'shell command'" : "'executable path'");

        r = check_command(command, reterr_message);
        return reject_prefix(r, reterr_message, "Check's `CommandInfo` is invalid");
}

static int check_probe_path(const char *path, const char *kind, char **reterr_message) {
        if (path && path[0] != '/')
                return reject(reterr_message, "The path '%s' of HTTP %s must start with '/'", path,
                              kind);

        return ACCEPTED;
}

static int check_not_negative(double value, const char *field, char **reterr_message) {
        if (value < 0)
                return reject(reterr_message, "Expecting '%s' to be non-negative", field);

        return ACCEPTED;
}

static int check_check_type(const Mesos__V1__CheckInfo *c, char **reterr_message) {
        if (!c->has_type)
                return reject(reterr_message, "CheckInfo must specify 'type'");

        switch (c->type) {
        case MESOS__V1__CHECK_INFO__TYPE__COMMAND:
                if (!c->command)
                        return reject(reterr_message,
                                      "Expecting 'command' to be set for COMMAND check");
                return check_probe_command(c->command->command, "check", reterr_message);

        case MESOS__V1__CHECK_INFO__TYPE__HTTP:
                if (!c->http)
                        return reject(reterr_message, "Expecting 'http' to be set for HTTP check");
                return check_probe_path(c->http->path, "check", reterr_message);

        case MESOS__V1__CHECK_INFO__TYPE__TCP:
                if (!c->tcp)
                        return reject(reterr_message, "Expecting 'tcp' to be set for TCP check");
                return ACCEPTED;

        case MESOS__V1__CHECK_INFO__TYPE__UNKNOWN:
        case _MESOS__V1__CHECK_INFO__TYPE_IS_INT_SIZE:
                break;
        }

        return reject(reterr_message, "'UNKNOWN' is not a valid check type");
}

int check_check(const Mesos__V1__CheckInfo *c, char **reterr_message) {
        int r;

        r = check_check_type(c, reterr_message);
        if (r == ACCEPTED)
                r = check_not_negative(c->delay_seconds, "delay_seconds", reterr_message);
        if (r == ACCEPTED)
                r = check_not_negative(c->interval_seconds, "interval_seconds", reterr_message);
        if (r == ACCEPTED)
                r = check_not_negative(c->timeout_seconds, "timeout_seconds", reterr_message);

        return r;
}

static int check_health_http(const Mesos__V1__HealthCheck__HTTPCheckInfo *http,
                             char **reterr_message) {
        if (http->scheme && !streq(http->scheme, "http") && !streq(http->scheme, "https"))
                return reject(reterr_message, "Unsupported HTTP health check scheme: '%s'",
                              http->scheme);

        return check_probe_path(http->path, "health check", reterr_message);
}

static int check_health_type(const Mesos__V1__HealthCheck *c, char **reterr_message) {
        if (!c->has_type)
                return reject(reterr_message, "HealthCheck must specify 'type'");

        switch (c->type) {
        case MESOS__V1__HEALTH_CHECK__TYPE__COMMAND:
                if (!c->command)
                        return reject(reterr_message,
                                      "Expecting 'command' to be set for COMMAND health check");
                return check_probe_command(c->command, "health check", reterr_message);

        case MESOS__V1__HEALTH_CHECK__TYPE__HTTP:
                if (!c->http)
                        return reject(reterr_message,
                                      "Expecting 'http' to be set for HTTP health check");
                return check_health_http(c->http, reterr_message);

        case MESOS__V1__HEALTH_CHECK__TYPE__TCP:
                if (!c->tcp)
                        return reject(reterr_message,
                                      "Expecting 'tcp' to be set for TCP health check");
                return ACCEPTED;

        case MESOS__V1__HEALTH_CHECK__TYPE__UNKNOWN:
        case _MESOS__V1__HEALTH_CHECK__TYPE_IS_INT_SIZE:
                break;
        }

        return reject(reterr_message, "'UNKNOWN' is not a valid health check type");
}

int check_health_check(const Mesos__V1__HealthCheck *c, char **reterr_message) {
        int r;

        r = check_health_type(c, reterr_message);
        if (r == ACCEPTED)
                r = check_not_negative(c->delay_seconds, "delay_seconds", reterr_message);
        if (r == ACCEPTED)
                r = check_not_negative(c->grace_period_seconds, "grace_period_seconds",
                                       reterr_message);
        if (r == ACCEPTED)
                r = check_not_negative(c->interval_seconds, "interval_seconds", reterr_message);
        if (r == ACCEPTED)
                r = check_not_negative(c->timeout_seconds, "timeout_seconds", reterr_message);

        return r;
}
