from __future__ import annotations

from typing import Any

from realtime_simulator import Pacing, call_mcp, say

from tests.simulator.checking import Driven, types
from tests.support.rows import each

SHOP = {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example"}
TOOLS = [{"name": "buy", "input_schema": {"type": "object"}}]


def shop(**fields: Any) -> dict[str, Any]:
    return {"type": "realtime", "tools": [{**SHOP, **fields}]}


def listed(it: Driven, tools: Any = TOOLS) -> list[dict[str, Any]]:
    it.session.listed(it.listings[-1].item_id, tools, it.now)
    return it.take()


def ask(it: Driven, *actions: Any) -> list[dict[str, Any]]:
    it.send("response.create")
    return it.answer(*actions)


def test_a_servers_tools_are_listed_once_after_it_was_configured() -> None:
    it = Driven()
    events = it.send("session.update", session=shop(allowed_tools=["buy"]))
    assert types(events) == [
        "session.updated",
        "conversation.item.added",
        "mcp_list_tools.in_progress",
    ]
    assert (it.listings[0].server_label, it.listings[0].allowed) == ("shop", ("buy",))
    events = listed(it)
    assert types(events) == ["mcp_list_tools.completed", "conversation.item.done"]
    assert events[1]["item"]["tools"] == TOOLS and events[1]["item"]["server_label"] == "shop"
    assert types(it.send("session.update", session=shop())) == ["session.updated"]


def test_the_tools_of_a_session_that_begins_with_servers() -> None:
    it = Driven(shop())
    it.session.greeting()
    assert types(it.take()) == ["conversation.item.added", "mcp_list_tools.in_progress"]
    assert types(listed(it)) == ["mcp_list_tools.completed", "conversation.item.done"]


def test_an_unreachable_server() -> None:
    it = Driven(shop())
    it.session.greeting()
    it.take()
    events = listed(it, None)
    assert types(events) == ["mcp_list_tools.failed", "conversation.item.done"]
    assert events[1]["item"]["tools"] == []


def test_a_call_that_needs_no_approval() -> None:
    it = Driven(shop(require_approval="never"))
    events = ask(it, call_mcp("shop", "buy", {"n": 1}, output="bought"), say("Done."))
    assert types(events)[:8] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
    ]
    item = events[7]["item"]
    assert (item["type"], item["name"], item["arguments"]) == ("mcp_call", "buy", '{"n": 1}')
    assert item["output"] == "bought" and "error" not in item
    done = events[-2]["response"]
    assert [item["type"] for item in done["output"]] == ["mcp_call", "message"]


def test_a_call_that_fails() -> None:
    events = ask(Driven(shop(require_approval="never")), call_mcp("shop", "buy", error="sold out"))
    assert "response.mcp_call.failed" in types(events)
    assert events[-2]["response"]["output"][0]["error"] == {
        "type": "tool_execution_error",
        "message": "sold out",
    }


def approval(it: Driven, request_id: str, approve: bool) -> list[dict[str, Any]]:
    item = {"type": "mcp_approval_response", "approval_request_id": request_id}
    return it.send("conversation.item.create", item={**item, "approve": approve})


def test_a_call_waits_for_approval_and_then_continues() -> None:
    it = Driven(shop())
    events = ask(it, call_mcp("shop", "buy", output="bought"), say("Done."))
    (request,) = events[-2]["response"]["output"]
    assert (request["type"], request["name"]) == ("mcp_approval_request", "buy")
    assert "response.mcp_call.in_progress" not in types(events)
    events = approval(it, request["id"], True)
    assert types(events)[:4] == [
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
    ]
    call, said = events[-2]["response"]["output"]
    assert call["approval_request_id"] == request["id"] and call["output"] == "bought"
    assert said["type"] == "message"
    assert approval(it, request["id"], True)[0]["error"]["param"] == "item.approval_request_id"


def test_a_refused_call_is_not_made() -> None:
    it = Driven(shop(require_approval="always"))
    request_id = ask(it, call_mcp("shop", "buy"))[-2]["response"]["output"][0]["id"]
    assert types(approval(it, request_id, False)) == ["conversation.item.added", "conversation.item.done"]


def test_an_approval_of_nothing_is_refused() -> None:
    assert approval(Driven(shop()), "mcpa_1", True)[0]["error"]["code"] == "invalid_value"


@each(
    "rule, asks",
    [
        ("never", False),
        (None, True),
        ({"never": {"tool_names": ["buy"]}}, False),
        ({"never": {"tool_names": ["look"]}}, True),
        ({"always": {"tool_names": ["buy"]}}, True),
    ],
)
def test_which_calls_need_approval(rule: Any, asks: bool) -> None:
    output = ask(Driven(shop(require_approval=rule)), call_mcp("shop", "buy"))[-2]["response"]["output"]
    assert (output[0]["type"] == "mcp_approval_request") == asks


def test_a_cancelled_call_has_failed() -> None:
    it = Driven(shop(require_approval="never"), pacing=Pacing(speed=1))
    ask(it, call_mcp("shop", "buy", output="bought"))
    events = it.send("response.cancel")
    assert "response.mcp_call.failed" in types(events)
    assert "output" not in events[-2]["response"]["output"][0]
