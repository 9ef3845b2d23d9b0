"""What happens to a training run whose machine fails it: python3 tune_faults.py GLIM FIXTURES FOLDER kills|torn|full [N].

  kills  N times kill -9 at a random moment (GLIM_SEED), the run then goes on with --resume, now and then with another number of
         threads, and may be killed again; at its end adapter (or model) and curve are, byte for byte, those of an unbroken run
  torn   the newest checkpoint is cut, flipped or filled with zeros: the one before it is used, or one sentence refuses; both: refused
  full   FOLDER is a file system of its own (2 MiB) with too little room: one sentence, and with room again the same bytes

Prints a line for each check that fails, and "N passed, N failed"."""
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from checks import check, done

glim, fixtures, folder, what = sys.argv[1:5]
count = int(sys.argv[5]) if len(sys.argv) > 5 else 1
seed = int(os.environ.get("GLIM_SEED", "1"))
rnd = random.Random(seed)


def rows(name, lines):
    path = os.path.join(data, name)
    with open(path, "w") as f:
        f.writelines(json.dumps(x) + "\n" for x in lines)
    return path


data = folder if what != "full" else os.path.dirname(folder)
fixture = lambda name: os.path.join(fixtures, name)
chat = rows("chat.jsonl", ({"messages": [{"role": "user", "content": "say %d" % i}, {"role": "assistant", "content": "yes yes yes"}]} for i in range(16)))
pairs = rows("pairs.jsonl", ({"prompt": "what about %d" % i, "chosen": "yes please", "rejected": "no never %d" % (i % 3)} for i in range(8)))
text = rows("text.jsonl", ({"text": "one two three four %d" % i} for i in range(12)))
USUAL = ["--batch", "4", "--rows", "128", "--save-every", "1"]
KINDS = [
    ["tune", fixture("glm4"), chat, "--lora-rank", "4", "--lora-dropout", "0.1", "--eval", "0.2", "--eval-every", "2", "--patience", "3", "--exports", "3", "--epochs", "3", *USUAL],
    ["tune", fixture("llama"), pairs, "--method", "dpo", "--optim", "adamw8", "--epochs", "5", "--lora-targets", "all-linear", "--save-every", "2", *USUAL[:4]],
    ["tune", fixture("llama-tied"), text, "--full", "--epochs", "3", *USUAL],
    ["tune", "--method", "pretrain", fixture("llama-tied"), text, "--max-tokens", "16", "--steps", "10", "--batch", "2", "--save-minutes", "1e-6"],
]


