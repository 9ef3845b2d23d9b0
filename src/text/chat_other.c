/* chat_other.c - the neighbours: ChatML as Qwen2.5 writes it, SmolLM2's ChatML, Llama-3.
 *
 *   ChatML   <|im_start|>role\ntext<|im_end|>\n; a default system message; tools in the system message,
 *            calls as JSON between <tool_call> tags, results inside a user turn
 *   SmolLM2  the same turns with another default system message and no tools
 *   Llama-3  <|begin_of_text|>, then <|start_header_id|>role<|end_header_id|>\n\ntext<|eot_id|> */
#include "text/chat_internal.h"

#define QWEN_SYSTEM "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
#define SMOL_SYSTEM "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

static const char *const names[GLIM_N_ROLE] = {"system", "user", "assistant", "tool"};

static void put_turn(glim_chat_out *o, glim_chat_role role, glim_chat_str text) {
    glim_chat_lit(o, "<|im_start|>");
    glim_chat_lit(o, names[role]);
    glim_chat_lit(o, "\n");
    glim_chat_put(o, text);
    glim_chat_lit(o, "<|im_end|>\n");
}

static void put_chatml_system(glim_chat_out *o, const glim_chat_conv *c) {
    glim_chat_lit(o, "<|im_start|>system\n");
    if (c->msgs[0].role == GLIM_ROLE_SYSTEM) glim_chat_put(o, c->msgs[0].text);
    else glim_chat_lit(o, QWEN_SYSTEM);
    if (c->tools) {
        glim_chat_lit(o, "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
                         "You are provided with function signatures within <tools></tools> XML tags:\n<tools>");
        for (size_t i = 0; i < json_array_size(c->tools); i++) {
            glim_chat_lit(o, "\n");
            glim_chat_put_json(o, json_array_get(c->tools, i), -1);
        }
        glim_chat_lit(o, "\n</tools>\n\nFor each function call, return a json object with function name and "
                         "arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n"
                         "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>");
    }
    glim_chat_lit(o, "<|im_end|>\n");
}

static void put_chatml_calls(glim_chat_out *o, const glim_chat_msg *m) {
    glim_chat_lit(o, "<|im_start|>assistant");
    if (m->text.n) {
        glim_chat_lit(o, "\n");
        glim_chat_put(o, m->text);
    }
    for (size_t i = 0; i < m->n_calls; i++) {
        glim_chat_lit(o, "\n<tool_call>\n{\"name\": \"");
        glim_chat_put(o, m->calls[i].name); /* unescaped, as the template has it */
        glim_chat_lit(o, "\", \"arguments\": ");
        glim_chat_put_json(o, m->calls[i].args, -1);
        glim_chat_lit(o, "}\n</tool_call>");
    }
    glim_chat_lit(o, "<|im_end|>\n");
}

void glim_chat_render_chatml(glim_chat_out *o, const glim_chat_conv *c, const glim_chat_options *opt) {
    put_chatml_system(o, c);
    for (size_t i = 0; i < c->n_msgs; i++) {
        const glim_chat_msg *m = &c->msgs[i];
        if (m->role == GLIM_ROLE_SYSTEM && i == 0) continue; /* already written */
        glim_chat_turn(o, i);
        if (m->role == GLIM_ROLE_TOOL) {                     /* a run of results is one user turn */
            if (i == 0 || c->msgs[i - 1].role != GLIM_ROLE_TOOL) glim_chat_lit(o, "<|im_start|>user");
            glim_chat_lit(o, "\n<tool_response>\n");
            glim_chat_put(o, m->text);
            glim_chat_lit(o, "\n</tool_response>");
            if (i + 1 == c->n_msgs || c->msgs[i + 1].role != GLIM_ROLE_TOOL) glim_chat_lit(o, "<|im_end|>\n");
        } else if (m->n_calls) put_chatml_calls(o, m);
        else put_turn(o, m->role, m->text);
    }
    if (!opt->no_generation_prompt) glim_chat_lit(o, "<|im_start|>assistant\n");
}

void glim_chat_render_smollm2(glim_chat_out *o, const glim_chat_conv *c, const glim_chat_options *opt) {
    if (c->msgs[0].role != GLIM_ROLE_SYSTEM)
        glim_chat_lit(o, "<|im_start|>system\n" SMOL_SYSTEM "<|im_end|>\n");
    for (size_t i = 0; i < c->n_msgs; i++) {
        glim_chat_turn(o, i);
        put_turn(o, c->msgs[i].role, c->msgs[i].text);
    }
    if (!opt->no_generation_prompt) glim_chat_lit(o, "<|im_start|>assistant\n");
}

void glim_chat_render_llama3(glim_chat_out *o, const glim_chat_conv *c, const glim_chat_options *opt) {
    glim_chat_lit(o, "<|begin_of_text|>");
    for (size_t i = 0; i < c->n_msgs; i++) {
        glim_chat_turn(o, i);
        glim_chat_lit(o, "<|start_header_id|>");
        glim_chat_lit(o, names[c->msgs[i].role]);
        glim_chat_lit(o, "<|end_header_id|>\n\n");
        glim_chat_put(o, glim_py_strip(c->msgs[i].text));
        glim_chat_lit(o, "<|eot_id|>");
    }
    if (!opt->no_generation_prompt) glim_chat_lit(o, "<|start_header_id|>assistant<|end_header_id|>\n\n");
}
