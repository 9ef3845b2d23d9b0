"""readers.py - how the official SDKs read a chat stream, re-stated from what they were seen to do.

node(data)    the Node SDK's .stream(): chunks gathered by index, the whole checked at the end
python(data)  the Python SDK's: choices by position in a list, deltas added up whatever their keys
node_events   the Node SDK's decoder of events, which gets the bytes as they come
node_error    what the Node SDK makes of a refusal: its class, and whether and when it asks again

The first two take the bytes of the whole event stream and return the choices, [{"finish": ..., "message": {...}}], or raise
Throws with the reason the SDK would give. Where an SDK stays silent and gets it wrong, so does its reader: compare what
comes out. test_vectors.py holds both to seventeen known streams, and python() to the SDK itself where that is installed."""
import json


class Throws(Exception):
    pass


def _lines(data):
    return data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _sse(data):
    """(event, data) of each event: comments are skipped, an event ends at an empty line."""
    event, parts = None, []
    for line in _lines(data):
        if line == "":
            if event is not None or parts:
                yield event, "\n".join(parts)
            event, parts = None, []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "event":
                event = value
            elif field == "data":
                parts.append(value)


def _depth(v):
    return 1 + max((_depth(x) for x in (v.values() if isinstance(v, dict) else v)), default=0) if isinstance(v, (dict, list)) else 0


def _chunks(data, is_done, strict_event):
    for event, text in _sse(data):
        if is_done(text):
            return
        try:
            v = json.loads(text)
        except ValueError:
            raise Throws("an event that is no JSON")
        if isinstance(v, dict) and v.get("error"):
            raise Throws("APIError: " + str(v["error"].get("message")))
        if strict_event and event == "error":
            raise Throws("an event named error")
        yield v


def node(data):
    choices = {}
    for c in _chunks(data, lambda t: t == "[DONE]", True):
        if _depth(c) > 128:
            raise Throws("nested deeper than 128")
        if not isinstance(c.get("choices"), list):
            raise Throws("choices is not iterable")
        for k in c["choices"]:
            i = k.get("index")
            if not isinstance(i, int) or not 0 <= i < 128:
                raise Throws("index of a choice: %r" % i)
            have = choices.setdefault(i, {"finish": None, "message": {}})
            m = have["message"]
            if k.get("finish_reason"):
                have["finish"] = k["finish_reason"]
            delta = dict(k.get("delta") or {})
            calls, content, role = delta.pop("tool_calls", None), delta.pop("content", None), delta.pop("role", None)
            delta.pop("refusal", None)
            m.update(delta)  # of keys it does not know, only the last fragment stays
            if role:
                m["role"] = role
            if content:
                m["content"] = m.get("content", "") + content
            for t in calls or []:
                at = t.get("index")
                if not isinstance(at, int) or not 0 <= at < 128:
                    raise Throws("index of a tool call: %r" % at)
                call = m.setdefault("tool_calls", {}).setdefault(at, {})
                for key in ("id", "type"):
                    if t.get(key):
                        call[key] = t[key]
                f = t.get("function")
                if f:
                    g = call.setdefault("function", {"name": f.get("name", ""), "arguments": ""})
                    if f.get("name"):
                        g["name"] = f["name"]
                    g["arguments"] += f.get("arguments") or ""
    out = []
    for i in sorted(choices):
        c = choices[i]
        m = c["message"]
        if not c["finish"]:
            raise Throws("missing finish_reason for choice %d" % i)
        if not m.get("role"):
            raise Throws("missing role for choice %d" % i)
        calls = m.get("tool_calls")
        if calls is not None:
            if sorted(calls) != list(range(len(calls))):
                raise Throws("holes in the tool calls of choice %d" % i)
            m["tool_calls"] = [calls[t] for t in sorted(calls)]
            for t in m["tool_calls"]:
                for key in ("id", "type", "function"):
                    if t.get(key) is None:
                        raise Throws("missing %s of a tool call of choice %d" % (key, i))
        m.setdefault("content", None)
        out.append(c)
    return out


def node_events(parts):
    """Data of the events in bytes that come in parts, up to [DONE]; what is cut off in the middle of an event is dropped."""
    buf, event, data = b"", None, []
    for part in parts:
        buf += part
        while True:
            ends = [i for i in (buf.find(b"\n"), buf.find(b"\r")) if i >= 0]
            if not ends or (buf[min(ends):] == b"\r"):  # a CR at the end may be half of CR LF
                break
            at = min(ends)
            line, buf = buf[:at], buf[at + (2 if buf[at:at + 2] == b"\r\n" else 1):]
            if line == b"":
                if data and "\n".join(data) == "[DONE]":
                    return
                if event == "error":
                    raise Throws("an event named error")
                if data:
                    yield "\n".join(data)
                event, data = None, []
            elif not line.startswith(b":"):
                field, _, value = line.decode().partition(":")
                value = value[1:] if value.startswith(" ") else value
                if field == "event":
                    event = value
                elif field == "data":
                    data.append(value)


