/* SPDX-License-Identifier: Apache-2.0 */

/* What goes between agent and launcher, either of which may be of another version: the first byte chooses. */

#include "isolator/confinement.h"
#include "launcher/plan.h"
#include "launcher/wire.h"
#include "tests/fuzz/fuzz.h"

static void decode_plan(const uint8_t *data, size_t n) {
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        _cleanup_(buffer_deinit) Buffer text = BUFFER_INIT(64U << 20);
        _cleanup_free_ char *error = NULL;

        if (launch_plan_decode(data, n, &plan, &error) == LAUNCH_PLAN_OK)
                assert(launch_plan_print(plan, &text) >= 0);
}

static void decode_request(const uint8_t *data, size_t n) {
        LauncherRequest request;

        if (launcher_request_decode(data, n, &request) >= 0)
                launcher_request_deinit(&request);
}

static void decode_event(const uint8_t *data, size_t n) {
        LauncherEvent event;

        if (launcher_event_decode(data, n, &event) >= 0)
                launcher_event_deinit(&event);
}

/* Alone, where its fields are found sooner than in a plan. */
static void decode_confinement(const uint8_t *data, size_t n) {
        _cleanup_(confinement_freep) Confinement *c = holdfast__launcher__confinement__unpack(NULL, n, data);
        _cleanup_(buffer_deinit) Buffer text = BUFFER_INIT(64U << 20);
        _cleanup_free_ char *error = NULL;

        if (!c)
                return;

        if (confinement_check(c, &error) == CONFINEMENT_OK)
                assert(confinement_print(c, &text) >= 0);
        else
                assert(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        static void (*const decoders[])(const uint8_t *data, size_t n) = {
                decode_plan, decode_request, decode_event, decode_confinement,
        };

        if (n > 0)
                decoders[data[0] % ELEMENTSOF(decoders)](data + 1, n - 1);
        return 0;
}
