"""Drives a running `glim serve` over plain sockets and http.client: python3 serve_checks.py PORT MODEL WHAT.

Prints one line for each check that fails, and "N passed, N failed" at the end."""
import http.client
import json
import os
import random
import re
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import checks
from checks import check, done

port, model, what = int(sys.argv[1]), sys.argv[2], sys.argv[3]
SANITIZED = bool(os.environ.get("GLIM_SANITIZED"))  # the server is several times slower: fewer of the same


def call(method, path, body=None, headers=None):
    return checks.call(port, method, path, body, headers)


def post(path, body):
    r, text = call("POST", path, body)
    return r.status, json.loads(text)


def events(text):
    """The data of each event, held to the framing rules."""
    check(text.endswith(b"data: [DONE]\n\n"), "a stream ends with [DONE]")
    out = []
    for part in text.decode("utf-8").split("\n\n")[:-1]:
        if part.startswith(":"):
            continue
        check(part.startswith("data: ") and "\n" not in part, "one data line an event: " + part[:80])
        out.append(part[6:])
    check(out.count("[DONE]") == 1, "[DONE] once")
    return [json.loads(x) for x in out[:-1]]


def accumulate(chunks, chat):
    """What a client's accumulator makes of the chunks; every rule of the stream is checked on the way."""
    choices, usage = {}, None
    ids = {c["id"] for c in chunks}
    check(len(ids) == 1, "one id in all chunks")
    for n, c in enumerate(chunks):
        check(c["object"] == ("chat.completion.chunk" if chat else "text_completion") and isinstance(c["created"], int) and c["model"], "chunk keys")
        check(isinstance(c["choices"], list), "choices is a list")
        if not c["choices"]:
            check(n == len(chunks) - 1 and c["usage"], "a chunk without choices is the last and has usage")
            usage = c["usage"]
        for k in c["choices"]:
            i = k["index"]
            if i not in choices:
                check(i == len(choices), "choices appear in order")
                choices[i] = {"text": "", "reasoning": "", "calls": [], "finish": None, "lp": [], "role": None}
            a = choices[i]
            check(a["finish"] is None, "nothing after the finish reason")
            check("finish_reason" in k and "logprobs" in k, "choice keys")
            if k["logprobs"]:
                if chat:
                    a["lp"] += k["logprobs"]["content"]
                else:
                    a["lp"] += list(zip(k["logprobs"]["tokens"], k["logprobs"]["token_logprobs"], k["logprobs"]["text_offset"]))
            a["finish"] = k["finish_reason"]
            if not chat:
                a["text"] += k["text"]
                continue
            d = k["delta"]
            if a["role"] is None:
                check(d == {"role": "assistant", "content": ""}, "the first chunk of a choice is its role")
                a["role"] = d["role"]
                continue
            check("role" not in d, "role once")
            a["text"] += d.get("content", "")
            a["reasoning"] += d.get("reasoning_content", "")
            seen = set()
            for t in d.get("tool_calls", []):
                check(t["index"] not in seen, "one entry an index")
                seen.add(t["index"])
                if t["index"] == len(a["calls"]):
                    check(t["id"] and t["type"] == "function" and t["function"]["name"] and t["function"]["arguments"] == "", "a call's head")
                    a["calls"].append([t["function"]["name"], ""])
                else:
                    check(set(t) == {"index", "function"} and set(t["function"]) == {"arguments"}, "a call's fragment")
                    a["calls"][t["index"]][1] += t["function"]["arguments"]
    for a in choices.values():
        check(a["finish"] in ("stop", "length", "tool_calls"), "a finish reason")
    return choices, usage


def whole(reply, chat):
    out = {}
    for k in reply["choices"]:
        if chat:
            m = k["message"]
            check(m["role"] == "assistant" and m["refusal"] is None and "content" in m, "message keys")
            calls = [[t["function"]["name"], t["function"]["arguments"]] for t in m.get("tool_calls", [])]
            lp = k["logprobs"]["content"] if k["logprobs"] else []
            out[k["index"]] = {"text": m["content"] or "", "reasoning": m.get("reasoning_content", ""), "calls": calls, "finish": k["finish_reason"], "lp": lp}
        else:
            p = k["logprobs"]
            lp = list(zip(p["tokens"], p["token_logprobs"], p["text_offset"])) if p else []
            out[k["index"]] = {"text": k["text"], "reasoning": "", "calls": [], "finish": k["finish_reason"], "lp": lp}
    u = reply["usage"]
    check(u["total_tokens"] == u["prompt_tokens"] + u["completion_tokens"], "usage adds up")
    return out


TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"q": {"type": "string", "maxLength": 8}, "n": {"type": "integer"}},
        "required": ["q", "n"], "additionalProperties": False}, "strict": True}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"enum": ["x", "y"]}}, "required": ["a", "b"], "additionalProperties": False}


def basics():
    r, text = call("GET", "/health")
    check(r.status == 200 and json.loads(text) == {"status": "ok"} and r.getheader("x-request-id"), "/health")
    check(r.getheader("Access-Control-Allow-Origin") is None, "no CORS")
    check(call("GET", "/live")[0].status == 200, "/live")
    for path in ("/v1/models", "/models", "/v1/models/", "/v1/models?x=1"):
        r, text = call("GET", path)
        m = json.loads(text)
        check(r.status == 200 and m["object"] == "list" and {"id", "object", "created", "owned_by"} <= set(m["data"][0]), path)
    check(call("GET", "/v1/models/" + model)[0].status == 200 and call("GET", "/v1/models/other")[0].status == 404, "one model")
    r, text = call("HEAD", "/health")
    check(r.status == 200 and text == b"", "HEAD")
    r, text = call("GET", "/nothing")
    check(r.status == 404 and json.loads(text)["error"]["code"] == "unknown_url", "404")
    r, text = call("GET", "/v1/chat/completions")
    check(r.status == 405 and r.getheader("Allow") == "POST" and json.loads(text)["error"]["code"] == "method_not_allowed", "405")
    r, text = call("DELETE", "/v1/models")
    check(r.status == 405 and r.getheader("Allow") == "GET, HEAD", "405 on GET")
    s, t = post("/tokenize", {"prompt": "hello \u4f60\u597d", "add_special_tokens": False})
    check(s == 200 and t["count"] == len(t["tokens"]) > 0, "/tokenize")
    s, d = post("/v1/detokenize", {"tokens": t["tokens"]})
    check(s == 200 and d["prompt"] == "hello \u4f60\u597d", "/detokenize")
    check(post("/detokenize", {"tokens": [10 ** 9]})[0] == 400, "/detokenize: a bad id")
    check(post("/tokenize", {"messages": [{"role": "user", "content": "x"}]})[1]["count"] > 1, "/tokenize: messages")
    r, text = call("GET", "/metrics")
    for name in (b"vllm:num_requests_running", b"vllm:kv_cache_usage_perc", b"vllm:time_to_first_token_seconds_bucket", b"vllm:generation_tokens_total"):
        check(name in text, name.decode())
    check(r.getheader("Content-Type").startswith("text/plain"), "/metrics type")


