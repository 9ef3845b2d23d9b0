/* chat_detect.c - which template a checkpoint carries, by its text: never by the model's name.
 *
 * The text is recognised by its hash, or by marks: phrases that only this family's template has.
 * A family whose marks are there but whose template also does things we do not (pictures beside
 * tools, a date line, thinking switches of another family) is refused like an unknown one, for a
 * prompt that is nearly right is worse than a sentence. `--template NAME` overrides. */
#include <string.h>
#include <strings.h>

#include "text/chat_internal.h"

static uint64_t fnv1a(const char *s, size_t n) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    return h;
}

/* Published texts at hand, without their last line break. */
static const struct {
    uint64_t hash;
    size_t len;
    glim_chat_kind kind;
} known[] = {
    {0x4912f6deb88c04b0u, 3314, GLIM_CHAT_GLM45},  /* GLM-4.6 */
    {0x455b4682700c641eu, 3120, GLIM_CHAT_GLM47},  /* GLM-4.7-Flash */
    {0x822804a2c67cb840u, 922, GLIM_CHAT_GLM41V},  /* GLM-4.1V-9B-Thinking */
    {0xe642ce246d7f2e3du, 2506, GLIM_CHAT_CHATML}, /* Qwen2.5 */
};

/* GGUF files of llama.cpp's early converters hold a name instead of a template. */
static const struct {
    const char *text;
    glim_chat_kind kind;
} aliases[] = {
    {"chatglm4", GLIM_CHAT_GLM4_9B}, {"glm4", GLIM_CHAT_GLM4_9B}, {"glmedge", GLIM_CHAT_GLM_EDGE},
    {"llama3", GLIM_CHAT_LLAMA3},
};

static bool has(const char *text, const char *mark) { return strstr(text, mark) != NULL; }

static glim_chat_kind by_hash(const char *text) {
    size_t n = strlen(text);
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r')) n--;
    uint64_t h = fnv1a(text, n);
    for (size_t i = 0; i < GLIM_COUNT(known); i++)
        if (known[i].hash == h && known[i].len == n) return known[i].kind;
    for (size_t i = 0; i < GLIM_COUNT(aliases); i++)
        if (strlen(aliases[i].text) == n && strncasecmp(text, aliases[i].text, n) == 0) return aliases[i].kind;
    return GLIM_CHAT_NONE;
}

/* Templates of the ChatML and Llama lines. */
static glim_chat_kind neighbours(const char *s) {
    if (has(s, "<|start_header_id|>")) /* 3.1 and later print a date and tools */
        return has(s, "Cutting Knowledge Date") || has(s, "tools") ? GLIM_CHAT_NONE : GLIM_CHAT_LLAMA3;
    if (!has(s, "<|im_start|>") || has(s, "enable_thinking") || has(s, "<think>") || has(s, "<|vision_start|>"))
        return GLIM_CHAT_NONE;
    if (has(s, "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")) return GLIM_CHAT_CHATML;
    if (has(s, "named SmolLM, trained by Hugging Face")) return GLIM_CHAT_SMOLLM2;
    return GLIM_CHAT_NONE;
}

/* 9B-chat, 0414 and Z1 share their tools block; what they do besides tells them apart, and where a
 * template does neither, the architecture: 0414 and Z1 have norms that 9B-chat lacks. */
static glim_chat_kind glm4(const char *s, const glim_config *config) {
    if (has(s, "<think>")) return GLIM_CHAT_GLM_Z1;
    if (has(s, "item['metadata']") || has(s, "item['tools']")) return GLIM_CHAT_GLM4_9B;
    if (has(s, "message.get(\"metadata\"") || has(s, "tool.get(\"function\")")) return GLIM_CHAT_GLM4_0414;
    if (config && config->arch == GLIM_ARCH_GLM4) return GLIM_CHAT_GLM4_0414;
    if (config && (config->arch == GLIM_ARCH_CHATGLM || config->arch == GLIM_ARCH_GLM)) return GLIM_CHAT_GLM4_9B;
    return GLIM_CHAT_NONE;
}

static glim_chat_kind by_marks(const char *s, const glim_config *config) {
    if (has(s, "<|im_start|>") || has(s, "<|start_header_id|>")) return neighbours(s);
    if (has(s, "[gMASK]")) {
        bool pictures = has(s, "<|begin_of_image|>");
        /* The second spelling is a template whose text was escaped on its way here. */
        bool is45 = has(s, "<tool_call>{function-name}\n<arg_key>") ||
                    has(s, "<tool_call>{function-name}\\n<arg_key>");
        if (pictures)
            return has(s, "<|begin_of_image|><|image|><|end_of_image|>") && !has(s, "<tool_call>")
                       ? GLIM_CHAT_GLM41V : GLIM_CHAT_NONE;
        if (has(s, "<tool_call>{function-name}<arg_key>")) return GLIM_CHAT_GLM47;
        if (is45) return GLIM_CHAT_GLM45;
        if (has(s, "可用工具") || has(s, "\\u53ef\\u7528\\u5de5\\u5177")) return glm4(s, config);
        return GLIM_CHAT_NONE;
    }
    /* Edge: GLM's roles without GLM's prefix. Other families use the same role words, hence the
     * architecture and the marks of those. */
    bool roles = (has(s, "<|assistant|>") && has(s, "<|user|>")) || has(s, "<|{{");
    bool others = has(s, "<|end|>") || has(s, "</s>") || has(s, "eos_token");
    if (roles && !others && config && config->arch == GLIM_ARCH_GLM) return GLIM_CHAT_GLM_EDGE;
    return GLIM_CHAT_NONE;
}

glim_status glim_chat_detect(glim_chat_kind *out, const char *template_text, const glim_config *config,
                             const glim_tok *tok, glim_err *err) {
    glim_chat_kind k = GLIM_CHAT_NONE;
    if (template_text) {
        k = by_hash(template_text);
        if (k == GLIM_CHAT_NONE) k = by_marks(template_text, config);
    } else if (config && config->arch == GLIM_ARCH_CHATGLM) {
        /* Its remote code builds prompts in Python and ships no template. */
        k = GLIM_CHAT_GLM4_9B;
    } else if (config && config->arch == GLIM_ARCH_GLM && tok && glim_tok_find(tok, "<|user|>") >= 0 &&
               glim_tok_find(tok, "[gMASK]") < 0) {
        k = GLIM_CHAT_GLM_EDGE;
    }
    *out = k;
    if (k != GLIM_CHAT_NONE) return GLIM_OK;
    glim_status rc = template_text
        ? glim_fail(err, GLIM_E_UNSUPPORTED, "the checkpoint's chat template is not one that is known")
        : glim_fail(err, GLIM_E_UNSUPPORTED, "the checkpoint has no chat template");
    glim_err_hint(err, "name one with --template NAME: %s", glim_chat_names());
    return rc;
}
