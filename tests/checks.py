"""What the scripts of these folders share: check() for each thing that has to hold, done() for the last line, call() for a request.

With GLIM_TIMES set, every check is printed with the time at which it was made."""
import http.client
import json
import os
import time

passed = failed = 0


def check(ok, text, *more):
    """more: what was got instead, printed if it does not hold."""
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    if os.environ.get("GLIM_TIMES"):
        print("%.2f" % time.monotonic(), text)
    if not ok:
        print("FAILED:", text, *[str(m)[:600] for m in more])
    return ok


def same(got, want, text):
    return check(got == want, "%s: got %r, want %r" % (text, got, want))


def done():
    """Prints "N passed, N failed"; returns the exit status."""
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


def call(port, method, path, body=None, headers=None, timeout=120):
    """One request to 127.0.0.1 on a connection of its own: the response and its bytes. A body that is not bytes goes as JSON."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        c.request(method, path, body if isinstance(body, (bytes, type(None))) else json.dumps(body), headers or {})
        r = c.getresponse()
        return r, r.read()
    finally:
        c.close()
