"""Makes tests/fixtures/<name>/tokens.jsonl: strings and their ids, for fixtures with different tokenizers.

    python tools/oracle/make_tokens.py      (after make_fixtures.py)

One line: {"text", "special", "ids"}. No prefix is added. special false: the text is plain, no added token is
recognised in it; true: every added token (special or not) is. Ids come from the `tokenizers` library reading the
fixture's tokenizer.json; for `chatglm` (tokenizer.model) from tiktoken, as its remote code does.
"""
import base64
import json
import os

from oraclelib import *  # noqa: F403

PLAIN = [
    "", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", "\r\n", "\r\n\r\n  x", "\t", "\t\tx", " \t \n\n  \t ", "a", " a",
    "  a", "   the", "a  b   c    ", "hello", "hello world", "Hello, World!", " the theory", "abc", " abc", "ab bc abcabc",
    "qzx", " qzx", "lazy", " lazy dog", "数据", "数据库", "你好", "你好，世界", "你好👋！很高兴见到你。", "这是一个测试：GLM-4的输出。",
    "我想在apple工作1314151天～", "「引号」、《书名》……——", "１２３全角ＡＢＣ", "it's", "I'VE we'll THEY'D he'S 're", "'s", "''s", "'ſ it'ſ",
    "'sx 'Sx", "'ſx", "a'sx", "\u180e\u180e1", "\u0085\u0085!", "34 1234 2345 13423", "e e  e ", "don’t", "1", "12", "123", "1234", "12345678", "3.14159", "1,000,000.00", "x1y22z333", "²³ Ⅷ ½ ४५", "!!!", "a!!!b",
    "...\n...", " ==== {\n\n}", "for (int i = 0; i < 10; i++) {\n\tprintf(\"%d\\n\", i);\n}\n",
    "def f(x):\n    return x ** 2  # square\n", "{\"a\": [1, 2, {\"b\": null}]}", "https://example.com/a?b=c&d=%20", "naïve café",
    "cafe\u0301 e\u0301\u0323", "นี่คือ", "हिन्दी", "العربية مرحبا", "кириллица", "日本語テキスト", "한국어", "👨‍👩‍👧‍👦🏳️‍🌈", "🚀🚀 🚀", "\ufeffBOM",
    "a\u00a0b\u3000c", "a\u0085b", "a\u180eb", "a\u2028b\u2029c", "zero\u200bwidth", "\ufffd\ufffe\uffff\U0010ffff", "\u0001\u001f\u007f",
    "Å\u212b \ufb01 \u2126", "<|notatoken|> <think", "a" * 40, "好" * 20, " " * 17, "=" * 19, "The quick brown fox jumps over the lazy dog.",
]
SPECIAL = {
    "glm": ["[gMASK]<sop><|user|>\n你好<|assistant|>", "<|user|>hello<|endoftext|>", "a<|user|> b <sop>c", "<|user|<|user|>",
            "<sop><sop>", "[MASK][sMASK]", "<|system|>\nBe brief.<|user|>\nHi<|assistant|>\n"],
    "glm45": ["<think>hello</think>\n<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>", "hi/nothink", "//nothink/nothin",
              "<|observation|><tool_response>18C</tool_response>", "<|begin_of_box|>[1,2]<|end_of_box|>"],
    "chatml": ["<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n", "<|endoftext|>a <|im_end|>", "<|im_start|><|im_end|"],
}
FIXTURE_SETS = {"chatglm": ["glm"], "glm4": ["glm"], "glm4moe-air": ["glm", "glm45"], "qwen2": ["chatml"],
                "llama-tied": ["chatml"]}


def tiktoken_encoder(folder):
    import tiktoken
    ranks = {}
    for line in open(os.path.join(folder, "tokenizer.model"), encoding="ascii"):
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    added = json.load(open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8"))["added_tokens_decoder"]
    e = tiktoken.Encoding("fixture", pat_str=GLM_REGEX, mergeable_ranks=ranks,
                          special_tokens={t["content"]: int(i) for i, t in added.items()})
    return lambda text, special: e.encode(text, allowed_special="all") if special else e.encode_ordinary(text)


def json_encoder(folder):
    from tokenizers import Tokenizer
    text = open(os.path.join(folder, "tokenizer.json"), encoding="utf-8").read()
    whole = Tokenizer.from_str(text)
    bare = json.loads(text)
    bare["added_tokens"], bare["post_processor"] = [], None
    plain = Tokenizer.from_str(json.dumps(bare))
    return lambda s, special: (whole if special else plain).encode(s, add_special_tokens=False).ids


def main():
    for name, sets in FIXTURE_SETS.items():
        folder = os.path.join(FIXTURES, name)
        encode = (tiktoken_encoder if name == "chatglm" else json_encoder)(folder)
        special = [s for x in sets for s in SPECIAL[x]]
        rows = [(s, False) for s in PLAIN + special] + [(s, True) for s in special + ["你好，the  world", ""]]
        with open(os.path.join(folder, "tokens.jsonl"), "w", encoding="utf-8", newline="\n") as f:
            for s, flag in rows:
                f.write(json.dumps({"text": s, "special": flag, "ids": encode(s, flag)}, ensure_ascii=True,
                                   separators=(",", ":")) + "\n")
        print(name, len(rows), os.path.getsize(os.path.join(folder, "tokens.jsonl")))


if __name__ == "__main__":
    main()
