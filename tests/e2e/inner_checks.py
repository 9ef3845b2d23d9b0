"""Answers of the model inside follow their rows: GLIM MODEL EVAL-FOLDER.

Each answered question is asked three times: with its rows; without the row that the right answer cites (the others are numbered anew); with other digits in that
row's figure. The second and third answers must differ from the first, the third must have the new figure where the first was right."""
import json
import re
import subprocess
import sys
import urllib.request

glim, model, folder = sys.argv[1:]


def cases():
    for language in ("zh", "en"):
        for line in open(f"{folder}/answer-{language}.jsonl", encoding="utf-8"):
            *before, answer = [m["content"] for m in json.loads(line)["messages"]]
            ids = re.findall(r"\[([^\]]+)\] ", answer)
            value = re.search(r"(?:是|为| is )([^，。]*?\d+[^，。]*?)(?:。|\.$)", answer)
            if len(ids) == 1 and value and re.search(r"\d", value.group(1)):
                yield before, answer, ids[0], value.group(1)


def turned(text):
    return re.sub(r"\d", lambda d: str((int(d.group()) + 3) % 9 + 1), text)


def main():
    server = subprocess.Popen([glim, "serve", model, "--port", "0", "--ctx", "2048"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for line in server.stdout:
            found = re.search(r"serving (\S+) on (http://[0-9.:]+)", line)
            if found:
                break
        else:
            sys.exit("inner_checks.py: the server did not start")
        name, url = found.groups()

        def ask(system, user):
            body = {"model": name, "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}], "temperature": 0, "max_tokens": 120}
            request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
            return json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"]

        n = right = same_without = same_altered = new = 0
        for (system, user), answer, row, value in cases():
            lines = user.split("\n")
            at = [i for i, s in enumerate(lines) if s.startswith(f"[{row}] ")]
            if len(at) != 1 or lines[at[0]].count(value) != 1:
                continue
            first = ask(system, user)
            rest = lines[:at[0]] + lines[at[0] + 1:]
            rows = [i for i, s in enumerate(rest) if s.startswith("[")]
            for k, i in enumerate(rows):
                rest[i] = re.sub(r"^\[\d+\]", f"[{k + 1}]", rest[i])
            if not rows:
                rest.insert(1, "(none)" if user.startswith("Rows") else "（无）")
            without = ask(system, "\n".join(rest))
            lines[at[0]] = lines[at[0]].replace(value, turned(value))
            altered = ask(system, "\n".join(lines))
            n += 1
            right += first == answer
            same_without += first == without
            same_altered += first == altered and first == answer
            new += first == answer and turned(value) in altered
        print(f"{n} questions, {right} right; changed without the row {n - same_without}, with another figure {right - same_altered} of {right}, which {new} say")
        # The figures of its card allow no more: a value that no row of training could have is now and then read as a usual one.
        sys.exit(not (n >= 12 and right >= n // 2 and same_without <= n // 20 and same_altered <= right // 10 and new >= right * 0.8))
    finally:
        server.terminate()
        server.wait()


main()
