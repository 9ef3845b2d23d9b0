"""Every route: what it answers, in which shape, under which headers; and the official Python SDK against the real server.

A route that this build does not have is skipped by name, so the list of skips is the list of what is missing."""
import base64
import json
import random
import select
import struct
import threading
import time

import ask
import harness
import schema
import sdk
from harness import Reader, Skip, check, request_bytes, server

MODEL, AIR = "glm4", "glm4moe-air"
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
USER = [{"role": "user", "content": "hi"}]
SPECIAL = ["<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", "<think>", "</think>", "<tool_call>",
           "</tool_call>", "<arg_key>", "</arg_value>", "/nothink", "<|im_start|>", "<|im_end|>"]


def fits(table, r, about):
    wrong = schema.errors(table, r.json)
    check(r.status == 200 and not wrong, "%s: %d %s", about, r.status, wrong)
    check((r.header("content-type") or "").startswith("application/json"), "%s: type %r", about, r.header("content-type"))
    return r.json


def need(method, path, body=None):
    """A reply, or a Skip where the route does not exist yet."""
    r = server(MODEL).call(method, path, body)
    if r.status == 404 and r.error["code"] == "unknown_url" or r.status == 501:
        raise Skip("there is no %s here yet" % path.split("?")[0])
    return r


def test_health_models_and_metrics():
    s = server(MODEL)
    for path in ("/health", "/live", "/health/", "/live?x=1"):
        fits("health", s.call("GET", path), path)
    for path in ("/v1/models", "/models", "/v1/models/", "/v1/models?limit=5"):
        got = fits("model_list", s.call("GET", path), path)
        check([m["id"] for m in got["data"]] == [MODEL], "%s: %s", path, got)
    for path in ("/v1/models/" + MODEL, "/models/" + MODEL, "/v1/models/glm%34", "/v1/models/" + MODEL + "/", "/v1/models/" + MODEL + "//?x=1"):
        check(fits("model", s.call("GET", path), path)["id"] == MODEL, "%s", path)
    for path in ("/health", "/v1/models", "/metrics", "/live"):
        r = s.call("HEAD", path)
        check(r.status == 200 and r.body == b"", "HEAD %s: %d", path, r.status)
    ids = {s.call("GET", "/health").header("x-request-id") for _ in range(20)}
    check(len(ids) == 20, "request ids repeat: %s", ids)


def test_metrics_are_prometheus_text_and_count():
    s = server(MODEL)

    def read():
        r = s.call("GET", "/metrics")
        check(r.header("content-type").startswith("text/plain; version=0.0.4"), "type %r", r.header("content-type"))
        values, types = {}, {}
        for line in r.text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                check(name not in types, "two types of %s", name)
                types[name] = kind
            elif not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                check(name not in values, "%s twice", name)
                values[name] = float(value)
                base = name.partition("{")[0]
                check(any(base == t or (types[t] == "histogram" and base in (t + "_bucket", t + "_sum", t + "_count")) for t in types), "%s has no type", base)
        for t, kind in types.items():
            if kind == "histogram":
                buckets = [v for k, v in values.items() if k.startswith(t + "_bucket")]
                check(buckets == sorted(buckets) and buckets[-1] == [v for k, v in values.items() if k.startswith(t + "_count")][0], "%s does not rise to its count", t)
        return {k.partition("{")[0]: v for k, v in values.items() if "_bucket" not in k}

    a = read()
    r = s.post(TEXT, {"model": MODEL, "prompt": [5, 6, 7], "max_tokens": 4, "n": 2, "logit_bias": {"306": -100, "313": -100, "315": -100}}).json
    b = read()
    for name, n in (("vllm:prompt_tokens_total", r["usage"]["prompt_tokens"]), ("vllm:generation_tokens_total", r["usage"]["completion_tokens"]), ("vllm:time_to_first_token_seconds_count", 1),
                    ("vllm:e2e_request_latency_seconds_count", 1), ("vllm:request_max_num_generation_tokens_count", 1), ("vllm:request_max_num_generation_tokens_sum", 4)):
        check(b[name] - a[name] == n, "%s grew by %s, want %s", name, b[name] - a[name], n)
    for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc", "vllm:inter_token_latency_seconds_count", "vllm:request_success_total"):
        check(name in b, "%s is missing", name)


