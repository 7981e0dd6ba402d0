"""The pytest plugin as a user has it: test files of their own, run by a pytest of their own."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
import tomllib

import pytest
from realtime_api.models import WebhookLiveTransportIncoming, WebhookRealtimeCallIncoming
from realtime_simulator import Simulator

from realtime_ext import testing, webhooks
from tests.support.paths import ROOT, SAMPLES

pytest_plugins = ["pytester"]

HEAVY = ("httpx", "vcr", "starlette", "uvicorn", "aiortc", "msgspec", "websockets", "asyncio", "realtime_api")

OFFER = f"OFFER = {str(SAMPLES / 'sdp' / 'offer-aiortc-audio.sdp')!r}\n"


@pytest.fixture
def user(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of a user's, with every warning an error."""
    for name, value in {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}:{ROOT / 'simulator'}",
        "OPENAI_API_KEY": "sk-of-the-developer",
        "OPENAI_BASE_URL": "https://api.example.test/v1",
        "OPENAI_ORG_ID": "org-of-the-developer",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "intranet.test",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # what else is installed here is none of a user's
    }.items():
        monkeypatch.setenv(name, value)
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:cacheprovider\n")
    return pytester


def run(user: pytest.Pytester, code: str, *arguments: str, **outcomes: int) -> pytest.RunResult:
    user.makepyfile(test_app=OFFER + code)
    result = user.runpytest_subprocess("-p", "realtime_ext.testing", *arguments)
    result.assert_outcomes(**outcomes)
    return result


CLIENTS = """
import asyncio, os, pathlib
from realtime_ext import AsyncRealtimeClient, RealtimeClient, webhooks

SESSION = {"type": "realtime", "model": "gpt-realtime-2.1"}

def test_sync(realtime_simulator, realtime_client):
    call = realtime_client.calls.create(pathlib.Path(OFFER).read_bytes(), SESSION)
    assert [c.id for c in realtime_simulator.calls] == [call.id]
    assert realtime_client.client_secrets.create().value.startswith("ek_")
    assert "openai-organization" not in realtime_simulator.requests[-1].headers

def test_async_in_one_loop_after_the_other(realtime_simulator, async_realtime_client):
    for _ in range(3):
        asyncio.run(async_realtime_client.client_secrets.create(SESSION))

    async def both_at_once():
        create = async_realtime_client.client_secrets.create
        await asyncio.gather(create(), create())

    asyncio.run(both_at_once())
    assert [request.status for request in realtime_simulator.requests] == [200] * 5

def test_async_in_a_block(async_realtime_client):
    async def main():
        async with async_realtime_client as client:
            return await client.client_secrets.create()

    assert asyncio.run(main()).value

def test_any_client_reads_the_environment(realtime_simulator):
    assert os.environ["OPENAI_BASE_URL"] == realtime_simulator.base_url
    assert os.environ["OPENAI_API_KEY"] == realtime_simulator.api_key
    assert os.environ["NO_PROXY"] == "intranet.test,127.0.0.1,localhost"
    with RealtimeClient() as client:
        client.client_secrets.create()
        body = b'{"object":"event","id":"evt_1","type":"x.y","created_at":1,"data":{}}'
        headers = webhooks.sign(body, realtime_simulator.webhook_secret)
        assert client.webhooks.unwrap(body, headers).type == "x.y"

def test_the_environment_is_as_before_afterwards():
    assert os.environ["OPENAI_BASE_URL"] == "https://api.example.test/v1"
    assert os.environ["OPENAI_API_KEY"] == "sk-of-the-developer"
    assert os.environ["OPENAI_ORG_ID"] == "org-of-the-developer"
    assert os.environ["NO_PROXY"] == "intranet.test"
    assert "OPENAI_WEBHOOK_SECRET" not in os.environ
"""

CLOSED = """
import asyncio
import pytest
from realtime_ext import APIConnectionError

kept = []

def test_use(realtime_client, async_realtime_client):
    kept.extend([realtime_client, async_realtime_client])

def test_after():
    with pytest.raises(APIConnectionError, match="closed"):
        kept[0].client_secrets.create()
    with pytest.raises(APIConnectionError, match="this client is closed"):
        asyncio.run(kept[1].client_secrets.create())
"""

OPTIONS = """
import pytest

@pytest.fixture
def realtime_simulator_options():
    return {"api_key": "sk-chosen-by-the-user"}

def test_it(realtime_simulator, realtime_client):
    assert realtime_simulator.api_key == "sk-chosen-by-the-user"
    realtime_client.client_secrets.create()
"""

