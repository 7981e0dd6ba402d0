"""The simulator's Dockerfile: its steps, run here without Docker."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from realtime_simulator.cli._parsing import PORT

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

FILE = ROOT / "simulator" / "Dockerfile"
LINES = [
    line.partition(" ")[::2]
    for line in FILE.read_text(encoding="utf-8").splitlines()
    if re.match("[A-Z]", line)
]
LISTENS = ["--host", "0.0.0.0"]  # inside the container alone


def step(name: str) -> str:
    (found,) = [rest for one, rest in LINES if one == name]
    return found


def served(programs: Path) -> list[str]:
    """The container's command, on loopback and a free port."""
    (entry,) = json.loads(step("ENTRYPOINT"))
    assert json.loads(step("CMD")) == LISTENS
    return [str(programs / entry), "--host", "127.0.0.1", "--port", "0", "--json"]


def is_healthy(programs: Path, port: int) -> bool:
    program, *words = json.loads(step("HEALTHCHECK").partition(" CMD ")[2])
    checks = [word.replace(str(PORT), str(port)) for word in words]
    return (
        subprocess.run([programs / program, *checks], capture_output=True, timeout=PATIENCE).returncode == 0
    )


def check_serving(programs: Path) -> None:
    with subprocess.Popen(served(programs), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            port = urlsplit(json.loads(process.stdout.readline())["base_url"]).port
            assert port is not None and is_healthy(programs, port)
        finally:
            process.terminate()
            process.wait(60)
    assert not is_healthy(programs, port)


def test_it_serves_as_a_user_without_rights_on_the_documented_port() -> None:
    names = [name for name, _ in LINES]
    assert names.index("RUN") < names.index("USER") < names.index("ENTRYPOINT")
    assert step("USER") not in ("root", "0")
    assert step("EXPOSE") == str(PORT)
    assert {rest.split()[0] for name, rest in LINES if name == "COPY"} == {"generated", "simulator"}


def test_it_names_no_host_but_its_own() -> None:
    assert set(re.findall(r"://([^/:]+)", FILE.read_text(encoding="utf-8"))) == {"127.0.0.1"}
    assert re.fullmatch(r"python:3\.\d+-slim", step("FROM"))


@pytest.mark.programs
def test_its_command_serves_and_its_check_notices() -> None:
    check_serving(Path(sys.executable).parent)


@pytest.mark.slow
@pytest.mark.weekly
def test_its_packages_install_into_a_new_environment_and_serve(tmp_path: Path) -> None:
    """With uv in the place of pip, because it links what it has unpacked before."""
    for name, rest in LINES:
        if name == "COPY":
            source, target = rest.split()
            shutil.copytree(ROOT / source, f"{tmp_path}{target}")
    uv = Path(sys.executable).with_name("uv")
    venv = tmp_path / "venv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True, timeout=PATIENCE)
    installs = [shlex.split(rest) for name, rest in LINES if name == "RUN" and rest.startswith("pip ")]
    assert installs
    for install in installs:
        assert install[:3] == ["pip", "install", "--no-cache-dir"]
        packages = [f"{tmp_path}{package}" if package.startswith("/") else package for package in install[3:]]
        command = [uv, "pip", "install", "--python", venv, *packages]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    check_serving(venv / ("Scripts" if os.name == "nt" else "bin"))