def bad():
    chat = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    for change, status, code, param in ((dict(temperature=3), 400, "invalid_value", "temperature"), (dict(model="zz"), 404, "model_not_found", "model"),
                                        (dict(messages=[{"role": "user", "content": "w " * 9000}]), 400, "context_length_exceeded", "messages"),
                                        (dict(n=1e9), 400, "invalid_value", "n"), (dict(stream_options={}), 400, "invalid_value", "stream_options"),
                                        (dict(response_format={"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {"not": {}}}}), 400, "unsupported_value", "response_format")):
        s, b = post("/v1/chat/completions", {**chat, **change})
        e = b["error"]
        check(s == status and e["code"] == code and e["param"] == param and set(e) == {"message", "type", "param", "code"}, "%s: %s %s" % (str(change)[:60], s, b))
    for body in (b"", b"{", b"[" * 500 + b"]" * 500, b'{"a": 1, "a": 2}', b'\xff', b'{"model": "\\ud800"}', b"{} x", b'{"n": 1e999}'):
        r, text = call("POST", "/v1/chat/completions", body)
        check(r.status == 400 and json.loads(text)["error"]["type"] == "invalid_request_error", "%r: %d %r" % (body[:20], r.status, text[:200]))
    r, text = call("POST", "/v1/chat/completions", b"[" * 500 + b"]" * 500)
    check(r.getheader("Connection") == "close", "a depth bomb closes the connection")
    rnd = random.Random(5)
    for _ in range(100 if SANITIZED else 200):  # whatever comes, the answer is one of ours
        values = [None, -1, 0, 1, 1e300, "x", "", [], {}, True, [1], {"a": 1}, 2 ** 62, -2 ** 63, 0.5]
        body = dict(chat)
        for key in rnd.sample(["temperature", "top_p", "n", "stop", "seed", "logit_bias", "messages", "model", "tools", "tool_choice", "stream", "max_tokens", "logprobs",
                               "top_logprobs", "response_format", "stream_options", "reasoning_effort", "parallel_tool_calls", "frequency_penalty"], 2):
            body[key] = rnd.choice(values)
        r, text = call("POST", "/v1/chat/completions", body)
        ok = r.status in (200, 400, 404)
        if ok and r.status != 200:
            ok = set(json.loads(text)["error"]) == {"message", "type", "param", "code"}
        check(ok, "%s: %d %r" % (body, r.status, text[:100]))


def streams():
    rnd = random.Random(7)
    for k in range(30 if SANITIZED else 60):
        chat = k % 3 != 2
        body = {"model": model, "seed": k, "temperature": rnd.choice([0, 1, 1.5]), "max_tokens": rnd.randrange(1, 40), "n": rnd.choice([1, 1, 2, 3])}
        body["max_tokens"] = rnd.randrange(1, 40)
        if rnd.random() < 0.3:
            body["stop"] = rnd.choice([["e"], [" t", "a"], "\n"])
        if rnd.random() < 0.3:
            body["logprobs"] = True if chat else 2
            if chat:
                body["top_logprobs"] = 2
        if chat:
            body["messages"] = [{"role": "system", "content": "s"}, {"role": "user", "content": "word %d" % k}]
            if rnd.random() < 0.4:
                body["tools"] = [TOOL]
                body["tool_choice"] = rnd.choice(["auto", "required", {"type": "function", "function": {"name": "look"}}])
                body["max_tokens"] = 120
            elif rnd.random() < 0.4:
                body["response_format"] = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA, "strict": True}}
                body["max_tokens"] = 200
        else:
            body["prompt"] = rnd.choice(["once", ["a b", "c d"], [5, 6, 7], [[5, 6], [9]]])
            body["echo"] = rnd.random() < 0.3
        path = "/v1/chat/completions" if chat else "/v1/completions"
        s, reply = post(path, body)
        check(s == 200, "%s: %s" % (body, reply))
        if s != 200:
            continue
        want = whole(reply, chat)
        r, text = call("POST", path, {**body, "stream": True, "stream_options": {"include_usage": True}})
        check(r.status == 200 and r.getheader("Content-Type") == "text/event-stream" and r.getheader("Cache-Control") == "no-cache", "stream headers")
        got, usage = accumulate(events(text), chat)
        for a in got.values():
            a.pop("role")
        check(got == want, "request %d: stream %s, whole %s" % (k, got, want))
        for key in ("prompt_tokens", "completion_tokens", "total_tokens", "completion_tokens_details"):
            check(usage[key] == reply["usage"][key], "usage of both: %s" % key)
        for a in want.values():
            if "response_format" in body and "stop" not in body and a["finish"] == "stop":
                v = json.loads(a["text"])
                check(isinstance(v["a"], bool) and v["b"] in "xy", "the schema holds: " + a["text"])
            if body.get("tool_choice", "auto") != "auto" and "stop" not in body and a["finish"] != "length":
                check(a["finish"] == "tool_calls" and a["calls"] and all(c[0] == "look" and isinstance(json.loads(c[1])["n"], int) for c in a["calls"]),
                      "a call that was demanded: %s" % a)
    r, text = call("POST", "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "x"}], "max_tokens": 3, "stream": True})
    check(all(c["choices"] and "usage" not in c for c in events(text)), "no usage where nobody asked")


def auth():
    """argv: a key for inference with 3 requests a minute, one with only the scope usage, one that expires or is revoked by the test."""
    good, narrow, dead = sys.argv[4:7]
    body = {"model": model, "prompt": "x", "max_tokens": 2}

    def ask(key, path="/v1/completions", method="POST", b=body):
        r, text = call(method, path, b if method == "POST" else None, {"Authorization": key} if key else {})
        return r, json.loads(text) if text.startswith(b"{") else text

    for _ in range(100):  # the server learns of keys within 0.2 s
        if ask(None, "/v1/models", "GET")[0].status == 401 and ask("Bearer " + narrow, "/v1/models", "GET")[0].status == 200 and ask("Bearer " + dead, "/v1/models", "GET")[0].status == 401:
            break
        time.sleep(0.05)
    for key in (None, "Bearer", "Bearer ", "Basic abc", "Bearer glim_aaaaaa_" + "b" * 43, "Bearer " + good[:-1], "Bearer " + good + "x", "Bearer " + dead, "Bearer " + "z" * 5000):
        r, b = ask(key)
        check(r.status == 401 and b["error"]["type"] == "authentication_error" and b["error"]["code"] == "invalid_api_key" and r.getheader("WWW-Authenticate") and r.getheader("x-request-id"), "401 for %r: %s" % (key and key[:20], b))
    r, b = ask("Bearer " + narrow)
    check(r.status == 403 and b["error"]["type"] == "permission_error", "403: %s" % b)
    for path, status in (("/health", 200), ("/live", 200), ("/", 200), ("/v1/models", 401), ("/metrics", 401)):
        check(ask(None, path, "GET")[0].status == status, path + " without a key")
    check(ask("bearer " + narrow, "/v1/models", "GET")[0].status == 200, "any live key lists models")
    for k in range(3):
        r, b = ask("Bearer " + good)
        check(r.status == 200 and r.getheader("x-ratelimit-limit-requests") == "3" and r.getheader("x-ratelimit-remaining-requests") == str(2 - k), "%d of 3: %s" % (k, b))
    r, b = ask("Bearer " + good)
    check(r.status == 429 and b["error"]["type"] == "rate_limit_error" and 0 < int(r.getheader("retry-after-ms")) <= 21000 and 1 <= int(r.getheader("retry-after")) <= 21, "429: %s" % b)


def connect():
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def closed(s):
    """Whether the server closes this connection while we wait (a minute, against a hang)."""
    s.settimeout(60)
    try:
        while s.recv(65536):
            pass
        return True
    except ConnectionResetError:
        return True
    except socket.timeout:
        return False


def deadlines():
    """The server was started with --client-timeout 1."""
    head = b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
    held = []
    for name, data in (("nothing", b""), ("half a head", head[:30]), ("a head without its end", head), ("half a body", head + b"\r\n{")):
        s = connect()
        s.sendall(data)
        held.append((name, s))
    s = connect()  # half a second request
    s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    check(s.recv(4096).startswith(b"HTTP/1.1 200"), "the first of two requests")
    s.sendall(head)
    held.append(("half a second request", s))
    before = gauge("glim_http_responses_total", 'status="4xx"')
    for name, s in held:
        s.settimeout(60)
        got = b""
        try:
            while part := s.recv(4096):
                got += part
        except OSError as why:
            check(False, "closed after %s: %s" % (name, why))
        if name == "nothing":
            check(got == b"", "closed without a word after nothing, got %r" % got)
            continue
        top, _, body = got.partition(b"\r\n\r\n")
        check(top.startswith(b"HTTP/1.1 408 ") and b"\r\nConnection: close" in top and b"\r\nx-request-id: req_" in top and b"Content-Length: %d" % len(body) in top, "408 after %s, got %r" % (name, got))
        e = json.loads(body or b"{}").get("error")
        check(e and e["type"] == "timeout" and e["code"] == "request_timeout" and e["param"] is None and "1 s" in e["message"], "the error after %s: %s" % (name, e))
    check(gauge("glim_http_responses_total", 'status="4xx"') == before + 4, "they are counted")
    s = connect()  # a trickle does not move the deadline
    out = b""
    try:
        for k in range(600):
            s.sendall(b"X" if k else head + b"A: ")
            time.sleep(0.1)
        check(False, "a trickle keeps a connection for a minute")
    except OSError:
        check(True, "")
    s = connect()  # kept alive between two requests, within the time
    for _ in range(3):
        s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        got = s.recv(4096)
        check(got.startswith(b"HTTP/1.1 200"), "keep-alive")
    s.settimeout(60)
    check(s.recv(4096) == b"", "an idle connection is closed without a word")
    body = json.dumps({"model": model, "prompt": "x", "max_tokens": 1500, "n": 8, "stream": True, "ignore_eos": True, "logprobs": 5, "temperature": 1.5}).encode()
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.connect(("127.0.0.1", port))
    s.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    quick = post("/v1/completions", {"model": model, "prompt": "y", "max_tokens": 5})  # others are served beside one that does not read
    check(quick[0] == 200, "a slow reader holds nobody up")
    wait_until(lambda: gauge("vllm:num_requests_running") == 0 and gauge("glim_ledger_open") == 0, "a client that does not read is left")
    s.close()


def wait_until(fn, what):
    deadline = time.time() + 60  # a bound for a hang, not a measurement
    while time.time() < deadline:
        if fn():
            return check(True, what)
        time.sleep(0.05)
    check(False, what)


def crowd():
    """1,000 half requests lie about; real ones are answered beside them."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n = 1000 if hard == resource.RLIM_INFINITY or hard > 1200 else hard - 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, n + 100) if hard != resource.RLIM_INFINITY else n + 100, hard))
    held = []
    for k in range(n):
        s = connect()
        s.sendall((b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{", b"GET /v1/mod", b"POST /tokenize HTTP/1.1\r\nHost: x\r\n")[k % 3])
        held.append(s)
    check(gauge("glim_connections") > n, "they are held")
    for k in range(20):
        check(post("/v1/completions", {"model": model, "prompt": "a %d" % k, "max_tokens": 4})[0] == 200, "answered in a crowd")
    for k, s in enumerate(held):  # one of them goes on after all
        if k % 3 == 1 and k > n - 4:
            s.sendall(b"els HTTP/1.1\r\nHost: x\r\n\r\n")
            check(s.recv(4096).startswith(b"HTTP/1.1 200"), "a half request may be finished")
    for s in held:
        s.close()
    wait_until(lambda: gauge("glim_connections") < 20, "closed connections are forgotten")


def budget():
    """argv: a key with a budget of 150 tokens."""
    h = {"Authorization": "Bearer " + sys.argv[4]}
    body = {"model": model, "messages": [{"role": "user", "content": "x"}], "ignore_eos": True, "logit_bias": {str(i): -100 for i in range(306, 320)}}  # nor does the template end it
    for _ in range(100):
        r, text = call("GET", "/v1/models", None, h)
        if r.status == 200:
            break
        time.sleep(0.05)
    r, text = call("POST", "/v1/chat/completions", {**body, "max_tokens": 1000}, h)
    e = json.loads(text)["error"]
    check(r.status == 429 and e["code"] == "insufficient_quota" and r.getheader("x-should-retry") == "false", "more than the budget: %s" % e)
    said = re.fullmatch(r'the token budget of key "glim_.{6}" is too small for this request: 150 of 150 \(month\) are left, got a prompt of (\d+) and up to (\d+) for the answer; '
                        r"ask for at most (\d+) tokens \(max_tokens times n\), or leave max_tokens out to get what is left", e["message"])
    check(said and int(said[1]) + int(said[3]) == 150, "what is left, what was asked, what would do: %s" % e["message"])
    r, text = call("POST", "/v1/chat/completions", {**body, "stream": True, "stream_options": {"include_usage": True}}, h)
    check(r.status == 200, "without max_tokens it takes what there is: %r" % text[:200])
    got, usage = accumulate(events(text), True)
    check(got[0]["finish"] == "length" and usage["total_tokens"] == 150, "the budget ends it: %s %s" % (got[0]["finish"], usage))
    r, text = call("POST", "/v1/chat/completions", body, h)
    check(r.status == 429 and json.loads(text)["error"]["code"] == "insufficient_quota", "and then it is spent: %r" % text)


def origins():
    """A server without keys answers no strange web pages."""
    for origin, status in ((None, 200), ("http://localhost:3000", 200), ("http://127.0.0.1:%d" % port, 200), ("http://[::1]:1", 200), ("https://evil.example", 403), ("null", 403),
                           ("http://localhost.evil.example", 403), ("http://127.0.0.1.evil.example", 403), ("file://", 403)):
        r, text = call("POST", "/tokenize", {"prompt": "x"}, {"Origin": origin} if origin else {})
        check(r.status == status and r.getheader("Access-Control-Allow-Origin") is None, "origin %s: %d" % (origin, r.status))


def cors():
    """The server was started with --cors https://shop.example --reasoning-alias."""
    for origin, ok in (("https://shop.example", True), ("https://other.example", False)):
        r, text = call("OPTIONS", "/v1/chat/completions", None, {"Origin": origin, "Access-Control-Request-Method": "POST"})
        check(r.status == 204 and (r.getheader("Access-Control-Allow-Origin") == origin) == ok and r.getheader("Access-Control-Allow-Credentials") is None, "preflight of " + origin)
        # what openai-node asks for from a browser; a header that is not allowed stops the call there
        allowed = {h.strip().lower() for h in (r.getheader("Access-Control-Allow-Headers") or "").split(",")}
        asked = {"authorization", "content-type", "idempotency-key", "openai-organization", "openai-project", "user-agent"} | {
            "x-stainless-" + h for h in ("lang", "os", "arch", "runtime", "runtime-version", "package-version", "retry-count", "timeout", "helper-method")}
        check(asked <= allowed and "*" not in allowed, "headers that an SDK may send: without " + ", ".join(sorted(asked - allowed)))
        r, text = call("POST", "/tokenize", {"prompt": "x"}, {"Origin": origin})
        check(r.status == (200 if ok else 403) and (r.getheader("Access-Control-Allow-Origin") == origin) == ok and r.getheader("Vary") == "Origin", "a call of " + origin)
        shown = r.getheader("Access-Control-Expose-Headers") or ""
        check(not ok or all(h in shown for h in ("x-request-id", "retry-after-ms", "x-should-retry", "x-ratelimit-remaining-tokens")), "headers that a page may read: " + shown)


def gauge(name, label=""):
    for line in call("GET", "/metrics")[1].decode().split("\n"):
        if line.startswith((name + "{", name + " ")) and label in line:
            return float(line.split()[-1])
    return None


def disconnect():
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}], "max_tokens": 100000, "logit_bias": {}, "stream": True, "temperature": 1.5}).encode()
    quiet = json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}], "max_tokens": 100000}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    for k in range(12):
        b = quiet if k % 3 == 0 else body
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall((head % len(b)).encode() + b)
        got = b""
        while k % 3 and got.count(b"data:") < k and not got.endswith(b"0\r\n\r\n"):
            part = s.recv(4096)
            if not part:
                break
            got += part
        s.close()
    deadline = time.time() + 60  # a bound for a hang, not a measurement
    while time.time() < deadline and (gauge("vllm:num_requests_running") or gauge("vllm:num_requests_waiting")):
        time.sleep(0.05)
    check(gauge("vllm:num_requests_running") == 0 and gauge("vllm:num_requests_waiting") == 0, "clients that left leave nothing behind")
    check(gauge("vllm:kv_cache_usage_perc") == 0, "no page is held")
    check(call("GET", "/health")[0].status == 200, "the server lives on")