def start(kind, out, *flags):
    return subprocess.Popen([glim, *kind, "-o", out, "--lr", "0.01", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(p):
    out, err = p.communicate(timeout=600)
    return p.returncode, out, err


def resume(kind, out, *flags):
    return end(start(kind, out, "--resume", *flags))


def result(out):
    """Names and contents of what a run leaves; of the curve, all but what a clock says. Not the checkpoints: they have times in them."""
    got = {}
    for path in sorted(glob.glob(out + "/**", recursive=True)):
        name = os.path.relpath(path, out)
        if os.path.isfile(path) and not name.startswith("state."):
            with open(path, "rb") as f:
                got[name] = f.read()
    got["metrics.jsonl"] = [x.split(b', "seconds"')[0] for x in got.get("metrics.jsonl", b"").splitlines()]
    return got


def same(got, want, about):
    check(got == want, "%s: not the bytes of an unbroken run" % about, [k for k in sorted(set(got) | set(want)) if got.get(k) != want.get(k)])


def one_sentence(code, out, err, about, *parts):
    said = [x for x in err.splitlines() if x.startswith("glim: ")]
    check(code in (1, 2) and len(said) == 1 and all(p in err for p in parts), about, code, out, err)


def unbroken(kind, out):
    began = time.monotonic()
    code, _, err = end(start(kind, out, "--threads", "1"))
    if not check(code == 0, "an unbroken run", kind, err):
        raise SystemExit(1)
    return result(out), time.monotonic() - began


def kills():
    done = tries = runs = 0
    want = {}
    while done < count and tries < 20 * count:  # what came to its end before we could kill it is no kill
        kind = KINDS[runs % len(KINDS)]
        at = runs % len(KINDS)
        if at not in want:
            want[at] = unbroken(kind, os.path.join(folder, "whole%d" % at))
        out, runs, hit = os.path.join(folder, "run"), runs + 1, []
        for k in range(3):
            tries += 1
            p = start(kind, out, "--threads", rnd.choice("12"), "--resume")
            wait = rnd.random() * want[at][1]
            if rnd.random() < 0.7:  # as long after its first words of this life: most of the rest is loading
                p.stderr.readline()
                wait *= 0.7
            time.sleep(wait)
            p.kill()
            code, _, err = end(p)
            if code == 0:
                break
            if not check(code == -9, "killed", code, err):
                break
            done += 1
            hit.append("%.3f s" % wait)
            if rnd.random() < 0.5 or done == count:
                break
        code, _, err = resume(kind, out, "--threads", rnd.choice("12"))
        about = "seed %d, %s, killed after %s" % (seed, " ".join(kind[1:4]), hit)
        if check(code == 0, about, code, err):
            same(result(out), want[at][0], about)
        check(not glob.glob(out + "/**/*.tmp.*", recursive=True), "half files lie about", os.listdir(out))
        shutil.rmtree(out)
    check(done == count, "only %d of %d kills came in time" % (done, count))


def stopped(kind, out, steps):
    """A run that was killed with two checkpoints in its folder, and more to do."""
    for k in range(50):
        p = start(kind, out, "--threads", "1")
        while p.poll() is None:
            try:
                with open(out + "/metrics.jsonl") as f:
                    if f.read().count("\n") >= steps:
                        break
            except OSError:
                pass
            time.sleep(0.0005)
        p.kill()
        if end(p)[0] == -9 and os.path.exists(out + "/state.old") and os.path.exists(out + "/state.glim"):
            return True
        shutil.rmtree(out)
    return check(False, "a run could not be killed between its checkpoints")


def torn():
    def cut(b):
        return b[:rnd.randrange(len(b))]

    def flip(b):
        at = rnd.randrange(len(b))
        return b[:at] + bytes([b[at] ^ 1 << rnd.randrange(8)]) + b[at + 1:]

    def hole(b):  # what a disk leaves that lost power: the right length, and nothing in it
        at = rnd.randrange(len(b)) // 512 * 512
        return b[:at] + bytes(len(b) - at)

    def longer(b):
        return b + b"\0"

    kind = KINDS[0]
    want, _ = unbroken(kind, os.path.join(folder, "whole"))
    begun = os.path.join(folder, "begun")
    if not stopped(kind, begun, 4):
        return
    damages = [cut, flip, hole, longer, lambda b: b""] + [cut, flip, flip, hole] * (count - 1)
    for k, damage in enumerate(damages):
        out = os.path.join(folder, "torn")
        shutil.copytree(begun, out)
        with open(out + "/state.glim", "rb") as f:
            bad = damage(f.read())
        with open(out + "/state.glim", "wb") as f:
            f.write(bad)
        code, said, err = resume(kind, out, "--threads", "1")
        about = "seed %d, damage %d" % (seed, k)
        if code == 0:
            same(result(out), want, about)
        else:  # a header that names a newer version is not taken for a torn one
            one_sentence(code, said, err, about, "state.glim", "version")
            check(damage is flip, about, err)
        shutil.rmtree(out)
    out = os.path.join(folder, "torn")
    shutil.copytree(begun, out)
    for name in ("state.glim", "state.old"):
        with open(os.path.join(out, name), "r+b") as f:
            f.truncate(1000)
    before = result(out)
    one_sentence(*resume(kind, out), "both are torn", "state.glim", "not a whole checkpoint")
    after = result(out)  # half a file of the killed run may go
    check(after == {k: v for k, v in before.items() if k in after or ".tmp." not in k}, "and nothing was touched", [k for k in sorted(set(after) | set(before)) if after.get(k) != before.get(k)])


def full():
    base = [x if x != KINDS[0][2] else chat for x in KINDS[0]]
    whole = os.path.join(data, "whole")
    want, _ = unbroken(base, whole)
    one = os.path.getsize(whole + "/state.glim")
    page, failures = 4096, 0
    # room for: the curve; a half checkpoint; one, two; three but not the curve's next page; three
    for room in [page, one // 2, one + page, 2 * one + page] + [rnd.randrange(page, 4 * one) for _ in range(count)]:
        out = os.path.join(folder, "run")
        filler = os.path.join(folder, "filler")
        with open(filler, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(page))
            except OSError:
                pass
            f.truncate(os.path.getsize(filler) - (room + page - 1) // page * page)
        code, said, err = end(start(base, out, "--threads", "1"))
        about = "seed %d, room for %d bytes" % (seed, room)
        if code != 0:
            failures += 1
            one_sentence(code, said, err, about, "No space left on device", out)
            check(not glob.glob(out + "/**/*.tmp*", recursive=True), "no half files: " + about, os.listdir(out) if os.path.isdir(out) else "")
            kept = [n for n in ("state.glim", "state.old") if os.path.exists(os.path.join(out, n))]
            check(len(kept) == min(2, room // (one + page)) or room > 2 * one, "the checkpoints that fitted stay: " + about, kept)
        os.unlink(filler)
        code, said, err = resume(base, out)
        if check(code == 0, "with room again: " + about, err):
            same(result(out), want, about)
        shutil.rmtree(out)
    check(failures >= 4, "a full disk was noticed", failures)


{"kills": kills, "torn": torn, "full": full}[what]()
sys.exit(done())
