"""The service desk's page and its routes, against `glim serve MODEL --desk FOLDER` on the electronics template.

    desk_checks.py URL [SCREENSHOTS]

Prints what failed, then "N passed, N failed"; the exit status is 1 if anything failed.
"""
import json, os, sys, urllib.error, urllib.request
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import cdp
from checks import check, done


def has(text, part, what):
    return check(part in text, "%s: got %r, want %r in it" % (what, text, part))


def call(url, body=None, raw=None):
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)


def routes(url):
    desk = url + "v1/desk"
    status, about = call(desk)
    check(status == 200 and about["rows"] == 200, "the desk says what it is: %r" % status)
    status, a = call(desk + "/ask", {"question": "这款手机支持无线充电吗？", "row": "PH001"})
    has(a["answer"], "15W Qi", "the row's cell")
    check([r["id"] for r in a["rows"]] == ["PH001"] and a["part"] == "filter", "the row is cited: %r" % a)
    status, a = call(desk + "/ask", {"question": "iPhone 15 多少钱"})
    check(a["status"] == "not_in_library" and a["handover"], "refused and handed over: %r" % a)
    for body in ({}, {"question": ""}, {"question": 3}, {"question": "x" * 5000}, {"question": "它多重", "row": "PH999"}):
        status, a = call(desk + "/ask", body)
        check(400 <= status < 500 and a["error"]["message"], "bad body %r: %r" % (str(body)[:40], status))
    status, a = call(desk + "/corrections", {"row": "PH001", "column": "price", "value": "cheap"})
    check(status == 400, "a price that is none: %r" % status)
    status, a = call(desk + "/library", raw="sku,price\nA1,12\nA2\n".encode())
    check(status == 400 and "line 3" in a["error"]["message"], "a bad library names the line: %r" % a)
    check(call(desk)[1]["rows"] == 200, "and changes nothing")


def on_page(url, shots):
    with cdp.Browser() as b:
        p = b.page(url + "#/desk/", width=1100, height=900)
        p.wait("document.querySelector('.desk form input')")

        def ask(question, row=""):
            p.run("document.querySelector('.desk .said')?.remove()")
            for i, text in enumerate((question, row)):
                p.run("{const e = document.querySelectorAll('.desk form input')[%d]; e.value = %s; e.focus();}" % (i, json.dumps(text)))
            p.run("document.querySelector('.desk form').requestSubmit()")
            p.wait("document.querySelector('.desk .said')")
            return p.run("document.querySelector('.desk .said').textContent")

        def dialog(text):
            p.wait("document.querySelector('dialog[open] input')")
            p.run("{const e = document.querySelector('dialog[open] input'); e.value = %s; e.form.requestSubmit();}" % json.dumps(text))
            p.wait("!document.querySelector('dialog[open]')")

        has(ask("does this phone support wireless charging?", "PH001"), "15W Qi", "an answer on the page")
        check(p.run("document.querySelector('.desk .row').dataset.id") == "PH001", "the row behind it is shown")
        p.run("[...document.querySelectorAll('.desk .cell')].find((e) => e.textContent.includes('15W Qi')).click()")
        dialog("50W Qi")
        p.wait("document.querySelector('.desk .said')?.textContent.includes('50W Qi')")
        check(True, "a corrected cell is live")
        has(ask("do you sell refrigerators?"), "not in the library", "a refusal")
        # The list comes by a request of its own, and showed the iPhone's question before this one.
        mine = "[...document.querySelectorAll('.desk .waiting li')].find((e) => e.textContent.includes('refrigerators'))"
        p.wait(mine)
        p.run(mine + ".querySelector('button').click()")
        dialog("From next month on.")
        p.wait("document.querySelector('.desk .said')?.textContent.includes('From next month on.')")
        check(True, "an answered question is live")
        p.wait("!(%s)" % mine)
        check(True, "and waits no more")
        overtaken(p)
        if shots:
            ask("最便宜的手机是哪款")
            p.shot(os.path.join(shots, "desk.png"))
    return True


def overtaken(p):
    """Replies that come in another order than they were asked for, and what is typed meanwhile."""
    # A reply to what holds `late` comes when the page says so.
    p.run("""{const plain = window.fetch, held = []; window.late = null; window.letGo = () => { window.late = null; held.splice(0).forEach((go) => go()); };
        window.fetch = async (...a) => { const mine = window.late && String(a[1]?.body).includes(window.late), r = await plain(...a);
            if (mine) await new Promise((go) => held.push(go)); return r; }; window.held = held; }""")

    def ask(question):
        p.run("{const e = document.querySelectorAll('.desk form input'); e[0].value = %s; e[1].value = ''; e[0].form.requestSubmit();}" % json.dumps(question))

    said = "document.querySelector('.desk .said')?.textContent"
    p.run("window.late = 'warranty'")
    ask("what is the warranty of PH001?")
    p.wait("held.length === 1")
    ask("does PH001 support wireless charging?")
    p.wait("%s.includes('50W Qi')" % said)
    p.run("letGo()")
    p.run("new Promise((go) => setTimeout(go, 200))")
    check("50W Qi" in p.run(said), "a reply that was overtaken is not drawn over the newer one: %r" % p.run(said))
    # what is asked again after a correction is what was asked, not what is in the box by then
    p.run("[...document.querySelectorAll('.desk .cell')].find((e) => e.textContent.includes('50W Qi')).click()")
    p.wait("document.querySelector('dialog[open] input')")
    p.run("document.querySelector('.desk form input').value = 'an unfinished'")
    p.run("{const e = document.querySelector('dialog[open] input'); e.value = '25W Qi'; e.form.requestSubmit();}")
    p.wait("%s.includes('25W Qi')" % said)
    check(True, "a correction asks the same question again")
    # two changes of the schema, the second before the first is answered
    hidden = "fetch('/v1/desk').then((r) => r.json()).then((a) => a.schema.columns.filter((c) => c.type === 'hidden').map((c) => c.column))"
    check(p.run(hidden) == [], "no column is hidden yet")
    p.run("""(async () => { window.late = '"columns"'; const {schema} = await (await fetch('/v1/desk')).json();
        for (const name of ['rating', 'released']) {
            const e = document.querySelectorAll('.desk .columns select')[schema.columns.findIndex((c) => c.column === name)];
            e.value = 'hidden'; e.dispatchEvent(new Event('change'));
        } })()""")
    p.wait("held.length > 0")
    p.run("new Promise((go) => setTimeout(go, 100))")
    p.run("letGo()")
    p.wait(hidden + ".then((a) => a.includes('released'))")
    check(p.run(hidden) == ["rating", "released"], "both changes of the schema are kept: %r" % p.run(hidden))


if __name__ == "__main__":
    base = sys.argv[1]
    routes(base)
    on_page(base, sys.argv[2] if len(sys.argv) > 2 else None)
    sys.exit(done())
