"""Seventeen streams, good and bad, through our restatement of the SDKs' readers, and through the Python SDK itself.

They say what a server must not send, and hold readers.py to it; the other suites put every stream of the real server
through the same readers."""
import http.server
import json
import threading

import harness
import readers
import sdk
from harness import Skip, check


def chunk(*choices, **more):
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m", "choices": list(choices), **more}


def delta(d, index=0, finish=None):
    return {"index": index, "delta": d, "finish_reason": finish}


def call(**kw):
    return delta({"tool_calls": [kw]})


ROLE = chunk(delta({"role": "assistant", "content": ""}))
END = chunk(delta({}, finish="stop"))
CALLED = chunk(delta({}, finish="tool_calls"))
HI = chunk(delta({"content": "Hi"}))
HEAD = chunk(call(index=0, id="c1", type="function", function={"name": "f", "arguments": ""}))
ARGS = chunk(call(index=0, function={"arguments": "{}"}))
DONE = "[DONE]"


def message(content="Hi", finish="stop", **more):
    return {"finish": finish, "content": content, **more}


F = [{"id": "c1", "type": "function", "name": "f", "arguments": "{}"}]
# name: events, what Node makes of it, what Python makes of it. A str is the reason it throws.
VECTORS = {
    "good": ([ROLE, HI, END, DONE], [message()], [message()]),
    "ping": ([": ping", ROLE, ": ping", HI, END, DONE], [message()], [message()]),
    "no-done": ([ROLE, HI, END], [message()], [message()]),
    "no-role": ([HI, END, DONE], "missing role", [message(role=None)]),
    "no-finish": ([ROLE, HI, DONE], "missing finish_reason", [message(finish=None)]),
    "role-repeat": ([ROLE, chunk(delta({"role": "assistant", "content": "Hi"})), END, DONE], [message()], [message(role="assistantassistant")]),
    "reasoning": ([ROLE, chunk(delta({"reasoning_content": "a"})), chunk(delta({"reasoning_content": "b"})), HI, END, DONE],
                  [message(reasoning_content="b")], [message(reasoning_content="ab")]),
    "tool-ok": ([ROLE, HEAD, ARGS, CALLED, DONE], [message(None, "tool_calls", calls=F)], [message("", "tool_calls", calls=F)]),
    "tool-no-index": ([ROLE, chunk(call(id="c1", type="function", function={"name": "f", "arguments": ""})), CALLED, DONE],
                      "index of a tool call", None),
    "tool-no-type": ([ROLE, chunk(call(index=0, id="c1", function={"name": "f", "arguments": "{}"})), CALLED, DONE], "missing type", None),
    "tool-name-repeat": ([ROLE, HEAD, chunk(call(index=0, id="c1", type="function", function={"name": "f", "arguments": "{}"})), CALLED, DONE],
                         [message(None, "tool_calls", calls=F)],
                         [message("", "tool_calls", calls=[{"id": "c1c1", "type": "function", "name": "ff", "arguments": "{}"}])]),
    "no-id": ([ROLE, chunk(call(index=0, type="function", function={"name": "f", "arguments": "{}"})), CALLED, DONE], "missing id", None),
    "no-choices": ([ROLE, {k: v for k, v in chunk().items() if k != "choices"}, HI, END, DONE], "choices is not iterable", "TypeError"),
    "n-order": ([chunk(delta({"role": "assistant", "content": "B"}, 1)), chunk(delta({"role": "assistant", "content": "A"}, 0)),
                 chunk(delta({}, 0, "stop")), chunk(delta({}, 1, "stop")), DONE], [message("A"), message("B")], "mixes"),
    "mid-stream error": ([ROLE, HI, {"error": {"message": "boom", "type": "server_error", "param": None, "code": None}}], "boom", "boom"),
    "bad JSON": ([ROLE, '{"id": "x', END, DONE], "no JSON", "no JSON"),
    "[DONE] + space": ([ROLE, HI, END, DONE + " "], "no JSON", [message()]),
}


