"""Merges that Hugging Face's BpeTrainer learns: the fixture tests/fixtures/bpe_train.

    python tools/oracle/make_bpe_train.py [FOLDER OF THE SHARED DATA SETS]

merges.txt holds all merges on corpus.txt, one a line, in GPT-2's byte alphabet. large.json holds, for larger texts of the
shared data sets, how many merges there are and the SHA-256 of the same lines.
"""
import gzip
import hashlib
import json
import pathlib
import sys
import time

import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/fixtures/bpe_train"
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def merges(text, n_vocab, min_count):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=n_vocab, min_frequency=min_count, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    t0 = time.time()
    tok.train_from_iterator([text], trainer)
    model = json.loads(tok.to_str())["model"]
    return [" ".join(m) for m in model["merges"]], time.time() - t0, model["vocab"]


def main():
    corpus = (OUT / "corpus.txt").read_bytes().decode()
    lines, _, _ = merges(corpus, 1500, 2)
    (OUT / "merges.txt").write_text("\n".join(lines) + "\n")
    large = {"source": f"Hugging Face tokenizers {tokenizers.__version__}", "sets": []}
    data = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT.parent / "shared/data")
    for name, n_vocab in (("text-wikitext2/valid.txt", 4000), ("text-zh-classics/sanguoyanyi.txt", 4000)):
        text = gzip.open(data / (name + ".gz")).read().decode()
        lines, seconds, _ = merges(text, n_vocab, 2)
        digest = hashlib.sha256(("\n".join(lines) + "\n").encode()).hexdigest()
        large["sets"].append({"file": name, "vocab": n_vocab, "merges": len(lines), "sha256": digest})
        print(f"{name}: {len(lines)} merges in {seconds:.2f} s")
    (OUT / "large.json").write_text(json.dumps(large, indent=1) + "\n")


if __name__ == "__main__":
    main()
