/* answer.h - one answer on its way to the terminal: the model's text is parsed as it comes, reasoning is
 * shown dimmed (on a terminal) or left out, content goes to stdout, tool calls are printed as JSON. */
#ifndef GLIM_CLI_ANSWER_H
#define GLIM_CLI_ANSWER_H

#include "cli/cli.h"

typedef struct glim_answer {
    glim_reply reply;
    size_t shown_reasoning, shown_content;
    bool show;           /* print as it comes */
    bool show_reasoning; /* to stderr, dimmed */
    bool color, in_dim;
    bool out_tty;        /* stdout is a terminal: control bytes of the model do not reach it */
    glim_status rc;      /* of parsing */
    glim_err err;
} glim_answer;

void glim_answer_init(glim_answer *a, const glim_engine *e, const json_t *tools, const glim_prompt *prompt, int thinking,
                      bool show, bool show_reasoning);
/* For glim_gen_params.on_text; ctx is the answer. False once Ctrl-C was pressed. */
bool glim_answer_text(void *ctx, const char *text, size_t n);
/* The end: settles the parser, ends the line. */
glim_status glim_answer_end(glim_answer *a, glim_err *err);
/* An OpenAI-shaped assistant message of it; new reference. NULL if memory is refused. */
json_t *glim_answer_message(const glim_answer *a);
void glim_answer_free(glim_answer *a);

#endif
