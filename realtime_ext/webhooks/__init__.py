"""Webhooks: prove that a delivery came from the API, and read the event in it.

The job: check `webhook-signature` over the body's exact bytes (the Standard Webhooks scheme), refuse what is
too old or too new, and turn the body into a generated event. It does no I/O apart from reading
`OPENAI_WEBHOOK_SECRET` when a call names no secret, and it reads nothing in a body that it has not verified.

Whatever is wrong with a delivery is a `WebhookVerificationError`: answer it with status 400. Whatever is
wrong with the set-up (no secret, a malformed one, a negative tolerance) is a `ValueError`: it would refuse
every delivery alike.

Deliveries come at least once, in any order, for up to 72 hours: answer fast, drop repetitions
(`Deduplicator`), and take the call elsewhere, since the caller hangs up while a webhook is being handled.

Source: https://www.standardwebhooks.com and https://platform.openai.com/docs/guides/webhooks
"""

from ..errors import WebhookVerificationError
from ._deduplicator import Deduplicator
from ._headers import HeadersLike
from ._signature import SecretsLike, sign, verify
from ._unwrap import WebhookEvent, unwrap

__all__ = [
    "Deduplicator",
    "HeadersLike",
    "SecretsLike",
    "WebhookEvent",
    "WebhookVerificationError",
    "sign",
    "unwrap",
    "verify",
]
