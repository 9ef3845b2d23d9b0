"""Studio's chat page in a real headless Chromium.

    page_checks.py mock           against the scripted server of mock.py: errors, tools, hostile text, keys
    page_checks.py URL MODEL      against a running `glim serve`: type, stream, stop, reload, edit, language

Prints what failed, then "N passed, N failed"; the exit status is 1 if anything failed.
"""
import json, os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from urllib.parse import urlsplit
import cdp, mock
from checks import check, done, same
from gate import Gate


READY = "document.querySelector('.words') && document.querySelector('.model')?.textContent"
IDLE = "!document.querySelector('.go.running') && !document.querySelector('[aria-busy=true]')"
BUSY = "!!document.querySelector('.go.running')"


class Chat:
    """What a person does on the page."""

    def __init__(self, browser, url, **view):
        self.p = browser.page(url, **view)
        self.p.wait(READY)

    def write(self, text):
        for _ in range(3):  # now and then a click of the driver lands beside it just after a page has changed
            self.p.click(".words")
            if self.p.run("document.activeElement?.className === 'words'"):
                break
        self.p.type(text)

    def ask(self, text):
        self.write(text)
        self.p.key("Enter")

    def asked(self, text):
        """Asks and waits for the end of the answer; its text."""
        n = self.count(".assistant")
        self.ask(text)
        self.p.wait("document.querySelectorAll('.assistant').length > %d" % n)
        self.idle()
        return self.last()

    def idle(self):
        self.p.wait(IDLE)

    def last(self):
        return self.p.run("[...document.querySelectorAll('.assistant')].at(-1).querySelector(':scope > .column > .prose').innerText.trim()")

    def count(self, selector):
        return self.p.run("document.querySelectorAll(%s).length" % json.dumps(selector))

    def questions(self):
        return self.p.run("[...document.querySelectorAll('.said')].map(e => e.textContent)")

    def over(self, selector):
        """The pointer rests on it, so that what shows then can be clicked."""
        at = self.p.run("(() => { const e = document.querySelector(%s); e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + 4]; })()" % json.dumps(selector))
        self.p.call("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])

    def fits(self, what):
        wide = self.p.run("[document.documentElement.scrollWidth, ...[...document.querySelectorAll('.transcript, .side, .panel, .settings')].map(e => e.scrollWidth - e.clientWidth + innerWidth)].every(w => w <= innerWidth)")
        check(wide, what + " scrolls sideways")
        cut = self.p.run("""[...document.querySelectorAll('button, a, select, textarea')].filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest('.side, .skip, .table, pre'))
            .map(e => [e, e.getBoundingClientRect()]).filter(([, r]) => r.width > 1 && (r.right > innerWidth + 1 || r.left < -1)).map(([e]) => e.outerHTML.slice(0, 80))""")
        same(cut, [], what + " has controls beyond its edge")

    def silent(self, what):
        same(self.p.complaints(), [], what + ": the console")


# ---- against the scripted server ----

def with_mock():
    s = mock.start()
    url = "http://127.0.0.1:%d/" % s.server_address[1]
    with cdp.Browser() as b:
        keyboard(b, url)
        hostile(b, url)
        troubles(b, url)
        tools_and_thoughts(b, url)
        phone(b, url)
        early(b, url)
        keys(b, url)


def keyboard(b, url):
    c = Chat(b, url)
    p = c.p
    # composing: the Enter that ends a word of an input method is not a question
    p.click(".words")
    p.wait("document.activeElement === document.querySelector('.words')")
    p.call("Input.imeSetComposition", text="ni hao", selectionStart=6, selectionEnd=6)
    p.call("Input.dispatchKeyEvent", type="rawKeyDown", key="Process", code="Enter", windowsVirtualKeyCode=229)
    p.run("""document.querySelector('.words').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))""")
    p.run("""document.querySelector('.words').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', keyCode: 229, bubbles: true, cancelable: true}))""")
    same(c.count(".turn"), 0, "Enter while composing sends nothing")
    p.type("你好")
    same(p.run("document.querySelector('.words').value"), "你好", "what was composed")
    p.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13, modifiers=8)
    p.type("second line")
    same(p.run("document.querySelector('.words').value"), "你好\nsecond line", "Shift+Enter breaks the line")
    p.key("Enter")
    p.wait("document.querySelector('.assistant')")
    c.idle()
    same(c.questions(), ["你好\nsecond line"], "Enter sends")
    same(c.last(), "You said: 你好\nsecond line", "and is answered")
    # an arrow upwards edits the last question; Escape leaves it alone
    p.key("ArrowUp")
    check(p.has(".editing textarea"), "an arrow upwards opens the last question")
    p.key("Escape")
    check(not p.has(".editing"), "Escape closes it")
    # a second version of the question, and back
    c.over(".user")
    p.click(".user [data-act=edit]")
    p.wait("document.querySelector('.editing textarea')")
    p.run("document.querySelector('.editing textarea').select()")
    p.type("another")
    p.key("Enter")
    p.wait("document.querySelector('.said')?.textContent === 'another'")
    c.idle()
    same(c.last(), "You said: another", "an edited question is answered anew")
    same(p.text(".user .count"), "2/2", "both versions are kept")
    p.click(".user [data-step=left]")
    same(c.questions(), ["你好\nsecond line"], "the first version is there")
    same(c.last(), "You said: 你好\nsecond line", "with its answer")
    # another answer to the same question
    p.click(".assistant [data-act=again]")
    p.wait("document.querySelector('.assistant .count')?.textContent === '2/2'")
    c.idle()
    # Escape stops; what had come stays; the server sees the client go
    c.ask("!slow 400")
    p.wait(BUSY + " && [...document.querySelectorAll('.assistant')].at(-1).innerText.includes('light light')")
    check(p.has(".list .light"), "the list shows what is being written")
    p.key("Escape")
    c.idle()
    check("light" in c.last() and p.text(".remark") == "Stopped.", "a stopped answer is kept and says so")
    p.wait("fetch('/mock/log').then(r => r.json()).then(l => l.gone === 1)")
    # writing goes on while another conversation is looked at
    c.ask("!slow 30")
    p.wait(BUSY)
    p.click(".fresh")
    p.wait("!document.querySelector('.turn')")
    same(c.asked("hello"), "You said: hello", "a second conversation beside a running one")
    p.wait("!document.querySelector('.list .light')")
    p.click(".list li:not(.current) a")
    p.wait("document.querySelectorAll('.said').length === 3")
    same(c.last().count("light"), 30, "an answer that nobody watched is whole")
    # search finds words of answers; rename; delete and undo
    p.key("k", 2)
    p.type("hello")
    p.wait("document.querySelectorAll('.list li').length === 1")
    p.key("Escape")
    p.wait("document.querySelectorAll('.list li').length === 2")
    p.click(".bar-page .title")
    p.wait("document.querySelector('dialog[open] input')")
    p.type("A new name")
    p.key("Enter")
    p.wait("document.querySelector('.list .current .title')?.textContent === 'A new name'")
    p.click(".bar-page [aria-haspopup=menu]")
    p.click(".menu .danger")
    p.wait("document.querySelectorAll('.list li').length === 1")
    p.click(".toast button")
    p.wait("document.querySelectorAll('.list li').length === 2")
    # a file goes out and comes back in, and a broken one is refused
    out = p.run("import('/assets/js/pages/chat/history.js').then(h => h.exportFile())")
    same(len(json.loads(out)["conversations"]), 2, "conversations in the file")
    same(p.run("import('/assets/js/pages/chat/history.js').then(h => h.importFile(%s))" % json.dumps(out)), 2, "conversations taken in")
    p.wait("document.querySelectorAll('.list li').length === 4")
    bad = p.run("import('/assets/js/pages/chat/history.js').then(h => Promise.allSettled(['{', '{}', '{\"format\": \"glim-conversations\", \"version\": 9, \"conversations\": []}'].map(h.importFile))).then(r => r.map(x => x.status))")
    same(bad, ["rejected"] * 3, "files that are none")
    odd = {"format": "glim-conversations", "version": 1, "conversations": [None, {}, {"nodes": {"": {"kids": ["a", "", "__proto__", 7]}, "a": {"role": "user", "content": 5, "kids": ["a", "b"]}, "b": {"role": "root"}}}]}
    same(p.run("import('/assets/js/pages/chat/history.js').then(h => h.importFile(%s))" % json.dumps(json.dumps(odd))), 1, "an odd file gives what is sound in it")
    c.silent("keyboard")
    p.close()


