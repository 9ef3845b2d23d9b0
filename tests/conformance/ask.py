"""ask.py - requests that are random but known by their seed, and a stream held against the whole reply.

compare() asks the same thing whole and streamed: both must fit their tables, both readers (readers.py) must make of the
chunks what the whole reply says, and so must log-probabilities and usage."""
import json

import readers
import schema
from harness import check

WORDS = ["why", "is", "light", "blue", "today", "\u4f60\u597d", "caf\u00e9", "\U0001f600", "\u0440\u0443\u0441", "42", "x=1;", "{\"a\": 1}", "<b>", "\n", "\t", "\u200b", "e\u0301"]
TOOLS = [
    {"type": "function", "function": {"name": "look", "description": "Looks.", "strict": True, "parameters": {
        "type": "object", "properties": {"q": {"type": "string", "maxLength": 6}, "n": {"type": "integer"}}, "required": ["q", "n"], "additionalProperties": False}}},
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}, "additionalProperties": False}, "strict": True}},
    {"type": "function", "function": {"name": "set_light", "strict": True, "parameters": {
        "type": "object", "properties": {"on": {"type": "boolean"}, "room": {"enum": ["hall", "\u53a8\u623f"]}}, "required": ["on", "room"], "additionalProperties": False}}}]
SCHEMAS = [
    {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"enum": ["x", "\u597d"]}}, "required": ["a", "b"], "additionalProperties": False},
    {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "minItems": 1, "maxItems": 3},
    {"type": "object", "properties": {"s": {"type": "string", "maxLength": 5}, "t": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}}, "required": ["s", "t"], "additionalProperties": False}]
SPECIAL = ["<|user|>", "<|assistant|>", "<think>", "</think>", "<tool_call>", "</tool_call>", "[gMASK]", "<|endoftext|>", "<|im_end|>", "<|eot_id|>"]


def text(rnd, n=6):
    words = [rnd.choice(SPECIAL) if rnd.random() < 0.05 else rnd.choice(WORDS) for _ in range(rnd.randrange(1, n))]
    return " ".join(words)


def messages(rnd):
    out = []
    if rnd.random() < 0.4:
        out.append({"role": rnd.choice(("system", "developer")), "content": text(rnd)})
    for i in range(rnd.choice((0, 0, 0, 1, 2))):
        out.append({"role": "user", "content": text(rnd)})
        if rnd.random() < 0.3:
            out.append({"role": "assistant", "content": None, "tool_calls": [{"id": "call_%d" % i, "type": "function", "function": {"name": "look", "arguments": '{"q": "a", "n": 1}'}}]})
            out.append({"role": "tool", "tool_call_id": "call_%d" % i, "content": text(rnd)})
        out.append({"role": "assistant", "content": text(rnd), **({"reasoning_content": text(rnd)} if rnd.random() < 0.3 else {})})
    parts = [{"type": "text", "text": text(rnd)}, {"type": "text", "text": text(rnd)}]
    return out + [{"role": "user", "content": parts if rnd.random() < 0.2 else text(rnd)}]


