"""Drives the further routes of a running `glim serve`: python3 serve_routes.py PORT MODEL WHAT [KEY=VALUE...].

Prints one line for each check that fails, and "N passed, N failed" at the end. Standard library only."""
import base64
import http.client
import json
import math
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import checks
from checks import check, done

port, model, what = int(sys.argv[1]), sys.argv[2], sys.argv[3]
given = dict(a.split("=", 1) for a in sys.argv[4:])
SANITIZED = bool(os.environ.get("GLIM_SANITIZED"))  # the server is several times slower: fewer of the same


class Reply:
    def __init__(self, r, body):
        self.status, self.headers, self.body = r.status, r, body
        check(r.getheader("x-request-id"), "x-request-id")
        self.json = json.loads(body) if (r.getheader("Content-Type") or "").startswith("application/json") else None
        if self.status >= 400:
            e = self.json["error"]
            check(set(e) == {"message", "type", "param", "code"} and e["message"], "an error's keys", e)
        self.error = self.json["error"] if self.status >= 400 else None


def call(method, path, body=None, headers=None, key=None):
    h = dict(headers or {})
    if key:
        h["Authorization"] = "Bearer " + key
    r, data = checks.call(port, method, path, body, h)
    return Reply(r, data)


def get(path, **k):
    return call("GET", path, **k)


def post(path, body, **k):
    return call("POST", path, body, **k)


def form(parts, boundary="xXx", end=True):
    """parts: (name, filename or None, bytes)"""
    out = b""
    for name, filename, data in parts:
        f = '; filename="%s"' % filename if filename is not None else ""
        out += ("--%s\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n" % (boundary, name, f)).encode() + b"\r\n" + data + b"\r\n"
    return out + (b"--" + boundary.encode() + b"--\r\n" if end else b"")


def upload(data, name="rows.jsonl", purpose="fine-tune", **k):
    h = {"Content-Type": "multipart/form-data; boundary=xXx", **k.pop("headers", {})}
    return post("/v1/files", form([("purpose", None, purpose.encode()), ("file", name, data)]), headers=h, **k)


ROWS = b"".join(json.dumps({"messages": [{"role": "user", "content": "q%d" % i}, {"role": "assistant", "content": "a%d" % i}]}).encode() + b"\n" for i in range(5))


def files():
    big = random.Random(3).randbytes(3 << 20)
    r = upload(big, "big.bin", "user_data")
    check(r.status == 200 and r.json["bytes"] == len(big) and r.json["object"] == "file" and r.json["status"] == "processed", "upload", r.body)
    check(get("/v1/files/%s/content" % r.json["id"]).body == big, "the content comes back byte for byte")
    empty = upload(b"", "empty", "user_data").json
    check(empty["bytes"] == 0 and get("/v1/files/%s/content" % empty["id"]).body == b"", "an empty file")
    for name in ("../../../etc/passwd", "a b \u4f60.jsonl", "x" * 200, "..", "/"):
        n = upload(b"x" + name.encode(), name, "user_data")
        check(n.status == 200 and n.json["filename"].encode() == name.encode() and get("/v1/files/" + n.json["id"]).json == n.json, "a name is a text", name, n.body)
    check(upload(b"x", "x" * 400, "user_data").status == 400, "a name of 400 bytes")
    once = {"Idempotency-Key": "k1"}
    a, b = upload(ROWS, headers=dict(once)), upload(ROWS, headers=dict(once))
    check(a.json["id"] == b.json["id"], "one upload for one Idempotency-Key")
    c = upload(ROWS)
    check(c.json["id"] != a.json["id"] and c.json["sha256"] == a.json["sha256"], "equal contents, two files")

    # lists and pages
    everything = get("/v1/files").json
    ids = [f["id"] for f in everything["data"]]
    check(everything["object"] == "list" and not everything["has_more"] and everything["first_id"] == ids[0] and everything["last_id"] == ids[-1] and c.json["id"] == ids[0], "newest first")
    seen, after = [], None
    while True:
        page = get("/v1/files?limit=2&order=asc" + ("&after=" + after if after else "")).json
        seen += [f["id"] for f in page["data"]]
        after = page["last_id"]
        if not page["has_more"]:
            break
    check(seen == ids[::-1], "pages in the other order")
    check({f["purpose"] for f in get("/v1/files?purpose=fine-tune").json["data"]} == {"fine-tune"}, "by purpose")
    for q in ("limit=0", "limit=x", "limit=-1", "limit=99999999999999999999999", "order=up", "after=file-none", "after=" + "a" * 500):
        check(get("/v1/files?" + q).status == 400, q)

    # what is refused
    h = {"Content-Type": "multipart/form-data; boundary=xXx"}
    whole = form([("purpose", None, b"fine-tune"), ("file", "f", b"abc")])
    for body, head, status in ((whole, {"Content-Type": "application/json"}, 400), (whole, {}, 400), (whole, {"Content-Type": "multipart/form-data"}, 400),
                               (form([("file", "f", b"abc")]), h, 400), (form([("purpose", None, b"fine-tune")]), h, 400),
                               (form([("purpose", None, b"dance"), ("file", "f", b"abc")]), h, 400), (form([("purpose", None, b"p" * 5000), ("file", "f", b"abc")]), h, 400),
                               (whole[:-8], h, 400), (whole[:40], h, 400), (b"", h, 400), (b"\r\n" * 2000, h, 400), (b"--xXx\r\n" * 3000, h, 400),
                               (form([("f%d" % i, None, b"x") for i in range(100)]), h, 400), (form([("purpose", None, b"fine-tune"), ("file", "a", b"1"), ("file", "b", b"2")]), h, 400)):
        r = post("/v1/files", body, headers=head)
        check(r.status == status, "a bad form", body[:60], r.status, r.body)
    for i in range(100 if SANITIZED else 200):  # any bytes: an answer, and the server lives
        rnd = random.Random(i)
        cut = bytearray(whole)
        for _ in range(rnd.randrange(1, 6)):
            cut[rnd.randrange(len(cut))] = rnd.choice(b"\r\n-x:;\"=\0\xff")
        check(post("/v1/files", bytes(cut), headers=h).status in (200, 400), "a damaged form")
    for _ in range(5):  # gone in the middle of an upload
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=xXx\r\nContent-Length: 9000000\r\n\r\n" + whole[:100] + big[:500000])
        s.close()

    check(get("/v1/files/file-none").status == 404 and get("/v1/files/file-none/content").status == 404 and call("DELETE", "/v1/files/file-none").status == 404, "404")
    check(get("/v1/files/%s/other" % a.json["id"]).status == 404 and get("/v1/files/..%2f..%2fstore.db").status == 404, "404 below a file")
    d = call("DELETE", "/v1/files/" + a.json["id"]).json
    check(d == {"id": a.json["id"], "object": "file", "deleted": True}, "deleted", d)
    check(get("/v1/files/" + a.json["id"]).status == 404 and get("/v1/files/%s/content" % c.json["id"]).body == ROWS, "the other file of the same content stays")