NETWORK = """
import asyncio
import pathlib
import pytest
from realtime_ext import RealtimeClient
from realtime_ext.testing import NetworkRefusedError

@pytest.fixture(autouse=True)
def _only_this_machine(no_network): ...

def test_simulator(realtime_client, async_realtime_client):
    realtime_client.calls.create(pathlib.Path(OFFER).read_bytes())
    asyncio.run(async_realtime_client.client_secrets.create())

def test_the_real_api(monkeypatch):
    monkeypatch.delenv("ALL_PROXY")
    RealtimeClient(api_key="sk-of-the-developer").client_secrets.create()
"""

# In the way in which pytest-recording and pytest-vcr use that fixture's value.
VCR = """
import pytest, vcr
from realtime_ext.testing import vcr_settings

@pytest.fixture(scope="module")
def vcr_config():
    return vcr_settings() | {"record_mode": "once"}

def test_recording(vcr_config, realtime_client, tmp_path):
    path = tmp_path / "tape.yaml"
    with vcr.VCR(cassette_library_dir=str(tmp_path)).use_cassette("tape.yaml", **vcr_config):
        value = realtime_client.client_secrets.create().value
    assert value not in path.read_text()
    assert "ek_***" in path.read_text()
    with vcr.VCR(**vcr_config).use_cassette(str(path)):
        assert realtime_client.client_secrets.create().value == "ek_***"
"""

SAMPLE = """
from realtime_ext import sdp
from realtime_ext.testing import sample_offer

def test_it(realtime_simulator, realtime_client):
    assert sdp.check_offer(sample_offer()) == []
    call = realtime_client.calls.create(sample_offer())
    assert realtime_simulator.calls[0].offer.decode() == sample_offer()
    assert call.sdp_answer.startswith("v=0")
"""


@pytest.mark.programs
def test_the_fixtures_of_a_project_do_what_they_say(
    user: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All in one run, because it imports most of this project."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")  # which needs a further package
    files = {
        "clients": CLIENTS,
        "closed": CLOSED,
        "options": OPTIONS,
        "network": NETWORK,
        "vcr": VCR,
        "sample": SAMPLE,
    }
    user.makepyfile(**{f"test_{name}": OFFER + code for name, code in files.items()})
    result = user.runpytest_subprocess("-p", "realtime_ext.testing")
    result.assert_outcomes(passed=11, failed=1)
    result.stdout.fnmatch_lines(["*NetworkRefusedError: no_network: * is refused; allowed are *"])
    result.stdout.fnmatch_lines(["FAILED test_network.py::test_the_real_api *"])
    assert "sk-of-the-developer" not in "".join(
        line for line in result.stdout.str().splitlines() if line.startswith("E ")
    )


@pytest.mark.programs
def test_pytest_loads_nothing_heavy_until_a_fixture_is_used(user: pytest.Pytester) -> None:
    code = f"""
import sys

def test_nothing_is_loaded(pytestconfig):
    assert pytestconfig.pluginmanager.hasplugin("realtime_ext.testing")
    assert sorted(set({HEAVY!r}) & sys.modules.keys()) == []
"""
    run(user, code, passed=1)


@pytest.mark.programs
@pytest.mark.parametrize("way", [("-p", "realtime_ext.testing"), pytest.param((), marks=pytest.mark.weekly)])
def test_it_may_be_named_besides_being_installed(
    user: pytest.Pytester, way: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    user.makeconftest('pytest_plugins = ["realtime_ext.testing"]')
    user.makepyfile(test_app="def test_it(no_network): ...")
    user.runpytest_subprocess(*way).assert_outcomes(passed=1)


@pytest.mark.programs
def test_a_missing_simulator_is_named(user: pytest.Pytester) -> None:
    user.makepyfile(without="import sys\nsys.modules['realtime_simulator'] = None\n")
    code = """
from realtime_api.models import WebhookRealtimeCallIncoming
from realtime_ext import testing, webhooks

def test_it(realtime_client): ...

def test_settings():
    testing.vcr_settings()
"""
    user.makepyfile(test_app=code)
    result = user.runpytest_subprocess("-p", "without", "-p", "realtime_ext.testing")
    result.assert_outcomes(errors=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*ImportError: the fixture realtime_simulator needs realtime-simulator: *?simulator?*",
            "*ImportError: realtime_ext.testing.vcr_settings needs realtime-simulator: *?simulator?*",
        ]
    )


