"""A model behind the simulator: brain, ears and voice at any endpoint that speaks OpenAI's HTTP API.

    simulator.on_response(brain_at("http://127.0.0.1:11434/v1", "llama3.2"))
    simulator.on_speech(ears_at("http://127.0.0.1:8000/v1"), pauses=True)
    simulator.on_voice(voice_at("http://127.0.0.1:8880/v1", "kokoro"))

They are functions such as a program can write for a scenario. Redirects are not followed, and messages
hold no key.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from realtime_simulator._core.outgoing import is_loopback, unlogged
from realtime_simulator._engine.turn import CallTool, Heard, Turn
from realtime_simulator._media.files import decode_sound, wav

if TYPE_CHECKING:
    import httpx

__all__ = ["RemoteError", "brain_at", "close", "ears_at", "voice_at"]

CONNECT_SECONDS = 10.0
MAX_LINE = 1024 * 1024
MAX_ANSWER = 64 * 1024 * 1024
# How files begin that hold sound; raw samples hardly do.
_CONTAINERS = (b"RIFF", b"OggS", b"fLaC", b"ID3")
_clients: dict[tuple[asyncio.AbstractEventLoop, bool, bool], httpx.AsyncClient] = {}


class RemoteError(RuntimeError):
    """An endpoint that failed, or sent an unexpected response."""


async def close() -> None:
    """Close the HTTP clients of the running event loop."""
    loop = asyncio.get_running_loop()
    for place in [place for place in _clients if place[0] is loop]:
        await _clients.pop(place).aclose()


@attrs.frozen
class _Endpoint:
    """One endpoint.

    Args:
        what: Its name in messages: `brain`, `ears` or `voice`.
        url: Its address, whole.
        key: The key; empty for none.
        timeout: Seconds for which it may send nothing.
    """

    what: str
    url: str = attrs.field(repr=False)
    key: str = attrs.field(repr=False)
    timeout: float

    async def post(self, **request: Any) -> AsyncGenerator[bytes]:
        """Send a request, and yield the answer's body as it comes.

        Raises:
            RemoteError: It can't be reached, is silent for too long, or answers with an error.
        """
        import httpx

        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        client = _client(self.url)
        timeout = httpx.Timeout(self.timeout, connect=min(CONNECT_SECONDS, self.timeout))
        sent = client.build_request("POST", self.url, headers=headers, timeout=timeout, **request)
        size = 0
        try:
            with unlogged():
                answer = await client.send(sent, stream=True)
            async with aclosing(answer):
                if answer.status_code != 200:
                    raise RemoteError(await self._refusal(answer))
                pieces = aiter(answer.aiter_bytes())
                while True:
                    with unlogged():
                        piece = await anext(pieces, None)
                    if piece is None:
                        return
                    size += len(piece)
                    if size > MAX_ANSWER:
                        raise RemoteError(f"the {self.what} answered more than {MAX_ANSWER} bytes")
                    yield piece
        except httpx.TimeoutException as error:
            message = f"the {self.what} sent nothing for {self.timeout:g} s"
            raise RemoteError(message) from _without_request(error)
        except httpx.HTTPError as error:
            message = f"the {self.what} can't be reached: {type(error).__name__}: {error}"
            raise RemoteError(message) from _without_request(error)

    async def read(self, **request: Any) -> bytes:
        """Send a request, and return the answer's body; see `post`."""
        async with aclosing(self.post(**request)) as pieces:
            return b"".join([piece async for piece in pieces])

    async def _refusal(self, answer: httpx.Response) -> str:
        """Return the message of an error response, without the key."""
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > 10_000:
                break
        try:
            said = str(json.loads(body)["error"]["message"])
        except (ValueError, LookupError, TypeError):
            said = body.decode("utf-8", "replace")
        said = " ".join(said.split())[:300]
        if self.key:
            said = said.replace(self.key, "…")
        return f"the {self.what} answered {answer.status_code}{': ' if said else ''}{said}"


def _client(url: str) -> httpx.AsyncClient:
    """Return the event loop's client for an address; it keeps connections from one sentence to the next."""
    import httpx

    local, is_tls = is_loopback(url), url.startswith("https:")
    place = asyncio.get_running_loop(), local, is_tls
    if place not in _clients:
        # No proxy from the environment: requests to this machine must stay on it. No certificates where none
        # are needed: reading them blocks the event loop.
        _clients[place] = httpx.AsyncClient(trust_env=not local, verify=is_tls)
    return _clients[place]