def tune():
    f = upload(ROWS).json["id"]
    ok = {"model": model, "training_file": f}
    r = post("/v1/fine_tuning/jobs", {**ok, "validation_file": f, "suffix": "desk-1", "seed": 7, "metadata": {"a": "b"}, "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}},
                                      "glim": {"lora_rank": 8, "learning_rate": 0.01}, "unknown": 1})
    j = r.json
    check(r.status == 200 and j["object"] == "fine_tuning.job" and j["status"] == "queued" and j["hyperparameters"]["n_epochs"] == 3 and j["hyperparameters"]["batch_size"] == "auto", "a job", r.body)
    check(j["seed"] == 7 and j["training_file"] == f and j["validation_file"] == f and j["error"] is None and j["metadata"] == {"a": "b"} and j["glim"] == {"lora_rank": 8, "learning_rate": 0.01}, "what it carries", j)
    check(get("/v1/fine_tuning/jobs/" + j["id"]).json == j, "the same by its id")
    old = post("/v1/fine_tuning/jobs", {**ok, "hyperparameters": {"n_epochs": 2, "batch_size": "auto"}}, headers={"Idempotency-Key": "t1"}).json
    check(old["hyperparameters"]["n_epochs"] == 2 and old["method"]["type"] == "supervised", "the older place of hyperparameters", old)
    check(post("/v1/fine_tuning/jobs", ok, headers={"Idempotency-Key": "t1"}).json["id"] == old["id"], "one job for one Idempotency-Key")
    pairs = upload(json.dumps({"input": {"messages": [{"role": "user", "content": "q"}]}, "preferred_output": [{"role": "assistant", "content": "yes"}],
                               "non_preferred_output": [{"role": "assistant", "content": "no"}]}).encode() + b"\n").json["id"]
    dpo = post("/v1/fine_tuning/jobs", {"model": model, "training_file": pairs, "method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1}}}})
    check(dpo.status == 200 and dpo.json["hyperparameters"]["beta"] == 0.1, "dpo", dpo.body)

    other = upload(b"x", "x", "user_data").json["id"]
    sup = lambda **h: {"method": {"type": "supervised", "supervised": {"hyperparameters": h}}}
    for change, param in (({"model": None}, "model"), ({"model": "zz"}, "model"), ({"training_file": None}, "training_file"), ({"training_file": "file-none"}, "training_file"),
                          ({"training_file": 5}, "training_file"), ({"training_file": other}, "training_file"), ({"validation_file": "../x"}, "validation_file"),
                          ({"suffix": ""}, "suffix"), ({"suffix": "a" * 65}, "suffix"), ({"suffix": "a b"}, "suffix"), ({"seed": -1}, "seed"), ({"seed": 2 ** 31}, "seed"),
                          ({"method": {"type": "magic"}}, "method.type"), ({"method": 5}, "method"), (sup(n_epochs=0), "method.supervised.hyperparameters.n_epochs"),
                          (sup(n_epochs=1.5), "method.supervised.hyperparameters.n_epochs"), (sup(batch_size=257), "method.supervised.hyperparameters.batch_size"),
                          (sup(learning_rate_multiplier=0), "method.supervised.hyperparameters.learning_rate_multiplier"), (sup(n_epochs="many"), "method.supervised.hyperparameters.n_epochs"),
                          ({"glim": {"lora_rank": 0}}, "glim.lora_rank"), ({"glim": {"magic": 1}}, "glim.magic"), ({"glim": {"dp_delta": 1}}, "glim.dp_delta"),
                          ({"glim": {"base_type": "q9"}}, "glim.base_type"),
                          ({"glim": {"thinking": "maybe"}}, "glim.thinking"), ({"glim": {"thinking": True}}, "glim.thinking"), ({"glim": {"thinking": "off"}}, "glim.thinking"),
                          ({**sup(learning_rate_multiplier=2), "glim": {"learning_rate": 0.01}}, "glim.learning_rate"), ({"glim": 5}, "glim"), ({"metadata": 5}, "metadata")):
        r = post("/v1/fine_tuning/jobs", {**ok, **change})
        check(r.status == (404 if change == {"model": "zz"} else 400) and r.error["param"] == param, change, r.body)
    bad = upload(ROWS + b'{"messages": [{"role": "wizard", "content": "x"}]}\n').json["id"]
    r = post("/v1/fine_tuning/jobs", {"model": model, "training_file": bad})
    check(r.status == 422 and r.error["param"] == "training_file" and "6" in r.error["message"], "a bad row is named by its line", r.body)
    check(post("/v1/fine_tuning/jobs", {"model": model, "training_file": pairs}).status == 422, "pairs are for dpo")
    check(post("/v1/fine_tuning/jobs", {**ok, "method": {"type": "dpo"}}).status == 422, "dpo is for pairs")

    ids = [x["id"] for x in get("/v1/fine_tuning/jobs").json["data"]]
    check(ids == [dpo.json["id"], old["id"], j["id"]], "newest first, refused ones are not there", ids)
    page = get("/v1/fine_tuning/jobs?limit=1&after=" + ids[0]).json
    check([x["id"] for x in page["data"]] == [old["id"]] and page["has_more"], "a page", page)
    check(get("/v1/fine_tuning/jobs?after=ftjob-none").status == 400, "a cursor that is none")
    one = "/v1/fine_tuning/jobs/" + j["id"]
    check(post(one + "/pause", b"").json["status"] == "queued" and post(one + "/resume", b"").json["status"] == "queued", "a paused job shows as queued")
    c = post(one + "/cancel", b"")
    check(c.status == 200 and c.json["status"] == "cancelled" and c.json["finished_at"], "cancelled", c.body)
    check(post(one + "/cancel", b"").status == 200 and post(one + "/resume", b"").status == 400, "twice is fine, and it stays so")
    check(post(one + "/dance", b"").status == 404 and get(one + "/dance").status == 404 and post("/v1/fine_tuning/jobs/ftjob-none/cancel", b"").status == 404, "404")
    ev = get(one + "/events").json
    check(ev["data"] and all(set(e) == {"id", "object", "created_at", "level", "message", "type", "data"} for e in ev["data"]), "events", ev)
    first = get(one + "/events?limit=1").json
    rest = get(one + "/events?after=" + first["data"][0]["id"]).json
    check([e["id"] for e in first["data"] + rest["data"]] == [e["id"] for e in ev["data"]], "events by pages", first, rest)
    check(get(one + "/events?after=x").status == 400 and get(one + "/checkpoints").json == {"object": "list", "data": [], "has_more": False}, "checkpoints")


def accumulate(events):
    """What a client makes of a /v1/responses stream, with every rule checked on the way."""
    items, last = [], None
    for n, e in enumerate(events):
        t = e["type"]
        check(e["sequence_number"] == n, "numbers rise by one")
        check((t == "response.created") == (n == 0), "response.created comes first")
        if t == "response.output_item.added":
            check(e["output_index"] == len(items), "dense")
            items.append(dict(e["item"], done=False))
        elif t == "response.content_part.added":
            it = items[e["output_index"]]
            check(e["content_index"] == len(it["content"]) and it["id"] == e["item_id"], "a part")
            it["content"].append(dict(e["part"]))
        elif t in ("response.output_text.delta", "response.reasoning_text.delta"):
            it = items[e["output_index"]]
            check(not it["done"] and e["delta"], "a delta")
            it["content"][e["content_index"]]["text"] += e["delta"]
        elif t in ("response.output_text.done", "response.reasoning_text.done"):
            check(items[e["output_index"]]["content"][e["content_index"]]["text"] == e["text"], "the text when done")
        elif t == "response.function_call_arguments.delta":
            items[e["output_index"]]["arguments"] += e["delta"]
        elif t == "response.function_call_arguments.done":
            check(items[e["output_index"]]["arguments"] == e["arguments"] and e["name"], "the arguments when done")
        elif t == "response.output_item.done":
            it = items[e["output_index"]]
            check(e["item"]["id"] == it["id"] and not it["done"], "an item when done")
            it["done"], it["status"] = True, e["item"]["status"]
        elif t in ("response.completed", "response.incomplete", "response.failed"):
            check(n == len(events) - 1, "the end comes last")
            last = e["response"]
    check(all(i.pop("done") for i in items), "every item is done")
    for i in items:
        check(i["status"] in ("completed", "incomplete"), "an item's status")
    return items, last


def stream(body):
    r = post("/v1/responses", {**body, "stream": True})
    check(r.status == 200 and r.headers.getheader("Content-Type") == "text/event-stream", "a stream", r.body)
    out = []
    for part in r.body.decode().split("\n\n")[:-1]:
        if part.startswith(":"):
            continue
        head, data = part.split("\n")
        v = json.loads(data[6:])
        check(head == "event: " + v["type"], "the type twice")
        out.append(v)
    return accumulate(out)


TOOL = {"type": "function", "name": "look", "strict": True, "parameters": {"type": "object", "properties": {"q": {"type": "string", "maxLength": 8}, "n": {"type": "integer"}}, "required": ["q", "n"], "additionalProperties": False}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"enum": ["x", "y"]}}, "required": ["a", "b"], "additionalProperties": False}


