#!/usr/bin/env python3
"""Signs one request with tower-hmac's native scheme, sends it and verifies the signed answer. Needs Python 3.8 only.
  KEY_HEX=<secret in hex> [URL=http://127.0.0.1:3000/echo] [KEY_ID=svc-a] [METHOD=POST] python3 signer.py [body]
http URLs only: a loopback demo. Exit status: 0 a 2xx with a valid signature, 1 anything else, 2 wrong usage."""
import hashlib, hmac, http.client, os, re, secrets, sys, time

KEY_HEX, KEY_ID = os.environ.get("KEY_HEX", ""), os.environ.get("KEY_ID", "svc-a")
URL, METHOD = os.environ.get("URL", "http://127.0.0.1:3000/echo"), os.environ.get("METHOD", "POST")

def usage(message):
    print("signer.py:", message, file=sys.stderr)
    sys.exit(2)

def sign(*lines):
    return hmac.new(bytes.fromhex(KEY_HEX), "\n".join(lines).encode("latin-1"), hashlib.sha256).hexdigest()

def verdict(request_signature, status, headers, body):
    def field(name):  # trimmed; "" when absent
        values = [value.strip(" \t") for value in headers.get_all(name, [])]
        if len(values) > 1 or values == [""]:
            raise ValueError(f"{name} is repeated or empty")
        return "".join(values)
    if "x-hmac-signature" not in headers:
        return "missing"
    try:
        given, timestamp, claimed = map(field, ("x-hmac-signature", "x-hmac-timestamp", "x-hmac-content-sha256"))
        bound = [field(name) for name in ("content-type", "content-encoding", "location")]
    except ValueError:
        return "invalid"
    digest = hashlib.sha256(body).hexdigest()
    mac = sign("HMAC-SHA256-V1-RESPONSE", KEY_ID, request_signature, timestamp, str(status), *bound, digest)
    genuine = hmac.compare_digest(given.encode("latin-1"), f"v1={mac}".encode())
    return "valid" if genuine and claimed == digest and re.fullmatch("[1-9][0-9]{9}", timestamp) else "invalid"

re.fullmatch("([0-9A-Fa-f]{2}){16,}", KEY_HEX) or usage("KEY_HEX is required: the secret key in hex, 16 bytes at least")
url = re.fullmatch(r"http://([^/?#@\s]+)(?![^/?#])/?([^#\s]*)(#.*)?", URL) or usage("URL must be http://host...")
authority, target = url[1].lower(), "/" + url[2]
body = os.fsencode(sys.argv[1]) if len(sys.argv) > 1 else b'{"to":"bob","amount":10}'
timestamp, nonce, digest = str(int(time.time())), secrets.token_urlsafe(16), hashlib.sha256(body).hexdigest()
type_ = "application/json"
signature = sign("HMAC-SHA256-V1-REQUEST", KEY_ID, timestamp, nonce, METHOD, authority, target, type_, "", digest)
connection = http.client.HTTPConnection(authority, timeout=30)  # follows no redirect, decodes nothing, drops trailers
connection.request(METHOD, target, body, {
    "Host": authority, "Content-Type": type_, "x-hmac-key-id": KEY_ID, "x-hmac-timestamp": timestamp,
    "x-hmac-nonce": nonce, "x-hmac-content-sha256": digest, "x-hmac-signature": "v1=" + signature})
answer = connection.getresponse()
result = verdict(signature, answer.status, answer.headers, answer.read())
print(f"status {answer.status}\nresponse signature {result}")
sys.exit(0 if 200 <= answer.status < 300 and result == "valid" else 1)
