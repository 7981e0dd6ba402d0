"""A session as the server tells it, made into one that can be asked for.

This module must not check anything.
"""

from __future__ import annotations

from typing import Any

from ._forms import Place, place
from ._kinds import Kind

__all__ = ["as_request"]


def as_request(body: dict[str, Any], kind: Kind, *, from_model: bool = False) -> dict[str, Any]:
    """Leave out what only the server says.

    Args:
        body: A session; one that has no `id` is not the server's and stays as it is.
        kind: Its kind.
        from_model: Whether it was a model. Those that only come in show null as absence; without turn
            detection, whose default is on, it was off.

    Returns:
        The session without its id, its end and such, and without the nulls by which the server says that
        nothing is set, where a request can't say null.
    """
    if "id" not in body:
        return body
    request, answer = place(kind.schema), place(kind.answer)
    own = answer.forms[0].properties.keys() - request.forms[0].properties.keys()
    cleared: dict[str, Any] = _without_nulls(request, {key: body[key] for key in body if key not in own})
    audio = cleared.get("audio")
    heard = audio.get("input") if isinstance(audio, dict) else None
    if from_model and isinstance(heard, dict) and kind.type is not None:
        heard.setdefault("turn_detection", None)
    return cleared


def _without_nulls(at: Place, value: Any) -> Any:
    forms = [form for form in at.forms if form.type == "object"]
    if not isinstance(value, dict) or len(forms) != 1:
        return value
    kept = {}
    for key, inner in value.items():
        there = forms[0].properties.get(key)
        if inner is None and there is not None and all(one.type != "null" for one in there.forms):
            continue
        kept[key] = inner if there is None else _without_nulls(there, inner)
    return kept
