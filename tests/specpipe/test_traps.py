"""Each known trap of the generator: that it exists, and that the pipeline fixes it.

`stock` is what the generator makes by itself of the sample description, `traps` what the pipeline makes of
it.  A test whose stock half fails means that the generator was fixed upstream and that a transform or
template may go.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.support.rows import each
from tests.support.type_check import check_types

pytestmark = pytest.mark.slow


def module(package: ModuleType, name: str) -> Any:
    return importlib.import_module(f"{package.__name__}.{name}")


def client(package: ModuleType, answer: Any) -> Any:
    made = package.AuthenticatedClient(base_url="http://127.0.0.1:9/v1", token="secret-token-0123")
    return made.set_httpx_client(
        httpx.Client(base_url="http://127.0.0.1:9/v1", transport=httpx.MockTransport(answer))
    )


def seen(package: ModuleType, operation: str, *arguments: Any, **options: Any) -> httpx.Request:
    """The request that an operation sends."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        requests.append(request)
        return httpx.Response(201, text="v=0\r\n", headers={"content-type": "application/sdp"})

    module(package, f"api.realtime.{operation}").sync_detailed(
        *arguments, client=client(package, answer), **options
    )
    return requests[0]


def thing(**changes: Any) -> dict[str, Any]:
    return {"items": [], "status": "open", "detail": {"reason": "r"}, **changes}


@pytest.mark.programs
def test_operations_with_duplicate_titles_are_kept(traps_folder: Path, stock_folder: Path) -> None:
    said = (stock_folder.parent / "said.txt").read_text()
    assert "WARNING" in said and "ERROR" not in said
    stock = {path.stem for path in (stock_folder / "api" / "realtime").glob("*.py")}
    assert "second_thing" not in stock
    made = {path.stem for path in (traps_folder / "realtime_api" / "api" / "realtime").glob("*.py")}
    # The patches bring an operation of their own.
    assert made - {"create_realtime_translation_call"} == {
        "__init__",
        "first_thing",
        "second_thing",
        "two_media",
    }


def test_multipart_parts_have_the_described_types_and_a_random_boundary(
    traps: ModuleType, stock_folder: Path
) -> None:
    assert "boundary=+++" in (stock_folder / "api" / "realtime" / "two_media.py").read_text()
    upload = module(traps, "models").RealtimeUpload
    bodies = [seen(traps, "two_media", "rtc_1", body=upload(sdp="v=0\r\n", session=None)) for _ in range(2)]
    boundaries = {request.headers["content-type"].partition("boundary=")[2] for request in bodies}
    assert len(boundaries) == 2 and all(len(boundary) >= 16 for boundary in boundaries)
    session = module(traps, "models").RealtimeUploadSession(type="realtime")
    request = seen(traps, "two_media", "rtc_1", body=upload(sdp="v=0\r\n", session=session))
    parts = request.content.split(b"--" + request.headers["content-type"].partition("boundary=")[2].encode())[
        1:-1
    ]
    heads = [part.partition(b"\r\n\r\n")[0].strip().lower() for part in parts]
    assert [b"application/sdp" in heads[0], b"application/json" in heads[1]] == [True, True]
    assert all(b"filename" not in head for head in heads)
    assert parts[0].partition(b"\r\n\r\n")[2] == b"v=0\r\n\r\n"
    assert json.loads(parts[1].partition(b"\r\n\r\n")[2]) == {"type": "realtime"}


def test_a_second_media_type_is_sent_raw(traps: ModuleType, stock: ModuleType) -> None:
    with pytest.raises(Exception):  # noqa: B017 - whatever the import of a broken module raises
        module(stock, "api.realtime.two_media")
    request = seen(traps, "two_media", "rtc_1", body="v=0\r\ns=-\r\n")
    assert (request.headers["content-type"], request.content) == ("application/sdp", b"v=0\r\ns=-\r\n")


def test_a_dropped_inline_schema_is_a_class(traps: ModuleType, stock_folder: Path) -> None:
    stock_models = {path.stem for path in (stock_folder / "models").glob("*.py")}
    made = module(traps, "models").RealtimeThing.from_dict(thing(dropped={"left": {"deep": "x"}}))
    assert made.dropped.left.deep == "x"
    assert type(made.dropped).__name__ == "RealtimeThingDropped"
    assert "realtime_thing_dropped" not in stock_models


