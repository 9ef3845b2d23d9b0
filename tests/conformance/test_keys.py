"""Keys, tenants and adapters: who may ask, how soon a revoked key is dead, and that nobody is served from another's prefix."""
import json
import os
import random
import shutil
import signal
import threading
import time

import ask
import harness
from harness import PATIENCE, Client, Reader, Server, Skip, check, eventually, request_bytes, server

MODEL = "glm4"
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
USER = [{"role": "user", "content": "hi"}]
PROMPT = [70 + k % 200 for k in range(400)]  # six pages and a bit
ONE = {"model": MODEL, "prompt": "a", "max_tokens": 1}
NO_END = {str(i): -100 for i in range(306, 320)}

_shared = {}


def key(name, *flags, data=None):
    code, out, err = harness.glim("key", "create", name, "--json", "--data", data or folder(), *flags)
    if code:
        raise RuntimeError("glim key create: " + err)
    k = json.loads(out)
    if "server" in _shared and data is None:  # a running server learns of it within a second
        end = time.monotonic() + PATIENCE
        while _shared["server"].call("GET", "/v1/models", key=k["key"], rules=False).status == 401 and time.monotonic() < end:
            time.sleep(0.02)
    return k


def revoke(k):
    code, _, err = harness.glim("key", "revoke", k["id"], "--data", folder())
    check(code == 0, "glim key revoke: %s", err)


def folder():
    if "data" not in _shared:
        if not harness.has_flag("--auth"):
            raise Skip("`glim serve` knows no keys yet")
        _shared["data"] = harness.work("keyed")
    return _shared["data"]


def keyed():
    """A server that wants keys; its own client is nobody."""
    if "server" not in _shared:
        _shared["first"] = key("first", "--tenant", "a")
        _shared["server"] = Server(MODEL, "--auth", "keys", data=folder())
    return _shared["server"], _shared["first"]["key"]


def metric(s, k, name):
    """/metrics may want a key."""
    for line in s.call("GET", "/metrics", key=k).text.splitlines():
        if line.startswith(name + "{"):
            return float(line.split()[-1])
    return None


def idle(s, k):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if metric(s, k, "vllm:num_requests_running") == 0 and metric(s, k, "vllm:num_requests_waiting") == 0:
            return True
        time.sleep(0.01)
    return False


def test_without_a_key_that_is_known_nothing_is_answered():
    s, good = keyed()
    for about, headers in (("none", []), ("empty", [("Authorization", "")]), ("no scheme", [("Authorization", good)]), ("Basic", [("Authorization", "Basic " + good)]),
                           ("an empty token", [("Authorization", "Bearer ")]), ("another", [("Authorization", "Bearer " + good[:-1] + ("a" if good[-1] != "a" else "b"))]), ("its beginning", [("Authorization", "Bearer " + good[:-1])]),
                           ("more", [("Authorization", "Bearer " + good + "x")]), ("huge", [("Authorization", "Bearer " + "x" * 8000)]), ("two", [("Authorization", "Bearer x"), ("Authorization", "Bearer y")]),
                           ("it and another", [("Authorization", "Bearer " + good), ("authorization", "Bearer x")]), ("another and it", [("Authorization", "Bearer x"), ("Authorization", "Bearer " + good)]),
                           ("it twice", [("Authorization", "Bearer " + good)] * 2),
                           ("a null", [("Authorization", "Bearer null")]), ("SQL", [("Authorization", "Bearer ' OR 1=1 --")]), ("an api-key header", [("api-key", good)])):
        for method, path, body in (("POST", CHAT, {"model": MODEL, "messages": USER}), ("POST", TEXT, ONE), ("GET", "/v1/models", None), ("POST", "/tokenize", {"prompt": "a"})):
            r = s.call(method, path, body, headers)
            check(r.status == 401 and r.error["code"] == "invalid_api_key" and good[:-1] not in r.text, "%s %s with %s: %d %s", method, path, about, r.status, r.text[:200])
    for path in ("/health", "/live"):
        check(s.call("GET", path).status == 200, "%s needs no key", path)
    for scheme in ("Bearer ", "bearer ", "BEARER ", "Bearer  "):
        r = s.post(TEXT, ONE, headers=[("Authorization", scheme + good)])
        check(r.status == 200, "%r: %d %s", scheme, r.status, r.text[:200])


