/* jobs_step.c - a line of metrics.jsonl as an event of its job: what a server tells of its jobs, and `glim tune` of a run by hand. */
#include <math.h>
#include <stdio.h>

#include "serve/jobs_step.h"

enum { EVENTS_TOLD = 1000 }; /* metrics events of one job, about: longer runs tell every nth step; the curve has all */

bool glim_job_step_told(const json_t *line, size_t step, size_t n_steps) {
    const size_t stride = n_steps / EVENTS_TOLD + 1;
    return step == 1 || step == n_steps || step % stride == 0 || json_is_number(json_object_get(line, "eval_loss"));
}

json_t *glim_job_step_event(const json_t *line, size_t step, size_t n_steps, char message[GLIM_JOB_STEP_TEXT]) {
    static const char *const names[][2] = {{"train_loss", "loss"}, {"train_mean_token_accuracy", "accuracy"}, {"valid_loss", "eval_loss"},
                                           {"learning_rate", "rate"}, {"epsilon", "epsilon"}};
    json_t *data = json_pack("{s:I, s:I}", "step", (json_int_t)step, "total_steps", (json_int_t)n_steps);
    char more[48] = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *v = json_object_get(line, names[i][1]);
        if (json_is_number(v)) json_object_set(data, names[i][0], v);
    }
    const json_t *eval = json_object_get(line, "eval_loss");
    if (json_is_number(eval)) snprintf(more, sizeof more, ", validation loss=%.4f", json_number_value(eval));
    snprintf(message, GLIM_JOB_STEP_TEXT, "Step %zu/%zu: training loss=%.4f%s", step, n_steps, json_number_value(json_object_get(line, "loss")), more);
    return data;
}

void glim_job_step_progress(json_t *progress, const json_t *line, size_t step) {
    static const char *const names[][2] = {{"train_loss", "loss"}, {"valid_loss", "eval_loss"}, {"epsilon", "epsilon"}};
    const json_int_t tokens = json_integer_value(json_object_get(progress, "trained_tokens")) + json_integer_value(json_object_get(line, "tokens"));
    json_object_set_new(progress, "step", json_integer((json_int_t)step));
    json_object_set_new(progress, "trained_tokens", json_integer(tokens));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *v = json_object_get(line, names[i][1]);
        if (i == 0 || json_is_number(v)) json_object_set(progress, names[i][0], v ? v : json_null());
    }
}
