"""What one client can do to the others: hold connections, leave half a request behind, leave while it waits."""
import random
import signal
import socket
import time

from harness import PATIENCE, SANITIZED, SOAK, Reader, Server, check, eventually, hold_to_rules, request_bytes, server

MODEL = "glm4"
CHAT = "/v1/chat/completions"
USER = [{"role": "user", "content": "x"}]
NO_END = {str(i): -100 for i in range(306, 320)}
LIVE = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"


def ends(c, patience=PATIENCE):
    """What comes until the server closes; None if it does not within the server's own deadline for clients."""
    got = b""
    c.settimeout(patience)
    try:
        while part := c.recv(65536):
            got += part
    except socket.timeout:
        return None
    except OSError:
        pass
    return got


def test_one_client_holds_its_share_of_connections_and_no_more():
    s = server(MODEL, "--max-connections-per-client", "8")
    s.client.close()
    held = [s.connect() for _ in range(8)]
    for c in held:
        c.sendall(LIVE)
        check(Reader(c).reply().status == 200, "within the share")
    for data in (LIVE, request_bytes("POST", "/tokenize", {"prompt": "a"})):
        c = s.connect()
        c.sendall(data)
        r = Reader(c).reply()
        hold_to_rules(r, "GET", "/live")
        check(r.status == 429 and r.error["code"] == "too_many_connections" and r.closes and r.header("retry-after"), "one more is told: %d %s", r.status, r.text)
        check(ends(c) == b"", "and closed")
        c.close()
    # Those that say nothing hold nothing for long either: after a few they are closed unheard.
    more = [s.connect() for _ in range(40)]
    closed = 0
    for c in more:
        c.setblocking(False)
    eventually(lambda: sum(gone(c) for c in more) >= 24)
    closed = sum(gone(c) for c in more)
    check(closed >= 24, "%d of 40 too many were closed at once", closed)
    for c in more:
        c.close()
    held.pop().close()

    def room():
        c = s.connect()
        c.sendall(LIVE)
        try:
            return Reader(c).reply().status == 200
        except Exception:
            return False
        finally:
            c.close()

    check(eventually(room), "who goes makes room")
    for c in held:
        c.sendall(LIVE)
        check(Reader(c).reply().status == 200, "those within the share are as before")
        c.close()


