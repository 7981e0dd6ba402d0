"""Function calls without a connection: which are run, in which order, and when a follow-up is requested."""

from __future__ import annotations

from typing import Any

from realtime_ext.connection._state.function_calls import (
    ApprovalJob,
    CallJob,
    FollowUpJob,
    FunctionCalls,
    approval_item,
    output_item,
)
from tests.support.rows import each

MCP_CALL, MESSAGE = {"type": "mcp_call", "id": "mcp_1"}, {"type": "message", "id": "item_1"}


def call(call_id: str, /, **fields: Any) -> dict[str, Any]:
    item = {"type": "function_call", "call_id": call_id, "name": "add", "arguments": "{}"}
    return {**item, "status": "completed", **fields}


def request(item_id: str = "mcpr_1") -> dict[str, Any]:
    return {"type": "mcp_approval_request", "id": item_id, "name": "buy"}


class Calls(FunctionCalls):
    """Function calls, and what they reported."""

    def __init__(self) -> None:
        self.wakes = 0
        self.settled: list[tuple[str, bool]] = []
        super().__init__(self.wake, lambda response_id, follows: self.settled.append((response_id, follows)))

    def wake(self) -> None:
        self.wakes += 1

    def jobs(self) -> list[Any]:
        return list(iter(self.next_job, None))

    def done(self, response_id: str, *output: Any, status: str = "completed") -> bool:
        return self.response_done({"id": response_id, "status": status, "output": list(output)})


def test_calls_are_run_once_and_in_order() -> None:
    calls = Calls()
    calls.item_done(call("a"), "resp_1")
    calls.item_done(call("b"), "resp_1")
    calls.item_done(call("a"), "resp_1")
    assert calls.done("resp_1", call("a"), call("b"), call("c", arguments=5))
    jobs = calls.jobs()
    assert [(job.call_id, job.arguments, job.response_id) for job in jobs] == [
        ("a", "{}", "resp_1"),
        ("b", "{}", "resp_1"),
        ("c", "", "resp_1"),
    ]
    assert calls.wakes == 3
    assert [calls.is_known("a"), calls.is_known("d")] == [True, False]


@each(
    "item",
    [
        None,
        call("a", status="incomplete"),
        call("a", status="in_progress"),
        call("a", type="message"),
        call("a", call_id=5),
        call("a", name=None),
    ],
)
def test_calls_that_are_unfinished_or_of_another_shape_are_not_run(item: Any) -> None:
    calls = Calls()
    calls.item_done(item, "resp_1")
    assert not calls.done("resp_1", item)
    assert (calls.jobs(), calls.settled) == ([], [])


@each("status", ["cancelled", "failed"])
def test_calls_that_only_a_failed_response_lists_are_not_run(status: str) -> None:
    calls = Calls()
    assert not calls.done("resp_1", call("a"), status=status)
    assert calls.jobs() == []


def test_an_output_other_than_a_list_has_no_calls() -> None:
    assert not Calls().response_done({"id": "resp_1", "status": "completed", "output": None})


@each("silent, follows", [((False, False), True), ((False, True), True), ((True, True), False)])
def test_one_follow_up_is_asked_for_when_the_last_call_is_answered(
    silent: tuple[bool, bool], follows: bool
) -> None:
    calls = Calls()
    calls.done("resp_1", call("a"), call("b"))
    first, second = calls.jobs()
    calls.answered(first, silent=silent[0])
    assert calls.settled == []
    calls.answered(second, silent=silent[1])
    assert calls.settled == [("resp_1", follows)]
    assert calls.jobs() == ([FollowUpJob(response_id="resp_1")] if follows else [])
    calls.answered(second, silent=False)  # a second answer changes nothing
    assert calls.jobs() == []


def test_a_follow_up_waits_for_the_end_of_its_response() -> None:
    calls = Calls()
    calls.item_done(call("a"), "resp_1")
    calls.answered(calls.jobs()[0], silent=False)
    assert calls.jobs() == []
    assert calls.done("resp_1", call("a"))
    assert calls.jobs() == [FollowUpJob(response_id="resp_1")]


def test_a_cancelled_response_has_no_follow_up() -> None:
    calls = Calls()
    calls.item_done(call("a"), "resp_1")
    assert calls.done("resp_1", call("a"), status="cancelled")
    calls.answered(calls.jobs()[0], silent=False)
    assert calls.settled == [("resp_1", False)]
    assert calls.jobs() == []


