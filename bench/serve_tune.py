#!/usr/bin/env python3
"""What a fine-tuning job costs the answers that a server gives beside it, and the answers the job.

    bench/serve_tune.py MODEL [--glim build/glim] [--threads N] [--rounds 3] [--nice 19]

One client streams answers one after the other (32 tokens of prompt, 64 of answer, greedy, none cached), in turns with and without a
job that trains on rows of about 60 tokens, one a step. Printed: time to the first token, gap between tokens (p50, p99), tokens/s; tokens/s of the
job alone and beside the client; how long a cancel takes until the process is gone. Standard library only."""
import argparse
import http.client
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
a.add_argument("model")
a.add_argument("--glim", default="build/glim")
a.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
a.add_argument("--rounds", type=int, default=3)
a.add_argument("--nice", default="19")
a.add_argument("--answers", type=int, default=4)
a = a.parse_args()
work = tempfile.TemporaryDirectory(prefix="glim-serve-tune-")
rnd = random.Random(1)
words = "the order was late and a card did not work at home when we paid for it in town last week so please help me now".split()


def text(n):
    return " ".join(rnd.choice(words) for _ in range(n))


p = subprocess.Popen([a.glim, "serve", a.model, "--port", "0", "--threads", str(a.threads), "--data", work.name + "/data", "--tune-nice", a.nice],
                     stdout=subprocess.PIPE, stderr=open(work.name + "/log", "w"), env=dict(os.environ, GLIM_PROGRESS="0"))
m = re.search(rb"serving (\S+) on .*:(\d+)/", p.stdout.readline())
if not m:
    sys.exit(open(work.name + "/log").read())
name, port = m.group(1).decode(), int(m.group(2))


def call(method, path, body=None, kind="application/json"):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    c.request(method, path, body if isinstance(body, bytes) else json.dumps(body) if body is not None else None, {"Content-Type": kind})
    r = json.loads(c.getresponse().read())
    c.close()
    return r


def answers(n):
    first, gaps, tokens, began = [], [], 0, time.monotonic()
    for _ in range(n):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        t = time.monotonic()
        c.request("POST", "/v1/completions", json.dumps({"model": name, "prompt": text(32), "max_tokens": 64, "temperature": 0, "ignore_eos": True, "stream": True}),
                  {"Content-Type": "application/json"})
        last = None
        for line in c.getresponse():
            if not line.startswith(b"data: {"):
                continue
            now = time.monotonic()
            (first if last is None else gaps).append(now - (t if last is None else last))
            last, tokens = now, tokens + 1
        c.close()
    gaps.sort()
    return {"first": statistics.median(first), "p50": gaps[len(gaps) // 2], "p99": gaps[int(len(gaps) * 0.99)], "rate": tokens / (time.monotonic() - began)}


def trained(job):
    return call("GET", "/v1/fine_tuning/jobs/" + job)["trained_tokens"] or 0


def pace(job, seconds=None, beside=None):
    s0, t0 = trained(job), time.monotonic()
    out = beside() if beside else time.sleep(seconds)
    s1, t1 = trained(job), time.monotonic()
    return (s1 - s0) / (t1 - t0), out


rows = "".join(json.dumps({"messages": [{"role": "user", "content": text(40)}, {"role": "assistant", "content": text(8)}]}) + "\n" for _ in range(400)).encode()
form = (b"--rows\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n--rows\r\nContent-Disposition: form-data; name=\"file\"; filename=\"r.jsonl\"\r\n\r\n" + rows + b"\r\n--rows--\r\n")
f = call("POST", "/v1/files", form, "multipart/form-data; boundary=rows")["id"]
alone, beside, job_alone, job_beside, cancels = [], [], [], [], []
answers(2)
for _ in range(a.rounds):
    alone.append(answers(a.answers))
    j = call("POST", "/v1/fine_tuning/jobs", {"model": name, "training_file": f, "hyperparameters": {"n_epochs": 50, "batch_size": 1}})["id"]
    while not trained(j):
        time.sleep(0.1)
    job_alone.append(pace(j, seconds=8)[0])
    rate, got = pace(j, beside=lambda: answers(a.answers))
    job_beside.append(rate)
    beside.append(got)
    t = time.monotonic()
    call("POST", "/v1/fine_tuning/jobs/%s/cancel" % j, b"")
    while call("GET", "/v1/fine_tuning/jobs/" + j)["status"] != "cancelled":
        time.sleep(0.005)
    cancels.append(time.monotonic() - t)
for about, all_of in (("alone", alone), ("beside a job", beside)):
    print("%-14s first token %.0f ms, gap p50 %.1f ms, p99 %.1f ms, %.1f tokens/s" % (
        about, *(1e3 * statistics.median(x[k] for x in all_of) for k in ("first", "p50", "p99")), statistics.median(x["rate"] for x in all_of)))
print("job            %.0f tokens/s without answers, %.0f beside them; cancelled within %.0f ms" % (statistics.median(job_alone), statistics.median(job_beside), 1e3 * max(cancels)))
p.terminate()
p.wait(60)
