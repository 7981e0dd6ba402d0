"""The function calls of a Live session's backend, without I/O: rounds, failures, and who runs them."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_ext.connection._state.backend import Backend
from realtime_ext.connection._state.function_calls import ApprovalJob, CallJob, FollowUpJob, Job
from tests.support.rows import each

TASK = "item_1"


def call(number: int, **fields: Any) -> dict[str, Any]:
    own = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": "look_up"}
    return {**own, "arguments": "{}", "status": "completed", **fields}


class Service:
    """Sends a backend's events to the states of one connection or several."""

    def __init__(self, *backends: Backend) -> None:
        self.backends = backends or (Backend(),)
        self.wakes = 0
        for backend in self.backends:
            backend.claims = self.backends[0].claims
            backend.register_tools(self._wake)

    @property
    def backend(self) -> Backend:
        return self.backends[0]

    def _wake(self) -> None:
        self.wakes += 1

    def send(self, kind: str, task: Any = TASK, **fields: Any) -> None:
        for backend in self.backends:
            backend.apply(task, {"type": f"response.{kind}", **fields})

    def begin(self, response: str, task: Any = TASK) -> None:
        self.send("created", task, response={"id": response})

    def item(self, item: Any, task: Any = TASK) -> None:
        self.send("output_item.done", task, item=item)

    def end(self, response: str, task: Any = TASK, kind: str = "completed") -> None:
        self.send(kind, task, response={"id": response})

    def round(self, number: int) -> list[Job]:
        """Run a response with one call; return what is to be done."""
        self.begin(f"resp_{number}")
        self.item(call(number))
        self.end(f"resp_{number}")
        return jobs(self.backend)


def jobs(backend: Backend) -> list[Job]:
    found = []
    while (job := backend.next_job()) is not None:
        found.append(job)
    return found


def answer(backend: Backend, job: Job, *, silent: bool = False) -> list[Job]:
    assert isinstance(job, CallJob)
    assert backend.output(job, "1") == {
        "type": "response.item.create",
        "item": {"type": "function_call_output", "call_id": job.call_id, "output": "1"},
    }
    backend.answered(job, silent=silent)
    return jobs(backend)


def test_the_backend_continues_once_all_outputs_are_in_and_its_response_is_completed() -> None:
    service = Service()
    service.begin("resp_1")
    service.item(call(1, arguments='{"day":"Sunday"}'))
    service.item(call(2))
    first, second = jobs(service.backend)
    assert first == CallJob(
        call_id="call_1", name="look_up", arguments='{"day":"Sunday"}', response_id="resp_1"
    )
    assert answer(service.backend, first) == []
    assert answer(service.backend, second) == []
    service.end("resp_1")
    assert jobs(service.backend) == [FollowUpJob(response_id="resp_1")]
    assert service.wakes == 3
    follow_up = service.backend.follow_up(FollowUpJob(response_id="resp_1"), "evt_1")
    assert follow_up == {"type": "response.create", "event_id": "evt_1"}


def test_a_response_that_is_completed_first_waits_for_the_outputs() -> None:
    service = Service()
    (job,) = service.round(1)
    assert answer(service.backend, job) == [FollowUpJob(response_id="resp_1")]


def test_silent_outputs_alone_ask_for_nothing() -> None:
    service = Service()
    (job,) = service.round(1)
    assert answer(service.backend, job, silent=True) == []


@each("fails", [False, True])
def test_the_backend_continues_once_for_all_delegations_of_the_session(fails: bool) -> None:
    service = Service()
    for number, task in ((1, "item_1"), (2, "item_2")):
        service.begin(f"resp_{number}", task)
        service.item(call(number), task)
    service.end("resp_1", "item_1")
    first, second = jobs(service.backend)
    assert answer(service.backend, first) == []  # the other call has no output: it would be refused
    if fails:
        service.end("resp_2", "item_2", "failed")
        assert jobs(service.backend) == [FollowUpJob(response_id="resp_1")]
    else:
        service.end("resp_2", "item_2")
        assert answer(service.backend, second) == [FollowUpJob(response_id="resp_2")]


def test_delegations_do_not_mix() -> None:
    service = Service()
    service.begin("resp_1", "item_1")
    service.begin("resp_2", None)
    service.item(call(1), "item_1")
    service.item(call(2), None)
    assert [job.response_id for job in jobs(service.backend)] == ["resp_1", "resp_2"]


