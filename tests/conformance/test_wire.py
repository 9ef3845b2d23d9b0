"""Bytes that no honest client sends: where a request ends must never be a matter of opinion.

Each case is followed by a second, hidden request. Refused means: one 400 (or the status that the case names) with an error object of
ours, the connection closed, and the hidden request never answered. That holds for what libmicrohttpd refuses by itself too."""
import json
import re
import socket
import struct
import time

import harness
import schema
from harness import Reader, check, server

MODEL = "glm4"
HIDDEN = b"GET /live?hidden HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
P = b"POST /tokenize HTTP/1.1\r\n"
H = b"Host: x\r\n"
BODY = b'{"prompt": "hi"}'
CL = b"Content-Length: %d\r\n" % len(BODY)


def talk(s, data, patience=5):
    """(everything that came, whether the server closed). A connection reset counts as closed."""
    c = s.connect(timeout=patience)
    got = b""
    try:
        try:
            c.sendall(data)
        except OSError:
            pass  # closed while we were still talking: what it said is still to be read
        while True:
            part = c.recv(65536)
            if not part:
                return got, True
            got += part
    except socket.timeout:
        return got, False
    except OSError:
        return got, True
    finally:
        c.close()


def statuses(got):
    return [int(x) for x in re.findall(rb"(?:^|\n|\})HTTP/1\.[01] (\d\d\d)", got)]


def is_error(got):
    """Exactly one reply of ours: an error object, with its length and type said, and nothing after it."""
    head, mark, body = got.partition(b"\r\n\r\n")
    try:
        e = schema.loads(body)
    except ValueError:
        return False
    names = {x.split(b":")[0].lower(): x.split(b":", 1)[1].strip() for x in head.split(b"\r\n")[1:]}
    return (names.get(b"content-type") == b"application/json" and names.get(b"content-length") == b"%d" % len(body) and names.get(b"x-request-id", b"").startswith(b"req_")
            and names.get(b"connection", b"").lower() == b"close" and not schema.errors("error", e) and e["error"]["code"])


def refused(s, name, data, want=(400,), may_be_silent=False):
    got, closed = talk(s, data + HIDDEN)
    codes = statuses(got)
    check((codes and codes[0] in want) or (may_be_silent and not codes), "%s: %r, want %r: %r", name, codes, want, got[:160])
    check(closed, "%s: the connection stays open", name)
    check(200 not in codes and b'"status"' not in got, "%s: something was served: %r", name, got)
    check(len(codes) <= 1, "%s: %d replies to one bad request: %r", name, len(codes), got)
    check(not got or is_error(got), "%s: not one error object of ours: %r", name, got)


def test_two_opinions_about_the_length():
    s = server(MODEL)
    chunked = b"Transfer-Encoding: chunked\r\n"
    end = b"0\r\n\r\n"
    for name, data in {
            "CL and TE": P + H + b"Content-Length: 4\r\n" + chunked + b"\r\n" + end, "TE and CL": P + H + chunked + b"Content-Length: 4\r\n\r\n" + end,
            "CL and TE, whole body": P + H + CL + chunked + b"\r\n" + BODY,
            "CL 0 and TE": P + H + b"Content-Length: 0\r\n" + chunked + b"\r\n" + end,
            "two CL, equal": P + H + CL + CL + b"\r\n" + BODY, "two CL, different": P + H + CL + b"Content-Length: 0\r\n\r\n" + BODY,
            "two CL, different case": P + H + CL + b"content-length: 3\r\n\r\n" + BODY, "three CL": P + H + CL * 3 + b"\r\n" + BODY,
            "two TE": P + H + chunked * 2 + b"\r\n" + end}.items():
        refused(s, name, data)