def _without_request(error: Exception) -> Exception:
    """Return an exception without its request, which holds the key."""
    return type(error)(str(error))


# The brain


def brain_at(url: str, model: str, *, key: str | None = None, timeout: float = 60.0) -> Brain:
    """Return a scenario in which a chat model answers, sentence by sentence.

    It receives the conversation, the instructions and the session's functions, and may call them.

    Args:
        url: The endpoint's base URL, such as `https://api.openai.com/v1`, or that of its chat completions.
        model: The model's name there.
        key: The endpoint's key; OPENAI_API_KEY if None, none if empty.
        timeout: Seconds without data after which the response fails.

    Raises:
        ValueError: The URL is invalid, or the model has no name.
    """
    if not model:
        raise ValueError("model: the name of a chat model is needed")
    return Brain(_endpoint("brain", url, "/chat/completions", key, timeout), model)


@attrs.frozen
class Brain:
    """A scenario in which a chat model answers; made by `brain_at`."""

    _endpoint: _Endpoint
    model: str

    async def __call__(self, turn: Turn) -> AsyncGenerator[str | CallTool]:
        """Yield the model's text as it comes, then its calls."""
        asked: dict[str, Any] = {"model": self.model, "messages": list(_messages(turn)), "stream": True}
        tools = [_tool(tool) for tool in turn.tools if tool.get("type", "function") == "function"]
        if tools:
            asked["tools"] = tools
            asked["tool_choice"] = _choice(
                turn.response.get("tool_choice") or turn.session.get("tool_choice")
            )
        calls: dict[int, dict[str, str]] = {}
        is_json = b""
        async with aclosing(self._endpoint.post(json=asked)) as pieces:
            async for line in _lines(pieces):
                if not line.startswith(b"data:"):
                    is_json = is_json + line if len(is_json) < MAX_LINE else is_json
                    continue
                data = line.removeprefix(b"data:").strip()
                if data == b"[DONE]":
                    break
                delta = _choice_of(_object(data), "delta")
                if text := delta.get("content") or delta.get("refusal"):
                    yield str(text)
                for place, call in enumerate(delta.get("tool_calls") or ()):
                    _collect(
                        calls.setdefault(int(call.get("index", place)), {"name": "", "arguments": ""}), call
                    )
        if is_json.strip().startswith(b"{"):  # an endpoint that doesn't stream
            message = _choice_of(_object(is_json), "message")
            if text := message.get("content"):
                yield str(text)
            for place, call in enumerate(message.get("tool_calls") or ()):
                _collect(calls.setdefault(place, {"name": "", "arguments": ""}), call)
        for _, call in sorted(calls.items()):
            yield CallTool(call["name"], call["arguments"] or "{}")


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r")
        if len(rest) > MAX_LINE:
            raise RemoteError(f"the brain sent a line of more than {MAX_LINE} bytes")
    yield rest


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise RemoteError(f"the brain sent invalid JSON: {data[:100]!r}") from error
    if not isinstance(value, dict):
        raise RemoteError(f"the brain sent JSON that is not an object: {data[:100]!r}")
    if value.get("error"):  # how an endpoint fails in the middle of a stream
        said = value["error"]
        raise RemoteError(f"the brain failed: {said.get('message') if isinstance(said, dict) else said}")
    return value