@each("kind", ["failed", "incomplete"])
def test_calls_of_a_response_that_fails_are_not_answered(kind: str) -> None:
    service = Service()
    service.begin("resp_1")
    service.item(call(1))
    (job,) = jobs(service.backend)
    service.item(call(2))
    service.end("resp_1", kind=kind)
    assert isinstance(job, CallJob)
    assert service.backend.output(job, "1") is None
    service.backend.answered(job, silent=False)
    assert jobs(service.backend) == []


@each(
    "item",
    [
        None,
        {},
        call(1, status="in_progress"),
        call(1, call_id=["a"]),
        call(1, name=None),
        {"type": "message", "id": "msg_1"},
        {"type": "mcp_approval_request"},
    ],
)
def test_events_other_than_calls_are_ignored(item: Any) -> None:
    service = Service()
    service.begin("resp_1")
    service.item(item)
    service.end("resp_1")
    service.send("completed", response=7)
    service.send("created", response=None)
    assert jobs(service.backend) == []


def test_a_call_that_comes_twice_is_run_once() -> None:
    service = Service()
    service.begin("resp_1")
    service.item(call(1))
    service.item(call(1))
    assert len(jobs(service.backend)) == 1


def test_one_connection_runs_all_calls_of_a_response() -> None:
    first, second = Backend(), Backend()
    service = Service(first, second)
    service.begin("resp_1")
    for number in (1, 2):
        service.item(call(number))
    service.end("resp_1")
    assert [len(jobs(backend)) for backend in (first, second)] == [2, 0]


def test_a_connection_that_is_late_leaves_the_calls_to_the_one_that_began() -> None:
    first, late = Backend(), Backend()
    service = Service(first)
    service.begin("resp_1")
    service.item(call(1))
    late.claims = first.claims
    late.register_tools(lambda: None)
    for event in ({"type": "response.output_item.done", "item": call(2)},):
        first.apply(TASK, event)
        late.apply(TASK, event)
    assert jobs(late) == []
    done = {"type": "response.completed", "response": {"id": "resp_1"}}
    first.apply(TASK, done)
    late.apply(TASK, done)
    assert (len(jobs(first)), len(jobs(late))) == (2, 0)


def test_a_connection_that_is_late_and_is_alone_runs_what_it_saw() -> None:
    service = Service()
    service.item(call(2))
    assert jobs(service.backend) == []
    service.end("resp_1")
    assert [job.response_id for job in jobs(service.backend)] == ["resp_1"]


def test_rounds_are_limited_for_each_request(caplog: pytest.LogCaptureFixture) -> None:
    service = Service()
    service.backend.most_rounds = 2
    for number in (1, 2):
        (job,) = service.round(number)
        assert isinstance(job, CallJob) and job.refusal is None
        assert answer(service.backend, job) != []
    (job,) = service.round(3)
    assert isinstance(job, CallJob)
    assert job.refusal is not None and "called 2 times" in job.refusal
    assert answer(service.backend, job) != []
    (job,) = service.round(4)
    assert isinstance(job, CallJob) and job.refusal is not None
    assert answer(service.backend, job) == [], "its answer opens the session's gate, and ends the loop"
    assert "the backend still calls functions after 2 rounds" in caplog.text
    service.begin("resp_5", "item_2")
    service.item(call(5), "item_2")
    (job,) = jobs(service.backend)
    assert isinstance(job, CallJob) and job.refusal is None


def test_rounds_begin_anew_after_an_answer() -> None:
    service = Service()
    service.backend.most_rounds = 1
    for number in (1, 3):
        (job,) = service.round(number)
        assert isinstance(job, CallJob) and job.refusal is None
        answer(service.backend, job)
        service.begin(f"resp_{number + 1}")
        service.end(f"resp_{number + 1}")


@each("approve", [True, False])
def test_a_request_for_permission_is_answered_before_the_backend_continues(approve: bool) -> None:
    service = Service()
    request = {"type": "mcp_approval_request", "id": "mcpr_1", "name": "pay", "server_label": "bank"}
    service.begin("resp_1")
    service.item(request)
    service.end("resp_1")
    (job,) = jobs(service.backend)
    assert job == ApprovalJob(item=request, response_id="resp_1")
    event = service.backend.approval(job, "evt_1", approve=approve)
    assert (event["type"], event["event_id"]) == ("response.item.create", "evt_1")
    assert event["item"]["type"] == "mcp_approval_response"
    assert (event["item"]["approval_request_id"], event["item"]["approve"]) == ("mcpr_1", approve)
    service.backend.decided(job)
    assert jobs(service.backend) == [FollowUpJob(response_id="resp_1")]


