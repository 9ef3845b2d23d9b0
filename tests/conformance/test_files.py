"""/v1/files: what goes in comes out, lists and their pages, forms that are wrong, and whose files they are."""
import hashlib
import os
import sqlite3
import threading

import harness
import schema
from harness import Client, Server, check, server
from uploads import chat_rows, form, send

MODEL = "glm4"
ROWS = chat_rows(5)


def get(s, path, **kw):
    return s.call("GET", "/v1/files" + path, **kw)


def content(s, i, **kw):
    return s.call("GET", "/v1/files/%s/content" % i, **kw)


def test_what_goes_in_comes_out():
    s = server(MODEL)
    for data, name in ((ROWS, "rows.jsonl"), (b"", "empty"), (bytes(range(256)) * 700, "all bytes.bin"), (b"\r\n--xXbOuNdArY\r\n--\r\n", "nearly the boundary"),
                       (b"x" * 70001, "../../etc/passwd"), (b"y", "\u8868\u683c \U0001f600.csv")):
        r = send(s, data, name)
        if not check(r.status == 200, "%r: %d %s", name, r.status, r.text[:200]):
            continue
        f = r.json
        bad = schema.errors("file", f)
        check(not bad, "%r: %s", name, bad)
        check(f["filename"] == name and f["bytes"] == len(data) and f["sha256"] == hashlib.sha256(data).hexdigest() and f["purpose"] == "fine-tune", "%r: %s", name, f)
        check(get(s, "/" + f["id"]).json == f, "the same by its id")
        c = content(s, f["id"])
        check(c.status == 200 and c.body == data and c.header("content-type") == "application/octet-stream", "%r: %d bytes came back", name, len(c.body))
        d = s.call("DELETE", "/v1/files/" + f["id"])
        check(d.status == 200 and not schema.errors("deleted", d.json) and d.json["object"] == "file", "deleted: %s", d.text)
        check(get(s, "/" + f["id"]).status == 404 and content(s, f["id"]).status == 404 and s.call("DELETE", "/v1/files/" + f["id"]).status == 404, "and gone")


def test_lists_by_pages_purpose_and_order():
    s = server(MODEL)
    mine = [send(s, b"%d" % i, "f%d" % i, "batch" if i % 3 == 0 else "user_data").json["id"] for i in range(7)]
    whole = get(s, "").json
    check(not schema.errors("file_list", whole), "%s", schema.errors("file_list", whole))
    ids = [f["id"] for f in whole["data"]]
    check([i for i in ids if i in mine] == mine[::-1] and whole["first_id"] == ids[0] and whole["last_id"] == ids[-1] and not whole["has_more"], "newest first: %s", ids)
    for order, want in (("desc", ids), ("asc", ids[::-1])):
        got, after = [], ""
        for _ in range(20):
            page = get(s, "?limit=3&order=%s%s" % (order, "&after=" + after if after else "")).json
            got += [f["id"] for f in page["data"]]
            check(len(page["data"]) <= 3, "a page of three: %s", page)
            if not page["has_more"]:
                break
            after = page["last_id"]
        check(got == want, "%s by pages: %s, want %s", order, got, want)
    check([f["id"] for f in get(s, "?purpose=batch").json["data"]] == [i for i in ids if i in (mine[0], mine[3], mine[6])], "by purpose")
    check(get(s, "?purpose=none-such").json["data"] == [], "a purpose without files")
    for q in ("limit=0", "limit=-1", "limit=x", "limit=10001", "order=up", "after=file-none"):
        r = get(s, "?" + q)
        check(r.status == 400 and r.error["param"] == q.split("=")[0], "%s: %d %s", q, r.status, r.text[:150])
    for i in mine:
        s.call("DELETE", "/v1/files/" + i)


