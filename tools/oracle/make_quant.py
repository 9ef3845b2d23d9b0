"""Makes tests/fixtures/quant/blocks.{bin,json}: random blocks of every ggml type and the f32 values they mean.

    python tools/oracle/make_quant.py

blocks.bin holds, per type, the raw blocks and then the values as little-endian f32; blocks.json says where.
Bits are random, scales finite (some negative, one subnormal, one zero). Values come from gguf-py's own
dequantizer; it has none for Q8_K, whose values are computed here as d * q.
"""
import os

import gguf
import numpy as np

from oraclelib import *  # noqa: F403

OUT = os.path.join(FIXTURES, "quant")
TYPES = {  # name: (offsets of f16 fields, blocks)
    "Q8_0": ([0], 8), "Q4_0": ([0], 8), "Q4_1": ([0, 2], 8), "Q5_0": ([0], 8), "Q5_1": ([0, 2], 8),
    "Q2_K": ([80, 82], 4), "Q3_K": ([108], 4), "Q4_K": ([0, 2], 4), "Q5_K": ([0, 2], 4), "Q6_K": ([208], 4),
    "Q8_K": ([], 4), "IQ4_NL": ([0], 8), "IQ4_XS": ([0], 4), "MXFP4": ([], 8)}


def main():
    os.makedirs(OUT, exist_ok=True)
    blob, table = b"", {}
    for name, (f16_at, n) in TYPES.items():
        t = gguf.GGMLQuantizationType[name]
        n_values, n_bytes = gguf.GGML_QUANT_SIZES[t]
        rng = rng_for(77, name)
        raw = rng.integers(0, 256, (n, n_bytes), dtype=np.uint8)
        for at in f16_at:
            d = (rng.standard_normal(n) * 0.1).astype(np.float16)
            d[0] = np.float16(3e-7)  # subnormal
            if n > 4:
                d[4] = 0.0
            raw[:, at:at + 2] = d.astype("<f2").view(np.uint8).reshape(n, 2)
        source = "gguf-py"
        if name == "MXFP4":
            raw[:, 0] = [0, 1, 2, 100, 126, 127, 128, 200]
        if name == "Q8_K":
            d = (rng.standard_normal(n) * 0.01).astype("<f4")
            raw[:, :4] = d.view(np.uint8).reshape(n, 4)
            q = raw[:, 4:260].view(np.int8)
            raw[:, 260:] = q.reshape(n, 16, 16).astype(np.int16).sum(2).astype("<i2").view(np.uint8).reshape(n, 32)
            values, source = d[:, None] * q.astype(np.float32), "computed: d * q (gguf-py has no Q8_K)"
        else:
            with np.errstate(all="ignore"):
                values = gguf.quants.dequantize(raw.reshape(-1), t).reshape(n, n_values)
        values = np.ascontiguousarray(values, dtype="<f4")
        assert np.isfinite(values).all() and values.shape == (n, n_values), name
        table[name] = {"ggml_type": int(t), "blocks": n, "block_bytes": n_bytes, "block_values": n_values,
                       "raw_offset": len(blob), "values_offset": len(blob) + raw.size, "source": source}
        blob += raw.tobytes() + values.tobytes()
        blob += b"\0" * (-len(blob) % 4)
    write_bytes(os.path.join(OUT, "blocks.bin"), blob)
    write_json(os.path.join(OUT, "blocks.json"), {"types": table, "made_with": {"gguf": "0.19.0"}}, 1)
    print(len(blob), {k: v["blocks"] for k, v in table.items()})


if __name__ == "__main__":
    main()
