#!/usr/bin/env python3
"""serve.py - what `glim serve` does under load: starts it, lets bench/load ask, and says how the figures stand.

    ninja -C build glim load make_model
    python3 bench/serve.py                                 both models, everything (an hour on two cores)
    python3 bench/serve.py MODEL.gguf --only streams,gap   one model, some parts
    python3 bench/serve.py --quick                         short runs, to see that all of it works: no figures to quote

Parts
  streams  one stream, 8 and 32, contexts of at most 256: tokens/s in all, and as multiples of one stream's
  mixed    32 clients, prompts and answers of mixed lengths, beside one client with such: tokens/s, first token, gaps beside the bench's step
  gap      the median gap beside `glim bench`'s step of as many streams, and p99 beside the median
  prefix   the first token of a long prompt that was seen before, beside cold; the texts must be the same
  memory   the server's own memory over 10,000 requests (and its RSS, with the weights that tokens have touched so far)
  routes   requests/s where no model is asked
  idle     1,000 connections that hold half a request: what they do to the p99 of the others
  peer     llama-cpp-python's server on the same file, in turns (A B A B ...)

Without a model: SmolLM2-135M as `make realmodel` fetched it, and GLM-4-9B's shape cut to 8 layers, random weights in q4_0.
Every token of an answer has text of its own (those that are parts of characters are banned), so that a gap between two chunks is one between two tokens.
Generator and server share the machine: the generator's CPU time stands in each line. Results also go to
bench/results/<time>-serve.jsonl, one line a run.
"""
import argparse
import datetime
import http.client
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "glim")
PARTS = ["streams", "mixed", "gap", "prefix", "memory", "routes", "idle", "peer"]
PEER = "llama-cpp-python[server]==0.3.36"


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="*")
    p.add_argument("--only", default=",".join(PARTS))
    p.add_argument("--build", default=os.path.join(ROOT, "build"))
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--reps", type=int, default=3)
    p.add_argument("--share", type=float, default=1, help="so many of the requests of streams and mixed (a slow machine, a large model)")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--peer-python", default=os.path.join(CACHE, "realmodel", "venv", "bin", "python"))
    a = p.parse_args()
    a.only = a.only.split(",")
    for part in a.only:
        if part not in PARTS:
            sys.exit("serve.py: --only: got \"%s\", want some of %s" % (part, ",".join(PARTS)))
    if a.quick:
        a.reps = 1
    return a


class Model:
    """A file, how long its prompts are, and how requests to it are written."""

    def __init__(self, a, path):
        self.path, self.name = path, os.path.basename(path).removesuffix(".gguf")
        info = json.loads(output([os.path.join(a.build, "glim"), "info", path, "--json"]))
        self.real = info.get("template") not in (None, "", "none")  # made models have no chat template
        self.vocab = find(info, ("vocab", "n_vocab", "vocab_size")) or 30000
        # Answers must not end early, nor hold text back: tokens that stop or are parts of characters are banned. Random weights hardly ever choose theirs.
        banned = unwanted(a, path, info["n_tokens"]) if self.real else []
        self.extra = '"temperature": 0, "logit_bias": {%s}' % ", ".join('"%d": -100' % i for i in banned)
        # Real text goes through the template; made models get token ids, whose number is exact whatever their tokenizer does.
        self.shape = [] if self.real else ["--ids", str(min(self.vocab, 20000))]
        self.per_word = 1.3 if self.real else 1.0
        self.long_prompt = 6000 if self.real else 2000

    def words(self, tokens):
        return max(1, int(tokens / self.per_word))


def find(v, keys):
    if isinstance(v, dict):
        for k, x in v.items():
            if k in keys and isinstance(x, int):
                return x
        for x in v.values():
            got = find(x, keys)
            if got:
                return got
    return None