def strip(items):
    """Without what is drawn anew."""
    return [{k: v for k, v in i.items() if k not in ("id", "call_id")} for i in items]


def responses():
    base = {"model": model, "input": "hello", "max_output_tokens": 24}
    variants = [{}, {"instructions": "be brief"}, {"temperature": 0.5, "top_p": 0.9}, {"text": {"format": {"type": "json_schema", "name": "t", "schema": SCHEMA, "strict": True}}, "max_output_tokens": 200},
                {"tools": [TOOL], "tool_choice": "required", "max_output_tokens": 300}, {"tools": [{"type": "function", "function": {k: TOOL[k] for k in ("name", "parameters", "strict")}}], "max_output_tokens": 40},
                {"tools": [TOOL], "tool_choice": {"type": "function", "name": "look"}, "parallel_tool_calls": False, "max_output_tokens": 300}, {"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "none"}},
                {"max_output_tokens": 1}, {"max_output_tokens": None}]
    calls = 0
    for v in variants:
        for seed in range(4):
            body = {**base, **v, "seed": seed}
            if v.get("max_output_tokens", 0) is None:
                body["stop"] = "e"
            r = post("/v1/responses", body)
            if not check(r.status == 200, v, r.body):
                break
            w = r.json
            items, last = stream(body)
            check(strip(items) == strip(w["output"]) == strip(last["output"]), "streamed, at its end, whole", v, items, w["output"])
            drop = ("id", "created_at", "output", "usage")
            check({k: x for k, x in w.items() if k not in drop} == {k: x for k, x in last.items() if k not in drop}, "the rest too", w, last)
            check(w["usage"]["total_tokens"] == w["usage"]["input_tokens"] + w["usage"]["output_tokens"] and w["usage"]["output_tokens"] == last["usage"]["output_tokens"], "usage", w["usage"])
            check((w["status"] == "incomplete") == (w["incomplete_details"] is not None) and w["error"] is None and w["status"] in ("completed", "incomplete"), "status", w)
            if "format" in v.get("text", {}) and w["status"] == "completed":
                check(set(json.loads(w["output"][-1]["content"][0]["text"])) == {"a", "b"}, "the schema", w["output"])
            for c in (i for i in w["output"] if i["type"] == "function_call"):
                calls += 1
                if c["status"] == "completed":
                    check(set(json.loads(c["arguments"])) == {"q", "n"}, "arguments", c)
    check(calls >= 4, "some calls", calls)
    # a whole exchange goes back in: our own items, the output of a call, the next question
    first = post("/v1/responses", {**base, "tools": [TOOL], "tool_choice": "required", "max_output_tokens": 400, "seed": 3}).json
    done = [i for i in first["output"] if i["type"] == "function_call"]
    history = [{"role": "user", "content": "hello"}] + first["output"] + [{"type": "function_call_output", "call_id": c["call_id"], "output": "42"} for c in done] + [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "so?"}]}]
    r = post("/v1/responses", {**base, "input": history, "tools": [TOOL]})
    check(r.status == 200, "our own items are taken back", r.body)
    n = post("/v1/responses/input_tokens", {**base, "input": history, "tools": [TOOL]}).json
    check(n["object"] == "response.input_tokens" and n["input_tokens"] == r.json["usage"]["input_tokens"], "input_tokens", n)
    msg = lambda c: {"input": [{"role": "user", "content": c}]}
    for change, param in (({"input": None}, "input"), ({"input": []}, "input"), ({"input": 5}, "input"), ({"input": [5]}, "input[0]"), ({"input": [{"type": "dream"}]}, "input[0].type"),
                          ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"), ({"input": [{"content": "x"}]}, "input[0].role"), ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
                          (msg(None), "input[0].content"), (msg(7), "input[0].content"), (msg([{"type": "input_image", "image_url": "x"}]), "input[0].content[0].type"), (msg([{"type": "input_text"}]), "input[0].content[0].text"),
                          ({"input": [{"type": "function_call", "call_id": "c", "name": "x"}]}, "input[0].arguments"), ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
                          ({"input": [{"type": "function_call_output", "call_id": "none", "output": "x"}]}, "input"), ({"previous_response_id": "resp_x"}, "previous_response_id"), ({"conversation": "x"}, "conversation"),
                          ({"background": True}, "background"), ({"max_output_tokens": 0}, "max_output_tokens"), ({"temperature": 3}, "temperature"), ({"instructions": 5}, "instructions"), ({"text": 5}, "text"),
                          ({"text": {"format": {"type": "xml"}}}, "text.format.type"), ({"text": {"format": {"type": "json_schema", "name": "t"}}}, "text.format.schema"), ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
                          ({"tools": [{"type": "function"}]}, "tools[0].function.name"), ({"tool_choice": "required"}, "tool_choice"), ({"reasoning": {"effort": "vast"}}, "reasoning.effort"), ({"model": None}, "model"),
                          ({"metadata": 5}, "metadata"), ({"reasoning": 5}, "reasoning")):
        r = post("/v1/responses", {**base, **change})
        check(r.status == 400 and r.error["param"] == param, change, r.status, r.error)
    check(post("/v1/responses", {**base, "model": "zz"}).status == 404 and get("/v1/responses/resp_x").status == 404, "404")


