"""The conversation of `realtime talk`: typed or spoken, answered, and interrupted."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import select
import signal
import sys
import threading
import wave
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import attrs

from realtime_ext import audio
from realtime_ext.client import AsyncRealtimeClient
from realtime_ext.connection import AsyncConnection, AsyncLiveConnection
from realtime_ext.tasks import TimeLimit
from realtime_ext.tools import Toolbox

from ..recorder import Recorder
from ._failures import CommandError
from ._options import SPEAKER
from ._output import is_terminal, note, paint, print_line, write
from ._profiles import server

# The API's names of those who speak on the terminal under shorter ones.
_ROLES = {"you": "user", "output": "tool"}
_TRANSCRIPT_S = 5.0  # for what a file says, once it is answered
_POLL = 0.05  # seconds between checks of the audio that is still to be played


class View:
    """Shows a conversation as its events go by: words as they come, or a JSON object a line.

    What the user said is often transcribed after the answer has begun: the answer waits for that.

    Args:
        as_json: Whether to print JSON.
        is_patient: Whether it waits after its end, too, until `show_all`.

    Attributes:
        is_answering: Whether the model is answering.
        answers: How many answers came to their end.
        is_written: Set while all that the user said is transcribed.
    """

    def __init__(self, *, as_json: bool, is_patient: bool = False) -> None:
        self._as_json = as_json
        self._is_patient = is_patient
        self._is_terminal = is_terminal(sys.stdout)
        self._has_words = False  # in the line that is being written
        self._spoken: set[str] = set()  # items of the user that are not transcribed yet
        self._held: list[Callable[[], None]] = []  # shows what came meanwhile
        self.is_written: asyncio.Event = asyncio.Event()
        self.is_written.set()
        self.is_answering: bool = False
        self.answers: int = 0

    def observe(self, direction: str, event: Any, _: int) -> None:
        """Show an event; an observer of the connection."""
        match event.type:
            case "input_audio_buffer.committed":
                self._spoken.add(event.item_id)
                self.is_written.clear()
            case "response.created":
                self.is_answering = True
            case "response.output_text.delta" | "response.output_audio_transcript.delta":
                self._in_order(lambda: self._words(event.delta))
            case "response.output_item.done" if _type_of(event) == "function_call":
                call = f"{event.item.name}({event.item.arguments})"
                self._in_order(lambda: self._line("tool", call, name=event.item.name))
            case "conversation.item.create" if _type_of(event) == "function_call_output":
                self._in_order(lambda: self._line("output", event.item.output))
            case "conversation.item.create" if direction == "out":
                self._typed(event.item)
            case "conversation.item.input_audio_transcription.completed":
                self._line("you", event.transcript.strip())
                self._written(event.item_id)
            case "conversation.item.input_audio_transcription.failed":
                self._written(event.item_id)
            case "response.done":
                self.is_answering = False
                self.answers += 1
                self._in_order(lambda: self._done(event.response))
                if not self._is_patient:
                    self.show_all()
            case "error":
                self._line("error", event.error.message)

    def prompt(self) -> None:
        """Ask for a line, on a terminal."""
        if self._is_terminal and not self._as_json:
            write(paint("you: ", "bold"), end="")

    def show_all(self) -> None:
        """Show what waits, and wait no longer for what the user said."""
        self._spoken.clear()
        held, self._held = self._held, []
        for show in held:
            show()
        self.is_written.set()

    def _in_order(self, show: Callable[[], None]) -> None:
        if self._spoken:
            self._held.append(show)
        else:
            show()

    def _written(self, item_id: str) -> None:
        self._spoken.discard(item_id)
        if not self._spoken:
            self.show_all()

    def _typed(self, item: Any) -> None:
        text = " ".join(part.text for part in getattr(item, "content", ()) if getattr(part, "text", None))
        if self._as_json or not sys.stdin.isatty():
            self._line("you", text)

    def _words(self, delta: str) -> None:
        if self._as_json:
            return
        if not self._has_words:
            write(paint("model: ", "cyan"), end="")
            self._has_words = True
        write(delta, end="")

    def _done(self, response: Any) -> None:
        if self._as_json:
            texts = [
                getattr(part, "text", None) or getattr(part, "transcript", None) or ""
                for item in response.output or ()
                for part in getattr(item, "content", None) or ()
            ]
            if texts or response.status != "completed":
                print_line({"role": "assistant", "text": "".join(texts), "status": response.status})
            return
        if self._has_words:
            write("" if response.status == "completed" else paint(" … interrupted", "yellow"))
        elif response.status not in ("completed", "cancelled"):
            note(f"the answer ended as {response.status}")
        self._has_words = False

    def _line(self, role: str, text: str, **more: Any) -> None:
        if self._as_json:
            print_line({"role": _ROLES.get(role, role), "text": text, **more})
            return
        if self._has_words:
            write()
            self._has_words = False
        styles = {"you": "bold", "error": "red"}
        write(paint(f"{role}:", styles.get(role, "dim")), f" {text}")


def _type_of(event: Any) -> object:
    return getattr(event.item, "type", None)  # an item of a type that came later is a dict


@attrs.define
class Conversation:
    """A conversation, from connecting to its end.

    Args:
        session: Its session.
        messages: The first messages.
        files: WAV files that are said then, each in a turn of its own.
        has_microphone: Whether the microphone is open.
        audio_out: A WAV file for the replies, `speaker`, or None.
        record: A WAV file for both sides, or None.
        tools: The tools that the model may call.
        simulated: Whether to talk to a simulator in this process.
        dialect: The server's dialect; None for the current names.
        as_json: Whether to print JSON.
    """

    session: dict[str, Any]
    messages: Sequence[str]
    files: Sequence[str]
    has_microphone: bool
    audio_out: str | None
    record: str | None
    tools: Toolbox | None
    simulated: bool
    as_json: bool
    dialect: str | None = None
    _spoken: list[bytes] = attrs.field(factory=list, init=False)
    _stop: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _read: int = attrs.field(default=0, init=False)
    _has_read: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def load(self) -> None:
        """Read the files, before anything is sent.

        Raises:
            OSError, ValueError, ImportError, RealtimeError: One can't be read, or there is no sound card.
        """
        self._spoken = [audio.read_wav(file) for file in self.files]
        if self.has_microphone or self.audio_out == SPEAKER:
            from ..devices import default_devices

            default_devices()  # a missing extra is an error now
        if self.simulated:
            import realtime_simulator  # noqa: F401  (slow to load)

    async def run(self) -> None:
        """Talk until the last input is answered, Ctrl-D or Ctrl-C.

        Raises:
            RealtimeError: It can't be done, or the connection was lost.
            OSError: A file can't be written.
        """
        view = View(as_json=self.as_json, is_patient=bool(self.files))
        async with contextlib.AsyncExitStack() as open_now:
            client = await open_now.enter_async_context(talking_client(self.simulated, self.dialect))
            observers: list[Any] = []
            if self.record is not None:
                observers.append(open_now.enter_context(Recorder(self.record)))
            connecting = client.connect(
                session=self.session,  # type: ignore[arg-type]
                tools=self.tools,
                observer=lambda *event: [observe(*event) for observe in observers],
            )
            connection = await open_now.enter_async_context(connecting)
            observers.append(view.observe)  # only now: what goes wrong before is raised
            if self.audio_out is not None and self.audio_out != SPEAKER:
                sink = open_now.enter_context(open_wav(self.audio_out))
                connection.on("response.output_audio.delta", lambda event: _keep(sink, connection, event))
            headset = await self._headset(
                open_now, connection
            )  # before what counts: handlers are called in order
            connection.on("response.done", self._count)
            open_now.enter_context(on_interrupt(lambda: self._interrupted(view, connection, headset)))
            await self._until_first(connection.run(), self._ask(view, connection, headset))

    async def _headset(
        self, open_now: contextlib.AsyncExitStack, connection: AsyncConnection | AsyncLiveConnection
    ) -> Any:
        if not self.has_microphone and self.audio_out != SPEAKER:
            return None
        from ..devices import Headset

        headset = Headset(
            connection, microphone=self.has_microphone or False, loudspeaker=self.audio_out == SPEAKER
        )
        return await open_now.enter_async_context(headset)

    async def _until_first(self, *work: Coroutine[Any, Any, object]) -> None:
        """Run these until one of them ends, or the conversation is to stop."""
        tasks = {asyncio.create_task(coroutine) for coroutine in (*work, self._stop.wait())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, view: View, connection: AsyncConnection, headset: Any) -> None:
        for text in self.messages:
            await self._turn(view, connection, text)
        heard = (self.session.get("audio") or {}).get("input") or {}
        transcribed = bool(heard.get("transcription"))
        for pcm in self._spoken:
            await connection.append_audio(pcm)
            await connection.commit_audio()
            await self._turn(view, connection)
            with contextlib.suppress(TimeoutError):
                async with TimeLimit(_TRANSCRIPT_S if transcribed else 0):
                    await view.is_written.wait()
            view.show_all()
        if not self.messages and not self._spoken:
            view.prompt()
            async for line in lines():
                if line.strip():
                    await self._turn(view, connection, line.strip())
                view.prompt()
            if self.has_microphone:
                await self._stop.wait()
        while headset is not None and headset.loudspeaker is not None and headset.loudspeaker.waiting_ms:
            await asyncio.sleep(_POLL)

    async def _turn(self, view: View, connection: AsyncConnection, text: str | None = None) -> None:
        """Ask, and wait until what plays or keeps the answer has got all of it."""
        await connection.ask(text, timeout=None)
        while self._read < view.answers:
            self._has_read.clear()
            await self._has_read.wait()

    def _count(self, event: Any) -> None:
        self._read += 1
        self._has_read.set()

    async def _interrupted(self, view: View, connection: AsyncConnection, headset: Any) -> None:
        loudspeaker = None if headset is None else headset.loudspeaker
        if not view.is_answering and not (loudspeaker is not None and loudspeaker.waiting_ms):
            self._stop.set()
        elif headset is not None:
            await headset.interrupt()
        else:
            await connection.interrupt()


@contextlib.asynccontextmanager
async def talking_client(simulated: bool, dialect: Any) -> AsyncIterator[AsyncRealtimeClient]:
    """Yield a client of the API that the environment names, or of a simulator made for it."""
    if not simulated:
        async with AsyncRealtimeClient(**server(dialect)) as client:
            yield client
        return
    from realtime_simulator import Simulator

    async with (
        Simulator(profile=dialect or "openai") as made,
        AsyncRealtimeClient(made.api_key, base_url=made.base_url, dialect=dialect) as client,
    ):
        yield client


@contextlib.contextmanager
def open_wav(path: str) -> Any:
    """Yield a WAV file of the API's PCM, to be written."""
    with open(path, "wb") as raw, wave.open(raw, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24000)
        yield file


