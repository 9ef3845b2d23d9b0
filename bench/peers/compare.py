#!/usr/bin/env python3
"""compare.py - Glim beside llama.cpp and ik_llama.cpp: the same file, the same run, one after the other.

    python3 bench/peers/compare.py MODEL.gguf [--engines glim,llama,ik] [--reps 5] [--threads N]
        [--prefill 512] [--depth 0,4096] [--batch 8] [--tokens 16] [--csv FILE]

Engines: glim, llama, llama-nofa (without flash attention), ik, ik-repack. One repetition is a process of each in turn,
A B C A B C ..., so that what the neighbours of a shared machine take falls on all alike; the machine is probed before
each case. Ratios and shares are medians of what repetitions gave, not ratios of medians. Peers that are not installed
are left out with a line that says so. Python packages: see bench/README.md.
"""

import argparse
import csv
import datetime
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "glim")
PACKAGE = {"llama": "llama_cpp", "ik": "ik_llama_cpp"}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--engines", default="glim,llama,ik")
    p.add_argument("--reps", type=int, default=5)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--prefill", default="512")
    p.add_argument("--depth", default="0")
    p.add_argument("--batch", default="none")
    p.add_argument("--tokens", type=int, default=16)
    p.add_argument("--build", default=os.path.join(ROOT, "build"), help="where glim and bench/machine_probe were built")
    p.add_argument("--csv", help="default: bench/results/<time>-<model>.csv")
    for name in PACKAGE:
        p.add_argument(f"--{name}-python", help=f"the Python that has {PACKAGE[name]}")
    return p.parse_args()


def python_with(package, asked):
    places = [asked] if asked else [sys.executable, os.path.join(CACHE, "peers", "bin", "python"),
                                    os.path.join(CACHE, "realmodel", "venv", "bin", "python")]
    for p in places:
        if os.path.exists(p) and subprocess.run([p, "-c", "import " + package], capture_output=True, check=False).returncode == 0:
            return p
    return None


def run(words):
    done = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        sys.exit(f"compare: {' '.join(words)[:200]}: status {done.returncode}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout)


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, encoding="utf-8", check=False)
    return done.stdout.strip() or "unknown"


def lists(a):
    return ["--prefill", a.prefill, "--depth", a.depth, "--batch", a.batch, "--tokens", str(a.tokens)]


def glim_once(a):
    """The cases of one process of glim; bytes and operations behind a figure come along, for the peers' shares."""
    words = [os.path.join(a.build, "glim"), "bench", a.model, "--json", "--reps", "1", "--starts", "0", "--threads", str(a.threads)]
    got = run(words + lists(a))
    cases = []
    for r in got["results"]:
        speed, amount = r["tokens_per_s"]["median"], r["amount"]["median"]
        cases.append({"what": r["what"], "tokens": r["tokens"], "depth": r["depth"], "streams": r["streams"], "tokens_per_s": speed,
                      "share": r["share"]["median"], "per_token": amount / speed, "unit": r["unit"], "floor": r["floor"]})
    return {"version": "glim " + got["glim"], "load_s": None, "peak_bytes": got["memory"]["peak_bytes"], "cases": cases,
            "about": f"{got['cpu']}, kernels {got['kernels']}, {got['threads']} threads, weights {got['type']}, KV {got['kv_type']}"}


def key(c):
    return (c["what"], c["tokens"] if c["what"] == "prefill" else c["depth"], c["streams"])


def name(k):
    return {"prefill": f"prefill {k[1]}", "decode": f"decode at {k[1]}", "streams": f"{k[2]} streams"}[k[0]]


def floor_of(case, like):
    """GB/s or GOP/s that the machine gave before this case, in the unit of glim's figure."""
    if "share" in case:
        return None
    kind = like["floor"].split()[0]  # "int8 vpdpbusd ...", "bf16 ...", "f32 ...", "read bandwidth"
    return case["probe"]["read_gbs" if kind == "read" else kind + "_gops"]


