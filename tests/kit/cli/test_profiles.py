"""Profiles of the command line: `realtime --profile NAME`, and REALTIME_PROFILE."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from realtime_kit.cli import _profiles
from realtime_simulator import Simulator

from tests.ext.connection.scripted import Peer, ScriptedServer
from tests.support.command import Done, of, realtime_here
from tests.support.paths import QUESTION
from tests.support.rows import each

OTHER_KEY = "sk-of-another-server"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False) as running:
        yield running


class Home:
    """A user's settings."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "realtime" / "config.toml"
        self._folder = folder

    def write(self, text: str) -> None:
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(text)

    def realtime(self, *arguments: str | Path, **more: str) -> Done:
        return realtime_here(*arguments, **{"XDG_CONFIG_HOME": str(self._folder), **more})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def local(simulator: Simulator) -> str:
    return f'[local]\nbase_url = "{simulator.base_url}"\nkey_env = "LOCAL_KEY"\n'


def test_a_profile_names_the_server_and_the_variable_of_its_key(home: Home, simulator: Simulator) -> None:
    home.write(local(simulator))
    done = home.realtime("--profile", "local", "talk", "Hi", LOCAL_KEY=simulator.api_key)
    assert (done.status, done.out) == (0, "you: Hi\nmodel: You said: Hi\n"), done.err
    done = home.realtime("talk", "Hi", REALTIME_PROFILE="local", LOCAL_KEY=simulator.api_key)
    assert done.status == 0, done.err


def test_a_profile_of_the_command_line_has_precedence_over_the_environment(
    home: Home, simulator: Simulator
) -> None:
    home.write(local(simulator))
    other = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": OTHER_KEY}
    keys = {"LOCAL_KEY": simulator.api_key}
    assert home.realtime("--profile", "local", "secret", "create", **other, **keys).status == 0
    done = home.realtime("secret", "create", REALTIME_PROFILE="local", **other, **keys)
    assert done.status == 4 and "Incorrect API key" in done.err, done.err


def test_the_key_of_another_server_is_never_sent(home: Home, simulator: Simulator) -> None:
    home.write(local(simulator))
    for words, chosen in ((["--profile", "local"], {}), ([], {"REALTIME_PROFILE": "local"})):
        done = home.realtime(*words, "secret", "create", OPENAI_API_KEY=OTHER_KEY, **chosen)
        assert done.status == 4 and "export LOCAL_KEY=…" in done.err, done.err


def test_the_environments_server_is_used_with_its_own_key_and_dialect(
    home: Home, simulator: Simulator
) -> None:
    home.write('[beta]\nbase_url = "http://127.0.0.1:9/v1"\nkey_env = "BETA_KEY"\ndialect = "beta"\n')
    done = realtime_here(
        "talk", "Hi", simulator=simulator, REALTIME_CONFIG=str(home.file), REALTIME_PROFILE="beta"
    )
    assert done.out == "you: Hi\nmodel: You said: Hi\n", done.err


def test_a_profile_with_a_dialect_has_no_translations(home: Home) -> None:
    home.write('[xai]\nbase_url = "http://127.0.0.1:9/v1"\nkey_env = "XAI_KEY"\ndialect = "xai"\n')
    done = home.realtime("--profile", "xai", "translate", QUESTION, "--to=es", XAI_KEY="abc")
    assert (done.status, done.out) == (1, "")
    assert done.err == "realtime: connect: servers with dialect='xai' have no translations\n"


def test_dialect_header_and_query_reach_the_server(home: Home) -> None:
    def answer(peer: Peer) -> None:
        seen.update(peer.query, header=peer.request.headers["api-key"])
        peer.close(4000, "enough")

    seen: dict[str, str] = {}
    with ScriptedServer(answer) as server:
        home.write(
            f'[azure]\nbase_url = "{server.base_url}"\nkey_env = "AZURE_KEY"\nauth_header = "api-key"\n'
            'dialect = "azure-voice-live"\nmodel = "gpt-4o"\nquery = {api-version = "2025-10-01"}\n'
        )
        home.realtime("--profile", "azure", "talk", "Hi", AZURE_KEY="abc")
    assert seen == {"api-version": "2025-10-01", "model": "gpt-4o", "header": "abc"}


def test_model_and_voice_of_a_profile_are_those_of_new_sessions(home: Home, simulator: Simulator) -> None:
    home.write('[mine]\nmodel = "gpt-realtime-mini"\nvoice = "cedar"\n')
    given = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": simulator.api_key}

    def asked(*words: str | Path) -> tuple[str | None, str | None]:
        assert home.realtime("--profile", "mine", "talk", "Hi", *words, **given).status == 0
        update = next(one for one in simulator.sessions[-1].received if one["type"] == "session.update")
        session = update["session"]
        return session["model"], session.get("audio", {}).get("output", {}).get("voice")

    assert asked() == ("gpt-realtime-mini", "cedar")
    assert asked("--model", "gpt-realtime-2.1") == ("gpt-realtime-2.1", "cedar")
    file = home.file.with_name("session.json")
    file.write_text('{"type": "realtime", "model": "gpt-realtime-2.1"}')
    assert asked("--session", file) == ("gpt-realtime-2.1", None)


