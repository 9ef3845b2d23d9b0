"""Fine-tuning end to end: from an upload to an answer of the model that it made; steering, restarts, kills, tenants.

A run is a function of its rows, settings and seed, so a job that was paused, restarted or killed is held to the very bytes
of one that was not."""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time

import harness
import schema
import sdk
from harness import PATIENCE, SANITIZED, SOAK, Server, Skip, check, eventually, request_bytes
from uploads import chat_rows, pairs, send

MODEL = "glm4"
JOBS, CHAT = "/v1/fine_tuning/jobs", "/v1/chat/completions"
ASK = [{"role": "user", "content": "say 5"}]
ENDED = ("succeeded", "failed", "cancelled")
SHORT = {"model": MODEL, "seed": 3, "suffix": "desk", "glim": {"lora_rank": 4, "learning_rate": 0.01}, "hyperparameters": {"n_epochs": 3, "batch_size": 4}}
LONG = {**SHORT, "hyperparameters": {"n_epochs": 50, "batch_size": 1}}  # with these rows, 20,000 steps: until somebody stops it
LONG_ROWS = chat_rows(400)
# Of a private run, whose noise is given and need not be looked for: an epoch has 1,000 steps, and nothing is kept before the first ends.
MANY_ROWS, FIVE_EPOCHS = chat_rows(4000), {"n_epochs": 5, "batch_size": 4}
ROWS = chat_rows(90 if SOAK else 24)  # of the job that is killed
_shared = {}


def shared():
    """One server for most tests; its jobs run at full standing, because the machine is busy with other things."""
    if "server" not in _shared:
        _shared["server"] = Server(MODEL, "--tune-nice", "0")
    return _shared["server"]


def create(s, rows, key=None, **change):
    f = send(s, rows, key=key)
    if not check(f.status == 200, "upload: %d %s", f.status, f.text[:200]):
        raise RuntimeError("no file")
    r = s.post(JOBS, {**SHORT, "training_file": f.json["id"], **change}, key=key)
    if not check(r.status == 200, "create: %d %s", r.status, r.text[:300]):
        raise RuntimeError("no job")
    check(not schema.errors("fine_tuning_job", r.json), "%s", schema.errors("fine_tuning_job", r.json))
    return r.json["id"]


def show(s, i, key=None):
    r = s.call("GET", "%s/%s" % (JOBS, i), key=key)
    check(r.status == 200 and not schema.errors("fine_tuning_job", r.json), "%d %s", r.status, r.text[:300])
    return r.json


