"""harness.py - what the suites share: counting, servers to talk to, and an HTTP client that believes nothing.

The client speaks HTTP/1.1 over a plain socket and holds every reply to the rules that all of them share (x-request-id,
a type that fits, the error body, no CORS, exact framing), so a suite cannot forget them. Standard library only.

  tests   functions named test_*, in order; one that raises Skip("why") is skipped, a check that fails is printed
  Server  `glim serve` on a free port; ends with the suite
"""
import atexit
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import schema

GLIM = os.environ.get("GLIM", "build/glim")
SOURCE = os.environ.get("GLIM_SOURCE_DIR", os.path.join(os.path.dirname(__file__), "..", ".."))
FIXTURES = os.path.join(SOURCE, "tests", "fixtures")
SOAK = bool(os.environ.get("GLIM_SOAK"))
SANITIZED = bool(os.environ.get("GLIM_SANITIZED")) and not SOAK  # the server is several times slower: fewer of the same
PATIENCE = 60  # seconds until a silent server counts as hung: a bound, not a measurement


class Skip(Exception):
    pass


class Count:
    checks = failed = 0
    shown = 0


def check(ok, text="", *args):
    Count.checks += 1
    if ok:
        return True
    Count.failed += 1
    Count.shown += 1
    if Count.shown <= 40:
        frame = inspect.stack()[1]
        print("FAILED: %s:%d: %s" % (os.path.basename(frame.filename), frame.lineno, (text % args if args else text)[:1200]))
    return False


def run(module):
    """Runs the test_* functions of a module in the order they are written; the words after the suite choose some."""
    wanted = sys.argv[2:]
    sys.stdout.reconfigure(line_buffering=True)
    tests = [(n, f) for n, f in vars(module).items() if n.startswith("test_") and callable(f)]
    passed = failed = skipped = 0
    for name, f in tests:
        if wanted and not any(w in name for w in wanted):
            continue
        before, checks, began = Count.failed, Count.checks, time.monotonic()
        try:
            f()
        except Skip as why:
            skipped += 1
            print("  skipped: %s: %s" % (name, why))
            continue
        except Exception:  # a test that breaks off is a failure, and the others still run
            Count.failed += 1
            traceback.print_exc(file=sys.stdout)
        ok = Count.failed == before and Count.checks > checks
        if Count.checks == checks and Count.failed == before:
            print("FAILED: %s checks nothing" % name)
        passed, failed = passed + ok, failed + (not ok)
        if os.environ.get("GLIM_TIMES"):
            print("  %6.2f s  %5d checks  %s" % (time.monotonic() - began, Count.checks - checks, name))
        Count.shown = 0
    for s in Server.all[:]:
        code = s.stop()
        if not check(code == 0, "a server that is asked to stop ends with 0, got %s\n%s", code, s.errors()):
            failed += 1
    print("%d checks" % Count.checks)
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    sys.exit(1 if failed or Count.failed else 77 if passed == 0 else 0)


# ---- servers ----

_work = tempfile.TemporaryDirectory(prefix="glim-conformance-")
atexit.register(_work.cleanup)
_environment = dict(os.environ, XDG_CACHE_HOME=_work.name + "/cache", XDG_DATA_HOME=_work.name + "/data", GLIM_PROGRESS="0")
for _key in [k for k in _environment if k.startswith("GLIM_") and k not in ("GLIM_PROGRESS", "GLIM_SPIN_US") or k.startswith("OPENAI_")]:
    del _environment[_key]


def work(name):
    return os.path.join(_work.name, name)


def glim(*args):
    """A command of glim: (exit code, stdout, stderr)."""
    p = subprocess.run([GLIM, *args], capture_output=True, text=True, env=_environment, stdin=subprocess.DEVNULL)
    return p.returncode, p.stdout, p.stderr


_help = None


def serve_help():
    """The help of `glim serve`, or a Skip where this glim has no such verb."""
    global _help
    if _help is None:
        code, out, _ = glim("serve", "--help")
        _help = out if code == 0 else ""
    if not _help:
        raise Skip("this glim has no `serve`")
    return _help


def has_flag(name):
    return re.search(r"(^|[\s,])%s\b" % re.escape(name), serve_help()) is not None


