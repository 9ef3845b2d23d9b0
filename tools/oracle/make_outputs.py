"""Makes tests/templates/outputs.json: model outputs and what they must be parsed into (model facts, section 7.6).

    python tools/oracle/make_outputs.py

Expected values are written by hand below; the small parser in this file must agree with every one of them.
Rules, where 7.6 leaves room: after the end of reasoning leading newlines are dropped from the content, and newlines
around the reasoning; empty reasoning and content of white space only are null; when a call follows, white space before it is
dropped; without any complete call the whole text is content. "arguments" is compared as parsed JSON, keys in order.
"thinking" is the request's switch; "prompt_ends_in_thinking" says that the prompt ended inside an open <think>.
"""
import json
import os
import re

from make_templates import BARE, NOW, STOCK, WEATHER, fn
from oraclelib import *  # noqa: F403

MANY = fn("many", "all types", {"s": {"type": "string"}, "i": {"type": "integer"}, "f": {"type": "number"}, "b": {"type": "boolean"},
                                "l": {"type": "array"}, "o": {"type": "object"}, "n": {"type": "null"}})
W = [WEATHER, NOW]


def c(name, **arguments):
    return name, arguments


def out(template, output, content=None, reasoning=None, calls=(), tools=W, thinking=True, inside=None):
    if inside is None:
        inside = template in ("glm-z1", "glm-4.7") and thinking
    return {"template": template, "output": output, "tools": tools, "thinking": thinking, "prompt_ends_in_thinking": inside,
            "expected": {"content": content, "reasoning": reasoning,
                         "tool_calls": [{"name": n, "arguments": json.dumps(a, ensure_ascii=False)} for n, a in calls]}}


def xml(name, sep="\n", **args):
    body = "".join(f"{sep}<arg_key>{k}</arg_key>{sep}<arg_value>{v}</arg_value>" for k, v in args.items())
    return f"<tool_call>{name}{body}{sep}</tool_call>"


