"""What the Node SDK needs beyond the chunks of a stream: its rules, re-stated in readers.py, held to cases whose outcome was
seen there (openai 7.57), and then our real server put through them. Node itself is not needed."""
import json

import readers
from harness import Reader, check, request_bytes, server

MODEL = "glm4"
CHAT = "/v1/chat/completions"
ASK = {"model": MODEL, "messages": [{"role": "user", "content": "\u706f \U0001f4a1 x"}], "max_tokens": 12, "temperature": 0}
NO_END = {str(i): -100 for i in range(306, 320)}


def error(**kw):
    return json.dumps({"error": {"message": "m", "type": "t", "param": None, "code": None, **kw}}).encode()


def test_the_rules_of_errors():
    for status, headers, body, want in (
            (400, [], error(code="c", param="p"), {"class": "BadRequestError", "code": "c", "param": "p", "type": "t", "again": False}),
            (401, [], error(), {"class": "AuthenticationError", "again": False}), (403, [], error(), {"class": "PermissionDeniedError", "again": False}),
            (404, [], error(), {"class": "NotFoundError", "again": False}), (408, [], error(), {"class": "APIError", "again": True}),
            (409, [], error(), {"class": "ConflictError", "again": True}), (413, [], error(), {"class": "APIError", "again": False}),
            (422, [], error(), {"class": "UnprocessableEntityError", "again": False}), (429, [], error(), {"class": "RateLimitError", "again": True, "wait_ms": None}),
            (500, [], b"<html>", {"class": "InternalServerError", "code": None, "type": None, "again": True}), (503, [], b"", {"class": "InternalServerError", "again": True}),
            (500, [("X-Should-Retry", "false")], error(), {"again": False}), (400, [("x-should-retry", "true")], error(), {"again": True}),
            (429, [("Retry-After-Ms", "1500"), ("Retry-After", "9")], error(), {"wait_ms": 1500}), (429, [("retry-after", "9")], error(), {"wait_ms": 9000}),
            (429, [("retry-after", "61")], error(), {"wait_ms": None}), (429, [("retry-after-ms", "-1")], error(), {"wait_ms": None}),
            (500, [("x-request-id", "r")], b'{"error": "text"}', {"request_id": "r", "code": None}), (500, [], b"[]", {"code": None})):
        got = readers.node_error(status, headers, body)
        check({k: got[k] for k in want} == want, "%d %s %s: %s, want %s", status, headers, body, got, want)


def test_the_rules_of_events():
    for data, want in ((b"data: a\n\n", ["a"]), (b"data: a\r\n\r\n", ["a"]), (b"data: a\r\rdata: b\n\n", ["a", "b"]), (b"data:a\ndata: b\n\n", ["a\nb"]), (b": ping\n\ndata: a\n\n", ["a"]),
                       (b"data: a\n\ndata: [DONE]\n\ndata: b\n\n", ["a"]), (b"data: [DONE] \n\ndata: b\n\n", ["[DONE] ", "b"]), (b"data: a\n\ndata: cut\n", ["a"]), (b"data: a\n\ndat", ["a"]),
                       (b"\n\n\ndata: a\n\n", ["a"]), (b"id: 1\nretry: 2\ndata: a\n\n", ["a"]), ("data: \u706f\n\n".encode(), ["\u706f"]), (b"event: error\ndata: a\n\n", None)):
        for k in range(len(data) + 1):
            try:
                got = list(readers.node_events([data[:k], data[k:]]))
            except readers.Throws:
                got = None
            check(got == want, "%r cut at %d: %r, want %r", data, k, got, want)


def test_refusals_of_the_server():
    s = server(MODEL)
    for path, body, kind, code, param in (
            (CHAT, {**ASK, "temperature": 9}, "BadRequestError", "invalid_value", "temperature"), (CHAT, {**ASK, "model": "zz"}, "NotFoundError", "model_not_found", "model"),
            (CHAT, {**ASK, "messages": [{"role": "user", "content": "w " * 9000}]}, "BadRequestError", "context_length_exceeded", "messages"),
            ("/v1/nothing", {}, "NotFoundError", None, None), (CHAT, b"{", "BadRequestError", None, None)):
        for stream in (False, True):
            b = body if isinstance(body, bytes) else {**body, "stream": stream}
            r = s.post(path, b)
            e = readers.node_error(r.status, r.headers, r.body)
            check(e["class"] == kind and (code is None or e["code"] == code) and (param is None or e["param"] == param), "%s %s: %s", path, str(b)[:60], e)
            check(isinstance(e["code"], str) and e["type"] == "invalid_request_error" and e["request_id"] and not e["again"], "%s: asked once, and told all: %s", path, e)


def test_a_full_queue_is_asked_again_in_time():
    s = server(MODEL, "--parallel", "1", "--queue", "1")
    held = [s.connect() for _ in range(5)]
    for k, c in enumerate(held):
        c.sendall(request_bytes("POST", CHAT, {**ASK, "max_tokens": 1500, "seed": k, "temperature": 1, "stream": True, "logit_bias": NO_END}))
    heads = []
    for c in held:
        reader = Reader(c)
        status, headers = reader.head()
        if status != 200:
            heads.append(readers.node_error(status, headers, reader.exactly(int(dict((k.lower(), v) for k, v in headers)["content-length"]))))
    check(heads and all(e["class"] == "RateLimitError" and e["code"] == "queue_full" and e["again"] and e["wait_ms"] for e in heads), "%s", heads)
    for c in held:
        c.close()
    check(s.idle(), "nothing is left")


def test_a_stream_reads_the_same_however_its_bytes_come():
    s = server(MODEL)
    r, _ = s.stream(CHAT, {**ASK, "stream_options": {"include_usage": True}})
    whole = list(readers.node_events([r.body]))
    check(len(whole) >= 4 and r.body.endswith(b"\n\ndata: [DONE]\n\n") and r.body.count(b"[DONE]") == 1, "its end: %r", r.body[-80:])
    for k in range(len(r.body) + 1):
        if list(readers.node_events([r.body[:k], r.body[k:]])) != whole:
            check(False, "cut at byte %d", k)
    check(list(readers.node_events(r.body[k:k + 1] for k in range(len(r.body)))) == whole, "byte by byte")
    for k, text in enumerate(whole):  # each event is an object with choices; the last has none, and the usage
        v = json.loads(text)
        check(isinstance(v["choices"], list) and bool(v["choices"]) == (k < len(whole) - 1) and (v["usage"] is None) == (k < len(whole) - 1), "%s", text)
    check(readers.node(r.body)[0]["finish"] in ("stop", "length"), "and the helper is content")


def test_a_loop_that_breaks_off_ends_the_request():
    """`for await (...) break` and controller.abort() close the connection."""
    s = server(MODEL)
    before = s.metric("vllm:request_success_total", 'finished_reason="abort"') or 0
    for k in range(4):
        c = s.connect(receive=16384)
        c.sendall(request_bytes("POST", CHAT, {**ASK, "stream": True, "max_tokens": 1900, "n": 2, "temperature": 1, "seed": k, "logprobs": True, "top_logprobs": 20, "logit_bias": NO_END}))
        reader = Reader(c)
        status, _ = reader.head()
        check(status == 200, "%d", status)
        while reader.buf.count(b"\n\n") <= k and reader.more():
            pass
        c.close()
    check(s.idle(), "something is left: %s", s.busy())
    check((s.metric("vllm:request_success_total", 'finished_reason="abort"') or 0) == before + 8, "each choice was cut short")