class Server:
    all, made = [], 0

    def __init__(self, model, *flags, key=None, data=None):
        serve_help()
        path = model if os.path.isabs(model) else os.path.join(FIXTURES, model)
        n = Server.made = Server.made + 1
        self.log = work("serve%d.err" % n)
        self.key, self.data = key, data or work("data%d" % n)
        self.client = Client(self)
        if has_flag("--data"):
            flags = (*flags, "--data", self.data)
        with open(self.log, "w") as err:
            self.p = subprocess.Popen([GLIM, "serve", path, "--port", "0", "--threads", "1", *flags], stdout=subprocess.PIPE,
                                      stderr=err, stdin=subprocess.DEVNULL, env=_environment)
        Server.all.append(self)
        self.port = None
        for line in self.p.stdout:
            m = re.search(rb"serving (\S+) on https?://[^ /]*:(\d+)", line)
            if m:
                self.model, self.port = m.group(1).decode(), int(m.group(2))
                break
        if not self.port:
            raise RuntimeError("glim serve %s did not start: %s" % (model, self.errors()))

    def errors(self):
        with open(self.log, errors="replace") as f:
            lines = [x for x in f.read().splitlines() if " INFO " not in x and "info" not in x[:40]]
        return "\n".join(lines[-30:])

    def connect(self, timeout=PATIENCE, receive=None):
        s = socket.socket()
        if receive:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        s.settimeout(timeout)
        s.connect(("127.0.0.1", self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def alive(self):
        return self.p.poll() is None

    def stop(self):
        Server.all.remove(self)
        self.client.close()
        if self.alive():
            self.p.send_signal(signal.SIGTERM)
        try:
            self.p.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        code = self.p.poll()
        self.p.kill()
        self.p.wait()
        return code

    def call(self, *args, **kw):
        return self.client.call(*args, **kw)

    def post(self, path, body, **kw):
        return self.client.call("POST", path, body, **kw)

    def stream(self, path, body, **kw):
        return self.client.stream(path, body, **kw)

    def metric(self, name, label=""):
        for line in self.call("GET", "/metrics").text.splitlines():
            if line.startswith(name) and label in line and line[len(name):len(name) + 1] in "{ ":
                return float(line.split()[-1])
        return None

    def idle(self):
        """Waits until nothing runs, waits, is prepared or holds pages (these go a moment later), and says whether that
        happened. A request that was left before the server had read it begins late: it must stay so for a while."""
        end, quiet = time.monotonic() + PATIENCE, 0
        while quiet < 10 and time.monotonic() < end:
            busy = self.busy()
            quiet = 0 if busy else quiet + 1
            time.sleep(0.01)
        return quiet >= 10

    def busy(self):
        """What of the server's figures, from one scrape, says that it works for somebody."""
        names = ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc", "glim_calls")
        lines = [x for x in self.call("GET", "/metrics").text.splitlines() if x.startswith(names)]
        if len(lines) != len(names):
            raise RuntimeError("/metrics lacks one of %s" % (names,))
        return [x for x in lines if float(x.split()[-1]) != 0]


@atexit.register
def _kill():
    for s in Server.all:
        s.p.kill()


_servers = {}


def server(model, *flags):
    """One server for each set of arguments, kept for the suite's tests."""
    k = (model, flags)
    if k not in _servers or not _servers[k].alive():
        _servers[k] = Server(model, *flags)
    return _servers[k]


def eventually(fn, limit_s=PATIENCE):
    """Whether fn came true; asked once more it may not be, where it uses a connection itself."""
    end = time.monotonic() + limit_s
    while not (ok := fn()) and time.monotonic() < end:
        time.sleep(0.01)
    return ok


# ---- HTTP ----

class Broken(Exception):
    """What came is not HTTP/1.1 as we understand it."""


class Reply:
    def __init__(self, status, headers, body, framing):
        self.status, self.headers, self.body, self.framing = status, headers, body, framing

    def header(self, name):
        v = [x for k, x in self.headers if k.lower() == name.lower()]
        return v[0] if len(v) == 1 else ", ".join(v) if v else None

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return schema.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    @property
    def closes(self):
        return (self.header("connection") or "").lower() == "close"


class Reader:
    """Bytes of a connection, taken apart strictly."""

    def __init__(self, sock):
        self.sock, self.buf = sock, b""

    def more(self):
        part = self.sock.recv(65536)
        self.buf += part
        return part

    def until(self, mark, limit=1 << 20):
        while mark not in self.buf:
            if len(self.buf) > limit:
                raise Broken("no %r within %d bytes" % (mark, limit))
            if not self.more():
                raise Broken("closed before %r: %r" % (mark, self.buf[:200]))
        out, self.buf = self.buf.split(mark, 1)
        return out

    def exactly(self, n):
        while len(self.buf) < n:
            if not self.more():
                raise Broken("closed %d bytes early" % (n - len(self.buf)))
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("ascii").split("\r\n")
        m = re.fullmatch(r"HTTP/1\.1 ([1-5]\d\d) [\x20-\x7e]+", lines[0])
        if not m:
            raise Broken("status line %r" % lines[0])
        headers = []
        for line in lines[1:]:
            h = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]*?)[ \t]*", line)
            if not h:
                raise Broken("header line %r" % line)
            headers.append(h.groups())
        return int(m.group(1)), headers

    def chunks(self):
        while True:
            size = self.until(b"\r\n")
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
                raise Broken("chunk size %r" % size)
            n = int(size, 16)
            data = self.exactly(n + 2)
            if data[n:] != b"\r\n":
                raise Broken("a chunk of %d bytes ends with %r" % (n, data[n:]))
            if n == 0:
                return
            yield data[:n]

    def framing(self, status, headers, method):
        names = [k.lower() for k, _ in headers]
        if names.count("content-length") + names.count("transfer-encoding") != 1 and status >= 200 and status not in (204, 304):
            raise Broken("want one of Content-Length and Transfer-Encoding: %r" % headers)
        length = dict((k.lower(), v) for k, v in headers).get("content-length")
        if method == "HEAD":
            return "none", None
        return ("length", int(length)) if length is not None else ("chunked", None)

    def reply(self, method="GET"):
        status, headers = self.head()
        while status == 100:
            status, headers = self.head()
        kind, n = self.framing(status, headers, method)
        body = b"" if kind == "none" else self.exactly(n) if kind == "length" else b"".join(self.chunks())
        return Reply(status, headers, body, kind)


