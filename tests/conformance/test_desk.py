"""The service desk of `glim serve --desk` with a model that always says the same sentence (scripted.py): shown where the rows bear
it out and nowhere else, counted, charged to the key; and an answer in any case."""
import json

import harness
from harness import Server, check, eventually, request_bytes
from scripted import Scripted

SENTENCE = ["[1] ", "\u6f9c\u661f L9 \u624b\u673a\u5356", "2999", "\u5143\u3002"]
ANSWER = "".join(SENTENCE[1:]) + "[PH001]"
PRICE = "\u6f9c\u661f L9 \u624b\u673a\u591a\u5c11\u94b1\uff1f"
CHARGE = "\u6f9c\u661f L9 \u624b\u673a\u652f\u6301\u65e0\u7ebf\u5145\u7535\u5417\uff1f"
_made = {}


def model():
    if not _made:
        _made["m"] = Scripted(harness.work("desk-model"), harness.FIXTURES, {"price": SENTENCE})
        code, out, err = harness.glim("desk", "init", "electronics", harness.work("desk"))
        check(code == 0, "%s%s", out, err)
    return harness.work("desk-model")


def ask(s, question, key=None, **more):
    r = s.post("/v1/desk/ask", {"question": question, **more}, key=key)
    return r.status, r.json


def test_a_sentence_is_shown_where_the_rows_bear_it_out_and_charged():
    data = harness.work("desk-data")
    folder = model()
    for args in (("usage", "price", "*", "--input", "1", "--output", "2000", "--data", data), ("key", "create", "rich", "--json", "--data", data),
                 ("key", "create", "poor", "--token-budget", "5", "--json", "--data", data)):
        code, out, err = harness.glim(*args)
        check(code == 0, "%s: %s", args, err)
        if args[0] == "key":
            _made[args[2]] = json.loads(out)["key"]
    s = Server(folder, "--desk", harness.work("desk"), "--ctx", "4096", data=data)
    status, a = ask(s, PRICE, _made["rich"])
    check(status == 200 and a["answer"] == ANSWER and a["part"] == "language model" and a["found_by"] == "filter", "%s", a)
    check([r["id"] for r in a["rows"]] == ["PH001"] and a["phrased_by"] == "language model" and not a["model_answer_dropped"], "%s", a)
    check(a["usage"]["completion_tokens"] == len(SENTENCE) + 1 and a["usage"]["prompt_tokens"] > 50 and a["usage"]["tokens_per_s"] > 0, "%s", a["usage"])
    want = a["usage"]["prompt_tokens"] + 2000 * a["usage"]["completion_tokens"]
    check(a["currency"] == "CNY" and float(a["cost"]) == want / 1e6, "cost %s, want %s", a["cost"], want / 1e6)
    status, a = ask(s, CHARGE, _made["rich"])
    check(status == 200 and "15W Qi" in a["answer"] and a["part"] == "filter" and a["model_answer_dropped"] and a["phrased_by"] is None, "%s", a)
    # Who has no tokens left gets the desk's own answer.
    status, a = ask(s, PRICE, _made["poor"])
    check(status == 200 and "2999" in a["answer"] and a["part"] == "filter" and float(a["cost"]) == 0, "%s", a)
    check(ask(s, PRICE, "glim-no-such-key")[0] == 401)
    check(ask(s, PRICE, _made["rich"], model="no-such")[0] == 404)
    check(s.stop() == 0)
    code, out, err = harness.glim("usage", "--by", "key", "--json", "--data", data)
    check(code == 0 and out.count("rich") == 1, "%s%s", out, err)
    check(harness.glim("usage", "check", "--data", data)[0] == 0)


def test_a_desk_that_speaks_plainly_asks_no_model_and_a_missing_folder_is_told():
    s = Server(model(), "--desk", harness.work("desk"), "--desk-plain")
    status, a = ask(s, PRICE)
    check(status == 200 and a["part"] == "filter" and a["usage"] is None and a["model_ms"] == 0, "%s", a)
    check(s.stop() == 0)
    for args, says in ((("desk", "serve"), "folder is missing"), (("desk", "serve", harness.work("nowhere"), model(), "--port", "0", "--data", harness.work("desk-data2")), "nowhere")):
        code, _, err = harness.glim(*args)
        check(code != 0 and says in err, "%s: %s", args, err)


def test_customers_who_ask_at_once_all_get_their_answer():
    import threading
    s = Server(model(), "--desk", harness.work("desk"), "--ctx", "4096")
    got = []

    def customer(i):
        c = harness.Client(s)
        r = c.call("POST", "/v1/desk/ask", {"question": PRICE if i % 2 else CHARGE})
        got.append((i % 2, r.status, r.json["part"]))
        c.close()
    threads = [threading.Thread(target=customer, args=(i,)) for i in range(24)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    check(sorted(got) == sorted([(1, 200, "language model")] * 12 + [(0, 200, "filter")] * 12), "%s", got)
    check(s.idle() and s.stop() == 0)


class Holder:
    """A stream that takes the model's only place, read on by a thread: somebody who reads nothing is set aside."""

    def __init__(self, s):
        import threading
        self.socket, self.end = s.connect(), b""
        self.socket.sendall(request_bytes("POST", "/v1/completions", {"model": s.call("GET", "/v1/models").json["data"][0]["id"], "prompt": "x", "max_tokens": 4000, "stream": True, "logprobs": 5, "ignore_eos": True}))
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        while b"[DONE]" not in self.end:
            got = self.socket.recv(65536)
            if not got: break
            self.end = (self.end + got)[-65600:]
        self.socket.close()

    def done(self): return b"[DONE]" in self.end


def test_a_customer_who_leaves_while_the_model_is_asked_is_asked_for_no_longer():
    s = Server(model(), "--desk", harness.work("desk"), "--ctx", "4096", "--parallel", "1")
    running, waits = (lambda: s.metric("vllm:num_requests_running")), (lambda: s.metric("vllm:num_requests_waiting"))
    seen = left = False
    for _ in range(10):  # 4,000 tokens of so small a model are a second: another holder if this one was done first
        holder = Holder(s)
        eventually(lambda: running() == 1 or holder.done())
        c = s.connect()
        c.sendall(request_bytes("POST", "/v1/desk/ask", {"question": PRICE}))
        eventually(lambda: waits() == 1 or holder.done())
        seen = waits() == 1 and not holder.done()
        c.close()
        left = seen and eventually(lambda: waits() == 0 or holder.done()) and waits() == 0 and not holder.done()
        holder.thread.join()
        check(s.idle(), "idle")
        if left: break
    check(seen, "the desk's request waits")
    check(left, "and no longer, while the place is still taken")
    check(s.stop() == 0)
