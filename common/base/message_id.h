#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Message ids: the events an operator acts on, for LogContext.message_id. `journalctl -x` explains each
 * from units/holdfast.catalog; build-aux/check-catalog.sh sees to it that every id has its entry.
 */

#define MESSAGE_AGENT_RECOVERED         "4672d12d9d114b569879b6c1c9df1739"
#define MESSAGE_AGENT_REBOOTED          "783a8cadbe5c453a95a70ae4e46f0b73"
#define MESSAGE_AGENT_CHANGED           "733907db70f347858e3955923c180036"
#define MESSAGE_MASTER_LOST             "b9a4f554015f4a11822efcf54ba4005f"
#define MESSAGE_LAUNCH_FAILED           "778268770c2740a485338abc04a0a7a1"
#define MESSAGE_LAUNCHER_LOST           "86f4ad7b4b8e42cfb97740fb65904bbb"
#define MESSAGE_STORE_FAILED            "478504a30190412db01e439f184a3691"
#define MESSAGE_AGENT_REGISTERED        "acb1e38a46c94aba8f4564bb3cd377e3"
#define MESSAGE_AGENT_UNREACHABLE       "6ea2e0f16ca840ab867d1f62e79419de"
#define MESSAGE_FRAMEWORK_SUBSCRIBED    "418c738de994449c8373572c3cfba5b9"
#define MESSAGE_FRAMEWORK_REMOVED       "6e3e8758fda24b44b99cc053cc74477c"