def wait(s, i, until=ENDED, key=None):
    """The job once its status is one of these, or until(job)."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        j = show(s, i, key)
        if until(j) if callable(until) else j["status"] in until:
            return j
        if j["status"] in ENDED:
            break
        time.sleep(0.01)
    check(False, "%s came to %s: %s", i, j["status"], j["error"])
    return j


def steps(j):
    return j["trained_tokens"] or 0


def steer(s, i, verb, key=None):
    return s.post("%s/%s/%s" % (JOBS, i, verb), b"", key=key)


def events(s, i, key=None):
    out, after = [], ""
    while True:
        page = s.call("GET", "%s/%s/events?limit=100%s" % (JOBS, i, "&after=" + after if after else ""), key=key).json
        out += page["data"]
        if not page["has_more"]:
            return out[::-1]
        after = page["data"][-1]["id"]


def files(s, j, key=None):
    """Contents of the result files by their names."""
    out = {}
    for i in j["result_files"]:
        f = s.call("GET", "/v1/files/" + i, key=key).json
        check(f["purpose"] == "fine-tune-results", "%s", f)
        out[f["filename"]] = s.call("GET", "/v1/files/%s/content" % i, key=key).body
    return out


def models(s, key=None):
    return [m["id"] for m in s.call("GET", "/v1/models", key=key).json["data"]]


def says(s, model, key=None):
    return s.post(CHAT, {"model": model, "messages": ASK, "max_tokens": 24, "temperature": 0}, key=key)


def trainers(s):
    """Processes of this server that train."""
    out = []
    for p in os.listdir("/proc"):
        try:
            with open("/proc/%s/cmdline" % p, "rb") as f:
                words = f.read().split(b"\0")
            with open("/proc/%s/environ" % p, "rb") as f:
                mine = harness._work.name.encode() in f.read()
        except OSError:
            continue
        if mine and b"--job" in words and words[words.index(b"--job") + 1] == str(s.p.pid).encode():
            out.append(int(p))
    return out


STATES = ("queued", "running", "succeeded", "failed", "cancelled", "paused")


def counted(s):
    """What /metrics says of jobs: by state, and steps and tokens trained."""
    got = {w: s.metric("glim_jobs", 'state="%s"' % w) for w in STATES}
    return {**got, "steps": s.metric("glim_job_steps_total"), "tokens": s.metric("glim_job_tokens_total")}


def unbroken(body, rows):
    """Result files of that job, run without a disturbance; once for each."""
    k = json.dumps(body, sort_keys=True)
    if k not in _shared:
        s = shared()
        j = wait(s, create(s, rows, **body))
        check(j["status"] == "succeeded", "%s", j["error"])
        _shared[k] = files(s, j)
    return _shared[k]


def test_from_an_upload_to_an_answer():
    s = shared()
    plain = says(s, MODEL).json["choices"][0]["message"]["content"]
    before = counted(s)
    i = create(s, chat_rows())
    seen = []
    j = wait(s, i, lambda j: (seen.append(j["status"]), j["status"] in ENDED)[1])
    order = [w for k, w in enumerate(seen) if k == 0 or w != seen[k - 1]]
    check(order == [w for w in ("queued", "validating_files", "running", "succeeded") if w in order] and j["status"] == "succeeded", "%s %s", order, j["error"])
    want = {**before, "succeeded": before["succeeded"] + 1, "steps": before["steps"] + 18, "tokens": before["tokens"] + j["trained_tokens"]}
    check(eventually(lambda: counted(s) == want), "/metrics: %s, then %s, want %s", before, counted(s), want)
    name = j["fine_tuned_model"]
    check(re.fullmatch("ft:glm4:local:desk:[A-Za-z0-9]{8}", name or ""), "%s", name)
    check(j["trained_tokens"] > 500 and j["finished_at"] >= j["created_at"] and j["seed"] == 3, "%s", j)
    check(name in models(s), "listed: %s", models(s))
    r = says(s, name)
    check(r.status == 200 and r.json["choices"][0]["message"]["content"].startswith("yes yes") and r.json["model"] == name, "what was trained is said: %s", r.text)
    check(not plain.startswith("yes yes") and says(s, MODEL).json["choices"][0]["message"]["content"] == plain, "and the base is as it was")

    got = files(s, j)
    check(set(got) == {"step_metrics.csv", "adapter_model.safetensors", "adapter_config.json"}, "%s", list(got))
    rows = got["step_metrics.csv"].decode().splitlines()
    check(rows[0].split(",")[:4] == ["step", "train_loss", "train_accuracy", "valid_loss"] and len(rows) == 19, "%s", rows[:2])
    losses = [float(x.split(",")[1]) for x in rows[1:]]
    check(losses[-1] < losses[0] / 4, "it learns: %s", losses)
    check(harness.SOURCE not in got["adapter_config.json"].decode() and json.loads(got["adapter_config.json"])["base_model_name_or_path"] == MODEL, "no path goes out")

    ev = events(s, i)
    bad = [schema.errors("fine_tuning_event", e) for e in ev if schema.errors("fine_tuning_event", e)]
    metrics = [e for e in ev if e["type"] == "metrics"]
    check(not bad and [e["data"]["step"] for e in metrics] == list(range(1, 19)), "each step once, in order: %s %s", bad, [e["data"].get("step") for e in metrics])
    check([float(e["data"]["train_loss"]) for e in metrics] == losses, "the same figures in both")
    check(any(name in e["message"] for e in ev) and all(e["level"] == "info" for e in ev), "%s", [e["message"] for e in ev])
    ck = s.call("GET", "%s/%s/checkpoints" % (JOBS, i)).json
    bad = [schema.errors("fine_tuning_checkpoint", c) for c in ck["data"]]
    check(not any(bad) and [c["step_number"] for c in ck["data"]] == [18, 12, 6] and not ck["has_more"], "%s %s", bad, ck)
    check(ck["data"][0]["fine_tuned_model_checkpoint"] == name, "the last one is the model")
    page = s.call("GET", "%s/%s/checkpoints?limit=1&after=%s" % (JOBS, i, ck["data"][0]["id"])).json
    check([c["id"] for c in page["data"]] == [ck["data"][1]["id"]] and page["has_more"], "by pages: %s", page)
    for c in ck["data"]:
        check(says(s, c["fine_tuned_model_checkpoint"]).status == 200, "each can be asked: %s", c)

    gone = ck["data"][2]["fine_tuned_model_checkpoint"]
    for m in (name, gone):
        d = s.call("DELETE", "/v1/models/" + m.replace(":", "%3A"))
        check(d.status == 200 and not schema.errors("deleted", d.json) and d.json["id"] == m, "%d %s", d.status, d.text)
        check(m not in models(s) and says(s, m).status == 404 and s.call("DELETE", "/v1/models/" + m).status == 404, "%s is gone", m)
    check(says(s, ck["data"][1]["fine_tuned_model_checkpoint"]).status == 200, "the others stay")
    left = [s.call("GET", "/v1/files/" + f).status for f in j["result_files"]]
    check(left == [200, 404, 404], "its weights go with it, its figures stay: %s", left)


def test_a_server_that_answers_any_name_trains_its_own_model_and_serves_what_comes_of_it():
    s = Server(MODEL, "--any-model", "--tune-nice", "0")
    plain = says(s, "gpt-4o-mini")
    check(plain.status == 200 and plain.json["model"] == MODEL, "any name: %d %s", plain.status, plain.text[:200])
    j = wait(s, create(s, chat_rows(), model="gpt-4o-mini"))
    name = j["fine_tuned_model"] or ""
    check(j["status"] == "succeeded" and j["model"] == MODEL and name.startswith("ft:%s:" % MODEL) and name in models(s), "%s of %s", j, models(s))
    r = says(s, name)
    check(r.status == 200 and r.json["model"] == name and r.json["choices"][0]["message"]["content"].startswith("yes yes"), "what was trained is said: %s", r.text[:300])
    check(s.stop() == 0, "%s", s.errors())


def test_pairs_and_a_file_for_evaluation():
    s = shared()
    held = send(s, chat_rows(3)).json["id"]
    i = create(s, chat_rows(8), validation_file=held, suffix=None, hyperparameters={"n_epochs": 2, "batch_size": 4})
    k = create(s, pairs(), method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 2, "batch_size": 4}}})
    j, d = wait(s, i), wait(s, k)
    check(j["status"] == "succeeded" and re.fullmatch("ft:glm4:local::[A-Za-z0-9]{8}", j["fine_tuned_model"] or ""), "%s", j)
    losses = [e["data"].get("valid_loss") for e in events(s, i) if e["type"] == "metrics"]
    check(len(losses) == 4 and losses[1] and losses[3] and losses[3] < losses[1], "evaluated on the other file after each epoch: %s", losses)
    check(d["status"] == "succeeded" and d["method"]["type"] == "dpo" and says(s, d["fine_tuned_model"]).status == 200, "%s", d)


def test_rows_are_rendered_as_for_chats_without_thinking():
    """The switch of `glim tune --thinking off`: the same bytes as by hand, and in the check of the rows too."""
    row = {"messages": [{"role": "user", "content": "say 1"}, {"role": "assistant", "content": "one", "reasoning_content": "first the words of a long thought"},
                        {"role": "user", "content": "say 2"}, {"role": "assistant", "content": "two", "reasoning_content": "then the words of another thought"}]}
    rows = (json.dumps(row) + "\n").encode() * 8
    with open(harness.work("thoughts.jsonl"), "wb") as f:
        f.write(rows)
    s, made = Server(MODEL, "--template", "glm-4.7", "--tune-nice", "0"), {}
    for word in ("off", "on", None):
        change = {"lora_rank": 4, "learning_rate": 0.01, "max_tokens": 128, **({"thinking": word} if word else {})}
        i = create(s, rows, glim=change, hyperparameters={"n_epochs": 1, "batch_size": 4})
        j = wait(s, i)
        check(j["status"] == "succeeded" and j["glim"] == change, "%s", j)
        said = events(s, i)[0]["message"]
        check(("only context" in said) == (word != "off"), "what the rows' check says with %s: %s", word, said)
        made[word] = files(s, j)["adapter_model.safetensors"]
        out = harness.work("thinking-%s" % word)
        code, _, err = harness.glim("tune", os.path.join(harness.FIXTURES, MODEL), harness.work("thoughts.jsonl"), "-o", out, "--template", "glm-4.7", "--epochs", "1", "--batch", "4", "--lr",
                                    "0.01", "--lora-rank", "4", "--seed", "3", "--max-tokens", "128", "--threads", "1", *(["--thinking", word] if word else []))
        check(code == 0, "%s", err)
        with open(out + "/adapter_model.safetensors", "rb") as f:
            check(f.read() == made[word], "thinking %s: the bytes of a run by hand", word)
    check(made["off"] != made["on"] and made["on"] == made[None], "off is another training, on is this model's own way")
    s.stop()
    s = shared()
    r = s.post(JOBS, {**SHORT, "training_file": send(s, rows).json["id"], "glim": {"thinking": "off"}})
    check(r.status == 400 and r.error["param"] == "glim.thinking" and "glm-4-0414 has no such switch" in r.error["message"], "%d %s", r.status, r.text)


def test_a_run_by_hand_is_listed_with_its_curve_and_can_be_cancelled():
    s, out = shared(), harness.work("hand")
    for name, rows in (("hand.jsonl", chat_rows()), ("long.jsonl", LONG_ROWS)):
        with open(harness.work(name), "wb") as f:
            f.write(rows)
    glim = lambda out, rows, *more: ["tune", os.path.join(harness.FIXTURES, MODEL), harness.work(rows), "-o", out, "--store", s.data, "--threads", "1", *more]
    code, _, err = harness.glim(*glim(out, "hand.jsonl", "--batch", "4", "--epochs", "3"))
    check(code == 0, "%s", err)
    with open(out + "/job") as f:
        i = f.read()
    j = show(s, i)
    check(j["status"] == "succeeded" and j["training_file"] == "hand.jsonl" and j["trained_tokens"] > 500 and j["fine_tuned_model"] is None, "%s", j)
    check(i in [x["id"] for x in s.call("GET", JOBS).json["data"]] and harness._work.name not in json.dumps(j), "listed, without a path: %s", j)
    with open(out + "/metrics.jsonl") as f:
        lines = [json.loads(x) for x in f]
    told = [e["data"] for e in events(s, i) if e["type"] == "metrics"]
    check([(e["step"], e["train_loss"], e["learning_rate"]) for e in told] == [(x["step"], x["loss"], x["rate"]) for x in lines] and len(told) == 18, "%s", told)
    code, _, err = harness.glim(*glim(out, "hand.jsonl"))
    check(code == 2 and "holds the checkpoint" in err and show(s, i) == j, "a run that was refused is not told")

    out = harness.work("hand_pretrain")
    with open(harness.work("corpus.jsonl"), "w") as f:
        f.writelines(json.dumps({"text": "row %d costs %d yuan" % (i, i)}) + "\n" for i in range(200))
    code, _, err = harness.glim("tune", "--method", "pretrain", os.path.join(harness.FIXTURES, "llama-tied"), harness.work("corpus.jsonl"), "-o", out, "--store", s.data,
                                "--threads", "1", "--max-tokens", "16", "--batch", "2", "--steps", "12")
    check(code == 0, "%s", err)
    with open(out + "/job") as f:
        i = f.read()
    j = show(s, i)
    check(j["status"] == "succeeded" and j["training_file"] == "corpus.jsonl" and j["method"]["type"] == "pretrain" and j["trained_tokens"] > 200, "%s", j)
    check([e["data"]["step"] for e in events(s, i) if e["type"] == "metrics"] == list(range(1, 13)), "a pretraining run has its curve there")

    out, done = harness.work("hand2"), 0
    for turn in range(2):  # stopped from afar, resumed, stopped again: one job, each step once
        p = subprocess.Popen([harness.GLIM, *glim(out, "long.jsonl", "--batch", "1", "--epochs", "50", "--save-every", "50", "--resume")],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=harness._environment)
        named = lambda: open(out + "/job").read() if os.path.exists(out + "/job") else None
        check(eventually(lambda: named() and show(s, named())["status"] == "running"), "it runs under its name")
        i = named()
        j = wait(s, i, lambda j: j["status"] == "running" and steps(j) > done)
        for more in ([], ["--resume"]):  # a second process there is refused, and the first is still told of under its name
            code, _, err = harness.glim(*glim(out, "long.jsonl", "--batch", "1", "--epochs", "50", "--save-every", "50", *more))
            check(code != 0 and named() == i and show(s, i)["status"] == "running", "%s %s", err, show(s, i))
        check(steer(s, i, "cancel").status == 200, "cancelled")
        err = p.communicate(timeout=PATIENCE)[1]
        check(p.returncode != 0 and "stopped after step" in err, "%s", err)
        j = show(s, i)
        check(j["status"] == "cancelled" and steps(j) > done, "%s", j)
        done = steps(j)
    told = [e["data"]["step"] for e in events(s, i) if e["type"] == "metrics"]
    check(told == sorted(set(told)) and told[0] == 1, "%s", told)
    check(s.call("DELETE", "/v1/files/nothing").status == 404 and says(s, MODEL).status == 200, "the server is well")


def test_the_log_of_a_crash_is_no_job():
    data = harness.work("crashed")
    Server(MODEL, data=data).stop()
    os.makedirs(data + "/jobs", 0o700, exist_ok=True)
    with open(data + "/jobs/last-crash.log", "w") as f:
        f.write("it was late")
    s = Server(MODEL, data=data)
    check("could not be ended" not in s.errors() and os.path.exists(data + "/jobs/last-crash.log"), "%s", s.errors()[-300:])


def test_bad_rows_are_named():
    s = shared()
    bad = send(s, chat_rows(3) + b'{"messages": []}\n').json["id"]
    good = send(s, chat_rows(3)).json["id"]
    for change, param in (({"training_file": bad}, "training_file"), ({"training_file": good, "validation_file": bad}, "validation_file")):
        r = s.post(JOBS, {**SHORT, **change})
        check(r.status == 422 and r.error["param"] == param and "line 4" in r.error["message"], "%d %s", r.status, r.text)
    # What is seen at once ends after 4 MiB; the rest is the job's to say.
    late = b"[" + b" " * (4 << 20) + b'\n{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},\n{"messages": []}]'
    for key, i in (("training_file", create(s, late)), ("validation_file", create(s, chat_rows(3), validation_file=send(s, late).json["id"]))):
        j = wait(s, i)
        e = j["error"] or {}
        check(j["status"] == "failed" and e.get("param") == key and e.get("code") == "invalid_file" and "line 3" in e["message"], "%s", j)
        check(harness._work.name not in json.dumps(j) and j["fine_tuned_model"] is None and j["finished_at"], "no path in it: %s", j)
        check(events(s, i)[-1]["level"] == "error", "and the events say so")


PRIVATE = {"dp_epsilon": 6, "dp_delta": 1e-3}


def ledger(s):
    """What `glim privacy` says of each data set."""
    code, out, err = harness.glim("privacy", "--json", "--data", s.data)
    check(code == 0, "%s", err)
    return {x["data_set"]: x for x in json.loads(out)}


def with_privacy(**own):
    return {**SHORT["glim"], **PRIVATE, **own}


def test_private_training_is_charged_shown_and_refused_over_the_budget():
    s = shared()
    f = send(s, chat_rows(60)).json["id"]
    body = {**SHORT, "training_file": f, "hyperparameters": {"n_epochs": 2, "batch_size": 12}}
    for own, code, param in (({"dp_epsilon": 8}, "missing_required_parameter", "glim.dp_delta"), ({"dp_delta": 1e-5}, "missing_required_parameter", "glim.dp_epsilon"),
                             ({"dp_set": "x"}, "missing_required_parameter", "glim.dp_epsilon"), ({**PRIVATE, "dp_epsilon": 0}, "invalid_value", "glim.dp_epsilon"),
                             ({**PRIVATE, "dp_delta": 1}, "invalid_value", "glim.dp_delta"), ({**PRIVATE, "dp_set": "a.b"}, "invalid_value", "glim.dp_set"),
                             ({**PRIVATE, "dp_noise": 0.4}, "invalid_value", "glim.dp_epsilon"), ({**PRIVATE, "dp_clip": "much"}, "invalid_type", "glim.dp_clip")):
        r = s.post(JOBS, {**body, "glim": own})
        check(r.status == 400 and r.error["code"] == code and r.error["param"] == param, "%s: %d %s", own, r.status, r.text)
    r = s.post(JOBS, {**body, "glim": PRIVATE, "hyperparameters": {"n_epochs": 1, "batch_size": 61}})
    check(r.status == 400 and "cannot be drawn" in r.error["message"], "%d %s", r.status, r.text)
    check(not ledger(s), "what is refused costs nothing")

    r = s.post(JOBS, {**body, "glim": with_privacy()})
    check(r.status == 200, "%d %s", r.status, r.text)
    name = r.json["glim"]["privacy_set"]
    j = wait(s, r.json["id"])
    check(j["status"] == "succeeded" and re.fullmatch("sha256-[0-9a-f]{40}", name) and j["glim"]["dp_epsilon"] == 6, "%s", j)
    spent = j["glim"]["epsilon_spent"]
    one = ledger(s)[name]
    check(5 < spent <= 6 and abs(one["charged_epsilon"] - spent) < 1e-9 and one["budget_epsilon"] == 6 and one["open_runs"] == 0 and one["steps"] == 10, "%s %s", spent, one)
    told = [e["data"]["epsilon"] for e in events(s, j["id"]) if e["type"] == "metrics"]
    got = files(s, j)
    rows = got["step_metrics.csv"].decode().splitlines()
    check(len(told) == 10 and told == sorted(told) and told[-1] == spent, "%s", told)
    check(rows[0].endswith(",epsilon") and [float(x.split(",")[-1]) for x in rows[1:]] == told, "%s", rows[:2])
    check(b"glim.privacy" in got["adapter_model.safetensors"] and b"epsilon_promised" in got["adapter_model.safetensors"], "the adapter says what was promised")
    check(says(s, j["fine_tuned_model"]).status == 200, "and is served")

    r = s.post(JOBS, {**body, "glim": with_privacy()})
    check(r.status == 400 and r.error["code"] == "privacy_budget_exceeded" and r.error["param"] == "glim.dp_epsilon" and "the budget is 6" in r.error["message"], "%d %s", r.status, r.text)
    by_hand = harness.work("by-hand.jsonl")
    with open(by_hand, "wb") as w:
        w.write(chat_rows(60))
    code, _, err = harness.glim("tune", os.path.join(harness.FIXTURES, MODEL), by_hand, "-o", harness.work("by-hand"), "--batch", "12", "--epochs", "2", "--threads", "1",
                                "--dp-epsilon", "6", "--dp-delta", "1e-3", "--dp-ledger", s.data)
    check(code == 2 and 'data set "%s"' % name in err and "the budget is 6" in err, "the same rows have the same book by hand: %d %s", code, err)
    check(wait(s, create(s, chat_rows(60), **{k: v for k, v in body.items() if k != "training_file"}))["status"] == "succeeded", "without a promise there is no budget")

    # Rows of the same people under one name: what cannot be seen before the run ends the run.
    a = create(s, pairs(40), method={"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 1, "batch_size": 10}}}, glim=with_privacy(dp_set="people"))
    late = b"[" + b" " * (4 << 20) + b",".join(chat_rows(60).splitlines()) + b"]"
    b = create(s, late, hyperparameters=body["hyperparameters"], glim=with_privacy(dp_set="people"))
    a, b = wait(s, a), wait(s, b)
    check(a["status"] == "succeeded" and a["glim"]["privacy_set"] == "local.people" and 0 < a["glim"]["epsilon_spent"] <= 6, "pairs: %s", a)
    e = b["error"] or {}
    check(b["status"] == "failed" and e.get("code") == "privacy_budget_exceeded" and e.get("param") == "glim.dp_epsilon", "%s", b)
    check(ledger(s)["local.people"]["open_runs"] == 0 and ledger(s)["local.people"]["runs"] == 1, "%s", ledger(s))


def test_a_private_job_that_ends_early_gives_back_what_it_did_not_charge():
    s = shared()
    i = create(s, MANY_ROWS, **{**LONG, "glim": with_privacy(dp_epsilon=20, dp_noise=1, dp_set="long"), "hyperparameters": FIVE_EPOCHS})
    run = os.path.join(s.data, "jobs", i, "run")
    wait(s, i, lambda j: steps(j) > 0)
    for p in trainers(s):
        os.kill(p, signal.SIGTERM)
    check(eventually(lambda: any("waits behind step" in e["message"] for e in events(s, i))), "given back")
    before = steps(show(s, i))
    wait(s, i, lambda j: steps(j) > before)
    one = ledger(s)["local.long"]
    check(one["runs"] == 1 and one["open_runs"] == 1 and one["charged_epsilon"] < one["promised_epsilon"], "it went on with its reservation: %s", one)
    check(os.stat(os.path.join(run, "privacy.key")).st_mode & 0o777 == 0o600, "its key is nobody else's")
    steer(s, i, "cancel")
    check(wait(s, i)["status"] == "cancelled" and eventually(lambda: not os.path.exists(run)), "cancelled, key and all")
    one = ledger(s)["local.long"]
    last = [x for x in events(s, i) if x["type"] == "metrics"][-1]["data"]["step"]
    check(one["open_runs"] == 0 and last <= one["steps"] <= last + 20 and one["promised_epsilon"] == one["charged_epsilon"] > 0, "behind step %d: %s", last, one)


def test_a_private_job_that_is_cancelled_while_it_is_paused_leaves_no_key_and_no_reservation():
    s = shared()
    i = create(s, MANY_ROWS, **{**LONG, "glim": with_privacy(dp_epsilon=20, dp_noise=1, dp_set="paused"), "hyperparameters": FIVE_EPOCHS})
    run = os.path.join(s.data, "jobs", i, "run")
    wait(s, i, lambda j: steps(j) > 0)
    check(steer(s, i, "pause").status == 200, "paused")
    check(eventually(lambda: any("paused behind step" in e["message"] for e in events(s, i))), "it saved and stopped")
    wait(s, i, lambda j: j["status"] == "queued")
    check(not trainers(s) and os.path.exists(os.path.join(run, "privacy.key")) and ledger(s)["local.paused"]["open_runs"] == 1, "it could go on")
    check(steer(s, i, "cancel").json["status"] == "cancelled", "at once")
    check(eventually(lambda: not os.path.exists(os.path.dirname(run))), "rows and key are gone: %s", i)
    one = ledger(s)["local.paused"]
    check(one["open_runs"] == 0 and one["promised_epsilon"] == one["charged_epsilon"] > 0, "what was not charged is free again: %s", one)


def test_a_private_job_that_is_cancelled_behind_an_epoch_keeps_that_model_and_no_key():
    s = shared()
    i = create(s, LONG_ROWS, **{**LONG, "glim": with_privacy(dp_epsilon=20, dp_noise=1, dp_set="epochs"), "hyperparameters": {"n_epochs": 50, "batch_size": 4}})
    run = os.path.join(s.data, "jobs", i, "run")
    check(eventually(lambda: s.call("GET", "%s/%s/checkpoints" % (JOBS, i)).json["data"]), "an epoch of 100 steps")
    steer(s, i, "cancel")
    check(wait(s, i)["status"] == "cancelled" and eventually(lambda: not os.path.exists(os.path.join(run, "privacy.key"))), "no key")
    c = s.call("GET", "%s/%s/checkpoints" % (JOBS, i)).json["data"][-1]["fine_tuned_model_checkpoint"]
    check(says(s, c).status == 200 and not [x for x in os.listdir(os.path.dirname(run)) if x.startswith("training.")], "the model stays, the rows do not")
    check(ledger(s)["local.epochs"]["open_runs"] == 0, "nor the reservation")


def test_cancel_ends_a_job_within_a_step_and_the_next_one_runs():
    s = shared()
    rows = chat_rows(23)  # a content that no other file has
    i, k, n = create(s, LONG_ROWS, **LONG), create(s, rows), create(s, chat_rows(22))
    f = show(s, k)["training_file"]
    wait(s, i, lambda j: steps(j) > 0)
    check(len(trainers(s)) == 1 and show(s, k)["status"] == "queued", "one at a time")
    j = show(s, i)
    check(j["status"] == "running" and j["estimated_finish"] >= j["created_at"], "%s", j)
    check(says(s, MODEL).status == 200, "answers are given beside it")
    check(steer(s, n, "cancel").json["status"] == "cancelled", "one that waits is cancelled at once")
    check(s.call("DELETE", "/v1/files/" + f).status == 200, "a file may go while its job waits")
    r = steer(s, i, "cancel")
    check(r.status == 200, "%d %s", r.status, r.text)
    j = wait(s, i)
    check(j["status"] == "cancelled" and j["fine_tuned_model"] is None and j["error"] is None, "%s", j)
    e = wait(s, k)["error"] or {}
    check(e.get("param") == "training_file" and e.get("code") == "file_not_found", "which then says that it is gone: %s", e)
    check(eventually(lambda: not trainers(s)), "nothing trains any more")
    last = [x for x in events(s, i) if x["type"] == "metrics"][-1]["data"]["step"]
    check(last < 20000 and steer(s, i, "cancel").status == 200 and steer(s, i, "resume").status == 400, "ended before its end, at %d", last)


def test_a_crash_of_training_is_one_jobs_failure():
    s = shared()
    i, k = create(s, LONG_ROWS, **LONG), create(s, chat_rows(21))
    wait(s, i, lambda j: steps(j) > 0)
    for p in trainers(s):  # a service manager may send this to all of a unit's processes: the job only waits its turn again
        os.kill(p, signal.SIGTERM)
    check(eventually(lambda: any("waits behind step" in e["message"] for e in events(s, i))), "given back")
    before = steps(show(s, i))
    wait(s, i, lambda j: steps(j) > before)
    for sig, code in ((signal.SIGKILL, "out_of_memory"), (signal.SIGSEGV, "training_crashed")):
        wait(s, i, lambda j: steps(j) > 0)
        for p in trainers(s):
            os.kill(p, sig)
        e = wait(s, i)["error"] or {}
        check(e.get("code") == code, "%s", e)
        if SANITIZED or not SOAK:  # sanitizers catch the second signal and say so at length
            break
        if sig == signal.SIGKILL:
            i = create(s, LONG_ROWS, **LONG)
    check(wait(s, k)["status"] == "succeeded" and says(s, MODEL).status == 200, "the server and the next job are well")


def lines(data, i):
    """Steps that the job has written down; the API learns of them a moment later."""
    try:
        with open(os.path.join(data, "jobs", i, "run", "metrics.jsonl")) as f:
            return f.read().count("\n")
    except OSError:
        return 0


def pause_and_resume(s, i):
    check(steer(s, i, "pause").status == 200 and eventually(lambda: not trainers(s)), "a paused job stops")
    j = wait(s, i, ("queued", "succeeded"))
    if j["status"] == "queued":
        check(steps(j) == steps(show(s, i)) and j["fine_tuned_model"] is None, "and waits: %s", j)
        check(steer(s, i, "resume").json["status"] in ("queued", "validating_files", "running"), "until it may go on")


def interrupted(body, data, want):
    """A job that is paused, drained and killed again and again: (its server and itself at the end, how often)."""
    rnd, i, done = random.Random(7), None, []
    for turn in ["pause", "kill", "drain"] + ["kill"] * (20 if SOAK else 2) + ["end"]:
        if turn != "pause" and done[-1] != "pause":
            s = Server(MODEL, "--tune-nice", "0", data=data)
        elif turn == "pause":
            s = Server(MODEL, "--tune-nice", "0", data=data)
            i = create(s, ROWS, **body)
        if turn == "end":
            break
        before = lines(data, i)
        if rnd.random() < 0.7 or not done:
            eventually(lambda: lines(data, i) > before or show(s, i)["status"] in ENDED)
            time.sleep(rnd.random() * 0.03)
        else:  # while it starts
            time.sleep(rnd.random() * 0.4)
        if show(s, i)["status"] in ENDED:
            break
        done.append(turn)
        if turn == "pause":
            pause_and_resume(s, i)
        elif turn == "drain":
            check(s.stop() == 0, "a drain ends with 0")
        else:
            s.p.kill()
            s.p.wait()
            s.client.close()
            Server.all.remove(s)
        if turn != "pause":
            check(eventually(lambda: not trainers(s)), "training ends with the server")
    j = wait(s, i)
    check(j["status"] == "succeeded" and files(s, j) == want, "%s after %s: the same bytes as without", j["status"], done)
    got = [e["data"]["step"] for e in events(s, i) if e["type"] == "metrics"]
    every = len(want["step_metrics.csv"].splitlines()) <= 1000
    check(len(got) == len(set(got)) and got == sorted(got) and (not every or got == list(range(1, len(got) + 1))), "no step twice, none missing: %s", got)
    check(j["trained_tokens"] == sum(int(x.split(b",")[-1]) for x in want["step_metrics.csv"].splitlines()[1:]), "tokens are counted once: %s", j["trained_tokens"])
    return s, j, done


def test_pauses_restarts_and_kills_change_nothing():
    for epochs in (50,) if SOAK else (10, 20, 50):
        body = {**SHORT, "hyperparameters": {"n_epochs": epochs, "batch_size": 1}}
        data = harness.work("killed%d" % epochs)
        s, j, done = interrupted(body, data, unbroken(body, ROWS))
        if done.count("kill") >= (20 if SOAK else 2) and "drain" in done:
            print("  %s" % " ".join(done) if SOAK else "", end="\n" if SOAK else "")
            break
        s.stop()  # we were held up, and it came to its end: a longer one then
    else:
        check(False, "only %s of it", done)
    i, model = j["id"], j["fine_tuned_model"]
    first = says(s, model).json["choices"]
    check(s.stop() == 0, "drains")
    s = Server(MODEL, data=data)
    check(model in models(s) and says(s, model).json["choices"] == first, "served again after a restart")
    left = sorted(os.listdir(os.path.join(data, "jobs", i, "run")))
    check("state.glim" not in left and "adapter_model.safetensors" in left, "what only a run needs is gone: %s", left)
    s.stop()
    code, out, err = harness.glim("audit", "verify", "--data", data)
    check(code == 0, "%s", err)
    backup, again = harness.work("jobs-backup"), harness.work("jobs-restored")
    for args in (("backup", backup, "--data", data), ("restore", backup, "--data", again)):
        code, out, err = harness.glim(*args)
        check(code == 0, "%s: %s", args[0], err)
    s = Server(MODEL, data=again)
    check(says(s, model).json["choices"] == first, "and from a backup")
    check([m for m in models(s) if m.startswith("ft:")] == [model], "which has no checkpoints, and shows none: %s", models(s))
    s.stop()


def test_a_job_does_not_go_on_with_another_model():
    model, data = harness.work(MODEL), harness.work("changed")
    shutil.copytree(os.path.join(harness.FIXTURES, MODEL), model)
    s = Server(model, "--tune-nice", "0", data=data)
    i = create(s, LONG_ROWS, **LONG)
    wait(s, i, lambda j: steps(j) > 0)
    check(s.stop() == 0, "drains")
    weights = [f for f in os.listdir(model) if f.endswith(".safetensors")][0]
    os.utime(os.path.join(model, weights), (1, 1))
    s = Server(model, "--tune-nice", "0", data=data)
    j = wait(s, i)
    check(j["status"] == "failed" and j["error"]["code"] == "model_changed", "%s", j)
    s.stop()


def test_a_tenants_jobs_and_models_are_its_own():
    from test_keys import key
    data = harness.work("jobkeys")
    scopes = "files,tune,infer"
    a, a2, b, infer, admin = (key(n, "--tenant", t, "--scopes", sc, data=data)["key"] for n, t, sc in
                              (("a", "a", scopes), ("a2", "a", scopes), ("b", "b", scopes), ("i", "a", "infer"), ("root", "x", "admin,infer")))
    s = Server(MODEL, "--auth", "keys", "--tune-nice", "0", data=data)
    i = create(s, chat_rows(), key=a)
    j = wait(s, i, key=a)
    name, path = j["fine_tuned_model"], JOBS + "/" + i
    check(j["status"] == "succeeded" and name.startswith("ft:glm4:a:desk:") and j["organization_id"] == "a", "%s", j)
    ckpt = s.call("GET", path + "/checkpoints", key=a).json["data"][-1]["fine_tuned_model_checkpoint"]
    check(says(s, name, a).status == 200 and says(s, ckpt, a).status == 200, "its own")  # in the engine from now on
    for who, want in ((a, 200), (a2, 200), (admin, 200), (b, 404)):
        for p in (path, path + "/events", path + "/checkpoints"):
            r = s.call("GET", p, key=who)
            check(r.status == want, "GET %s: %d, want %d", p, r.status, want)
        for m in (name, ckpt):
            r = says(s, m, who)
            check(r.status == want, "%s: %d, want %d: %s", m, r.status, want, r.text[:100])
            check(s.call("GET", "/v1/models/" + m, key=who).status == want, "GET model %s", m)
            check((m in models(s, who)) == (want == 200), "lists of models")
        lora = s.call("GET", "/v1/lora", key=who).text
        check((name in lora) == (want == 200) and ('"path"' in lora) == (who == admin), "lists of adapters: %s", lora)
        check([x["id"] for x in s.call("GET", JOBS, key=who).json["data"]] == ([i] if want == 200 else []), "lists of jobs")
        for f in j["result_files"]:
            check(s.call("GET", "/v1/files/" + f, key=who).status == want, "result files")
    check(says(s, name, infer).status == 200, "a key of the tenant that may only ask")
    held = s.connect()
    held.sendall(request_bytes("POST", "/v1/completions", {"model": name, "prompt": "x", "max_tokens": 1900, "stream": True, "logprobs": 5, "ignore_eos": True}, key=a))
    check(eventually(lambda: name in s.call("GET", "/metrics", key=a2).text) and name not in s.call("GET", "/metrics", key=b).text and name in s.call("GET", "/metrics", key=admin).text, "what runs is its own too")
    held.close()
    r = says(s, name, b)
    other = says(s, name.replace(":desk:", ":desl:"), b)
    check(s.post("/v1/load_lora_adapter", {"lora_name": "ft:x", "lora_path": "/x"}, key=admin).status == 400, "names of fine-tuned models are not given away")
    check(r.text.replace("desk", "") == other.text.replace("desl", ""), "another tenant cannot tell it from one that never was: %s %s", r.text, other.text)
    for verb in ("cancel", "pause", "resume"):
        check(steer(s, i, verb, b).status == 404 and steer(s, i, verb, infer).status == 403, verb)
    check(s.call("GET", JOBS + "?after=" + i, key=b).status == 400, "no cursor either")
    check(s.call("DELETE", "/v1/models/" + name, key=b).status == 404 and s.call("DELETE", "/v1/models/" + name, key=infer).status == 403 and says(s, name, a).status == 200, "nor can it be removed")
    check(s.post(JOBS, {**SHORT, "training_file": j["training_file"]}, key=b).status == 400, "nor its rows be used")
    check(s.call("DELETE", "/v1/models/" + name, key=a2).status == 200 and says(s, name, a).status == 404, "by its own tenant it can")


def test_more_models_than_the_engine_holds():
    if not SOAK:
        raise Skip("twenty models: GLIM_SOAK=1")
    s = Server(MODEL, "--tune-nice", "0")
    ids = [create(s, chat_rows(8), seed=k, hyperparameters={"n_epochs": 1, "batch_size": 4}) for k in range(20)]
    names = [wait(s, i)["fine_tuned_model"] for i in ids]
    first = [says(s, m).json["choices"] for m in names]
    for _ in range(2):
        check([says(s, m).json["choices"] for m in names] == first, "each says its own again")
        held = [a["id"] for a in s.call("GET", "/v1/lora").json["data"]]
        check(len(held) <= 16 and names[-1] in held, "%d are in the engine", len(held))
    check(set(names) <= set(models(s)), "all are listed")
    s.stop()


def test_sdk_drives_a_job():
    openai = sdk.load()
    s = shared()
    c = openai.OpenAI(base_url="http://127.0.0.1:%d/v1" % s.port, api_key="none", max_retries=0)
    f = c.files.create(file=("rows.jsonl", chat_rows()), purpose="fine-tune")
    j = c.fine_tuning.jobs.create(model=MODEL, training_file=f.id, suffix="sdk", seed=1, method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": 4}}},
                                  extra_body={"glim": {"learning_rate": 0.01, "lora_rank": 4}})
    more = c.files.create(file=("rows.jsonl", LONG_ROWS), purpose="fine-tune")
    k = c.fine_tuning.jobs.create(model=MODEL, training_file=more.id, hyperparameters={"n_epochs": 50, "batch_size": 1})
    check(k.id in [x.id for x in c.fine_tuning.jobs.list(limit=1)], "listed")
    c.fine_tuning.jobs.pause(k.id)
    c.fine_tuning.jobs.resume(k.id)
    eventually(lambda: c.fine_tuning.jobs.retrieve(j.id).status in ENDED)
    j = c.fine_tuning.jobs.retrieve(j.id)
    check(j.status == "succeeded" and j.fine_tuned_model and j.method.type == "supervised", "%s", j)
    check(c.fine_tuning.jobs.cancel(k.id).id == k.id and eventually(lambda: c.fine_tuning.jobs.retrieve(k.id).status == "cancelled"), "cancelled")
    ev = list(c.fine_tuning.jobs.list_events(j.id, limit=7))
    check(len([e for e in ev if e.type == "metrics"]) == 18 and len({e.id for e in ev}) == len(ev), "events over all pages")
    check([x.step_number for x in c.fine_tuning.jobs.checkpoints.list(j.id)] == [18, 12, 6], "checkpoints")
    check(c.files.content(j.result_files[0]).read().startswith(b"step,train_loss"), "metrics")
    said = c.chat.completions.create(model=j.fine_tuned_model, messages=ASK, max_tokens=24, temperature=0)
    check(said.choices[0].message.content.startswith("yes yes"), "%s", said)
    check(c.models.delete(j.fine_tuned_model).deleted and j.fine_tuned_model not in [m.id for m in c.models.list()], "and removed")


def test_sdk_files():
    openai = sdk.load()
    s, rows = shared(), chat_rows(5)
    c = openai.OpenAI(base_url="http://127.0.0.1:%d/v1" % s.port, api_key="none", max_retries=0)
    f = c.files.create(file=("rows.jsonl", rows), purpose="fine-tune")
    check(f.filename == "rows.jsonl" and f.status == "processed" and f.bytes == len(rows), "%s", f)
    check(c.files.wait_for_processing(f.id).id == f.id and c.files.retrieve(f.id) == f, "the same")
    check(c.files.content(f.id).read() == rows, "its content")
    more = [c.files.create(file=("x", b"x"), purpose="user_data").id for _ in range(3)]
    check([x.id for x in c.files.list(limit=2, order="asc")][-4:] == [f.id] + more, "every page, by itself")
    for i in [f.id] + more:
        check(c.files.delete(i).deleted, "deleted")
    try:
        c.files.retrieve(f.id)
        check(False, "a file that is gone")
    except openai.NotFoundError as e:
        check(e.code == "file_not_found", "%s", e)


def test_a_job_that_can_never_fit_is_refused():
    if not SOAK:
        raise Skip("a long row: GLIM_SOAK=1")
    with open("/proc/meminfo") as f:
        free = int(re.search(r"MemAvailable:\s+(\d+)", f.read()).group(1)) >> 20
    if free > 30:
        raise Skip("%d GiB are free here, four million tokens fit" % free)
    s = shared()
    row = send(s, json.dumps({"text": "q7" * 2050000}).encode() + b"\n").json["id"]
    r = s.post(JOBS, {**SHORT, "training_file": row, "glim": {"max_tokens": 1 << 23}})
    check(r.status == 400 and r.error["code"] == "not_enough_memory" and "MiB are free" in r.error["message"], "%d %s", r.status, r.text)