def unwanted(a, path, n):
    """Tokens that stop or name a role, and those whose texts are nothing or parts of characters. (A model that may not stop goes on in emojis, three tokens each.)"""
    glim, mark = os.path.join(a.build, "glim"), "zq|qz|"
    between = " ".join(map(str, json.loads(output([glim, "tokenize", path, mark, "--json"]))))
    pieces = output([glim, "tokenize", path, "--decode"], input="".join("%d %s " % (i, between) for i in range(n)), errors="replace").split(mark)
    if len(pieces) != n + 1:
        sys.exit("serve.py: %s: got the texts of %d tokens, want %d" % (path, len(pieces) - 1, n))
    return [i for i, piece in enumerate(pieces[:n]) if not piece or "\ufffd" in piece or re.fullmatch(r"<\|?\w+\|?>|</s>", piece)]


def output(words, **kw):
    done = subprocess.run(words, capture_output=True, encoding="utf-8", check=False, **kw)
    if done.returncode != 0:
        sys.exit("serve.py: %s: status %d: %s" % (" ".join(words)[:200], done.returncode, (done.stderr or done.stdout).strip()[-400:]))
    return done.stdout


class Glim:
    label = "glim"

    def __init__(self, a, model, *flags):
        self.a, self.model, self.name = a, model, model.name
        self.data = tempfile.mkdtemp(prefix="glim-bench-")
        self.err = open(os.path.join(self.data, "err"), "w+")
        words = [os.path.join(a.build, "glim"), "serve", model.path, "--port", "0", "--threads", str(a.threads), "--data", os.path.join(self.data, "data"), "--name", model.name, *flags]
        self.p = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=self.err, encoding="utf-8")
        self.port = None
        for line in self.p.stdout:
            m = re.search(r"serving \S+ on \S+:(\d+)", line)
            if m:
                self.port = int(m.group(1))
                break
        if not self.port:
            self.err.seek(0)
            sys.exit("serve.py: %s: %s" % (" ".join(words), self.err.read()[-500:]))
        self.pid = self.p.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.send_signal(signal.SIGTERM)
        try:
            self.p.wait(60)
        except subprocess.TimeoutExpired:
            self.p.kill()
        self.p.wait()
        self.err.close()
        shutil.rmtree(self.data, ignore_errors=True)

    def load(self, *flags, model=True):
        words = [os.path.join(self.a.build, "bench", "load"), "--port", str(self.port), "--json", "--pid", str(self.pid), "--model", self.name]
        if model:
            words += ["--extra", self.model.extra, *self.model.shape]
        done = subprocess.run(words + [str(f) for f in flags], capture_output=True, encoding="utf-8", check=False)
        try:
            r = json.loads(done.stdout)
        except ValueError:
            sys.exit("serve.py: bench/load: status %d: %s" % (done.returncode, done.stderr.strip()[-400:]))
        if r["errors"]:
            print("    %d of %d requests failed: %s" % (r["errors"], r["requests"], r.get("first_error")))
        return r


class Peer(Glim):
    label = "llama-cpp-python"

    def __init__(self, a, model, threads):
        self.a, self.model, self.name = a, model, model.name
        self.data = tempfile.mkdtemp(prefix="glim-bench-")
        self.err = open(os.path.join(self.data, "err"), "w+")
        self.port = random.randrange(20000, 40000)
        words = [a.peer_python, "-m", "llama_cpp.server", "--model", model.path, "--model_alias", model.name, "--host", "127.0.0.1", "--port", str(self.port), "--n_ctx", "4096",
                 "--n_threads", str(threads), "--n_threads_batch", str(threads), "--interrupt_requests", "false", "--verbose", "false"]
        self.p = subprocess.Popen(words, stdout=self.err, stderr=self.err)
        self.pid = self.p.pid
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                c.request("GET", "/v1/models")
                if c.getresponse().status == 200:
                    return
            except OSError:
                if self.p.poll() is not None:
                    break
                time.sleep(0.2)
        self.err.seek(0)
        sys.exit("serve.py: the peer's server did not start: %s" % self.err.read()[-500:])


