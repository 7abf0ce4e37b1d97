"""The official Python libraries of webhook providers, for as long as standard input lasts: one JSON object a line.

{"library", "sign": true, "secret", "body", "url", "id", "time"} is answered with {"headers"},
{"library", "sign": false, "secret", "body", "url", "headers"} with {"accepts"}.
"""

import json
import sys
from datetime import datetime, timezone
from urllib.parse import parse_qsl

import slack_sdk.signature
import standardwebhooks
import stripe
import svix.webhooks
import twilio.request_validator


def sign(ask):
    library, secret, body, time = ask["library"], ask["secret"], ask["body"], ask["time"]
    if library == "stripe":
        return {"stripe-signature": stripe.WebhookSignature.generate_signature_header(body, secret, time)}
    if library == "slack":
        signature = slack_sdk.signature.SignatureVerifier(secret).generate_signature(timestamp=str(time), body=body)
        return {"x-slack-signature": signature, "x-slack-request-timestamp": str(time)}
    if library == "twilio":
        signature = twilio.request_validator.RequestValidator(secret).compute_signature(ask["url"], form(ask))
        return {"x-twilio-signature": signature}
    prefix, webhook = named(library)
    signature = webhook(secret).sign(ask["id"], datetime.fromtimestamp(time, timezone.utc), body)
    return {f"{prefix}-id": ask["id"], f"{prefix}-timestamp": str(time), f"{prefix}-signature": signature}


def accepts(ask):
    library, secret, body, headers = ask["library"], ask["secret"], ask["body"], ask["headers"]
    if library == "slack":
        return slack_sdk.signature.SignatureVerifier(secret).is_valid_request(body, headers)
    if library == "twilio":
        # Text that is not a form is checked against the hash in the URL.
        parameters = form(ask) if is_form(ask) else body
        validator = twilio.request_validator.RequestValidator(secret)
        return validator.validate(ask["url"], parameters, headers["x-twilio-signature"])
    try:
        if library == "stripe":
            stripe.Webhook.construct_event(body, headers["stripe-signature"], secret)
        else:
            named(library)[1](secret).verify(body, headers)
        return True
    except (
        stripe.SignatureVerificationError,
        standardwebhooks.WebhookVerificationError,
        svix.webhooks.WebhookVerificationError,
    ):
        return False


def named(library):
    return {"standard": ("webhook", standardwebhooks.Webhook), "svix": ("svix", svix.webhooks.Webhook)}[library]


def is_form(ask):
    return "bodySHA256=" not in ask["url"]


def form(ask):
    return dict(parse_qsl(ask["body"], keep_blank_values=True)) if is_form(ask) else {}


for line in sys.stdin:
    asked = json.loads(line)
    answer = {"headers": sign(asked)} if asked["sign"] else {"accepts": accepts(asked)}
    print(json.dumps(answer), flush=True)
