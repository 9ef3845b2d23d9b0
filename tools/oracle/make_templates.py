"""Makes tests/templates/<template>.json: conversations and the prompt strings they must give.

    GLIM_DATA=../shared/data python tools/oracle/make_templates.py

glm-4.5, glm-4.7, glm-4.1v and chatml are rendered by jinja2, set up as transformers' apply_chat_template does it,
from published template files that are read at run time and not kept here ("source" names the file).
glm-4-9b-chat, glm-4-0414, glm-z1 and glm-edge are written out by the code below from the rules of the model
facts, section 7 ("source": "spec 7.x"); smollm2 and llama-3 from templates of our own that do what the published
ones do ("source": "own rendering").

Before a template sees the messages: tool-call arguments given as a JSON string become an object, null content
becomes "". The stored messages are as a client sends them.
"""
import copy
import json
import os

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from oraclelib import *  # noqa: F403


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


def prepared(messages):
    out = copy.deepcopy(messages)
    for m in out:
        if m.get("content") is None:
            m["content"] = ""
        for call in m.get("tool_calls") or []:
            f = call["function"]
            if isinstance(f["arguments"], str):
                f["arguments"] = json.loads(f["arguments"])
    return out


# ---------------------------------------------------------------- conversations

def fn(name, description, properties, required=None):
    p = {"type": "object", "properties": properties}
    if required is not None:
        p["required"] = required
    return {"type": "function", "function": {"name": name, "description": description, "parameters": p}}


WEATHER = fn("get_weather", "Get the weather of a city", {"city": {"type": "string"}, "days": {"type": "integer"}}, ["city"])
NOW = fn("now", "Current time", {})
STOCK = fn("查库存", "查询商品库存，单位：件", {"商品": {"type": "string", "description": "商品名称（如“茶叶”）"},
                                    "仓库": {"type": "array", "items": {"type": "string"}}}, ["商品"])
ODD = fn("odd", "quotes \" back\\slash </tools> <|user|> \u0001\u007f tab\t line\nend \u2028 é 🙂",
         {"x": {"type": "number", "minimum": 1e-07, "maximum": 1e16, "default": 0.1}, "y": {"enum": [True, None, -0.0, 9007199254740993]}})
BARE = {"type": "function", "function": {"name": "ping"}}

U = lambda c: {"role": "user", "content": c}
S = lambda c: {"role": "system", "content": c}
A = lambda c, **k: {"role": "assistant", "content": c, **k}
T = lambda c, **k: {"role": "tool", "content": c, **k}


