"""Congruence: what the snapshots' servers answered, the simulator answers too, in status, type and shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from realtime_simulator import Simulator

from realtime_ext import sdp
from tests.support.record_snapshots import BASE_URL, CALL_ID, CASES, FOLDER, MODES, Case

PAIRS = [pytest.param(case, mode, id=f"{mode}-{case.name}") for mode in MODES for case in CASES]
# Headers whose presence is part of an answer's shape; their values differ.
HEADERS = ("location", "x-request-id", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests")


def shape(value: Any) -> Any:
    """A JSON value without its values: names and types, and of a list the shapes that occur in it."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        shapes = [shape(item) for item in value]
        return [item for index, item in enumerate(shapes) if item not in shapes[:index]]
    return type(value).__name__


def body_shape(kind: str, body: str) -> Any:
    if kind == "application/json":
        return shape(json.loads(body))
    if body.startswith("v=0"):
        answer = sdp.SessionDescription.parse(body)
        return [
            (
                media.kind,
                media.protocol,
                media.direction,
                media.get("setup"),
                sorted(codec.name for codec in media.codecs),
            )
            for media in answer.media
        ]
    return body


@pytest.mark.slow
@pytest.mark.parametrize(("case", "mode"), PAIRS)
def test_the_simulator_answers_as_the_snapshot_does(case: Case, mode: str) -> None:
    path: Path = FOLDER / mode / f"{case.name}.yaml"
    [interaction] = yaml.safe_load(path.read_text())["interactions"]
    request, recorded = interaction["request"], interaction["response"]
    with Simulator(pacing="none", espeak=False) as simulator:
        argument = case.prepare(simulator)
        key = argument if argument.startswith("ek_") else simulator.api_key
        headers = {"authorization": f"Bearer {'wrong' if case.name == 'refused.wrong_key' else key}"}
        if "content-type" in request["headers"]:
            headers["content-type"] = request["headers"]["content-type"][0]
        answer = httpx.request(
            request["method"],
            request["uri"].replace(BASE_URL, simulator.base_url).replace(CALL_ID, argument),
            headers=headers,
            content=(request["body"] or "").encode(),
        )
    kind = recorded["headers"].get("content-type", [""])[0]
    assert answer.status_code == recorded["status"]["code"]
    assert answer.headers.get("content-type", "") == kind
    assert body_shape(kind, answer.text) == body_shape(kind, recorded["body"]["string"])
    assert [name in answer.headers for name in HEADERS] == [name in recorded["headers"] for name in HEADERS]


def test_shapes_tell_types_and_names_apart() -> None:
    """Else the test above would pass on anything."""
    assert shape({"a": [1, 2], "b": None}) == {"a": ["int"], "b": "NoneType"}
    assert shape({"a": ["x"]}) != shape({"a": [1]})
    assert shape({"a": []}) != shape({"b": []})
    assert shape([{"a": 1}, {"b": 1}]) == [{"a": "int"}, {"b": "int"}]
