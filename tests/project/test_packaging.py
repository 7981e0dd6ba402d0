"""What is built and installed: versions, pins, wheels, and each distribution in an environment of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import realtime_simulator
from packaging.requirements import Requirement
from realtime_simulator import Simulator

from realtime_ext import __version__
from tests.support.paths import ROOT

SOURCES = {
    "realtime_api": ROOT / "generated",
    "realtime_simulator": ROOT / "simulator",
    "realtime_ext": ROOT,
    "realtime_kit": ROOT / "kit",
}
GENERATED, SIMULATOR, OURS, KIT = (
    tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for source in SOURCES.values()
)


# The build reads them from there.
SIMULATOR["version"] = realtime_simulator.__version__
OURS["version"] = __version__


def normal(requirement: str) -> str:
    """The name of a requirement, as the packaging standards compare names."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def test_each_version_has_one_source() -> None:
    """`_core/version.py` and `SOURCE.toml`; the generated version is compared by test_pinning."""
    assert OURS["dynamic"] == SIMULATOR["dynamic"] == KIT["dynamic"] == ["version"]
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("needs", "package"),
    [
        (OURS["dependencies"], GENERATED),
        (SIMULATOR["dependencies"], GENERATED),
        (KIT["dependencies"], GENERATED),
        (KIT["dependencies"], OURS),
        (KIT["optional-dependencies"]["all"], SIMULATOR),
    ],
    ids=["ext on generated", "simulator on generated", "kit on generated", "kit on ext", "kit on simulator"],
)
def test_the_packages_are_within_the_ranges_that_work_together(needs: list[str], package: dict) -> None:
    (stated,) = [need for need in needs if normal(need) == package["name"]]
    assert Requirement(stated).specifier.contains(package["version"], prereleases=True)


@pytest.mark.parametrize(
    "package", [OURS, GENERATED, SIMULATOR, KIT], ids=lambda package: str(package["name"])
)
def test_metadata_has_the_usual_urls(package: dict) -> None:
    if package is not SIMULATOR:
        assert {"Source", "Documentation", "Changelog", "Issues"} <= {*package["urls"]}
    urls = [urlsplit(url) for url in package["urls"].values()]
    assert {url.scheme for url in urls} == {"https"}
    assert {url.hostname for url in urls} <= {"platform.openai.com", "github.com"}


def test_the_simulator_does_not_need_the_client() -> None:
    assert normal(OURS["name"]) not in {normal(need) for need in SIMULATOR["dependencies"]}
    assert "optional-dependencies" not in SIMULATOR


