"""The command `realtime`: what it lists, what it passes on, and what it says when an extra is missing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from realtime_ext import RealtimeClient, __version__
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.programs

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")])}
COMMAND = [sys.executable, "-m", "realtime_kit.cli"]


def realtime(*arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [*COMMAND, *arguments],
        env={**ENVIRONMENT, "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def test_help_lists_the_commands_and_so_does_the_documentation() -> None:
    listed = set(re.findall(r"^  ([a-z]+)  ", realtime("--help").partition("Commands:")[2], re.M))
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert {"demo", "simulator", "talk"} <= listed
    assert set(re.findall(r"^\| `realtime ([a-z]+)", page, re.M)) == listed


def test_python_m_realtime_ext_is_the_command() -> None:
    line = [sys.executable, "-m", "realtime_kit", "--version"]
    done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == (f"realtime {__version__}\n", "")


def test_an_unknown_command_is_wrong_use() -> None:
    assert "No such command" in realtime("dmeo", status=2)


def test_the_simulator_serves_until_it_is_interrupted() -> None:
    with subprocess.Popen(
        [*COMMAND, "simulator", "--port=0", "--json"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        with RealtimeClient(facts["api_key"], base_url=facts["base_url"]) as client:
            assert client.client_secrets.create().value.startswith("ek_")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")


def test_the_simulators_own_options_are_shown_and_checked() -> None:
    assert "--api-key" in realtime("simulator", "--help")
    realtime("simulator", "--prot=1", status=2)


MISSING = """
import contextlib, io, json, sys

sys.argv = ["realtime", "demo"]
for missing in json.loads(sys.stdin.readline()):
    hidden = {name: sys.modules.pop(name) for name in [*sys.modules] if name.partition(".")[0] == missing}
    for name in [name for name in sys.modules if name.startswith(("realtime_ext", "realtime_kit"))]:
        del sys.modules[name]
    sys.modules[missing] = None
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            from realtime_kit.cli import main

            main()
        except SystemExit as ended:
            status = ended.code
    print(json.dumps([status, out.getvalue(), err.getvalue()]))
    del sys.modules[missing]
    sys.modules.update(hidden)
"""
EXTRAS = {
    "typer": "cli",
    "rich": "cli",
    "numpy": "cli",
    "matplotlib": "cli",
    "aiortc": "webrtc",
    "realtime_simulator": "realtime-simulator",
}


def test_a_missing_extra_is_named_at_once() -> None:
    """In one process, which imports the command anew for each package."""
    done = subprocess.run(
        [sys.executable, "-c", MISSING],
        env=ENVIRONMENT,
        input=json.dumps([*EXTRAS]),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    ended = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(ended) == len(EXTRAS), done.stderr
    for (missing, extra), (status, out, err) in zip(EXTRAS.items(), ended, strict=True):
        assert (status, out) == (2, ""), missing
        package = {"cli": "'realtime-kit[cli]'", "webrtc": "'realtime-ext[webrtc]'"}.get(extra, extra)
        assert f"pip install {package}" in err and "Traceback" not in err, missing