def raw(data):
    """Everything the server says until it closes, or until it is silent after a whole answer."""
    s = socket.create_connection(("127.0.0.1", port), timeout=3)
    s.sendall(data)
    got = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                return got, True
            got += part
    except socket.timeout:
        return got, False
    except ConnectionResetError:
        return got, True
    finally:
        s.close()


def answered(got):
    """Whether any request was served."""
    return any(line.startswith(b"HTTP/1.") and b" 200" in line for line in got.split(b"\n")) or b'{"status"' in got


def smuggling():
    hidden = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"
    p = b"POST /tokenize HTTP/1.1\r\n"
    h = b"Host: x\r\n"
    cases = {"CL and TE": p + h + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "TE identity": p + h + b"Transfer-Encoding: identity\r\n\r\n",
             "TE gzip, chunked": p + h + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
             "TE chunked, identity": p + h + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
             "TE xchunked": p + h + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
             "two TE": p + h + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "two CL, equal": p + h + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
             "two CL, different": p + h + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
             "CL list": p + h + b"Content-Length: 2, 2\r\n\r\n{}",
             "CL +2": p + h + b"Content-Length: +2\r\n\r\n{}",
             "CL -2": p + h + b"Content-Length: -2\r\n\r\n{}",
             "CL 0x2": p + h + b"Content-Length: 0x2\r\n\r\n{}",
             "CL 2 2": p + h + b"Content-Length: 2 2\r\n\r\n{}",
             "CL empty": p + h + b"Content-Length: \r\n\r\n{}",
             "CL huge": p + h + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
             "space before the colon": p + h + b"Content-Length : 2\r\n\r\n{}",
             "two Hosts": p + h + h + b"Content-Length: 2\r\n\r\n{}",
             "no Host": p + b"Content-Length: 2\r\n\r\n{}",
             "TE in HTTP/1.0": b"POST /tokenize HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "huge headers": p + h + b"X: " + b"a" * 200000 + b"\r\n\r\n"}
    for name, data in cases.items():
        got, closed = raw(data + hidden)
        status = got.split(b" ")[1] if got.startswith(b"HTTP/1.") else b""
        want = (b"400", b"431", b"413") if name in ("huge headers", "CL huge") else (b"400",)
        check(status in want or (name == "huge headers" and got == b""), "%s: %r" % (name, got[:100]))
        check(closed, name + ": the connection is closed")
        check(not answered(got), name + ": no second request: %r" % got)
    for name, data in {"bare LF": p.replace(b"\r", b"") + b"Host: x\nContent-Length: 2\n\n{}", "folded line": p + h + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
                       "NUL": p + h + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}"}.items():
        got, _ = raw(data)
        check(not answered(got), name + ": no second request: %r" % got)
    got, closed = raw(p + h + b"Content-Length: %d\r\n\r\n" % (9 << 20))
    check(got.startswith(b"HTTP/1.1 413") and b'"request_too_large"' in got and closed, "a body over the limit: %r" % got)
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    got, closed = raw(p + h + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 9 + b"0\r\n\r\n")
    check(got.startswith(b"HTTP/1.1 413") and b'"request_too_large"' in got and closed, "a chunked body over the limit: %r" % got)
    got, closed = raw(p + h + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\n{\"pro\r\n" + b"b\r\nmpt\": \"hi\"}\r\n0\r\n\r\n")
    check(got.startswith(b"HTTP/1.1 200"), "a chunked body is read: %r" % got[:60])
    check(call("GET", "/health")[0].status == 200, "the server lives on")


def drain_hold():
    """Starts a stream, prints READY, reads it to its end: the test sends SIGTERM in between."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    c.request("POST", "/v1/completions", json.dumps({"model": model, "prompt": "a", "max_tokens": 500 if SANITIZED else 1900, "n": 4, "stream": True, "temperature": 1.5, "logit_bias": {str(i): -100 for i in map(int, sys.argv[4].split(","))}}))
    r = c.getresponse()
    first = r.read(64)
    print("READY", flush=True)
    rest = first + r.read()
    check(rest.endswith(b"data: [DONE]\n\n"), "a stream that ran at SIGTERM is finished")
    check(len(events(rest)) > 5, "with all of its chunks")


{"basics": basics, "bad": bad, "streams": streams, "disconnect": disconnect, "smuggling": smuggling, "auth": auth, "cors": cors, "deadlines": deadlines, "crowd": crowd, "budget": budget, "origins": origins, "drain": drain_hold}[what]()
sys.exit(done())