def test_a_lost_sideband_continues_without_the_end_of_the_response() -> None:
    service = Service()
    service.begin("resp_1")
    service.item(call(1))
    (job,) = jobs(service.backend)
    service.backend.link_lost()
    assert answer(service.backend, job) == [FollowUpJob(response_id="resp_1")]
    service.end("resp_1")
    assert jobs(service.backend) == []


def test_a_new_session_has_nothing_to_do() -> None:
    service = Service()
    service.round(1)
    service.begin("resp_2")
    service.item(call(2))
    service.backend.forget()
    service.end("resp_2")
    assert jobs(service.backend) == []


@each("is_over", [False, True])
def test_calls_that_came_before_the_tools_are_run(is_over: bool) -> None:
    service = Service()
    late = Backend()
    service.backends = (late,)
    service.begin("resp_1")
    service.item(call(1))
    if is_over:
        service.end("resp_1")
    assert late.next_job() is None
    late.register_tools(lambda: None)
    (job,) = jobs(late)
    assert isinstance(job, CallJob) and job.response_id == "resp_1"
    assert answer(late, job) == ([FollowUpJob(response_id="resp_1")] if is_over else [])


def test_a_call_that_follows_after_a_lost_link_is_run_too() -> None:
    service = Service()
    service.begin("resp_1")
    service.item(call(1))
    (first,) = jobs(service.backend)
    answer(service.backend, first)
    service.backend.link_lost()
    assert [type(job) for job in jobs(service.backend)] == [FollowUpJob]
    service.item(call(2))
    (second,) = jobs(service.backend)
    assert answer(service.backend, second) == [], "the response goes on"
    service.end("resp_1")
    assert jobs(service.backend) == [FollowUpJob(response_id="resp_1")]


def test_the_backend_continues_when_the_end_of_its_response_was_lost_with_the_link() -> None:
    service = Service()
    service.begin("resp_1")
    for number in (1, 2):
        service.item(call(number))
    first, second = jobs(service.backend)
    assert answer(service.backend, first) == []
    service.backend.link_lost()
    assert jobs(service.backend) == [], "the second call has no output yet"
    assert answer(service.backend, second) == [FollowUpJob(response_id="resp_1")]


def test_outputs_that_the_server_misses_are_sent_again_once() -> None:
    service = Service()
    service.begin("resp_1")
    for number in (1, 2):
        service.item(call(number))
    service.end("resp_1")
    first, second = jobs(service.backend)
    service.backend.outputs_required("No tool output found for function call call_1, call_2.")
    assert jobs(service.backend) == [], "their functions run"
    answer(service.backend, first)
    (follow,) = answer(service.backend, second)
    assert isinstance(follow, FollowUpJob)
    service.backend.follow_up(follow, "evt_1")
    service.backend.outputs_required("No tool output found for function call call_2.")
    (again,) = jobs(service.backend)
    assert isinstance(again, CallJob) and (again.call_id, again.output) == ("call_2", "1")
    assert [type(job) for job in answer(service.backend, again)] == [FollowUpJob]
    service.backend.outputs_required("No tool output found for function call call_2.")
    assert jobs(service.backend) == []


def test_a_call_that_was_missed_is_answered_so_that_the_model_makes_it_again() -> None:
    service = Service(Backend(), Backend())
    for backend in service.backends:
        backend.outputs_required("No tool output found for function call call_7.")
    (job,) = [job for backend in service.backends for job in jobs(backend)]
    assert isinstance(job, CallJob) and job.call_id == "call_7"
    assert job.output is not None and "make it again" in job.output
    backend = Backend()
    backend.outputs_required("No tool output found for function call call_7.")
    assert jobs(backend) == [], "the program runs its functions itself"


def test_a_request_to_go_on_that_was_lost_with_the_link_is_sent_again() -> None:
    service = Service()
    (job,) = service.round(1)
    (follow,) = answer(service.backend, job)
    assert isinstance(follow, FollowUpJob)
    service.backend.link_restored()
    assert jobs(service.backend) == []
    service.backend.follow_up(follow, "evt_1")
    for goes_on in (False, True):
        service.backend.link_restored()
        (again,) = jobs(service.backend)
        assert isinstance(again, FollowUpJob) and again.is_again
        if goes_on:
            service.begin("resp_2")
        assert (service.backend.follow_up(again, "evt_2") is None) == goes_on
    service.backend.link_restored()
    assert jobs(service.backend) == []
