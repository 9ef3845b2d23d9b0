"""A headless Chromium driven over its DevTools pipe, with Python's standard library only.

    with Browser() as b:
        page = b.page("http://127.0.0.1:8000/", width=390, height=844)
        page.wait("document.title")
        page.click("button.send"); page.type("words"); page.key("Enter")

GLIM_PAGE_LATENCY=400 holds every reply back for so many milliseconds: what a check takes for granted on loopback shows then.
"""
import base64, json, os, select, shutil, subprocess, tempfile, time

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "ArrowUp": (38, ""), "ArrowDown": (40, ""), "Backspace": (8, ""), "Delete": (46, "")}
LATENCY_MS = float(os.environ.get("GLIM_PAGE_LATENCY") or 0)


def find():
    given = os.environ.get("GLIM_CHROMIUM")
    return given or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    def __init__(self, limit_s=60):
        self.limit_s, self.last, self.answers, self.events = limit_s, 0, {}, []
        self.profile = tempfile.mkdtemp(prefix="glim-page-")
        theirs_in, self.to = os.pipe()
        self.come, theirs_out = os.pipe()

        def wire():  # the browser reads commands from 3 and writes answers to 4
            a, b = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(a, 3), os.dup2(b, 4)

        args = [find(), "--headless", "--remote-debugging-pipe", "--user-data-dir=" + self.profile, "--no-first-run", "--disable-gpu",
                "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
                "--no-default-browser-check", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
                "--no-proxy-server", "--renderer-process-limit=1"]
        if os.geteuid() == 0:
            args.append("--no-sandbox")  # Chromium refuses root otherwise; the pages are our own
        self.process = subprocess.Popen(args + ["about:blank"], preexec_fn=wire, close_fds=False, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in), os.close(theirs_out)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.send("Browser.close")
            self.process.wait(5)
        except Exception:
            self.process.kill()
            self.process.wait()
        os.close(self.to), os.close(self.come)
        shutil.rmtree(self.profile, ignore_errors=True)

    def send(self, method, session=None, **params):
        self.last += 1
        m = {"id": self.last, "method": method, "params": params}
        if session:
            m["sessionId"] = session
        os.write(self.to, json.dumps(m).encode() + b"\0")
        return self.last

    def read(self, until):
        """One message into answers or events; False if the time is up."""
        while b"\0" not in self.rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.come], [], [], left)[0]:
                return False
            piece = os.read(self.come, 1 << 20)
            if not piece:
                raise RuntimeError("the browser is gone")
            self.rest += piece
        one, self.rest = self.rest.split(b"\0", 1)
        m = json.loads(one)
        if "id" in m:
            self.answers[m["id"]] = m
        else:
            self.events.append(m)
        return True

    def call(self, method, session=None, **params):
        n, until = self.send(method, session, **params), time.monotonic() + self.limit_s
        while n not in self.answers:
            if not self.read(until):
                raise TimeoutError(method)
        m = self.answers.pop(n)
        if "error" in m:
            raise RuntimeError("%s: %s" % (method, m["error"].get("message")))
        return m["result"]

    def page(self, url, **view):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        return Page(self, target, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"], url, **view)


class Page:
    def __init__(self, browser, target, session, url, width=1280, height=800, scale=1, touch=False, dark=False, language="en-US"):
        self.b, self.target, self.session = browser, target, session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=touch)
        if touch:
            self.call("Emulation.setTouchEmulationEnabled", enabled=True)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                                                          {"name": "prefers-reduced-motion", "value": "reduce"}])
        self.call("Emulation.setUserAgentOverride", userAgent="Mozilla/5.0 (glim test) Chrome", acceptLanguage=language)
        self.call("Emulation.setLocaleOverride", locale=language.replace("-", "_"))
        self.line()
        self.goto(url)

    def line(self, offline=False):
        """The line to the server, cut or as it was."""
        self.call("Network.emulateNetworkConditions", offline=offline, latency=LATENCY_MS, downloadThroughput=-1, uploadThroughput=-1)

    def call(self, method, **params):
        return self.b.call(method, self.session, **params)

    def goto(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def reload(self):
        self.run("window.__old = true")
        self.call("Page.reload")
        self.wait("!window.__old && document.readyState === 'complete'")

    def close(self):
        self.b.call("Target.closeTarget", targetId=self.target)

    def run(self, js):
        """The value of an expression (a promise is waited for)."""
        r = self.call("Runtime.evaluate", expression=js, returnByValue=True, awaitPromise=True, userGesture=True)
        if "exceptionDetails" in r:
            d = r["exceptionDetails"]
            raise RuntimeError("%s in: %s" % (d.get("exception", {}).get("description") or d.get("text"), js[:300]))
        return r["result"].get("value")

    def wait(self, js, limit_s=30):
        """Until the expression is true; its value. The limit is a bound on a busy machine, not a measurement."""
        until = time.monotonic() + limit_s
        while True:
            try:
                v = self.run("(v => v instanceof Node || v)(%s)" % js)  # an element itself cannot travel
            except RuntimeError as e:  # between two documents there is no context
                if "context" not in str(e).lower() and "navigated" not in str(e).lower() and "null" not in str(e) and "undefined" not in str(e):
                    raise
                v = None
            if v:
                return v
            if time.monotonic() > until:
                raise TimeoutError("never true: " + js)
            time.sleep(0.02)

    def has(self, selector):
        return self.run("!!document.querySelector(%s)" % json.dumps(selector))

    def text(self, selector):
        return self.run("(document.querySelector(%s) || {}).innerText" % json.dumps(selector))

    def click(self, selector):
        """A real click in the middle of what the selector finds, which must be there to be hit."""
        q = json.dumps(selector)
        self.wait("document.querySelector(%s)" % q)
        # A page that still settles moves under the pointer: the place has to hold for two frames.
        find = """(async () => { const e = document.querySelector(%s), frame = () => new Promise(requestAnimationFrame);
            if (!e) return {covered: 'nothing'};
            e.scrollIntoView({block: 'nearest'});
            let r = e.getBoundingClientRect();
            for (let was = null; !was || was.x !== r.x || was.y !== r.y || was.width !== r.width; r = e.getBoundingClientRect()) { was = r; await frame(); await frame(); }
            const x = r.x + r.width / 2, y = r.y + r.height / 2, hit = document.elementFromPoint(x, y);
            return {x, y, gone: !e.isConnected, covered: !(hit && (e.contains(hit) || hit.contains(e))) && (hit ? hit.outerHTML.slice(0, 120) : 'nothing') }; })()""" % q
        at = self.run(find)
        for _ in range(20):  # the page may have drawn it anew meanwhile: what was found is in no document then
            if not at.get("gone"):
                break
            at = self.run(find)
        if at["covered"]:
            raise AssertionError("%s cannot be clicked: %s lies over it" % (selector, at["covered"]))
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=at["x"], y=at["y"])
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=at["x"], y=at["y"], button="left", clickCount=1)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def key(self, key, modifiers=0):
        code, text = KEYS.get(key, (ord(key.upper()[0]), key))
        if modifiers & 6:  # with Ctrl or Meta a key writes nothing
            text = ""
        params = {"key": key, "code": key if key in KEYS else "Key" + key.upper(), "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **({"text": text} if text else {}), **params)
        self.call("Input.dispatchKeyEvent", type="keyUp", **params)

    def shot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def complaints(self):
        """What the console holds: exceptions, errors, and whatever the content policy blocked."""
        out = []
        for e in self.b.events:
            if e.get("sessionId") != self.session:
                continue
            if e["method"] == "Runtime.exceptionThrown":
                d = e["params"]["exceptionDetails"]
                out.append(d.get("exception", {}).get("description") or d.get("text"))
            elif e["method"] == "Log.entryAdded" and e["params"]["entry"]["level"] in ("error", "warning"):
                entry = e["params"]["entry"]
                if entry["source"] != "network":  # a 401 that a test asked for is no fault
                    out.append(entry["text"])
            elif e["method"] == "Runtime.consoleAPICalled" and e["params"]["type"] in ("error", "assert", "warning"):
                out.append(" ".join(str(a.get("value", a.get("description"))) for a in e["params"]["args"]))
        return out