def call(name, args, id="call_1"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": args}}


ZH = [S("你是门店助手，回答要简短。"), U("今天有什么新品？"), A("今天上新了龙井茶和两款茶具。"), U("龙井多少钱一两？")]
LOOP = [S("Be brief."), U("Weather in Paris for 2 days?"),
        A("", reasoning_content="Need the tool.", tool_calls=[call("get_weather", {"city": "Paris", "days": 2})]),
        T("18C, then 20C", tool_call_id="call_1")]
PARALLEL = [U("Time and weather?"),
            A("Looking it up.", reasoning_content="Two calls.\n", tool_calls=[call("get_weather", "{\"city\": \"Paris\"}"), call("now", "{}", "call_2")]),
            T("18C"), T("noon"), A("18C at noon.", reasoning_content="Easy."), U("Thanks. And in Rome?")]
TYPES = [U("go"), A(None, tool_calls=[call("odd", {"s": "line\n\"two\"", "i": 3, "f": 0.5, "e": 1e-07, "g": 1e16, "z": -0.0,
                                                   "big": 9007199254740993, "b": True, "n": None, "l": [1, "二", {"k": "v"}], "o": {}, "empty": ""})]),
         T("{\"ok\": true}")]

COMMON = [  # name, messages, tools, options
    ("plain", [U("Hi")], None, {}),
    ("system", [S("S"), U("Hi")], None, {}),
    ("no_generation_prompt", [S("S"), U("Hi"), A("Hello!")], None, {"add_generation_prompt": False}),
    ("multi_turn_zh", ZH, None, {}),
    ("unicode", [U("👩‍👩‍👧 e\u0301 ½ ﬁ \u200b\u3000全角")], None, {}),
    ("whitespace", [S("  S \n"), U("\n Hi \n\n"), A("\n  A1 \n"), U("  ")], None, {}),
    ("special_text", [U("ignore <|assistant|>\n[gMASK]<sop><|endoftext|> {{ x }} {% y %}")], None, {}),
    ("two_systems", [S("S1"), S("S2"), U("Hi"), A("A"), S("S3"), U("Q")], None, {}),
    ("parts", [U([{"type": "text", "text": "一"}, {"type": "text", "text": " two "}])], None, {}),
    ("empty_user", [U("")], None, {}),
]
THINKING = [
    ("thinking_on", [U("Hi")], None, {"enable_thinking": True}),
    ("thinking_off", [S("S"), U("Hi")], None, {"enable_thinking": False}),
    ("thinking_off_multi", ZH, None, {"enable_thinking": False}),
    ("nothink_there", [U("Hi/nothink"), A("A1"), U("again /nothink")], None, {"enable_thinking": False}),
    ("nothink_there_on", [U("Hi/nothink")], None, {}),
    ("history_reasoning", [U("Q1"), A("A1", reasoning_content="R1"), U("Q2")], None, {}),
    ("history_think_tags", [U("Q1"), A("<think>\nR1\nmore\n</think>\n\nA1"), U("Q2"), A("\n<think></think>\nA2"), U("Q3")], None, {}),
    ("history_half_tag", [U("Q1"), A("R1 no opening</think>A1</think>\nA2"), U("Q2")], None, {}),
    ("last_assistant_kept", [U("Q"), A("A", reasoning_content=" R \n")], None, {"add_generation_prompt": False}),
    ("last_assistant_tags", [U("Q"), A("<think>R</think>\nA")], None, {"add_generation_prompt": False}),
    ("clear_thinking_false", [U("Q1"), A("A1", reasoning_content="R1"), U("Q2"), A("<think>R2</think>A2"), U("Q3")], None, {"clear_thinking": False}),
    ("clear_thinking_true", [U("Q1"), A("A1", reasoning_content="R1"), U("Q2")], None, {"clear_thinking": True}),
    ("tools", [S("S"), U("Weather in Paris?")], [WEATHER], {}),
    ("tools_two_zh", [U("龙井还有多少？")], [STOCK, NOW], {}),
    ("tools_odd", [U("Hi")], [ODD, BARE], {"enable_thinking": False}),
    ("tool_loop", LOOP, [WEATHER], {}),
    ("tool_loop_off", LOOP, [WEATHER], {"enable_thinking": False}),
    ("parallel_string_args", PARALLEL, [WEATHER, NOW], {}),
    ("parallel_clear_false", PARALLEL, [WEATHER, NOW], {"clear_thinking": False}),
    ("arg_types_null_content", TYPES, [ODD], {}),
    ("call_zh", [U("查一下茶叶"), A(None, tool_calls=[call("查库存", {"商品": "茶叶", "仓库": ["一号", "二号"]})]), T("共 35 件")], [STOCK], {}),
    ("two_rounds", LOOP + [A("", tool_calls=[call("now", {})]), T("noon"), A("Done."), U("Thanks")], [WEATHER, NOW], {}),
    ("tool_parts_user_off", [U([{"type": "text", "text": "Hi"}]), A("A"), U([{"type": "text", "text": "x/nothink"}])], None, {"enable_thinking": False}),
    ("tools_empty_list", [U("Hi")], [], {}),
    ("first_message_assistant", [A("Welcome."), U("Hi")], None, {}),
]
VISION = [
    ("image", [U([{"type": "image"}, {"type": "text", "text": "What is this?"}])], None, {}),
    ("image_text_order", [U([{"type": "text", "text": "A"}, {"type": "image"}, {"type": "text", "text": "B"}, {"type": "video"}])], None, {}),
    ("think_history", [U("Q1"), A("<think>R</think><answer>A1</answer>"), U("Q2")], None, {}),
    ("no_prompt_two_turns", [S("S"), U("Q1"), A("A1"), U("Q2"), A("A2")], None, {"add_generation_prompt": False}),
]
CHATML = [
    ("tools", [U("Weather in Paris?")], [WEATHER, NOW], {}),
    ("tools_system_zh", [S("你是助手。"), U("查茶叶")], [STOCK], {}),
    ("tool_loop", [m for m in PARALLEL], [WEATHER, NOW], {}),
    ("call_null_content", [U("查一下"), A(None, tool_calls=[call("查库存", {"商品": "茶叶", "仓库": ["一号"]})]), T("35 件"), A("还有 35 件。"), U("好")], [STOCK], {}),
]
PARTS = {"parts", "tool_parts_user_off"}  # the chatml-like templates concatenate strings only


# ---------------------------------------------------------------- GLM-4 layouts in code (spec 7.1, 7.2, 7.5)

PERSONA_CHAT = "你是一个名为 ChatGLM 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，你的任务是针对用户的问题和要求提供适当的答复和支持。"
PERSONA_Z1 = "你是一个名为 ChatGLM 的人工智能助手。你是基于智谱 AI 公司训练的语言模型 GLM-4 模型开发的，你的任务是针对用户的问题和要求提供适当的答复和支持。"
USE_JSON = "在调用上述函数时，请使用 Json 格式表示调用的参数。"


def tool_block(persona, first_gap, tools):
    out = "<|system|>\n" + (persona + "\n\n" if persona else "") + "# 可用工具" + first_gap
    for t in tools:
        f = t["function"]
        out += f"\n## {f['name']}\n\n{json.dumps(f, ensure_ascii=False, indent=4)}\n{USE_JSON}"
    return out


def glm4_items(messages):
    """OpenAI messages as GLM-4 items (role, metadata, content)."""
    for m in messages:
        if m["role"] == "tool":
            yield "observation", "", m["content"]
        else:
            if m["content"]:
                yield m["role"], "", m["content"]
            for c in m.get("tool_calls") or []:
                f = c["function"]
                yield "assistant", f["name"], json.dumps(f["arguments"], ensure_ascii=False)


def glm4(kind, messages, tools, add_generation_prompt):
    items = list(glm4_items(messages))
    out = "" if kind == "glm-edge" else "[gMASK]<sop>"
    if tools:
        out += tool_block({"glm-4-9b-chat": PERSONA_CHAT, "glm-z1": PERSONA_Z1, "glm-4-0414": ""}[kind],
                          "\n" if kind == "glm-4-0414" else "", tools)
    if kind in ("glm-4-0414", "glm-z1"):  # the caller's system messages come first
        items = [i for i in items if i[0] == "system"] + [i for i in items if i[0] != "system"]
    for role, metadata, content in items:
        if kind in ("glm-4-0414", "glm-z1") and role == "assistant":
            content = content.split("</think>")[-1].strip()
        out += f"<|{role}|>{metadata}\n{content}"
    if add_generation_prompt:
        out += "<|assistant|>" + ("\n<think>" if kind == "glm-z1" else "")
    return out


G4_PLAIN = [("plain", [U("Hi")], None, {}), ("system", [S("Be brief."), U("Hi")], None, {}),
            ("multi_turn", [U("Hi"), A("Hello!"), U("Bye")], None, {}), ("multi_turn_zh", ZH, None, {}),
            ("no_generation_prompt", [U("Hi"), A("Hello!")], None, {"add_generation_prompt": False})]
G4_CALL = [U("Weather in Paris?"), A("", tool_calls=[call("get_weather", {"city": "Paris"})]), T("18C")]
G4_TOOLS = [("tools", [U("Weather in Paris?")], [WEATHER], {}), ("tools_system", [S("S"), U("你好")], [STOCK, NOW], {}),
            ("call_and_result", G4_CALL, [WEATHER], {}),
            ("call_string_args_null_content", [U("查茶叶"), A(None, tool_calls=[call("查库存", "{\"商品\": \"茶叶\"}")]), T("35 件"), A("还有 35 件。"), U("好")], [STOCK], {})]
G4_PARALLEL = [("parallel", [U("both"), A("", tool_calls=[call("get_weather", {"city": "Paris"}), call("now", {}, "call_2")]), T("18C"), T("noon")], [WEATHER, NOW], {})]
G4_THINK = [("think_cut", [U("Q1"), A("<think>\nR\n</think>\n\nA1"), U("Q2")], None, {})]
G4_SYSTEM_LATE = [("system_late", [U("Q1"), A("A1"), S("S"), U("Q2")], None, {})]

SMOLLM2 = """{% for message in messages %}{% if loop.first and message['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
LLAMA3 = """{% for message in messages %}{{ (bos_token if loop.first else '') + '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + (message['content'] | trim) + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"""


def case(template, source, scenario, render):
    name, messages, tools, options = scenario
    options = {"add_generation_prompt": True, **options}
    return {"name": f"{template}/{name}", "template": template, "source": source, "messages": messages, "tools": tools,
            "options": options, "expected": render(prepared(messages), tools, options)}


def jinja_case(template, source, text):
    t = environment().from_string(text)
    extra = {"bos_token": "<|begin_of_text|>"} if template == "llama-3" else {}
    return lambda s: case(template, source, s, lambda m, tools, o: t.render(messages=m, tools=tools, **o, **extra))


def glm4_case(template, source):
    return lambda s: case(template, source, s, lambda m, tools, o: glm4(template, m, tools, o["add_generation_prompt"]))


FIXTURE_TEMPLATES = {"chatglm": "glm-4-9b-chat", "glm": "glm-4-9b-chat", "glm-edge": "glm-edge", "glm4": "glm-4-0414",
                     "glm4moe-air": "glm-4.5", "glm4moe-355b": "glm-4.7", "llama": "llama-3", "llama-tied": "smollm2",
                     "qwen2": "chatml"}


def check_fixture_templates(files):
    """The short templates inside the fixtures must print plain chats as their family does."""
    for name, template in FIXTURE_TEMPLATES.items():
        folder = os.path.join(FIXTURES, name)
        path = os.path.join(folder, "chat_template.jinja")
        text = open(path, encoding="utf-8").read() if os.path.exists(path) else json.load(
            open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8"))["chat_template"]
        t = environment().from_string(text)
        for c in files[template]:
            if c["name"].split("/")[1] in ("plain", "system", "multi_turn_zh", "no_generation_prompt", "thinking_off"):
                got = t.render(messages=c["messages"], bos_token="<|begin_of_text|>", **c["options"])
                assert got == c["expected"], (name, got, c["expected"])


def main():
    read = lambda *p: open(os.path.join(DATA, *p), encoding="utf-8").read()
    glm = "tokenizer-glm4"
    j45 = jinja_case("glm-4.5", "GLM-4.6.jinja", read(glm, "chat-templates", "GLM-4.6.jinja"))
    j47 = jinja_case("glm-4.7", "GLM-4.7-Flash.jinja", read(glm, "chat-templates", "GLM-4.7-Flash.jinja"))
    j41 = jinja_case("glm-4.1v", "GLM-4.1V-9B-Thinking chat_template.jinja",
                     read(glm, "glm-4.1v-9b-thinking", "chat_template.jinja"))
    jml = jinja_case("chatml", "Qwen2 tokenizer_config.json",
                     json.loads(read("tokenizer-qwen2", "tokenizer_config.json"))["chat_template"])
    jsm = jinja_case("smollm2", "own rendering", SMOLLM2)
    jl3 = jinja_case("llama-3", "own rendering", LLAMA3)
    strings = [s for s in COMMON if s[0] not in PARTS]
    files = {
        "glm-4.5": [j45(s) for s in COMMON + THINKING],
        "glm-4.7": [j47(s) for s in COMMON + THINKING],
        "glm-4.1v": [j41(s) for s in COMMON + VISION],
        "chatml": [jml(s) for s in strings + CHATML],
        "smollm2": [jsm(s) for s in strings],
        "llama-3": [jl3(s) for s in strings],
        "glm-4-9b-chat": [glm4_case("glm-4-9b-chat", "spec 7.1")(s) for s in G4_PLAIN + G4_TOOLS],
        "glm-4-0414": [glm4_case("glm-4-0414", "spec 7.2")(s) for s in G4_PLAIN + G4_TOOLS + G4_PARALLEL + G4_THINK + G4_SYSTEM_LATE],
        "glm-z1": [glm4_case("glm-z1", "spec 7.2")(s) for s in G4_PLAIN + G4_TOOLS + G4_PARALLEL + G4_THINK + G4_SYSTEM_LATE],
        "glm-edge": [glm4_case("glm-edge", "spec 7.5")(s) for s in G4_PLAIN],
    }
    check_fixture_templates(files)
    os.makedirs(TEMPLATES, exist_ok=True)
    for name, cases in files.items():
        with open(os.path.join(TEMPLATES, name + ".json"), "w", encoding="utf-8", newline="\n") as f:
            f.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")
    real = sum(len(files[n]) for n in ("glm-4.5", "glm-4.7", "glm-4.1v"))
    print({n: len(c) for n, c in files.items()}, "from published GLM files:", real)


if __name__ == "__main__":
    main()
