/* main.c - the verbs of glim. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/inner.h"
#include "cli/progress.h"

static const struct verb {
    const char *name, *what;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"chat", "talk to a model", glim_cmd_chat},
    {"run", "answer one prompt, from -p or stdin", glim_cmd_run},
    {"serve", "a model over HTTP, with OpenAI's API", glim_cmd_serve},
    {"info", "what a model is and what it needs here", glim_cmd_info},
    {"verify", "check a model's files and arithmetic", glim_cmd_verify},
    {"pull", "download a model from a hub", glim_cmd_pull},
    {"models", "models on this machine: list, remove", glim_cmd_models},
    {"eval", "how well a model does the rows of a file", glim_cmd_eval},
    {"merge", "an adapter into its model's weights", glim_cmd_merge},
    {"export", "a GGUF as a Hugging Face folder", glim_cmd_export},
    {"quantize", "a model in fewer bits, as GGUF", glim_cmd_quantize},
    {"tune", "train a model on your rows: an adapter, or its weights", glim_cmd_tune},
    {"tokenize", "text to token ids and back", glim_cmd_tokenize},
    {"tokenizer", "learn a vocabulary from texts", glim_cmd_tokenizer},
    {"render", "a conversation as the prompt the model sees", glim_cmd_render},
    {"logits", "raw logits for given ids", glim_cmd_logits},
    {"perplexity", "how well a model predicts a text", glim_cmd_perplexity},
    {"bench", "how fast a model runs here, beside what the machine can do", glim_cmd_bench},
    {"desk", "answer customers from a product library: init, ask, eval", glim_cmd_desk},
    {"intent", "learn intents from examples, test them, ask", glim_cmd_intent},
    {"key", "API keys: make, list, show, revoke", glim_cmd_key},
    {"usage", "what was used, invoices, prices", glim_cmd_usage},
    {"audit", "verify and list the event log", glim_cmd_audit},
    {"privacy", "what private training has spent of each data set", glim_cmd_privacy},
    {"backup", "copy the data folder while it is served", glim_cmd_backup},
    {"restore", "a data folder from a backup", glim_cmd_restore},
};

static void help(FILE *f) {
    fprintf(f, "glim %s: your own AI, in one program\n\n", GLIM_VERSION);
    for (size_t i = 0; i < GLIM_COUNT(verbs); i++) fprintf(f, "  glim %-11s %s\n", verbs[i].name, verbs[i].what);
    fprintf(f, "\n`glim VERB --help` shows a verb's flags. MODEL is a Hugging Face folder or a GGUF file;\n"
               "chat, run and serve without one take the small model inside the program.\n");
}

int main(int argc, char **argv) {
    if (argc < 2) {
        help(stderr);
        return GLIM_EXIT_USAGE;
    }
    const char *verb = argv[1], *bars = getenv("GLIM_PROGRESS");
    glim_progress_quiet(bars && strcmp(bars, "0") == 0);
    glim_inner_register();
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 || strcmp(verb, "help") == 0) {
        help(stdout);
        return 0;
    }
    if (strcmp(verb, "--version") == 0 || strcmp(verb, "version") == 0) {
        printf("glim %s\n", GLIM_VERSION);
        return 0;
    }
    for (size_t i = 0; i < GLIM_COUNT(verbs); i++)
        if (strcmp(verb, verbs[i].name) == 0) {
            int rc = verbs[i].run(argc - 1, argv + 1);
            /* A full disk or a closed pipe must not look like success. */
            if ((ferror(stdout) || fflush(stdout) != 0) && rc == 0) {
                fprintf(stderr, "glim: could not write the answer to stdout\n");
                rc = GLIM_EXIT_FAIL;
            }
            return rc;
        }
    glim_err err;
    glim_fail(&err, GLIM_E_ARG, "there is no verb \"%s\"", verb);
    glim_err_hint(&err, "`glim help` lists them");
    return glim_cli_error(&err);
}
