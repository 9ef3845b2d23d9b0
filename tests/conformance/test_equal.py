"""A stream's chunks make up the whole reply, over random requests (2,000 with GLIM_SOAK=1), and a request's answer does not
depend on its company."""
import json
import random
import threading

import ask
from harness import SANITIZED, SOAK, Client, check, server

MODELS = (("glm4", 306), ("glm4moe-air", 306))  # and the ids below which all are text


def test_stream_equals_whole_over_random_requests():
    kinds = {}
    for k in range(2000 if SOAK else 20 if SANITIZED else 200):
        rnd = random.Random(k)
        model, n_vocab = MODELS[k % len(MODELS)]
        path, body = ask.request(rnd, model, n_vocab)
        whole = ask.compare(server(model), path, body, "request %d of %s" % (k, model))
        for c in whole["choices"] if whole else []:
            m = c.get("message", {})
            for what in ("calls" if m.get("tool_calls") else "", "reasoning" if m.get("reasoning_content") else "", c["finish_reason"], "schema" if "response_format" in body else ""):
                kinds[what] = kinds.get(what, 0) + 1
    check(SANITIZED or all(kinds.get(x, 0) > 0 for x in ("calls", "stop", "length", "schema", "reasoning")), "the requests reach everything: %s", kinds)


def test_the_same_seed_gives_the_same_answer_alone_and_in_company():
    model, n_vocab = MODELS[0]
    s = server(model)
    asks = []
    for k in range(8 if SANITIZED else 32):
        path, body = ask.request(random.Random(5000 + k), model, n_vocab)
        asks.append((path, {**body, "n": 1}))
    alone = [strip(s.post(path, body).json) for path, body in asks]
    check(all(a == strip(s.post(path, body).json) for a, (path, body) in zip(alone, asks)), "a second time")
    together = [None] * len(asks)

    def one(i):
        c = Client(s)
        together[i] = strip(c.call("POST", *asks[i]).json)
        c.close()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(asks))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i, (a, b) in enumerate(zip(alone, together)):
        check(a == b, "request %d: alone %s, in company %s", i, json.dumps(a)[:300], json.dumps(b)[:300])


def strip(reply):
    """What the seed decides: the ids of calls are new every time."""
    out = []
    for c in reply.get("choices", [reply]):
        c = json.loads(json.dumps(c))
        for t in c.get("message", {}).get("tool_calls") or []:
            t.pop("id")
        out.append(c)
    return out


def test_n_choices_are_those_of_one_request_and_differ():
    s = server("glm4")
    body = {"model": "glm4", "messages": [{"role": "user", "content": "x"}], "seed": 3, "temperature": 1.5, "max_tokens": 12, "n": 8}
    whole = ask.compare(s, "/v1/chat/completions", body, "n = 8")
    if whole:
        texts = [c["message"]["content"] for c in whole["choices"]]
        check(len(set(texts)) > 4, "eight choices: %s", texts)
        one = s.post("/v1/chat/completions", {**body, "n": 1}).json
        check(one["choices"][0]["message"]["content"] == texts[0], "the first of eight is the one of one: %r, %r", texts[0], one["choices"][0]["message"]["content"])


def test_bias_bans_and_forces():
    s = server("glm4")
    body = {"model": "glm4", "prompt": "ab", "max_tokens": 6, "temperature": 1, "seed": 1, "logprobs": 0}
    t = s.post("/v1/completions", {**body, "logit_bias": {"75": 100}}).json["choices"][0]
    check(len(set(t["logprobs"]["tokens"])) == 1 and len(t["logprobs"]["tokens"]) == 6, "a forced token is the only one: %s", t)
    first = s.post("/v1/completions", {**body, "temperature": 0}).json["choices"][0]["logprobs"]["tokens"][0]
    ids = [i for i in range(300) if s.post("/detokenize", {"tokens": [i]}).json["prompt"] == first]
    check(ids, "the id of %r", first)
    if ids:
        banned = s.post("/v1/completions", {**body, "temperature": 0, "logit_bias": {str(i): -100 for i in ids}}).json["choices"][0]["logprobs"]["tokens"]
        check(first not in banned, "a banned token does not come: %r in %s", first, banned)


