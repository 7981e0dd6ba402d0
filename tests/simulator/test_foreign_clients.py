"""Released clients of others run against the simulator as they are, knowing its address and key alone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from realtime_simulator import Call, Simulator, call_tool, sequence
from realtime_simulator._media import voice

from realtime_ext import RealtimeClient
from tests.simulator.receiver import listening
from tests.support.chromium import chromium
from tests.support.paths import PEER_PYTHON, PEERS, ROOT
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.slow
NODE = ROOT / "build" / "node"
SCRIPTS = ROOT / "tests" / "support" / "node"
SAID = "It is sunny in Paris."
# So long that it is still said when a busy machine gets to interrupt it.
GREETING = "Good morning, this is the weather office. " * 5 + "How can we help you?"


@contextmanager
def simulated(**given: Any) -> Iterator[tuple[Simulator, dict[str, str]]]:
    """A simulator that calls a tool first, and the environment for its clients."""
    with Simulator(espeak=False, **given) as simulator:
        simulator.on_response(sequence(call_tool("get_weather", {"city": "Paris"}), SAID, SAID))
        yield (
            simulator,
            {
                **os.environ,
                "OPENAI_BASE_URL": simulator.base_url,
                "OPENAI_API_KEY": simulator.api_key,
                "OPENAI_WEBHOOK_SECRET": simulator.webhook_secret,
            },
        )


def node(script: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a script as a module of build/node."""
    assert (NODE / "node_modules").exists(), "make build/node/.installed first"
    return started(["node", "--input-type=module", "--eval", (SCRIPTS / script).read_text()], environment)