def test_a_refused_follow_up_is_retried() -> None:
    calls = Calls()
    job = FollowUpJob(response_id="resp_1")
    calls.retry(job)
    assert (calls.jobs(), calls.wakes) == ([job], 1)


def test_after_a_lost_link_the_model_is_asked_to_continue_without_the_responses_end() -> None:
    calls = Calls()
    calls.item_done(call("a"), "resp_1")
    calls.item_done(call("b"), "resp_2")
    first, second = calls.jobs()
    calls.answered(first, silent=False)
    calls.link_lost()
    assert calls.jobs() == [FollowUpJob(response_id="resp_1")]
    calls.answered(second, silent=False)
    assert calls.jobs() == [FollowUpJob(response_id="resp_2")]


def test_a_call_that_is_retrieved_has_a_follow_up_of_its_own() -> None:
    calls = Calls()
    calls.retrieved(call("a", status="in_progress"))
    assert calls.jobs() == []
    calls.retrieved(call("a"))
    job = calls.jobs()[0]
    calls.answered(job, silent=False)
    assert calls.jobs() == [FollowUpJob(response_id=job.response_id)]


def test_a_new_session_forgets_pending_jobs_and_remembers_finished_calls() -> None:
    calls = Calls()
    calls.done("resp_1", call("a"), request())
    job, approval = calls.jobs()
    calls.deciding(approval, "evt_1", approve=True)
    calls.done("resp_2", call("b"))
    calls.forget()
    assert calls.jobs() == []
    calls.answered(job, silent=False)
    calls.refused("evt_1")
    calls.mcp_ended()
    assert calls.settled == []
    calls.item_done(call("a"), "resp_3")
    assert calls.jobs() == []


# Requests for permission


def permitted(calls: Calls, *, approve: bool = True, output: tuple[Any, ...] = ()) -> ApprovalJob:
    """Have one response that asks for permission, and answer it."""
    assert calls.done("resp_1", request(), *output)
    (job,) = calls.jobs()
    calls.deciding(job, "evt_1", approve=approve)
    calls.decided(job)
    return job


def test_a_request_for_permission_is_decided_once() -> None:
    calls = Calls()
    calls.item_done(request(), None)  # as an item of the conversation, which names no response
    calls.item_done(request(), "resp_1")
    calls.item_done(request(), "resp_1")
    assert calls.jobs() == [ApprovalJob(item=request())]
    assert calls.done("resp_1", request())
    assert calls.jobs() == []


def test_the_model_is_asked_to_continue_when_the_permitted_call_has_ended() -> None:
    calls = Calls()
    permitted(calls)
    assert (calls.jobs(), calls.settled) == ([], [])
    calls.mcp_ended()
    assert calls.jobs() == [FollowUpJob(response_id="resp_1")]
    calls.mcp_ended()
    assert calls.jobs() == []


def test_a_call_that_ends_before_its_response_is_followed_by_one_request() -> None:
    calls = Calls()
    calls.item_done(request(), None)
    (job,) = calls.jobs()
    calls.deciding(job, "evt_1", approve=True)
    calls.mcp_ended()
    calls.decided(job)
    assert calls.jobs() == []
    assert calls.done("resp_1", request())
    assert calls.jobs() == [FollowUpJob(response_id="resp_1")]


@each(
    "output, follows",
    [((MCP_CALL, MESSAGE), False), ((MESSAGE, MCP_CALL), True), ((MESSAGE,), True), ((MCP_CALL, None), True)],
)
def test_a_response_that_speaks_after_its_last_call_needs_no_follow_up(
    output: tuple[Any, ...], follows: bool
) -> None:
    calls = Calls()
    calls.item_done(request(), "resp_1")
    (job,) = calls.jobs()
    calls.deciding(job, "evt_1", approve=True)
    calls.mcp_ended()
    calls.done("resp_1", request(), *output)
    assert bool(calls.jobs()) is follows
    assert calls.settled == [("resp_1", follows)]


