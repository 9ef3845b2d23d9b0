"""compare_greedy.py MODEL.gguf - 20 texts as they are and 20 as a chat, 64 greedy tokens each, Glim beside llama.cpp.

Two programs that round differently part ways sooner or later; what must hold is that they do so only at a near tie: at
the first difference, each program's own logits of the two tokens lie within 0.1. Prompt ids must be equal.
--reference stops after llama.cpp's part.
"""

import json
import sys

import peer

N = 64
LIMIT = 0.1
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


def reference(path):
    def make():
        p = peer.Peer(path, 1024)
        out = []
        for mode, texts in (("raw", RAW), ("chat", CHAT)):
            for text in texts:
                ids = p.tokenize(text) if mode == "raw" else p.tokenize(p.render(text), special=True)
                tokens, steps = p.greedy(ids, N)
                out.append({"mode": mode, "text": text, "prompt": ids, "ids": tokens, "steps": steps,
                            "ended": p.is_end(tokens[-1])})
        return out

    return peer.remembered("greedy", [peer.digest(path), RAW, CHAT, N], make)


def main():
    path = sys.argv[1]
    print(f"greedy: {len(RAW)} texts as they are, {len(CHAT)} as a chat, {N} tokens, llama.cpp beside {peer.GLIM}")
    want = reference(path)
    if "--reference" in sys.argv:
        return 0
    print("  mode  text                            prompt  equal  llama.cpp's two    gap    glim's two         gap")
    bad = same = compared = 0
    worst = 0.0
    for r in want:
        words = ["--raw"] if r["mode"] == "raw" else []
        got = json.loads(peer.glim("run", path, "-p", r["text"], *words, "--temp", "0", "-n", str(N), "--json"))
        line = f"  {r['mode']:4}  {r['text'][:30]!r:32}  {len(r['prompt']):4}"
        if got["prompt_ids"] != r["prompt"]:
            bad += 1
            print(f"{line}  FAILED: prompt ids differ: {got['prompt_ids'][:12]} want {r['prompt'][:12]}")
            continue
        a, b = r["ids"], got["ids"]
        # A program may print its ending token or keep it to itself.
        if r["ended"] and b == a[:-1]:
            b = a
        k = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), None)
        if k is None and len(a) != len(b):
            bad += 1
            print(f"{line}  FAILED: llama.cpp gave {len(a)} tokens, glim {len(b)}, equal as far as they go")
            continue
        compared += len(a) if k is None else k
        if k is None:
            same += 1
            print(f"{line}  {len(a):5}")
            continue
        theirs = dict(map(tuple, r["steps"][k]))
        row = peer.glim_logits(path, r["prompt"] + a[:k])
        gap_theirs = theirs[a[k]] - theirs.get(b[k], -1e9)
        gap_ours = float(row[b[k]] - row[a[k]])
        ok = 0 <= gap_theirs <= LIMIT and -LIMIT <= gap_ours <= LIMIT
        bad += not ok
        worst = max(worst, gap_theirs, abs(gap_ours))
        print(f"{line}  {k:5}  {theirs[a[k]]:8.4f} {theirs.get(b[k], float('nan')):8.4f} {gap_theirs:6.3f}"
              f"  {row[b[k]]:8.4f} {row[a[k]]:8.4f} {gap_ours:6.3f}{'' if ok else '  FAILED'}")
    print(f"greedy: {same} of {len(want)} equal to the end, {compared} equal tokens, worst gap {worst:.3f} (limit {LIMIT})")
    print(f"{len(want) - bad} passed, {bad} failed")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
