"""kill -9 at random moments under load: python3 serve_kill.py GLIM MODEL ROUNDS.

After the last start no reservation is open, every request is settled for at least the tokens that its client has seen
and at most what was reserved, the sums agree (glim usage check), and the event log is whole (glim audit verify).
XDG_DATA_HOME is the folder to work in. Prints a line for each check that fails, and "N passed, N failed"."""
import csv
import datetime
import decimal
import http.client
import io
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import checks
from checks import check

glim, model, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
name = os.path.basename(model)
seed = int(os.environ.get("GLIM_SEED", "1"))
rnd = random.Random(seed)
SUMS = ("SELECT SUM(cost) FROM usage WHERE tenant = ?", "SELECT SUM(d.cost) FROM key_days d JOIN keys k ON k.id = d.key WHERE k.tenant = ?")
seen = {}  # request id: [tokens received, ended properly, asked for]
lock = threading.Lock()


def start():
    p = subprocess.Popen([glim, "serve", model, "--port", "0", "--threads", "1", "--parallel", "4"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = p.stdout.readline()
    m = re.search(r":(\d+)/v1", line)
    if not m:
        print("FAILED: the server did not start: %s%s" % (line, p.stderr.read()))
        sys.exit(1)
    threading.Thread(target=lambda: [None for _ in p.stderr], daemon=True).start()
    return p, int(m.group(1))


def client(port, key, r):
    """Requests one after the other until the server is gone. A chunk's log-probabilities say how many tokens it brought."""
    while True:
        body = {"model": name, "prompt": "round " + "x " * r.randrange(1, 40), "stream": True, "logprobs": 0, "temperature": 1, "ignore_eos": True, "n": r.choice([1, 1, 2])}
        kind = r.randrange(4)
        if kind < 3:
            body["max_tokens"] = r.choice([1, 5, 40, 200])
        if kind == 3:  # no bound: the reservation grows
            path = "/v1/chat/completions"
            body["messages"] = [{"role": "user", "content": body.pop("prompt")}]
            body["logprobs"] = True
        else:
            path = "/v1/completions"
        rid = None
        try:
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            c.request("POST", path, json.dumps(body), {"Authorization": "Bearer " + key})
            resp = c.getresponse()
            rid = resp.getheader("x-request-id")
            if resp.status != 200:
                with lock:
                    check(resp.status in (429, 503), "%d %r" % (resp.status, resp.read()[:200]))
                continue
            with lock:
                seen[rid] = [0, False, body]
            leave = r.random() < 0.15
            for line in resp:
                if not line.startswith(b"data: {"):
                    if line.startswith(b"data: [DONE]"):
                        seen[rid][1] = True
                    continue
                for k in json.loads(line[6:])["choices"]:
                    lp = k.get("logprobs") or {}
                    seen[rid][0] += len(lp.get("content" if "messages" in body else "tokens") or [])
                if leave and seen[rid][0] > 3:
                    break
            c.close()
        except (OSError, http.client.HTTPException, ValueError):
            if rid is None or not seen.get(rid, [0, True])[1]:
                return


def make_key(*flags):
    out = subprocess.run([glim, "key", "create", *flags], capture_output=True, text=True).stdout
    return out.strip().split("\n")[0]


keys = [make_key("one", "--tenant", "acme"), make_key("two", "--tenant", "beta")]
for args in (["*", "--input", "0.5", "--cached", "0.1", "--output", "1.5"],):
    priced = subprocess.run([glim, "usage", "price", *args], capture_output=True, text=True)
    check(priced.returncode == 0, "glim usage price: " + priced.stdout + priced.stderr)
began = datetime.datetime.now(datetime.timezone.utc)
for i in range(rounds):
    p, port = start()
    threads = [threading.Thread(target=client, args=(port, keys[k % 2], random.Random(seed * 1000003 + i * 100 + k)), daemon=True) for k in range(6)]
    for t in threads:
        t.start()
    time.sleep(0.05 + rnd.random() * 0.5)
    p.kill()
    p.wait()
    for t in threads:
        t.join(60)
        check(not t.is_alive(), "a client of a dead server waits for ever")
p, port = start()  # recovers what the last kill left
p.terminate()
check(p.wait(60) == 0, "the last server ends with 0")

db = sqlite3.connect(os.path.join(os.environ["XDG_DATA_HOME"], "glim", "store.db"))
rows = {r[0]: r[1:] for r in db.execute("SELECT request, state, prompt, completion, reserved_prompt, reserved_completion, cost, reserved_cost FROM usage")}
states = [r[0] for r in rows.values()]
check(states.count(0) == 0, "no reservation is open, got %d" % states.count(0))
check(states.count(3) > 0, "some requests were running at a kill")
for rid, (tokens, done, body) in seen.items():
    r = rows.get(rid)
    if r is None:
        check(False, "request %s has no row" % rid)
        continue
    state, prompt, completion, reserved_prompt, reserved_completion, cost, reserved_cost = r
    check(tokens <= completion <= reserved_completion and prompt <= reserved_prompt and cost <= reserved_cost,
          "%s: the client has %d tokens, settled %d of %d reserved, state %d, %s" % (rid, tokens, completion, reserved_completion, state, str(body)[:80]))
    if done:  # the settlement of a finished answer may be lost with the kill, its tokens not
        check(state in (1, 3) and prompt > 0 and completion >= tokens, "%s: finished, state %d" % (rid, state))
for verb in (["usage", "check"], ["audit", "verify"]):
    r = subprocess.run([glim, *verb], capture_output=True, text=True)
    check(r.returncode == 0, " ".join(verb) + ": " + r.stdout + r.stderr)
total = sum(r[5] for r in rows.values())
check(total > 0, "what was made has a price")
# A tenant's invoices come to exactly what its requests cost, whatever the kills left half done; the run may go over the end of a month.
months = sorted({t.strftime("%Y-%m") for t in (began, datetime.datetime.now(datetime.timezone.utc))})
billed_in_all = 0
for tenant in ("acme", "beta"):
    billed = lines = 0
    for month in months:
        r = subprocess.run([glim, "usage", "invoice", tenant, month, "--csv"], capture_output=True, text=True)
        check(r.returncode == 0 or len(months) > 1, "invoice of %s for %s: %s" % (tenant, month, r.stderr))
        for line in csv.DictReader(io.StringIO(r.stdout)):
            micro = int(decimal.Decimal(line["amount"]) * 1000000)
            if line["key"] == "total":
                billed += micro
            else:
                lines += micro
    cost, days = (db.execute(q, (tenant,)).fetchone()[0] or 0 for q in SUMS)
    check(0 < billed == lines == cost == days, "%s: the invoice says %d, its lines %d, the requests %d, the days of its keys %d" % (tenant, billed, lines, cost, days))
    billed_in_all += billed
check(billed_in_all == total, "the invoices say %d, the requests %d" % (billed_in_all, total))
print("%d requests, %d rows, %d recovered, %d micro-units" % (len(seen), len(rows), states.count(3), total))
sys.exit(checks.done())