def test_the_log_has_how_often_a_request_was_sent_before():
    s = server(MODEL)
    said = {}
    for v in ("2", "0", None, "-1", "1000", "1 secret=1", "0x1", ""):
        r = s.call("GET", "/v1/models", headers=() if v is None else (("x-stainless-retry-count", v),))
        check(r.status == 200, "%r: %d", v, r.status)
        line = [x for x in open(s.log, errors="replace").read().splitlines() if r.header("x-request-id") in x and " reply " in x]
        said[v] = line[0].partition(" ms=")[2].partition(" ")[2] if check(len(line) == 1, "one line, got %s", line) else None
    check(said == {v: "retry=2" if v == "2" else "" for v in said}, "%s", said)


def test_tokens_there_and_back():
    s = server(MODEL)
    rnd = random.Random(3)
    for k in range(60):
        text = ask.text(rnd, 12) if k else ""
        t = fits("tokenize", s.post(("/tokenize", "/v1/tokenize")[k % 2], {"prompt": text, "add_special_tokens": False}), repr(text))
        check(t["count"] == len(t["tokens"]), "%r: %s", text, t)
        back = fits("detokenize", s.post("/detokenize", {"tokens": t["tokens"]}), repr(text))
        check(back["prompt"] == text, "%r came back as %r", text, back["prompt"])


def test_special_tokens_in_a_clients_text_are_text():
    for m in (MODEL, AIR):
        s = server(m)
        with open(harness.FIXTURES + "/" + m + "/tokenizer.json") as f:
            ids = {t["id"] for t in json.load(f)["added_tokens"]}

        def special(content, role="user"):
            messages = [{"role": role, "content": content}] + ([] if role == "user" else USER)
            return [t for t in s.post("/tokenize", {"messages": messages}).json["tokens"] if t in ids]

        for role in ("user", "system"):
            want = special("x", role)
            for word in SPECIAL:
                for content in (word, "a%sb" % word, word * 3, [{"type": "text", "text": word}]):
                    check(special(content, role) == want, "%s: %r of the %s becomes control tokens", m, content, role)
        got = s.post("/tokenize", {"prompt": "".join(SPECIAL), "add_special_tokens": False}).json["tokens"]
        check(not ids & set(got), "%s: a prompt's words become control tokens: %s", m, ids & set(got))
        r = s.post(CHAT, {"model": m, "messages": [{"role": "user", "content": "".join(SPECIAL)}], "max_tokens": 3})
        check(r.status == 200, "%s: %d %s", m, r.status, r.text[:200])


def test_a_table_notices_what_is_missing():
    """The tables themselves: take each required key away from a real reply, or give it a wrong type, and it must not fit."""
    s = server(MODEL)
    body = {"model": MODEL, "messages": USER, "max_tokens": 120, "logprobs": True, "top_logprobs": 2, "n": 2, "tools": ask.TOOLS, "tool_choice": "required"}
    replies = [("chat_completion", s.post(CHAT, body).json), ("completion", s.post(TEXT, {"model": MODEL, "prompt": "a", "max_tokens": 3, "logprobs": 2}).json),
               ("model_list", s.call("GET", "/v1/models").json), ("error", s.post(CHAT, {}).json), ("tokenize", s.post("/tokenize", {"prompt": "a"}).json)]
    for c in s.stream(CHAT, {**body, "n": 1, "stream_options": {"include_usage": True}})[1]:
        replies.append(("chat_chunk", schema.loads(c)))
    for c in s.stream(TEXT, {"model": MODEL, "prompt": "a", "max_tokens": 3, "logprobs": 2})[1]:
        replies.append(("completion_chunk", schema.loads(c)))
    n = 0
    for table, reply in replies:
        check(not schema.errors(table, reply), "%s: %s", table, schema.errors(table, reply))
        for at, key in schema.paths(schema.table(table), reply):
            for change in ("missing", "wrong"):
                broken = json.loads(json.dumps(reply))
                parent = broken
                for k in at:
                    parent = parent[k]
                if change == "missing":
                    del parent[key]
                else:
                    parent[key] = {"no": ["such"]}
                n += 1
                check(schema.errors(table, broken), "%s: %s.%s %s goes unnoticed", table, ".".join(map(str, at)), key, change)
    check(n > 300, "%d changes", n)


