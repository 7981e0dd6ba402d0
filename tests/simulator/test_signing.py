"""What the simulator signs is what other implementations sign, and accept."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from typing import Any

import pytest
from realtime_simulator._calls.webhooks import sign, signing_key

from tests.support.paths import PEER_PYTHON, PEERS
from tests.support.rows import each

SECRET = "whsec_" + base64.b64encode(b"the key of these tests").decode()


def test_it_signs_as_the_scheme_s_own_example() -> None:
    """The example of Standard Webhooks' reference libraries."""
    headers = sign(
        b'{"test": 2432232314}',
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        webhook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330.9,
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@each("secret", ["", "  ", "whsec_", "whsec_!", "whsec_YQ", 7])
def test_a_malformed_secret_is_refused_and_not_shown(secret: Any) -> None:
    with pytest.raises(ValueError, match=r"the webhook secret is (empty|malformed)") as caught:
        signing_key(secret)
    assert "YQ" not in str(caught.value)


@pytest.mark.slow
def test_the_official_package_and_standardwebhooks_agree() -> None:
    if not PEER_PYTHON.exists():
        pytest.fail("build/peers is missing: run `make peers` first")
    now = int(time.time())
    body = (
        '{"object":"event","id":"evt_1","type":"realtime.call.incoming","created_at":1,"data":{"text":"Zoë"}}'
    )
    cases: list[dict[str, Any]] = []
    for timestamp in (now, now - 200, now - 900):
        headers = sign(body.encode(), SECRET, webhook_id=f"wh_{len(cases)}", timestamp=timestamp)
        case = {"secret": SECRET, "webhook_id": headers["webhook-id"], "timestamp": timestamp}
        cases.append(case | {"body": body, "headers": headers})
        cases.append(case | {"body": body + " ", "headers": headers})
    script = PEERS / "webhooks.py"
    run = subprocess.run(
        [PEER_PYTHON, script], input=json.dumps(cases), capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    for number, (case, answer) in enumerate(zip(cases, json.loads(run.stdout), strict=True)):
        genuine = number in (0, 2)  # unaltered, and not older than five minutes
        assert answer["standard"] == genuine
        assert answer["official"] == ("realtime.call.incoming" if genuine else None)
        if number % 2 == 0:
            assert answer["signature"] == case["headers"]["webhook-signature"]
