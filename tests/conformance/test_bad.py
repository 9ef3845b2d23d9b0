"""Bad requests: one table of field x value, each with the exact status, type, code and param of its refusal.

Every row is sent as it is and once more with "stream": true, where the refusal must be the same and no stream may begin.
The message is held to what every message must be: one line that names the field. Rows are made from what a field is (a
number in a range, a word of a list), so a new field is one line here."""
import json
import random

from harness import SANITIZED, SOAK, Skip, check, server, hold_to_rules  # noqa: F401
import schema

MODEL = "glm4"
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
TYPE, VALUE, MISSING, UNSUPPORTED = "invalid_type", "invalid_value", "missing_required_parameter", "unsupported_value"
USER = {"role": "user", "content": "hi"}
HUGE = 10 ** 30  # no int64: refused with the JSON, before there are fields


def base(path):
    body = {"model": MODEL, "max_tokens": 1}
    body.update({"messages": [USER]} if path == CHAT else {"prompt": "hi"})
    return body


class Raw:
    """A body that json.dumps would not write."""

    def __init__(self, text):
        self.text = text


rows = []  # (path, body change or Raw, status, code, param)


def row(path, change, code, param, status=400):
    rows.append((path, change, status, code, param))


def both(change, code, param, status=400):
    row(CHAT, change, code, param, status)
    row(TEXT, change, code, param, status)


def wrong_types(path, key, right, param=None):
    values = {"string": "x", "empty string": "", "number text": "1", "array": [], "object": {}, "true": True, "false": False, "integer": 7, "real": 0.5}
    kinds = {"string": str, "empty string": str, "number text": str, "array": list, "object": dict, "true": bool, "false": bool, "integer": int, "real": float}
    for name, v in values.items():
        if kinds[name] not in right:
            row(path, {key: v}, TYPE, param or key)


def number(path, key, lo, hi):
    wrong_types(path, key, (int, float))
    for v in (lo - 1, hi + 1, lo - 0.001, hi + 0.001, -1e308, 1e308, 2 ** 63 - 1, -2 ** 63):
        row(path, {key: v}, VALUE, key)
    for text in (HUGE, -HUGE):
        row(path, {key: text}, VALUE, key)
    row(path, Raw('"%s": 1e999' % key), "invalid_json", None)


def integer(path, key, lo, hi, wide=False):
    wrong_types(path, key, (int, float))
    values = [0.5, 1e18, 1e300, -1e300, 1.0000001]
    if not wide:
        values += [lo - 1, hi + 1, -2 ** 63, 2 ** 63 - 1, -1 if lo > 0 else lo - 2]
    for v in values:
        row(path, {key: v}, VALUE, key)
    row(path, {key: HUGE}, VALUE, key)
    row(path, {key: -HUGE}, VALUE, key)


def boolean(path, key):
    wrong_types(path, key, (bool,))


def word(path, key, values=("bogus", "", "AUTO", "low\u0000", "x" * 5000)):
    wrong_types(path, key, (str,))
    for v in values:
        row(path, {key: v}, VALUE, key)


