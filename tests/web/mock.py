"""A server with scripted answers, for what a model cannot be asked to do on purpose: speaks the SSE of OpenAI's API and
serves web/ under the policy of the real server. The first word of the last user message chooses the script.

    mock.py [PORT]                 prints "serving http://127.0.0.1:PORT"; without PORT a free one
"""
import http.server, json, os, sys, threading, time

WEB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "web")
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "json": "application/json", "svg": "image/svg+xml"}
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

MARKDOWN = """# 灯 and light

A *small* light is **enough** to read by; `glim` is a word for it. See <https://example.org/a_b_c> or
[the page](https://example.org "a title"). 中文里的**“强调”**也要正确，~~删去~~的也是。

1. First, weigh the words:
   - one that is long enough to wrap onto a second line when the page is as narrow as a phone held upright
   - two
2. Then count them.

- [x] done
- [ ] open

> A quotation
> of two lines.

| item | stock | 需求 |
|:-----|------:|:----:|
| lamp | 1,204 | 高 |
| wick | 88 | `low` |

```python
def glow(n: int) -> str:
    # 一点光
    return "light" * n if n > 0 else ""
```

---
2 < 3 & 5 > 4, and \\*no emphasis\\*.
"""
HTML = ("<img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script><b>bold?</b> [x](javascript:window.pwned=1) "
        "[y](data:text/html,<script>window.pwned=1</script>) ![z](https://example.org/z.png) <a href=\"javascript:window.pwned=1\">q</a>\n\n"
        "<iframe srcdoc=\"<script>parent.pwned=1</script>\"></iframe>\n\n```html\n</code></pre><script>window.pwned=1</script>\n```\n\n"
        "| <svg onload=window.pwned=1> | b |\n|---|---|\n| <style>*{display:none}</style> | </td></table><script>window.pwned=1</script> |\n")