def hostile(b, url):
    c = Chat(b, url)
    p = c.p
    c.ask("!html")
    c.idle()
    p.wait("document.querySelector('.assistant .prose .table')")
    same(p.run("window.pwned"), None, "text of a model runs nothing")
    same(c.count(".prose :is(img, script, iframe, svg, style, b)"), 0, "elements out of text")
    same(p.run("[...document.querySelectorAll('.prose a')].map(a => a.protocol)"), ["https:"], "links of a model")
    check("<script>window.pwned=1</script>" in p.text(".assistant .column > .prose"), "markup is shown as text")
    p.run("document.querySelector('.fresh').click()")
    p.wait("!document.querySelector('.turn')")
    c.ask("!markdown")
    c.idle()
    p.wait("document.querySelector('.prose table')")
    shape = p.run("""Object.fromEntries(['.h1', 'em', 'strong', 'del', 'ol > li', 'ol ul > li', '.task', 'blockquote', 'th', 'td', 'pre code', 'hr', 'a'].map(s => [s, document.querySelectorAll('.assistant .prose ' + s).length]))""")
    same(shape, {".h1": 1, "em": 1, "strong": 2, "del": 1, "ol > li": 2, "ol ul > li": 2, ".task": 2, "blockquote": 1, "th": 3, "td": 6, "pre code": 1, "hr": 1, "a": 2}, "what markdown became")
    same(p.run("document.querySelector('.prose pre code').textContent"), 'def glow(n: int) -> str:\n    # 一点光\n    return "light" * n if n > 0 else ""', "code is kept to the letter")
    # the source of an answer grows by pieces of any size, and the end is the same
    same(p.run("""Promise.all([import('/assets/js/lib/render.js'), fetch('/mock/log')]).then(([{prose}]) => {
        const source = %s, whole = document.createElement('div'), grown = document.createElement('div'), view = prose(grown);
        prose(whole).update(source);
        for (let i = 1; i <= source.length; i++) view.update(source.slice(0, i));
        return whole.isEqualNode(grown); })""" % json.dumps(mock.MARKDOWN)), True, "a text shown letter by letter ends as the whole one")
    slow = p.run("""import('/assets/js/lib/markdown.js').then(async ({parseMarkdown}) => { const {parseInline} = await import('/assets/js/lib/inline.js');
        const bad = ['[', '*', '`a``', '> ', '- ', '<', '[a](', 'http://', '&', '*_', '~~a', '|', '_a', '![', '$$', '1. '];
        const t = performance.now(); for (const s of bad) { const x = s.repeat(20000); parseMarkdown(x); parseInline(x); } return performance.now() - t; })""")
    check(slow < 20000, "hostile texts are read in linear time: %d ms for all" % slow)  # quadratic ones take minutes
    c.silent("hostile")
    p.close()


