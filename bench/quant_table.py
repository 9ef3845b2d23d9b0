"""quant_table.py - both quantizers on one trained model: bits per weight against KL divergence.

    python bench/quant_table.py SMOLLM2.gguf EVAL.txt OUT_DIR [--calibrate TEXT] [--types q4_0,q4_k,...] [--tokens N]
    python bench/quant_table.py --as-is F32.gguf EVAL.jsonl OUT_DIR ...
    python bench/quant_table.py --copies 6 F32.gguf EVAL.jsonl OUT_DIR --calibrate TEXT.jsonl --tokens 3072

The model at hand (tools/realmodel) is stored as q4_1, so its weights sit on a 4-bit grid, and its rows of 576 are no
multiple of 256. So its residual stream is turned first: 576 dimensions go into 768 by a random matrix with
orthonormal rows, norm weights folded into the matrices behind them. The function stays the same (perplexity tells),
the weights leave the grid, and every row but those of attn_output (576: the usual fallback) takes K-types. Each type
is applied to every matrix by both programs, so the sizes are equal; with --calibrate ours is also run with importance
and with error feedback. Of 768 dimensions 192 are empty, where feedback can leave errors for nothing: judge it with
--width 576. --as-is leaves a model alone whose widths are multiples of 256 and whose weights are on no grid
(bench/quant_table.csv: models/glim-nano.gguf).

A file's divergence is one draw: other sums of the same rounding errors come of the same values in another order. On a
small model two draws of one quantizer are up to a third apart, so --copies judges the quantizers by several: copies
of the source whose dimensions stand in another order and have other signs (the same function to the bit of its
perplexity, the same values, other blocks), each judged on another part of the text. The errors are then those over
the copies (bench/quant_copies.csv). With --calibrate llama.cpp's runs with the same moments as an importance matrix, too.

Needs numpy, gguf and llama-cpp-python, and a built tree (GLIM_BUILD, default build/): quant_table.c is compiled here.
"""
import argparse
import os
import subprocess
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("GLIM_BUILD", os.path.join(ROOT, "build"))
GLIM = os.path.join(BUILD, "glim")
WIDTH = 768  # --width 576: as wide as before, no direction is empty, but only rows of ffn_down take K-types
FTYPE = {"q4_0": "Q4_0", "q4_1": "Q4_1", "q5_0": "Q5_0", "q5_1": "Q5_1", "q8_0": "Q8_0", "iq4_nl": "IQ4_NL",
         "iq4_xs": "IQ4_XS", "q2_k": "Q2_K", "q3_k": "Q3_K_S", "q4_k": "Q4_K_S", "q5_k": "Q5_K_S", "q6_k": "Q6_K"}
MIXES = {"q4_k_m": "Q4_K_M"}  # whole recipes: which matrices get more bits is each program's own affair


def compile_table(out):
    layers = ["compress", "engine", "model", "text", "format", "tensor", "store", "audit", "net", "base"]
    libs = subprocess.check_output(["pkg-config", "--libs", "jansson", "libutf8proc", "libpcre2-8", "libcurl", "nettle", "sqlite3",
                                    "libsodium", "libarchive"])
    subprocess.run(["cc", "-O2", "-std=gnu11", "-D_GNU_SOURCE", "-I", os.path.join(BUILD, "include-compress"), "-I",
                    os.path.join(ROOT, "include"), os.path.join(ROOT, "bench", "quant_table.c"), "-o", out,
                    *[os.path.join(BUILD, f"libglim_{x}.a") for x in layers], *libs.decode().split(), "-lm", "-lpthread"],
                   check=True)