class State:
    key = None       # when set, /v1 wants it
    fails = 0        # so many times !flaky answers 503
    log = []         # bodies of requests to /v1/chat/completions
    gone = 0         # clients that went away in the middle
    models = ["glm-4-9b-chat", "glm-edge-1.5b"]
    loading = False
    hold = False     # while set, /v1/models does not answer
    cut = False      # when set, the connection of !break ends


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, kind="application/json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        self.wfile.write(data)

    def fail(self, status, kind, code, message, **headers):
        self.reply(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, **headers)

    def until(self, true):
        """Waits for what the test says; a minute is a bound, not a measurement."""
        end = time.monotonic() + 60
        while not true() and time.monotonic() < end:
            time.sleep(0.01)

    def allowed(self):
        if State.loading:
            self.fail(503, "server_error", "model_loading", "the model is being read")
        elif State.key and self.headers.get("Authorization") != "Bearer " + State.key:
            self.fail(401, "authentication_error", "invalid_api_key", "the key is missing or wrong")
        else:
            return True
        return False

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/" or path.startswith("/assets/"):
            name = os.path.normpath(os.path.join(WEB, "index.html" if path == "/" else path[8:]))
            if not name.startswith(os.path.normpath(WEB) + os.sep) or not os.path.isfile(name):
                return self.fail(404, "invalid_request_error", None, "no such asset")
            kind = TYPES[name.rsplit(".", 1)[1]] + "; charset=utf-8"
            return self.reply(200, open(name, "rb").read(), kind, Content_Security_Policy=POLICY, X_Content_Type_Options="nosniff", Cache_Control="no-cache")
        if path == "/health":
            return self.fail(503, "server_error", "model_loading", "loading") if State.loading else self.reply(200, {"status": "ok"})
        if path == "/v1/models" and self.allowed():
            self.until(lambda: not State.hold)
            return self.reply(200, {"object": "list", "data": [
                {"id": m, "object": "model", "created": 1, "owned_by": "glim", "meta": {"ctx": 8192, "params": 9.4e9, "quant": "q8_0"}} for m in State.models]})
        if path == "/mock/log":
            return self.reply(200, {"requests": State.log, "gone": State.gone})
        if path.startswith("/v1/"):
            return None if path == "/v1/models" else self.fail(404, "invalid_request_error", None, "no such route")
        self.fail(404, "invalid_request_error", None, "no such route")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/mock/"):
            for name, value in json.loads(body).items():
                setattr(State, name, value)
            return self.reply(200, {})
        if not self.allowed():
            return None
        if self.path == "/v1/chat/completions":
            ask = json.loads(body)
            State.log.append(ask)
            return self.chat(ask)
        self.fail(404, "invalid_request_error", None, "no such route")

    # ---- streams ----
    def event(self, payload):
        data = payload if isinstance(payload, str) else "data: " + json.dumps(payload, ensure_ascii=False) + "\n\n"
        raw = data.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self.wfile.flush()

    def delta(self, delta, finish=None, usage=None):
        self.event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.model, "usage": usage,
                    "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]})

    def chat(self, ask):
        self.model = ask.get("model")
        last = next((m["content"] for m in reversed(ask["messages"]) if m["role"] == "user"), "")
        word, _, rest = last.partition(" ")
        if word == "!429":
            return self.fail(429, "rate_limit_error", "queue_full", "256 requests are waiting already", Retry_After="2")
        if word == "!503" or (word == "!flaky" and State.fails > 0):
            State.fails -= 1
            return self.fail(503, "server_error", "overloaded", "no memory for another conversation", Retry_After="1")
        if word == "!500":
            return self.reply(500, b"<html>proxy says no</html>", "text/html")
        if word == "!context":
            return self.fail(400, "invalid_request_error", "context_length_exceeded", "the messages are 9000 tokens, the context holds 8192")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self.stream(word, rest, ask)
        except (BrokenPipeError, ConnectionResetError):
            State.gone += 1
            self.close_connection = True

    def stream(self, word, rest, ask):
        self.delta({"role": "assistant", "content": ""})
        finish, pause, text = "stop", 0.0, ""
        if word == "!think":
            for w in "The person asks for a light. A small one will do.".split(" "):
                self.delta({"reasoning_content": w + " "})
            text = "A small light is enough."
        elif word == "!tools" and ask["messages"][-1]["role"] != "tool":
            self.delta({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "stock_of", "arguments": ""}}]})
            for piece in ('{"item": "la', 'mp", "at"', ': "Kiel"}'):
                self.delta({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            finish = "tool_calls"
        elif word == "!tools":
            text = "The tool said: " + ask["messages"][-1]["content"]
        elif word == "!markdown":
            text = MARKDOWN
        elif word == "!html":
            text = HTML
        elif word == "!slow":
            text, pause = "light " * int(rest or 200), 0.05
        elif word == "!length":
            text, finish = "This goes on and", "length"
        elif word in ("!break", "!error"):
            for w in "Half of an answer, and".split(" "):
                self.delta({"content": w + " "})
            if word == "!error":
                self.event({"error": {"message": "the answer could not be finished", "type": "server_error", "param": None, "code": None}})
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.until(lambda: State.cut)  # a browser forgets what arrives together with the end
                self.connection.shutdown(2)
            self.close_connection = True
            return
        else:
            text = "You said: " + (rest if word == "!" else (word + " " + rest).strip())
        words = [text[i:i + 7] for i in range(0, len(text), 7)]
        for i, w in enumerate(words):
            self.delta({"content": w})
            if pause:
                time.sleep(pause)
            if i == 3:
                self.event(": ping\n\n")
        self.delta({}, finish)
        n = len(words)
        self.event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.model, "choices": [],
                    "usage": {"prompt_tokens": 30, "completion_tokens": n, "total_tokens": 30 + n}})
        self.event("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass  # a browser drops connections when it likes


def start(port=0):
    s = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    return s


if __name__ == "__main__":
    s = start(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print("serving http://127.0.0.1:%d" % s.server_address[1], flush=True)
    while True:
        time.sleep(1000)
