/* chat_glm.c - the GLM-4 family before 4.5: 9B-chat, 0414, Z1, Edge, and the vision model 4.1V.
 *
 * An item is <|role|>metadata\ncontent. A call is an assistant item whose metadata is the tool's name
 * and whose content is the arguments; a result is an <|observation|> item.
 *
 *   9B-chat  a persona line before the tools; empty items are left out; items in their order
 *   0414     no persona; system messages come first; assistant text is cut to what follows </think>
 *   Z1       as 0414 with a persona; every text is cut and stripped; the prompt opens <think>
 *   Edge     the items alone: no [gMASK]<sop>, no tools
 *   4.1V     as 9B-chat without tools, pictures as placeholder tokens, prompt ends in a line break */
#include <string.h>

#include "text/chat_internal.h"

#define PERSONA_A "你是一个名为 ChatGLM 的人工智能助手。你是基于智谱"
#define PERSONA_B "训练的语言模型 GLM-4 模型开发的，你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n"

/* One system item that lists the tools, each with its function object as indented JSON. */
static void put_tools(glim_chat_out *o, glim_chat_kind k, const json_t *tools) {
    glim_chat_lit(o, "<|system|>\n");
    if (k == GLIM_CHAT_GLM4_9B) glim_chat_lit(o, PERSONA_A "AI" PERSONA_B);
    if (k == GLIM_CHAT_GLM_Z1) glim_chat_lit(o, PERSONA_A " AI 公司" PERSONA_B);
    /* 0414's loop tag does not swallow the line break before it; the others' do. */
    glim_chat_lit(o, k == GLIM_CHAT_GLM4_0414 ? "# 可用工具\n" : "# 可用工具");
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *f = glim_chat_tool_function(json_array_get(tools, i));
        glim_chat_lit(o, "\n## ");
        glim_chat_put(o, glim_chat_json_str(f, "name"));
        glim_chat_lit(o, "\n\n");
        glim_chat_put_json(o, f, 4);
        glim_chat_lit(o, "\n在调用上述函数时，请使用 Json 格式表示调用的参数。");
    }
}

static void put_item(glim_chat_out *o, const char *role, glim_chat_str text) {
    glim_chat_lit(o, role);
    glim_chat_lit(o, "\n");
    glim_chat_put(o, text);
}

static void put_call(glim_chat_out *o, const glim_chat_call *call) {
    glim_chat_put(o, call->name);
    glim_chat_lit(o, "\n");
    glim_chat_put_json(o, call->args, -1);
}

/* Z1's answer behind the prompt that has opened <think>: glim_chat_options.in_place. The line breaks are those of what the model was
 * trained on ("<think>\n" by its model card). A call that nothing is said before is the item's own text, as the model writes it. */
static void put_in_place(glim_chat_out *o, const glim_chat_conv *c, size_t index) {
    const glim_chat_msg *m = &c->msgs[index];
    glim_chat_str reasoning, said;
    glim_chat_turn(o, index);
    glim_chat_split_reasoning(m, &reasoning, &said);
    said = glim_py_strip(said);
    glim_chat_lit(o, "<|assistant|>\n<think>\n");
    glim_chat_put(o, glim_py_strip(reasoning));
    glim_chat_lit(o, "\n</think>\n\n");
    glim_chat_put(o, said);
    for (size_t i = 0; i < m->n_calls; i++) {
        if (said.n || i) glim_chat_lit(o, "<|assistant|>");
        put_call(o, &m->calls[i]);
    }
}