def gone(c):
    try:
        return c.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_half_a_request_whose_client_stopped_sending_is_dropped_at_once():
    """The end of the stream may come in one packet with the last bytes: libmicrohttpd then waits for more until the deadline."""
    s = server(MODEL)
    upload = b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
    parts = [b"", b"G", LIVE[:20], LIVE[:-2], b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + b"x" * 3000,
             b"POST /tokenize HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"pr", upload + b"x" * 100, upload + b"x" * 100000, LIVE + LIVE[:10], LIVE]
    clients = []
    for k in range(4):
        for p in parts:
            c = s.connect()
            c.sendall(p)
            c.shutdown(socket.SHUT_WR)  # no time between the two, so that both come at once
            clients.append((p, c))
    for p, c in clients:
        got = ends(c, 20)  # the server's own deadline is 60 s
        check(got is not None, "half a request is held: %r", p[:80])
        check(not p.startswith(LIVE) or (got or b"").startswith(b"HTTP/1.1 200"), "what was whole is answered: %r", got)
        c.close()
    check(eventually(lambda: s.metric("glim_connections") <= 1), "nothing is left")


def test_who_waits_and_leaves_is_gone_at_once():
    """Also who leaves with the last byte of the request, and behind a stream that nobody reads."""
    s = server(MODEL, "--parallel", "1")
    held = s.connect(receive=16384)
    held.sendall(request_bytes("POST", "/v1/completions", {"model": MODEL, "prompt": ["a"] * 8, "max_tokens": 1900, "temperature": 1, "logit_bias": NO_END, "logprobs": 5, "stream": True}))
    r = Reader(held)
    r.until(b"\r\n\r\n")
    while r.buf.count(b"\n\n") < 3:
        r.more()
    waits = lambda: s.metric("vllm:num_requests_waiting")
    calls = lambda: s.metric("glim_calls")
    check(eventually(lambda: calls() == 1), "one call runs: %s", calls())
    base = waits()
    for k in range(24):
        c = s.connect()
        c.sendall(request_bytes("POST", CHAT, {"model": MODEL, "messages": USER, "max_tokens": 50, "stream": k % 2 == 0, "logit_bias": NO_END}))
        if k % 3:
            c.shutdown(socket.SHUT_WR)
        if k % 3 != 1:
            c.close()
    end, quiet = time.monotonic() + PATIENCE, 0
    while quiet < 20 and time.monotonic() < end:  # some of them may not have been read yet
        quiet = quiet + 1 if calls() == 1 and waits() <= base else 0
        time.sleep(0.005)
    check(quiet == 20, "%s calls, %s wait, %s before", calls(), waits(), base)
    check(s.metric("vllm:num_requests_running") == 1, "and the first one still runs")
    held.close()
    check(s.idle(), "nothing is left")


def test_whoever_is_there_at_the_end_hears_so():
    """SIGTERM with a second to go, and SIGTERM twice: a stream gets an error event and its end, who waits for a whole reply a 503."""
    long = {"model": MODEL, "max_tokens": 1900, "n": 8, "temperature": 1, "logprobs": 5, "logit_bias": NO_END}
    for flags, signals in ((("--drain", "1"), 1), ((), 2)):
        s = Server(MODEL, "--parallel", "4", *flags)
        stream, whole = s.connect(), s.connect()
        stream.sendall(request_bytes("POST", "/v1/completions", {**long, "prompt": "a", "stream": True}))
        r = Reader(stream)
        r.until(b"\r\n\r\n")
        whole.sendall(request_bytes("POST", "/v1/completions", {**long, "prompt": ["a"] * 16}))
        check(eventually(lambda: s.metric("glim_calls") >= 2), "both run: %s", s.metric("glim_calls"))
        s.client.close()
        for _ in range(signals):
            s.p.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        data = b"".join(r.chunks())  # to the last chunk: a stream that breaks off raises
        check(data.endswith(b'"code": "shutting_down"}}\n\n') and b"[DONE]" not in data, "the stream: %r", data[-200:])
        w = Reader(whole).reply("POST")
        check(w.status == 503 and w.error["code"] == "shutting_down" and w.closes, "the whole reply: %d %s", w.status, w.text[:200])
        stream.close()
        whole.close()
        check(s.stop() == 0, "and it ends with 0: %s", s.errors())


def test_who_has_connected_is_answered_at_the_end():
    """Before SIGTERM, though the server had no time for it yet: not a connection may be reset."""
    s = Server(MODEL)
    s.client.close()
    s.p.send_signal(signal.SIGSTOP)
    held = []
    for k in range(40):
        c = s.connect()
        c.sendall(LIVE if k % 2 else request_bytes("POST", "/v1/completions", {"model": MODEL, "prompt": "a", "max_tokens": 2}))
        held.append(c)
    s.p.send_signal(signal.SIGTERM)
    s.p.send_signal(signal.SIGCONT)
    for k, c in enumerate(held):
        try:
            r = Reader(c).reply()
        except Exception as why:
            check(False, "connection %d: %r", k, why)
            continue
        check(r.status == 200 or (r.status == 503 and r.error["code"] == "shutting_down"), "connection %d: %d %s", k, r.status, r.text[:200])
        c.close()
    check(s.stop() == 0, "it ends with 0: %s", s.errors())


def test_who_is_between_two_units_at_the_end_hears_so():
    """The second SIGTERM comes while calls wait for the ledger or a place, and while the engine is at them."""
    long = {"model": MODEL, "max_tokens": 1900, "n": 4, "temperature": 1, "logprobs": 5, "logit_bias": NO_END, "prompt": ["a"] * 16}
    for gap in (0.005, 0.01, 0.015):
        s = Server(MODEL, "--parallel", "4", "--queue", "500")
        s.client.close()
        s.p.send_signal(signal.SIGSTOP)
        held = []
        for _ in range(40):
            c = s.connect()
            c.sendall(request_bytes("POST", "/v1/completions", long))
            held.append(c)
        s.p.send_signal(signal.SIGTERM)
        s.p.send_signal(signal.SIGCONT)
        time.sleep(gap)
        s.p.send_signal(signal.SIGTERM)
        for k, c in enumerate(held):
            try:
                r = Reader(c).reply("POST")
            except Exception as why:
                check(False, "gap %s, connection %d: %r", gap, k, why)
                continue
            check(r.status in (429, 503), "gap %s, connection %d: %d %s", gap, k, r.status, r.text[:200])
            c.close()
        check(s.stop() == 0, "it ends with 0: %s", s.errors())


def resident(s):
    with open("/proc/%d/status" % s.p.pid) as f:
        return next(int(x.split()[1]) for x in f if x.startswith("VmRSS:"))


def test_memory_stays_flat():
    """Requests of every kind, whole, streamed, refused and left. Once caches have found their size nothing may grow: 10,000
    requests in soak; a few hundred here, which only show a leak of kilobytes each. AddressSanitizer keeps what is freed, and
    looks for leaks itself."""
    s = server(MODEL, "--parallel", "4", "--kv-memory", "0.01")
    rnd, n, sizes = random.Random(7), 10000 if SOAK else 40 if SANITIZED else 400, []
    shape = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}

    def one(k):
        text = "".join(rnd.choice("abcdefgh \u706f") for _ in range(rnd.randrange(1, 60)))
        body = {"model": MODEL, "messages": [{"role": "user", "content": text}], "max_tokens": rnd.randrange(1, 9), "seed": k}
        kind = k % 10
        if kind < 4:
            s.stream(CHAT, body) if kind % 2 else s.post(CHAT, body)
        elif kind == 4:
            s.post("/v1/completions", {"model": MODEL, "prompt": text, "max_tokens": 2, "n": 2, "logprobs": 2})
        elif kind == 5:
            names = {"type": "string", "maxLength": 1 + k % 40}  # another grammar nearly every time
            s.post(CHAT, {**body, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {**shape, "properties": {"a": names}}}}})
        elif kind == 6:
            s.post("/v1/embeddings", {"model": MODEL, "input": [text, "b"]})
        elif kind == 7:
            s.post("/tokenize", {"prompt": text})
            s.call("GET", "/metrics")
        elif kind == 8:
            s.post(CHAT, {**body, "temperature": 9})
        else:
            c = s.connect(receive=16384)
            c.sendall(request_bytes("POST", CHAT, {**body, "max_tokens": 500, "stream": True, "logit_bias": NO_END}))
            c.recv(100)
            c.close()

    for k in range(n):
        one(k)
        if k >= n // 4 and k % (n // 40) == 0:
            sizes.append(resident(s))
    half = len(sizes) // 2
    grown = max(sizes[half:]) - max(sizes[:half])
    print("  %d requests: RSS %d KiB, then at most %d and %d" % (n, sizes[0], max(sizes[:half]), max(sizes[half:])))
    check(SANITIZED or grown <= (1024 if SOAK else 4096), "RSS grew by %d KiB in the second half: %s", grown, sizes)
    check(s.idle(), "something is left: %s", s.busy())
