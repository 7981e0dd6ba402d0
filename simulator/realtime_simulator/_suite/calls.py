"""Checks of calls: WebRTC with its data channel and sideband, and telephone calls."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import httpx
from websockets.exceptions import InvalidStatus

from realtime_simulator._links import Phone
from realtime_simulator._suite.check import check
from realtime_simulator._suite.exchanges import in_order, of
from realtime_simulator._suite.refusals import error_of
from realtime_simulator._suite.sessions import answered, text
from realtime_simulator._suite.target import Event, Failed, Socket, Target, expect, field

_RECORDED = "recordings of the service, 2026"
_DESCRIBED = "API description"
_CALL = ("current", "webrtc")
_LOUD = 500
_RING_SECONDS = 30.0
_MAX_WEBHOOK = 65536
_LEFT = "the data channel was closed"


class _Caller(Phone):
    """A WebRTC caller whose messages are read one by one, and who listens for a sound."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        super().__init__(http)
        self._messages: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.loudest = 0
        self._listening: asyncio.Task[None] | None = None
        self.peer.on("track", self._begin)

    def came(self, message: str | bytes) -> None:
        self._messages.put_nowait(message)

    def ended(self) -> None:
        self._messages.put_nowait(None)

    async def recv(self) -> str | bytes:
        message = await self._messages.get()
        if message is None:
            self._messages.put_nowait(None)
            raise Failed(_LEFT)
        return message

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
        await super().close()

    def _begin(self, track: Any) -> None:
        self._listening = asyncio.get_running_loop().create_task(self._listen(track))

    async def _listen(self, track: Any) -> None:
        from aiortc.mediastreams import MediaStreamError

        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                self.loudest = max(self.loudest, int(abs(frame.to_ndarray()).max()))


@attrs.define
class _Story:
    """What happened in a call.

    Attributes:
        facts: By name, as far as it went.
        failure: Why it went no further.
    """

    facts: dict[str, Any] = attrs.field(factory=dict)
    failure: str = ""

    def __getitem__(self, name: str) -> Any:
        if name not in self.facts:
            raise Failed(f"the call did not get so far: {self.failure}")
        return self.facts[name]


def _told(act: Callable[[Target, dict[str, Any]], Awaitable[None]]) -> Callable[[Target], Awaitable[_Story]]:
    """Return an exchange whose facts are kept where a step of it fails."""

    async def run(target: Target) -> _Story:
        story = _Story()
        try:
            await act(target, story.facts)
        except Failed as failed:
            story.failure = str(failed)
        except (OSError, InvalidStatus, httpx.HTTPError, ValueError) as error:
            story.failure = f"{type(error).__name__}: {error}"
        return story

    return run


def _session(target: Target, **fields: Any) -> dict[str, Any]:
    return {"type": "realtime", "model": target.model, "instructions": "Of the call.", **fields}


def _form(sdp: str, session: object) -> dict[str, Any]:
    return {
        "sdp": (None, sdp.encode(), "application/sdp"),
        "session": (None, json.dumps(session), "application/json"),
    }


def _call_id(response: httpx.Response) -> str:
    return str(response.headers.get("location", "")).rpartition("/")[2]


@contextlib.asynccontextmanager
async def _calling(target: Target, facts: dict[str, Any]) -> AsyncIterator[tuple[_Caller, Socket, str]]:
    """Call, and yield the caller, its data channel after `session.created`, and the call's id."""
    async with target.http() as http:
        caller = _Caller(http)
        try:
            form = _form(await caller.offer(), _session(target))
            facts["response"] = response = await target.request("POST", "/realtime/calls", files=form)
            expect(response.status_code == 201, f"got {response.status_code} {response.text[:300]}")
            await caller.connect(response.text)
            channel = Socket(caller, target)
            facts["first"] = await channel.next()
            yield caller, channel, _call_id(response)
        finally:
            await caller.close()