def troubles(b, url):
    c = Chat(b, url)
    p = c.p
    kinds = {"!429": "busy", "!503": "overloaded", "!500": "server", "!context": "context", "!break": "broken", "!error": "server"}
    for word, kind in kinds.items():
        mock.State.cut = False
        c.ask(word)
        if word == "!break":  # the line breaks when all of the half is seen
            p.wait("document.querySelector('.assistant .column > .prose')?.textContent.includes('answer, and')")
            mock.State.cut = True
        p.wait("document.querySelector('.trouble') && " + IDLE)
        same(p.run("document.querySelector('.trouble').dataset.kind"), kind, word)
        check(p.has(".trouble .actions button"), word + " offers something to do")
        if word in ("!break", "!error"):
            same(c.last(), "Half of an answer, and", word + ": what had come is kept")
        p.click(".fresh")
        p.wait("!document.querySelector('.turn')")
    check("proxy" not in p.run("document.body.innerText"), "a proxy's page is not shown")
    # a retry leads to the answer, in the place of the failure
    p.run("fetch('/mock/set', {method: 'POST', body: '{\"fails\": 1}'})")
    c.ask("!flaky")
    p.wait("document.querySelector('.trouble')")
    p.click("[data-act=retry]")
    p.wait("document.querySelector('.assistant .column > .prose')?.innerText.startsWith('You said')")
    c.idle()
    same([c.count(".trouble"), c.count(".assistant"), c.count(".count")], [0, 1, 0], "after a retry only the answer is left")
    # no server at all
    p.line(offline=True)
    c.ask("is anybody there")
    p.wait("document.querySelector('.trouble')?.dataset.kind === 'offline'")
    p.wait("document.querySelector('.status')?.textContent.includes('cannot be reached')")
    p.line()
    p.click("[data-act=retry]")
    p.wait("!document.querySelector('.trouble')")
    c.idle()
    same(c.last(), "You said: is anybody there", "a retry once the server is back")
    p.wait("document.querySelector('.status').hidden")
    c.ask("!length")
    p.wait("document.querySelector('.remark')")
    c.idle()
    p.close()


