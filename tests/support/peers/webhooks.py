"""Runs in build/peers: what two other implementations make of our signatures, and what they sign.

Reads a JSON list of cases (`secret`, `webhook_id`, `timestamp`, `body`, `headers`) on stdin. Writes for each:
the type that the official package unwraps or null, whether standardwebhooks accepts, and what it signs.
"""

import json
import sys
from datetime import UTC, datetime

import openai
import standardwebhooks


def judge(case):
    client = openai.OpenAI(api_key="unused", webhook_secret=case["secret"])
    try:
        official = client.webhooks.unwrap(case["body"], case["headers"]).type
    except openai.InvalidWebhookSignatureError:
        official = None
    standard = standardwebhooks.Webhook(case["secret"])
    try:
        accepted = standard.verify(case["body"], case["headers"]) is not None
    except standardwebhooks.WebhookVerificationError:
        accepted = False
    moment = datetime.fromtimestamp(case["timestamp"], UTC)
    signed = standard.sign(case["webhook_id"], moment, case["body"])
    return {"official": official, "standard": accepted, "signature": signed}


json.dump([judge(case) for case in json.load(sys.stdin)], sys.stdout)
