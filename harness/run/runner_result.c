/* runner_result.c: what a run leaves behind. See runner_parts.h. */
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/json.h"
#include "harness/env/fitness.h"
#include "harness/run/build_info.h"
#include "harness/run/runner_parts.h"

/* Those of the other host, by its name. */
static bool runner_add_peer_warnings(const cJSON *peer, cJSON *warnings)
{
    cJSON *found = cJSON_CreateArray();
    const cJSON *sentence;
    bool ok = found && fitness_add_warnings(json_get(json_get(peer, "fitness"), "before"), found);
    cJSON_ArrayForEach (sentence, found) {
        char line[PEER_HOST_BYTES + 2048];
        snprintf(line, sizeof line, "on %s: %s", json_get_string(peer, "host", ""),
                 sentence->valuestring);
        ok = ok && json_append(warnings, cJSON_CreateString(line));
    }
    cJSON_Delete(found);
    return ok;
}

/* All warnings of the result: of the machine as it was found, and the other one, of this run, of what
 * became of the machine. Strings of `fitness`, `peer` and the runner, in an array that the caller
 * deletes. */
static cJSON *runner_gather_warnings(const struct runner *runner, const cJSON *fitness,
                                     const cJSON *peer)
{
    cJSON *warnings = cJSON_CreateArray();
    const cJSON *warning;
    bool ok = warnings && fitness_add_warnings(json_get(fitness, "before"), warnings) &&
              (!peer || runner_add_peer_warnings(peer, warnings));
    cJSON_ArrayForEach (warning, runner->warnings) {
        ok = ok && json_append(warnings, cJSON_CreateString(warning->valuestring));
    }
    if (ok && fitness_add_warnings(json_get(fitness, "after"), warnings))
        return warnings;
    cJSON_Delete(warnings);
    return NULL;
}

enum status runner_write_result(struct runner *runner, struct runner_outcome *outcome,
                                struct err *err)
{
    const struct plan *plan = &runner->plan;
    const struct build_info info = build_info();
    char ended_utc[RESULT_UTC_BYTES];
    result_utc_now(ended_utc);
    cJSON *fitness = NULL;
    enum status status =
        fitness_make(runner->environment_before, runner->environment_after, &fitness, err);
    if (status != ST_OK)
        return status;
    cJSON *peer = runner->peer ? peer_result_json(runner->peer) : NULL;
    cJSON *sentences = runner_gather_warnings(runner, fitness, peer);
    int warning_count = cJSON_GetArraySize(sentences);
    const char **warnings = calloc((size_t)warning_count + 1, sizeof *warnings);
    struct result_cell *cells = calloc(plan->cell_count + 1, sizeof *cells);
    if (!sentences || !warnings || !cells || (runner->peer && !peer)) {
        status = err_set(err, ST_NO_MEMORY, NULL, "out of memory for the result");
        goto undo;
    }
    for (int i = 0; i < warning_count; i++)
        warnings[i] = cJSON_GetArrayItem(sentences, i)->valuestring;
    for (size_t i = 0; i < plan->cell_count; i++) {
        cells[i] = plan->cells[i].result;
        cells[i].producer_cpu = plan->cells[i].cpus.producer;
        cells[i].consumer_cpu = plan->cells[i].cpus.consumer;
    }
    const struct result_context context = {
        .tool_version = info.version,
        .tool_commit = info.commit,
        .tool_compiler = info.compiler,
        .tool_build_type = info.build_type,
        .scenario = runner->options->scenario,
        .started_utc = runner->started_utc,
        .ended_utc = ended_utc,
        .seed = plan->seed,
        .wall_ns = clock_now_ns() - runner->started_ns,
        .interrupted = runner->interrupted,
        .command = runner->options->command,
        .command_count = runner->options->command_count,
        .clock = &runner->clock,
        .floor = runner->floor,
        .peer = peer,
        .environment_before = runner->environment_before,
        .environment_after = runner->environment_after,
        .fitness = fitness,
        .warnings = warnings,
        .warning_count = (size_t)warning_count,
        .cells = cells,
        .cell_count = plan->cell_count,
    };
    status = result_assemble(&context, runner->options->out_dir, &outcome->summary,
                             &outcome->result, err);
undo:
    cJSON_Delete(peer);
    free(warnings);
    free(cells);
    cJSON_Delete(sentences);
    cJSON_Delete(fitness);
    return status;
}
