"""An HTTP server of the native scheme, with nothing but Python's standard library.

It prints its port, refuses with a bare 401 what is not signed right, and echoes the rest. A path tells it how to sign
its answer wrongly.
"""

import hashlib
import hmac
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY_ID, KEY = "svc-a", bytes.fromhex(os.environ["KEY_HEX"])
SPENT = set()


def tag(*lines):
    return "v1=" + hmac.new(KEY, "\n".join(lines).encode("latin-1"), hashlib.sha256).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def one(self, name, default=None):
        values = self.headers.get_all(name, [] if default is None else [default])
        if len(values) != 1:
            raise ValueError(name)
        return values[0].strip(" \t")

    def verify(self, body):
        field = {name: self.one("x-hmac-" + name) for name in ("key-id", "timestamp", "nonce", "content-sha256", "signature")}
        digest = hashlib.sha256(body).hexdigest()
        text = ("HMAC-SHA256-V1-REQUEST", field["key-id"], field["timestamp"], field["nonce"], self.command,
                self.one("host").lower(), self.path, self.one("content-type", ""), self.one("content-encoding", ""), digest)
        right = hmac.compare_digest(tag(*text), field["signature"]) and field["content-sha256"] == digest
        if not right or field["key-id"] != KEY_ID or field["nonce"] in SPENT:
            raise ValueError("signature")
        if not re.fullmatch("[A-Za-z0-9_-]{16,64}", field["nonce"]):
            raise ValueError("nonce")
        SPENT.add(field["nonce"])
        return field

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        try:
            field = self.verify(body)
        except ValueError:
            self.send_response(401)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        status, kind = (404 if self.path == "/nothing" else 200), self.one("content-type", "text/plain")
        digest = hashlib.sha256(body).hexdigest()
        request = field["signature"].removeprefix("v1=")
        text = ("HMAC-SHA256-V1-RESPONSE", KEY_ID, request, field["timestamp"], str(status), kind, "", "", digest)
        self.send_response(201 if self.path == "/status-changed" else status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-hmac-timestamp", field["timestamp"])
        self.send_header("x-hmac-content-sha256", digest)
        self.send_header("x-hmac-signature", tag(*text))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[::-1] if self.path == "/body-changed" else body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
sys.stdout.close()
server.serve_forever()