def make_rows():
    # -- what both take
    for path in (CHAT, TEXT):
        number(path, "temperature", 0, 2)
        number(path, "top_p", 0, 1)
        number(path, "frequency_penalty", -2, 2)
        number(path, "presence_penalty", -2, 2)
        integer(path, "n", 1, 128)
        integer(path, "priority", 0, 10)
        integer(path, "seed", None, None, wide=True)
        integer(path, "max_tokens", 1 if path == CHAT else 0, 2 ** 31 - 1)
        boolean(path, "stream")
        for v in ("x", 5, 0.5, [], True):
            row(path, {"stream": True, "stream_options": v}, TYPE, "stream_options")
        row(path, {"stream": True, "stream_options": {"include_usage": "yes"}}, TYPE, "stream_options.include_usage")
        row(path, {"stream": True, "stream_options": {"include_usage": 1}}, TYPE, "stream_options.include_usage")
        row(path, {"stream_options": {"include_usage": True}, "stream": False}, VALUE, "stream_options")
        row(path, {"stream_options": {}, "stream": None}, VALUE, "stream_options")
        for v in (5, 0.5, True, {}):
            row(path, {"stop": v}, TYPE, "stop")
        for v in ([1], [None], [["a"]], [True], [{}]):
            row(path, {"stop": v}, TYPE, "stop[0]")
        row(path, {"stop": ["a", 5]}, TYPE, "stop[1]")
        row(path, {"stop": list("abcde")}, VALUE, "stop")
        row(path, {"stop": "x" * 100000}, VALUE, "stop")
        row(path, {"stop": ["x" * 100000]}, VALUE, "stop[0]")
        for v in ("x", 5, [], True, 0.5):
            row(path, {"logit_bias": v}, TYPE, "logit_bias")
        for k in ("x", "", " 5", "+5", "-1", "5 ", "0x5", "1.0", "99999999", "99999999999999999999", "9" * 200, "½"):
            row(path, {"logit_bias": {k: 1}}, VALUE, "logit_bias")
        for v in ("5", [], {}, True, None):
            row(path, {"logit_bias": {"5": v}}, TYPE, "logit_bias")
        for v in (-101, 101, 1e300, -1e300):
            row(path, {"logit_bias": {"5": v}}, VALUE, "logit_bias")
        wrong_types(path, "model", (str,))
        row(path, {"model": None}, MISSING, "model")
        for v in ("no-such-model", "", "../../etc/passwd", "glm4 ", "GLM4", "\u4f60\u597d", "%s%s%n" * 50, "x" * 5000):
            row(path, {"model": v}, "model_not_found", "model", 404)

        row(path, {"model": "glm4\u0000x"}, VALUE, "model")  # a string to the end, not to its first NUL

    # -- chat
    integer(CHAT, "max_completion_tokens", 1, 2 ** 31 - 1)
    boolean(CHAT, "logprobs")
    boolean(CHAT, "parallel_tool_calls")
    wrong_types(CHAT, "top_logprobs", (int, float))
    for v in (-1, 21, 10 ** 12, -2 ** 63):
        row(CHAT, {"logprobs": True, "top_logprobs": v}, VALUE, "top_logprobs")
    row(CHAT, {"top_logprobs": 3}, VALUE, "top_logprobs")
    row(CHAT, {"top_logprobs": 3, "logprobs": False}, VALUE, "top_logprobs")
    word(CHAT, "reasoning_effort")
    for v in ("x", 5, {}, True):
        row(CHAT, {"modalities": v}, TYPE, "modalities")
    for v in (["audio"], ["text", "audio"], [5], [None]):
        row(CHAT, {"modalities": v}, UNSUPPORTED, "modalities")
    row(CHAT, {"functions": [{"name": "f"}]}, UNSUPPORTED, "functions")

    # -- messages
    row(CHAT, {"messages": None}, MISSING, "messages")
    row(CHAT, {"messages": []}, VALUE, "messages")
    for v in ("x", 5, True, {}, 0.5):
        row(CHAT, {"messages": v}, TYPE, "messages")

    def message(m, code, param, before=()):
        row(CHAT, {"messages": [*before, m]}, code, "messages[%d]%s" % (len(before), param))

    for v in ("x", 5, None, [], True):
        message(v, TYPE, "")
    message({}, MISSING, ".role")
    message({"role": None, "content": "x"}, MISSING, ".role")
    for v in (5, [], {}, True):
        message({"role": v, "content": "x"}, TYPE, ".role")
    for v in ("robot", "user\u0000", "", "User", "user ", "x" * 3000):
        message({"role": v, "content": "x"}, VALUE, ".role")
    for role in ("user", "system", "developer", "assistant"):
        message({"role": role}, MISSING, ".content")
        message({"role": role, "content": None}, MISSING, ".content")
        for v in (5, True, {}, 0.5):
            message({"role": role, "content": v}, TYPE, ".content")
    for v in (5, "x", None, [], True):
        message({"role": "user", "content": [v]}, TYPE, ".content[0]")
    message({"role": "user", "content": [{"type": "text", "text": "a"}, 5]}, TYPE, ".content[1]")
    for v in (5, None, [], {}):
        message({"role": "user", "content": [{"type": v, "text": "a"}]}, TYPE, ".content[0].type")
    for v in ("image_url", "input_audio", "file", "video", "", "TEXT"):
        message({"role": "user", "content": [{"type": v, v or "x": {"url": "http://127.0.0.1/x"}}]}, UNSUPPORTED, ".content[0].type")
    for v in (5, None, [], {}, True):
        message({"role": "user", "content": [{"type": "text", "text": v}]}, TYPE, ".content[0].text")
    for v in (5, [], {}):
        message({"role": "user", "content": "x", "name": v}, TYPE, ".name")
    message({"role": "tool", "content": "x"}, MISSING, ".tool_call_id")
    for v in (5, [], {}):
        message({"role": "tool", "content": "x", "tool_call_id": v}, TYPE, ".tool_call_id")
    message({"role": "tool", "content": "x", "tool_call_id": "nobody"}, VALUE, ".tool_call_id")
    made = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
    message({"role": "tool", "content": "x", "tool_call_id": "c2"}, VALUE, ".tool_call_id", (USER, made))
    for v in ("x", 5, {}):
        message({"role": "assistant", "content": "x", "tool_calls": v}, TYPE, ".tool_calls")
    for v in (None, "", 5, []):
        message({"role": "assistant", "content": None, "tool_calls": [{"id": v, "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, TYPE, ".tool_calls[0].id")
    for v in (None, "x", 5, []):
        message({"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": v}]}, TYPE, ".tool_calls[0].function")
    for v in (5, [], True):
        message({"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": v}}]}, TYPE, ".tool_calls[0].function.arguments")
    for v in ("x", 5, []):
        message({"role": "assistant", "content": None, "function_call": v}, TYPE, ".function_call")
    for v in (None, 5, []):
        message({"role": "assistant", "content": None, "function_call": {"name": v, "arguments": "{}"}}, TYPE, ".function_call.name")
    for v in (5, [], True):
        message({"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": v}}, TYPE, ".function_call.arguments")
    for v in (5, [], {}):
        message({"role": "assistant", "content": "x", "reasoning_content": v}, TYPE, ".reasoning_content")
        message({"role": "assistant", "content": "x", "refusal": v}, TYPE, ".refusal")

    # -- tools
    for v in ("x", 5, {}, True):
        row(CHAT, {"tools": v}, TYPE, "tools")
    f = {"type": "function", "function": {"name": "f"}}
    for v in (5, "x", None, [], {}, {"type": "web_search"}, {"type": "function "}, {"type": 5}, {"function": {"name": "f"}}):
        row(CHAT, {"tools": [v]}, UNSUPPORTED, "tools[0].type")
    for v in (None, 5, "x", []):
        row(CHAT, {"tools": [{"type": "function", "function": v}]}, TYPE, "tools[0].function")
    for v in (None, 5, [], {}):
        row(CHAT, {"tools": [{"type": "function", "function": {"name": v}}]}, TYPE, "tools[0].function.name")
    for v in ("", "a b", "x" * 65, "f\u0000", "\u4f60", "a.b", "<tool_call>"):
        row(CHAT, {"tools": [{"type": "function", "function": {"name": v}}]}, VALUE, "tools[0].function.name")
    for v in (5, "x", [], True):
        row(CHAT, {"tools": [{"type": "function", "function": {"name": "f", "parameters": v}}]}, TYPE, "tools[0].function.parameters")
    for v in (5, [], {}):
        row(CHAT, {"tools": [{"type": "function", "function": {"name": "f", "description": v}}]}, TYPE, "tools[0].function.description")
    for v in (5, "true", [], {}):
        row(CHAT, {"tools": [{"type": "function", "function": {"name": "f", "strict": v}}]}, TYPE, "tools[0].function.strict")
    row(CHAT, {"tools": [f, {"type": "x"}]}, UNSUPPORTED, "tools[1].type")
    row(CHAT, {"tools": [f, f]}, VALUE, "tools")
    row(CHAT, {"tools": [{"type": "function", "function": {"name": "f%d" % i}} for i in range(129)]}, VALUE, "tools")
    for v in (5, True, [], 0.5):
        row(CHAT, {"tools": [f], "tool_choice": v}, TYPE, "tool_choice")
    for v in ("bogus", "", "AUTO", "none\u0000"):
        row(CHAT, {"tools": [f], "tool_choice": v}, VALUE, "tool_choice")
    row(CHAT, {"tool_choice": "required"}, VALUE, "tool_choice")
    row(CHAT, {"tools": [], "tool_choice": "required"}, VALUE, "tool_choice")
    row(CHAT, {"tools": [f], "tool_choice": {"type": "function", "function": {"name": "g"}}}, VALUE, "tool_choice")
    row(CHAT, {"tools": [f], "tool_choice": {"type": "function", "function": {}}}, VALUE, "tool_choice")
    row(CHAT, {"tools": [f], "tool_choice": {"type": "bogus"}}, VALUE, "tool_choice.type")
    row(CHAT, {"tools": [f], "tool_choice": {}}, VALUE, "tool_choice.type")
    row(CHAT, {"tools": [f], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}}, VALUE, "tool_choice.allowed_tools")
    for v, code in ((5, TYPE), ([], TYPE), (True, TYPE), ("none", VALUE), ("", VALUE), ("required\u0000", VALUE)):
        row(CHAT, {"tools": [f], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": v, "tools": [f]}}}, code, "tool_choice.allowed_tools.mode")

    # -- response_format
    for v in ("json", 5, [], True):
        row(CHAT, {"response_format": v}, TYPE, "response_format")
    row(CHAT, {"response_format": {}}, MISSING, "response_format.type")
    for v in (5, [], {}):
        row(CHAT, {"response_format": {"type": v}}, TYPE, "response_format.type")
    for v in ("xml", "", "JSON_OBJECT", "text\u0000"):
        row(CHAT, {"response_format": {"type": v}}, VALUE, "response_format.type")
    at = "response_format.json_schema"
    row(CHAT, {"response_format": {"type": "json_schema"}}, MISSING, at)
    for v in (5, "x", []):
        row(CHAT, {"response_format": {"type": "json_schema", "json_schema": v}}, TYPE, at)

    def fmt(s, code, param):
        row(CHAT, {"response_format": {"type": "json_schema", "json_schema": s}}, code, param)

    ok = {"type": "object", "properties": {}, "additionalProperties": False}
    fmt({"schema": ok}, MISSING, at + ".name")
    for v in (5, [], {}):
        fmt({"name": v, "schema": ok}, TYPE, at + ".name")
    for v in ("", "a b", "x" * 65, "\u4f60"):
        fmt({"name": v, "schema": ok}, VALUE, at + ".name")
    for v in (5, "x", []):
        fmt({"name": "a", "schema": v}, TYPE, at + ".schema")
    for v in (5, "true", []):
        fmt({"name": "a", "schema": ok, "strict": v}, TYPE, at + ".strict")
    fmt({"name": "a"}, MISSING, at + ".schema")
    for s in ({"not": {}}, {"type": "object", "patternProperties": {"a": {}}}, {"if": {}, "then": {}}, {"type": "array", "uniqueItems": True, "items": {}},
              {"type": "string", "format": "no-such-format"}, {"bogus": 1}, {"type": "object", "dependentRequired": {"a": ["b"]}}, {"type": "array", "contains": {}}):
        fmt({"name": "a", "strict": True, "schema": s}, UNSUPPORTED, "response_format")
    for s in ({"$ref": "#/$defs/none"}, {"$ref": "#"}, {"enum": []}, {"type": "integer", "minimum": 5, "maximum": 4}, {"type": "strin"}):
        fmt({"name": "a", "strict": True, "schema": s}, VALUE, "response_format")

    # -- completions
    row(TEXT, {"prompt": None}, MISSING, "prompt")
    for v in (5, 0.5, True, {}):
        row(TEXT, {"prompt": v}, TYPE, "prompt")
    row(TEXT, {"prompt": []}, VALUE, "prompt")
    for v in ([0.5], [1, "a"], [5, None], [5, [5]], [5, True]):
        row(TEXT, {"prompt": v}, TYPE, "prompt")
    for v in ([-1], [5, -1], [99999999], [2 ** 62], [5, -2 ** 63]):
        row(TEXT, {"prompt": v}, VALUE, "prompt")
    for v in ([None], [True], [{}], ["a", 5], ["a", None]):
        row(TEXT, {"prompt": v}, TYPE, "prompt[%d]" % (len(v) - 1))
    for v in ([[-1]], [[]], ["a", [99999999]], ["a", []]):
        row(TEXT, {"prompt": v}, VALUE, "prompt[%d]" % (len(v) - 1))
    row(TEXT, {"prompt": [["a"]]}, TYPE, "prompt[0]")
    row(TEXT, {"prompt": ["a"] * 129}, VALUE, "prompt")
    row(TEXT, {"prompt": ["a"] * 2, "n": 100}, VALUE, "n")
    integer(TEXT, "logprobs", 0, 5)
    boolean(TEXT, "echo")
    row(TEXT, {"max_tokens": 0}, VALUE, "max_tokens")
    wrong_types(TEXT, "best_of", (int, float))
    for v in (0, -1, 21, 2 ** 62):
        row(TEXT, {"best_of": v}, VALUE, "best_of")
    row(TEXT, {"best_of": 1, "n": 2}, VALUE, "best_of")
    row(TEXT, {"best_of": 3, "n": 2, "stream": True}, UNSUPPORTED, "best_of")
    for v in ("x", 5, [], False):
        row(TEXT, {"suffix": v}, UNSUPPORTED, "suffix")

    # -- too long
    row(CHAT, {"messages": [{"role": "user", "content": "w " * 9000}]}, "context_length_exceeded", "messages")
    row(CHAT, {"messages": [{"role": "user", "content": "x" * 7000000}]}, "context_length_exceeded", "messages")
    row(CHAT, {"messages": [USER] * 5000}, "context_length_exceeded", "messages")
    row(TEXT, {"prompt": "w " * 9000}, "context_length_exceeded", "prompt")
    row(TEXT, {"prompt": [5] * 2049}, "context_length_exceeded", "prompt")
    row(TEXT, {"prompt": ["a", [5] * 100000]}, "context_length_exceeded", "prompt")


make_rows()

# Bodies that are no request at all. (bytes, status, code)
BODIES = [(b, 400, c) for b, c in (
    (b"", "invalid_json"), (b" ", "invalid_json"), (b"{", "invalid_json"), (b"}", "invalid_json"), (b"{} x", "invalid_json"), (b"{}{}", "invalid_json"),
    (b"{'a': 1}", "invalid_json"), (b'{"a": 1,}', "invalid_json"), (b'{"a": NaN}', "invalid_json"), (b'{"a": Infinity}', "invalid_json"),
    (b'{"a": 01}', "invalid_json"), (b'{"a": +1}', "invalid_json"), (b'{"a": .5}', "invalid_json"), (b'{"a": 1e999}', "invalid_json"), (b'{"a": 0x10}', "invalid_json"),
    (b'{"model": "a", "model": "b"}', "invalid_json"), (b'{"a": {"b": 1, "b": 2}}', "invalid_json"), (b'{"a": "\xff"}', "invalid_json"), (b'{"a": "\xc0\x80"}', "invalid_json"),
    (b'{"a": "\xed\xa0\x80"}', "invalid_json"), (b'{"a": "\xf4\x90\x80\x80"}', "invalid_json"), (b'{"a": "\\ud800"}', "invalid_json"), (b'{"a": "\\udc00\\ud800"}', "invalid_json"),
    (b'{"a": "\x01"}', "invalid_json"), (b'{"a": "\n"}', "invalid_json"), (b'{"a": "\\x41"}', "invalid_json"), (b'{"a\\u0000b": 1}', "invalid_json"),
    (b"\xef\xbb\xbf{}", "invalid_json"), (b"\x00", "invalid_json"), (b'{"a": tru}', "invalid_json"), (b'{"a" 1}', "invalid_json"), (b"// x\n{}", "invalid_json"),
    ('{"a": 1}'.encode("utf-16"), "invalid_json"), (b"a=b&c=d", "invalid_json"),
    (b"[]", TYPE), (b"null", TYPE), (b"5", TYPE), (b'"x"', TYPE), (b"true", TYPE), (b"[{}]", TYPE), (b"{}", MISSING))]
DEEP = [b"[" * n + b"]" * n for n in (65, 300, 100000)] + [b'{"a":' * n + b"1" + b"}" * n for n in (65, 300, 100000)] + [
    b'{"model": "glm4", "messages": ' + b"[" * 4000000, b'{"a": ' + b'[{"b": ' * 50000]


def send(s, path, data, stream):
    if isinstance(data, Raw):
        text = json.dumps(base(path))[:-1] + ", " + data.text + (', "stream": true}' if stream else "}")
        return s.call("POST", path, text.encode())
    body = {**base(path), **data}
    if stream:
        body["stream"] = True
    return s.post(path, body)


def test_a_clients_words_stay_on_their_line_of_the_log():
    s = server(MODEL)
    r = s.post(CHAT, {"model": "x\ninfo serve forged\x1b[2J", "messages": [{"role": "user", "content": "a"}]})
    check(r.status == 404, "%d %s", r.status, r.text[:200])
    with open(s.log, errors="replace") as f:
        log = f.read()
    check("x?info serve forged?[2J" in log and "\ninfo serve forged" not in log and "\x1b" not in log, "%s", log[-500:])


def test_no_prompt_and_no_answer_is_in_the_log():
    s = server(MODEL)
    words = ["zebrafinch%d" % i for i in range(12)]
    tool = {"type": "function", "function": {"name": words[0], "description": words[1], "parameters": {"type": "object", "properties": {words[2]: {"enum": [words[3]]}}}}}
    good = {"model": MODEL, "max_tokens": 8, "temperature": 0, "tools": [tool], "stop": [words[4]], "user": words[5],
            "messages": [{"role": "system", "content": words[6]}, {"role": "user", "content": words[7]},
                         {"role": "assistant", "content": words[8], "tool_calls": [{"id": "c", "type": "function", "function": {"name": words[0], "arguments": json.dumps({words[2]: words[9]})}}]},
                         {"role": "tool", "tool_call_id": "c", "content": words[10]}]}
    answers = []
    for stream in (False, True):
        r = s.post(CHAT, {**good, "stream": stream})
        check(r.status == 200, "%d %s", r.status, r.text[:200])
    answers.append(s.post(TEXT, {"model": MODEL, "prompt": words[7], "max_tokens": 20, "ignore_eos": True, "logit_bias": {"306": -100}}).json["choices"][0]["text"])
    for bad in ({**good, "response_format": {"type": words[11]}}, {**good, "tool_choice": words[11]}, {**good, "reasoning_effort": words[11]}, {**good, "stop": [words[4]] * 5},
                {**good, "messages": [{"role": words[11], "content": words[7]}]}, {**good, "temperature": words[11]},
                {**good, "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "string", "pattern": words[11] + "("}}}},
                {**good, "messages": [{"role": "user", "content": words[7] + " a" * 20000}]}):
        check(s.post(CHAT, bad).status == 400, "%s", {k: v for k, v in bad.items() if k not in good})
    for path, body in (("/tokenize", {"prompt": words[7]}), ("/v1/embeddings", {"model": MODEL, "input": words[7]}), ("/v1/rerank", {"model": MODEL, "query": words[7], "documents": [words[8]]}),
                       ("/v1/responses", {"model": MODEL, "input": words[7], "instructions": words[6], "max_output_tokens": 4})):
        check(s.post(path, body).status == 200, "%s", path)
    s.call("POST", CHAT, ('{"model": "%s", "messages": "%s' % (MODEL, words[7])).encode())  # no JSON
    with open(s.log, errors="replace") as f:
        log = f.read()
    check(log.count("reply id=") >= 10, "the log has lines: %s", log[-300:])
    for w in words:
        check(w not in log, "%s is in the log: %s", w, [x for x in log.splitlines() if w in x][:1])
    for a in answers:
        check(len(a) > 8 and a not in log, "an answer is in the log: %r", a)


def test_the_table_is_long_enough():
    check(len(rows) >= 300, "%d rows", len(rows))
    seen = [(p, json.dumps(d.text if isinstance(d, Raw) else d)) for p, d, *_ in rows]
    check(len(set(seen)) == len(seen), "rows that are there twice: %s", sorted({x for x in seen if seen.count(x) > 1})[:3])


def test_the_base_of_the_table_is_good():
    s = server(MODEL)
    for path in (CHAT, TEXT):
        r = s.post(path, base(path))
        check(r.status == 200, "%s: %d %s", path, r.status, r.text[:200])


def test_every_row_is_refused_as_it_says():
    s = server(MODEL)
    for path, data, status, code, param in rows:
        about = "%s %s" % (path, (data.text if isinstance(data, Raw) else json.dumps(data))[:150])
        first = None
        for stream in (False, True):
            if stream and SANITIZED:
                continue
            if stream and not isinstance(data, Raw) and "stream" in data:
                continue
            r = send(s, path, data, stream)
            if not check(r.status == status, "%s: %d, want %d: %s", about, r.status, status, r.text[:200]):
                continue
            e = r.error
            check((e["code"], e["param"]) == (code, param), "%s: code %s param %s, want %s %s (%s)", about, e["code"], e["param"], code, param, e["message"][:200])
            names = {param.split(".")[0].split("[")[0], param.split(".")[-1].split("[")[0], "schema", "prompt"} if param else {""}
            check(len(e["message"]) < 1600 and any(x in e["message"] for x in names), "%s: the message names no field: %r", about, e["message"][:200])
            if first is None:
                first = r.body
            else:
                check(r.body == first, "%s: with stream: %s, without: %s", about, r.text[:200], first[:200])
    check(s.alive() and s.idle(), "the server lives on")


def test_bodies_that_are_no_request():
    s = server(MODEL)
    for path in (CHAT, TEXT, "/tokenize", "/detokenize"):
        for body, status, code in BODIES:
            r = s.call("POST", path, body)
            check(r.status == status and r.error["code"] == code, "%s %r: %d %s, want %s", path, body[:30], r.status, r.text[:150], code)
    check(s.alive(), "the server lives on")


def test_depth_bombs_are_refused_and_close_the_connection():
    s = server(MODEL)
    for path in (CHAT, "/tokenize"):
        for body in DEEP:
            r = s.call("POST", path, body)
            check(r.status == 400 and r.error["code"] == "json_too_deep" and r.closes, "%s %r: %d %s", path, body[:20], r.status, r.text[:150])
    check(s.call("GET", "/health").status == 200, "the server lives on")


def test_unknown_fields_and_nulls_are_nothing():
    s = server(MODEL)
    for path in (CHAT, TEXT):
        body = {**base(path), "no_such_field": {"a": [1]}, "user": "u", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "seed": 1,
                "temperature": None, "top_p": None, "n": None, "stop": None, "logit_bias": None, "stream": None, "stream_options": None, "tools": None, "tool_choice": None,
                "response_format": None, "logprobs": None, "top_logprobs": None, "presence_penalty": None, "frequency_penalty": None, "reasoning_effort": None,
                "parallel_tool_calls": None, "modalities": None, "functions": None, "max_completion_tokens": None, "suffix": None, "echo": None, "best_of": None,
                "prediction": None, "verbosity": None, "safety_identifier": None, "prompt_cache_key": "k"}
        r = s.post(path, body)
        check(r.status == 200, "%s: %d %s", path, r.status, r.text[:300])


def test_whatever_comes_the_answer_is_one_of_ours():
    s = server(MODEL)
    rnd = random.Random(20)
    values = [None, -1, 0, 1, 2, 1e300, -1e300, "x", "", [], {}, True, False, [1], ["a"], {"a": 1}, 2 ** 62, -2 ** 63, 0.5, "auto", "none", [USER], [[]], [{}], "\u0000", "\U0001f600"]
    keys = sorted({k for _, d, *_ in rows if isinstance(d, dict) for k in d})
    for _ in range(20000 if SOAK else 150 if SANITIZED else 600):
        path = rnd.choice((CHAT, TEXT))
        body = base(path)
        for key in rnd.sample(keys, 2):
            body[key] = rnd.choice(values)
        body["max_tokens"] = rnd.choice((1, 1, 1, 2, values[rnd.randrange(len(values))]))
        if body["max_tokens"] is None or (isinstance(body["max_tokens"], (int, float)) and body["max_tokens"] > 4) or body.get("n") in (1e300, 2 ** 62):
            body["max_tokens"] = 2
        data = json.dumps(body).encode()
        if rnd.random() < 0.3:  # and bytes turned over
            at = rnd.randrange(len(data))
            data = data[:at] + bytes([rnd.randrange(256)]) + data[at + rnd.randrange(2):]
        r = s.call("POST", path, data)
        check(r.status in (200, 400, 404), "%r: %d %s", data[:300], r.status, r.text[:200])
    check(s.alive() and s.idle(), "the server lives on")


def test_every_refusal_of_small_routes():
    s = server(MODEL)
    for path, body, code, param in (
            ("/tokenize", {}, MISSING, "prompt"), ("/tokenize", {"prompt": 5}, TYPE, "prompt"), ("/tokenize", {"prompt": []}, TYPE, "prompt"),
            ("/tokenize", {"messages": "x"}, TYPE, "messages"), ("/tokenize", {"messages": []}, VALUE, "messages"), ("/tokenize", {"messages": [5]}, TYPE, "messages[0]"),
            ("/tokenize", {"prompt": "x", "add_special_tokens": 5}, TYPE, "add_special_tokens"),
            ("/detokenize", {}, MISSING, "tokens"), ("/detokenize", {"tokens": "x"}, TYPE, "tokens"), ("/detokenize", {"tokens": {}}, TYPE, "tokens"),
            ("/detokenize", {"tokens": ["x"]}, TYPE, "tokens[0]"), ("/detokenize", {"tokens": [5, None]}, TYPE, "tokens[1]"), ("/detokenize", {"tokens": [0.5]}, TYPE, "tokens[0]"),
            ("/detokenize", {"tokens": [-1]}, VALUE, "tokens[0]"), ("/detokenize", {"tokens": [10 ** 9]}, VALUE, "tokens[0]"), ("/detokenize", {"tokens": [5, 2 ** 62]}, VALUE, "tokens[1]")):
        r = s.post(path, body)
        check(r.status == 400 and (r.error["code"], r.error["param"]) == (code, param), "%s %s: %d %s", path, body, r.status, r.text[:200])
    for method, path, status, code in (("GET", "/nothing", 404, "unknown_url"), ("GET", "/v1", 404, "unknown_url"),
                                       ("GET", "/v1/v1/models", 404, "unknown_url"), ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
                                       ("PUT", "/v1/chat/completions", 405, "method_not_allowed"), ("POST", "/health", 405, "method_not_allowed"),
                                       ("DELETE", "/v1/models", 405, "method_not_allowed"), ("PATCH", "/v1/completions", 405, "method_not_allowed"),
                                       ("GET", "/v1/models/no-such", 404, "model_not_found"), ("GET", "/v1/models/" + MODEL + "%00x", 404, "model_not_found"), ("GET", "/v1/models/..%2f..%2fetc%2fpasswd", 404, "model_not_found"),
                                       ("GET", "/%2e%2e/etc/passwd", 404, "unknown_url"), ("GET", "//health", 404, "unknown_url"), ("BREW", "/health", 405, "method_not_allowed")):
        r = s.call(method, path)
        check(r.status == status and r.error["code"] == code, "%s %s: %d %s", method, path, r.status, r.text[:200])
        if status == 405:
            check(r.header("allow"), "%s %s: 405 without Allow", method, path)


NUMBERS = ["-1", "-0", "-0.0", "0", "0.5", "-1e308", "1e308", "1e999", "-1e999", "2147483648", "-2147483649", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
           "18446744073709551616", "1" + "0" * 400, "1e-400", "5e-324", "1." + "3" * 400]


def test_a_schema_may_have_limits_beyond_64_bits():
    """18446744073709551615 is what a generator of schemas writes for a u64; nothing else is refused for it."""
    s = server(MODEL)
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 18446744073709551615}}, "required": ["n"], "additionalProperties": False}
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "max_tokens": 60, "seed": 3}
    r = s.post("/v1/chat/completions", {**body, "response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}})
    check(r.status == 200, "%d %s", r.status, r.text[:300])
    c = r.json["choices"][0]
    check(c["finish_reason"] == "length" or json.loads(c["message"]["content"])["n"] >= 0, "%s", c)
    r = s.post("/v1/chat/completions", {**body, "max_tokens": 1, "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}], "x_unknown": -99999999999999999999})
    check(r.status == 200, "%d %s", r.status, r.text[:300])


def test_negative_and_huge_numbers_in_every_field():
    """As they stand on the wire, which a JSON writer would not let through: answered, or refused with the field's name."""
    s = server(MODEL)
    chat = '"messages": [{"role": "user", "content": "x"}]'
    routes = {
        "/v1/chat/completions": (chat, ["max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "seed", "frequency_penalty", "presence_penalty", "top_k", "min_p", "repetition_penalty",
                                        "top_logprobs", "logprobs", "stream", "stop", "model", "messages", "tools", "tool_choice", "response_format", "logit_bias", "reasoning_effort", "parallel_tool_calls"]),
        "/v1/completions": ('"prompt": "x"', ["max_tokens", "temperature", "n", "seed", "logprobs", "echo", "best_of", "prompt", "suffix", "stop", "top_k"]),
        "/v1/embeddings": ('"input": "x"', ["dimensions", "encoding_format", "input", "pooling"]),
        "/v1/rerank": ('"query": "x", "documents": ["a"]', ["top_n", "query", "documents", "return_documents"]),
        "/v1/responses": ('"input": "x"', ["max_output_tokens", "temperature", "top_p", "input", "instructions", "tools", "text", "reasoning", "top_logprobs"]),
        "/tokenize": ('"prompt": "x"', ["prompt", "add_special_tokens"]), "/detokenize": ('"tokens": [1]', ["tokens"]),
        "/v1/load_lora_adapter": ('"lora_name": "n", "lora_path": "/none"', ["lora_name", "lora_path", "load_inplace"])}
    for path, (base, fields) in routes.items():
        for f in fields:
            for k, n in enumerate(NUMBERS):
                if SANITIZED and (k + len(f)) % 4:
                    continue
                rest = ", ".join(x for x in ('"model": "%s"' % MODEL, base) if not x.startswith('"%s":' % f))
                few = "" if f in ("max_tokens", "max_completion_tokens", "max_output_tokens") else ', "max_output_tokens": 16' if path == "/v1/responses" else ', "max_tokens": 1'
                n_bytes = ("{%s%s, \"%s\": %s}" % (rest, few, f, n)).encode()
                r = s.call("POST", path, n_bytes)
                ok = r.status == 200
                if not ok and r.status in (400, 404):
                    e = r.error
                    ok = e["code"] == "invalid_json" or e["param"] and e["param"].split(".")[0].split("[")[0] in (f, "model", "lora_path")
                check(ok, "%s with %s %s: %d %s", path, f, n[:40], r.status, r.text[:200])
    check(s.alive() and s.idle(), "the server lives on")