def tools_and_thoughts(b, url):
    c = Chat(b, url)
    p = c.p
    c.ask("!think")
    c.idle()
    p.wait("document.querySelector('.thought summary')")
    same(p.run("document.querySelector('.thought').open"), False, "reasoning is folded")
    p.click(".thought summary")
    p.wait("document.querySelector('.thought .prose').innerText.startsWith('The person asks for a light.')")
    same(c.last(), "A small light is enough.", "the answer after the reasoning")
    facts = p.text(".margin")
    check("tokens/s" in facts or "tokens" in facts, "figures stand in the margin: %r" % facts)
    check("s to the first token" in facts, "so does the time to the first token: %r" % facts)
    # settings of the conversation travel with the request
    p.click("[aria-controls=panel]")
    p.wait("document.querySelector('.panel textarea')")
    p.click(".panel textarea")
    p.type("You are a lamp.")
    p.run("document.querySelector('.further').open = true")
    for label, value in (("Temperature", "0.5"), ("Longest answer", "77"), ("Seed", "3")):
        p.run("[...document.querySelectorAll('.panel label')].find(l => l.textContent === %s).control.focus()" % json.dumps(label))
        p.type(value)
    p.run("[...document.querySelectorAll('.panel label')].find(l => l.textContent === 'Tools').control.focus()")
    p.type('[{"name": "stock_of", "parameters": {"type": "object"}}]')
    same(p.text(".panel .field:last-child .note:last-child"), "1 declared", "tools are read as they are typed")
    c.ask("!tools how many")
    p.wait("document.querySelector('.call textarea')")
    sent = p.run("fetch('/mock/log').then(r => r.json()).then(l => l.requests.at(-1))")
    same(sent["messages"][0], {"role": "system", "content": "You are a lamp."}, "the system prompt")
    same([sent.get(k) for k in ("temperature", "max_completion_tokens", "seed", "stream", "stream_options")], [0.5, 77, 3, True, {"include_usage": True}], "sampling")
    same(sent["tools"], [{"type": "function", "function": {"name": "stock_of", "parameters": {"type": "object"}}}], "tools")
    check("top_p" not in sent and "presence_penalty" not in sent, "what is not set is not sent")
    same(p.run("document.querySelector('.call pre').textContent"), '{\n  "item": "lamp",\n  "at": "Kiel"\n}', "arguments are shown whole")
    p.click(".call textarea")
    p.type("1204")
    p.click(".calls .actions button")
    p.wait("[...document.querySelectorAll('.assistant')].at(-1).innerText.includes('The tool said: 1204')")
    c.idle()
    sent = p.run("fetch('/mock/log').then(r => r.json()).then(l => l.requests.at(-1))")
    same(sent["messages"][-2]["tool_calls"], [{"id": "call_1", "type": "function", "function": {"name": "stock_of", "arguments": '{"item": "lamp", "at": "Kiel"}'}}], "the call goes back as it came")
    same(sent["messages"][-1], {"role": "tool", "tool_call_id": "call_1", "content": "1204"}, "its result")
    # the model is chosen below the question
    p.run("(() => { const s = document.querySelector('select.model'); s.value = 'glm-edge-1.5b'; s.dispatchEvent(new Event('change')); })()")
    c.asked("hello")
    same(p.run("fetch('/mock/log').then(r => r.json()).then(l => l.requests.at(-1).model)"), "glm-edge-1.5b", "the chosen model")
    c.silent("tools")
    p.close()