# ---- saying it ----

class Report:
    def __init__(self, a):
        os.makedirs(os.path.join(HERE, "results"), exist_ok=True)
        self.path = os.path.join(HERE, "results", datetime.datetime.now().strftime("%Y%m%d-%H%M%S") + "-serve.jsonl")
        self.f = open(self.path, "w")
        commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, encoding="utf-8", check=False).stdout.strip() or "unknown"
        load = os.getloadavg()[0]
        cpu = next((x.split(":")[1].strip() for x in open("/proc/cpuinfo") if x.startswith("model name")), "unknown")
        print("commit %s, %s, %d threads, load average %.1f%s" % (commit, cpu, a.threads, load, "" if load < 1 else ": the machine is busy, quote ratios, not speeds"))
        if a.quick:
            print("--quick: the runs are too short for figures")
        self.note("machine", {"commit": commit, "cpu": cpu, "threads": a.threads, "load": load, "quick": a.quick})

    def note(self, what, value, **more):
        self.f.write(json.dumps({"what": what, **more, "result": value}) + "\n")
        self.f.flush()

    def run(self, what, model, r, **more):
        self.note(what, r, model=model.name, **more)

    @staticmethod
    def held(text, ok):
        print("  %-6s %s" % ("ok" if ok else "SHORT", text))


def line(r):
    text = "%7.1f tokens/s" % r["tokens_per_s"]
    if r["ttft_ms"]["n"]:
        text += ", first %.0f / %.0f ms" % (r["ttft_ms"]["p50"], r["ttft_ms"]["p99"])
    if r["gap_ms"]["n"]:
        text += ", gap %.2f / %.2f / %.1f ms" % (r["gap_ms"]["p50"], r["gap_ms"]["p99"], r["gap_ms"]["max"])
    return text + " (p50 / p99 / max), generator %.2f s CPU of %.1f s" % (r["generator_cpu_s"], r["seconds"])


def median(values):
    return statistics.median(values)


# ---- parts ----

def short(m, n_answer):
    """Contexts of at most 256 in all; every answer as long as the other."""
    return ["--prompt", "%d:%d" % (m.words(24), m.words(64)), "--answer", str(n_answer)]


def streams(a, m, rep):
    speed = {}
    n_answer = 24 if a.quick else 128
    for i in range(a.reps):
        for n in (1, 8, 32):
            with Glim(a, m, "--ctx", "512", "--parallel", "32", "--no-guess") as s:
                s.load("--clients", 1, "--requests", 1, "--seed", 999, *short(m, 8))
                r = s.load("--clients", n, "--requests", max(n, int(n * (1 if a.quick else 4 if n < 32 else 2) * a.share)), "--seed", 10 + i, *short(m, n_answer))
            rep.run("streams", m, r, streams=n)
            speed.setdefault(n, []).append(r["tokens_per_s"])
            print("  %2d streams  %s" % (n, line(r)))
    for n, want in ((8, 4.0), (32, None)):
        ratio = median([x / y for x, y in zip(speed[n], speed[1])])
        rep.held("%d streams give %.2f times one stream's tokens%s" % (n, ratio, ", want 4" if want else ""), not want or ratio >= want)


