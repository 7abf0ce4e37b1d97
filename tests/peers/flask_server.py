"""A server of the format with the secret behind the text, and of the one with lines, with Flask. Prints its port.

The first hashes the second in which it looks: FIXED_TIME stops that clock.
"""

import base64
import hashlib
import hmac
import os

from flask import Flask, jsonify, request
from werkzeug.serving import make_server

app = Flask(__name__)


def suffixed(text):
    return hashlib.sha256(text.encode() + os.environ["SUFFIX_SECRET"].encode()).hexdigest()


@app.get("/example/users")
def users():
    now = int(os.environ["FIXED_TIME"])
    target = request.path + "?" + request.query_string.decode()
    fresh = abs(now - int(request.headers["X-Authorization-Timestamp"])) <= 300
    if not fresh or suffixed(f"{target}{now}") != request.headers.get("X-Authorization-Content-HMAC"):
        return jsonify(error="Invalid request or timestamp"), 400
    body = '{"result": "ok"}'
    headers = {"X-Response-Content-HMAC": suffixed(f"{now}|{body}"), "X-Response-Content-TimeStamp": str(now)}
    return body, 200, headers


@app.post("/api/v1/payment")
def payment():
    signature, time = request.headers.get("ME-NOWAY-SIGNATURE"), request.headers.get("X-Timestamp")
    if not signature or not time:
        return jsonify(error="Missing required signature headers"), 400
    signed = "\n".join([request.method, request.path, time, request.get_data(as_text=True)])
    mac = hmac.new(os.environ["LINES_SECRET"].encode(), signed.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(base64.b64encode(mac).decode(), signature):
        return jsonify(message="Forbidden. Invalid signature."), 403
    return jsonify(message="Success! Signature is valid.")


server = make_server("127.0.0.1", 0, app)
print(server.server_port, flush=True)
server.serve_forever()