def phone(b, url):
    c = Chat(b, url, width=390, height=844, scale=2, touch=True)
    p = c.p
    c.fits("the empty page on a phone")
    c.write("!markdown " + "averylongwordwithoutanybreak" * 6)
    p.key("Enter")
    same(c.count(".turn"), 0, "Enter on a touch screen breaks the line")
    p.click(".go")
    c.idle()
    p.wait("document.querySelector('.prose table')")
    c.fits("a conversation on a phone")
    check(p.run("document.querySelector('.side').inert") and not p.run("document.querySelector('.side').checkVisibility({visibilityProperty: true})"), "the drawer is closed and takes no focus")
    p.click(".opener")
    p.wait("document.querySelector('.side').getBoundingClientRect().left === 0")
    check(p.run("document.querySelector('.body').inert"), "the page behind an open drawer takes no focus")
    c.fits("the drawer")
    p.key("Escape")
    p.wait("!document.querySelector('.shell.open')")
    p.click("[aria-controls=panel]")
    p.wait("document.querySelector('.panel textarea')")
    c.fits("the settings of a conversation on a phone")
    small = p.run("""[...document.querySelectorAll('button, select')].filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest('.side, .prose')).map(e => [e, e.getBoundingClientRect()])
        .filter(([, r]) => r.height < 24 || r.width < 24).map(([e]) => e.outerHTML.slice(0, 80))""")
    same(small, [], "targets smaller than a finger")
    p.goto(url + "#/settings")
    p.wait("document.querySelector('.settings')")
    c.fits("the settings page on a phone")
    c.silent("phone")
    p.close()


def early(b, url):
    """A slow line: the question is there before the list of models."""
    for stop in (False, True):
        mock.State.hold = True
        c = Chat.__new__(Chat)
        c.p = p = b.page(url)
        p.run("localStorage.setItem('glim.prefs', JSON.stringify({model: 'a-model-of-another-server'}))")
        n = len(mock.State.log)
        p.reload()
        p.wait("document.querySelector('.words')")
        c.ask("hello")
        check(not p.run("document.querySelector('.model').textContent.startsWith('glm')"), "the list has not come yet")
        p.wait(BUSY + " && document.querySelector('.assistant')")
        if stop:
            p.key("Escape")
            c.idle()
            same(p.text(".remark"), "Stopped.", "Escape stops what waits for the list")
            mock.State.hold = False
            p.wait("document.querySelector('.model').textContent.startsWith('glm')")
            same(len(mock.State.log), n, "and nothing is sent")
        else:
            mock.State.hold = False
            c.idle()
            same(c.last(), "You said: hello", "a question before the list is answered")
            same([x["model"] for x in mock.State.log[n:]], ["glm-4-9b-chat"], "by a model that is there")
        c.silent("early")
        p.close()


def keys(b, url):
    mock.State.key = "glim_secret"
    c = Chat.__new__(Chat)
    c.p = p = b.page(url)
    p.run("sessionStorage.clear()")
    p.reload()
    p.wait("document.querySelector('.status')?.textContent.includes('wants a key')")
    c.ask("hello")
    p.wait("document.querySelector('dialog[open] input')")
    same(p.run("document.querySelector('dialog input').type"), "password", "a key is typed unseen")
    p.type("wrong")
    p.key("Enter")
    p.wait("document.querySelector('dialog[open] input')?.value === ''")
    check("did not accept" in p.text("dialog"), "a refused key is asked for again: %r" % p.text("dialog"))
    p.type("glim_secret")
    p.key("Enter")
    p.wait("!document.querySelector('dialog') && document.querySelector('.assistant .column > .prose')?.innerText")
    c.idle()
    same(c.last(), "You said: hello", "with the key the question is answered without asking again")
    same(mock.State.log[-1]["model"], "glm-4-9b-chat", "by a model of the list that came with the key")
    p.reload()
    p.wait(READY)
    same(c.asked("again"), "You said: again", "the key lasts as long as the tab")
    check("glim_secret" not in p.run("JSON.stringify(localStorage)"), "the key is not stored for good")
    c.silent("keys")
    mock.State.key = None
    p.close()


# ---- against glim serve ----