PARIS = xml("get_weather", city="Paris", days="2")
PARIS_CALL = c("get_weather", city="Paris", days=2)
CASES = [
    # GLM-4 style: the name on the first line, JSON after it
    out("glm-4-9b-chat", "\nHello", "Hello", tools=None, thinking=False),
    out("glm-4-9b-chat", "\n\nHello", "\nHello", tools=None, thinking=False),
    out("glm-4-9b-chat", "Hello\n", "Hello\n", tools=None, thinking=False),
    out("glm-4-9b-chat", "get_weather\n{\"city\": \"Paris\"}", calls=[c("get_weather", city="Paris")], thinking=False),
    out("glm-4-9b-chat", "get_weather\n{\n    \"city\": \"巴黎\",\n    \"days\": 2\n}\n", calls=[c("get_weather", city="巴黎", days=2)], thinking=False),
    out("glm-4-9b-chat", "now\n{}", calls=[c("now")], thinking=False),
    out("glm-4-9b-chat", "tomorrow\n{\"city\": \"Paris\"}", "tomorrow\n{\"city\": \"Paris\"}", thinking=False),
    out("glm-4-9b-chat", "get_weather\nin Paris is nice.", "get_weather\nin Paris is nice.", thinking=False),
    out("glm-4-9b-chat", "get_weather\n{\"city\": \"Par", "get_weather\n{\"city\": \"Par", thinking=False),
    out("glm-4-9b-chat", "get_weather\n{\"city\": \"Paris\"}", "get_weather\n{\"city\": \"Paris\"}", tools=None, thinking=False),
    out("glm-4-9b-chat", "\nget_weather gives\n{\"city\": \"Paris\"}", "get_weather gives\n{\"city\": \"Paris\"}", thinking=False),
    out("glm-4-0414", "\n查到了：<tool_call>", "查到了：<tool_call>", thinking=False),
    out("glm-4-0414", "查库存\n{\"商品\": \"茶叶\", \"仓库\": [\"一号\"]}", calls=[c("查库存", 商品="茶叶", 仓库=["一号"])], tools=[STOCK], thinking=False),
    # Z1: the output starts inside reasoning
    out("glm-z1", "\nLet me see.\n</think>\n\nHello", "Hello", "Let me see.", tools=None),
    out("glm-z1", "Call it.</think>\nget_weather\n{\"city\": \"Paris\"}", None, "Call it.", [c("get_weather", city="Paris")]),
    out("glm-z1", "get_weather\n{\"city\": \"Paris\"}\nStill thinking", None, "get_weather\n{\"city\": \"Paris\"}\nStill thinking"),
    # GLM-4.5: the model writes both tags
    out("glm-4.5", "\n<think>R</think>\nHello", "Hello", "R", tools=None),
    out("glm-4.5", "\n<think>\nR1\n\nR2\n</think>\n\nHello\n", "Hello\n", "R1\n\nR2", tools=None),
    out("glm-4.5", "\n<think></think>\nHello", "Hello", tools=None),
    out("glm-4.5", "\nHello", "Hello", tools=None, thinking=False),
    out("glm-4.5", "\n<think>cut by the limit", None, "cut by the limit", tools=None),
    out("glm-4.5", "\n<think>R</think>", None, "R", tools=None),
    out("glm-4.5", "\n<think>R</think>\n" + PARIS, None, "R", [PARIS_CALL]),
    out("glm-4.5", "\n<think>R</think>\nLooking it up.\n" + PARIS, "Looking it up.", "R", [PARIS_CALL]),
    out("glm-4.5", "\n" + PARIS + "\n" + xml("now"), None, None, [PARIS_CALL, c("now")], thinking=False),
    out("glm-4.5", "\n<tool_call>now</tool_call>", None, None, [c("now")], thinking=False),
    out("glm-4.5", "\n<tool_call> now \n</tool_call>\n", None, None, [c("now")], thinking=False),
    out("glm-4.5", "\n<think>maybe " + xml("now") + " no</think>\nHello", "Hello", "maybe " + xml("now") + " no"),
    out("glm-4.5", "\n<think>maybe " + xml("now") + "</think>\n" + PARIS, None, "maybe " + xml("now"), [PARIS_CALL]),
    out("glm-4.5", "\n<think>only " + xml("now"), None, "only " + xml("now")),
    out("glm-4.5", "\n" + PARIS, PARIS, tools=None, thinking=False),
    out("glm-4.5", "\n" + xml("many", s="123", i="7", f="1.5", b="true", l="[1, \"二\"]", o="{\"k\": null}", n="null"), None, None,
        [c("many", s="123", i=7, f=1.5, b=True, l=[1, "二"], o={"k": None}, n=None)], [MANY], False),
    out("glm-4.5", "\n" + xml("many", b="True", n="None", i="False"), None, None, [c("many", b=True, n=None, i=False)], [MANY], False),
    out("glm-4.5", "\n" + xml("many", s="True", i="seven", l="[1, 2", o="{'k': 1}"), None, None,
        [c("many", s="True", i="seven", l="[1, 2", o="{'k': 1}")], [MANY], False),
    out("glm-4.5", "\n" + xml("many", s="  two\nlines \"quoted\" \\ </b> 你好 "), None, None,
        [c("many", s="  two\nlines \"quoted\" \\ </b> 你好 ")], [MANY], False),
    out("glm-4.5", "\n" + xml("many", s=""), None, None, [c("many", s="")], [MANY], False),
    out("glm-4.5", "\n" + xml("many", extra="12", other="text"), None, None, [c("many", extra=12, other="text")], [MANY], False),
    out("glm-4.5", "\n" + xml("ping", a="[true]"), None, None, [c("ping", a=[True])], [BARE], False),
    out("glm-4.5", "\n<tool_call>many\n<arg_key> i </arg_key>\n\n  <arg_value>3</arg_value>\n</tool_call>", None, None, [c("many", i=3)], [MANY], False),
    out("glm-4.5", "\n<tool_call>many\n<arg_key>i</arg_key>\n<arg_value>3\n</tool_call>", None, None, [c("many")], [MANY], False),
    out("glm-4.5", "\n<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Par",
        "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Par", thinking=False),
    out("glm-4.5", "\n" + PARIS + "\n<tool_call>now", None, None, [PARIS_CALL], thinking=False),
    out("glm-4.5", "\n" + PARIS + "\nand then some", None, None, [PARIS_CALL], thinking=False),
    out("glm-4.5", "\nuse </tool_call> or <tool_cal", "use </tool_call> or <tool_cal", thinking=False),
    out("glm-4.5", "\n" + xml("查库存", 商品="茶叶", 仓库="[\"一号\", \"二号\"]"), None, None, [c("查库存", 商品="茶叶", 仓库=["一号", "二号"])], [STOCK], False),
    out("glm-4.5", "\n1 < 2 && 3 > 2", "1 < 2 && 3 > 2", thinking=False),
    # GLM-4.7: inside reasoning from the start, no newlines
    out("glm-4.7", "R</think>Hello", "Hello", "R", tools=None),
    out("glm-4.7", "</think>Hello", "Hello", None, tools=None),
    out("glm-4.7", "Hello", "Hello", None, tools=None, thinking=False),
    out("glm-4.7", "cut by the limit", None, "cut by the limit"),
    out("glm-4.7", "R</think>" + xml("get_weather", "", city="Paris", days="2"), None, "R", [PARIS_CALL]),
    out("glm-4.7", "R</think>Two.<tool_call>now</tool_call>" + xml("get_weather", "", city="Paris"), "Two.", "R", [c("now"), c("get_weather", city="Paris")]),
    out("glm-4.7", "a <tool_call>now</tool_call> b</think>done", "done", "a <tool_call>now</tool_call> b"),
    out("glm-4.7", "a <tool_call>now</tool_call> b", None, "a <tool_call>now</tool_call> b"),
    out("glm-4.7", "<tool_call>now</tool_call>", None, None, [c("now")], thinking=False),
    out("glm-4.7", "<tool_call>now</tool_call>", "<tool_call>now</tool_call>", None, tools=None, thinking=False),
    # ChatML (Qwen): JSON inside the tags
    out("chatml", "Hello", "Hello", tools=None, thinking=False),
    out("chatml", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\", \"days\": 2}}\n</tool_call>", None, None, [PARIS_CALL], thinking=False),
    out("chatml", "Both.\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"巴黎\"}}\n</tool_call>",
        "Both.", None, [c("now"), c("get_weather", city="巴黎")], thinking=False),
    out("chatml", "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", tools=None, thinking=False),
]