def test_prompts_that_fill_the_context():
    for m in (MODEL, AIR):
        s = server(m)
        n_ctx = s.call("GET", "/v1/models").json["data"][0]["meta"]["ctx"]
        ban = {"306": -100, "313": -100, "315": -100}
        for left in (64, 1) if harness.SANITIZED else (64, 65, 2, 1):
            ids = [70 + k % 200 for k in range(n_ctx - left)]
            whole = ask.compare(s, TEXT, {"model": m, "prompt": ids, "max_tokens": 500, "seed": 1, "temperature": 1, "logit_bias": ban}, "%s: %d left" % (m, left))
            if whole:
                u = whole["usage"]
                check(whole["choices"][0]["finish_reason"] == "length" and u["completion_tokens"] == left + 1 and u["prompt_tokens"] == len(ids), "%s: %d left: %s", m, left, u)
        text = "word " * 5000
        lo = s.post("/tokenize", {"messages": [{"role": "user", "content": ""}]}).json["count"]
        per = s.post("/tokenize", {"prompt": "word " * 100, "add_special_tokens": False}).json["count"] / 100
        text = "word " * int((n_ctx - 64 - lo) / per)
        r = s.post(CHAT, {"model": m, "messages": [{"role": "user", "content": text}], "max_completion_tokens": 500,
                           "logit_bias": {str(i): -100 for i in range(306, 320)}})  # marks of roles end a chat's reply too
        check(r.status == 200 and r.json["choices"][0]["finish_reason"] == "length" and r.json["usage"]["total_tokens"] <= n_ctx + 1, "%s: a chat near the end: %d %s", m, r.status, r.text[:200])
        r = s.post(TEXT, {"model": m, "prompt": [70] * (n_ctx + 1), "max_tokens": 1})
        check(r.status == 400 and r.error["code"] == "context_length_exceeded", "%s: one too many: %d %s", m, r.status, r.text[:200])


def test_a_call_that_was_cut_is_taken_back():
    """finish_reason "length" in a call: its arguments go as far as they got, and a client sends the message back."""
    for model in (MODEL, AIR):
        s = server(model)
        whole = '{"city": "P\\u00e4r\\"", "n": -1.5e3, "l": [true, {"k": null}], "e": {}}'
        for cut, status in [(whole[:n], 200) for n in range(len(whole) + 1)] + [('{"a" 1}', 400), ('{"a": x', 400), ('Paris', 400)]:
            call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": cut}}
            r = s.post(CHAT, {"model": model, "max_tokens": 1, "messages": USER + [{"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}, {"role": "user", "content": "go on"}]})
            check(r.status == status, "%s, arguments %r: %d %s", model, cut, r.status, r.text[:200])


def test_calls_in_the_form_before_tools_are_calls():
    made = {"name": "f", "arguments": '{"a": 1}'}
    new = [{"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": made}]}, {"role": "tool", "tool_call_id": "c1", "content": "x"}]
    old = [{"role": "assistant", "content": None, "function_call": made}, {"role": "function", "name": "f", "content": "x"}]
    for model in (MODEL, AIR):
        s = server(model)
        said = [s.post("/tokenize", {"model": model, "messages": USER + more}) for more in (new, old)]
        check(all(r.status == 200 for r in said) and said[0].json["tokens"] == said[1].json["tokens"], "%s: %s", model, [r.text[:200] for r in said])
        r = s.post(CHAT, {"model": model, "messages": USER + old, "max_tokens": 1})
        check(r.status == 200, "%s: %d %s", model, r.status, r.text[:200])


def test_a_stream_that_waits_says_so():
    body = {"model": MODEL, "prompt": "a", "max_tokens": 8, "seed": 4, "temperature": 1, "stream": True, "logit_bias": {str(i): -100 for i in range(306, 320)}}
    pings = {}
    for flags in ((), ("--ping", "0.05")):
        s = server(MODEL, "--parallel", "1", *flags)
        first = []
        for i in range(6):  # one writes, the others wait before ours
            c = s.connect()
            c.sendall(request_bytes("POST", TEXT, {**body, "stream": False, "max_tokens": 500 if harness.SANITIZED else 1900, "seed": i}))
            first.append(c)
        check(harness.eventually(lambda: s.metric("vllm:num_requests_waiting") >= 5), "they wait")
        r, chunks = s.stream(TEXT, body)
        check(r.status == 200 and "".join(schema.loads(c)["choices"][0]["text"] for c in chunks) != "", "%d %s", r.status, r.text[:200])
        parts = r.body.split(b"\n\n")
        pings[flags] = parts.count(b": ping")
        check(not pings[flags] or parts[0] == b": ping", "the first comes before the first token: %s", parts[:3])
        for c in first:
            check(Reader(c).reply("POST").status == 200, "the others are answered")
            c.close()
    check(pings[()] == 0 and pings["--ping", "0.05"] >= 1, "%s", pings)


def test_a_prompt_seen_before_is_cached_and_its_answer_the_same():
    s = server(MODEL)
    body = {"model": MODEL, "prompt": "cached " * 60, "max_tokens": 12, "seed": 5, "temperature": 1}
    a, b = s.post(TEXT, body).json, s.post(TEXT, body).json
    cold, warm = (x["usage"]["prompt_tokens_details"]["cached_tokens"] for x in (a, b))
    check(a["choices"] == b["choices"], "the cache changes an answer: %s, %s", a["choices"], b["choices"])
    check(cold == 0 and warm >= 64 and warm < b["usage"]["prompt_tokens"], "cached %s, then %s of %s", cold, warm, b["usage"]["prompt_tokens"])


def test_grammars_that_cannot_go_on_end_one_request_only():
    s = server(MODEL)
    for about, fmt in (("no value at all", {"enum": []}), ("a range without numbers", {"type": "integer", "minimum": 5, "maximum": 4}), ("a string too short to be long", {"type": "string", "minLength": 5, "maxLength": 2}),
                       ("a pattern that nothing matches", {"type": "string", "pattern": "^a$b"}), ("an endless recursion", {"$ref": "#"}), ("a required property that is nothing", {"type": "object", "properties": {"a": {"enum": []}}, "required": ["a"], "additionalProperties": False})):
        for stream in (False, True):
            body = {"model": MODEL, "messages": USER, "max_tokens": 40, "response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": fmt}}}
            if stream:
                r, _ = s.stream(CHAT, body)
            else:
                r = s.post(CHAT, body)
            check(r.status == 400 and r.error["param"] == "response_format", "%s: %d %s", about, r.status, r.text[:200])
    # Nothing stands behind the value, whatever the client says about stop tokens.
    for seed in range(4):
        word = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": {"enum": ["a"]}}}
        r = s.post(CHAT, {"model": MODEL, "messages": USER, "max_tokens": 60, "seed": seed, "ignore_eos": True, "response_format": word})
        if check(r.status == 200, "ignore_eos beside a schema: %d %s", r.status, r.text[:200]):
            c = r.json["choices"][0]
            check(c["finish_reason"] == "length" or json.loads(c["message"]["content"]) == "a", "ignore_eos beside a schema: %s", c)
    # All that the grammar allows is banned by the client: that request ends, in one way or another.
    everything = {str(i): -100 for i in range(320)}
    for body in ({"response_format": {"type": "json_object"}}, {"tools": ask.TOOLS, "tool_choice": "required"}, {}):
        r = s.post(CHAT, {"model": MODEL, "messages": USER, "max_tokens": 5, "logit_bias": everything, **body})
        check(r.status == 400 and r.error["param"] == "logit_bias", "everything banned with %s: %d %s", list(body), r.status, r.text[:200])
    check(s.alive() and s.idle() and s.post(CHAT, {"model": MODEL, "messages": USER, "max_tokens": 1}).status == 200, "the server lives on")