def test_a_bad_key_is_refused_before_the_body_is_looked_at():
    s, _ = keyed()
    for body in (b"{", b"", b"[" * 1000):
        r = s.call("POST", CHAT, body, [("Authorization", "Bearer x")])
        check(r.status == 401, "%r: %d", body[:10], r.status)
    # A file that is larger than any other body: its client is told too, and need not send it first if it asks.
    head = b"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Type: multipart/form-data; boundary=bb\r\nContent-Length: %d\r\n"
    for data in (head % (20 << 20) + b"\r\n" + b"x" * (20 << 20), head % (400 << 20) + b"Expect: 100-continue\r\n\r\n"):
        r = s.client.raw(data, "POST", "/v1/files")
        check(r.status == 401 and r.error["code"] == "invalid_api_key", "a file of %d bytes: %d", len(data), r.status)


def test_scopes():
    s, good = keyed()
    k = key("reader", "--scopes", "usage")
    r = s.post(TEXT, ONE, key=k["key"])
    check(r.status == 403 and r.error["type"] == "permission_error", "a key that may not infer: %d %s", r.status, r.text[:200])


def test_a_revoked_key_is_dead_within_a_second():
    s, good = keyed()
    k = key("brief")
    check(s.post(TEXT, ONE, key=k["key"]).status == 200, "a new key works beside a running server")
    revoke(k)
    began, late, over = time.monotonic(), 0, False
    while not over and time.monotonic() < began + PATIENCE:
        asked = time.monotonic()
        over = s.post(TEXT, ONE, key=k["key"]).status != 200
        time.sleep(0.02)
        late += max(0, time.monotonic() - asked - 0.1)  # an answer of one token and the pause: the rest is a busy machine's
    took = time.monotonic() - began
    check(over and took < 1 + late, "it took %.2f s, %.2f of them late", took, late)
    check(s.post(TEXT, ONE, key=k["key"]).status == 401 and s.post(TEXT, ONE, key=good).status == 200, "dead, and the others live")


def test_a_key_revoked_during_a_stream_ends_it():
    s, good = keyed()
    k = key("brief2")
    c = s.connect(receive=16384)
    c.sendall(request_bytes("POST", TEXT, {"model": MODEL, "prompt": "a", "max_tokens": 1900, "n": 4, "temperature": 1, "logprobs": 5, "logit_bias": NO_END, "stream": True}, key=k["key"]))
    r = Reader(c)
    r.until(b"\r\n\r\n")
    while r.buf.count(b"\n\n") < 6 and check(r.more(), "the stream runs"):
        pass
    revoke(k)
    time.sleep(1.2)  # nobody reads meanwhile, so it cannot have come to its end by itself
    got = b""
    while part := c.recv(65536):
        got += part
        if got.endswith(b"0\r\n\r\n"):
            break
    c.close()
    check(b'"error"' in got or b"[DONE]" in got, "the stream comes to an end: %r", got[-300:])
    check(b'"invalid_api_key"' in got, "and says why: %r", got[-300:])
    check(idle(s, good), "nothing runs")


def test_limits_of_a_key():
    s, good = keyed()
    k = key("slow", "--rpm", "3")  # key() has seen it answered once
    got = [s.post(TEXT, ONE, key=k["key"]) for _ in range(4)]
    check([r.status for r in got[:2]] == [200, 200] and got[3].status == 429, "three a minute: %s", [r.status for r in got])
    check(got[3].error["type"] == "rate_limit_error" and int(got[3].header("retry-after-ms")) > 0, "and when to come back: %s", got[3].headers)
    k = key("poor", "--token-budget", "30", "--period", "total")
    statuses = [s.post(TEXT, {**ONE, "max_tokens": 8, "logit_bias": NO_END}, key=k["key"]) for _ in range(8)]
    ok = [r for r in statuses if r.status == 200]
    used = sum(r.json["usage"]["total_tokens"] for r in ok)
    check(ok and used <= 30 and statuses[-1].status in (402, 403, 429), "30 tokens: %s used, %s", used, [r.status for r in statuses])
    check(statuses[-1].error["code"], "%s", statuses[-1].text[:200])


def cached(s, k, prompt, model=MODEL):
    r = s.post(TEXT, {"model": model, "prompt": prompt, "max_tokens": 6, "seed": 1, "temperature": 1, "logit_bias": NO_END}, key=k)
    if not check(r.status == 200, "%s: %d %s", model, r.status, r.text[:200]):
        return None, None
    return r.json["usage"]["prompt_tokens_details"]["cached_tokens"], r.json["choices"][0]["text"]