def python(script: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a script with the packages of build/peers."""
    assert PEER_PYTHON.exists(), "make peers first"
    return started([PEER_PYTHON, PEERS / script], environment)


def started(command: list[str | Path], environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=NODE if command[0] == "node" else ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.node
def test_the_official_package_for_node_converses_and_answers_the_phone(tmp_path: Path) -> None:
    certificate = tmp_path / "simulator.pem"  # it speaks wss only
    with simulated(tls=certificate) as (simulator, environment):
        process = node("official.mjs", {**environment, "NODE_EXTRA_CA_CERTS": str(certificate)})
        facts: dict[str, Any] = {}
        assert process.stdout is not None
        try:
            for line in process.stdout:
                facts |= json.loads(line)
                if "listens" in facts and "phone" not in facts:
                    simulator.incoming_call(to=f"http://127.0.0.1:{facts['listens']}/")
            _, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0, errors[-2000:]
    seen = set(facts.pop("seen"))
    del facts["listens"]
    assert facts == {
        "secret": "ek_",
        "session": "realtime",
        "said": SAID,
        "refused": "invalid_api_key",
        "close": 3000,
        "webhook": "realtime.call.incoming",
        "phone": SAID,
        "again": "call_id_not_found",
    }
    assert {"session.updated", "response.function_call_arguments.delta", "response.output_text.delta"} <= seen


@pytest.mark.node
def test_the_agents_sdk_for_javascript_runs_its_tool() -> None:
    with simulated() as (_, environment):
        output, errors = node("agents.mjs", environment).communicate(timeout=PATIENCE)
    assert output, errors[-2000:]
    assert json.loads(output) == {
        "said": SAID,
        "called": ["Paris"],
        "errors": [],
        "kinds": ["message", "function_call", "message"],
    }


def test_the_agents_sdk_for_python_runs_its_tool_and_is_interrupted() -> None:
    with simulated() as (_, environment):
        output, errors = python("agents_sdk.py", environment).communicate(timeout=3 * PATIENCE)
    assert output, errors[-2000:]
    facts = json.loads(output)
    assert facts["called"] == ["Paris"] and facts["errors"] == []
    assert {"tool_end", "audio", "audio_interrupted"} <= set(facts["seen"])
    assert {"conversation.item.truncated", "response.done"} <= set(facts["raw"])


TOOLS = {"get_weather", "transfer", "hang_up"}


def telephoned(simulator: Simulator, process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Call an agent twice, and return what it printed.

    The first caller asks when the greeting is over, and is transferred. The second one speaks into the
    greeting, and is hung up on.
    """
    words = iter(("What is the weather like?", "Transfer me, please.", "Please hang up."))
    simulator.on_response(GREETING)
    simulator.on_response(sequence(call_tool("get_weather", {"city": "Paris"}), SAID), match="weather like")
    simulator.on_response(call_tool("transfer", {"number": "+14155550123"}), match="Transfer")
    simulator.on_response(call_tool("hang_up", {}), match="hang up")
    simulator.on_speech(lambda heard: next(words))
    simulator.on_refer(200)
    spoken = voice.synthesize("Hello, is anybody there?")
    assert process.stdout is not None

    def says(call: Call, when: str, times: int = 1) -> None:
        simulator.wait_for(lambda: call.session.types_sent().count(when) == times)
        simulator.caller_says(call, spoken)

    try:
        address = f"http://127.0.0.1:{json.loads(process.stdout.readline())['listens']}/"
        transferred = simulator.incoming_call(address, line_speed=5)
        says(transferred, "output_audio_buffer.stopped")
        says(transferred, "output_audio_buffer.stopped", 2)
        simulator.wait_for(lambda: transferred.ended == "referred")
        hung_up_on = simulator.incoming_call(address)
        says(hung_up_on, "output_audio_buffer.started")
        simulator.wait_for(lambda: hung_up_on.ended == "hangup")
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, errors[-2000:]
    assert transferred.refers == ["tel:+14155550123"]
    assert {"output_audio_buffer.cleared", "conversation.item.truncated"} <= set(
        hung_up_on.session.types_sent()
    )
    for call in (transferred, hung_up_on):
        assert call.session.config["instructions"] == "Be brief."
        assert [tool["name"] for tool in call.session.config["tools"]] == [
            "get_weather",
            "transfer",
            "hang_up",
        ]
        assert "error" not in call.session.types_sent()
    return [json.loads(line) for line in output.splitlines()]


# What an agent understood of the two calls.
ANSWERED = {
    "called": [["get_weather", "Paris"], ["transfer", "+14155550123"]],
    "said": [["assistant", GREETING], ["user", "What is the weather like?"], ["assistant", SAID]],
    "again": "call_id_not_found",
}
HUNG_UP = {"called": [["hang_up"]], "again": "call_id_not_found"}


@pytest.mark.weekly
def test_the_agents_sdk_for_python_answers_the_phone() -> None:
    with simulated() as (simulator, environment):
        said = telephoned(simulator, python("agents_sdk_phone.py", environment))
    check_phone(said, ended=["cut"])


@pytest.mark.node
@pytest.mark.weekly
def test_the_agents_sdk_for_javascript_answers_the_phone() -> None:
    with simulated() as (simulator, environment):
        said = telephoned(simulator, node("agents_phone.mjs", environment))
    check_phone(said, ended=[])


def check_phone(printed: list[dict[str, Any]], ended: list[str]) -> None:
    """Hold what an agent printed against what was said to it."""
    # The second call may be announced before the first one's facts are printed.
    announced = [facts for facts in printed if "webhook" in facts]
    answered, hung_up = sorted(
        (facts for facts in printed if "called" in facts), key=lambda facts: facts["called"]
    )
    assert [facts["webhook"] for facts in announced] == ["realtime.call.incoming"] * 2
    assert announced[0]["caller"].startswith("<sip:+14155550100@")
    answered["said"] = answered["said"][:3]  # a transferred caller may be gone before the transcript comes
    for facts, expected in ((answered, ANSWERED), (hung_up, HUNG_UP)):
        assert {key: facts[key] for key in expected} == expected
        assert facts["errors"] == ended
        assert {"session.updated", "response.function_call_arguments.done", "response.done"} <= set(
            facts["seen"]
        )
    assert "output_audio_buffer.cleared" in hung_up["seen"]


BUNDLE = NODE / "node_modules" / "@openai" / "agents-realtime" / "dist" / "bundle"


class Bundle(SimpleHTTPRequestHandler):
    """Serves the agents SDK for browsers as its package ships it, from an origin that is not the API's."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, directory=str(BUNDLE), **given)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.node
@pytest.mark.browser
def test_the_agents_sdk_for_browsers_calls_by_webrtc() -> None:
    assert BUNDLE.exists(), "make build/node/.installed first"
    with simulated() as (simulator, _), listening(Bundle) as origin, chromium() as browser:
        simulator.on_response(sequence(call_tool("get_weather", {"city": "Paris"}), GREETING))
        with RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
            secret = client.client_secrets.create().value
        page = browser.new_page()
        page.goto(origin)
        facts = page.evaluate((SCRIPTS / "agents_page.js").read_text(), [simulator.base_url, secret])
        (call,) = simulator.calls
        simulator.wait_for(lambda: call.ended is not None)
    assert facts.pop("call") == call.id
    assert {"session.updated", "output_audio_buffer.started", "output_audio_buffer.cleared"} <= set(
        facts.pop("seen")
    )
    assert facts == {"said": GREETING, "called": ["Paris"], "errors": []}
    assert call.session.config["instructions"] == "Be brief."