def write(writer, tensors):
    for name, x in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(x, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def rotate(src, dst):
    from gguf import GGUFReader, GGUFValueType, GGUFWriter, dequantize

    reader = GGUFReader(src)
    w = {t.name: dequantize(t.data, t.tensor_type).astype(np.float32).reshape(t.shape[::-1]) for t in reader.tensors}
    n = w["token_embd.weight"].shape[1]
    q = np.linalg.qr(np.random.default_rng(7).standard_normal((WIDTH, n)))[0].T  # [n, WIDTH]
    out = {}
    for name, x in w.items():
        layer = name.rsplit(".", 2)[0]
        if name == "token_embd.weight":
            out[name] = x @ q
            out["output.weight"] = (x * w["output_norm.weight"]) @ q
        elif name.endswith("_norm.weight"):  # the mean of squares is over more dimensions now
            out[name] = np.full(WIDTH, np.sqrt(n / WIDTH))
        elif any(p in name for p in ("attn_q.", "attn_k.", "attn_v.")):
            out[name] = (x * w[layer + ".attn_norm.weight"]) @ q
        elif any(p in name for p in ("ffn_gate.", "ffn_up.")):
            out[name] = (x * w[layer + ".ffn_norm.weight"]) @ q
        else:  # attn_output, ffn_down: they write into the stream
            out[name] = q.T @ x
    writer = GGUFWriter(dst, "llama")
    for f in reader.fields.values():
        if f.name.startswith("GGUF.") or f.name == "general.architecture":
            continue
        v = f.contents()
        v = WIDTH if f.name == "llama.embedding_length" else 0 if f.name == "general.file_type" else v
        if f.name == "llama.attention.layer_norm_rms_epsilon":
            v = float(v) * n / WIDTH
        writer.add_key_value(f.name, v, f.types[0], f.types[-1] if f.types[0] == GGUFValueType.ARRAY else None)
    head_dim = n // int(reader.fields["llama.attention.head_count"].contents())
    for key in ("key", "value"):
        writer.add_key_value(f"llama.attention.{key}_length", head_dim, GGUFValueType.UINT32)
    write(writer, out)


def shuffle(src, dst, seed, moments):
    """The same function, its dimensions in another order and with other signs; moments: {tensor: [n_in]}, reordered likewise."""
    from gguf import GGUFReader, GGUFValueType, GGUFWriter

    reader, rng = GGUFReader(src), np.random.default_rng(seed)
    w = {t.name: np.array(t.data).reshape(t.shape[::-1]).astype(np.float32) for t in reader.tensors}
    arch = reader.fields["general.architecture"].contents()
    n, ff, n_kv, n_head = (int(reader.fields[f"{arch}.{x}"].contents()) for x in
                           ("embedding_length", "feed_forward_length", "attention.head_count_kv", "attention.head_count"))
    head_dim = w["blk.0.attn_v.weight"].shape[0] // n_kv
    order, sign = rng.permutation(n), rng.choice([-1, 1], n).astype(np.float32)
    inner, out, new = {}, {}, {}
    for name, x in w.items():
        layer = name.rsplit(".", 2)[0]
        if name.startswith("blk.") and layer not in inner and any(p in name for p in (".attn_v.", ".attn_output.", ".ffn_")) \
                and "norm" not in name:
            inner[layer] = (rng.permutation(ff), rng.choice([-1, 1], ff).astype(np.float32),
                            [rng.permutation(head_dim) for _ in range(n_kv)])
        hidden, hidden_sign, heads = inner.get(layer, (None, None, None))
        cols = order
        if name.endswith("norm.weight"):
            x = x[order]
        elif ".attn_output." in name:  # the values of a head in the order of attn_v's rows
            cols = np.concatenate([h * head_dim + heads[h // (n_head // n_kv)] for h in range(n_head)])
            x = (x[order] * sign[:, None])[:, cols]
        elif ".ffn_down." in name:
            cols = hidden
            x = (x[order] * sign[:, None])[:, cols] * hidden_sign
        elif x.ndim == 2:
            x = x[:, order] * sign
        if ".attn_v." in name:
            x = x[np.concatenate([h * head_dim + p for h, p in enumerate(heads)])]
        elif ".ffn_gate." in name:
            x = x[hidden]
        elif ".ffn_up." in name and x.shape[0] == 2 * ff:  # gate and up in one
            x = np.concatenate([x[:ff][hidden], x[ff:][hidden] * hidden_sign[:, None]])
        elif ".ffn_up." in name:
            x = x[hidden] * hidden_sign[:, None]
        out[name] = x
        if name in moments:
            new[name] = np.ascontiguousarray(moments[name][cols])
    writer = GGUFWriter(dst, arch)
    for f in reader.fields.values():
        if not f.name.startswith("GGUF.") and f.name != "general.architecture":
            writer.add_key_value(f.name, f.contents(), f.types[0], f.types[-1] if f.types[0] == GGUFValueType.ARRAY else None)
    write(writer, out)
    return new


def read_moments(path):
    found = {}
    with open(path, "rb") as f:
        while line := f.readline():
            name, n = line.split()
            found[name.decode()] = np.frombuffer(f.read(4 * int(n)), np.float32).copy()
    return found


def theirs(src, dst, kind, moments=None):
    import ctypes

    import llama_cpp

    p = llama_cpp.llama_model_quantize_default_params()
    p.ftype = getattr(llama_cpp, "LLAMA_FTYPE_MOSTLY_" + (FTYPE.get(kind) or MIXES[kind]))
    p.pure = kind in FTYPE
    if moments:
        of = (llama_cpp.llama_model_imatrix_data * (len(moments) + 1))()  # the last one's name is NULL
        for entry, (name, values) in zip(of, moments.items()):
            entry.name, entry.size = name.encode(), len(values)
            entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        p.imatrix = of
    if llama_cpp.llama_model_quantize(src.encode(), dst.encode(), p) != 0:
        sys.exit(f"quant_table: llama.cpp could not write {kind}")


def ours(src, dst, kind, extra):
    recipe = kind + "_s" if kind in ("q3_k", "q4_k", "q5_k") else kind
    pure = ["--tensor", "*=" + kind] if kind in FTYPE else []
    subprocess.run([GLIM, "quantize", src, dst, "--force", "--type", recipe, *pure, *extra], check=True,
                   stdout=subprocess.DEVNULL)


def over_copies(a, table):
    """Every quantizer on every copy; its mean divergence, and the mean difference from llama.cpp's without and with moments."""
    who = ["llama.cpp", "glim"] + (["llama.cpp calibrated", "glim calibrated"] if a.calibrate else [])
    moments, kl = {}, {}
    if a.calibrate:
        at = os.path.join(a.out, "moments")
        subprocess.run([table, "--moments", a.model, a.calibrate, at], check=True)
        moments = read_moments(at)
    files = [os.path.join(a.out, w.replace(" ", "-") + ".gguf") for w in who]
    for c in range(a.copies):
        src = os.path.join(a.out, f"copy-{c + 1}.gguf")
        mine = shuffle(a.model, src, c + 1, moments)
        for kind in a.types.split(","):
            theirs(src, files[0], kind)
            ours(src, files[1], kind, [])
            if a.calibrate:
                theirs(src, files[2], kind, mine)
                ours(src, files[3], kind, ["--calibrate", a.calibrate])
            rows = subprocess.run([table, src, a.text, a.tokens, *files, "--skip", str(c * a.step)], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout.splitlines()[1:]
            for w, row in zip(who, rows):
                kl.setdefault((kind, w), []).append(float(row.split(",")[5]))
        os.remove(src)
    print_copies(kl)


def print_copies(kl):
    def mean(v):
        return f"{np.mean(v):.6f},{np.std(v, ddof=1) / len(v) ** 0.5:.6f}"

    print("type,quantizer,copies,kl_mean,kl_error,kl_less_llama,its_error,kl_less_llama_calibrated,its_error")
    for (kind, w), v in kl.items():
        than = [kl.get((kind, x)) for x in ("llama.cpp", "llama.cpp calibrated")]
        print(kind, w, len(v), mean(v), *[mean(np.subtract(v, t)) if t else "," for t in than], sep=",", flush=True)


def main():
    global WIDTH
    a = argparse.ArgumentParser()
    a.add_argument("model")
    a.add_argument("text")
    a.add_argument("out")
    a.add_argument("--calibrate")
    a.add_argument("--types", default=",".join(FTYPE))
    a.add_argument("--tokens", default="4096")
    a.add_argument("--width", type=int, default=WIDTH)
    a.add_argument("--as-is", action="store_true")
    a.add_argument("--copies", type=int, default=0)
    a.add_argument("--step", type=int, default=4096, help="tokens from one copy's part of the text to the next one's")
    a = a.parse_args()
    os.makedirs(a.out, exist_ok=True)
    table = os.path.join(a.out, "quant_table")
    compile_table(table)
    if a.copies:
        return over_copies(a, table)
    WIDTH = a.width
    src = a.model if a.as_is else os.path.join(a.out, "rotated-f32.gguf" if WIDTH == 768 else f"rotated-{WIDTH}-f32.gguf")
    if not os.path.exists(src):
        rotate(a.model, src)
    print("type,quantizer,bits,ppl,kl_mean,kl_error,kl_median,kl_99,kl_max,top1,kl_less_first,its_error", flush=True)
    for kind in a.types.split(","):
        files = [os.path.join(a.out, f"{who}-{kind}.gguf") for who in ("llama.cpp", "glim", "glim-calibrated", "glim-feedback")]
        theirs(src, files[0], kind)
        ours(src, files[1], kind, [])
        if a.calibrate:
            ours(src, files[2], kind, ["--calibrate", a.calibrate])
            ours(src, files[3], kind, ["--calibrate", a.calibrate, "--feedback"])
        rows = subprocess.run([table, src, a.text, a.tokens, *files[: 4 if a.calibrate else 2]], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.splitlines()
        for row in rows[1:]:  # file, bytes, bits, perplexity of the source, ...
            f = row.split(",")
            print(kind, os.path.basename(f[0]).rsplit("-" + kind, 1)[0].replace("-", " "), f[2], *f[4:], sep=",", flush=True)


if __name__ == "__main__":
    main()