def with_server(url, model):
    gate = Gate(urlsplit(url).hostname, urlsplit(url).port)
    url = "http://%s:%d/" % (gate.host, gate.port)
    with cdp.Browser() as b:
        c = Chat(b, url)
        p = c.p
        same(p.text(".model"), model, "the model's name")
        policy = p.run("fetch('/').then(r => [r.headers.get('content-security-policy') || '', r.headers.get('x-content-type-options'), !!r.headers.get('etag')])")
        check("default-src 'self'" in policy[0] and "unsafe" not in policy[0], "the page's policy: %r" % policy[0])
        same(policy[1:], ["nosniff", True], "nosniff and a tag")
        same(p.run("""performance.getEntriesByType('resource').map(e => new URL(e.name).origin).filter(o => o !== location.origin)"""), [], "everything comes from this server")
        p.click("[aria-controls=panel]")
        p.run("document.querySelector('.further').open = true")
        for label, value in (("Longest answer", "24"), ("Seed", "1")):
            p.run("[...document.querySelectorAll('.panel label')].find(l => l.textContent === %s).control.focus()" % json.dumps(label))
            p.type(value)
        p.click(".panel-head button")
        first = c.asked("Good morning!")
        check(first, "a model answers")
        facts = p.text(".margin")
        check("24 tokens" in facts and "tokens/s" in facts and "first token" in facts, "figures: %r" % facts)
        # the same seed gives the same answer, as a second version beside the first
        p.click(".assistant [data-act=again]")
        p.wait("document.querySelector('.assistant .count')?.textContent === '2/2'")
        c.idle()
        same(c.last(), first, "the same question with the same seed")
        c.over(".user")
        p.click(".user [data-act=edit]")
        p.wait("document.querySelector('.editing textarea')")
        p.run("document.querySelector('.editing textarea').select()")
        p.type("Good evening!")
        p.key("Enter")
        p.wait("document.querySelector('.said')?.textContent === 'Good evening!'")
        c.idle()
        # stream and stop; the tiny model writes thousands of tokens a second, so the line is held
        p.run("document.querySelector('[aria-controls=panel]').click()")
        p.run("(() => { const i = [...document.querySelectorAll('.panel label')].find(l => l.textContent === 'Longest answer').control; i.value = '1500'; i.dispatchEvent(new Event('input')); })()")
        p.click(".panel-head button")
        gate.slow = 0.25
        c.ask("Tell me a long story.")
        p.wait("[...document.querySelectorAll('.assistant')].at(-1).querySelector(':scope > .column > .prose').textContent.length > 0 && document.querySelectorAll('.said').length === 2")
        check(p.run(BUSY), "an answer is seen while it is being written")
        p.click(".go")
        c.idle()
        gate.slow = 0
        same(p.run("[...document.querySelectorAll('.remark')].at(-1)?.textContent"), "Stopped.", "a stopped answer says so")
        told = c.last()
        check(told, "what was written before the stop is kept")
        # reload: history is there, to the letter
        before = [c.questions(), c.last()]
        p.wait("(async () => { const d = await (await import('/assets/js/lib/db.js')).openDb(), [h] = await d.all('heads'), b = await d.get('bodies', h.id); return Object.values(b.nodes).every(n => n.state !== 'streaming'); })()")
        p.reload()
        p.wait("document.querySelectorAll('.assistant').length === 2")
        same([c.questions(), c.last()], before, "after a reload")
        same(p.text(".user .count"), "2/2", "versions after a reload")
        # languages: switched on the settings page, kept, and the conversation stays
        p.click(".nav-foot a")
        p.wait("document.querySelector('.settings select')")
        p.run("(() => { const s = document.querySelector('.settings select'); s.value = 'zh'; s.dispatchEvent(new Event('change')); })()")
        p.wait("document.querySelector('.settings h1')?.textContent === '设置'")
        same(p.run("document.documentElement.lang"), "zh-CN", "the document's language")
        p.run("history.back()")
        p.wait("document.querySelectorAll('.assistant').length === 2")
        same(p.run("document.querySelector('.words').placeholder"), "想问点什么？", "Chinese words")
        p.reload()
        p.wait("document.querySelector('.words')?.placeholder === '想问点什么？'")
        c.silent("the server's page")
        p.close()
        # a browser that speaks Chinese is answered in Chinese, without asking; dark where the system is dark
        p = b.page(url, language="zh-CN", dark=True, width=390, height=844, touch=True)
        p.run("localStorage.clear()")
        p.reload()
        p.wait("document.querySelector('.words')?.placeholder === '想问点什么？'")
        same(p.run("document.documentElement.dataset.theme"), "dark", "the theme follows the system")
        p.close()


def main():
    if not cdp.find():
        print("    skipped: there is no Chromium (Debian: chromium-headless-shell)")
        return 77
    if sys.argv[1:] == ["mock"]:
        with_mock()
    else:
        with_server(*sys.argv[1:3])
    return done()


if __name__ == "__main__":
    sys.exit(main())
