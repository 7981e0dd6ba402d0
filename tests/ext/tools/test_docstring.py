"""Google-style docstrings taken apart."""

from __future__ import annotations

from realtime_ext.tools._definitions import parse_docstring
from tests.support.rows import each


def test_the_description_is_all_before_the_first_section() -> None:
    parsed = parse_docstring(
        """Book a room.

        Only after the caller
        has agreed.

        Args:
            room: Its name.
            nights (int): How many,
                counted from today.
            *extras: More.

        Returns:
            room: not an argument.
        """
    )
    assert parsed.description == "Book a room.\n\nOnly after the caller\nhas agreed."
    assert parsed.arguments == {
        "room": "Its name.",
        "nights": "How many, counted from today.",
        "extras": "More.",
    }


@each("heading", ["Args", "Arguments", "Parameters", "Keyword Args", "Attributes"])
def test_arguments_go_by_several_headings(heading: str) -> None:
    assert parse_docstring(f"X.\n\n{heading}:\n    a: One.\n").arguments == {"a": "One."}


@each("heading", ["Returns", "Raises", "Example", "Note", "Yields"])
def test_other_sections_are_left_out(heading: str) -> None:
    parsed = parse_docstring(f"X.\n\n{heading}:\n    ValueError: bad.\n\nArgs:\n    a: One.")
    assert (parsed.description, parsed.arguments) == ("X.", {"a": "One."})


def test_a_text_may_start_on_its_own_line_and_have_colons_and_blank_lines() -> None:
    parsed = parse_docstring(
        "X.\n\nArgs:\n    a:\n        One: the first.\n\n    b: Two\n        c: still b."
    )
    assert parsed.arguments == {"a": "One: the first.", "b": "Two c: still b."}


@each("text", [None, "", "   \n  "])
def test_no_docstring_gives_nothing(text: str | None) -> None:
    assert parse_docstring(text).description == ""
    assert parse_docstring(text).arguments == {}


def test_prose_that_only_looks_like_a_section_stays() -> None:
    assert (
        parse_docstring("Takes this: a room.\nAnd that:\n  more").description
        == "Takes this: a room.\nAnd that:\n  more"
    )


def test_prose_after_the_arguments_is_ignored() -> None:
    assert parse_docstring("X.\n\nArgs:\n    a: One.\n\nThe end: here.\n    b: no.").arguments == {
        "a": "One."
    }