def test_unions_use_their_discriminator(traps: ModuleType) -> None:
    models = module(traps, "models")
    made = models.RealtimeThing.from_dict(
        thing(items=[{"type": "dog"}, {"type": "cat"}, {"type": "eel", "volts": 1}])
    )
    assert [type(item).__name__ for item in made.items] == ["RealtimeDog", "RealtimeCat", "dict"]
    assert made.to_dict()["items"] == [{"type": "dog"}, {"type": "cat"}, {"type": "eel", "volts": 1}]


def test_unknown_enum_values_are_kept(traps: ModuleType) -> None:
    assert module(traps, "models").RealtimeThing.from_dict(thing(status="ajar")).to_dict()["status"] == "ajar"


def test_the_stock_generator_rejects_unknown_enum_values(stock: ModuleType) -> None:
    with pytest.raises(Exception, match=r"ajar|Unexpected"):
        module(stock, "models.realtime_thing").RealtimeThing.from_dict(thing(status="ajar"))


@each("key", ["items", "status", "detail", "dropped", "list", "Any"])
def test_null_is_accepted_anywhere(traps: ModuleType, key: str) -> None:
    model = module(traps, "models").RealtimeThing
    made = model.from_dict(thing(**{key: None}))
    assert model.from_dict(made.to_dict()) == made


@each("status", [200, 418, 520, 599])
def test_status_codes_unknown_to_python(traps: ModuleType, status: int) -> None:
    body = module(traps, "models").RealtimeFirst()
    answered = module(traps, "api.realtime.first_thing").sync_detailed(
        client=client(traps, lambda request: httpx.Response(status, json=thing())), body=body
    )
    assert answered.status_code == status


def test_the_repr_does_not_show_the_token(traps: ModuleType, stock: ModuleType) -> None:
    assert "secret-token" in repr(stock.AuthenticatedClient(base_url="http://h", token="secret-token-0123"))
    made = traps.AuthenticatedClient(base_url="http://user:pass@h/v1?key=abc", token="secret-token-0123")
    shown = repr(made.with_headers({"x-key": "hidden-header"}).with_cookies({"c": "hidden-cookie"}))
    assert shown.startswith("AuthenticatedClient(") and "//h/v1" in shown
    assert not any(word in shown for word in ("secret-token", "pass", "abc", "hidden"))


def test_models_are_imported_on_use(traps_folder: Path, stock_folder: Path) -> None:
    """The generator's `models/__init__` imports every model; ours imports the one that is asked for."""
    assert "import RealtimeThing" in (stock_folder / "models" / "__init__.py").read_text()
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import realtime_api.models as m; m.RealtimeCat; "
        "print(sorted(n for n in sys.modules if n.startswith('realtime_api.models.')))"
    )
    command = [sys.executable, "-I", "-c", program, str(traps_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['realtime_api.models.realtime_cat']"


def test_attributes_have_the_names_of_keys_and_type_check(traps: ModuleType, traps_folder: Path) -> None:
    model = module(traps, "models").RealtimeThing
    data = thing(**{"type": "t", "list": ["l"], "str": "s", "self": "me", "class": "c"})
    made = model.from_dict(data)
    assert (made.type, made.list, made.str, made.self_, made.class_) == ("t", ["l"], "s", "me", "c")
    assert made.to_dict() == data
    printed = check_types(traps_folder, "realtime_api", other=True)
    assert "no issues found" in printed, printed


def test_errors_are_parsed_and_gateway_html_is_not(traps: ModuleType) -> None:
    operation, body = module(traps, "api.realtime.first_thing"), module(traps, "models").RealtimeFirst()

    def parsed(response: httpx.Response) -> Any:
        return operation.sync(client=client(traps, lambda request: response), body=body)

    refusal = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": "x"}}
    assert parsed(httpx.Response(400, json=refusal)).error.message == "no"
    assert parsed(httpx.Response(400, json={"message": "no envelope"})) is None
    assert parsed(httpx.Response(400, text="<html>")) is None
    assert parsed(httpx.Response(400, json=["x"])) is None
    with pytest.raises(module(traps, "errors").ModelError, match="not JSON"):
        parsed(httpx.Response(200, text="<html>"))


def test_path_parameters_stay_one_segment(traps: ModuleType) -> None:
    request = seen(traps, "two_media", "a/../b?c#d%", body="v=0")
    assert request.url.raw_path == b"/v1/realtime/calls/a%2F..%2Fb%3Fc%23d%25"
    for empty in ("", ".", ".."):
        with pytest.raises(ValueError, match="call_id"):
            seen(traps, "two_media", empty, body="v=0")
