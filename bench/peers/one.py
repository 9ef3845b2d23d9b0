"""one.py - one process, one peer, one pass over the cases: what compare.py starts again and again.

    python one.py {llama,ik} MODEL --probe PROGRAM --threads N --prefill 512 --depth 0,4096 --batch 8 --tokens 16
                  [--repack] [--no-fa]

Prints one JSON object: {"load_s": ..., "version": ..., "cases": [{"what", "tokens", "depth", "streams", "seconds",
"tokens_per_s", "probe"}]}. The machine is probed right before each case. Calls are the C API's own, through ctypes:
llama_decode and llama_synchronize; nothing is sampled, and tokens are arbitrary, as in `glim bench`.
"""

import argparse
import ctypes
import json
import subprocess
import time


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("engine", choices=["llama", "ik"])
    p.add_argument("model")
    p.add_argument("--probe", required=True)
    p.add_argument("--threads", type=int, required=True)
    for name in ("prefill", "depth", "batch"):
        p.add_argument("--" + name, default="none")
    p.add_argument("--tokens", type=int, default=16)
    p.add_argument("--repack", action="store_true")
    p.add_argument("--no-fa", action="store_true")
    return p.parse_args()


def numbers(text):
    return [] if text == "none" else [int(x) for x in text.split(",")]


class Llama:
    """llama.cpp through llama-cpp-python. It repacks weights while loading by itself."""

    def __init__(self, a):
        import llama_cpp as lib

        self.lib, self.a = lib, a
        self.version = "llama-cpp-python " + lib.__version__
        self.quiet = lib.llama_log_callback(lambda *_: None)
        lib.llama_log_set(self.quiet, None)
        lib.llama_backend_init()
        p = lib.llama_model_default_params()
        p.n_gpu_layers = 0
        self.model = lib.llama_model_load_from_file(a.model.encode(), p)
        if not self.model:
            raise SystemExit("one.py: llama.cpp could not load " + a.model)
        self.n_vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))

    def context(self, n_ctx, n_seq):
        lib, a = self.lib, self.a
        p = lib.llama_context_default_params()
        p.n_ctx, p.n_batch, p.n_ubatch, p.n_seq_max = n_ctx * n_seq, 512, 512, n_seq
        p.n_threads = p.n_threads_batch = a.threads
        p.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED if a.no_fa else lib.LLAMA_FLASH_ATTN_TYPE_ENABLED
        p.no_perf = True
        p.kv_unified = n_seq == 1  # streams apart: no stream looks at another's positions
        return lib.llama_init_from_model(self.model, p)

    def free(self, ctx):
        self.lib.llama_free(ctx)

    def forget(self, ctx, seq, n):
        self.lib.llama_memory_seq_rm(self.lib.llama_get_memory(ctx), seq, n, -1)

    def sync(self, ctx):
        self.lib.llama_synchronize(ctx)


class Ik:
    """ik_llama.cpp through ik-llama-cpp-python, whose Python covers little: the rest is bound here."""

    def __init__(self, a):
        import ik_llama_cpp
        from ik_llama_cpp import _ctypes_api as lib

        self.lib, self.a = lib, a
        self.version = "ik-llama-cpp-python " + ik_llama_cpp.__version__
        c = lib._lib
        log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self.quiet = log(lambda *_: None)
        c.llama_log_set.argtypes, c.llama_log_set.restype = [log, ctypes.c_void_p], None
        c.llama_log_set(self.quiet, None)
        c.llama_kv_cache_seq_rm.argtypes = [ctypes.c_void_p] + [ctypes.c_int32] * 3
        c.llama_kv_cache_seq_rm.restype = ctypes.c_bool
        c.llama_synchronize.argtypes, c.llama_synchronize.restype = [ctypes.c_void_p], None
        lib.llama_backend_init()
        p = lib.llama_model_default_params()
        p.n_gpu_layers = 0
        if a.repack:
            p.repack_tensors, p.use_mmap = True, False
        self.model = lib.llama_model_load_from_file(a.model.encode(), p)
        if not self.model:
            raise SystemExit("one.py: ik_llama.cpp could not load " + a.model)
        self.n_vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))

    def context(self, n_ctx, n_seq):
        p = self.lib.llama_context_default_params()
        p.n_ctx, p.n_batch, p.n_ubatch, p.n_seq_max = n_ctx * n_seq, 512, 512, n_seq
        p.n_threads = p.n_threads_batch = self.a.threads
        p.flash_attn = not self.a.no_fa
        return self.lib.llama_init_from_model(self.model, p)

    def free(self, ctx):
        self.lib.llama_free(ctx)

    def forget(self, ctx, seq, n):
        self.lib._lib.llama_kv_cache_seq_rm(ctx, seq, n, -1)

    def sync(self, ctx):
        self.lib._lib.llama_synchronize(ctx)