def test_a_full_queue_says_when_to_come_back():
    s = server(MODEL, "--parallel", "1", "--queue", "2")
    body = {"model": MODEL, "messages": USER, "max_tokens": 1900, "temperature": 1, "logit_bias": {str(i): -100 for i in range(306, 320)}}
    held = []

    def crowd():  # one writes, two wait, the others are refused: reading a request is far quicker than answering it
        for k in range(8):
            c = s.connect()
            c.sendall(request_bytes("POST", CHAT, {**body, "seed": k, "stream": k % 2 == 0}))
            held.append(c)

    crowd()
    got = []
    for c in held:
        r = Reader(c).reply("POST")
        harness.hold_to_rules(r, "POST", CHAT)
        got.append(r.status)
        if r.status == 429:
            check(r.error["code"] == "queue_full" and r.header("content-type") == "application/json", "a full queue: %s", r.text[:200])
            check(0 < int(r.header("retry-after-ms") or 0) <= 60000 and 0 < int(r.header("retry-after") or 0) <= 60, "when to come back: %r", r.headers)
        c.close()
    check(got.count(429) >= 1 and got.count(200) >= 1 and got.count(200) + got.count(429) == 8, "a full queue: %s", got)
    try:
        openai = sdk.load()
        held.clear()
        crowd()  # the SDK finds it full, comes back by itself and gets its answer
        client = openai.OpenAI(base_url="http://127.0.0.1:%d/v1" % s.port, api_key="x", max_retries=10)
        answer = client.chat.completions.create(model=MODEL, messages=USER, max_tokens=1)
        check(answer.choices[0].finish_reason in ("length", "stop"), "the SDK's retry: %s", answer)
        for c in held:
            c.close()
    except Skip:
        pass
    check(s.idle() and s.post(CHAT, {"model": MODEL, "messages": USER, "max_tokens": 1}).status == 200, "afterwards there is room again")