def _choice_of(answer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the first choice's delta or message; empty where a chunk has none, such as that of the usage."""
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    found = first.get(key) if isinstance(first, dict) else None
    return found if isinstance(found, dict) else {}


def _collect(call: dict[str, str], part: Mapping[str, Any]) -> None:
    function = part.get("function") or {}
    call["name"] += function.get("name") or ""
    call["arguments"] += function.get("arguments") or ""


def _messages(turn: Turn) -> Iterator[dict[str, Any]]:
    """Yield a conversation as chat messages, without calls that have no output, which would be refused."""
    instructions = turn.response.get("instructions") or turn.session.get("instructions")
    if instructions:
        yield {"role": "system", "content": instructions}
    outputs = {
        item.get("call_id"): str(item.get("output", ""))
        for item in turn.items
        if item.get("type") == "function_call_output"
    }
    for item in turn.items:
        if item.get("type") == "message" and (content := _content(item.get("content") or ())):
            yield {"role": item["role"], "content": content}
        elif item.get("type") == "function_call" and item.get("call_id") in outputs:
            call = {"name": item["name"], "arguments": item["arguments"]}
            yield {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": item["call_id"], "type": "function", "function": call}],
            }
            yield {"role": "tool", "tool_call_id": item["call_id"], "content": outputs[item["call_id"]]}


def _content(parts: Sequence[Mapping[str, Any]]) -> str | list[dict[str, Any]]:
    """Return a message's content: a text, or a list where there are pictures."""
    text = "\n".join(filter(None, (part.get("text") or part.get("transcript") for part in parts)))
    pictures = [
        {"type": "image_url", "image_url": {"url": part["image_url"]}}
        for part in parts
        if part.get("image_url")
    ]
    if not pictures:
        return text
    return [*([{"type": "text", "text": text}] if text else []), *pictures]


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = {key: tool[key] for key in ("name", "description", "parameters") if tool.get(key) is not None}
    return {"type": "function", "function": function}


def _choice(choice: Any) -> Any:
    if isinstance(choice, Mapping):
        return {"type": "function", "function": {"name": choice.get("name")}}
    return choice or "auto"


# Ears and voice


def ears_at(
    url: str, model: str = "gpt-transcribe", *, key: str | None = None, timeout: float = 60.0
) -> Ears:
    """Return a function for `Simulator.on_speech` that transcribes users' speech with an endpoint.

    Args:
        url: The endpoint's base URL, or that of its transcriptions.
        model: The model's name there.
        key: The endpoint's key; OPENAI_API_KEY if None, none if empty.
        timeout: Seconds without data after which the transcription fails.

    Raises:
        ValueError: The URL is invalid.
    """
    return Ears(_endpoint("ears", url, "/audio/transcriptions", key, timeout), model)


@attrs.frozen
class Ears:
    """A function that finds the words of the user's audio; made by `ears_at`."""

    _endpoint: _Endpoint
    model: str

    async def __call__(self, heard: Heard) -> str | None:
        """Return the words, once the user pauses or has finished."""
        if not heard.finished and not heard.paused:
            return None
        fields = {"model": self.model, "response_format": "json"}
        settings = heard.session.get("audio", {}).get("input", {}).get("transcription") or {}
        if settings.get("language"):
            fields["language"] = settings["language"]
        files = {"file": ("speech.wav", wav(heard.pcm), "audio/wav")}
        body = await self._endpoint.read(data=fields, files=files)
        try:
            return str(json.loads(body)["text"]).strip()
        except (ValueError, LookupError, TypeError) as error:
            raise RemoteError(f"the ears did not answer with a transcription: {body[:100]!r}") from error


def voice_at(
    url: str, model: str = "gpt-4o-mini-tts", *, key: str | None = None, timeout: float = 60.0
) -> Voice:
    """Return a function for `Simulator.on_voice` that speaks with an endpoint.

    Args:
        url: The endpoint's base URL, or that of its speech.
        model: The model's name there.
        key: The endpoint's key; OPENAI_API_KEY if None, none if empty.
        timeout: Seconds without data after which the response fails.

    Raises:
        ValueError: The URL is invalid.
    """
    return Voice(_endpoint("voice", url, "/audio/speech", key, timeout), model)


@attrs.frozen
class Voice:
    """A function that speaks; made by `voice_at`."""

    _endpoint: _Endpoint
    model: str

    async def __call__(self, text: str, voice: str) -> bytes:
        """Return a text as PCM16 mono at 24 kHz."""
        asked = {"model": self.model, "input": text, "voice": voice, "response_format": "pcm"}
        sound = await self._endpoint.read(json=asked)
        if not sound.startswith(_CONTAINERS):
            return sound[: len(sound) // 2 * 2]
        try:  # some endpoints ignore the requested format
            return await asyncio.to_thread(decode_sound, sound)
        except ValueError as error:
            raise RemoteError("the voice answered with sound that can't be read") from error


def _endpoint(what: str, url: str, path: str, key: str | None, timeout: float) -> _Endpoint:
    import httpx  # noqa: F401  loaded now, for in the event loop it would hold everything up

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{what}: expected an http or https URL such as https://api.openai.com/v1")
    address = url.rstrip("/")
    if not address.endswith(path):
        address += path
    if key is None:
        key = os.environ.get("OPENAI_API_KEY", "")
    return _Endpoint(what, address, key, timeout)