def mixed(a, m, rep):
    """Made models are given shorter texts: they are larger, and a token of theirs takes ten times as long."""
    n, prompt, answer = (40, 60, "4:24") if a.quick else (256, 600, "16:200") if m.real else (64, 180, "16:76")
    shape = ["--prompt", "%d:%d" % (m.words(10), m.words(prompt)), "--answer", answer]
    n = max(32, int(n * a.share))
    more, ratios, tails = [], [], []
    for i in range(a.reps):
        step = bench_step(a, m, 32)
        with Glim(a, m, "--ctx", "2048", "--parallel", "32", "--no-guess") as s:
            one = s.load("--clients", 1, "--requests", max(3, n // 32), "--seed", 920 + i, *shape)
            r = s.load("--clients", 32, "--requests", n, "--seed", 20 + i, *shape)
        rep.run("mixed", m, one, streams=1)
        rep.run("mixed", m, r, streams=32, bench_step_ms=step)
        print("   1 mixed    %s" % line(one))
        print("  32 mixed    %s; bench step %.2f ms" % (line(r), step))
        print("              %.1f tokens/s with prompts (one: %.1f), %.1f requests/s" % (r["all_tokens_per_s"], one["all_tokens_per_s"], r["requests_per_s"]))
        more.append(r["tokens_per_s"] / one["tokens_per_s"])
        ratios.append(r["gap_ms"]["p50"] / step)
        tails.append(r["gap_ms"]["p99"] / r["gap_ms"]["p50"])
    print("  32 clients of mixed lengths get %.2f times one's tokens, prompts read between; median gap %.2f of the bench's step of 32" % (median(more), median(ratios)))
    rep.held("32 mixed: p99 gap %.2f of the median, want at most 2.5" % median(tails), median(tails) <= 2.5)


def bench_step(a, m, n):
    """Milliseconds of a step of n streams without a server."""
    b = json.loads(output([os.path.join(a.build, "glim"), "bench", m.path, "--json", "--threads", str(a.threads), "--prefill", "none", "--depth", "none", "--starts", "0", "--batch", str(n),
                           "--reps", "1" if a.quick else "3", "--tokens", "8" if a.quick else "32" if m.real else "12"]))
    return [1e3 * x["streams"] / x["tokens_per_s"]["median"] for x in b["results"] if x["what"] == "streams" and x["streams"] == n][0]


def gap(a, m, rep):
    """All streams write all the time, as in `glim bench`: as many requests as clients, answers of one length."""
    for n in (8, 32):
        ratios, tails = [], []
        for i in range(a.reps):
            step = bench_step(a, m, n)
            with Glim(a, m, "--ctx", "512", "--parallel", str(n), "--no-guess") as s:
                r = s.load("--clients", n, "--requests", n, "--seed", 30 + i, "--prompt", str(m.words(100)), "--answer", "24" if a.quick else "150" if m.real else "60")
            rep.run("gap", m, r, streams=n, bench_step_ms=step)
            ratios.append(r["gap_ms"]["p50"] / step)
            tails.append(r["gap_ms"]["p99"] / r["gap_ms"]["p50"])
            print("  %2d streams  bench step %.2f ms; %s" % (n, step, line(r)))
        rep.held("%d streams: median gap %.2f of the bench's step, want at most 1.3" % (n, median(ratios)), median(ratios) <= 1.3)
        rep.held("%d streams: p99 gap %.2f of the median, want at most 2.5" % (n, median(tails)), median(tails) <= 2.5)


def ask(s, prompt, n):
    """(seconds to the first text, the text, cached tokens, prompt tokens) of one streamed request."""
    body = {"model": s.name, "prompt": prompt, "max_tokens": n, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}}
    c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=600)
    began = time.monotonic()
    c.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    r = c.getresponse()
    if r.status != 200:
        sys.exit("serve.py: %d %s" % (r.status, r.read()[:300]))
    first, text, usage = None, "", {}
    for row in r:
        if not row.startswith(b"data: {"):
            continue
        v = json.loads(row[6:])
        usage = v.get("usage") or usage
        for k in v["choices"]:
            if k["text"] and first is None:
                first = time.monotonic() - began
            text += k["text"]
    c.close()
    return first if first is not None else time.monotonic() - began, text, usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"]