def request(rnd, model, n_vocab):
    """(path, body) of a request that is right."""
    chat = rnd.random() < 0.7
    body = {"model": model, "seed": rnd.randrange(-2 ** 63, 2 ** 63), "temperature": rnd.choice((0, 0.7, 1, 1.5, 2)), "max_tokens": rnd.randrange(1, 25), "n": rnd.choice((1, 1, 1, 2, 3, 5))}
    for key, p, make in (("top_p", 0.3, lambda: rnd.choice((0, 0.1, 0.9, 1))), ("frequency_penalty", 0.2, lambda: rnd.uniform(-2, 2)), ("presence_penalty", 0.2, lambda: rnd.uniform(-2, 2)),
                         ("stop", 0.3, lambda: rnd.choice((["e"], "t", [" t", "a", "\u4f60"], ["zq", "ab", "\n"]))),
                         ("logit_bias", 0.2, lambda: {str(rnd.randrange(n_vocab)): rnd.choice((-100, -3, 5)) for _ in range(4)}),
                         ("top_k", 0.2, lambda: rnd.choice((1, 5, 40))), ("min_p", 0.1, lambda: 0.05), ("repetition_penalty", 0.1, lambda: 1.2)):
        if rnd.random() < p:
            body[key] = make()
    if not chat:
        body["prompt"] = rnd.choice((text(rnd), [text(rnd), text(rnd)], [rnd.randrange(300) for _ in range(5)], [[5, 6], [9], [70, 71, 72]]))
        body["echo"] = rnd.random() < 0.3
        if body["echo"] and rnd.random() < 0.2:
            body["max_tokens"] = 0
        if rnd.random() < 0.4:
            body["logprobs"] = rnd.randrange(6)
        return "/v1/completions", body
    body["messages"] = messages(rnd)
    if rnd.random() < 0.3:
        body["logprobs"] = True
        body["top_logprobs"] = rnd.randrange(0, 6)
    if rnd.random() < 0.3:
        body["reasoning_effort"] = rnd.choice(("none", "low", "high"))
    kind = rnd.random()
    if kind < 0.35:
        body["tools"] = rnd.sample(TOOLS, rnd.randrange(1, 4))
        name = rnd.choice(body["tools"])["function"]["name"]
        body["tool_choice"] = rnd.choice(("auto", "none", "required", "required", {"type": "function", "function": {"name": name}}))
        body["parallel_tool_calls"] = rnd.random() < 0.5
        body["max_tokens"] = rnd.choice((20, 110, 110))
    elif kind < 0.5:
        s = rnd.choice(SCHEMAS)
        body["response_format"] = rnd.choice(({"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": s}}))
        body["max_tokens"] = rnd.choice((10, 110))
    if ("tools" in body or "response_format" in body) and "logit_bias" in body:
        # A form may leave one token only, and if the client bans that one its request ends with 400: test_api has those (grammars that cannot go on).
        body["logit_bias"] = {k: max(v, -3) for k, v in body["logit_bias"].items()}
    return "/v1/chat/completions", body


