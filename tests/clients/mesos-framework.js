// SPDX-License-Identifier: Apache-2.0
//
// mesos-framework.js HOST PORT: the command scheduler of npm's mesos-framework runs one task.
// Ends with 0 when the task has come to TASK_FINISHED.
"use strict";

const { Scheduler, Mesos } = require("mesos-framework");
const builder = Mesos.getMesos();

const scheduler = new Scheduler({
        masterUrl: process.argv[2],
        port: Number(process.argv[3]),
        frameworkName: "npm-command-scheduler",
        frameworkFailoverTimeout: 1,
        logging: { level: "info" },
        restartStates: ["TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_ERROR"],
        tasks: {
                hello: {
                        priority: 1,
                        instances: 1,
                        commandInfo: new builder.CommandInfo(null, null, true, "echo by npm; sleep 1", null, null),
                        resources: { cpus: 0.2, mem: 64, ports: 1, disk: 0 },
                },
        },
});

function end(status) {
        scheduler.teardown();
        // The request is on its way when the connection has had a turn of the loop.
        setTimeout(() => process.exit(status), 200);
}

scheduler.on("ready", () => scheduler.subscribe());
scheduler.on("subscribed", (event) => console.log("SUBSCRIBED", event.frameworkId));
scheduler.on("error", (error) => console.log("ERROR", error.message || JSON.stringify(error)));
scheduler.on("update", (update) => {
        const state = update.status.state;
        console.log(state, update.status.message || "");
        if (state === "TASK_FINISHED")
                end(0);
        else if (["TASK_FAILED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED"].includes(state))
                end(1);
});
setTimeout(() => end(2), 40000);
