"""repair: it repairs line ends and touches nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from realtime_ext.errors import SdpError
from realtime_ext.sdp import check_offer, repair
from tests.samples.sdp import NAMES, sample
from tests.support.examples import check_each
from tests.support.rows import each

DAMAGE = {
    "trimmed": lambda text: text.strip(),
    "LF": lambda text: text.replace("\r\n", "\n"),
    "LF, trimmed": lambda text: text.strip().replace("\r\n", "\n"),
    "CR": lambda text: text.replace("\r\n", "\r"),
    "LF in the first half": lambda text: (
        text[: len(text) // 2].replace("\r\n", "\n") + text[len(text) // 2 :]
    ),
    "final CR": lambda text: text[:-1],
    "final LF": lambda text: text[:-2] + "\n",
    "none": lambda text: text,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_description_whose_line_ends_were_damaged_is_as_it_was(
    damage: str, subtests: pytest.Subtests
) -> None:
    def check(name: str) -> None:
        damaged = DAMAGE[damage](sample(name))
        assert repair(damaged) == sample(name)
        assert repair(damaged.encode()) == sample(name).encode()

    check_each(subtests, NAMES, check)


@each("damage", [name for name in DAMAGE if name != "none"])
def test_an_offer_is_taken_once_repaired(damage: str) -> None:
    damaged = DAMAGE[damage](sample("offer-chromium-audio"))
    assert check_offer(damaged)
    assert check_offer(repair(damaged)) == []


@each(
    "text, repaired",
    [
        ("", ""),
        ("\n", "\r\n"),
        ("\r", "\r\n"),
        ("\n\r", "\r\n\r\n"),
        ("\r\r\n", "\r\n\r\n"),
        ("a", "a\r\n"),
        (" a \n\n b", " a \r\n\r\n b\r\n"),
        ("a\u2028b\x85c\x0bd\x0ce\n", "a\u2028b\x85c\x0bd\x0ce\r\n"),
        ("garbage\0", "garbage\0\r\n"),
        ("\ud800", "\ud800\r\n"),
    ],
)
def test_only_line_ends_are_changed(text: str, repaired: str) -> None:
    assert repair(text) == repaired


def test_bytes_need_not_be_text() -> None:
    assert repair(b"\xff\n\x85\xe2\x80\xa8") == b"\xff\r\n\x85\xe2\x80\xa8\r\n"


@each("text", [None, 5, ["v=0"], bytearray(b"v=0")])
def test_other_types_than_text_and_bytes_are_refused(text: object) -> None:
    with pytest.raises(SdpError, match=f"not as {type(text).__name__}"):
        repair(text)  # type: ignore[call-overload]


@given(st.text() | st.text(alphabet="\r\na=\u2028"))
def test_every_line_ends_with_crlf_and_repairing_twice_changes_nothing(text: str) -> None:
    repaired = repair(text)
    assert (
        re.split("\r\n|\r|\n", repaired)[: -1 if repaired else None]
        == re.split("\r\n|\r|\n", text if text.endswith(("\r", "\n")) or not text else text + "\n")[
            : -1 if text else None
        ]
    )
    assert not re.search("(?<!\r)\n|\r(?!\n)", repaired)
    assert repaired.endswith("\r\n") or not text
    assert repair(repaired) == repaired