def test_the_model_speaks_of_a_refusal_once() -> None:
    calls = Calls()
    permitted(calls, approve=False)
    assert calls.jobs() == [FollowUpJob(response_id="resp_1")]
    calls.done("resp_2", request("mcpr_2"))
    (job,) = calls.jobs()
    calls.deciding(job, "evt_2", approve=False)
    calls.decided(job)
    assert (calls.jobs(), calls.settled[-1]) == ([], ("resp_2", False))
    calls.done("resp_3", MESSAGE)  # it gave in
    calls.done("resp_4", request("mcpr_3"))
    (job,) = calls.jobs()
    calls.deciding(job, "evt_3", approve=False)
    calls.decided(job)
    assert calls.jobs() == [FollowUpJob(response_id="resp_4")]


def test_an_answer_that_the_server_refused_has_no_follow_up() -> None:
    calls = Calls()
    permitted(calls)
    calls.refused("evt_9")
    assert calls.settled == []
    calls.refused("evt_1")
    assert (calls.jobs(), calls.settled) == ([], [("resp_1", False)])
    calls.mcp_ended()
    assert calls.jobs() == []


def test_a_failed_response_ends_its_requests() -> None:
    calls = Calls()
    calls.item_done(request(), "resp_1")
    assert calls.done("resp_1", request(), status="failed")
    assert calls.settled == [("resp_1", False)]


def test_permitted_calls_end_in_order() -> None:
    calls = Calls()
    calls.done("resp_1", request("mcpr_1"))
    calls.done("resp_2", request("mcpr_2"))
    for number, job in enumerate(calls.jobs()):
        calls.deciding(job, f"evt_{number}", approve=True)
        calls.decided(job)
    calls.mcp_ended()
    assert calls.jobs() == [FollowUpJob(response_id="resp_1")]
    calls.mcp_ended()
    assert calls.jobs() == [FollowUpJob(response_id="resp_2")]


def test_an_unrequested_response_continues_the_one_whose_call_was_permitted() -> None:
    calls = Calls()
    assert calls.continues("resp_0") is None
    permitted(calls)
    assert calls.continues("resp_2") == "resp_1"
    calls.mcp_ended()
    assert calls.jobs() == []
    assert calls.done("resp_2", MCP_CALL, MESSAGE)
    assert calls.settled == [("resp_2", False)]
    assert calls.continues("resp_3") is None


def test_a_response_with_calls_of_its_own_is_settled_apart_from_the_one_that_continues_it() -> None:
    calls = Calls()
    calls.done("resp_1", request(), call("a"))
    approval, job = calls.jobs()
    calls.deciding(approval, "evt_1", approve=True)
    calls.decided(approval)
    assert calls.continues("resp_2") == "resp_1"
    calls.answered(job, silent=False)
    assert calls.jobs() == [FollowUpJob(response_id="resp_1")]
    calls.mcp_ended()
    calls.done("resp_2", MCP_CALL)
    assert calls.jobs() == [FollowUpJob(response_id="resp_2")]


def test_a_response_that_is_continued_is_settled_with_the_one_that_continues_it() -> None:
    calls = Calls()
    permitted(calls)
    calls.continues("resp_2")
    assert calls.done("resp_2", MCP_CALL, MESSAGE)
    calls.link_lost()
    assert (calls.jobs(), calls.settled) == ([], []), "the permitted call has not ended"
    calls.mcp_ended()
    assert calls.settled == [("resp_2", True)]


def test_after_a_new_session_a_lost_link_settles_nothing() -> None:
    calls = Calls()
    calls.done("resp_1", call("a"))
    calls.answered(calls.jobs()[0], silent=False)
    calls.done("resp_2", call("b"))
    calls.forget()
    calls.item_done(call("c"), "resp_2")
    assert [job.call_id for job in calls.jobs()] == ["c"]
    calls.done("resp_2", call("c"))
    assert calls.settled == [("resp_1", True)]
    calls.answered(CallJob(call_id="c", name="add", arguments="{}", response_id="resp_2"), silent=False)
    assert calls.settled == [("resp_1", True), ("resp_2", True)]


def test_a_request_that_is_not_permitted_yet_is_continued_by_none() -> None:
    calls = Calls()
    calls.done("resp_1", request())
    assert calls.continues("resp_2") is None


# Events


def test_outputs_and_answers_are_items() -> None:
    job = CallJob(call_id="a", name="add", arguments="{}", response_id="resp_1")
    output = {"type": "function_call_output", "call_id": "a", "output": "3"}
    assert output_item(job, "3") == {"type": "conversation.item.create", "item": output}
    item = approval_item(ApprovalJob(item=request()), approve=True)["item"]
    assert item.pop("id").startswith("mcpr_")
    expected = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    assert item == expected
