"""What the author of another package gets who pins `realtime-api-client`: wheel, sdist and types.

The wheel is built from `generated/` alone and installed in an empty environment; a small program is checked
there by mypy and pyright, strictly, and calls the simulator.
"""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import realtime_api
from packaging.requirements import Requirement
from realtime_simulator import Simulator
from specpipe import source

from tests.support.docs_page import blocks
from tests.support.paths import ROOT, SAMPLES

GENERATED = ROOT / "generated"
PYRIGHT = ROOT / "build" / "node" / "node_modules" / ".bin" / "pyright"
LOCK = tomllib.loads((GENERATED / "generated.lock").read_text(encoding="utf-8"))
SOURCE = tomllib.loads((ROOT / "openapi" / "SOURCE.toml").read_text(encoding="utf-8"))

PROGRAM = """
import os

from realtime_api import SPEC_SHA256, SPEC_VERSION, AuthenticatedClient, __version__, models
from realtime_api.api.realtime import create_realtime_call, create_realtime_client_secret
from realtime_api.events import SERVER_EVENTS
from realtime_api.types import UNSET


def session(model: str) -> models.RealtimeSessionCreateRequestGA:
    detection = models.RealtimeServerVad(threshold=0.5)
    audio = models.RealtimeAudioConfig(input=models.RealtimeAudioConfigInput(turn_detection=detection))
    made = models.RealtimeSessionCreateRequestGA(model=model, audio=audio)
    assert made.type == "realtime" and audio.input is not None and audio.input.noise_reduction is UNSET
    return made


def secret(client: AuthenticatedClient) -> str:
    body = models.RealtimeCreateClientSecretRequest(session=session("gpt-realtime-2.1"))
    answer = create_realtime_client_secret.sync_detailed(client=client, body=body)
    if not isinstance(answer.parsed, models.RealtimeCreateClientSecretResponse):
        raise SystemExit(f"refused: {answer.status_code}")
    return answer.parsed.value


def call(client: AuthenticatedClient, offer: str) -> tuple[str, str]:
    answer = create_realtime_call.sync_detailed(client=client, body=offer)
    if not isinstance(answer.parsed, str):
        raise SystemExit(f"refused: {answer.status_code} {answer.parsed}")
    return answer.headers["location"], answer.parsed


def main() -> None:
    base_url = os.environ["BASE_URL"]
    with AuthenticatedClient(base_url=base_url, token=os.environ["KEY"]) as client:
        value = secret(client)
    with open(os.environ["OFFER"], newline="") as file:
        offer = file.read()
    with AuthenticatedClient(base_url=base_url, token=value) as client:
        location, answer = call(client, offer)
    event = SERVER_EVENTS["response.done"]
    print(value[:3], location.rsplit("/", 1)[0], answer[:5].strip(), event.__name__)
    print(__version__, SPEC_VERSION)
    assert len(SPEC_SHA256) == 64


main()
"""
MISTAKES = """
from realtime_api import AuthenticatedClient, models
from realtime_api.api.realtime import create_realtime_client_secret

models.RealtimeSessionCreateRequest4GA
models.RealtimeSessionCreateRequestGA(modle="gpt-realtime-2.1")
models.RealtimeServerVad(threshold="0.5")
AuthenticatedClient(base_url="https://h")
client = AuthenticatedClient(base_url="https://h", token="t")
create_realtime_client_secret.sync(client=client, body={"session": {}})
answer = create_realtime_client_secret.sync(client=client, body=models.RealtimeCreateClientSecretRequest())
answer.value
"""
WRONG_LINES = {5, 6, 7, 8, 10, 12}


def run(command: list[object], cwd: Path, *, status: int | None = 0, **variables: str) -> str:
    """Run a command outside of the source tree; returns what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OPENAI_"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert status is None or done.returncode == status, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the sdist, by suffix."""
    out = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, GENERATED], out)
    return {path.suffix: path for path in out.iterdir()}