class Run:
    def __init__(self, engine, a):
        self.e, self.a = engine, a
        self.batch = engine.lib.llama_batch_init(512, 0, 1)
        self.cases = []

    def token(self, i):
        return (i * 2654435761 + 12345) % self.e.n_vocab % 256  # ids that every made vocabulary has

    def decode(self, ctx, rows):
        """rows: (sequence, position, wants logits)"""
        b = self.batch
        b.n_tokens = len(rows)
        for i, (seq, pos, logits) in enumerate(rows):
            b.token[i], b.pos[i], b.n_seq_id[i] = self.token(pos * 64 + seq), pos, 1
            b.seq_id[i][0], b.logits[i] = seq, logits
        if self.e.lib.llama_decode(ctx, b) != 0:
            raise SystemExit("one.py: llama_decode failed")

    def read(self, ctx, seq, start, end):
        for at in range(start, end, 512):
            n = min(512, end - at)
            self.decode(ctx, [(seq, at + i, at + i + 1 == end) for i in range(n)])
        self.e.sync(ctx)

    def steps(self, ctx, seqs, start, n):
        for pos in range(start, start + n):
            self.decode(ctx, [(s, pos, 1) for s in seqs])
            self.e.sync(ctx)  # the next token is chosen from these logits

    def timed(self, what, tokens, depth, streams, rows, work):
        probe = json.loads(subprocess.run([self.a.probe, str(self.a.threads)], capture_output=True, check=True).stdout)
        t = time.perf_counter()
        work()
        t = time.perf_counter() - t
        self.cases.append({"what": what, "tokens": tokens, "depth": depth, "streams": streams, "seconds": t,
                           "tokens_per_s": rows / t, "probe": probe})

    def all(self):
        a, e = self.a, self.e
        prefill, depth, batch = numbers(a.prefill), numbers(a.depth), numbers(a.batch)
        longest = max(prefill + [d + 16 + a.tokens for d in depth] + [256])
        if prefill or depth:
            ctx = e.context((longest + 255) // 256 * 256, 1)
            self.read(ctx, 0, 0, 32)  # warm
            for n in prefill:
                e.forget(ctx, 0, 0)
                self.timed("prefill", n, 0, 1, n, lambda n=n: self.read(ctx, 0, 0, n))
            have = 0
            e.forget(ctx, 0, 0)
            for d in sorted(depth):
                start = d or 16
                self.read(ctx, 0, have, start)
                have = start
                self.steps(ctx, [0], start, 1)
                e.forget(ctx, 0, start)
                self.timed("decode", a.tokens, d, 1, a.tokens, lambda s=start: self.steps(ctx, [0], s, a.tokens))
                e.forget(ctx, 0, start)
            e.free(ctx)
        for n in batch:
            base = 128
            ctx = e.context(256, n)
            for s in range(n):
                self.read(ctx, s, 0, base)
            self.steps(ctx, range(n), base, 1)
            for s in range(n):
                e.forget(ctx, s, base)
            self.timed("streams", a.tokens, base, n, n * a.tokens, lambda n=n, c=ctx: self.steps(c, range(n), base, a.tokens))
            e.free(ctx)


def main():
    a = arguments()
    t = time.perf_counter()
    engine = (Llama if a.engine == "llama" else Ik)(a)
    load = time.perf_counter() - t
    run = Run(engine, a)
    run.all()
    peak = next((int(x.split()[1]) * 1024 for x in open("/proc/self/status", encoding="ascii") if x.startswith("VmHWM")), 0)
    print(json.dumps({"version": engine.version, "load_s": load, "peak_bytes": peak, "cases": run.cases}))


if __name__ == "__main__":
    main()
