"""The conformance suite: the simulator passes it, and broken servers fail the right checks."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from realtime_simulator import Simulator, cli
from realtime_simulator._media.voice import synthesize
from realtime_simulator._suite import catalog, reports, runner, target as targets
from realtime_simulator._suite.check import CAPABILITIES, PRICES
from realtime_simulator._suite.runner import Result
from realtime_simulator._suite.target import Target
from websockets.exceptions import ConnectionClosedError
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tests.support.paths import ROOT
from tests.support.rows import each
from tests.support.waiting import PATIENCE

SECONDS = 60.0
Event = dict[str, Any]
Alteration = Callable[[Event], Event | None]


def run(sim: Simulator, *only: str, profile: str = "openai", budget: float | None = None) -> Sequence[Result]:
    speech = synthesize("Hello, my name is Ada.")
    return judged(
        Target(sim.base_url, sim.api_key, "gpt-realtime-2.1", budget, speech=speech), *only, profile=profile
    )


def judged(target: Target, *only: str, profile: str = "openai", seconds: float = SECONDS) -> Sequence[Result]:
    checks = catalog.chosen(only)
    plan = runner.plan(checks, profile, target.budget, rings=target.ring is not None)
    return runner.run(target, checks, plan, seconds=seconds)


def failed(results: Sequence[Result]) -> dict[str, str]:
    return {one.check.id: one.detail for one in results if one.status == runner.FAILED}


@pytest.fixture
def fresh() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as simulator:
        yield simulator


@pytest.mark.slow
@pytest.mark.early
def test_the_simulator_passes_all_checks_of_its_profile(sim: Simulator) -> None:
    results = run(sim)
    assert failed(results) == {}
    assert {one.check.area for one in results if one.status == runner.SKIPPED} == {"telephone"}


@pytest.mark.programs
@pytest.mark.weekly
def test_a_command_makes_the_simulator_ring(sim: Simulator) -> None:
    program = f"{sys.executable} -m realtime_simulator"
    ring = f"{program} incoming --to {{url}} --simulator {sim.base_url} --api-key {sim.api_key}"
    target = Target(sim.base_url, sim.api_key, "gpt-realtime-2.1", ring=ring)
    results = judged(target, "telephone")
    assert failed(results) == {} and runner.counts(results)["passed"] == 5


def test_a_command_that_fails_is_reported(sim: Simulator) -> None:
    target = Target(sim.base_url, sim.api_key, "gpt-realtime-2.1", ring="false {url}")
    results = judged(target, "P01")
    assert "--ring: false ended with 1" in failed(results)["P01"]


@pytest.mark.slow
def test_every_check_fails_on_a_server_without_the_api() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    async def main() -> Sequence[Result]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            target = Target(url, "sk-x", "gpt-realtime-2.1", speech=bytes(9600), ring="false {url}")
            return await asyncio.to_thread(judged, target)

    results = asyncio.run(main())
    assert [one.check.id for one in results if one.status != runner.FAILED] == []


class Altered:
    """A WebSocket whose events are altered, as if the server had sent them so; None is not sent."""

    def __init__(self, websocket: Any, alter: Alteration) -> None:
        self._websocket, self._alter = websocket, alter
        self.send, self.close = websocket.send, websocket.close

    async def recv(self) -> str:
        while (event := self._alter(json.loads(await self._websocket.recv()))) is None:
            pass
        return json.dumps(event)


def put(type: str, path: str, value: Any) -> Alteration:
    """Return an alteration that sets a field in all events of a type, where it is."""

    def alter(event: Event) -> Event:
        *places, last = path.split(".")
        inner: Any = event if type in ("*", event["type"]) else {}
        for place in places:
            inner = inner.get(place) or {}
        if last in inner:
            inner[last] = value
        return event

    return alter


def errors() -> set[str]:
    """Return the checks of refusals whose event has an id."""
    return {one.id for one in catalog.chosen(["errors"])} - {"E02", "E03", "E04"}


@pytest.mark.parametrize(
    ("alter", "areas", "wrong"),
    [
        (put("session.created", "session.id", ""), "sessions", {"S01", "S04"}),
        (put("session.created", "session.type", "x"), "sessions", {"S02", "S10"}),
        (put("session.created", "session.expires_at", 1), "sessions", {"S05"}),
        (put("session.updated", "session.instructions", ""), "sessions", {"S08", "S09", "S11"}),
        (put("session.updated", "session.tools", []), "sessions", {"S13", "S14"}),
        (put("conversation.item.added", "previous_item_id", "item_x"), "items", {"I02", "I06", "I07"}),
        (put("conversation.item.done", "item.id", "item_x"), "items", {"I01"}),
        (put("response.output_text.delta", "delta", "banana"), "turns", {"T02"}),
        (put("response.output_text.done", "text", "banana"), "turns", {"T02", "T05"}),
        (put("response.created", "response.status", "completed"), "turns", {"T03"}),
        (put("response.done", "response.status", "failed"), "turns,interruption", {"T04", "T14", "N03"}),
        (put("response.done", "response.metadata", None), "turns", {"T06"}),
        (put("response.done", "response.usage.total_tokens", 1), "turns,output audio", {"T07", "A03"}),
        (put("response.content_part.added", "response_id", "resp_x"), "turns", {"T08"}),
        (put("conversation.item.added", "item.id", "item_x"), "turns", {"T09"}),
        (put("*", "event_id", "1"), "turns,all events", {"T10", "Z02", "Z03"}),
        (
            put("response.done", "response.usage.output_token_details.text_tokens", 7**7),
            "turns,all events",
            {"Z03"},
        ),
        (put("response.output_audio.delta", "delta", "AAA"), "output audio", {"A04", "A08"}),
        (put("response.output_audio_transcript.delta", "delta", "x"), "output audio", {"A02"}),
        (put("conversation.item.truncated", "audio_end_ms", 0), "interruption", {"N01"}),
        (put("response.function_call_arguments.delta", "delta", "x"), "tools", {"F02"}),
        (put("response.function_call_arguments.done", "arguments", "{}"), "tools", {"F02", "F03"}),
        (put("response.function_call_arguments.done", "call_id", "c" * 40), "tools", {"F04"}),
        (put("error", "error.event_id", None), "errors", errors()),
        (put("input_audio_buffer.speech_started", "item_id", "x"), "turn detection", {"V02"}),
        (put("input_audio_buffer.speech_stopped", "audio_end_ms", 10**6), "turn detection", {"V03"}),
        (put("conversation.item.added", "previous_item_id", None), "turn detection", {"V04"}),
        (put("conversation.item.input_audio_transcription.delta", "delta", "x"), "transcription", {"R04"}),
        (put("session.output_transcript.delta", "delta", ""), "translation", {"X03"}),
        (put("session.output_audio.delta", "delta", "AAAA"), "live", {"L04", "L11"}),
        (put("session.input_transcript.delta", "start_ms", 7), "live", {"L05"}),
        (put("session.closed", "usage.seconds", 0), "live", {"L10"}),
        (put("conversation.item.added", "item.role", "x"), "sidebands", {"K03"}),
        (
            put("response.created", "type", "unknown"),
            "turns,all events",
            {"T01", "T03", "T08", "T10", "T11", "Z01", "Z03"},
        ),
    ],
)
@pytest.mark.slow
@pytest.mark.weekly
def test_a_server_that_alters_events_fails_the_right_checks(
    alter: Alteration, areas: str, wrong: set[str], sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = targets.connect

    async def altered(*arguments: Any, **options: Any) -> Altered:
        return Altered(await connect(*arguments, **options), alter)

    monkeypatch.setattr(targets, "connect", altered)
    assert set(failed(run(sim, *areas.split(",")))) == wrong


@pytest.mark.parametrize(
    ("kind", "every", "wrong"), [("output_text", 10, {"T02", "Z03"}), ("output_audio", 5, {"A08"})]
)
def test_a_delta_that_is_missing_now_and_then_is_noticed(
    kind: str, every: int, wrong: set[str], fresh: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = targets.connect

    async def dropping(*arguments: Any, **options: Any) -> Altered:
        number = itertools.count(1)

        def drop(event: Event) -> Event | None:
            return event if event["type"] != f"response.{kind}.delta" or next(number) % every else None

        return Altered(await connect(*arguments, **options), drop)

    monkeypatch.setattr(targets, "connect", dropping)
    assert set(failed(run(fresh, "T01", "T02", "A01", "A02", "A04", "A08", "Z03"))) == wrong


def test_an_error_that_is_missing_fails_its_own_checks(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = targets.connect

    def refuse(event: Event) -> Event:
        if event["type"] == "error":
            raise ConnectionClosedError(None, None)
        return event

    async def refusing(*arguments: Any, **options: Any) -> Altered:
        return Altered(await connect(*arguments, **options), refuse)

    monkeypatch.setattr(targets, "connect", refusing)
    assert set(failed(run(sim, "A01", "A02", "A06", "N01", "N02"))) == {"A06", "N02"}


def test_a_wrong_order_is_named_once(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = targets.connect
    types = {"response.content_part.added": "response.content_part.done"}
    types |= {after: before for before, after in types.items()}

    async def exchanging(*arguments: Any, **options: Any) -> Altered:
        return Altered(
            await connect(*arguments, **options),
            lambda event: {**event, "type": types.get(event["type"], event["type"])},
        )

    monkeypatch.setattr(targets, "connect", exchanging)
    said = failed(run(sim, "T01"))["T01"]
    assert said == "expected response.content_part.added before response.output_text.delta"


@pytest.mark.parametrize(
    "profile", [pytest.param("azure", marks=pytest.mark.weekly), "azure-voice-live", "xai", "beta"]
)
def test_other_profiles_pass_what_they_have(profile: str) -> None:
    with Simulator(pacing="none", espeak=False, profile=profile) as sim:
        results = run(sim, profile=profile)
    assert failed(results) == {}
    assert all(one.detail for one in results if one.status == runner.SKIPPED)


@pytest.mark.parametrize(
    ("fault", "settings", "only", "wrong"),
    [
        ("unknown_event", {}, ("S01", "I03", "Z01"), {"Z01"}),
        ("socket_drop", {"after": "response.output_text.done"}, ("S01", "T01", "A01"), {"T01"}),
        ("session_expired", {"after": "session.updated"}, ("S01", "S09", "I01"), {"S09"}),
        ("rate_limit", {"on": "client_secrets.create"}, ("S01", "C01", "C06"), {"C01", "C06"}),
        ("server_error", {"on": "client_secrets.create"}, ("S01", "C04"), {"C04"}),
    ],
)
def test_a_broken_server_fails_the_right_checks(
    fault: str, settings: dict[str, str], only: tuple[str, ...], wrong: set[str], fresh: Simulator
) -> None:
    fresh.fault(fault, **settings)
    assert set(failed(run(fresh, *only))) == wrong


def test_each_check_has_a_number_a_title_and_a_source() -> None:
    every = catalog.checks()
    assert len({one.title + one.area for one in every}) == len(every)
    assert all(one.source and one.title and set(one.needs) <= CAPABILITIES.keys() for one in every)
    assert all(set(one.uses) <= PRICES.keys() for one in every)


def test_the_page_lists_all_checks() -> None:
    page = (ROOT / "docs" / "simulator-conformance.md").read_text(encoding="utf-8")
    listed, area = [], ""
    for line in page.splitlines():
        if line.startswith("### "):
            area = line[4:].lower()
        elif re.match(r"\| [A-Z]\d\d \|", line):
            listed.append((area, line))
    expected = [(one.area, f"| {one.id} | {one.title} | {one.source} |") for one in catalog.checks()]
    assert listed == expected


def test_a_budget_is_not_exceeded(sim: Simulator) -> None:
    results = run(sim, "T01", "A01", budget=0.002)
    assert [one.status for one in results] == ["skipped", "passed"]  # A01 comes first, and is dear
    assert "budget of 0.002 USD" in results[0].detail


def command(sim: Simulator, *words: str) -> int:
    return cli.main(["conformance", "--base-url", sim.base_url, "--api-key", sim.api_key, *words])


def test_reports_are_written(sim: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / f"report{ending}" for ending in reports.REPORTS]
    words = [word for file in files for word in ("--report", str(file))]
    assert command(sim, "--only", "S01", "--only", "E01", *words) == 0
    assert "2 of 2 checks passed" in capsys.readouterr().out
    shown, junit, page, badge = (file.read_text(encoding="utf-8") for file in files)
    assert json.loads(shown)["counts"] == {"passed": 2, "failed": 0, "skipped": 0}
    suite = ElementTree.fromstring(junit)
    assert (suite.get("tests"), suite.get("failures"), len(suite)) == ("2", "0", 2)
    assert "2/2" in badge and badge in page
    assert all(sim.api_key not in text for text in (shown, junit, page, badge))


def test_a_report_is_printed_instead_of_the_table(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(sim, "--only", "S01", "--report", "json") == 0
    assert json.loads(capsys.readouterr().out)["counts"]["passed"] == 1
    assert command(sim, "--only", "S01", "--report", "junit") == 0
    assert ElementTree.fromstring(capsys.readouterr().out).get("tests") == "1"


def test_hostile_text_of_a_server_is_inert_in_reports() -> None:
    one = catalog.chosen(["E01"])[0]
    results = [Result(one, runner.FAILED, "<script>alert(1)</script>\x00\ud800")]
    assert "<script>" not in reports.as_html(results, {"base_url": "http://x/<b>"})
    [case] = ElementTree.fromstring(reports.as_junit(results, {}))
    assert case[0].get("message") == "<script>alert(1)</script>\ufffd\ufffd"
    assert json.loads(reports.as_json(results, {}))["checks"][0]["detail"].startswith("<script>")


def test_a_dry_run_says_what_it_would_cost(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["conformance", "--dry-run", "--only", "T01", "--only", "S01"]) == 0
    assert "2 checks, at most about 0.001 USD (text 0.001)" in capsys.readouterr().out
    assert cli.main(["conformance", "--dry-run", "--only", "T01,A01", "--budget", "0.005"]) == 0
    said = capsys.readouterr().out
    assert "2 checks, at most about 0.001 USD (text 0.001)" in said
    assert "(skipped: its responses would exceed the budget of 0.005 USD)" in said.splitlines()[0]


def test_a_wrong_key_fails_and_is_not_printed(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    key = "sk-wrong-and-secret-0123456789"
    words = ["conformance", "--base-url", sim.base_url, "--api-key", key, "--only", "S01,S02"]
    assert cli.main(words) == 1
    out, err = capsys.readouterr()
    assert "expected session.created" in out and key not in out + err
    assert "most checks failed because the server refuses the key" in err


def test_no_server_and_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nothing listens
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        assert cli.main(["conformance", "--base-url", url, "--api-key", "sk-x"]) == 3
    assert "no server answers" in capsys.readouterr().err


@each(
    "words, said",
    [
        (["--only", "X99"], "--only: 'X99' is not a check"),
        (["--only", "S01,X99"], "--only: 'X99' is not a check"),
        (["--only", ""], "--only: '' is not a check"),
        (["--profile", "xia"], "did you mean xai?"),
        (["--report", "x.pdf"], "--report: 'x.pdf' is none of json"),
        (["--report", "json", "--report", "html"], "--report: only one can be printed"),
        (["--base-url", "ftp://x"], "is not an http or https URL"),
        (["--base-url", "http:///v1"], "is not an http or https URL"),
        (["--base-url", "http://[::1/v1"], "is not a URL: Invalid IPv6 URL"),
        (["--base-url", "http://127.0.0.1:99999/v1"], "is not a URL: Port out of range"),
        (["--base-url", "http://me:hidden@127.0.0.1/v1"], "the key is passed as --api-key"),
        (["--base-url", "http://127.0.0.1/v1?key=hidden"], "the key is passed as --api-key"),
        (["--api-key", "hidden-ключ"], "printable ASCII"),
        (["--budget", "-1"], "--budget: a number of at least 0"),
        (["--timeout", "0"], "--timeout: more than 0 s"),
        (["--ring", "true"], "--ring: the command has no {url}"),
        (["--ring", "no-such-program {url}"], "--ring: there is no program 'no-such-program'"),
        (["--ring", "'{url}"], '--ring: "\'{url}" cannot be split into words'),
    ],
)
def test_wrong_arguments_are_refused_in_a_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["conformance", *words])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in error and "hidden" not in error
    assert error.count("\n") == 2  # the reason, and a hint


def test_a_report_that_cannot_be_written_is_refused_before_the_run(
    sim: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.html").mkdir()
    sessions = len(sim.sessions)
    for path, said in (("none/x.json", "No such folder"), ("folder.html", "Is a directory")):
        assert command(sim, "--only", "S01", "--report", str(tmp_path / path)) == 2
        assert said in capsys.readouterr().err
    assert len(sim.sessions) == sessions


def test_checks_are_named_in_lists_and_in_any_case() -> None:
    assert [one.id for one in catalog.chosen(["s01, S02", "Telephone"])] == [
        *(f"P0{number}" for number in range(1, 6)),
        "S01",
        "S02",
    ]


def test_a_server_of_web_pages_is_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n<html".encode())
        await writer.drain()
        writer.close()

    async def main() -> int:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            return await asyncio.to_thread(cli.main, ["conformance", "--base-url", url, "--api-key", "sk-x"])

    assert asyncio.run(main()) == 3
    assert "answers with web pages, not with the API" in capsys.readouterr().err


def test_a_server_that_hangs_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        target = Target(f"http://127.0.0.1:{silent.getsockname()[1]}/v1", "sk-x", "gpt-realtime-2.1")
        with pytest.raises(ConnectionError, match="does not answer"):
            judged(target, "S01", seconds=0.2)


def test_a_silent_server_is_given_up_after_a_few_checks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(targets, "_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(targets, "_LESS_SECONDS", 0.2)
    report = tmp_path / "report.json"

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        return None if "Upgrade" in request.headers else connection.respond(404, "")

    with serve(lambda connection: list(connection), "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.socket.getsockname()[1]}/v1"
        words = ["conformance", "--base-url", url, "--api-key", "sk-x", "--report", str(report)]
        assert cli.main(words) == 1
        server.shutdown()
        thread.join(PATIENCE)
    assert "the server accepts connections and sends no event" in capsys.readouterr().err
    checks = json.loads(report.read_text(encoding="utf-8"))["checks"]
    skipped = [one for one in checks if "sent no event to the checks before" in one["detail"]]
    assert len(skipped) > len(checks) / 2


def test_once_an_event_was_missing_others_are_waited_for_less(
    fresh: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "_WAIT_SECONDS", 0.4)
    monkeypatch.setattr(targets, "_LESS_SECONDS", 0.1)
    fresh.fault("beta_events")
    results = run(fresh, "S01", "S09", "I01", "I08")
    assert set(failed(results)) == {"I01", "I08"}
    waited = sorted(re.findall(r"no event came for ([\d.]+) s", " ".join(one.detail for one in results)))
    assert waited in (
        ["0.1", "0.4"],
        ["0.4", "0.4"],
    )  # the second began before the first had failed, or after