def node_error(status, headers, body):
    """headers: pairs, as they came. wait_ms is None where the SDK waits as long as it likes."""
    h = {k.lower(): v for k, v in headers}
    try:
        e = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        e = None
    e = e if isinstance(e, dict) else {}
    kinds = {400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError", 409: "ConflictError",
             422: "UnprocessableEntityError", 429: "RateLimitError"}
    said = h.get("x-should-retry")
    again = said == "true" if said in ("true", "false") else status in (408, 409, 429) or status >= 500
    wait = None
    for name, unit in (("retry-after-ms", 1), ("retry-after", 1000)):
        if wait is None and name in h:
            try:
                wait = float(h[name]) * unit
            except ValueError:
                pass  # a date: not used by us
    if wait is not None and not 0 <= wait < 60000:
        wait = None
    return {"class": kinds.get(status, "InternalServerError" if status >= 500 else "APIError"), "code": e.get("code"), "param": e.get("param"), "type": e.get("type"),
            "request_id": h.get("x-request-id"), "again": again, "wait_ms": wait}


def _add(have, delta):
    """The Python SDK's sum of two deltas."""
    for key, v in delta.items():
        indexed = isinstance(v, list) and any(isinstance(x, dict) and "index" in x for x in v)
        if have.get(key) is None:
            if not indexed:
                have[key] = v
                continue
            have[key] = []
        old = have[key]
        if key in ("index", "type"):
            have[key] = v
        elif isinstance(old, str) and isinstance(v, str):
            have[key] = old + v
        elif isinstance(old, (int, float)) and isinstance(v, (int, float)):
            have[key] = old + v
        elif isinstance(old, dict) and isinstance(v, dict):
            have[key] = _add(old, v)
        elif isinstance(old, list) and isinstance(v, list):
            if all(isinstance(x, (str, int, float)) for x in old) and (old or not indexed):
                old.extend(v)
                continue
            for x in v:
                if not isinstance(x, dict):
                    raise Throws("TypeError: an entry that is no object")
                if "index" not in x:
                    raise Throws("RuntimeError: an entry without index")
                if not isinstance(x["index"], int):
                    raise Throws("TypeError: an index that is no integer")
                if x["index"] < len(old):
                    old[x["index"]] = _add(old[x["index"]], x)
                else:
                    old.insert(x["index"], json.loads(json.dumps(x)))
    return have


def python(data):
    choices = []
    for c in _chunks(data, lambda t: t.startswith("[DONE]"), False):
        if c.get("object") != "chat.completion.chunk":
            continue
        if not isinstance(c.get("choices"), list):
            raise Throws("TypeError: choices")
        for k in c["choices"]:
            if "delta" not in k:
                raise Throws("AttributeError: delta")
            i = k.get("index")
            if i < len(choices):
                _add(choices[i]["message"], k["delta"])
            else:
                choices.append({"finish": None, "message": _add({}, k["delta"])})
                i = len(choices) - 1
            if k.get("finish_reason"):
                choices[i]["finish"] = k["finish_reason"]
            for t in k["delta"].get("tool_calls") or []:
                if not isinstance(t.get("index"), int) or t["index"] >= len(choices[i]["message"]["tool_calls"]):
                    raise Throws("no tool call %r" % t.get("index"))
    return choices


def agree(data, whole):
    """Compares what both readers make of a stream with the whole reply; returns what is wrong, or ""."""
    wrong = []
    for name, read in (("node", node), ("python", python)):
        try:
            got = read(data)
        except Throws as why:
            return "%s throws: %s" % (name, why)
        if len(got) != len(whole["choices"]):
            return "%s sees %d choices, want %d" % (name, len(got), len(whole["choices"]))
        for g, w in zip(got, whole["choices"]):
            m = g["message"]
            calls = [(t["type"], t["function"]["name"], t["function"]["arguments"]) for t in m.get("tool_calls") or []]
            want = [(t["type"], t["function"]["name"], t["function"]["arguments"]) for t in w["message"].get("tool_calls") or []]
            pairs = [("finish_reason", g["finish"], w["finish_reason"]), ("role", m.get("role"), "assistant"),
                     ("content", m.get("content") or "", w["message"]["content"] or ""), ("calls", calls, want)]
            if name == "python":  # node keeps only the last fragment of a field it does not know
                pairs.append(("reasoning", m.get("reasoning_content") or "", w["message"].get("reasoning_content") or ""))
            for what, a, b in pairs:
                if a != b:
                    wrong.append("%s: %s of choice %s is %r, whole %r" % (name, what, w["index"], a, b))
            ids = [t["id"] for t in m.get("tool_calls") or []]
            if len(set(ids)) != len(ids):
                wrong.append("%s: ids of calls repeat: %r" % (name, ids))
    return "; ".join(wrong[:3])