async def _dial(target: Target, facts: dict[str, Any]) -> None:
    """Call, attach a sideband, update, and hang up."""
    async with (
        _calling(target, facts) as (_, channel, call_id),
        target.socket(query={"call_id": call_id}) as sideband,
    ):
        await sideband.update(instructions="By the sideband.")
        facts["sideband"] = list(sideband.events)
        facts["shared"] = await channel.until("session.updated")
        await channel.create_item(text("user", "Hello."))
        facts["returned"] = await sideband.until("conversation.item.added")
        hang_up = f"/realtime/calls/{call_id}/hangup"
        facts["hang up"] = (await target.request("POST", hang_up)).status_code
        facts["left"] = await _left(channel)
        facts["again"] = await target.request("POST", hang_up)


async def _left(channel: Socket) -> bool:
    """Return whether the server closes a data channel."""
    try:
        while True:
            await channel.next()
    except Failed as failed:
        return _LEFT in str(failed)


async def _spoken(target: Target, facts: dict[str, Any]) -> None:
    """Call, and have the model speak."""
    async with _calling(target, facts) as (caller, channel, call_id):
        await channel.create_item(text("user", "Say hello."))
        await channel.send("response.create", response={"instructions": "Answer with one short sentence."})
        await channel.until("response.done")
        await channel.until("output_audio_buffer.stopped")
        facts["events"], facts["loudest"] = list(channel.events), caller.loudest
        await target.request("POST", f"/realtime/calls/{call_id}/hangup")


@check("W02", "calls", "an offer is answered 201 with SDP", _RECORDED, _CALL)
async def call_answer(target: Target) -> None:
    response = (await target.shared("dial", _told(_dial)))["response"]
    expect(response.status_code == 201, f"expected 201, got {response.status_code} {response.text[:300]}")
    expect(response.text.startswith("v=0"), f"expected SDP, got {response.text[:80]!r}")
    for line in ("m=audio ", "m=application ", "a=setup:", "a=fingerprint:"):
        expect(f"\n{line}" in response.text, f"the answer has no {line!r}")


@check("W03", "calls", "Location has the call's id", _RECORDED, _CALL)
async def call_location(target: Target) -> None:
    response = (await target.shared("dial", _told(_dial)))["response"]
    got = response.headers.get("location")
    right = got is not None and "/realtime/calls/rtc_" in got
    expect(right, f"expected …/realtime/calls/rtc_…, got {got!r}")


@check("W04", "calls", "the data channel begins with session.created", _RECORDED, _CALL)
async def call_first_event(target: Target) -> None:
    event = (await target.shared("dial", _told(_dial)))["first"]
    expect(event["type"] == "session.created", f"expected session.created, got {event['type']}")


@check("W05", "calls", "a call's session is that of its request", _DESCRIBED, _CALL)
async def call_session(target: Target) -> None:
    event = (await target.shared("dial", _told(_dial)))["first"]
    got = field(event, "session").get("instructions")
    expect(got == "Of the call.", f"expected the instructions of the request, got {got!r}")


@check("W06", "calls", "a hang-up ends the call", _DESCRIBED, _CALL)
async def call_hang_up(target: Target) -> None:
    story = await target.shared("dial", _told(_dial))
    expect(story["hang up"] == 200, f"expected 200, got {story['hang up']}")
    expect(story["left"], "the data channel is still open")


@check("W07", "calls", "a second hang-up is answered 404", _RECORDED, _CALL)
async def call_hang_up_twice(target: Target) -> None:
    body = answered((await target.shared("dial", _told(_dial)))["again"], 404)
    error_of(body, "call_id_not_found", "", "No session found for the provided call_id")


@check("W08", "calls", "an offer that is not SDP is answered 400", "reports of users", _CALL)
async def call_broken_offer(target: Target) -> None:
    form = _form("hello", _session(target))
    response = await target.request("POST", "/realtime/calls", files=form)
    expect(response.status_code == 400, f"expected 400, got {response.status_code} {response.text[:200]}")


@check("W09", "calls", "an unknown field of a call's session is answered 400", _DESCRIBED, _CALL)
async def call_unknown_field(target: Target) -> None:
    async with target.http() as http:
        caller = _Caller(http)
        try:
            form = _form(await caller.offer(), _session(target, bogus_field=1))
        finally:
            await caller.close()
    body = answered(await target.request("POST", "/realtime/calls", files=form), 400)
    error_of(body, "unknown_parameter", "session.bogus_field", "Unknown parameter:")


