"""Secrets are masked wherever they could be shown."""

from __future__ import annotations

import copy
import pickle

import pytest

from realtime_ext._core.secrets import Secret, mask, redact
from tests.support.rows import each


def test_only_reveal_shows_a_secret() -> None:
    secret = Secret("sk-very-secret")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", format(secret, ""), repr([secret])]
    assert not [text for text in shown if "very" in text]
    assert secret.reveal() == "sk-very-secret"


def test_secrets_compare_by_value_and_have_no_other_attributes() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not hasattr(Secret("a"), "__dict__")
    assert Secret("a") and not Secret("")


def test_secrets_are_copied_within_the_process_and_never_pickled() -> None:
    secret = Secret("a")
    assert copy.deepcopy([secret]) == [secret]
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(secret)


@each(
    "text, shown",
    [
        ("Incorrect API key provided: sk-proj-abcdefgh12345678.", "Incorrect API key provided: ***."),
        ("Incorrect API key provided: sk-proj-****abcd.", "Incorrect API key provided: sk-proj-****abcd."),
        ("KEY_sk-svcacct-abcdefgh12345678", "KEY_***"),
        ("desk-lamp-for-reading", "desk-lamp-for-reading"),
        ('{"value":"ek_68af","expires_at":1}', '{"value":"***","expires_at":1}'),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw== is wrong", "*** is wrong"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("a=ice-ufrag:ab12\r\na=ice-pwd:x7\r\na=mid:0", "a=ice-ufrag:ab12\r\na=ice-pwd:***\r\na=mid:0"),
        ("https://h/v1?model=m&api-key=abc&x=1", "https://h/v1?model=m&api-key=***&x=1"),
        ("amqp://user:p:w@h:5672/ failed", "amqp://***@h:5672/ failed"),
        ("host=h user=u password=pw dbname=d", "host=h user=u password=*** dbname=d"),
        ("https://h:8443/v1?to=a@b.example", "https://h:8443/v1?to=a@b.example"),
        ("the week_end of a risk-assessment", "the week_end of a risk-assessment"),
    ],
)
def test_likely_secrets_are_masked(text: str, shown: str) -> None:
    assert mask(text) == shown


def test_known_secrets_are_taken_out_whatever_they_look_like() -> None:
    assert redact("key hunter2 and hunter2", ["", "hunter2"]) == "key *** and ***"
    assert mask("key hunter2", ["hunter2"]) == "key ***"