def test_transfer_encodings_other_than_chunked():
    s = server(MODEL)
    for te in ("identity", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "chunked, identity", "xchunked", "chunkedx", "chunked;q=1", "\"chunked\"", "'chunked'",
               "chunk", "cow", "deflate", "x", "", ",chunked", "chunked,", "ch unked", "\x0bchunked"):
        refused(s, "TE %r" % te, P + H + b"Transfer-Encoding: " + te.encode() + b"\r\n\r\n0\r\n\r\n")
    for name, line in {"a space before the colon": b"Transfer-Encoding : chunked", "a tab before the colon": b"Transfer-Encoding\t: chunked"}.items():
        refused(s, name, P + H + line + b"\r\n\r\n0\r\n\r\n")
    refused(s, "TE in HTTP/1.0", b"POST /tokenize HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


def test_lengths_that_are_no_plain_number():
    s = server(MODEL)
    n = len(BODY)
    for v in ("+%d" % n, "-%d" % n, "-1", "0x%x" % n, "%d %d" % (n, n), "%d, %d" % (n, n), "%d,%d" % (n, n), "", "x", "%d.0" % n, "%de0" % n, "1_6", "%d;" % n, "\"%d\"" % n, "0b1",
              "\u0661\u0666"):
        refused(s, "CL %r" % v, P + H + b"Content-Length: " + v.encode() + b"\r\n\r\n" + BODY)
    for v in (2 ** 63, 2 ** 64, 2 ** 64 + n, 10 ** 40, 9223372036854775807):
        refused(s, "CL %d" % v, P + H + b"Content-Length: %d\r\n\r\n" % v + BODY, (400, 413))
    for name, line in {"a space before the colon": b"Content-Length : %d" % n, "a space before the name": b" Content-Length: %d" % n, "a space in the name": b"Content Length: %d" % n}.items():
        refused(s, name, P + H + line + b"\r\n\r\n" + BODY)


def test_hosts_names_and_targets():
    s = server(MODEL)
    for name, data in {
            "two Hosts": P + H + H + CL + b"\r\n" + BODY, "two Hosts, different": P + H + b"host: y\r\n" + CL + b"\r\n" + BODY, "no Host": P + CL + b"\r\n" + BODY,
            "a name with a space": P + H + b"X Y: 1\r\n" + CL + b"\r\n" + BODY, "a name with a bracket": P + H + b"X(Y): 1\r\n" + CL + b"\r\n" + BODY,
            "no colon": P + H + b"X\r\n" + CL + b"\r\n" + BODY,
            "a target that is no path": b"POST tokenize HTTP/1.1\r\n" + H + CL + b"\r\n" + BODY,
            "authority form": b"CONNECT x:80 HTTP/1.1\r\n" + H + b"\r\n"}.items():
        refused(s, name, data)
    for name, data in {"HTTP/3.0": b"POST /tokenize HTTP/3.0\r\n" + H + CL + b"\r\n" + BODY, "no such version": b"GET / HTTP/9.9\r\n" + H + b"\r\n"}.items():
        refused(s, name, data, (400, 505))
    for name, data in {"no version": b"POST /tokenize\r\n" + H + CL + b"\r\n" + BODY, "version 3": b"POST /tokenize HTTP/3.0\r\n" + H + CL + b"\r\n" + BODY,
                       "version x": b"POST /tokenize HTTP/1.x\r\n" + H + CL + b"\r\n" + BODY, "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x11" * 64 + b"\r\n\r\n",
                       "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}.items():
        got, _ = talk(s, data + HIDDEN, 2)
        check(200 not in statuses(got)[:1] and b'"tokens"' not in got, "%s: served: %r", name, got[:200])


def test_a_head_ends_at_an_empty_line_and_nowhere_else():
    """A header without a name, a folded line, a line's end that is not CR LF: the library reads them in its own way."""
    s = server(MODEL)
    get = b"GET /health HTTP/1.1\r\n"
    for name, data in {"no name": get + H + b": x\r\n", "no name, no value": get + H + b":\r\n", "no name, first": get + b":\r\n" + H + b"\r\n", "no name, no space before": get + b"Host:x\r\n:\r\n",
                       "a blank name": get + H + b" : x\r\n", "no name, DELETE": b"DELETE /v1/files/x HTTP/1.1\r\n" + H + b":x\r\n",
                       "no name, POST": P + H + CL + b":x\r\n" + BODY, "folded": get + H + b"X: a\r\n b\r\n\r\n", "folded by a tab": get + H + b"X: a\r\n\tb\r\n\r\n",
                       "bare LF": get + b"Host: x\nX: y\r\n\r\n", "bare LF at the end": get + H + b"X: y\n\r\n", "bare CR": get + H + b"X: y\rZ: a\r\n\r\n", "bare LF first": b"GET /health HTTP/1.1\n" + H + b"\r\n"}.items():
        refused(s, name, data)
    for name, data in {"blanks around values": get + b"Host:x\r\nX:\t a  \r\nY:\r\nZ: \r\n\r\n", "a cookie": get + H + b"Cookie: a=b; c=\"d\"\r\n\r\n", "many": get + H + b"".join(b"X%d: %s\r\n" % (i, b"v" * i) for i in range(150)) + b"\r\n",
                       "a query": b"GET /health?a=%20b&c&=d HTTP/1.1\r\n" + H + b"\r\n", "empty lines before": b"\r\n\r\n" + get + H + b"\r\n", "1.0": b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"}.items():
        got, closed = talk(s, data + HIDDEN)
        check(statuses(got) == [200, 200] and closed, "%s: an honest request and the next one: %r", name, got[:300])


def test_chunks_that_lie():
    s = server(MODEL)
    te = P + H + b"Transfer-Encoding: chunked\r\n\r\n"
    size = b"%x" % len(BODY)
    for name, data in {
            "no number": b"zz\r\n" + BODY + b"\r\n0\r\n\r\n", "a sign": b"-" + size + b"\r\n" + BODY + b"\r\n0\r\n\r\n", "a plus": b"+" + size + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
            "0x": b"0x" + size + b"\r\n" + BODY + b"\r\n0\r\n\r\n", "huge": b"ffffffffffffffffff\r\n" + BODY + b"\r\n0\r\n\r\n",
            "no line break after a chunk": size + b"\r\n" + BODY + b"XX0\r\n\r\n", "an empty size": b"\r\n" + BODY + b"\r\n0\r\n\r\n"}.items():
        got, closed = talk(s, te + data + HIDDEN)
        check(closed and 200 not in statuses(got) and (not got or is_error(got)), "chunk: %s: %r", name, got[:300])
    got, _ = talk(s, te + b"5\r\n" + BODY[:5] + b"\r\n" + b"%x\r\n" % (len(BODY) - 5) + BODY[5:] + b"\r\n0\r\n\r\n" + HIDDEN)
    check(statuses(got) == [200, 200], "a body in chunks is read, and the next request after it: %r", got[:300])
    got, _ = talk(s, te + b"".join(b"1;x=\"y\"\r\n%c\r\n" % b for b in BODY) + b"0\r\nTrailer: 1\r\n\r\n" + HIDDEN)
    check(statuses(got) == [200, 200], "extensions and trailers do not count: %r", got[:300])


def test_sizes():
    s = server(MODEL)
    refused(s, "a body of 2 GiB", P + H + b"Content-Length: 2147483648\r\n\r\n" + BODY, (413,))
    refused(s, "a body over the limit", P + H + b"Content-Length: %d\r\n\r\n" % (9 << 20), (413,))
    chat = b'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
    refused(s, "a message of 2 GiB", chat + b"Content-Length: 2147483700\r\n\r\n" + b'{"model": "glm4", "messages": [{"role": "user", "content": "' + b"x" * 100000, (413,))
    got, closed = talk(s, P + H + b"Transfer-Encoding: chunked\r\n\r\n" + (b"100000\r\n" + b" " * (1 << 20) + b"\r\n") * 9 + b"0\r\n\r\n" + HIDDEN)
    check(statuses(got) == [413] and closed, "a chunked body over the limit: %r", got[:200])
    for name, data in {"one huge header": P + H + b"X: " + b"a" * 200000 + b"\r\n" + CL + b"\r\n" + BODY, "many headers": P + H + b"".join(b"X%d: y\r\n" % i for i in range(20000)) + CL + b"\r\n" + BODY,
                       "a huge name": P + H + b"a" * 200000 + b": 1\r\n" + CL + b"\r\n" + BODY, "a huge target": b"POST /" + b"a" * 200000 + b" HTTP/1.1\r\n" + H + CL + b"\r\n" + BODY,
                       "a line without end": b"a" * 300000}.items():
        refused(s, name, data, (400, 413, 414, 431), may_be_silent=True)
    check(s.call("GET", "/health").status == 200, "the server lives on")


def test_bare_line_feeds_folded_lines_and_nul_make_no_second_request():
    s = server(MODEL)
    inner = b"GET /live?inner HTTP/1.1\r\nHost: x\r\n\r\n"
    # Inside the body of each there is a whole request: were it ever answered, two readers disagreed about the length.
    body = inner + b" "
    n = b"%d" % len(body)
    cl = b"Content-Length: " + n + b"\r\n"
    talks = []
    for name, head in {
            "bare LF everywhere": (P + H + cl + b"\r\n").replace(b"\r", b""), "bare LF in the headers": P + b"Host: x\n" + cl + b"\r\n",
            "bare LF before a length": P + H + b"X: y\nContent-Length: 0\r\n" + cl + b"\r\n", "bare CR": P + H + b"X: y\rContent-Length: 0\r\n" + cl + b"\r\n",
            "folded line": P + H + b"X: a\r\n b\r\n" + cl + b"\r\n", "folded line with a tab": P + H + b"X: a\r\n\tb\r\n" + cl + b"\r\n",
            "folded length": P + H + b"Content-Length:\r\n " + n + b"\r\n\r\n", "length folded in the middle": P + H + b"Content-Length: " + n[:1] + b"\r\n " + n[1:] + b"\r\n\r\n",
            "length folded to zero": P + H + b"Content-Length: 0\r\n " + n + b"\r\n\r\n", "folded name": P + H + cl + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n",
            "folded TE": P + H + cl + b"Transfer-Encoding:\r\n chunked\r\n\r\n", "folded length of a GET": b"GET /nothing HTTP/1.1\r\n" + H + b"Content-Length:\r\n " + n + b"\r\n\r\n",
            "folded first line": P + b" X: y\r\n" + H + cl + b"\r\n", "an empty name before the length": P + H + b": 1\r\n" + cl + b"\r\n",
            "NUL in a value": P + H + b"X: a\0b\r\n" + cl + b"\r\n", "NUL in a name": P + H + b"X\0Y: b\r\n" + cl + b"\r\n",
            "NUL after a length": P + H + b"Content-Length: " + n + b"\0\r\n\r\n", "NUL before a length": P + H + b"Content-Length: \0" + n + b"\r\n\r\n",
            "NUL after a name": P + H + b"Content-Length\0: " + n + b"\r\n\r\n", "NUL in the target": b"POST /tokenize\0/x HTTP/1.1\r\n" + H + cl + b"\r\n"}.items():
        c = s.connect()
        c.sendall(head + body)
        talks.append((name, c))
    end = time.monotonic() + 0.4  # for all of them: some connections stay open, and silence is what is hoped for
    for name, c in talks:
        got = b""
        c.settimeout(max(0.02, end - time.monotonic()))
        try:
            while part := c.recv(65536):
                got += part
        except OSError:
            pass
        c.close()
        check(len(statuses(got)) <= 1 and b'"status"' not in got, "%s: %r", name, got[:500])
    check(s.alive() and s.call("GET", "/health").status == 200, "the server lives on")


def test_pipelined_requests_are_answered_in_order():
    s = server(MODEL)
    c = s.connect()
    text = b'{"model": "glm4", "prompt": "a", "max_tokens": 2}'
    ask = [b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n", P + H + CL + b"\r\n" + BODY, b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
           b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(text) + text, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"]
    c.sendall(b"".join(ask))
    r = Reader(c)
    got = [r.reply().status for _ in ask]
    check(got == [200, 200, 404, 200, 200], "%r", got)
    c.close()


def test_a_request_in_single_bytes_is_a_request():
    s = server(MODEL)
    c = s.connect()
    body = json.dumps({"model": MODEL, "prompt": "a", "max_tokens": 2}).encode()
    for b in b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body:
        c.sendall(bytes([b]))
    check(Reader(c).reply().status == 200, "a request that comes byte by byte")
    c.close()


def test_half_requests_and_resets_leave_nothing():
    s = server(MODEL)
    whole = P + H + CL + b"\r\n" + BODY
    held = []
    for cut in range(1, len(whole), 2):
        c = s.connect()
        c.sendall(whole[:cut])
        if cut % 3 == 0:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset instead of a goodbye
            c.close()
        elif cut % 3 == 1:
            c.close()
        else:
            held.append(c)
    check(s.call("GET", "/health").status == 200, "the server answers beside %d half requests", len(held))
    for c in held:
        c.close()
    check(s.idle(), "nothing runs")


def test_options_and_origins_get_no_cors():
    s = server(MODEL)
    evil = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")]
    r = s.call("GET", "/v1/models", headers=evil)
    check(r.status == 403 and r.error["code"] == "origin_not_allowed" and not r.header("access-control-allow-origin"), "a foreign page: %d %s", r.status, r.headers)
    for origin in ("null", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://evil.example#localhost", "file://"):
        r = s.post("/tokenize", {"prompt": "a"}, headers=[("Origin", origin)])
        check(r.status == 403 and not r.header("access-control-allow-origin"), "a page of %s: %d", origin, r.status)
    r = s.call("OPTIONS", "/v1/chat/completions", headers=evil)
    check(not r.header("access-control-allow-origin") and not r.header("access-control-allow-credentials"), "a preflight is not allowed: %d", r.status)
    check(s.call("GET", "/v1/models", headers=[("Origin", "http://localhost:3000")]).status == 200, "a page of this machine")


def test_a_name_that_was_made_to_lead_here_is_refused():
    """DNS rebinding: to the browser the page is of this very origin, so that it names no Origin when it reads."""
    s = server(MODEL)
    for host in ("evil.example", "evil.example:8000", "EVIL.example.", "localhost.evil.example", "127.0.0.1.evil.example:80", "7.evil", "xlocal.example", "evil.examplelocal"):
        for path in ("/v1/models", "/v1/files", "/metrics"):
            r = s.client.raw(("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path, host)).encode(), "GET", path)
            check(r.status == 403 and r.error["code"] == "host_not_allowed", "%s as %s: %d %s", path, host, r.status, r.text[:200])
    for host in ("localhost", "localhost:8000", "LOCALHOST.", "glim.localhost:1", "box.local", "127.0.0.1", "127.0.0.1:9", "[::1]:8000", "10.1.2.3", "x", "host.docker.internal:8000"):
        r = s.client.raw(("GET /v1/models HTTP/1.1\r\nHost: %s\r\n\r\n" % host).encode(), "GET", "/v1/models")
        check(r.status == 200, "a name of this machine, %s: %d %s", host, r.status, r.text[:200])
    for flags, host, status in ((("--cors", "http://shop.example:8000"), "Shop.example:8000", 200), (("--cors", "http://shop.example:8000"), "shop.example:8001", 403),
                                (("--cors", "*"), "evil.example", 200), (("--host", "0.0.0.0", "--auth", "none"), "a.name.of.its.own.example", 200)):
        r = server(MODEL, *flags).client.raw(("GET /v1/models HTTP/1.1\r\nHost: %s\r\n\r\n" % host).encode(), "GET", "/v1/models")
        check(r.status == status, "%s of a server with %s: %d %s", host, flags, r.status, r.text[:200])