def test_a_tenants_prefix_is_never_used_by_another():
    s, a = keyed()
    b, a2 = key("b", "--tenant", "b")["key"], key("a2", "--tenant", "a")["key"]
    first, said = cached(s, a, PROMPT)
    again, said_again = cached(s, a, PROMPT)
    check(first == 0 and again >= 320, "the tenant itself: %s, then %s", first, again)
    other, said_other = cached(s, b, PROMPT)
    check(other == 0, "another tenant finds %s tokens of it", other)
    check(cached(s, a2, PROMPT)[0] >= 320, "another key of the same tenant shares it")
    check(cached(s, b, PROMPT)[0] >= 320, "the other tenant has its own by now")
    check(said == said_again == said_other, "the answer is the same from a cache and without: %r, %r, %r", said, said_again, said_other)
    # prompt_cache_key is a hint for one's own, never a way into another's
    fresh = [p + 1 for p in PROMPT]
    s.post(TEXT, {"model": MODEL, "prompt": fresh, "max_tokens": 1, "prompt_cache_key": "k"}, key=a)
    r = s.post(TEXT, {"model": MODEL, "prompt": fresh, "max_tokens": 1, "prompt_cache_key": "k"}, key=b)
    check(r.json["usage"]["prompt_tokens_details"]["cached_tokens"] == 0, "a cache key opens another tenant's prefix: %s", r.text)


def test_the_ledger_has_what_was_answered():
    s, good = keyed()
    k = key("counted", "--tenant", "counted")
    said = [0, 0]
    rnd = random.Random(2)
    for i in range(12):
        path, body = ask.request(rnd, MODEL, 306)
        r = s.post(path, body, key=k["key"])
        if check(r.status == 200, "%s: %d %s", path, r.status, r.text[:200]):
            said[0] += r.json["usage"]["prompt_tokens"]
            said[1] += r.json["usage"]["completion_tokens"]
    check(idle(s, good), "nothing runs")
    found = None
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        code, out, err = harness.glim("usage", "--key", k["id"], "--json", "--data", folder())
        if not check(code == 0, "glim usage: %s", err):
            return
        found = numbers(json.loads(out))
        if found == said:
            break
        time.sleep(0.05)
    check(found == said, "the ledger says %s, the replies %s: %s", found, said, out)
    code, out, err = harness.glim("usage", "check", "--data", folder())
    check(code == 0, "the ledger adds up: %s %s", out, err)


def test_who_leaves_while_he_waits_pays_nothing():
    data = harness.work("waiting")
    first, left = key("holder", data=data), key("left", data=data)
    s = Server(MODEL, "--auth", "keys", "--parallel", "1", data=data)
    held = []
    for i in range(6):  # one writes, the others wait
        c = s.connect()
        c.sendall(request_bytes("POST", TEXT, {"model": MODEL, "prompt": "a", "max_tokens": 500 if harness.SANITIZED else 1900, "seed": i, "temperature": 1, "logit_bias": NO_END}, key=first["key"]))
        held.append(c)
    for stream in (False, True):
        c = s.connect()
        c.sendall(request_bytes("POST", TEXT, {"model": MODEL, "prompt": PROMPT, "max_tokens": 5, "stream": stream}, key=left["key"]))
        time.sleep(0.1)
        c.close()
    for c in held:
        check(Reader(c).reply("POST").status == 200, "those who stay are answered")
        c.close()
    check(idle(s, first["key"]), "nothing runs")
    end, said = time.monotonic() + PATIENCE, {"rows": []}
    while sum(r["requests"] for r in said["rows"]) < 2 and time.monotonic() < end:
        code, out, err = harness.glim("usage", "--key", left["id"], "--json", "--data", data)
        if not check(code == 0, "glim usage: %s", err):
            return
        said = json.loads(out)
        time.sleep(0.05)
    check(sum(r["requests"] for r in said["rows"]) == 2 and numbers(said) == [0, 0], "nobody read these prompts: %s", said)


def numbers(v):
    """[prompt, completion] tokens summed over the rows of glim usage --json, whatever stands around them."""
    total = [0, 0]

    def walk(x):
        if isinstance(x, list):
            for y in x:
                walk(y)
        elif isinstance(x, dict):
            p = x.get("prompt_tokens", x.get("prompt"))
            c = x.get("completion_tokens", x.get("completion"))
            if isinstance(p, int) and isinstance(c, int):
                total[0] += p
                total[1] += c
                return
            for y in x.values():
                walk(y)

    walk(v.get("rows", v) if isinstance(v, dict) else v)
    return total


# ---- adapters ----

def adapted():
    if not harness.has_flag("--adapter"):
        raise Skip("`glim serve` takes no adapters yet")
    at = harness.FIXTURES + "/adapters/"
    return server(MODEL, "--adapter", "all=%sglm4-all" % at, "--adapter", "rs=%sglm4-rs" % at)