def _keep(sink: wave.Wave_write, connection: AsyncConnection, event: Any) -> None:
    pcm = audio.decode(event)
    sink.writeframes(pcm)
    connection.playback.played_bytes(len(pcm))  # an interruption deletes audio that is not counted


@contextlib.contextmanager
def on_interrupt(function: Any) -> Any:
    """Call an async function at each Ctrl-C, in the running event loop, until the block ends."""
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[None]] = set()

    def start() -> None:
        task = loop.create_task(function())
        running.add(task)
        task.add_done_callback(running.discard)

    before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(start))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


async def lines() -> AsyncIterator[str]:
    """Yield the lines of standard input as they are typed.

    A thread reads them, without Python's buffer: what waits in that would hold up the end of the program.

    Raises:
        CommandError: It can't be read.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | OSError | None] = asyncio.Queue()

    def put(line: str | OSError | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lines.put_nowait, line)

    def read() -> None:
        decoder, rest, end = codecs.getincrementaldecoder("utf-8")("replace"), "", None
        try:
            while piece := _read_input():
                *whole, rest = (rest + decoder.decode(piece)).split("\n")
                for line in whole:
                    put(line)
        except OSError as error:
            end = error
        if rest:
            put(rest)
        put(end)

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        if isinstance(line, OSError):
            raise CommandError(f"standard input can't be read: {line.strerror}") from line
        yield line


def _read_input() -> bytes:
    while True:
        try:
            return os.read(0, 65536)
        except BlockingIOError:  # a program before this one left it so
            select.select([0], [], [])