@check("W10", "calls", "a client secret opens a call with only SDP", _DESCRIBED,
       (*_CALL, "secrets"))  # fmt: skip
async def call_by_secret(target: Target) -> None:
    session = {"session": _session(target)}
    secret = answered(await target.request("POST", "/realtime/client_secrets", json=session), 200)
    async with target.http() as http:
        caller = _Caller(http)
        try:
            response = await target.request(
                "POST",
                "/realtime/calls",
                key=str(secret.get("value")),
                content=(await caller.offer()).encode(),
                headers={"Content-Type": "application/sdp"},
            )
            expect(response.status_code == 201, f"got {response.status_code} {response.text[:200]}")
            await caller.connect(response.text)
            created = field(await Socket(caller, target).until("session.created"), "session")
            got = created.get("instructions")
            expect(got == "Of the call.", f"expected the secret's instructions, got {got!r}")
        finally:
            await caller.close()
    await target.request("POST", f"/realtime/calls/{_call_id(response)}/hangup")


@check("W11", "calls", "playback begins before the answer's end and stops after it", _RECORDED,
       _CALL, uses=("call",))  # fmt: skip
async def call_playback(target: Target) -> None:
    events = (await target.shared("call", _told(_spoken)))["events"]
    begun, ended = "output_audio_buffer.started", "output_audio_buffer.stopped"
    in_order(events, "response.created", begun, "response.done", ended)


@check("W12", "calls", "audio is on the track, not in events", _RECORDED, _CALL, uses=("call",))
async def call_audio(target: Target) -> None:
    story = await target.shared("call", _told(_spoken))
    deltas = of(story["events"], "response.output_audio.delta")
    expect(not deltas, f"got {len(deltas)} response.output_audio.delta")
    expect(story["loudest"] > _LOUD, f"the track was silent; its loudest sample is {story['loudest']}")


# Sidebands


@check("K01", "sidebands", "a sideband opens without session.created", _RECORDED, _CALL)
async def sideband_opens(target: Target) -> None:
    events = (await target.shared("dial", _told(_dial)))["sideband"]
    got = [event["type"] for event in events]
    expect(got == ["session.updated"], f"expected session.updated alone, got {', '.join(got)}")


@check("K02", "sidebands", "the data channel has the events of a sideband", _RECORDED, _CALL)
async def sideband_to_channel(target: Target) -> None:
    event = (await target.shared("dial", _told(_dial)))["shared"]
    got = field(event, "session").get("instructions")
    expect(got == "By the sideband.", f"expected the sideband's instructions, got {got!r}")


@check("K03", "sidebands", "a sideband has the events of the data channel", _RECORDED, _CALL)
async def channel_to_sideband(target: Target) -> None:
    item = field((await target.shared("dial", _told(_dial)))["returned"], "item")
    expect(item.get("role") == "user", f"expected the user's item, got {item}")


@check("K04", "sidebands", "a sideband of an unknown call is answered 404", "reports of users", _CALL)
async def sideband_unknown(target: Target) -> None:
    try:
        async with target.socket(query={"call_id": "rtc_none"}) as socket:
            await socket.next()
    except InvalidStatus as error:
        got = error.response.status_code
        expect(got == 404, f"expected 404, got {got}")
        return
    raise Failed("expected 404, the handshake was accepted")


# Telephone calls


async def _announced(command: str) -> tuple[dict[str, str], bytes]:
    """Run a command that makes the server ring; return the headers and body of the webhook."""
    came: asyncio.Future[tuple[dict[str, str], bytes]] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in head[1:] if line)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            body = await reader.readexactly(min(int(headers.get("content-length", "0")), _MAX_WEBHOOK))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # not a webhook
        finally:
            writer.close()
        if not came.done():
            came.set_result((headers, body))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        words = [word.replace("{url}", url) for word in shlex.split(command)]
        ran = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(_RING_SECONDS):
                _, said = await ran.communicate()
                expect(
                    ran.returncode == 0,
                    f"--ring: {words[0]} ended with {ran.returncode}: {said.decode(errors='replace')[:300]}",
                )
                return await came
        except TimeoutError:
            raise Failed(f"no webhook came in {_RING_SECONDS:g} s") from None
        finally:
            if ran.returncode is None:
                ran.kill()
                await ran.wait()