def test_a_simulator_in_the_process_needs_nothing_of_a_profile(home: Home) -> None:
    home.write('[azure]\nbase_url = "http://127.0.0.1:9"\nkey_env = "AZURE_KEY"\nmodel = "deployment"\n')
    done = home.realtime("--profile", "azure", "talk", "--simulator", "Hi")
    assert (done.status, done.out) == (0, "you: Hi\nmodel: You said: Hi\n"), done.err


def test_an_unknown_profile_is_named_with_the_known_ones(home: Home) -> None:
    done = home.realtime("--profile", "azure", "doctor")
    assert done.status == 2 and f"there is no profile 'azure': {home.file} does not exist" in done.err
    home.write("[azure]\n[local]\n")
    done = home.realtime("--profile", "azur", "doctor")
    assert done.status == 2 and done.err == (
        f"realtime: {home.file} has no profile 'azur'\n  hint: did you mean 'azure'?\n"
    )
    done = home.realtime("--profile", "x", "doctor")
    assert "hint: known are azure, local" in done.err


@each(
    "settings, expected",
    [
        ('base-url = "http://x"', "profile a: unknown setting 'base-url'\n  hint: did you mean 'base_url'?"),
        ("model = 1", "profile a: model: expected text\n"),
        ('query = "x"', "profile a: query: expected a table of text\n"),
        ("query = {x = 1}", "profile a: query: expected a table of text\n"),
        ('dialect = "azure"', "profile a: dialect: expected one of beta, xai, azure-voice-live, got 'azure'"),
        ('base_url = "http://x"', "profile a: base_url needs key_env"),
        ("model = ", "invalid TOML: "),
    ],
)
def test_an_invalid_profile_is_refused(home: Home, settings: str, expected: str) -> None:
    home.write(f"[a]\n{settings}\n")
    done = home.realtime("--profile", "a", "session", "check", "-")
    assert done.status == 2 and expected in done.err, done.err


def test_a_setting_outside_of_a_profile_is_refused(home: Home) -> None:
    home.write('model = "gpt-realtime"\n[a]\n')
    assert "model is outside of a profile" in home.realtime("--profile", "a", "doctor").err


@each("setting", ["key", "api_key", "token", "key_env"])
def test_a_key_in_the_file_is_refused_and_not_shown(home: Home, setting: str) -> None:
    home.write(f'[a]\n{setting} = "sk-secret0secret0secret0"\n')
    for words in (["--profile", "a", "doctor"], ["--profile", "a", "doctor", "--json"]):
        done = home.realtime(*words)
        assert done.status == 2 and "secret0" not in done.err + done.out
        assert "environment variable" in done.err


def test_the_doctor_shows_the_profile_and_its_file(home: Home, simulator: Simulator) -> None:
    def profile(*words: str, **more: str) -> tuple[str, str]:
        found = of(home.realtime(*words, "doctor", "--offline", "--json", **more).json, name="profile")
        return found["state"], found["detail"]

    assert profile() == ("ok", f"none; {home.file} does not exist")
    home.write(local(simulator))
    assert profile() == ("ok", f"none; {home.file} has local")
    state, detail = profile("--profile", "local", LOCAL_KEY="sk-1234567890")
    assert state == "ok" and detail.startswith(f"local of {home.file}: base_url {simulator.base_url}")
    assert "key_env LOCAL_KEY" in detail and "sk-1234567890" not in detail
    home.write("[")
    assert profile()[0] == "failed"


def test_the_doctor_looks_for_the_profiles_key(home: Home, simulator: Simulator) -> None:
    home.write(local(simulator))
    done = home.realtime("--profile", "local", "doctor", "--json", LOCAL_KEY=simulator.api_key)
    assert of(done.json, name="LOCAL_KEY")["state"] == "ok"
    assert of(done.json, name=simulator.base_url)["detail"] == "answers, and accepts the key"


def test_a_named_file_is_read_instead(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[mine]\n")
    named = {"REALTIME_CONFIG": str(tmp_path / "mine.toml")}
    assert realtime_here("--profile", "mine", "session", "check", "-", stdin="{}", **named).status == 1
    assert _names(named) == ["mine"]


def test_the_file_is_in_the_users_settings(tmp_path: Path) -> None:
    def found(**variables: str) -> Path:
        with mock.patch.dict(os.environ, variables, clear=True):
            return _profiles.config_file()

    assert found(XDG_CONFIG_HOME=str(tmp_path)) == tmp_path / "realtime" / "config.toml"
    default = tmp_path / ".config" / "realtime" / "config.toml"
    assert found(HOME=str(tmp_path)) == default
    assert found(HOME=str(tmp_path), XDG_CONFIG_HOME="relative") == default


def test_names_are_completed_from_whatever_file_there_is(home: Home) -> None:
    assert _names({"REALTIME_CONFIG": str(home.file)}) == []
    home.write("[")
    assert _names({"REALTIME_CONFIG": str(home.file)}) == []


def _names(variables: dict[str, str]) -> list[str]:
    with mock.patch.dict(os.environ, variables):
        return _profiles.completed()
