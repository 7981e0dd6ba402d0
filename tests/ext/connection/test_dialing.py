"""How a call of `dial` ends when something fails: the error says what, and nothing is left over."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from realtime_ext.errors import (
    APIConnectionError,
    APIResponseError,
    APITimeoutError,
    ConnectionClosedError,
    SdpError,
)
from tests.ext.connection.clocks import put_forward
from tests.ext.connection.far_end import Damage, FarEnd
from tests.support.answerer import Answerer, tone
from tests.support.rows import each
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.real_time

Scenario = Callable[[FarEnd], Awaitable[None]]


def run(scenario: Scenario, far_end: FarEnd | None = None) -> FarEnd:
    """Run a scenario; no task and no unretrieved exception may be left."""

    async def scene(end: FarEnd) -> None:
        unseen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
        async with asyncio.timeout(PATIENCE):
            await scenario(end)
        gc.collect()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert unseen == []

    end = FarEnd() if far_end is None else far_end
    asyncio.run(scene(end))
    return end


async def speech(*pieces: Any) -> AsyncIterator[Any]:
    for piece in pieces:
        yield piece


async def failing(error: BaseException) -> AsyncIterator[bytes]:
    yield tone(40)
    raise error


@pytest.mark.parametrize("bad_step", ["offer", "call", "ice", "dtls", "data channel"])
@pytest.mark.slow
def test_a_call_does_not_fail_by_being_watched(bad_step: str, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def watch(step: str) -> None:
        seen.append(step)
        if step == bad_step:
            raise LookupError("the display is gone")

    async def scenario(far_end: FarEnd) -> None:
        async with far_end.client() as client, client.dial(on_progress=watch) as connection:
            assert not connection.is_closed

    far_end = run(scenario)
    assert seen == ["offer", "call", "ice", "dtls", "data channel"]
    assert far_end.hung_up == ["rtc_u1_1"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == [f"on_progress raised LookupError at {bad_step!r}"]


@pytest.mark.parametrize(
    ("source", "cause", "message"),
    [
        (lambda: failing(LookupError("no more text to speak")), LookupError, "no more text to speak"),
        (lambda: failing(KeyError()), KeyError, "KeyError"),
        (lambda: failing(asyncio.CancelledError()), asyncio.CancelledError, "CancelledError"),
        (lambda: failing(GeneratorExit()), GeneratorExit, "GeneratorExit"),
        (lambda: failing(BaseException()), BaseException, "BaseException"),
        (lambda: failing(TimeoutError("no text in time")), TimeoutError, "no text in time"),
        (lambda: speech(bytes(960), "AAAA"), TypeError, "the yielded audio: expected bytes, got str"),
        (lambda: speech(bytes(960), [0, 0]), TypeError, "the yielded audio: expected bytes, got list"),
        (lambda: speech(None), TypeError, "expected bytes, got NoneType"),
        (lambda: speech(bytes(960), bytes(3)), ValueError, "whole 16-bit samples; it ended after 963 bytes"),
    ],
)
@pytest.mark.slow
def test_audio_in_that_fails_ends_the_connection_with_its_error(
    source: Callable[[], AsyncIterator[Any]], cause: type[BaseException], message: str
) -> None:
    async def scenario(far_end: FarEnd) -> None:
        async with far_end.client() as client, client.dial(audio_in=source()) as connection:
            with pytest.raises(ConnectionClosedError, match=f"audio_in failed: .*{message}") as caught:
                async for _ in connection:
                    pass
            assert caught.value.code == 1011
            assert type(caught.value.__cause__) is cause
            with pytest.raises(ConnectionClosedError, match="audio_in failed") as caught:
                await connection.send_text("Are you there?")
            assert type(caught.value.__cause__) is cause
            await connection.finished_speaking()

    assert run(scenario).hung_up == ["rtc_u1_1"]


@pytest.mark.parametrize(
    "error",
    [LookupError("the loudspeaker is gone"), asyncio.CancelledError(), GeneratorExit(), BaseException()],
)
@pytest.mark.slow
def test_audio_out_that_fails_ends_the_connection_with_its_error(error: BaseException) -> None:
    heard: list[bytes] = []

    async def listen(pcm: bytes) -> None:
        heard.append(pcm)
        if len(heard) == 5:
            raise error

    async def scenario(far_end: FarEnd) -> None:
        async with far_end.client() as client, client.dial(audio_out=listen) as connection:
            with pytest.raises(ConnectionClosedError, match=r"audio_out failed: .+") as caught:
                await connection.run()
            assert type(caught.value.__cause__) is type(error)
            assert connection.received_ms >= 80

    assert run(scenario).hung_up == ["rtc_u1_1"]
    assert len(heard) == 5


def test_pieces_that_cut_samples_in_half_are_joined() -> None:
    async def scenario(far_end: FarEnd) -> None:
        pcm = tone(40)
        pieces = speech(pcm[:961], memoryview(pcm)[961:1500], bytearray(pcm[1500:]))
        async with far_end.client() as client, client.dial(audio_in=pieces) as connection:
            await connection.finished_speaking()
            assert connection.sent_ms == 40
            assert not connection.is_closed

    run(scenario)


def test_a_generator_cleans_up_before_the_block_is_left() -> None:
    cleaned: list[str] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield tone(40)
        finally:
            await asyncio.sleep(0)
            cleaned.append("yes")

    async def scenario(far_end: FarEnd) -> None:
        async with far_end.client() as client:
            async with client.dial(audio_in=endless()):
                await far_end.answerers[0].heard_something.wait()
            assert cleaned == ["yes"]

    run(scenario)


def test_code_of_the_application_that_ignores_its_cancellation_does_not_keep_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    released = asyncio.Event()
    started = asyncio.Event()

    async def stubborn(pcm: bytes) -> None:
        started.set()
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async def scenario(far_end: FarEnd) -> None:
        async with far_end.client() as client:
            async with client.dial(audio_out=stubborn):
                await started.wait()
            channel = far_end.answerers[0].channel
            assert channel is not None
            while channel.readyState != "closed":  # the peer was closed all the same
                await asyncio.sleep(0)
            released.set()
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)

    assert run(scenario).hung_up == ["rtc_u1_1"]
    assert "audio_out continues although it was cancelled" in caplog.text


def test_waiting_for_the_end_of_speech_ends_with_the_call() -> None:
    async def scenario(far_end: FarEnd) -> None:
        async with far_end.client() as client, client.dial(audio_in=speech(tone(20_000))) as connection:
            await far_end.answerers[0].heard_something.wait()
            await far_end.answerers[0].close()
            await connection.finished_speaking()
            assert [event async for event in connection] == []

    run(scenario)


async def other_certificate(answerer: Answerer, answer: str) -> str:
    return re.sub(r"(?<=a=fingerprint:sha-256 )\S+", ":".join(["00"] * 32), answer)


async def mute_dtls(answerer: Answerer, answer: str) -> str:
    answerer.pc.sctp.transport.transport._send = _drop
    return answer


async def deaf_data_channel(answerer: Answerer, answer: str) -> str:
    answerer.pc.sctp._handle_data = _drop
    return answer


async def other_password(answerer: Answerer, answer: str) -> str:
    return re.sub(r"(?<=a=ice-pwd:)\S+", "x" * 24, answer)


LIMIT = 20.0  # seconds, put forward; after 30 without an answer, ICE ends the connection


async def _drop(data: bytes) -> None:
    return


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (other_password, APITimeoutError, r"^ICE \(.*checking.*did not connect within 1 s$"),
        (other_certificate, APIConnectionError, r"^DTLS \(state 'failed'\) did not connect$"),
        (mute_dtls, APITimeoutError, r"^DTLS \(state 'connecting'\) did not connect within 20 s$"),
        (deaf_data_channel, APITimeoutError, r"^the data channel 'oai-events' .* within 20 s$"),
    ],
)
def test_a_call_that_does_not_connect_says_why_and_is_hung_up(
    damage: Damage, kind: type[Exception], message: str
) -> None:
    last = {mute_dtls: "ice", deaf_data_channel: "dtls"}.get(damage)

    def connected(layer: str) -> None:
        if layer == last:
            put_forward(asyncio.get_running_loop(), LIMIT)

    async def scenario(far_end: FarEnd) -> None:
        far_end.damage = damage
        async with far_end.client() as client:
            with pytest.raises(kind, match=message) as caught:
                limit = 1 if damage is other_password else LIMIT
                async with client.dial(connect_timeout=limit, on_progress=connected):
                    pass
            assert type(caught.value) is kind
            assert far_end.hung_up == ["rtc_u1_1"]

    run(scenario)


@each("text", ["", "<html>502</html>", "v=0"])
def test_a_call_whose_answer_is_not_a_description_is_hung_up(text: str) -> None:
    async def no_description(answerer: Answerer, answer: str) -> str:
        return text

    async def scenario(far_end: FarEnd) -> None:
        far_end.damage = no_description
        async with far_end.client() as client:
            with pytest.raises(APIResponseError, match="the answer is not SDP") as caught:
                async with client.dial():
                    pass
            assert caught.value.status_code == 201
            assert far_end.hung_up == ["rtc_u1_1"]

    run(scenario)


def test_a_call_whose_answer_does_not_fit_the_offer_is_hung_up() -> None:
    async def audio_alone(answerer: Answerer, answer: str) -> str:
        return answer[: answer.index("m=application")]

    async def scenario(far_end: FarEnd) -> None:
        far_end.damage = audio_alone
        async with far_end.client() as client:
            with pytest.raises(SdpError, match="can't be applied to the offer"):
                async with client.dial():
                    pass
            assert far_end.hung_up == ["rtc_u1_1"]

    run(scenario)
