/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Filters
 *
 * DECLINE and ACCEPT carry `refuse_seconds`, a double from outside: absent, negative, NaN, huge, or
 * reasonable. What is no time counts as the default, so that a broken framework isn't offered the
 * same resources in a tight loop.
 */

#include "common/model/filters.h"

usec_t filters_refuse_usec(const Mesos__V1__Filters *filters) {
        double seconds;

        if (!filters || !filters->has_refuse_seconds)
                return FILTERS_REFUSE_DEFAULT_USEC;

        seconds = filters->refuse_seconds;
        if (!(seconds >= 0) || seconds > (double) INT64_MAX / 1e9)
                return FILTERS_REFUSE_DEFAULT_USEC;
        if (seconds >= usec_to_secs(FILTERS_REFUSE_MAX_USEC))
                return FILTERS_REFUSE_MAX_USEC;

        return usec_from_secs(seconds);
}
