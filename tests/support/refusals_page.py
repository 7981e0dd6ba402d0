"""docs/reference/refusals.md, made from the simulator's table; run this module to write it."""

from __future__ import annotations

from pathlib import Path

from realtime_simulator._engine.refusals import TABLE, Refusal

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "refusals.md"
_HEAD = """\
# What the simulator refuses

The simulator checks every event and every body against the API description. The service refuses more than
that, and so does the simulator, with the messages below. Parts in braces vary. Voices and transcription
models are only compared with the API description by the profile `openai`, the rest by `openai` and `azure`.

`realtime_ext` validates sessions before it sends them, and finds what can be known on the client: functions
without a name, two modalities, the type of another kind of session, limits, turn detection with a
transcription model that does not support it. An unknown name is sent, because the API may have added it.

Each entry has the code, the field (`param`), the message, and where the service was seen to refuse this.

"""
_IGNORED = """
Two changes have no effect, and are not refused:

"""


def page() -> str:
    """Return the page."""
    rows = TABLE.values()
    refused = "".join(_row(row) for row in rows if row.message)
    ignored = "".join(f"- {row.condition}. {_source(row)}\n" for row in rows if not row.message)
    return _HEAD + refused + _IGNORED + ignored


def _row(row: Refusal) -> str:
    param = "no field" if row.param is None else f"`{row.param}`"
    return f"- {row.condition}: `{row.code}`, {param}, “{row.message}” {_source(row)}\n"


def _source(row: Refusal) -> str:
    unknown = f" Not known: {row.unknown}." if row.unknown else ""
    return f"Source: {row.source}.{unknown}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