def test_forms_that_are_wrong():
    s = server(MODEL)
    file, purpose = ("file", "a.jsonl", ROWS), ("purpose", None, b"fine-tune")
    before = len(get(s, "").json["data"])
    for about, parts, param in (("an end", [purpose, ("expires_after[anchor]", None, b"created_at"), ("expires_after[seconds]", None, b"3600"), file], "expires_after"),
                                ("no file", [purpose], "file"), ("no purpose", [file], "purpose"), ("an empty purpose", [("purpose", None, b""), file], "purpose"),
                                ("another purpose", [("purpose", None, b"fun"), file], "purpose"), ("a result's purpose", [("purpose", None, b"fine-tune-results"), file], "purpose"),
                                ("a long purpose", [("purpose", None, b"x" * 5000), file], "purpose"), ("two files", [purpose, file, ("file", "b.jsonl", b"x")], "file"), ("two files of one name", [purpose, file, file], "file"), ("a second file without a name", [purpose, file, ("file", None, b"x")], "file"),
                                ("many parts", [purpose] + [("x%d" % i, None, b"") for i in range(80)] + [file], None), ("a long name", [purpose, ("file", "n" * 3000, b"x")], "file"),
                                ("a name with a control character", [purpose, ("file", "a\tb", b"x")], "file")):
        head, body = form(parts)
        r = s.client.raw(("POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n%s: %s\r\n\r\n" % (len(body), *head[0])).encode() + body, "POST", "/v1/files")
        check(r.status == 400 and (param is None or r.error["param"] == param), "%s: %d %s", about, r.status, r.text[:200])
    head, body = form([purpose, file])
    for about, kind, data in (("JSON", "application/json", b"{}"), ("no boundary", "multipart/form-data", body), ("a boundary of one character", "multipart/form-data; boundary=b", form([purpose, file], "b")[1]), ("cut", head[0][1], body[:-9]), ("nothing", head[0][1], b"")):
        r = s.client.raw(("POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\nContent-Type: %s\r\n\r\n" % (len(data), kind)).encode() + data, "POST", "/v1/files")
        check(r.status == 400, "%s: %d %s", about, r.status, r.text[:200])
        check("boundary" not in about or (r.error["code"] == "invalid_content_type" and "two characters" in r.error["message"]), "%s: %s", about, r.text[:200])
    for boundary, said in (("bb", "bb"), ("b", '"b"'), ("a b", '"a b"'), ("x" * 70, "x" * 70)):
        body = form([purpose, file], boundary)[1]
        r = s.client.raw(("POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\nContent-Type: multipart/form-data; boundary=%s\r\n\r\n" % (len(body), said)).encode() + body, "POST", "/v1/files")
        if check(r.status == 200, "boundary=%s: %d %s", said, r.status, r.text[:200]):
            check(content(s, r.json["id"]).body == ROWS, "boundary=%s", said)
            s.call("DELETE", "/v1/files/" + r.json["id"])
    for method, path in (("PUT", "/v1/files"), ("POST", "/v1/files/file-x"), ("DELETE", "/v1/files")):
        check(s.call(method, path).status == 405, "%s %s", method, path)
    check(len(get(s, "").json["data"]) == before, "nothing of it stays")


def test_a_store_that_another_process_holds_is_busy_and_says_no_path():
    s = server(MODEL)
    with sqlite3.connect(s.data + "/store.db", isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        r = send(s, ROWS)
        db.execute("ROLLBACK")
    check(r.status == 503 and r.error["code"] == "store_busy" and s.data not in r.text, "%d %s", r.status, r.text[:200])
    r = send(s, ROWS)
    check(r.status == 200, "and then it is free: %d %s", r.status, r.text[:200])
    s.call("DELETE", "/v1/files/" + r.json["id"])


def test_an_idempotency_key_makes_one_file():
    s = server(MODEL)
    a, b = (send(s, ROWS, headers=[("Idempotency-Key", "once-1")]).json for _ in range(2))
    c = send(s, ROWS, headers=[("Idempotency-Key", "once-2")]).json
    check(a == b and c["id"] != a["id"] and c["sha256"] == a["sha256"], "%s %s %s", a, b, c)
    s.call("DELETE", "/v1/files/" + a["id"])
    check(content(s, c["id"]).body == ROWS, "the other file of the same content stays")


def test_many_at_once_are_all_there():
    s = server(MODEL)
    data = [os.urandom(20000) if i % 2 else b"the same" * 3000 for i in range(12)]
    got = [None] * len(data)

    def one(i):
        class Own:  # a connection of its own
            client, key = Client(s), None
        got[i] = send(Own, data[i], "f%d" % i)
        Own.client.close()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(data))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    ids = {r.json["id"] for r in got if check(r.status == 200, "%d %s", r.status, r.text[:100])}
    check(len(ids) == len(data), "an id each")
    for d, r in zip(data, got):
        check(content(s, r.json["id"]).body == d, "its own content")
        s.call("DELETE", "/v1/files/" + r.json["id"])


def test_a_tenant_sees_its_own():
    from test_keys import key
    data = harness.work("filekeys")
    a, a2, b, infer, admin = (key(n, "--tenant", t, "--scopes", sc, data=data)["key"] for n, t, sc in
                              (("a", "a", "files"), ("a2", "a", "files"), ("b", "b", "files"), ("i", "a", "infer"), ("root", "x", "admin")))
    s = Server(MODEL, "--auth", "keys", data=data)
    f = send(s, ROWS, key=a).json["id"]
    for who, want in ((a, 200), (a2, 200), (admin, 200), (b, 404), (infer, 403)):
        check(get(s, "/" + f, key=who).status == want and content(s, f, key=who).status == want, "want %d", want)
    check(send(s, ROWS, key=infer).status == 403, "no scope")
    for who, want in ((a, [f]), (a2, [f]), (admin, [f]), (b, [])):
        check([x["id"] for x in get(s, "", key=who).json["data"]] == want, "lists")
    check(get(s, "?after=" + f, key=b).status == 400, "another's file is no cursor")
    check(s.call("DELETE", "/v1/files/" + f, key=b).status == 404 and content(s, f, key=a).body == ROWS, "nor can it be removed")
    check(s.call("DELETE", "/v1/files/" + f, key=a2).status == 200, "the tenant's other key may")
