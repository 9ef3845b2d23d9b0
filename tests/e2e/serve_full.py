"""A data folder whose disk fills up under a serving glim: python3 serve_full.py GLIM MODEL FOLDER, on a small file system of its own.

While it is full every request that has to be accounted for or stored is refused with a sentence, what asks for nothing is
answered, and answers that run come to an end; with room again all is as before, and nothing that a client saw is lost."""
import http.client
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import checks
from checks import check, done

glim, model, folder = sys.argv[1:4]
name = os.path.basename(model)
seen = {}  # request id: tokens that its client has


def start():
    p = subprocess.Popen([glim, "serve", model, "--port", "0", "--threads", "1", "--data", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    m = re.search(r":(\d+)/v1", p.stdout.readline())
    if m:
        threading.Thread(target=lambda: [None for _ in p.stderr], daemon=True).start()
    return p, int(m.group(1)) if m else None


def call(method, path, body=None, headers=None):
    return checks.call(port, method, path, body, headers, 60)


def ask(n=3):
    r, text = call("POST", "/v1/completions", {"model": name, "prompt": "x", "max_tokens": n, "ignore_eos": True})
    if r.status == 200:
        seen[r.getheader("x-request-id")] = json.loads(text)["usage"]["completion_tokens"]
    return r, json.loads(text)


def upload(size):
    body = b"--xXx\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--xXx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + b"y" * size + b"\r\n--xXx--\r\n"
    r, text = call("POST", "/v1/files", body, {"Content-Type": "multipart/form-data; boundary=xXx"})
    return r, json.loads(text)


def fill():
    with open(folder + "/filler", "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass


def refused(r, body, about):
    e = body.get("error", {})
    check(r.status in (503, 507) and "disk is full" in e.get("message", "") and e.get("type") == "server_error" and e.get("code") and r.getheader("retry-after"), about, r.status, body)


NO_END = {str(i): -100 for i in range(306, 320)}  # no control token: the answer goes on until the context is full


def stream(chat, got):
    """Reads an answer as it comes; got: [tokens, the last event, the id]. A chat without max_tokens: its reservation has to grow."""
    body = {"messages": [{"role": "user", "content": "x"}], "logprobs": True} if chat else {"prompt": "x", "max_tokens": 700, "logprobs": 0}
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("POST", "/v1/chat/completions" if chat else "/v1/completions", json.dumps({"model": name, "stream": True, "logit_bias": NO_END, **body}))
    r = c.getresponse()
    got[2] = r.getheader("x-request-id")
    for line in r:
        if line.startswith(b"data: "):
            got[1] = line
            if line.startswith(b"data: {"):
                for k in json.loads(line[6:]).get("choices", []):
                    got[0] += len((k.get("logprobs") or {}).get("content" if chat else "tokens") or [])
    c.close()


server, port = start()
if not check(port, "the server starts"):
    sys.exit(1)
check(ask()[0].status == 200 and upload(50000)[0].status == 200, "before")
running = [[0, b"", None] for _ in range(4)]
threads = [threading.Thread(target=stream, args=(i % 2 == 0, got)) for i, got in enumerate(running)]
for t in threads:
    t.start()
while not all(got[0] > 3 for got in running):
    time.sleep(0.005)
fill()
for k in range(3):
    refused(*ask(), "a request while the disk is full")
    refused(*upload(200000 if k else 10), "an upload while the disk is full")
for path in ("/health", "/live", "/metrics", "/v1/models", "/v1/files"):
    check(call("GET", path)[0].status == 200, path + " while the disk is full")
for t in threads:
    t.join(60)
    check(not t.is_alive(), "an answer that runs when the disk fills comes to its end")
for i, got in enumerate(running):
    check(got[1].startswith(b"data: [DONE]") or b'"error"' in got[1], "and says so", got)
    check(i % 2 == 0 or got[0] == 700, "what was reserved is given", got)
    seen[got[2]] = got[0]
check(not os.listdir(folder + "/blobs/new"), "no half upload lies about", os.listdir(folder + "/blobs/new"))

# a start without room is refused in words, and changes nothing
server.kill()
server.wait()
second, p2 = start()
if p2 is None:
    text = second.stderr.read()
    check(second.wait(60) == 1 and "disk is full" in text, "a start on a full disk", text)
else:
    second.terminate()
    check(second.wait(60) == 0, "a start on a full disk")
os.unlink(folder + "/filler")
server, port = start()
check(port, "it starts when there is room")
for k in range(3):
    r, body = ask()
    check(r.status == 200, "with room again", r.status, body)
check(upload(200000)[0].status == 200, "uploads with room again")
fill()
refused(*ask(), "full a second time")
os.unlink(folder + "/filler")
for _ in range(200):  # the server needs no restart: it comes back by itself
    r, body = ask()
    if r.status == 200:
        break
    time.sleep(0.02)
check(r.status == 200, "room again beside the running server", r.status, body)
server.terminate()
check(server.wait(60) == 0, "it ends with 0")

for verb in (["usage", "check"], ["audit", "verify"]):
    r = subprocess.run([glim, *verb, "--data", folder], capture_output=True, text=True)
    check(r.returncode == 0, " ".join(verb), r.stdout, r.stderr)
rows = {r[0]: r[1:] for r in sqlite3.connect(folder + "/store.db").execute("SELECT request, state, completion, reserved_completion FROM usage")}
check(all(r[0] != 0 for r in rows.values()), "no reservation is open", rows)
for rid, tokens in seen.items():
    r = rows.get(rid)
    check(r and tokens <= r[1] <= r[2], "%s: its client has %d tokens, the ledger %s" % (rid, tokens, r))
sys.exit(done())