def embed():
    texts = ["t%d %s" % (i, "word " * (i % 7)) for i in range(300)]
    r = post("/v1/embeddings", {"model": model, "input": texts})
    v = [d["embedding"] for d in r.json["data"]]
    check(len(v) == 300 and [d["index"] for d in r.json["data"]] == list(range(300)), "a batch of 300")
    for i in (0, 7, 299):
        one = post("/v1/embeddings", {"model": model, "input": texts[i]}).json["data"][0]["embedding"]
        check(one == v[i], "alone and in a batch, bit by bit", i)
    short = post("/v1/embeddings", {"model": model, "input": texts[0], "dimensions": 8}).json["data"][0]["embedding"]
    norm = math.sqrt(sum(x * x for x in v[0][:8]))
    check(len(short) == 8 and all(abs(a - b / norm) < 1e-5 for a, b in zip(short, v[0])), "dimensions: the beginning, of length one")
    last = post("/v1/embeddings", {"model": model, "input": texts[0], "pooling": "last"}).json["data"][0]["embedding"]
    check(last != v[0] and abs(sum(x * x for x in last) - 1) < 1e-4, "pooling: last")
    raw = base64.b64decode(post("/v1/embeddings", {"model": model, "input": texts[1], "encoding_format": "base64"}).json["data"][0]["embedding"])
    check(list(struct.unpack("<%df" % len(v[1]), raw)) == [struct.unpack("<f", struct.pack("<f", x))[0] for x in v[1]], "nine digits are enough for a float")
    # cosine ranks as the embeddings do
    docs = texts[1:20]
    rr = post("/v1/rerank", {"model": model, "query": texts[0], "documents": docs, "method": "embedding", "return_documents": True}).json["results"]
    cos = [sum(a * b for a, b in zip(v[0], v[i])) for i in range(1, 20)]
    check([x["index"] for x in rr] == sorted(range(19), key=lambda i: -cos[i]) and all(x["document"]["text"] == docs[x["index"]] for x in rr), "rerank by cosine")
    a = post("/v1/rerank", {"model": model, "query": "q", "documents": docs}).json["results"]
    b = post("/v1/rerank", {"model": model, "query": "q", "documents": docs[::-1]}).json["results"]
    check([(docs[x["index"]], x["relevance_score"]) for x in a] == [(docs[::-1][x["index"]], x["relevance_score"]) for x in b], "a document's score is its own")
    # beside a running stream
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    c.request("POST", "/v1/completions", json.dumps({"model": model, "prompt": "a", "max_tokens": 200, "stream": True, "ignore_eos": True}))
    s = c.getresponse()
    s.read(10)
    check(post("/v1/embeddings", {"model": model, "input": texts[7]}).json["data"][0]["embedding"] == v[7], "beside a stream")
    check(s.read().endswith(b"data: [DONE]\n\n"), "and the stream goes on to its end")