def prefix(a, m, rep):
    n = m.long_prompt // (8 if a.quick else 1)
    shares, same = [], True
    with Glim(a, m, "--ctx", str(n + 512), "--parallel", "2") as s:
        for i in range(a.reps):
            rnd = random.Random(40 + i)
            prompt = [rnd.randrange(1000, min(m.vocab, 20000)) for _ in range(n)]
            cold = ask(s, prompt, 16)
            warm = [ask(s, prompt, 16) for _ in range(3)]
            t = median([w[0] for w in warm])
            same = same and all(w[1] == cold[1] for w in warm)
            shares.append(t / cold[0])
            rep.run("prefix", m, {"tokens": cold[3], "cold_s": cold[0], "warm_s": t, "cached": warm[0][2], "same_text": all(w[1] == cold[1] for w in warm)})
            print("  %d tokens: cold %.1f ms, cached (%d tokens) %.1f ms: %.2f %%" % (cold[3], 1e3 * cold[0], warm[0][2], 1e3 * t, 1e2 * t / cold[0]))
    rep.held("a cached prefix of %d tokens: first token after %.2f %% of cold, want at most 3 %%" % (n, 1e2 * median(shares)), median(shares) <= 0.03)
    rep.held("the texts are the same", same)


def memory(a, m, rep):
    with Glim(a, m, "--ctx", "512", "--parallel", "16") as s:
        s.load("--clients", 16, "--requests", 64, "--seed", 49, "--prompt", "5:40", "--answer", "1:8")  # buffers and the prefix tree find their size
        r = s.load("--clients", 16, "--requests", 300 if a.quick else 10000, "--seed", 50, "--prompt", "5:20", "--answer", "1:8")
    rep.run("memory", m, r)
    own, rss = r["own_kib"], r["rss_kib"]  # its own: weights are a mapped file, whose pages come as tokens are met
    grown = own["max_second_half"] - own["max_first_half"]
    print("  %d requests, %.1f/s; RSS %.1f to %.1f MiB; its own %.1f to %.1f, over time %s" % (
        r["requests"], r["requests_per_s"], rss["first"] / 1024, rss["last"] / 1024, own["first"] / 1024, own["last"] / 1024, [round(x[1] / 1024, 1) for x in own["over_time"]][::4]))
    rep.held("its own memory: the second half of the run reaches %+.1f MiB over the first, want at most 1" % (grown / 1024), grown <= 1024 and r["errors"] == 0)


def routes(a, m, rep):
    with Glim(a, m, "--ctx", "512", "--parallel", "2") as s:
        for path in ("/health", "/v1/models", "/metrics"):
            got = [s.load("--get", path, "--clients", 32, "--seconds", 0.5 if a.quick else 5, model=False) for _ in range(a.reps)]
            for r in got:
                rep.run("routes", m, r, path=path)
            per_s = median([r["requests_per_s"] for r in got])
            print("  %-11s %8.0f requests/s, p99 %.2f ms, generator %.2f s CPU of %.1f s" % (path, per_s, got[0]["whole_ms"]["p99"], got[0]["generator_cpu_s"], got[0]["seconds"]))
            if path != "/metrics":
                rep.held("%s: %.0f requests/s, want 10,000" % (path, per_s), per_s >= 10000)


def idle(a, m, rep):
    first, gaps = [], []
    for i in range(a.reps):
        both = []
        for n in (0, 1000):
            with Glim(a, m, "--ctx", "512", "--parallel", "8") as s:
                r = s.load("--clients", 8, "--requests", 24 if a.quick else 160, "--seed", 60 + i, "--idle", n, *short(m, 32))
            rep.run("idle", m, r, idle=n)
            both.append(r)
            print("  %4d idle   %s" % (n, line(r)))
        first.append(both[1]["whole_ms"]["p99"] / both[0]["whole_ms"]["p99"])
        gaps.append(both[1]["gap_ms"]["p99"] / both[0]["gap_ms"]["p99"])
    for what, v in (("whole requests", first), ("gaps", gaps)):
        rep.held("1,000 idle half requests: p99 of %s %+.1f %%, want at most +10" % (what, 1e2 * (median(v) - 1)), median(v) <= 1.1)