def stream_bytes(events):
    out = b""
    for e in events:
        text = e if isinstance(e, str) else json.dumps(e)
        out += (text if text.startswith(":") else "data: " + text).encode() + b"\n\n"
    return out


def flat(choices):
    out = []
    for c in choices:
        m = c["message"]
        one = {"finish": c["finish"], "content": m.get("content")}
        if m.get("role") != "assistant":
            one["role"] = m.get("role")
        for key in ("reasoning_content",):
            if m.get(key):
                one[key] = m[key]
        if m.get("tool_calls"):
            one["calls"] = [{"id": t.get("id"), "type": t.get("type"), "name": t["function"]["name"], "arguments": t["function"]["arguments"]} for t in m["tool_calls"]]
        out.append(one)
    return out


def outcome(read, data):
    try:
        return flat(read(data))
    except readers.Throws as why:
        return str(why)


def fits(got, want):
    return want in got if isinstance(want, str) and isinstance(got, str) else got == want


def test_there_are_seventeen():
    check(len(VECTORS) == 17, "%d", len(VECTORS))


def test_nodes_rules_on_every_vector():
    for name, (events, want, _) in VECTORS.items():
        got = outcome(readers.node, stream_bytes(events))
        check(fits(got, want), "%s: got %r, want %r", name, got, want)


def test_pythons_rules_on_every_vector():
    for name, (events, _, want) in VECTORS.items():
        got = outcome(readers.python, stream_bytes(events))
        if want == "mixes":
            check(got != [message("A"), message("B")], "%s: choices out of order came out right", name)
        elif want is not None:
            check(fits(got, want), "%s: got %r, want %r", name, got, want)


def test_a_good_stream_agrees_and_each_break_of_it_is_noticed():
    whole = {"choices": [{"index": 0, "finish_reason": "tool_calls",
                          "message": {"role": "assistant", "content": "Hi", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}]}
    events = [ROLE, HI, HEAD, ARGS, CALLED, DONE]
    check(readers.agree(stream_bytes(events), whole) == "", "%s", readers.agree(stream_bytes(events), whole))
    for i in range(len(events) - 1):
        for name, broken in (("lost", events[:i] + events[i + 1:]), ("twice", events[:i + 1] + events[i:])):
            quiet = name == "twice" and i == len(events) - 2  # a second finish changes nothing for a reader
            check((readers.agree(stream_bytes(broken), whole) == "") == quiet, "event %d %s goes unnoticed", i, name)


class Mock(http.server.BaseHTTPRequestHandler):
    body = b""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(Mock.body)))
        self.end_headers()
        self.wfile.write(Mock.body)

    def log_message(self, *a):
        pass


def test_the_python_sdk_reads_every_vector_as_we_say():
    openai = sdk.load()
    mock = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mock)
    threading.Thread(target=mock.serve_forever, daemon=True).start()
    client = openai.OpenAI(base_url="http://127.0.0.1:%d/v1" % mock.server_port, api_key="x", max_retries=0)
    try:
        for name, (events, _, want) in VECTORS.items():
            Mock.body = stream_bytes(events)
            try:
                with client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "x"}]) as s:
                    for _ in s:
                        pass
                    got = [{"finish": c.finish_reason, "message": c.message.to_dict()} for c in s.get_final_completion().choices]
                got = flat(got)
            except Exception as why:  # whatever the SDK raises is its answer
                got = "%s: %s" % (type(why).__name__, why)
            ours = outcome(readers.python, Mock.body)
            if name == "n-order":  # how it goes wrong depends on the SDK's version
                check(got != [message("A"), message("B")], "%s: the SDK bears it now", name)
            else:
                check(isinstance(got, str) == isinstance(ours, str), "%s: the SDK says %r, we say %r", name, got, ours)
                check(isinstance(got, str) or got == ours, "%s: the SDK says %r, we say %r", name, got, ours)
    finally:
        mock.shutdown()