def text(m, n=12, **more):
    r = post("/v1/completions", {"model": m, "prompt": "a b c", "max_tokens": n, "temperature": 0, "ignore_eos": True, **more})
    return r.json["choices"][0]["text"] if check(r.status == 200, m, r.body) else None


def adapters():
    a, b = given["one"], given["two"]
    base = text(model)
    r = post("/v1/load_lora_adapter", {"lora_name": "one", "lora_path": a})
    check(r.status == 200 and r.body == b"Success: LoRA adapter 'one' added successfully.", "load", r.body)
    check(post("/v1/load_lora_adapter", {"lora_name": "one", "lora_path": a}).status == 400, "a name is taken")
    one = text("one")
    check(one != base and text(model) == base and text("start") == one, "an adapter answers for itself; the one given at the start is the same", base, one)
    ids = [m["id"] for m in get("/v1/models").json["data"]]
    check(ids == [model, "start", "one"] and get("/v1/models/one").json["parent"] == model, "models", ids)
    check([x["id"] for x in get("/v1/lora").json["data"]] == ["start", "one"], "/v1/lora")
    check(post("/v1/load_lora_adapter", {"lora_name": "one", "lora_path": b, "load_inplace": True}).status == 200, "replaced")
    two = text("one")
    check(two not in (one, base) and text("start") == one, "the new one answers, the other stays", two)
    for body, param, status in (({}, "lora_name", 400), ({"lora_name": "x"}, "lora_path", 400), ({"lora_name": "", "lora_path": a}, "lora_name", 400), ({"lora_name": 5, "lora_path": a}, "lora_name", 400),
                                ({"lora_name": model, "lora_path": a}, "lora_name", 400), ({"lora_name": "n" * 300, "lora_path": a}, "lora_name", 400), ({"lora_name": "x\ny", "lora_path": a}, "lora_name", 400),
                                ({"lora_name": "x", "lora_path": "/nonexistent"}, "lora_path", 404), ({"lora_name": "x", "lora_path": given["other"]}, "lora_path", 400)):
        r = post("/v1/load_lora_adapter", body)
        check(r.status == status and r.error["param"] == param, body, r.status, r.error)
    # requests that run keep what they began with, while names come and go
    bad, stop = [], threading.Event()

    def client():
        while not stop.is_set():
            r = post("/v1/completions", {"model": "start", "prompt": "a b c", "max_tokens": 12, "temperature": 0, "ignore_eos": True})
            if r.status != 200 or r.json["choices"][0]["text"] != one:
                bad.append(r.body)

    threads = [threading.Thread(target=client) for _ in range(3)]
    for t in threads:
        t.start()
    for i in range(15):
        check(post("/v1/load_lora_adapter", {"lora_name": "start", "lora_path": a, "load_inplace": True}).status == 200, "load under load")
        check(post("/v1/load_lora_adapter", {"lora_name": "more%d" % i, "lora_path": b}).status == 200, "more under load")
        check(post("/v1/unload_lora_adapter", {"lora_name": "more%d" % i}).status == 200, "unload under load")
    stop.set()
    for t in threads:
        t.join()
    check(not bad, "no request was dropped or changed", bad[:1])
    r = post("/v1/unload_lora_adapter", {"lora_name": "one"})
    check(r.status == 200 and r.body == b"Success: LoRA adapter 'one' removed successfully.", "unload", r.body)
    check(post("/v1/unload_lora_adapter", {"lora_name": "one"}).status == 404 and post("/v1/completions", {"model": "one", "prompt": "a"}).status == 404, "gone")
    check(call("DELETE", "/v1/models/start").json == {"id": "start", "object": "model", "deleted": True} and call("DELETE", "/v1/models/start").status == 404, "DELETE")
    check(call("DELETE", "/v1/models/" + model).status == 400, "the base model stays")
    check(text(model) == base, "as before")


