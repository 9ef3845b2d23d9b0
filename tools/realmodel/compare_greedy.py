"""compare_greedy.py MODEL.gguf - 20 texts as they are and 20 as a chat, 64 greedy tokens each, Glim beside llama.cpp.

Two programs that round differently part ways sooner or later; they may do so only at a near tie. Two comparisons:

exact   Glim on the file with `--type f32`, llama.cpp on the same weights written out as F32 by its own code. At the first
        difference each program's two logits lie within 0.1 (LIMIT). This is the comparison that can fail.
stored  both as the file is, activations rounded to int8. llama.cpp then differs from itself as much as from Glim (a KV
        cache in F32 instead of F16 moves its logits by 0.1 to 0.15 in root mean square: one flipped rounding moves all
        that follow), so 0.1 cannot hold at every difference, not even between llama.cpp and llama.cpp. What is wanted is
        that Glim stands no farther from llama.cpp than llama.cpp from itself: RATIO, in root mean square, over the 20 best
        logits at every position of some texts. The table of differences is printed all the same, and llama.cpp's own.

Prompt ids must be equal. --reference stops after llama.cpp's part.
"""

import json
import sys

import numpy as np

import peer

N = 64
LIMIT = 0.1
RATIO = 1.25
MEASURED = (2, 8, 17, 22, 33, 38)  # the texts whose logits are compared at every position
RAW = [  # texts that break off, so that their continuation is long
    "The lighthouse keeper climbed the stairs every evening because",
    "Once there was a baker who could not smell bread. One morning",
    "Water boils at a lower temperature in the mountains. The reason is",
    "Dear customer, thank you for your order of three lamps and a",
    "A short list of things to take on a night walk:\n1.",
    "The three primary colours of light are",
    "import math\n\ndef area(radius):\n    \"\"\"Return the area of a circle.",
    "In 1969, two people walked on the Moon for the first time. They",
    "The recipe is simple. First, take two eggs and",
    "Why is the sky dark at night? Most people would say",
    "The history of the printing press begins in",
    "The rain on the roof reminded her that",
    "We sleep because the body",
    "Four animals that live in the sea are",
    "A cut apple turns brown because the air",
    "The old shop on the corner sold nothing but lamps. Its owner",
    "This agreement is made between the seller and",
    "| year | lamps sold |\n|---|---|\n| 2019 | 120 |\n| 2020 |",
    "The warehouse holds 40 boxes. Each box has 12 lamps. In all, there are",
    "Chapter 1\n\nThe fox saw the lantern first. It",
]
CHAT = [
    "Describe a day in the life of a lighthouse keeper.",
    "Why does bread smell so good?",
    "Why does water boil at a lower temperature in the mountains?",
    "Write a polite letter to a customer whose order is late.",
    "What should I take on a night walk?",
    "What are the three primary colours of light?",
    "Write a Python function that adds two numbers, and explain it.",
    "Who walked on the Moon first, and when?",
    "How do I make an omelette?",
    "Why is the sky dark at night?",
    "What is the capital of Norway? Tell me something about it.",
    "Write a short poem about rain.",
    "Explain to a child why we sleep.",
    "Name four animals that live in the sea.",
    "How do I keep a cut apple from turning brown?",
    "My shop sells lamps. Suggest five names for it.",
    "Say it in plain English: the aforementioned party shall remit payment forthwith.",
    "What is 17 plus 25? Show every step.",
    "The warehouse holds 40 boxes. Each box has 12 lamps. How many lamps are there?",
    "Tell me a story about a fox and a lantern.",
]


def reference(name, path, f32_kv):
    def make():
        p = peer.Peer(path, 1024, f32_kv)
        out = []
        for mode, texts in (("raw", RAW), ("chat", CHAT)):
            for text in texts:
                ids = p.tokenize(text) if mode == "raw" else p.tokenize(p.render(text), special=True)
                tokens, steps = p.greedy(ids, N)
                out.append({"mode": mode, "text": text, "prompt": ids, "ids": tokens, "steps": steps,
                            "ended": p.is_end(tokens[-1])})
        return out

    return peer.remembered(name, [peer.digest(path), f32_kv, RAW, CHAT, N], make)


def from_glim(path, words):
    """glim's continuation of a text, and its logits of two tokens after some ids."""

    def run(r):
        raw = ["--raw"] if r["mode"] == "raw" else []
        got = json.loads(peer.glim("run", path, "-p", r["text"], *raw, *words, "--temp", "0", "-n", str(N), "--json"))
        return got["prompt_ids"], got["ids"]

    def pair(r, k, a, b):
        row = peer.glim_last_logits(path, r["prompt"] + r["ids"][:k], *words)
        return float(row[a]), float(row[b])

    return run, pair


