"""Clients that leave: at every chunk of a stream, before the first, and during a whole reply. The server must then hold
nothing for them, and what a client that stays gets must not change."""
import socket
import struct
import time

from harness import SANITIZED, SOAK, PATIENCE, Client, Reader, check, request_bytes, server

MODEL = "glm4"
CHAT = "/v1/chat/completions"


def unread(s, body, path=CHAT, heavy=True):
    """A connection that has asked and does not read. heavy: log-probabilities make each token's chunk kilobytes, so the
    answer is larger than what the system buffers, and cannot run to its end while nobody reads."""
    c = s.connect(receive=16384 if heavy else None)
    more = {"logprobs": 5 if path.endswith("/completions") and "chat" not in path else True} if heavy else {}
    if heavy and more["logprobs"] is True:
        more["top_logprobs"] = 20
    c.sendall(request_bytes("POST", path, {"model": MODEL, "max_tokens": 1900, "temperature": 1, "logit_bias": NO_END, **more, **body}))
    return c


NO_END = {str(i): -100 for i in range(306, 320)}  # no control token: an answer that the template would end stays silent
USER = [{"role": "user", "content": "x"}]


def read_events(c, n):
    """Reads until n events have come."""
    r = Reader(c)
    r.until(b"\r\n\r\n")
    while r.buf.count(b"\n\n") < n:
        if not r.more():
            return False
    return True


def leave(c, how):
    if how == "reset":
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "shutdown":
        c.shutdown(socket.SHUT_RDWR)
    c.close()


def nothing_left(s, what):
    check(s.idle(), "%s: something is left: %s", what, s.busy())


def finished(s, reason):
    return s.metric("vllm:request_success_total", 'finished_reason="%s"' % reason) or 0


def test_a_stream_left_at_every_chunk():
    s = server(MODEL)
    before = finished(s, "abort")
    n = 120 if SOAK else 12 if SANITIZED else 40
    for k in range(n):
        c = unread(s, {"messages": USER, "stream": True, "seed": k}, heavy=False)
        # The role is the first chunk and there are as many more as tokens; how many come at once is up to the server.
        check(k == 0 or read_events(c, k), "stream %d ended early", k)
        leave(c, ("close", "reset", "shutdown")[k % 3])
    nothing_left(s, "after %d streams" % n)
    check(finished(s, "abort") > before, "none of the streams was cut short")


def test_streams_that_nobody_reads_left_in_the_middle():
    s = server(MODEL)
    before = finished(s, "abort")
    n = 3 if SANITIZED else 6
    for k in range(n):
        c = unread(s, {"messages": USER, "stream": True, "seed": k, "n": 2})
        check(read_events(c, 3), "the stream runs")
        leave(c, ("close", "reset", "shutdown")[k % 3])
    nothing_left(s, "after streams that nobody read")
    check(finished(s, "abort") - before == 2 * n, "%s of %d choices were cut short", finished(s, "abort") - before, 2 * n)


def test_whole_replies_and_waiting_requests_left():
    s = server(MODEL, "--parallel", "1")
    # Eight prompts one after the other, more than the system buffers: the first of them cannot end.
    held = unread(s, {"prompt": ["a"] * 8, "stream": True}, "/v1/completions")
    check(read_events(held, 9), "the first stream runs")
    before = s.metric("vllm:num_requests_waiting")
    for k in range(4 if SANITIZED else 12):  # these wait behind it
        leave(unread(s, {"messages": USER, "stream": k % 2 == 0, "n": 1 + k % 3}, heavy=False), ("close", "reset")[k % 2])
    end, quiet = time.monotonic() + PATIENCE, 0
    while quiet < 20 and time.monotonic() < end:  # some of them may not have been read yet
        quiet = quiet + 1 if s.metric("vllm:num_requests_waiting") <= before else 0
        time.sleep(0.005)
    waiting, running = s.metric("vllm:num_requests_waiting"), s.metric("vllm:num_requests_running")
    check(waiting <= before and running > 0, "only the first one is left: %s waiting, before %s, %s running", waiting, before, running)
    leave(held, "close")
    nothing_left(s, "after all left")


def test_several_choices_left():
    s = server(MODEL)
    for k, n in enumerate((2, 5, 8)):
        c = unread(s, {"messages": USER, "stream": True, "n": n})
        check(read_events(c, n + 3), "the stream runs")
        leave(c, ("close", "reset", "shutdown")[k])
    c = unread(s, {"prompt": ["a", "b", "c"], "stream": True}, "/v1/completions")
    check(read_events(c, 8), "the stream runs")
    leave(c, "close")
    nothing_left(s, "after streams with several choices")


def test_who_stays_is_not_disturbed():
    s = server(MODEL)
    body = {"model": MODEL, "messages": USER, "seed": 7, "temperature": 1, "max_tokens": 200, "logit_bias": NO_END}
    want = s.post(CHAT, body).json["choices"][0]["message"]["content"]
    stay = Client(s)
    stay.send(request_bytes("POST", CHAT, body))  # returns when the head of the reply has come
    others = [unread(s, {"messages": USER, "stream": True, "seed": k}, heavy=False) for k in range(6)]
    for k, c in enumerate(others):
        leave(c, ("close", "reset")[k % 2])
    got = stay.reader.reply("POST").json["choices"][0]["message"]["content"]
    stay.close()
    check(got == want, "%r, want %r", got, want)
    nothing_left(s, "at the end")


def test_a_reader_that_stops_pauses_only_itself():
    s = server(MODEL)
    slow = unread(s, {"messages": USER, "stream": True, "n": 2})
    check(read_events(slow, 2), "the stream runs")
    for k in range(5):
        r = s.post(CHAT, {"model": MODEL, "messages": USER, "max_tokens": 50, "seed": k})
        check(r.status == 200, "another request beside it: %d", r.status)
    # And it can go on where it stopped.
    slow.sendall(b"")
    check(read_more(slow, 10), "the slow one goes on")
    leave(slow, "close")
    nothing_left(s, "after the slow one left")


def read_more(c, n):
    got = b""
    while got.count(b"\n\n") < n:
        part = c.recv(65536)
        if not part:
            return False
        got += part
    return True