def reload():
    """The model's files are replaced (by renames, as a deployment does) and SIGHUP sent, several times under load."""
    pid, folder = int(given["pid"]), given["folder"]
    file = os.path.join(folder, "model-00001-of-00002.safetensors")
    first = open(file, "rb").read()
    known = {}

    def put(data):
        with open(file + ".new", "wb") as f:
            f.write(data)
        os.rename(file + ".new", file)
        os.kill(pid, signal.SIGHUP)

    def settle(old):
        for _ in range(600):
            now = text(model)
            if now != old:
                return now
            time.sleep(0.02)
        check(False, "the new model never answers")

    other = bytearray(first)
    at = 8 + struct.unpack("<Q", first[:8])[0]
    width = 4 if b'"F32"' in first[:at] else 2
    for i in range(at + width - 1, len(other), 3 * width):  # the sign of every third value
        other[i] ^= 0x80
    other = bytes(other)
    base = text(model)

    def fingerprint():
        return post("/v1/completions", {"model": model, "prompt": "a", "max_tokens": 1}).json["system_fingerprint"]

    first_print = fingerprint()
    check(post("/v1/load_lora_adapter", {"lora_name": "late", "lora_path": given["one"]}).status == 200, "an adapter at run time")
    late = text("late")
    bad, stop, n = [], threading.Event(), [0]

    def client():
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while not stop.is_set():
            c.request("POST", "/v1/completions", json.dumps({"model": model, "prompt": "a b c", "max_tokens": 12, "temperature": 0, "ignore_eos": True}))
            r = c.getresponse()
            t = r.read()
            if r.status != 200 or json.loads(t)["choices"][0]["text"] not in known:
                bad.append(t)
            n[0] += 1

    # a stream that begins on the old model ends on it
    long = {"model": model, "prompt": "a b c", "max_tokens": 800 if SANITIZED else 1500, "temperature": 0, "ignore_eos": True}
    want = post("/v1/completions", long).json["choices"][0]["text"]
    known[base] = known[text(model)] = 1
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    c.request("POST", "/v1/completions", json.dumps({**long, "stream": True}))
    s = c.getresponse()
    head = s.read(100)
    put(other)
    changed = settle(base)
    data = head + s.read()
    got = "".join(json.loads(e[6:])["choices"][0]["text"] for e in data.decode().split("\n\n")[:-2] if e.startswith("data: "))
    check(got == want, "the stream that ran was not disturbed", got[:50], want[:50])
    known[changed] = 1
    other_print = fingerprint()
    check(other_print != first_print, "other weights have another fingerprint", first_print)
    check("late" in [m["id"] for m in get("/v1/models").json["data"]] and text("late") != late and text("start") == text("late"), "adapters go along, on the new weights")
    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    for i in range(3):
        put(first if i % 2 == 0 else other)
        check(settle(changed if i % 2 == 0 else base) == (base if i % 2 == 0 else changed), "turn %d" % i)
    before = n[0]
    os.kill(pid, signal.SIGHUP)  # nothing has changed
    put(b"nonsense")  # refused: the server goes on with what it has
    while n[0] < before + 50:
        time.sleep(0.01)
    check(text(model) == base, "a model that cannot be read changes nothing")
    check(fingerprint() == first_print, "the same weights have the same fingerprint, in files of another time")

    # adapters are what they are when it comes: what was unloaded or moved stays so, whether the model changes or not
    def reloads():
        return open(given["log"]).read().count("reload is over")

    def models():
        return {m["id"] for m in get("/v1/models").json["data"]}

    check(post("/v1/unload_lora_adapter", {"lora_name": "start"}).status == 200 and "start" not in models(), "unloaded")
    check(post("/v1/load_lora_adapter", {"lora_name": "late", "lora_path": given["two"], "load_inplace": True}).status == 200, "another folder in its place")
    moved = text("late")
    for change in (False, True):
        n_reloads, was = reloads(), text(model)
        put(other if change else first)  # the file's time is news too: this brings the model back that nonsense has taken from the disk
        if change:
            settle(was)
        for _ in range(1500):
            if reloads() > n_reloads:
                break
            time.sleep(0.02)
        check("start" not in models() and "late" in models(), "a reload brings back what was unloaded", models())
        check(text("late") == moved or change, "an adapter is read from where it was loaded last")
    lora = {a["id"]: a["path"] for a in get("/v1/lora").json["data"]}
    check(lora == {"late": given["two"]}, "the folders", lora)
    stop.set()
    for t in threads:
        t.join()
    check(not bad and n[0] > 50, "no request was dropped", n[0], bad[:1])


