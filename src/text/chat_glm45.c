/* chat_glm45.c - GLM-4.5, 4.5-Air, 4.6 (one template) and GLM-4.7 (the same without line breaks).
 *
 *   [gMASK]<sop> [system item with the tools] item... [generation prompt]
 *
 *   4.5  <|assistant|>\n<think>R</think>\nA\n<tool_call>f\n<arg_key>k</arg_key>\n<arg_value>v</arg_value>\n</tool_call>
 *   4.7  <|assistant|><think>R</think>A<tool_call>f<arg_key>k</arg_key><arg_value>v</arg_value></tool_call>
 *
 * Reasoning of turns before the last user message is dropped: 4.5 keeps an empty pair of tags, 4.7
 * only the closing one, and 4.7 keeps all of it when asked to (clear_thinking=false). With thinking
 * off 4.5 appends /nothink to user messages and an empty pair to the prompt, 4.7 closes the tag at
 * once; with thinking on 4.5's model opens the tag itself and 4.7's prompt has opened it. */
#include <string.h>

#include "text/chat_internal.h"

/* The tools item up to the call syntax, which differs. */
static void put_tools(glim_chat_out *o, const json_t *tools, bool is47) {
    glim_chat_lit(o, "<|system|>\n# Tools\n\n"
                     "You may call one or more functions to assist with the user query.\n\n"
                     "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n");
    for (size_t i = 0; i < json_array_size(tools); i++) {
        glim_chat_put_json(o, json_array_get(tools, i), -1);
        glim_chat_lit(o, "\n");
    }
    glim_chat_lit(o, "</tools>\n\nFor each function call, output the function name and arguments within the "
                     "following XML format:\n");
    if (is47)
        glim_chat_lit(o, "<tool_call>{function-name}"
                         "<arg_key>{arg-key-1}</arg_key><arg_value>{arg-value-1}</arg_value>"
                         "<arg_key>{arg-key-2}</arg_key><arg_value>{arg-value-2}</arg_value>"
                         "...</tool_call>");
    else
        glim_chat_lit(o, "<tool_call>{function-name}\n"
                         "<arg_key>{arg-key-1}</arg_key>\n<arg_value>{arg-value-1}</arg_value>\n"
                         "<arg_key>{arg-key-2}</arg_key>\n<arg_value>{arg-value-2}</arg_value>\n"
                         "...\n</tool_call>");
}

static void put_call(glim_chat_out *o, const glim_chat_call *call, const char *nl) {
    glim_chat_lit(o, nl);
    glim_chat_lit(o, "<tool_call>");
    glim_chat_put(o, call->name);
    glim_chat_lit(o, nl);
    const char *key;
    json_t *v;
    json_object_foreach(call->args, key, v) {
        glim_chat_lit(o, "<arg_key>");
        glim_chat_put(o, (glim_chat_str){key, strlen(key)});
        glim_chat_lit(o, "</arg_key>");
        glim_chat_lit(o, nl);
        glim_chat_lit(o, "<arg_value>");
        if (json_is_string(v)) /* raw; every other value is JSON */
            glim_chat_put(o, (glim_chat_str){json_string_value(v), json_string_length(v)});
        else glim_chat_put_json(o, v, -1);
        glim_chat_lit(o, "</arg_value>");
        glim_chat_lit(o, nl);
    }
    glim_chat_lit(o, "</tool_call>");
}

/* nl: "\n" for 4.5, "" for 4.7. opened: the prompt that this answers has said <think> already. */
static void put_assistant(glim_chat_out *o, const glim_chat_msg *m, bool keep, bool opened, bool is47, const char *nl) {
    glim_chat_str content, reasoning;
    glim_chat_split_reasoning(m, &reasoning, &content);
    glim_chat_lit(o, "<|assistant|>");
    glim_chat_lit(o, nl);
    if (keep && reasoning.n) {
        glim_chat_lit(o, "<think>");
        glim_chat_put(o, glim_py_strip(reasoning));
        glim_chat_lit(o, "</think>");
    } else glim_chat_lit(o, is47 && !opened ? "</think>" : "<think></think>");
    content = glim_py_strip(content);
    if (content.n) {
        glim_chat_lit(o, nl);
        glim_chat_put(o, content);
    }
    for (size_t i = 0; i < m->n_calls; i++) put_call(o, &m->calls[i], nl);
}

/* One result. A list is opened by an <|observation|> of its own and printed item by item: the item's
 * "output", or the item as Python would print it. */
static void put_tool(glim_chat_out *o, const glim_chat_msg *m, bool after_tool, const char *nl) {
    bool list = json_is_array(m->content);
    size_t n = list ? json_array_size(m->content) : 1;
    if (list || !after_tool) glim_chat_lit(o, "<|observation|>");
    for (size_t i = 0; i < n; i++) {
        glim_chat_lit(o, nl);
        glim_chat_lit(o, "<tool_response>");
        glim_chat_lit(o, nl);
        if (list) {
            const json_t *item = json_array_get(m->content, i), *output = json_object_get(item, "output");
            glim_py_str(&o->p->text, output ? output : item);
        } else glim_chat_put(o, m->text);
        glim_chat_lit(o, nl);
        glim_chat_lit(o, "</tool_response>");
    }
}

void glim_chat_render_glm45(glim_chat_out *o, glim_chat_kind k, const glim_chat_conv *c,
                            const glim_chat_options *opt) {
    bool is47 = k == GLIM_CHAT_GLM47, off = opt->thinking < 0;
    const char *nl = is47 ? "" : "\n";
    const size_t place = opt->in_place ? glim_chat_last_answer(c) : c->n_msgs;
    size_t after_last_user = 0; /* index of the message after it; 0 if there is none */
    for (size_t i = 0; i < c->n_msgs; i++)
        if (c->msgs[i].role == GLIM_ROLE_USER) after_last_user = i + 1;

    glim_chat_lit(o, "[gMASK]<sop>");
    if (c->tools) put_tools(o, c->tools, is47);
    for (size_t i = 0; i < c->n_msgs; i++) {
        const glim_chat_msg *m = &c->msgs[i];
        glim_chat_turn(o, i);
        switch (m->role) {
        case GLIM_ROLE_SYSTEM:
        case GLIM_ROLE_USER:
            glim_chat_lit(o, m->role == GLIM_ROLE_USER ? "<|user|>" : "<|system|>");
            glim_chat_lit(o, nl);
            glim_chat_put(o, m->text);
            /* A person's own "/nothink" is not doubled, and stays text. */
            if (m->role == GLIM_ROLE_USER && off && !is47 && !glim_py_ends(m->text, "/nothink"))
                glim_chat_lit(o, "/nothink");
            break;
        case GLIM_ROLE_ASSISTANT:
            put_assistant(o, m, !(off && opt->in_place) && (i == place || i >= after_last_user || (is47 && opt->keep_thinking)), i == place && !off, is47, nl);
            break;
        default: put_tool(o, m, i > 0 && c->msgs[i - 1].role == GLIM_ROLE_TOOL, nl);
        }
    }
    if (opt->no_generation_prompt) return;
    glim_chat_lit(o, "<|assistant|>");
    if (is47) {
        glim_chat_lit(o, off ? "</think>" : "<think>");
        o->p->in_reasoning = !off;
    } else if (off) glim_chat_lit(o, "\n<think></think>");
}