def test_only_what_goes_to_the_engine_counts_for_the_queue():
    s = server(MODEL, "--parallel", "2", "--queue", "1")
    held = []
    for k in range(6):  # more than there are desk threads, each with a second's work or so
        c = s.connect()
        c.sendall(request_bytes("POST", "/tokenize", {"prompt": "why is light blue " * 50000}))
        held.append(c)
    time.sleep(0.1)
    r = s.post(CHAT, {"model": MODEL, "messages": USER, "max_tokens": 1})
    check(r.status == 200, "a chat beside texts that are only counted: %d %s", r.status, r.text[:200])
    for c in held:
        check(Reader(c).reply("POST").status == 200, "a text that is counted")
        c.close()


def test_a_whole_reply_that_would_not_fit_is_refused_before_it_costs():
    s = server(MODEL)
    chat = {"model": MODEL, "messages": USER, "n": 128, "logprobs": True, "top_logprobs": 20, "max_tokens": 1900}
    r = s.post(CHAT, chat)
    check(r.status == 400 and r.error["code"] == "reply_too_large" and r.error["param"] == "top_logprobs" and "max_tokens" in r.error["message"], "%d %s", r.status, r.text[:300])
    before = s.metric("vllm:generation_tokens_total")
    for less in ({"max_tokens": 3}, {"max_tokens": 3, "n": 2}):
        check(s.post(CHAT, {**chat, **less}).status == 200, "%s", less)
    check(s.metric("vllm:generation_tokens_total") - before <= 3 * 130, "what was refused was not made")


def test_a_request_can_give_way():
    s = server(MODEL, "--parallel", "1")
    body = {"model": MODEL, "prompt": "a", "temperature": 0, "ignore_eos": True}
    for _ in range(5):  # on a busy machine the first may end before the others have come
        first, later, now = (s.connect() for _ in range(3))
        first.sendall(request_bytes("POST", "/v1/completions", {**body, "max_tokens": 1900, "logprobs": 5, "stream": True}))
        Reader(first).until(b"data: ")  # it runs
        later.sendall(request_bytes("POST", "/v1/completions", {**body, "max_tokens": 1500, "priority": 5}))
        both = harness.eventually(lambda: s.metric("vllm:num_requests_waiting") == 1, 5)
        now.sendall(request_bytes("POST", "/v1/completions", {**body, "max_tokens": 2}))
        both = both and harness.eventually(lambda: s.metric("vllm:num_requests_waiting") == 2, 5)
        first.close()
        if both:
            break
        later.close(), now.close()
    check(both, "both wait")
    ready = select.select([later, now], [], [], harness.PATIENCE)[0]
    check(ready == [now], "the one of lower priority came first")
    for c in (now, later):
        check(Reader(c).reply("POST").status == 200, "both are answered")
        c.close()


def test_a_list_that_has_begun_waits_for_places_in_the_queue():
    """Refused in the middle, it would have been charged for what nobody gets, and be sent again as a whole."""
    s = server(MODEL, "--parallel", "8", "--queue", "2")
    replies = []

    def crowd(k):  # prompts of several lists end in one step, and the queue has two places for what is next of all of them
        for i in range(40):
            with s.connect() as c:
                c.sendall(request_bytes("POST", "/v1/embeddings", {"model": MODEL, "input": ["%d of list %d of %d" % (j, i, k) for j in range(24)]}))
                if k == 0:
                    time.sleep(0.001 * (i % 5))  # one that leaves in the middle is settled too
                else:
                    replies.append(Reader(c).reply("POST"))

    crowds = [threading.Thread(target=crowd, args=(k,)) for k in range(7)]
    [t.start() for t in crowds]
    [t.join() for t in crowds]
    answered = [r.status for r in replies].count(200)
    for r in replies:
        check(r.status == 200 and len(r.json["data"]) == 24 or r.status == 429 and r.error["code"] == "queue_full", "a list in a crowd: %d %s", r.status, r.text[:200])
    with open(s.log, errors="replace") as f:
        lost = [x for x in f if "done id=" in x and "end=failed" in x and "prompt=0 " not in x]
    check(len(replies) == 240 and answered > 0 and not lost, "%d of %d answered, refused in the middle: %s", answered, len(replies), lost[:3])
    check(s.idle() and s.metric("glim_ledger_open") == 0, "and nothing stays reserved")


