"""Released clients of others run against the simulator as they are, knowing its address and key alone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from realtime_simulator import Simulator, call_tool, sequence

from tests.support.paths import PEER_PYTHON, PEERS, ROOT

pytestmark = pytest.mark.slow
NODE = ROOT / "build" / "node"
SCRIPTS = ROOT / "tests" / "support" / "node"
SAID = "It is sunny in Paris."


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
    process = subprocess.Popen(
        ["node", "--input-type=module", "--eval", (SCRIPTS / script).read_text()],
        cwd=NODE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process


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
            _, errors = process.communicate(timeout=60)
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
        output, errors = node("agents.mjs", environment).communicate(timeout=60)
    assert output, errors[-2000:]
    assert json.loads(output) == {
        "said": SAID,
        "called": ["Paris"],
        "errors": [],
        "kinds": ["message", "function_call", "message"],
    }


def test_the_agents_sdk_for_python_runs_its_tool_and_is_interrupted() -> None:
    if not PEER_PYTHON.exists():
        pytest.fail("build/peers is missing: run `make peers` first")
    with simulated() as (_, environment):
        run = subprocess.run(
            [PEER_PYTHON, PEERS / "agents_sdk.py"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
    assert run.returncode == 0, run.stderr[-2000:]
    facts = json.loads(run.stdout)
    assert facts["called"] == ["Paris"] and facts["errors"] == []
    assert {"tool_end", "audio", "audio_interrupted"} <= set(facts["seen"])
    assert {"conversation.item.truncated", "response.done"} <= set(facts["raw"])