def main():
    a = arguments()
    engines = []
    for e in a.engines.split(","):
        base = e.split("-")[0]
        if base == "glim":
            engines.append((e, None))
        elif base in PACKAGE:
            py = python_with(PACKAGE[base], getattr(a, base + "_python"))
            if py:
                engines.append((e, py))
            else:
                print(f"compare: {e} is left out: no Python here has {PACKAGE[base]} (bench/README.md)")
        else:
            sys.exit(f"compare: engine \"{e}\" is not known")
    if ("glim", None) not in engines:
        sys.exit("compare: want glim among the engines")
    probe = os.path.join(a.build, "bench", "machine_probe")
    if not os.path.exists(probe):
        sys.exit(f"compare: {probe} is missing: ninja -C {a.build} machine_probe")

    out = a.csv or os.path.join(HERE, "..", "results", datetime.datetime.now().strftime("%Y%m%d-%H%M%S-") +
                                os.path.splitext(os.path.basename(a.model))[0] + ".csv")
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    file = open(out, "w", newline="", encoding="utf-8")
    table = csv.writer(file)
    table.writerow("commit,model,engine,version,threads,rep,what,tokens,depth,streams,tokens_per_s,share,floor,load_s,peak_bytes".split(","))

    load = os.getloadavg()[0]
    if load > 1:
        print(f"compare: load average {load:.1f} before the first repetition: threads that spin for each other lose most when "
              "processors are shared, so these ratios are not to be quoted")

    reps = []  # [{engine: {key: case}}]
    extra = {e: [] for e, _ in engines}
    for r in range(a.reps):
        this, plain = {}, None
        for e, py in engines:
            if py is None:
                got = glim_once(a)
                if r == 0:
                    print(got["about"])
                plain = {key(c): c for c in got["cases"]}
            else:
                words = [py, os.path.join(HERE, "one.py"), e.split("-")[0], a.model, "--probe", probe, "--threads", str(a.threads)]
                words += ["--repack"] if e.endswith("-repack") else []
                words += ["--no-fa"] if e.endswith("-nofa") else []
                got = run(words + lists(a))
            extra[e].append(got)
            this[e] = {key(c): c for c in got["cases"]}
            print(f"\r\x1b[Krepetition {r + 1} of {a.reps}: {e}", end="", file=sys.stderr, flush=True)
        for e, _ in engines:
            for k, c in this[e].items():
                like = plain.get(k)
                if "share" not in c and like:
                    c["share"] = c["tokens_per_s"] * like["per_token"] / floor_of(c, like)
                    c["floor"] = like["floor"]
                got = extra[e][-1]
                table.writerow([commit(), a.model, e, got["version"], a.threads, r, c["what"], c["tokens"], c["depth"], c["streams"],
                                c["tokens_per_s"], c.get("share"), c.get("floor"), got["load_s"], got["peak_bytes"]])
        file.flush()
        reps.append(this)
    print(file=sys.stderr)

    for e, _ in engines:
        loads = [g["load_s"] for g in extra[e] if g["load_s"] is not None]
        load = f", load {statistics.median(loads):.2f} s" if loads else ""
        print(f"{e}: {extra[e][0]['version']}{load}, peak {max(g['peak_bytes'] for g in extra[e]) / 2**20:.0f} MiB")
    print("\n| case | " + " | ".join(f"{e} t/s (share)" for e, _ in engines) + " | " +
          " | ".join(f"glim / {e}" for e, _ in engines if e != "glim") + " |")
    print("|---" * (2 * len(engines)) + "|")
    for k in reps[0]["glim"]:
        cells = []
        for e, _ in engines:
            cs = [r[e][k] for r in reps if k in r[e]]
            cells.append(f"{statistics.median(c['tokens_per_s'] for c in cs):.2f} ({100 * statistics.median(c['share'] for c in cs):.0f} %)" if cs else "-")
        for e, _ in engines:
            if e == "glim":
                continue
            q = sorted(r["glim"][k]["tokens_per_s"] / r[e][k]["tokens_per_s"] for r in reps if k in r[e])
            cells.append(f"{statistics.median(q):.2f} ({q[0]:.2f} - {q[-1]:.2f})" if q else "-")
        print(f"| {name(k)} | " + " | ".join(cells) + " |")
    print(f"\nevery repetition: {os.path.relpath(out)}")


if __name__ == "__main__":
    main()