# ---- routes that may not be there yet ----

def test_embeddings():
    r = need("POST", "/v1/embeddings", {"model": MODEL, "input": "hello"})
    s = server(MODEL)
    one = fits("embeddings", r, "a string")
    floats = one["data"][0]["embedding"]
    check(isinstance(floats, list), "float is what comes where nothing is said")
    check(abs(sum(x * x for x in floats) - 1) < 1e-3, "of length one: %s", sum(x * x for x in floats))
    many = fits("embeddings", s.post("/v1/embeddings", {"model": MODEL, "input": ["hello", "b c", "hello"]}), "strings")
    check([d["index"] for d in many["data"]] == [0, 1, 2], "in order")
    check(many["data"][0]["embedding"] == many["data"][2]["embedding"] != many["data"][1]["embedding"], "equal texts, equal vectors")
    check(max(abs(a - b) for a, b in zip(many["data"][0]["embedding"], floats)) < 1e-6, "alone and in company")
    coded = fits("embeddings", s.post("/v1/embeddings", {"model": MODEL, "input": "hello", "encoding_format": "base64"}), "base64")["data"][0]["embedding"]
    raw = base64.b64decode(coded, validate=True)
    got = struct.unpack("<%df" % (len(raw) // 4), raw)
    check(len(got) == len(floats) and max(abs(a - b) for a, b in zip(got, floats)) < 1e-6, "base64 is little-endian float32")
    for about, v in (("tokens", [5, 6]), ("token arrays", [[5, 6], [7]])):
        got = fits("embeddings", s.post("/v1/embeddings", {"model": MODEL, "input": v}), about)
        check(len(got["data"]) == (2 if isinstance(v[0], list) else 1), "%s: %d vectors", about, len(got["data"]))
    for v in (None, "", [], [""], 5, {}, [None], ["a", ""], [[]], [-1], [10 ** 9], ["a"] * 2049, "w " * 9000, [0.5]):
        r = s.post("/v1/embeddings", {"model": MODEL, "input": v})
        check(r.status == 400 and (r.error["param"] or "").startswith("input"), "%s: %d %s", str(v)[:40], r.status, r.text[:150])
    for more in ({"encoding_format": "int8"}, {"encoding_format": 5}, {"dimensions": 0}, {"dimensions": -1}, {"dimensions": 10 ** 6}, {"dimensions": "x"}):
        r = s.post("/v1/embeddings", {"model": MODEL, "input": "a", **more})
        check(r.status == 400 and r.error["param"] == list(more)[0], "%s: %d %s", more, r.status, r.text[:150])
    check(s.post("/v1/embeddings", {"model": "zz", "input": "a"}).status == 404, "another model")


def test_rerank():
    r = need("POST", "/v1/rerank", {"model": MODEL, "query": "light", "documents": ["a lamp", "a stone", "water"]})
    got = fits("rerank", r, "rerank")
    scores = [x["relevance_score"] for x in got["results"]]
    check(sorted(x["index"] for x in got["results"]) == [0, 1, 2] and scores == sorted(scores, reverse=True), "best first: %s", got)
    top = server(MODEL).post("/v1/rerank", {"model": MODEL, "query": "light", "documents": ["a lamp", "a stone", "water"], "top_n": 1}).json
    check(len(top["results"]) == 1 and top["results"][0]["index"] == got["results"][0]["index"], "top_n: %s", top)
    for body in ({}, {"query": "x"}, {"documents": ["a"]}, {"query": 5, "documents": ["a"]}, {"query": "x", "documents": []}, {"query": "x", "documents": "a"}, {"query": "x", "documents": [5]}):
        r = server(MODEL).post("/v1/rerank", {"model": MODEL, **body})
        check(r.status == 400, "%s: %d %s", body, r.status, r.text[:150])


def response_events(data):
    """Events of a /v1/responses stream: (type, object). Each names its type twice and counts up."""
    out = []
    for part in data.split(b"\n\n")[:-1]:
        if part.startswith(b":") or part == b"data: [DONE]":
            continue
        lines = part.split(b"\n")
        if not check(len(lines) == 2 and lines[0].startswith(b"event: ") and lines[1].startswith(b"data: "), "an event: %r", part[:200]):
            continue
        v = schema.loads(lines[1][6:])
        check(v["type"] == lines[0][7:].decode(), "event %r of type %r", lines[0], v["type"])
        out.append(v)
    check([e["sequence_number"] for e in out] == list(range(len(out))), "numbers rise one by one: %s", [e["sequence_number"] for e in out])
    return out


def test_responses():
    r = need("POST", "/v1/responses", {"model": MODEL, "input": "hi", "max_output_tokens": 16})
    fits("response", r, "responses")
    s = server(MODEL)
    body = {"model": MODEL, "instructions": "be brief", "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}], "max_output_tokens": 20, "temperature": 0}
    whole = fits("response", s.post("/v1/responses", body), "input items")
    r = s.post("/v1/responses", {**body, "stream": True})
    check(r.status == 200 and r.header("content-type") == "text/event-stream", "a stream: %d %s", r.status, r.headers)
    ev = response_events(r.body)
    kinds = [e["type"] for e in ev]
    check(kinds[0] == "response.created" and kinds[-1] in ("response.completed", "response.incomplete"), "first and last: %s", kinds)
    text = "".join(e["delta"] for e in ev if e["type"] == "response.output_text.delta")
    final = ev[-1]["response"]
    check(not schema.errors("response", final), "%s", schema.errors("response", final))

    def said(resp):
        return "".join(c["text"] for item in resp["output"] if item["type"] == "message" for c in item["content"])

    check(text == said(final) == said(whole), "streamed %r, at its end %r, whole %r", text, said(final), said(whole))
    open_items, open_parts = set(), set()
    for e in ev:
        if e["type"] == "response.output_item.added":
            check(e["output_index"] == len(open_items), "items are numbered densely: %s", e)
            open_items.add(e["output_index"])
        if e["type"] == "response.content_part.added":
            open_parts.add((e["output_index"], e["content_index"]))
        if e["type"] == "response.output_text.delta":
            check((e["output_index"], e["content_index"]) in open_parts and e["item_id"] and e["logprobs"] == [], "a delta of an item that is there: %s", e)
    flat = {"type": "function", "name": "look", "parameters": ask.TOOLS[0]["function"]["parameters"], "strict": True}
    for tool in (flat, ask.TOOLS[0]):
        got = fits("response", s.post("/v1/responses", {**body, "tools": [tool], "tool_choice": "required", "max_output_tokens": 300}), "tools")
        calls = [x for x in got["output"] if x["type"] == "function_call"]
        check(calls and calls[0]["name"] == "look" and (got["status"] == "incomplete" or ask.is_object(calls[0]["arguments"])), "a call: %s", got["output"])
    for change in ({"background": True}, {"input": 5}, {"input": None}, {"max_output_tokens": 0}, {"tools": [{"type": "web_search"}]}, {"temperature": 5}):
        r = s.post("/v1/responses", {**body, **change})
        check(r.status == 400, "%s: %d %s", change, r.status, r.text[:150])
    # What is wrong is called as this API calls it, in the message too.
    output = {"type": "function_call_output", "call_id": "none", "output": "x"}
    for change, param in (({"reasoning": {"effort": "x"}}, "reasoning.effort"), ({"text": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "text.format.name"),
                          ({"text": {"format": {"type": "grammar"}}}, "text.format.type"), ({"input": [{"role": "user", "content": "x"}, output]}, "input"), ({"max_output_tokens": 0}, "max_output_tokens"),
                          ({"top_logprobs": 3}, "top_logprobs"), ({"top_logprobs": 21}, "top_logprobs"), ({"include": ["message.output_text.logprobs"]}, "include")):
        e = s.post("/v1/responses", {**body, **change}).json["error"]
        check(e["param"] == param and e["message"].startswith('"%s":' % param), "%s: %s", change, e)
    for change in ({"top_logprobs": 0}, {"top_logprobs": None}, {"include": ["reasoning.encrypted_content"]}, {"include": None}):
        r = s.post("/v1/responses", {**body, "max_output_tokens": 4, **change})
        check(r.status == 200, "%s: %d %s", change, r.status, r.text[:150])


# ---- the official SDK ----

_client = {}


def client(m=MODEL):
    openai = sdk.load()
    if m not in _client:
        _client[m] = openai.OpenAI(base_url="http://127.0.0.1:%d/v1" % server(m).port, api_key="none", max_retries=0)
    return openai, _client[m]


def test_sdk_chat_whole_raw_and_helper():
    openai, c = client(AIR)
    ask_ = dict(model=AIR, messages=[{"role": "system", "content": "s"}, *USER], seed=4, temperature=1.0, max_completion_tokens=20)
    whole = c.chat.completions.create(**ask_)
    chunks = list(c.chat.completions.create(**ask_, stream=True, stream_options={"include_usage": True}))
    text = "".join(k.choices[0].delta.content or "" for k in chunks if k.choices)
    check(text == whole.choices[0].message.content and chunks[-1].usage.completion_tokens == whole.usage.completion_tokens, "raw: %r, whole %r", text, whole.choices[0].message.content)
    with c.chat.completions.stream(**ask_) as s:
        kinds = [e.type for e in s]
        final = s.current_completion_snapshot  # get_final_completion() insists on an answer that was not cut
    check(final.choices[0].message.content == whole.choices[0].message.content and final.choices[0].message.role == "assistant", "the helper: %s", final.choices[0])
    check("chunk" in kinds, "%s", kinds)
    raw = c.chat.completions.with_raw_response.create(**ask_)
    check(raw.headers["x-request-id"] == raw.parse()._request_id, "the request's id")


def test_sdk_tools_and_parse():
    openai, c = client(MODEL)
    tools = [t for t in ask.TOOLS if t["function"]["name"] != "now"]
    got = 0
    for seed in range(8):
        ask_ = dict(model=MODEL, messages=USER, tools=tools, tool_choice="required", seed=seed, max_completion_tokens=400)
        try:
            with c.chat.completions.stream(**ask_) as s:
                for _ in s:
                    pass
                m = s.get_final_completion().choices[0]
        except openai.LengthFinishReasonError:
            continue
        check(m.finish_reason == "tool_calls" and all(isinstance(t.function.parsed_arguments, dict) for t in m.message.tool_calls), "%s", m)
        got += 1
        parsed = c.chat.completions.parse(**ask_).choices[0]
        check([t.function.arguments for t in parsed.message.tool_calls] == [t.function.arguments for t in m.message.tool_calls], "parse: %s, stream %s", parsed, m)
    check(got >= 3, "%d of 8 came to their end", got)
    import pydantic

    class Answer(pydantic.BaseModel):
        on: bool
        n: int

    done = 0
    for seed in range(6):
        try:
            a = c.chat.completions.parse(model=MODEL, messages=USER, response_format=Answer, seed=seed, max_completion_tokens=200).choices[0].message.parsed
        except openai.LengthFinishReasonError:
            continue
        check(isinstance(a, Answer), "%s", a)
        done += 1
    check(done >= 2, "%d of 6 came to their end", done)


def test_sdk_completions_models_and_embeddings():
    openai, c = client()
    check([m.id for m in c.models.list()] == [MODEL] and c.models.retrieve(MODEL).id == MODEL, "models")
    t = c.completions.create(model=MODEL, prompt=["a", "b"], max_tokens=5, seed=1, logprobs=2)
    check(len(t.choices) == 2 and len(t.choices[0].logprobs.tokens) == len(t.choices[0].logprobs.token_logprobs), "completions: %s", t)
    parts = list(c.completions.create(model=MODEL, prompt="a", max_tokens=5, seed=1, stream=True))
    check("".join(p.choices[0].text for p in parts) == t.choices[0].text, "streamed: %s", parts)
    if server(MODEL).post("/v1/embeddings", {"model": MODEL, "input": "a"}).status != 404:
        e = c.embeddings.create(model=MODEL, input=["a", "b"])
        check(len(e.data) == 2 and all(isinstance(x, float) for x in e.data[0].embedding), "embeddings")


def test_sdk_errors_have_their_classes():
    openai, c = client()
    for kw, kind, code, param in ((dict(model="zz"), openai.NotFoundError, "model_not_found", "model"), (dict(temperature=9), openai.BadRequestError, "invalid_value", "temperature"),
                                  (dict(messages=[{"role": "user", "content": "w " * 9000}]), openai.BadRequestError, "context_length_exceeded", "messages")):
        for stream in (False, True):
            try:
                c.chat.completions.create(**{**dict(model=MODEL, messages=USER, max_tokens=1, stream=stream), **kw})
                check(False, "%s: no error", list(kw))
            except openai.APIStatusError as e:
                check(type(e) is kind and (e.code, e.param) == (code, param) and e.request_id, "%s: %r %s %s", list(kw), e, e.code, e.param)


def test_sdk_a_stream_that_is_closed_ends_its_request():
    openai, c = client()
    s = server(MODEL)
    for _ in range(5):
        stream = c.chat.completions.create(model=MODEL, messages=USER, max_tokens=1900, n=8, temperature=1, logprobs=True, top_logprobs=20, stream=True)
        for _, _ in zip(range(10), stream):
            pass
        stream.close()
    check(s.idle(), "nothing is left")
