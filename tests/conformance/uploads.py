"""uploads.py - forms as /v1/files takes them, and rows to train on."""
import json


def form(parts, boundary="xXbOuNdArYx"):
    """multipart/form-data of (name, file name or None, bytes): (headers, body)."""
    body = b""
    for name, filename, data in parts:
        body += b"--%s\r\nContent-Disposition: form-data; name=\"%s\"" % (boundary.encode(), name.encode())
        if filename is not None:
            body += b"; filename=\"%s\"\r\nContent-Type: application/octet-stream" % filename.encode()
        body += b"\r\n\r\n" + data + b"\r\n"
    body += b"--%s--\r\n" % boundary.encode()
    return [("Content-Type", "multipart/form-data; boundary=" + boundary)], body


def send(s, data, name="rows.jsonl", purpose="fine-tune", key=None, headers=()):
    """Uploads and returns the reply."""
    head, body = form([("purpose", None, purpose.encode()), ("file", name, data)])
    # request_bytes would say application/json: a form says itself what it is
    raw = "POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n" % len(body)
    for k, v in [*head, *headers, *([("Authorization", "Bearer " + (key or s.key))] if key or s.key else [])]:
        raw += "%s: %s\r\n" % (k, v)
    return s.client.raw(raw.encode() + b"\r\n" + body, "POST", "/v1/files")


def chat_rows(n=24, answer="yes yes yes"):
    return "".join(json.dumps({"messages": [{"role": "user", "content": "say %d" % i}, {"role": "assistant", "content": answer}]}) + "\n" for i in range(n)).encode()


def pairs(n=8):
    return "".join(json.dumps({"input": {"messages": [{"role": "user", "content": "q%d" % i}]}, "preferred_output": [{"role": "assistant", "content": "yes"}],
                               "non_preferred_output": [{"role": "assistant", "content": "no"}]}) + "\n" for i in range(n)).encode()