def storm():
    """Many clients at once that do everything and leave whenever they like; afterwards nothing is left of them."""
    seconds, one = float(given.get("seconds", "3")), given["one"]
    until, done = time.monotonic() + seconds, [0]
    wrong = []

    def leave(rnd, method, path, body, head=""):
        """Sends a part of a request, or all of it, reads a part of the reply, or nothing, and goes, politely or not."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        raw = ("%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n" % (method, path, head, len(data))).encode() + data
        s = socket.create_connection(("127.0.0.1", port), timeout=60)
        if rnd.random() < 0.3:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        try:
            s.sendall(raw if rnd.random() < 0.7 else raw[:rnd.randrange(1, len(raw))])
            if rnd.random() < 0.2:
                s.sendall(raw)  # the next one at once
            if rnd.random() < 0.7:
                s.settimeout(rnd.random() * 0.3)
                s.recv(rnd.choice((1, 100, 65536)))
            if rnd.random() < 0.2:
                s.shutdown(socket.SHUT_WR)
                s.settimeout(1)  # the server may hold half an upload until its deadline, which is not this test's
                s.recv(65536)
        except OSError:
            pass
        s.close()

    def client(seed):
        rnd = random.Random(seed)
        msgs = [{"role": "user", "content": "w " * rnd.randrange(1, 40)}]
        while time.monotonic() < until:
            kind = rnd.randrange(10)
            stream_ = rnd.random() < 0.6
            try:
                if kind == 0:
                    leave(rnd, "POST", "/v1/chat/completions", {"model": model, "messages": msgs, "max_tokens": rnd.choice((1, 50, 500)), "stream": stream_, "n": rnd.choice((1, 3))})
                elif kind == 1:
                    leave(rnd, "POST", "/v1/responses", {"model": model, "input": "x", "max_output_tokens": 200, "stream": stream_, "tools": [TOOL], "tool_choice": rnd.choice(("auto", "required"))})
                elif kind == 2:
                    leave(rnd, "POST", "/v1/embeddings", {"model": model, "input": ["a b %d" % i for i in range(rnd.choice((1, 40, 200)))]})
                elif kind == 3:
                    leave(rnd, "POST", "/v1/rerank", {"model": model, "query": "q", "documents": ["d%d" % i for i in range(rnd.choice((1, 20)))]})
                elif kind == 4:
                    leave(rnd, "POST", "/v1/files", form([("purpose", None, b"user_data"), ("file", "f", rnd.randbytes(rnd.choice((0, 100, 200000))))]), "Content-Type: multipart/form-data; boundary=xXx\r\n")
                elif kind == 5:
                    leave(rnd, "POST", "/v1/fine_tuning/jobs", {"model": model, "training_file": "file-none"})
                elif kind == 6:
                    name = "s%d" % rnd.randrange(3)
                    leave(rnd, "POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": one, "load_inplace": True})
                    leave(rnd, "POST", "/v1/completions", {"model": name, "prompt": ["a", "b"], "max_tokens": 20, "stream": stream_})
                    leave(rnd, "POST", "/v1/unload_lora_adapter", {"lora_name": name})
                elif kind == 7:
                    leave(rnd, "GET", rnd.choice(("/v1/models", "/metrics", "/v1/files", "/v1/fine_tuning/jobs", "/v1/lora", "/", "/v1/files/file-none/content")), b"")
                else:
                    r = post("/v1/completions", {"model": model, "prompt": "a b", "max_tokens": 5, "ignore_eos": True, "seed": 1})
                    if r.status != 200 and r.status not in (429, 503):
                        wrong.append(r.body)
                done[0] += 1
                if "pid" in given and rnd.random() < 0.01:
                    os.kill(int(given["pid"]), signal.SIGHUP)
            except (ConnectionError, socket.timeout, http.client.HTTPException) as e:
                wrong.append(repr(e))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(not wrong, "whoever stays is served", wrong[:2])
    for _ in range(600):
        m = {k: float(v) for k, v in (l.rsplit(" ", 1) for l in get("/metrics").body.decode().splitlines() if not l.startswith("#"))}
        left = sum(v for k, v in m.items() if k.startswith(("vllm:num_requests_running", "vllm:num_requests_waiting")))
        if left == 0:
            break
        time.sleep(0.05)
    check(left == 0, "nothing runs for those who left", left)
    check(get("/health").status == 200 and done[0] > 50, "alive", done)


def scopes():
    infer, filer, other, admin = (given[k] for k in ("infer", "files", "other", "admin"))
    f = upload(ROWS, key=filer)
    check(f.status == 200, "files", f.body)
    i = f.json["id"]
    check(upload(ROWS, key=infer).status == 403 and upload(ROWS).status == 401 and upload(ROWS, key="glim_nobody").status == 401, "a key with the scope")
    check(get("/v1/files/" + i, key=other).status == 404 and get("/v1/files/%s/content" % i, key=other).status == 404 and call("DELETE", "/v1/files/" + i, key=other).status == 404, "another tenant's file is not there")
    check(get("/v1/files", key=other).json["data"] == [] and get("/v1/files", key=admin).json["data"][0]["id"] == i, "lists")
    j = post("/v1/fine_tuning/jobs", {"model": model, "training_file": i}, key=filer)
    check(j.status == 200 and post("/v1/fine_tuning/jobs", {"model": model, "training_file": i}, key=infer).status == 403, "tune", j.body)
    check(post("/v1/fine_tuning/jobs", {"model": model, "training_file": i}, key=other).error["param"] == "training_file", "not with another tenant's file")
    p = "/v1/fine_tuning/jobs/" + j.json["id"]
    check(get(p, key=other).status == 404 and post(p + "/cancel", b"", key=other).status == 404 and get(p + "/events", key=other).status == 404 and get(p, key=admin).status == 200, "another tenant's job is not there")
    check(post("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": "/x"}, key=filer).status == 403 and post("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": "/x"}, key=admin).status == 404, "adapters are the administrator's")
    check(post("/v1/embeddings", {"model": model, "input": "x"}, key=filer).status == 403 and post("/v1/embeddings", {"model": model, "input": "x"}, key=infer).status == 200, "infer")


globals()[what]()
sys.exit(done())