def from_peer(results):
    """The same from another run of llama.cpp."""
    by_text = {(r["mode"], r["text"]): r for r in results}

    def run(r):
        o = by_text[r["mode"], r["text"]]
        return o["prompt"], o["ids"]

    def pair(r, k, a, b):
        step = dict(map(tuple, by_text[r["mode"], r["text"]]["steps"][k]))
        return step.get(a, float("nan")), step[b]

    return run, pair


def table(title, want, run, pair):
    """Prints where each text's continuations part; (failures that no rounding excuses, differences, over LIMIT, worst)."""
    print(f"{title}\n  mode  text                            prompt  equal   llama.cpp's two     gap     the other's two     gap")
    broken = parted = over = same = equal = 0
    worst = 0.0
    for r in want:
        prompt, b = run(r)
        line = f"  {r['mode']:4}  {r['text'][:30]!r:32}  {len(r['prompt']):4}"
        if prompt != r["prompt"]:
            broken += 1
            print(f"{line}  FAILED: prompt ids differ: {prompt[:12]} want {r['prompt'][:12]}")
            continue
        a = r["ids"]
        if r["ended"] and b == a[:-1]:  # a program may print its ending token or keep it to itself
            b = a
        k = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), None)
        if k is None and len(b) < len(a):  # it ended where llama.cpp went on: its ending token is not shown
            k, b = len(b), b + [END]
        elif k is None and len(a) != len(b):
            broken += 1
            print(f"{line}  FAILED: llama.cpp ended after {len(a)} tokens, the other went on to {len(b)}")
            continue
        equal += len(a) if k is None else k
        if k is None:
            same += 1
            print(f"{line}  {len(a):5}")
            continue
        parted += 1
        theirs = dict(map(tuple, r["steps"][k]))
        t_a, t_b = theirs[a[k]], theirs.get(b[k], float("nan"))
        o_a, o_b = pair(r, k, a[k], b[k])
        far = not (abs(t_a - t_b) <= LIMIT and abs(o_b - o_a) <= LIMIT)  # NaN counts as far
        over += far
        worst = max(worst, *(abs(d) if d == d else 99.0 for d in (t_a - t_b, o_b - o_a)))
        print(f"{line}  {k:5}  {t_a:8.4f} {t_b:8.4f} {t_a - t_b:7.4f}  {o_b:8.4f} {o_a:8.4f} {o_b - o_a:7.4f}{'  over' if far else ''}")
    print(f"  {same} of {len(want)} equal to the end, {equal} equal tokens; {parted} part, {over} of them at a gap over {LIMIT}; "
          f"worst {worst:.4f}", flush=True)
    return broken, over


END = 2  # <|im_end|>


def apart(a, b, best):
    """Root mean square difference of two programs' logits over the same tokens, whole shifts taken out."""
    d = np.take_along_axis(a - b, best, 1)
    d -= d.mean(axis=1, keepdims=True)
    return float(np.mean(d * d))


def main():
    path = sys.argv[1]
    twin = peer.f32_twin(path)
    print(f"greedy: {len(RAW)} texts as they are, {len(CHAT)} as a chat, {N} tokens, llama.cpp beside {peer.GLIM}")
    exact = reference("greedy-f32", twin, True)
    stored = reference("greedy", path, False)
    control = reference("greedy-f32kv", path, True)
    if "--reference" in sys.argv:
        return 0
    failed = 0

    broken, over = table("exact: glim --type f32, llama.cpp on F32 weights", exact, *from_glim(path, ["--type", "f32", "--kv", "f32"]))
    failed += broken + over
    passed = len(exact) - broken - over

    broken, _ = table("stored: both on the file as it is", stored, *from_glim(path, []))
    failed += broken
    table("control: llama.cpp with an F16 and with an F32 KV cache, both on the file as it is", stored, *from_peer(control))

    usual, other, ours = peer.Peer(path, 256), peer.Peer(path, 256, True), []
    for i in MEASURED:
        ids = (stored[i]["prompt"] + stored[i]["ids"])[:64]
        a, b, g = usual.logits(ids), other.logits(ids), peer.glim_logits(path, ids)
        best = np.argsort(-a, axis=1)[:, :20]
        ours.append((apart(g, a, best), apart(g, b, best), apart(b, a, best)))
    g_a, g_b, b_a = np.sqrt(np.mean(ours, axis=0))
    ratio = max(g_a, g_b) / b_a
    ok = ratio <= RATIO
    print(f"stored: root mean square between logits: glim and llama.cpp {g_a:.3f} (F16 KV), {g_b:.3f} (F32 KV); llama.cpp with itself "
          f"{b_a:.3f}; ratio {ratio:.2f} (limit {RATIO}){'' if ok else '  FAILED'}")
    passed += ok
    failed += not ok
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