static void put_msg(glim_chat_out *o, glim_chat_kind k, const glim_chat_conv *c, size_t index) {
    const glim_chat_msg *m = &c->msgs[index];
    glim_chat_turn(o, index);
    static const char *const tags[GLIM_N_ROLE] = {"<|system|>", "<|user|>", "<|assistant|>",
                                                  "<|observation|>"};
    glim_chat_str text = m->text;
    bool cut = (k == GLIM_CHAT_GLM_Z1 && m->role != GLIM_ROLE_SYSTEM) ||
               (k == GLIM_CHAT_GLM4_0414 && m->role == GLIM_ROLE_ASSISTANT);
    if (cut) text = glim_py_strip(glim_py_split_last(text, "</think>"));
    /* An assistant message that only calls has no text item in any of them. */
    bool skip = m->text.n == 0 && (k == GLIM_CHAT_GLM4_9B || m->n_calls);
    if (!skip) put_item(o, tags[m->role], text);
    /* Arguments stay whole. The templates would cut a call's JSON at a "</think>" inside one of its strings,
     * as they cut any assistant text; nobody can have meant that. */
    for (size_t i = 0; i < m->n_calls; i++) {
        glim_chat_lit(o, "<|assistant|>");
        put_call(o, &m->calls[i]);
    }
}

void glim_chat_render_glm4(glim_chat_out *o, glim_chat_kind k, const glim_chat_conv *c,
                           const glim_chat_options *opt) {
    bool system_first = k == GLIM_CHAT_GLM4_0414 || k == GLIM_CHAT_GLM_Z1;
    if (k != GLIM_CHAT_GLM_EDGE) glim_chat_lit(o, "[gMASK]<sop>");
    if (c->tools) put_tools(o, k, c->tools);
    for (size_t i = 0; i < c->n_msgs && system_first; i++)
        if (c->msgs[i].role == GLIM_ROLE_SYSTEM) put_msg(o, k, c, i);
    const size_t place = opt->in_place && k == GLIM_CHAT_GLM_Z1 ? glim_chat_last_answer(c) : c->n_msgs;
    for (size_t i = 0; i < c->n_msgs; i++) {
        if (i == place) put_in_place(o, c, i);
        else if (!system_first || c->msgs[i].role != GLIM_ROLE_SYSTEM) put_msg(o, k, c, i);
    }
    if (opt->no_generation_prompt) return;
    glim_chat_lit(o, "<|assistant|>");
    if (k == GLIM_CHAT_GLM_Z1) {
        glim_chat_lit(o, "\n<think>");
        o->p->in_reasoning = true;
    }
}

/* The words of the template, in its order: a part is a video if its type says so or it has such a key,
 * then an image likewise, then text. "image_url" and "video_url" are OpenAI's spelling of the same. */
static void put_part(glim_chat_out *o, const json_t *part) {
    const char *type = json_is_object(part) ? glim_chat_json_str(part, "type").s : "text";
    if (strcmp(type, "video") == 0 || strcmp(type, "video_url") == 0 || json_object_get(part, "video"))
        glim_chat_lit(o, "<|begin_of_video|><|video|><|end_of_video|>");
    else if (strcmp(type, "image") == 0 || strcmp(type, "image_url") == 0 || json_object_get(part, "image"))
        glim_chat_lit(o, "<|begin_of_image|><|image|><|end_of_image|>");
    else if (json_is_string(part))
        glim_chat_put(o, (glim_chat_str){json_string_value(part), json_string_length(part)});
    else glim_chat_put(o, glim_chat_json_str(part, "text"));
}

void glim_chat_render_glm41v(glim_chat_out *o, const glim_chat_conv *c, const glim_chat_options *opt) {
    glim_chat_lit(o, "[gMASK]<sop>");
    for (size_t i = 0; i < c->n_msgs; i++) {
        const glim_chat_msg *m = &c->msgs[i];
        glim_chat_turn(o, i);
        glim_chat_lit(o, m->role == GLIM_ROLE_SYSTEM ? "<|system|>\n"
                         : m->role == GLIM_ROLE_USER ? "<|user|>\n" : "<|assistant|>\n");
        if (m->role == GLIM_ROLE_USER && json_is_array(m->content))
            for (size_t j = 0; j < json_array_size(m->content); j++)
                put_part(o, json_array_get(m->content, j));
        else glim_chat_put(o, m->text);
    }
    if (!opt->no_generation_prompt) glim_chat_lit(o, "<|assistant|>\n");
}