def peer(a, m, rep):
    if subprocess.run([a.peer_python, "-c", "import llama_cpp.server, fastapi, uvicorn"], capture_output=True, check=False).returncode != 0:
        print("  left out: %s has no server of llama-cpp-python: pip install '%s'" % (a.peer_python, PEER))
        return
    if not m.real:
        print("  left out: made models get token ids, which the peer's server does not take")
        return
    cases = [("1 client", ["--clients", 1, "--requests", 2 if a.quick else 8, *short(m, 16 if a.quick else 128)]), ("8 clients", ["--clients", 8, "--requests", 8 if a.quick else 32, *short(m, 16 if a.quick else 128)]),
             ("32 mixed", ["--clients", 32, "--requests", 32 if a.quick else 96, "--prompt", "%d:%d" % (m.words(10), m.words(400)), "--answer", "4:16" if a.quick else "16:150"])]
    m.extra = '"temperature": 0'  # the peer looks at a logit_bias in Python, token by token; answers may end early, for both alike
    tried = {}
    for threads in sorted({1, a.threads}):  # its threads spin, so on a machine of two processors one of them may be faster
        with Peer(a, m, threads) as s:
            s.load("--clients", 1, "--requests", 1, "--seed", 999, *short(m, 8))
            tried[threads] = s.load("--clients", 1, "--requests", 2, "--seed", 69, *short(m, 16 if a.quick else 128))["tokens_per_s"]
    best = max(tried, key=tried.get)
    print("  the peer by its number of threads: %s; %d from here on" % (", ".join("%d: %.1f tokens/s" % x for x in tried.items()), best))
    speed = {}
    for i in range(a.reps):
        for kind in (Glim, Peer):
            with (Glim(a, m, "--ctx", "2048", "--parallel", "32") if kind is Glim else Peer(a, m, best)) as s:
                s.load("--clients", 1, "--requests", 1, "--seed", 999, *short(m, 8))
                for name, flags in cases:
                    r = s.load("--seed", 70 + i, *flags)
                    rep.run("peer", m, r, server=kind.label, case=name)
                    speed.setdefault((name, kind.label), []).append(r["tokens_per_s"])
                    print("  %-16s %-10s %s" % (kind.label, name, line(r)))
    for name, _ in cases:
        ratio = median([x / y for x, y in zip(speed[name, "glim"], speed[name, Peer.label])])
        rep.held("%s: %.2f times the peer's tokens" % (name, ratio), ratio >= 1)


def default_models(a):
    found = [os.path.join(CACHE, "realmodel", f) for f in sorted(os.listdir(os.path.join(CACHE, "realmodel")))] if os.path.isdir(os.path.join(CACHE, "realmodel")) else []
    real = [f for f in found if f.endswith(".gguf") and ".as-" not in f]
    if not real:
        print("the real model is not here: make realmodel fetches it")
    made = os.path.join(CACHE, "bench", "glm-4-9b-0414-q4_0-8layers.gguf")
    if not os.path.exists(made):
        os.makedirs(os.path.dirname(made), exist_ok=True)
        print("making %s (1.8 GB)" % made)
        output([os.path.join(a.build, "bench", "make_model"), "glm-4-9b-0414", "--type", "q4_0", "--layers", "8", "--out", made])
    return real[:1] + [made]


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with us
    a = arguments()
    for tool in ("glim", "bench/load"):
        if not os.path.exists(os.path.join(a.build, tool)):
            sys.exit("serve.py: %s/%s is missing: ninja -C %s glim load make_model" % (a.build, tool, a.build))
    models = a.models or default_models(a)
    rep = Report(a)
    for path in models:
        m = Model(a, path)
        print("== %s" % m.name)
        for part in PARTS:
            if part in a.only:
                print(" %s" % part)
                globals()[part](a, m, rep)
    print("every run: %s" % rep.path)


main()