def logprobs_of(chunks, i, chat):
    out = [] if chat else {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    for c in chunks:
        for k in c["choices"]:
            if k["index"] == i and k["logprobs"]:
                if chat:
                    out += k["logprobs"]["content"]
                else:
                    for key in out:
                        out[key] += k["logprobs"][key] or []
    return out


def check_stream(body, chunks, data, whole, chat, about):
    usage = bool(body.get("stream_options", {}).get("include_usage"))
    last = chunks[-1]
    for n, c in enumerate(chunks):
        check(c["id"] == chunks[0]["id"] and c["created"] == chunks[0]["created"] and c["model"] == whole["model"], "%s: chunks of different replies", about)
        check(("usage" in c) == usage, "%s: usage in a chunk that nobody asked for, or missing: %s", about, c)
        if not c["choices"]:
            check(usage and c is last and c["usage"], "%s: a chunk without choices is the last one, with usage: %s", about, c)
        elif usage:
            check(c["usage"] is None and c is not last, "%s: usage comes in the last chunk, which has no choices", about)
    seen, ended = [], set()
    for c in chunks:
        for k in c["choices"]:
            i = k["index"]
            if i not in seen:
                check(i == len(seen), "%s: choice %d appears before choice %d", about, i, len(seen))
                seen.append(i)
                check(not chat or k["delta"] == {"role": "assistant", "content": ""}, "%s: the first chunk of a choice is its role: %s", about, k)
            else:
                check(not chat or "role" not in k["delta"], "%s: role again", about)
            check(i not in ended, "%s: more after the end of choice %d: %s", about, i, k)
            if k["finish_reason"]:
                ended.add(i)
                check(not chat or k["delta"] == {}, "%s: the last chunk of a choice has an empty delta: %s", about, k)
            order = [t["index"] for t in (k["delta"].get("tool_calls") or [])] if chat else []
            check(len(set(order)) == len(order), "%s: two entries of one call in a chunk: %s", about, k)
    check(sorted(ended) == list(range(len(whole["choices"]))), "%s: choices that end: %s", about, sorted(ended))
    if chat:
        wrong = readers.agree(data, whole)
        check(not wrong, "%s: %s", about, wrong)
    for w in whole["choices"]:
        i = w["index"]
        if not chat:
            got = "".join(k["text"] for c in chunks for k in c["choices"] if k["index"] == i)
            check(got == w["text"], "%s: streamed %r, whole %r", about, got, w["text"])
            end = [k["finish_reason"] for c in chunks for k in c["choices"] if k["index"] == i and k["finish_reason"]]
            check(end == [w["finish_reason"]], "%s: ends with %r, whole %r", about, end, w["finish_reason"])
        if w["logprobs"] is not None:
            want = w["logprobs"]["content"] if chat else {k: v or [] for k, v in w["logprobs"].items()}
            got = logprobs_of(chunks, i, chat)
            check(got == want, "%s: log-probabilities of choice %d differ: %s, whole %s", about, i, json.dumps(got)[:300], json.dumps(want)[:300])
    if usage:
        a, b = dict(last["usage"]), dict(whole["usage"])
        a.pop("prompt_tokens_details"), b.pop("prompt_tokens_details")  # the second of the two finds its prompt in the cache
        check(a == b, "%s: usage %s, whole %s", about, a, b)


def is_json(text):
    try:
        schema.loads(text)
        return True
    except ValueError:
        return False


def is_object(text):
    return is_json(text) and isinstance(schema.loads(text), dict)


def check_whole(body, whole, chat, about):
    """What a whole reply must keep whatever it says."""
    u = whole["usage"]
    check(u["total_tokens"] == u["prompt_tokens"] + u["completion_tokens"], "%s: usage does not add up: %s", about, u)
    check(u["prompt_tokens_details"]["cached_tokens"] <= u["prompt_tokens"] and u["completion_tokens_details"]["reasoning_tokens"] <= u["completion_tokens"], "%s: parts of usage: %s", about, u)
    n = body.get("n", 1) * (len(body["prompt"]) if not chat and isinstance(body["prompt"], list) and not isinstance(body["prompt"][0], int) else 1)
    check([c["index"] for c in whole["choices"]] == list(range(n)), "%s: %d choices", about, len(whole["choices"]))
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    check(limit is None or u["completion_tokens"] <= n * limit, "%s: %d tokens, at most %s were wanted", about, u["completion_tokens"], limit)
    stops = body.get("stop") or []
    stops = [stops] if isinstance(stops, str) else stops
    for c in whole["choices"]:
        if not chat:
            # the prompt's own text, which echo repeats, may hold a stop string
            check(body.get("echo") or not any(s in c["text"] for s in stops), "%s: a stop string in the answer: %r", about, c["text"])
            continue
        m = c["message"]
        check(not any(s in (m["content"] or "") for s in stops), "%s: a stop string in the answer: %r", about, m["content"])
        calls = m.get("tool_calls") or []
        check((c["finish_reason"] == "tool_calls") <= bool(calls), "%s: tool_calls without calls: %s", about, c)
        check(m["content"] is not None or calls, "%s: neither content nor calls", about)
        names = [t["function"]["name"] for t in body.get("tools") or []]
        check(all(t["function"]["name"] in names for t in calls), "%s: a tool nobody offered: %s", about, calls)
        check(len({t["id"] for t in calls}) == len(calls), "%s: ids of calls repeat: %s", about, calls)
        if body.get("tool_choice") == "none" or not names:
            check(not calls, "%s: calls although none may be made", about)
        if body.get("parallel_tool_calls") is False:
            check(len(calls) <= 1, "%s: %d calls at once", about, len(calls))
        if c["finish_reason"] == "tool_calls":
            for t in calls:
                check(is_object(t["function"]["arguments"]), "%s: arguments: %s", about, c)
        if isinstance(body.get("tool_choice"), dict) and "function" in body["tool_choice"]:
            check(all(t["function"]["name"] == body["tool_choice"]["function"]["name"] for t in calls), "%s: another tool than the one named: %s", about, calls)
        if "response_format" in body and c["finish_reason"] == "stop" and not stops:
            check(is_json(m["content"]), "%s: no JSON: %r", about, m["content"])


def compare(s, path, body, about):
    """The same request whole and streamed. Returns the whole reply, or None if it was refused."""
    chat = path.endswith("chat/completions")
    r = s.post(path, body)
    if not check(r.status == 200, "%s: %d %s", about, r.status, r.text[:300]):
        return None
    whole = r.json
    wrong = schema.errors("chat_completion" if chat else "completion", whole)
    check(not wrong, "%s: %s", about, wrong)
    check_whole(body, whole, chat, about)
    again = dict(body)
    if body.get("seed", 0) % 5:
        again["stream_options"] = {"include_usage": True}
    r, events = s.stream(path, again)
    if not check(r.status == 200 and events, "%s: streamed: %d", about, r.status):
        return None
    chunks = [schema.loads(e) for e in events]
    for c in chunks:
        wrong = schema.errors("chat_chunk" if chat else "completion_chunk", c)
        check(not wrong, "%s: %s: %s", about, wrong, json.dumps(c)[:300])
    check_stream(again, chunks, r.body, whole, chat, about)
    return whole
