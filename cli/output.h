#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Output: a task's stdout and stderr as they are written. See output.c. */

#include "common/net/http_fetch.h"

typedef struct Output Output;

typedef enum OutputStream {
        OUTPUT_STDOUT,
        OUTPUT_STDERR,
        N_OUTPUT_STREAMS,
} OutputStream;

typedef struct OutputOps {
        /* Negative: no more of this stream, please. */
        int (*data)(OutputStream stream, const void *data, size_t n, void *userdata);

        /* After output_finish(): everything has been read, or (<0) something could not be. May free it as its last act. */
        void (*finished)(int error, void *userdata);
} OutputOps;

int output_new(sd_event *event, HttpFetcher *fetcher, const char *agent_url,
               const char *framework_id, const char *executor_id, const OutputOps *ops,
               void *userdata, Output **ret);
Output *output_free(Output *o);
DEFINE_CLEANUP(Output *, output_free)

/* The task is over. */
void output_finish(Output *o);
