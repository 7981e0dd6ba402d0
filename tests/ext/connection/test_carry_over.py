"""The how-to for carrying a conversation over does what it says."""

from __future__ import annotations

import re
from typing import Any

from realtime_ext import RealtimeClient, SessionBuilder
from tests.ext.connection.scripted import Model, ScriptedServer
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "carry-over.md").read_text(encoding="utf-8")


def test_the_next_session_has_the_items_of_the_last() -> None:
    programs = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    [program] = [program for program in programs if "def next_session" in program]
    names: dict[str, Any] = {}
    exec(program, names)
    session = SessionBuilder("gpt-realtime")
    with ScriptedServer(Model()) as server, RealtimeClient("key", base_url=server.base_url) as client:
        with client.connect(session=session) as connection:
            connection.ask("question")
            following, entered = names["next_session"](client, session, connection)
        entered.ask("again")
        words = [item.content[0].text or item.content[0].transcript for item in entered.items]
        following.__exit__(None, None, None)
    assert words == ["question", "answer 1", "again", "answer 2"]