@pytest.fixture(scope="module")
def alone(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, what it depends on, and nothing else; the folder of its programs."""
    venv = tmp_path_factory.mktemp("alone") / "venv"
    uv = Path(sys.executable).with_name("uv")
    run([uv, "venv", "--quiet", "--python", sys.executable, venv], venv.parent)
    programs = venv / ("Scripts" if os.name == "nt" else "bin")
    install = [uv, "pip", "install", "--quiet", "--python", programs / "python"]
    run([*install, "--constraint", ROOT / "requirements.txt", built[".whl"]], venv.parent)
    return programs


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def test_the_version_is_a_semantic_one_held_with_the_source() -> None:
    project = tomllib.loads((GENERATED / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["version"] == LOCK["version"] == SOURCE["version"] == realtime_api.__version__
    assert LOCK["source_sha256"] == SOURCE["sha256"] and SOURCE["date"] == realtime_api.SPEC_DATE
    assert {re.match(r"\w+", need)[0] for need in project["dependencies"]} == {"attrs", "httpx"}  # type: ignore[index]
    assert project["urls"]


@pytest.mark.parametrize("folder", [".", "simulator"])
def test_dependents_pin_compatible_releases(folder: str) -> None:
    """This version and additions are in the range, a document that breaks senders or receivers is not."""
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (need,) = [n for n in map(Requirement, project["dependencies"]) if n.name == "realtime-api-client"]
    assert str(need.specifier).startswith("~=")
    origin = source.read(ROOT / "openapi" / "SOURCE.toml")
    versions = {bump: origin.next_version(bump) for bump in ("none", "minor", "major")}
    assert {bump: version in need.specifier for bump, version in versions.items()} == {
        "none": True,
        "minor": True,
        "major": False,
    }


@pytest.mark.parametrize(
    ("version", "bump", "then"),
    [
        ("0.1.2", "major", "0.2.0"),
        ("0.1.2", "minor", "0.1.3"),
        ("0.1.2", "none", "0.1.2"),
        ("1.2.3", "major", "2.0.0"),
        ("1.2.3", "minor", "1.3.0"),
    ],
)
def test_the_next_version_follows_from_what_breaks(version: str, bump: str, then: str) -> None:
    assert source.Source("u", "", "2026-01-01", "0" * 64, version).next_version(bump) == then


def test_the_readme_has_provenance_and_compatibility() -> None:
    text = (GENERATED / "README.md").read_text(encoding="utf-8")
    for word in (SOURCE["url"], SOURCE["date"], LOCK["spec_sha256"], "generated.lock", "make regen-check"):
        assert word in text
    assert "## Compatibility" in text and f"realtime-api-client~={SOURCE['version']}" in text


@pytest.mark.slow
@pytest.mark.weekly
def test_both_distributions_contain_all_files(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built[".whl"]) as wheel:
        files = set(wheel.namelist())
        (name,) = [file for file in files if file.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(wheel.read(name))
    assert {file.split("/")[0] for file in files if ".dist-info/" not in file} == {"realtime_api"}
    assert {"realtime_api/py.typed", "realtime_api/schemas.json"} <= files
    assert (metadata["Name"], metadata["Version"]) == ("realtime-api-client", LOCK["version"])
    assert str(metadata.get_payload()).startswith("<!-- Generated by `make regen`")
    assert metadata["License-Expression"] == "MIT" and metadata.get_all("License-File") == ["LICENSE"]
    assert [file for file in files if file.endswith(".dist-info/licenses/LICENSE")]
    with tarfile.open(built[".gz"]) as sdist:
        there = {path.partition("/")[2] for path in sdist.getnames()}
    assert {
        "README.md",
        "LICENSE",
        "generated.lock",
        "docs/RealtimeApi.md",
        "realtime_api/py.typed",
        "pyproject.toml",
    } <= there
    assert not [path for path in there if "__pycache__" in path]


@pytest.mark.slow
@pytest.mark.weekly
def test_it_only_requires_httpx_and_attrs(alone: Path, tmp_path: Path) -> None:
    listed = "import importlib.metadata as m; print(*(one.metadata['Name'] for one in m.distributions()))"
    names = set(run([alone / "python", "-c", listed], tmp_path).lower().split())
    of_httpx = {"anyio", "certifi", "h11", "httpcore", "idna", "sniffio", "typing_extensions"}
    assert (
        {"realtime-api-client", "httpx", "attrs"}
        <= names
        <= {"realtime-api-client", "httpx", "attrs", *of_httpx}
    )


@pytest.mark.slow
@pytest.mark.weekly
def test_a_program_calls_the_simulator(alone: Path, program: Path) -> None:
    offer = SAMPLES / "sdp" / "offer-aiortc-audio-datachannel.sdp"
    with Simulator() as simulator:
        printed = run(
            [alone / "python", "-W", "error", program],
            program.parent,
            BASE_URL=simulator.base_url,
            KEY=simulator.api_key,
            OFFER=str(offer),
        )
    assert printed.split() == [
        *("ek_", "/v1/realtime/calls", "v=0", "RealtimeServerEventResponseDone"),
        *(LOCK["version"], realtime_api.SPEC_VERSION),
    ]


@pytest.mark.slow
@pytest.mark.weekly
def test_mypy_accepts_the_program_and_finds_the_mistakes(alone: Path, program: Path) -> None:
    (program.parent / "mistakes.py").write_text(MISTAKES, encoding="utf-8")
    mypy = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        alone / "python",
        "--cache-dir=/dev/null",
    ]
    assert "no issues found" in run([*mypy, program.name], program.parent)
    found = run([*mypy, "mistakes.py"], program.parent, status=1)
    assert {int(line) for line in re.findall(r"mistakes\.py:(\d+): error", found)} == WRONG_LINES


@pytest.mark.slow
@pytest.mark.weekly
@pytest.mark.node
def test_pyright_accepts_the_program_and_finds_the_mistakes(alone: Path, program: Path) -> None:
    assert PYRIGHT.exists(), "pyright is missing; make it with: make build/node/.installed"
    folder = program.parent
    (folder / "mistakes.py").write_text(MISTAKES, encoding="utf-8")
    settings: dict[str, Any] = {"typeCheckingMode": "strict", "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    printed = run(
        [PYRIGHT, "--outputjson", "--pythonpath", alone / "python", "-p", folder], folder, status=None
    )
    errors = [error for error in json.loads(printed)["generalDiagnostics"] if error["severity"] == "error"]
    assert [error["message"] for error in errors if error["file"].endswith("program.py")] == []
    lines = {error["range"]["start"]["line"] + 1 for error in errors if error["file"].endswith("mistakes.py")}
    assert lines == WRONG_LINES


@pytest.mark.slow
@pytest.mark.weekly
def test_the_example_sdk_runs_in_an_empty_environment(alone: Path, tmp_path: Path) -> None:
    sdk = ROOT / "examples" / "pinned_sdk"
    uv = Path(sys.executable).with_name("uv")
    run([sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, sdk], tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", alone / "python"]
    run([*install, wheel], tmp_path)
    (shown,) = (block for block in blocks(sdk / "README.md") if block.language == "python")
    program = shown.code + (
        "from front_desk import FrontDeskError\n"
        "with FrontDesk('sk-wrong', base_url=os.environ['OPENAI_BASE_URL']) as desk:\n"
        "    try: desk.client_secret('x')\n"
        "    except FrontDeskError as error: print(error.status_code)\n"
    )
    with Simulator() as simulator:
        environment = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": simulator.api_key}
        printed = run([alone / "python", "-W", "error", "-c", program], tmp_path, **environment)
    assert re.fullmatch(r"ek_\w+\n401\n", printed)