async def _ring(target: Target, facts: dict[str, Any]) -> None:
    """Have the server ring twice; accept one call and hang up, and reject the other."""
    facts["headers"], body = await _announced(str(target.ring))
    facts["event"] = event = json.loads(body)
    call_id = field(field({"event": event}, "event"), "data").get("call_id")
    path = f"/realtime/calls/{call_id}"
    accepted = await target.request("POST", f"{path}/accept", json=_session(target))
    facts["accepted"] = accepted
    expect(accepted.status_code == 200, f"got {accepted.status_code} {accepted.text[:200]}")
    sideband: list[Event] = []
    for _ in range(20):  # the service answers 404 for a moment
        try:
            async with target.socket(query={"call_id": str(call_id)}) as socket:
                await socket.update(output_modalities=["text"])
                sideband = socket.events
                break
        except InvalidStatus as error:
            if error.response.status_code != 404:
                raise
            await asyncio.sleep(0.1)
    expect(sideband, "the sideband was answered 404 for 2 s")
    facts["sideband"] = sideband[-1]
    facts["hang up"] = (await target.request("POST", f"{path}/hangup")).status_code
    second = json.loads((await _announced(str(target.ring)))[1])
    other = f"/realtime/calls/{field(second, 'data').get('call_id')}"
    facts["rejected"] = (
        await target.request("POST", f"{other}/reject", json={"status_code": 486})
    ).status_code
    facts["late"] = await target.request("POST", f"{other}/accept", json=_session(target))


_PHONE = ("current", "ring")


@check("P01", "telephone", "a webhook announces a call", _DESCRIBED, _PHONE, uses=("phone",))
async def phone_webhook(target: Target) -> None:
    event = (await target.shared("phone", _told(_ring)))["event"]
    got = event.get("object"), event.get("type")
    expect(got == ("event", "realtime.call.incoming"), f"expected an incoming call, got {got}")
    data = field(event, "data")
    expect(str(data.get("call_id")).startswith("rtc_"), f"expected rtc_…, got {data.get('call_id')!r}")
    names = {str(one.get("name")).lower() for one in data.get("sip_headers") or []}
    expect({"from", "to"} <= names, f"expected sip_headers with From and To, got {sorted(names)}")


@check("P02", "telephone", "a webhook is signed as in Standard Webhooks", _DESCRIBED, _PHONE, uses=("phone",))
async def phone_signature(target: Target) -> None:
    headers = (await target.shared("phone", _told(_ring)))["headers"]
    missing = [n for n in ("webhook-id", "webhook-timestamp", "webhook-signature") if not headers.get(n)]
    expect(not missing, f"without {', '.join(missing)}")
    got = headers["webhook-signature"]
    expect(got.startswith("v1,"), f"expected a signature that begins with 'v1,', got {got[:20]!r}")


@check("P03", "telephone", "a call is accepted with 200, and has a sideband", _DESCRIBED, _PHONE,
       uses=("phone",))  # fmt: skip
async def phone_accepted(target: Target) -> None:
    story = await target.shared("phone", _told(_ring))
    got = story["accepted"].status_code
    expect(got == 200, f"expected 200, got {got}")
    shown = field(story["sideband"], "session").get("instructions")
    expect(shown == "Of the call.", f"expected the instructions of the accept, got {shown!r}")


@check("P04", "telephone", "an accepted call can be hung up", _DESCRIBED, _PHONE, uses=("phone",))
async def phone_hang_up(target: Target) -> None:
    got = (await target.shared("phone", _told(_ring)))["hang up"]
    expect(got == 200, f"expected 200, got {got}")


@check("P05", "telephone", "a call can be rejected, and not accepted afterwards", _DESCRIBED, _PHONE,
       uses=("phone",))  # fmt: skip
async def phone_rejected(target: Target) -> None:
    story = await target.shared("phone", _told(_ring))
    expect(story["rejected"] == 200, f"expected 200 for the reject, got {story['rejected']}")
    late = story["late"].status_code
    expect(400 <= late < 500, f"expected a refusal of the late accept, got {late}")