@pytest.mark.programs
def test_the_simulator_s_own_plugin_serves_any_client(user: pytest.Pytester) -> None:
    """In a project that has realtime-simulator and no realtime-ext."""
    user.makepyfile(without="import sys\nsys.modules['realtime_ext'] = None\n")
    code = f"""
import json, os, sys, urllib.error, urllib.request
import pytest

def test_nothing_is_loaded_before():
    assert sorted(set({HEAVY!r}) & sys.modules.keys()) == []

@pytest.fixture
def realtime_simulator_options():
    return {{"api_key": "sk-chosen-by-the-user"}}

def test_a_secret_is_minted(realtime_simulator):
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/realtime/client_secrets",
        b"{{}}",
        {{
            "authorization": "Bearer " + os.environ["OPENAI_API_KEY"],
            "content-type": "application/json",
        }},
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["value"].startswith("ek_")
    assert os.environ["OPENAI_WEBHOOK_SECRET"] == realtime_simulator.webhook_secret
    assert realtime_simulator.api_key == "sk-chosen-by-the-user"
    assert "OPENAI_ORG_ID" not in os.environ

class TestTls:
    @pytest.fixture
    def realtime_simulator_options(self, tmp_path):
        return {{"tls": tmp_path / "certificate.pem"}}

    def test_its_certificate_is_trusted(self, realtime_simulator):
        url = os.environ["OPENAI_BASE_URL"] + "/realtime/client_secrets"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(urllib.request.Request(url, b"{{}}"))

async def test_a_coroutine_may_have_defaults(rehearsal, times=3):
    assert times == 3
"""
    user.makepyfile(test_app=code)
    plugins = ("-p", "without", "-p", "realtime_simulator.pytest_plugin")
    user.runpytest_subprocess(*plugins).assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("source", "name", "module"),
    [
        (".", "realtime_ext.testing", "realtime_ext.testing._fixtures"),
        ("simulator", "realtime_simulator.pytest_plugin", "realtime_simulator.pytest_plugin"),
    ],
)
def test_the_entry_point_is_declared_and_installed(source: str, name: str, module: str) -> None:
    project = tomllib.loads((ROOT / source / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {name: module}
    entries = importlib.metadata.entry_points(group="pytest11", name=name)
    assert {entry.value for entry in entries} == {module}
    assert all(entry.load() is importlib.import_module(module) for entry in entries)


def test_it_works_without_pytest() -> None:
    """vcr_settings and loopback_only are of use in unittest too."""
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from realtime_ext.testing import loopback_only, vcr_settings\n"
        "import realtime_ext.testing as t\n"
        "assert vcr_settings() and not hasattr(t, 'no_network')\n"
        "with loopback_only(): pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""


def test_its_names_are_those_it_announces() -> None:
    assert sorted(testing.__all__) == testing.__all__
    assert all(hasattr(testing, name) for name in testing.__all__)
    assert not hasattr(testing, "other")


def test_the_fixtures_work_in_this_very_project(
    realtime_simulator: Simulator, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    assert os.environ["OPENAI_API_KEY"] == realtime_simulator.api_key


def test_a_sample_webhook_is_genuine_and_its_body_always_the_same() -> None:
    secret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"
    body, headers = testing.sample_webhook(secret, call_id="rtc_1", caller="sip:ada@example.com")
    event = webhooks.unwrap(body, headers, secret)
    assert isinstance(event, WebhookRealtimeCallIncoming)
    assert event.data.call_id == "rtc_1"
    assert [header.value for header in event.data.sip_headers if header.name == "From"] == [
        "sip:ada@example.com"
    ]
    assert testing.sample_webhook(secret).body == testing.sample_webhook(secret).body
    assert testing.sample_webhook(secret, webhook_id="wh_1").headers["webhook-id"] == "wh_1"
    live = webhooks.unwrap(*testing.sample_webhook(secret, call_id="live_1"), secret)
    assert isinstance(live, WebhookLiveTransportIncoming)
    assert (live.data.session_id, live.data.type) == ("live_1", "sip")
    with pytest.raises(ValueError, match="no webhook secret"):
        testing.sample_webhook()


UNCHANGED = """
import sys

def test_it(realtime_simulator):
    loader = sys.modules["realtime_simulator._simulator.simulator"].__loader__
    assert type(loader).__name__ == "SourceFileLoader"
"""


def test_an_installed_simulator_is_imported_as_it_is(user: pytest.Pytester) -> None:
    """Else pytest parses its modules in the simulator's thread, which Python 3.11 can't do in two threads."""
    user.makepyfile(as_installed="import pytest; pytest.register_assert_rewrite('realtime_simulator')")
    user.makepyfile(test_app=UNCHANGED)
    user.runpytest_subprocess("-p", "as_installed", "-p", "realtime_ext.testing").assert_outcomes(passed=1)