def test_adapters_are_models_and_share_no_prefix():
    s = adapted()
    listed = {m["id"] for m in s.call("GET", "/v1/models").json["data"]}
    check({MODEL, "all", "rs"} <= listed, "listed: %s", listed)
    said = {}
    for m in (MODEL, "all", "rs"):
        n, said[m] = cached(s, None, PROMPT, m)
        check(n == 0, "%s finds %s tokens of another's prefix", m, n)
    for m in (MODEL, "all", "rs"):
        n, text = cached(s, None, PROMPT, m)
        check(n is not None and n >= 320 and text == said[m], "%s a second time: %s cached, %r, first %r", m, n, text, said[m])
    check(len(set(said.values())) == 3, "they say different things: %s", said)
    r = s.post(TEXT, {**ONE, "model": "none-such"})
    check(r.status == 404 and r.error["code"] == "model_not_found", "an adapter that is not there: %d", r.status)


def test_a_mixed_batch_gives_the_texts_of_single_runs():
    s = adapted()
    asks = [{"model": (MODEL, "all", "rs")[k % 3], "prompt": PROMPT[k:k + 90], "max_tokens": 30, "seed": k, "temperature": 1} for k in range(18)]
    alone = [s.post(TEXT, b).json["choices"] for b in asks]
    mixed = [None] * len(asks)

    def one(i):
        c = Client(s)
        mixed[i] = c.call("POST", TEXT, asks[i]).json["choices"]
        c.close()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(asks))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i, (x, y) in enumerate(zip(alone, mixed)):
        check(x == y, "request %d of %s: alone %r, in a mixed batch %r", i, asks[i]["model"], x[0]["text"], y[0]["text"])


def test_another_adapter_under_the_same_name_finds_nothing_of_the_first():
    s = adapted()
    at = harness.FIXTURES + "/adapters/"
    want = {m: cached(s, None, PROMPT, m)[1] for m in ("all", "rs")}
    body = {"lora_name": "turn", "lora_path": at + "glm4-all"}
    r = s.post("/v1/load_lora_adapter", body)
    check(r.status == 200, "loaded: %d %s", r.status, r.text)
    first, said = cached(s, None, PROMPT, "turn")
    check(said == want["all"], "what it says: %r, want %r", said, want["all"])
    check(cached(s, None, PROMPT, "turn")[0] >= 320, "its own prefix")
    r = s.post("/v1/load_lora_adapter", {**body, "lora_path": at + "glm4-rs", "load_inplace": True})
    check(r.status == 200, "replaced: %d %s", r.status, r.text)
    n, said = cached(s, None, PROMPT, "turn")
    check(said == want["rs"], "after the change: %r, want %r", said, want["rs"])
    # Weights decide, not names: "rs" is the same adapter, so its prefix may serve; that of "all" never.
    check(s.call("DELETE", "/v1/models/turn").status == 200, "deleted")
    r = s.post(TEXT, {**ONE, "model": "turn"})
    check(r.status == 404 and r.error["code"] == "model_not_found", "unloaded: %d", r.status)
    check(s.post("/v1/unload_lora_adapter", {"lora_name": "turn"}).status == 404, "once")


# ---- Idempotency-Key ----

def upload(s, k, once, data=b"rows"):
    form = b"--xXx\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--xXx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + data + b"\r\n--xXx--\r\n"
    c = Client(s)
    c.send(b"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=xXx\r\nIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n" % (k.encode(), once, len(form)) + form)
    r = c.reader.reply("POST")
    c.close()
    return r


def test_a_request_sent_again_makes_no_second_file():
    """Whoever retries sends the same Idempotency-Key: one file, also where both come at once; another tenant's key is another."""
    s, _ = keyed()
    a, b = key("ia", "--tenant", "ia", "--scopes", "files")["key"], key("ib", "--tenant", "ib", "--scopes", "files")["key"]
    got = [None] * 12

    def one(i):
        got[i] = upload(s, a if i % 3 else b, b"again")

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(got))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(all(r.status == 200 for r in got), "answered: %s", [r.text[:200] for r in got if r.status != 200])
    ids = [{r.json["id"] for i, r in enumerate(got) if (i % 3 == 0) == other} for other in (False, True)]
    check(len(ids[0]) == 1 and len(ids[1]) == 1 and ids[0] != ids[1], "one file for each tenant: %s", ids)
    for k, mine in ((a, ids[0]), (b, ids[1])):
        check({f["id"] for f in s.call("GET", "/v1/files", key=k).json["data"]} == mine, "and no more are listed")
    check(upload(s, a, b"another").json["id"] not in ids[0], "another key, another file")