# ---------------------------------------------------------------- the check

def typed(text, name, key, tools):
    for t in tools:
        if t["function"]["name"] == name and t["function"].get("parameters", {}).get("properties", {}).get(key, {}).get("type") == "string":
            return text
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)


def parse(case):
    text, tools, reasoning, calls = case["output"], case["tools"], None, []
    if case["template"].startswith("glm-4-9b") or case["template"] == "glm-4-0414":
        text = text[1:] if text.startswith("\n") else text
    elif case["prompt_ends_in_thinking"] or (case["thinking"] and text.lstrip("\n").startswith("<think>")):
        head, sep, tail = text.rpartition("</think>")
        reasoning = (head if sep else text).lstrip("\n").removeprefix("<think>").strip("\n")
        text = tail.lstrip("\n") if sep else ""
    else:
        text = text.lstrip("\n")
    if tools and case["template"] in ("glm-4-9b-chat", "glm-4-0414", "glm-z1"):
        name, _, rest = text.partition("\n")
        if name in [t["function"]["name"] for t in tools]:
            try:
                calls, text = [(name, json.loads(rest))], ""
            except ValueError:
                pass
    elif tools:
        blocks = re.findall(r"<tool_call>(.*?)</tool_call>", text, re.S)
        for b in blocks:
            if case["template"] == "chatml":
                o = json.loads(b)
                calls.append((o["name"], o["arguments"]))
            else:
                name = re.match(r"[^\n<]*", b).group().strip()
                pairs = re.findall(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", b, re.S)
                calls.append((name, {k.strip(): typed(v, name, k.strip(), tools) for k, v in pairs}))
        if blocks:
            text = text.split("<tool_call>")[0].rstrip()
    return {"content": text if text.strip() else None, "reasoning": reasoning or None,
            "tool_calls": [{"name": n, "arguments": json.dumps(a, ensure_ascii=False)} for n, a in calls]}


def main():
    for case in CASES:
        got = parse(case)
        assert got == case["expected"], (case["output"], got, case["expected"])
    with open(os.path.join(TEMPLATES, "outputs.json"), "w", encoding="utf-8", newline="\n") as f:
        f.write("[\n" + ",\n".join(json.dumps(x, ensure_ascii=False) for x in CASES) + "\n]\n")
    print(len(CASES), "outputs")


if __name__ == "__main__":
    main()