def test_stop_strings_across_token_borders():
    s = server("glm4")
    rnd = random.Random(9)
    found = 0
    for k in range(8 if SANITIZED else 25):
        body = {"model": "glm4", "logit_bias": {"306": -100, "313": -100, "315": -100}, "prompt": "stop %d" % k, "max_tokens": 40, "temperature": 1.2, "seed": k}
        text = s.post("/v1/completions", body).json["choices"][0]["text"]
        for _ in range(3):
            n = rnd.randrange(1, 9)
            at = rnd.randrange(max(1, len(text) - n))
            stop = text[at:at + n]
            if not stop or "\ufffd" in stop or "\0" in stop:
                continue
            whole = ask.compare(s, "/v1/completions", {**body, "stop": stop}, "stop %r of %r" % (stop, text))
            if whole:
                want = text[:text.index(stop)]
                check(whole["choices"][0]["text"] == want and whole["choices"][0]["finish_reason"] == "stop", "stop %r: %r, want %r", stop, whole["choices"][0], want)
                found += 1
    check(found > 2, "%d stops", found)


def test_a_prompt_that_is_only_echoed_ends_like_an_answer():
    s = server("glm4")
    for prompt in ("a b", ["a", "b c"], [[70, 71], [72]]):
        for n in (1, 2):
            for logprobs in (None, 2):
                whole = ask.compare(s, "/v1/completions", {"model": "glm4", "prompt": prompt, "max_tokens": 0, "echo": True, "n": n, "logprobs": logprobs}, "echo of %s, n %d" % (prompt, n))
                check(whole and all(c["finish_reason"] == "length" for c in whole["choices"]), "echo of %s: %s", prompt, whole)


def test_offsets_of_an_echoed_prompt_point_into_its_text():
    s = server("glm4")
    for prompt in ("hello world", ["a b", "c d e"]):
        for max_tokens in (0, 3):
            r = s.post("/v1/completions", {"model": "glm4", "prompt": prompt, "max_tokens": max_tokens, "echo": True, "logprobs": 1, "seed": 2}).json
            for want, c in zip(prompt if isinstance(prompt, list) else [prompt], r["choices"]):
                lp, at = c["logprobs"], 0
                for token, offset in zip(lp["tokens"], lp["text_offset"]):
                    if at < len(want) and want.startswith(token, at):
                        check(offset == at, "%r of %r: offset %d, want %d", token, want, offset, at)
                        at += len(token)
                    elif at == 0:
                        check(offset == 0, "%r stands before %r: offset %d", token, want, offset)
                check(at == len(want), "the prompt's tokens: %s", lp["tokens"])


def test_best_of_shows_the_likeliest_and_charges_all():
    s = server("glm4")
    for prompt in ("good day", ["a", "b c"]):
        many = prompt if isinstance(prompt, list) else [prompt]
        base = {"model": "glm4", "prompt": prompt, "max_tokens": 6, "seed": 5, "temperature": 1.5}
        all_ = s.post("/v1/completions", {**base, "n": 6, "logprobs": 0}).json
        for n, echo in ((1, False), (2, True), (6, False)):
            want = []
            for i in range(len(many)):
                own = all_["choices"][6 * i:6 * i + 6]
                means = [sum(c["logprobs"]["token_logprobs"]) / len(c["logprobs"]["tokens"]) for c in own]
                order = sorted(range(6), key=lambda k: -means[k]) if n < 6 else range(6)
                want += [(many[i] if echo else "") + own[k]["text"] for k in list(order)[:n]]
            r = s.post("/v1/completions", {**base, "n": n, "best_of": 6, "echo": echo}).json
            check([c["text"] for c in r["choices"]] == want and [c["index"] for c in r["choices"]] == list(range(len(want))), "best %d of %s: %s, want %s", n, prompt, r["choices"], want)
            check(all(c["logprobs"] is None for c in r["choices"]), "log-probabilities that nobody asked for: %s", r["choices"])
            check(r["usage"]["completion_tokens"] == all_["usage"]["completion_tokens"], "usage counts all: %s, want %s", r["usage"], all_["usage"])
