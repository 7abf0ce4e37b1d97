"""Callers of three hand-made formats, with `requests`: client.py FORMAT URL. Prints the status, the body and, where
answers are signed, whether this one is genuine. With ALTER set, something else is sent than was signed.
"""

import base64
import hashlib
import hmac
import os
import secrets
import sys
import time
from datetime import datetime, timezone
from urllib.parse import urlsplit

import requests

kind, url = sys.argv[1:]
secret = os.environ["SECRET"].encode()
altered = "ALTER" in os.environ
target = url[url.index("/", len("http://")) :]


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


def suffix():
    now = str(int(time.time()))
    signature = hashlib.sha256(target.encode() + now.encode() + secret).hexdigest()
    headers = {"X-Authorization-Content-HMAC": signature, "X-Authorization-Timestamp": now}
    answer = requests.get(url + "&more=1" * altered, headers=headers, timeout=10)
    report(answer)
    if answer.ok:
        signed = answer.headers["X-Response-Content-TimeStamp"] + "|" + answer.text
        expected = hashlib.sha256(signed.encode() + secret).hexdigest()
        genuine = expected == answer.headers["X-Response-Content-HMAC"]
        print("response signature", "valid" if genuine else "invalid")


def lines():
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = '{"amount":5000,"currency":"JPY"}'
    signed = "\n".join(["POST", target, now, body])
    headers = {
        "Content-Type": "application/json",
        "ME-NOWAY-SIGNATURE": base64.b64encode(mac(secret, signed.encode())).decode(),
        "X-Timestamp": now,
    }
    report(requests.post(url, data=body + " " * altered, headers=headers, timeout=10))


def token():
    key_id, nonce, now = os.environ["KEY_ID"], secrets.token_hex(10), str(int(time.time()))
    body = '{"name":"é漢"}'.encode() if urlsplit(url).query else b""
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode() if body else ""
    key = base64.b64decode(secret)
    signature = base64.b64encode(mac(key, f"{key_id}:{nonce}:{now}:{digest}".encode())).decode()
    headers = {"Authorization": f"hmac {key_id}:{nonce}:{now}:{signature}"}
    send = lambda: requests.post(url, data=body + b"x" * altered, headers=headers, timeout=10)
    report(send())
    # The nonce is spent.
    report(send())


def report(answer):
    print(answer.status_code, answer.text.strip())


{"suffix": suffix, "lines": lines, "token": token}[kind]()