def test_everything_that_is_needed_is_pinned_with_hashes_and_without_addresses() -> None:
    ours = (OURS, GENERATED, SIMULATOR, KIT)
    needs = {normal(need) for package in ours for need in package["dependencies"]}
    extras = [*OURS["optional-dependencies"].values(), *KIT["optional-dependencies"].values()]
    needs |= {normal(need) for extra in extras for need in extra}
    for name in ("requirements.txt", "requirements-peers.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|file:|--(extra-)?index|--find-links", text)
        pins = re.split(r"\n(?=\S)", re.sub(r"\n\s+#.*", "", text.strip()))
        assert pins
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins if not pin.startswith("#"))
        if name == "requirements.txt":
            missing = needs - {normal(pin) for pin in pins}
            assert missing == {normal(package["name"]) for package in ours}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The four wheels, by the name of their package."""
    out = tmp_path_factory.mktemp("wheels")
    found = {}
    for name, source in SOURCES.items():
        folder = out / name
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
        run(command)
        (found[name],) = folder.iterdir()
    return found


@pytest.fixture
def environment(tmp_path: Path) -> Callable[..., Path]:
    """A function that makes an environment with these requirements and returns its folder of programs."""

    def make(*requirements: str, pins: str = "requirements.txt") -> Path:
        uv = Path(sys.executable).with_name("uv")
        venv = tmp_path / "venv"
        run([uv, "venv", "--quiet", "--python", sys.executable, venv])
        programs = venv / ("Scripts" if os.name == "nt" else "bin")
        target = ["--python", programs / "python", "--constraint", ROOT / pins]
        run([uv, "pip", "install", "--quiet", *target, *requirements])
        return programs

    return make


def run(command: list[object], *, status: int = 0, **variables: str) -> str:
    """Run a command far from the source; returns all that it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OPENAI_"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=os.path.abspath(os.sep),
        env={**kept, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.mark.slow
def test_wheels_hold_the_packages_and_nothing_else(wheels: dict[str, Path]) -> None:
    for name, wheel in wheels.items():
        with zipfile.ZipFile(wheel) as archive:
            files = archive.namelist()
        assert {file.split("/")[0] for file in files if ".dist-info/" not in file} == {name}
        assert f"{name}/py.typed" in files
        modules = {
            path.relative_to(SOURCES[name]).as_posix() for path in (SOURCES[name] / name).rglob("*.py")
        }
        assert modules <= set(files)
        if name == "realtime_simulator":
            page = SOURCES[name] / name / "_simulator" / "console" / "static"
            assert {f"{name}/_simulator/console/static/{file.name}" for file in page.iterdir()} <= set(files)


USE_API = """
import json, os, sys
import realtime_api
from realtime_api import AuthenticatedClient, models, schemas
from realtime_api.api.realtime import create_realtime_client_secret
client = AuthenticatedClient(base_url=os.environ["BASE_URL"], token=os.environ["KEY"])
body = models.RealtimeCreateClientSecretRequest(
    session=models.RealtimeSessionCreateRequestGA(model="gpt-realtime-2.1"))
answer = create_realtime_client_secret.sync_detailed(client=client, body=body)
models_loaded = [getattr(models, name) for name in models.__all__]
schema = schemas.standalone("RealtimeServerEventResponseDone")
print(json.dumps([answer.status_code, answer.parsed.value[:3], len(models_loaded), "$defs" in schema,
                  "realtime_ext" in sys.modules]))
"""

USE_SIMULATOR = """
import importlib.util, json, urllib.request
from realtime_simulator import Simulator
with Simulator() as simulator:
    headers = {"authorization": f"Bearer {simulator.api_key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{simulator.base_url}/realtime/client_secrets", b"{}", headers)
    value = json.load(urllib.request.urlopen(request))["value"]
others = [name for name in ("realtime_ext", "typer", "pytest") if importlib.util.find_spec(name)]
print(json.dumps([value[:3], others]))
"""

USE_EXT = """
import importlib.util, json, os, sys
import realtime_ext
client = realtime_ext.RealtimeClient(os.environ["KEY"], base_url=os.environ["BASE_URL"])
secret = client.client_secrets.create({"type": "realtime", "model": "gpt-realtime-2.1"})
extras = ("aiortc", "soxr", "starlette", "typer", "rich", "realtime_simulator")
extras = [name for name in extras if importlib.util.find_spec(name)]
try:
    import realtime_ext.connection._webrtc_peer
except ImportError as exc:
    message = str(exc)
loaded = [getattr(realtime_ext, name) for name in realtime_ext.__all__]
print(json.dumps([secret.value[:3], extras, message]))
"""


@pytest.mark.slow
@pytest.mark.weekly
def test_realtime_api_works_alone(wheels: dict[str, Path], environment: Callable[..., Path]) -> None:
    programs = environment(str(wheels["realtime_api"]))
    with Simulator() as simulator:
        printed = run(
            [programs / "python", "-c", USE_API], BASE_URL=simulator.base_url, KEY=simulator.api_key
        )
    status, value, models, standalone, ours = json.loads(printed)
    assert (status, value, standalone, ours) == (200, "ek_", True, False)
    assert models > 140
    assert "No module named" in run([programs / "python", "-c", "import realtime_ext"], status=1)


@pytest.mark.slow
@pytest.mark.weekly
def test_the_simulator_works_without_the_client(
    wheels: dict[str, Path], environment: Callable[..., Path]
) -> None:
    programs = environment(str(wheels["realtime_api"]), str(wheels["realtime_simulator"]))
    value, others = json.loads(run([programs / "python", "-c", USE_SIMULATOR]))
    assert (value, others) == ("ek_", [])
    assert "usage: realtime-simulator" in run([programs / "realtime-simulator", "--help"])
    assert "usage: realtime-simulator" in run([programs / "python", "-m", "realtime_simulator", "--help"])


@pytest.mark.slow
def test_realtime_ext_works_without_its_extras_and_names_a_missing_one(
    wheels: dict[str, Path], environment: Callable[..., Path]
) -> None:
    programs = environment(str(wheels["realtime_api"]), str(wheels["realtime_ext"]))
    with Simulator() as simulator:
        printed = run(
            [programs / "python", "-c", USE_EXT], BASE_URL=simulator.base_url, KEY=simulator.api_key
        )
    value, extras, message = json.loads(printed)
    assert (value, extras) == ("ek_", [])
    assert "pip install 'realtime-ext[webrtc]'" in message
    assert not (programs / "realtime").exists()


@pytest.mark.slow
@pytest.mark.weekly
def test_the_kit_works_without_its_extras_and_names_a_missing_one(
    wheels: dict[str, Path], environment: Callable[..., Path]
) -> None:
    programs = environment(*(str(wheels[name]) for name in ("realtime_api", "realtime_ext", "realtime_kit")))
    modules = "from realtime_kit import auditor, devices, fleet, media_stream, recorder"
    assert run([programs / "python", "-c", modules]) == ""
    assert "pip install 'realtime-kit[cli]'" in run([programs / "realtime", "demo"], status=2)


USE_BOTH = """
import asyncio, importlib.metadata, json, os, realtime_ext
from openai import AsyncOpenAI
import agents.realtime
key, url = os.environ["KEY"], os.environ["BASE_URL"]
async def main():
    official = AsyncOpenAI(api_key=key, base_url=url)
    async with official.realtime.connect(model="gpt-realtime-2.1") as connection:
        theirs = (await connection.recv()).type
    async with realtime_ext.AsyncRealtimeClient(key, base_url=url) as client:
        async with client.connect("gpt-realtime-2.1") as connection:
            ours = (await connection.recv()).type
    print(json.dumps([theirs, ours, importlib.metadata.version("websockets")]))
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.weekly
def test_it_is_installed_beside_the_official_package_and_the_agents_sdk(
    wheels: dict[str, Path], environment: Callable[..., Path]
) -> None:
    """They allow older versions of websockets only: below 16 and below 17."""
    official = ("openai[realtime]", "openai-agents")
    programs = environment(*map(str, wheels.values()), *official, pins="requirements-peers.txt")
    with Simulator() as simulator:
        printed = run(
            [programs / "python", "-c", USE_BOTH], BASE_URL=simulator.base_url, KEY=simulator.api_key
        )
    theirs, ours, websockets = json.loads(printed.splitlines()[-1])
    assert (theirs, ours) == ("session.created", "session.created")
    assert int(websockets.partition(".")[0]) < 16


@pytest.mark.slow
@pytest.mark.weekly
def test_all_of_it_is_installed_from_a_checkout_and_makes_the_demo_s_call(
    environment: Callable[..., Path], tmp_path: Path
) -> None:
    """As the README says: pip install ./generated ./simulator . './kit[all]'."""
    programs = environment(*(str(ROOT / name) for name in ("generated", "simulator", ".", "kit[all]")))
    printed = run([programs / "realtime", "demo", "--out", tmp_path / "out"])
    assert "✓ heard here" in printed
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"reply.wav", "call.png"}
    assert "usage: realtime simulator" in run([programs / "realtime", "simulator", "--help"])


@pytest.mark.slow
@pytest.mark.weekly
def test_the_commands_work_with_the_newest_typer(
    wheels: dict[str, Path], environment: Callable[..., Path]
) -> None:
    """The generator, in requirements.txt, allows older versions only."""
    kit = f"{wheels['realtime_kit']}[cli]"
    packages = (wheels["realtime_api"], wheels["realtime_simulator"], wheels["realtime_ext"])
    programs = environment(*map(str, packages), kit, pins="requirements-peers.txt")
    assert "--webhook-secret whsec_…" in run([programs / "realtime", "simulator", "--help"])
    wrong = run([programs / "realtime", "listen", "--port=99999"], status=2)
    assert wrong.startswith("realtime: Invalid value for '--port'")
    words = {"COMP_WORDS": "realtime talk --dialect x", "COMP_CWORD": "3"}
    assert run([programs / "realtime"], _REALTIME_COMPLETE="complete_bash", **words).strip() == "xai"
    printed = run([programs / "realtime", "talk", "--simulator", "Hello"])
    assert "model: You said: Hello" in printed