def test_prefixes_outlive_a_restart_with_the_type_of_their_pages():
    prefixes = harness.work("prefixes")
    ids = [10 + (7 * i) % 280 for i in range(300)]
    body = {"model": "glm4", "prompt": ids, "max_tokens": 12, "temperature": 0, "logit_bias": NO_END}

    def ask(*flags):
        s = server("glm4", "--snapshots", prefixes, *flags)
        r = s.post(TEXT, body)
        again = s.post(TEXT, body)
        check(r.status == 200 and again.status == 200, "%d %s", r.status, r.text)
        check(again.json["choices"][0]["text"] == r.json["choices"][0]["text"] and cached(again) >= 256, "the second finds the first's: %d", cached(again))
        check(s.stop() == 0, "ended: %s", s.errors())
        return r

    def cached(r):
        return r.json["usage"]["prompt_tokens_details"]["cached_tokens"]

    first = ask("--kv", "q8")
    check(cached(first) == 0, "nothing is known at first: %d", cached(first))
    second = ask("--kv", "q8")
    check(cached(second) >= 256, "the next process finds it: %d", cached(second))
    check(second.json["choices"][0]["text"] == first.json["choices"][0]["text"], "and says the same")
    other = ask("--kv", "bf16")
    check(cached(other) == 0, "pages of another type are not taken: %d", cached(other))


def test_the_folder_of_prefixes_keeps_to_its_bytes_over_reloads_and_restarts():
    prefixes, model = harness.work("bounded"), harness.work("model")
    shutil.copytree(os.path.join(harness.FIXTURES, MODEL), model)
    weights = os.path.join(model, "model-00001-of-00002.safetensors")
    first = open(weights, "rb").read()

    def held():
        """Bytes of the folder, what is being written included."""
        n = 0
        for e in os.scandir(prefixes) if os.path.isdir(prefixes) else ():
            try:
                n += e.stat().st_size
            except FileNotFoundError:
                pass
        return n

    def ask(s, *seeds):
        """A prompt of ten pages for each seed, and one beside them that nobody shares."""
        for seed in seeds:
            r = s.post(TEXT, {"model": MODEL, "prompt": [10 + (k * seed + k * k) % 280 for k in range(650)], "max_tokens": 2})
            check(r.status == 200, "%d %s", r.status, r.text)
            check(held() <= bound, "%d bytes in the folder, want at most %d", held(), bound)

    def start(gib):
        s = Server(model, "--name", MODEL, "--snapshots", prefixes, "--snapshots-size", repr(gib), "--client-timeout", "300")
        return s, int(gib * (1 << 30))

    s, bound = start(0.0003)
    ask(s, 1)
    check(s.stop() == 0 and held() > 0, "pages are written: %d bytes", held())
    page = held() // len(os.listdir(prefixes))
    check(10 * page < bound < 40 * page, "the bound is some twenty pages, of %d bytes each", page)
    s, bound = start(0.0003)
    for again in range(2):
        # A stream that nobody reads holds the old model, with prompts that are not on disk yet, while the new one fills the folder.
        ask(s, 3 + 10 * again)
        slow = s.connect(receive=4096)
        slow.sendall(request_bytes("POST", TEXT, {"model": MODEL, "prompt": "a", "max_tokens": 1300, "logprobs": 5, "n": 4, "stream": True, "logit_bias": NO_END}, headers=(("Connection", "close"),)))
        check(slow.recv(12) == b"HTTP/1.1 200", "the stream runs")
        data = bytearray(first)
        data[-1] ^= 1 + again
        with open(weights + ".new", "wb") as f:
            f.write(data)
        os.rename(weights + ".new", weights)
        s.p.send_signal(signal.SIGHUP)
        told = lambda what: open(s.log, errors="replace").read().count(what) > again
        check(eventually(lambda: told("the model was replaced")), "another model: %s", s.errors())
        ask(s, *range(5 + 10 * again, 9 + 10 * again))
        check(not told("the old model is closed"), "the old model is there until the stream ends")
        while slow.recv(1 << 20):
            pass
        check(eventually(lambda: told("the old model is closed")), "and goes then")
        check(held() <= bound, "%d bytes when it has gone, want at most %d", held(), bound)
    check(s.stop() == 0 and 0 < held() <= bound, "%d bytes at the end, want at most %d", held(), bound)
    s, bound = start(0.0002)  # of three models now, and a smaller bound
    check(eventually(lambda: held() <= bound), "%d bytes after a restart, want at most %d", held(), bound)
    ask(s, 31, 32, 33)
    check(s.stop() == 0 and 0 < held() <= bound, "%d bytes, want at most %d", held(), bound)
