"""Random API descriptions with every known trap: the package imports, type-checks, and loses nothing.

What is drawn is in `descriptions`: a few, and in the weekly run many, of which some are type-checked.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from specpipe.plan import Operation
from specpipe.plan.bodies import Body, Content

from tests.generated.drawing import TEXT, Drawn, endless, instances, values
from tests.specpipe.descriptions import descriptions
from tests.specpipe.packages import Imported, make
from tests.support.type_check import check_types

pytestmark = pytest.mark.slow

QUICK = settings(
    max_examples=5,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
LONG = settings(QUICK, max_examples=20)
EFFORTS = [pytest.param(QUICK, id="few"), pytest.param(LONG, id="many", marks=pytest.mark.weekly)]


@contextmanager
def imported(description: dict[str, Any]) -> Iterator[Imported]:
    with TemporaryDirectory() as folder, Imported(make(description, Path(folder))) as package:
        yield package


def present(value: Any) -> Any:
    """A JSON value without properties that are null, which is how a received model shows absence."""
    if isinstance(value, dict):
        return {key: present(item) for key, item in value.items() if item is not None}
    return [present(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("effort", EFFORTS)
def test_every_schema_is_generated_and_every_value_round_trips(effort: settings) -> None:
    @effort
    @given(descriptions(), st.data())
    def check(description: dict[str, Any], data: st.DataObject) -> None:
        with imported(description) as package:
            models, encode = package.module("models"), package.module("_base").encode
            assert set(models.__all__) == set(package.schemas) == set(package.made.plan.names)
            for name in models.__all__:
                decode = package.decoder(name)
                if endless({"$ref": name}, package.get):
                    continue
                value = data.draw(instances(name, Drawn(), get=package.get), label=name)
                made = decode(value)
                out = encode(made)
                assert present(out) == present(value)
                # A union member that was only identified by a null is not identified the second time.
                assert decode(out) == made or present(value) != value

    check()


@pytest.mark.parametrize("effort", EFFORTS)
def test_every_operation_sends_and_parses_as_described(effort: settings) -> None:
    @effort
    @given(descriptions(), st.data())
    def check(description: dict[str, Any], data: st.DataObject) -> None:
        wanted = sum(len(item) for item in description["paths"].values())
        with imported(description) as package:
            assert len(package.made.plan.operations) == wanted
            for operation in package.made.plan.operations.values():
                _exchange(package, operation, data)

    check()


def _exchange(package: Imported, operation: Operation, data: st.DataObject) -> None:
    """Send each kind of body once and answer with each kind of answer once."""

    def draw(schema: Any) -> Any:
        return data.draw(values(schema, package.get))

    if not any(endless(parameter.schema, package.get) for parameter in operation.parameters):
        arguments = {parameter.name: draw(parameter.schema) for parameter in operation.parameters}
        if not operation.bodies:
            _sent(package, operation, arguments)
        for body in operation.bodies:
            if not endless(body.schema, package.get):
                text = TEXT if body.annotation == "str" else st.binary()
                value = data.draw(text) if body.kind == "content" else draw(body.schema)
                _check_sent(package, operation, arguments, body, value)
    for status, content in _answers(operation):
        if content is None or content.kind != "json":
            _check_read(package, operation, status, content, "text")
        elif not endless(content.schema, package.get):
            _check_read(package, operation, status, content, draw(content.schema))


def _check_sent(
    package: Imported, operation: Operation, arguments: dict[str, Any], body: Body, value: Any
) -> None:
    if value is None or (body.kind in ("multipart", "form") and not isinstance(value, dict)):
        return
    typed = value if body.kind == "content" else package.typed(body.schema, value)
    more = {"content_type": body.media} if operation.choose_media else {}
    request = _sent(package, operation, {**arguments, "body": typed, **more})
    if request is None or (body.kind == "multipart" and not present(value)):
        return  # A multipart body has at least one part.
    sent = request.headers["content-type"]
    assert request.method == operation.method.upper()
    if body.kind == "multipart":
        assert sent.startswith("multipart/form-data; boundary=")
    else:
        assert sent.split(";")[0] == body.sent_media.split(";")[0]
    if body.kind == "json":
        assert present(json.loads(request.content)) == present(value)
    elif body.kind == "content":
        assert request.content == (value.encode() if isinstance(value, str) else value)


def _check_read(
    package: Imported, operation: Operation, status: int, content: Content | None, value: Any
) -> None:
    headers = {} if content is None else {"content-type": content.media.replace("*", "x-any")}
    body = json.dumps(value).encode() if content is not None and content.kind == "json" else b"text"
    response = httpx.Response(status, content=body, headers=headers)
    client = package.package.Client(base_url="http://127.0.0.1:9")
    parsed = package.operation(operation)._parse_response(client=client, response=response)
    if content is None:
        assert parsed is None
    elif content.kind == "json":
        assert present(package.module("_base").encode(parsed)) == present(value)
    else:
        assert parsed == ("text" if content.kind == "text" else b"text")


def _sent(package: Imported, operation: Operation, arguments: dict[str, Any]) -> httpx.Request | None:
    """Return the request, or None if the arguments are rejected as expected."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        requests.append(request)
        return httpx.Response(599)

    client = package.package.Client(base_url="http://127.0.0.1:9/v1")
    client.set_httpx_client(
        httpx.Client(base_url="http://127.0.0.1:9/v1", transport=httpx.MockTransport(answer))
    )
    module = package.operation(operation)
    try:
        built = module.build_request(**arguments)
        module.sync_detailed(client=client, **arguments)
    except ValueError as error:
        # An empty path segment, or a header with a line break: neither can be sent.
        assert re.search("is not a path segment|must not contain control characters", str(error))
        return None
    except TypeError as error:
        assert str(error).startswith("body must be ") and isinstance(arguments["body"], dict)
        return None
    (sent,) = requests
    assert sent.method == built.method and sent.url.raw_path.decode().startswith(f"/v1{built.path}")
    assert len(sent.content) == len(built.content)  # a boundary is drawn anew
    if "multipart" not in built.headers.get("Content-Type", ""):
        assert sent.content == built.content
    return sent


def _answers(operation: Operation) -> Iterator[tuple[int, Content | None]]:
    """Yield a status code of each response that no narrower one covers, with each content type."""
    taken: set[int] = set()
    for answer in operation.answers:
        codes = [code for code in range(max(200, answer.first), answer.last + 1) if code not in taken]
        taken.update(codes)
        if codes:
            yield from ((codes[-1], content) for content in answer.bodies or (None,))


def _typed_packages(folder: Path, count: int) -> list[str]:
    names: list[str] = []

    @settings(QUICK, max_examples=count)
    @given(descriptions())
    def collect(description: dict[str, Any]) -> None:
        name = f"drawn_{len(names)}"
        out = folder / f"{name}.new"
        out.mkdir(parents=True, exist_ok=True)
        make(description, out)
        (folder / f"{name}.json").write_text(json.dumps(description, ensure_ascii=False, indent=1))
        shutil.move(out / "realtime_api", folder / name)
        names.append(name)

    collect()
    return names


@pytest.mark.weekly
def test_every_package_passes_mypy(tmp_path: Path) -> None:
    names = _typed_packages(tmp_path, 12)
    assert len(names) >= 12
    printed = check_types(tmp_path, *names, other=True)
    assert "no issues found" in printed, printed[-4000:]