def request_bytes(method, path, body, headers=(), key=None):
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    head = "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n" % (method, path)
    if key:
        head += "Authorization: Bearer %s\r\n" % key
    if body is not None or method == "POST":
        head += "Content-Type: application/json\r\nContent-Length: %d\r\n" % len(data)
    for k, v in headers:
        head += "%s: %s\r\n" % (k, v)
    return head.encode() + b"\r\n" + data


def hold_to_rules(r, method, path):
    """What every reply has to keep."""
    where = "%s %s -> %d" % (method, path, r.status)
    check(r.header("x-request-id"), "%s: no x-request-id", where)
    check(not any(k.lower().startswith("access-control-") for k, _ in r.headers), "%s: CORS headers, which are off by default", where)
    kind = (r.header("content-type") or "").split(";")[0].strip()
    if r.status >= 400 and method != "HEAD":
        check(kind == "application/json", "%s: an error of type %r", where, kind)
        bad = schema.errors("error", r.json)
        check(not bad, "%s: %s", where, bad)
        e = r.error
        want = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "invalid_request_error",
                405: "invalid_request_error", 413: "invalid_request_error", 422: "invalid_request_error", 408: "timeout", 409: "conflict",
                429: "rate_limit_error"}.get(r.status, "server_error")
        check(e["type"] == want, "%s: type %r, want %r", where, e["type"], want)
        check(e["message"].strip() and "\n" not in e["message"], "%s: one line that says something: %r", where, e["message"])
        again = r.header("retry-after-ms") or r.header("retry-after") or r.header("x-should-retry") == "false"
        check(r.status != 429 or again, "%s: 429 says when to come back, or that it is no use", where)


class Client:
    """One connection that is kept open for as long as the server keeps it."""

    def __init__(self, owner):
        self.owner, self.sock = owner, None

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = None

    def send(self, data):
        for again in (False, True):
            fresh = self.sock is None
            if fresh:
                self.sock = self.owner.connect()
                self.reader = Reader(self.sock)
            try:
                self.sock.sendall(data)
                if not self.reader.buf and not self.reader.more():
                    raise ConnectionResetError("closed without an answer")
                return
            except OSError:
                self.close()
                if fresh or again:  # only a connection that lay idle may have been closed under us
                    raise

    def call(self, method, path, body=None, headers=(), rules=True, key=None):
        return self.raw(request_bytes(method, path, body, headers, key or self.owner.key), method, path, rules)

    def raw(self, data, method, path, rules=True):
        """Bytes as they are; the reply is held to the rules all the same."""
        self.send(data)
        r = self.reader.reply(method)
        if r.closes:
            self.close()
        elif not check(self.reader.buf == b"", "%s %s: bytes after the reply: %r", method, path, self.reader.buf[:80]):
            self.close()
        if rules:
            hold_to_rules(r, method, path)
        return r

    def stream(self, path, body, headers=(), key=None):
        """(reply, list of the data of each event); a refusal has no events."""
        r = self.call("POST", path, dict(body, stream=True), headers, key=key)
        if r.status != 200:
            return r, []
        check(r.header("content-type") == "text/event-stream", "a stream of type %r", r.header("content-type"))
        check(r.header("cache-control") == "no-cache" and r.header("x-accel-buffering") == "no" and r.framing == "chunked", "headers of a stream: %r", r.headers)
        return r, events(r.body)


def events(data):
    """Events of a stream of the chat or completions kind, held to the rules of framing; without [DONE]."""
    check(data.endswith(b"data: [DONE]\n\n"), "a stream ends with [DONE]: %r", data[-60:])
    out = []
    for part in data.split(b"\n\n")[:-1]:
        if part.startswith(b":"):
            check(b"\n" not in part, "a comment is one line: %r", part)
            continue
        check(part.startswith(b"data: ") and b"\n" not in part and b"\r" not in part, "one data line an event: %r", part[:200])
        out.append(part[6:])
    check(out.count(b"[DONE]") == 1 and out[-1:] == [b"[DONE]"], "[DONE] once, at the end")
    return out[:-1]
