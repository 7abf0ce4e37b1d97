"""A server of the format that signs two JSON members, with FastAPI. Prints its port."""

import hashlib
import hmac
import os
import socket

import uvicorn
from fastapi import FastAPI, HTTPException, Request

app = FastAPI()


@app.post("/verify")
async def verify(request: Request):
    members = await request.json()
    signature = request.headers.get("x-hmac-signature")
    if not signature:
        raise HTTPException(400, "Missing HMAC header")
    signed = f"{members['mac_address']}:{members['timestamp']}"
    expected = hmac.new(os.environ["SECRET"].encode(), signed.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        raise HTTPException(403, "Invalid signature")
    return {"status": "Verified"}


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listener])
