"""The console page in Chromium: what it shows and does, for eyes, keyboards and screen readers.

Each part of the page has a test in every run; the rest is weekly, for `test_console.py` tests the requests
that the page makes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest
import yaml
from realtime_simulator import Simulator, call_tool, sequence
from realtime_simulator._media import voice
from realtime_simulator._records.session import SessionLog

from realtime_ext import RealtimeClient
from tests.simulator.receiver import receiving
from tests.simulator.sounds import vowel
from tests.simulator.wire import Socket
from tests.support.chromium import DENY, chromium, expect, launched
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]
TABS = ("Call", "Phone", "Faults", "Scenario")
VIEWS = ("Timeline", "Chat", "Compare", "Requests")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
HOSTILE = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"
CONTROL = "\x1b[2J\u202egnirts\x07"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(pacing="none", espeak=False, keep_audio=True) as simulator:
        yield simulator


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in which no script may fail, and nothing may be against the page's policy."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    faults: list[str] = []

    def log(message: ConsoleMessage) -> None:
        # A refusal, or an unreachable simulator, is in the browser's log, and part of some tests.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            faults.append(message.text)

    page.on("console", log)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []


@pytest.fixture
def console(page: Page, sim: Simulator) -> Page:
    page.goto(sim.console_url)
    expect(page.locator("#status")).to_have_text("Connected")
    return page


def button(page: Page, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def rows(page: Page, words: str) -> Any:
    """The rows of events with these words, which are searched for: others may not be in sight."""
    page.get_by_label("Search events").fill(words)
    return shown(page)


def shown(page: Page) -> Any:
    return page.get_by_role("listbox", name="Events").get_by_role("option")


def b64(pcm: bytes) -> str:
    return base64.b64encode(pcm).decode()


def type_as_user(page: Page, text: str) -> None:
    page.get_by_label("What the user types").fill(text)
    button(page, "Send").click()


# The key


def test_the_key_goes_from_the_address_into_the_tab_and_out_of_sight(console: Page, sim: Simulator) -> None:
    assert console.url == sim.base_url.removesuffix("v1")
    assert console.evaluate("Object.values(sessionStorage)") == [sim.api_key]
    assert sim.api_key not in console.content()
    console.reload()
    expect(console.locator("#status")).to_have_text("Connected")
    assert all(sim.api_key not in record.path for record in sim.requests)


@pytest.mark.weekly
def test_a_key_is_typed_and_a_wrong_one_asked_for_again(page: Page, sim: Simulator) -> None:
    page.goto(sim.console_url.partition("#")[0])
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    for key in ("sk-wrong", sim.api_key):
        page.get_by_label("Key", exact=True).fill(key)
        button(page, "Connect").click()
        expect(page.locator("#status")).to_have_text(
            "The key is needed" if key == "sk-wrong" else "Connected"
        )
    expect(page.get_by_label("Key", exact=True)).to_be_hidden()


# Sessions and their events


@pytest.mark.weekly
def test_sessions_after_a_call_of_the_page_are_shown_again(console: Page, sim: Simulator) -> None:
    console.get_by_label("a test tone").check()
    button(console, "Start a call").click()
    expect(console.locator("#call-state")).to_have_text("In a call.")
    with Socket(sim) as meanwhile:
        meanwhile.recv()
        expect(console.locator("#sessions li")).to_have_count(2)
        own = sim.sessions[0].id
        console.locator("#call-end").click()
        expect(console.locator("#session-facts")).to_contain_text("ended: hangup")
        expect(console.locator("#session-facts")).to_contain_text(own)
    with Socket(sim) as after:
        after.recv()
        expect(console.locator("#session-facts")).to_contain_text(sim.sessions[-1].id)


def test_sessions_of_other_programs_are_shown_live(console: Page, sim: Simulator) -> None:
    expect(console.get_by_text("No session yet.")).to_be_visible()
    with Socket(sim) as first:
        first.recv()
        expect(rows(console, "session.created")).to_have_count(1)
        first.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
        expect(rows(console, "session.updated")).to_have_count(1)
        with Socket(sim, "model=gpt-realtime-2.1-mini") as second:
            second.recv()
            expect(console.locator("#sessions li")).to_have_count(2)
            # The newest is shown, until another is chosen.
            expect(console.locator("#sessions [aria-current=true]")).to_contain_text("gpt-realtime-2.1-mini")
            expect(rows(console, "session.updated")).to_have_count(0)
            console.locator("#sessions button").last.click()
            expect(rows(console, "session.updated")).to_have_count(1)
            expect(console.get_by_label("show the newest")).not_to_be_checked()
        expect(console.locator("#sessions li").first).to_contain_text("client closed")
    expect(console.locator("#session-facts")).to_contain_text("ended: client closed")
    expect(console.get_by_label("What the user types")).to_be_disabled()


def test_events_are_filtered_searched_and_shown_whole(console: Page, sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.update(output_modalities=["text"])
        socket.user_says("How tall is the tower?")
        socket.send("response.create")
        socket.until("response.done")
        expect(rows(console, "response.done")).to_have_count(1)
        console.get_by_label("Search events").fill("")
        console.get_by_label("Direction").select_option("from clients")
        expect(console.locator(".row .type")).to_have_text(
            ["session.update", "conversation.item.create", "response.create"]
        )
        console.get_by_label("Direction").select_option("both ways")
        expect(rows(console, "output_text.delta")).not_to_have_count(0)
        console.get_by_label("deltas").uncheck()
        expect(rows(console, "output_text.delta")).to_have_count(0)
        console.get_by_label("Search events").fill("TOWER create")
        expect(console.locator(".row .type")).to_have_text(["conversation.item.create"])
        console.locator(".row").click()
        detail = json.loads(console.locator("#detail-text").inner_text())
        assert detail["item"]["content"][0]["text"] == "How tall is the tower?"
        moment = console.get_by_label("What is shown of this moment")
        moment.select_option("items")
        expect(console.locator("#detail-text")).to_have_text("[]")  # it was not acknowledged yet
        console.get_by_label("Search events").fill("item.done user")
        console.locator(".row").first.click()
        expect(console.locator("#detail-text")).to_contain_text("How tall is the tower?")
        moment.select_option("tools")
        expect(console.locator("#detail-text")).to_have_text("[]")
        moment.select_option("event")
        expect(console.locator("#detail-text")).to_contain_text("conversation.item.done")
        console.get_by_label("Search events").fill("nothing like that")
        expect(console.get_by_text("No event matches the filter.")).to_be_visible()


@pytest.mark.weekly
def test_rows_show_the_words_of_messages(console: Page, sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.update(output_modalities=["text"])
        socket.user_says("How tall is the tower?")
        socket.send("response.create")
        socket.until("response.done")
        expect(rows(console, "item.create").locator(".more")).to_have_text("user: How tall is the tower?")
        expect(rows(console, "response.done").locator(".more")).to_have_text(
            "completed: assistant: You said: How tall is the tower?"
        )


@pytest.mark.weekly
def test_requests_are_listed_with_the_errors_of_refused_ones(console: Page, sim: Simulator) -> None:
    wrong = {"authorization": "Bearer sk-wrong-key"}
    httpx.post(f"{sim.base_url}/realtime/client_secrets", json={}, headers=wrong)
    with Socket(sim, key="sk-wrong-key") as socket:
        socket.closed()
    expect(console.locator("#sessions-none")).to_contain_text("2 requests were refused")
    tab(console, "Requests (2 refused)")
    listed = console.get_by_role("list", name="HTTP requests").get_by_role("listitem")
    expect(listed).to_have_count(2)
    for row, (method, path, status) in zip(
        (listed.last, listed.first),
        (("POST", "/v1/realtime/client_secrets", "401"), ("GET", "/v1/realtime", "101")),
        strict=True,
    ):
        for words in (method, path, status, "invalid_api_key: Incorrect API key provided: ***"):
            expect(row).to_contain_text(words)
    ok = httpx.post(
        f"{sim.base_url}/realtime/client_secrets",
        json={},
        headers={"authorization": f"Bearer {sim.api_key}"},
    )
    expect(listed).to_have_count(3)
    expect(listed.first).to_contain_text("200")
    console.get_by_label("refused only").check()
    expect(listed).to_have_count(2)
    console.get_by_label("refused only").uncheck()
    console.get_by_label("Search requests").fill("POST 401")
    expect(listed).to_have_count(1)
    expect(console.locator("#request-count")).to_have_text("1 of 3")
    console.get_by_label("Search requests").fill("")
    for secret in ("sk-wrong-key", sim.api_key, ok.json()["value"]):
        assert secret not in console.content()
    button(console, "Remove the requests that were answered").click()
    expect(console.locator("#requests-none")).to_have_text("No request yet.")
    expect(console.get_by_role("tab", name="Requests", exact=True)).to_be_visible()


@pytest.mark.weekly
def test_sessions_are_named_searched_filtered_and_cleared(console: Page, sim: Simulator) -> None:
    listed = console.locator("#sessions li:visible")
    with Socket(sim) as first, Socket(sim, "intent=transcription") as second:
        first.recv()
        second.recv()
        expect(listed).to_have_count(2)
        console.locator("#sessions button").last.click()
        name = console.get_by_label("Name of the session")
        name.fill("before the change")
        name.press("Enter")
        expect(listed.last).to_contain_text("before the change")
        assert sim.sessions[0].name == "before the change"
        console.locator("#sessions button").first.click()
        expect(name).to_have_value("")
        second.close()
        expect(listed.first).to_contain_text("client closed")
        search, state = console.get_by_label("Search sessions"), console.get_by_label("Which sessions")
        search.fill("CHANGE before")
        expect(listed).to_have_count(1)
        search.fill("transcription")
        expect(listed).to_have_text(re.compile("transcription"))
        search.fill("no such session")
        expect(console.get_by_text("No session matches.")).to_be_visible()
        search.fill("")
        state.select_option("live")
        expect(listed).to_have_count(1)
        expect(listed).to_contain_text("before the change")
        state.select_option("all")
        button(console, "Remove the sessions that have ended").click()
        expect(listed).to_have_count(1)
        expect(listed).to_contain_text("before the change")
        expect(button(console, "Remove the sessions that have ended")).to_be_disabled()


@pytest.mark.weekly
def test_the_notice_goes_when_a_later_event_is_accepted(console: Page, sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.recv()
        expect(rows(console, "session.created")).to_have_count(1)
        type_as_user(console, "{broken")
        expect(console.get_by_role("alert")).to_contain_text("JSON")
        type_as_user(console, '{"type": "input_audio_buffer.clear"}')
        expect(rows(console, "input_audio_buffer.cleared")).to_have_count(1)
        expect(console.get_by_role("alert")).to_be_hidden()


@pytest.mark.weekly
def test_thousands_of_events_are_a_handful_of_elements(console: Page, sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.recv()
        log = SessionLog.of(sim.sessions[-1])
        for number in range(1, 9_000):
            log.add("received", {"type": "custom.event", "text": f"number {number}"}, log.begun)
        expect(console.locator("#count")).to_have_text("9000 events")
        expect(shown(console).last).to_contain_text("number 8999")
        assert console.locator(".row").count() < 100
        console.get_by_role("listbox").focus()
        console.keyboard.press("Home")
        expect(shown(console).first).to_contain_text("session.created")
        expect(shown(console).first).to_have_attribute("aria-setsize", "9000")
        assert console.locator(".row").count() < 100


def test_hostile_text_is_only_ever_text(console: Page, sim: Simulator) -> None:
    sim.on_response(sequence(call_tool(HOSTILE, {"x": HOSTILE}), HOSTILE))
    with Socket(sim) as socket:
        socket.update(output_modalities=["text"], instructions=HOSTILE)
        socket.user_says(HOSTILE)
        socket.send("response.create")
        socket.until("response.done")
        socket.send(HOSTILE, event_id=HOSTILE, **{HOSTILE: HOSTILE})
        socket.until("error")
        expect(console.locator(".row.bad")).to_have_count(1)
        expect(console.locator("#tools strong")).to_have_text(HOSTILE)
        shown(console).first.click()
        for _ in sim.sessions[-1].events:
            console.keyboard.press("ArrowDown")
        for _ in sim.sessions[-1].events:
            console.keyboard.press("ArrowUp")
        expect(console.locator("#detail-title")).to_have_text("1. session.created")
        with receiving(lambda _: 500) as receiver:
            sim.incoming_call(receiver.url, {"From": HOSTILE}, attempts=1)
        sim.play_scenario("responses: []", HOSTILE)
        tab(console, "Scenario")
        expect(console.get_by_text(HOSTILE)).not_to_have_count(0)
        assert console.locator("img:not(.top img), script:not([src='/console/console.js'])").count() == 0
        assert console.title() == "Realtime simulator"


def test_a_broken_event_of_a_client_stops_no_part_of_the_page(page: Page, sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.update(output_modalities=["text"])
        socket.send("response.event")
        socket.until("error")
        socket.user_says("Hello")
        socket.send("response.create")
        socket.until("response.done")
        page.goto(sim.console_url)
        expect(page.locator("#usage")).to_contain_text("all, 1 response")


@pytest.mark.weekly
def test_control_characters_are_shown_as_text(console: Page, sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.recv()
        sim.sessions[-1].name = CONTROL
        socket.user_says(CONTROL)
        escaped = "\\u001b[2J\\u202egnirts\\u0007"
        expect(rows(console, "item.create").locator(".more")).to_have_text(f"user: {escaped}")
        expect(console.locator("#sessions strong")).to_have_text(escaped)
        shown(console).click()
        expect(console.locator("#detail-text")).to_contain_text("\\u202egnirts")
        text = str(console.evaluate("document.body.innerText"))
    assert not set(text) & set(CONTROL) - set("[2Jgnirts")


# The chat and the sound


def chat(page: Page) -> Any:
    return page.get_by_role("list", name="Chat").get_by_role("listitem")


def test_the_conversation_is_shown_as_a_chat(console: Page, sim: Simulator) -> None:
    sim.on_speech(lambda heard: "Book a room.")
    sim.on_response(sequence(call_tool("book_room", {"nights": 2}), HOSTILE))
    tab(console, "Chat")
    expect(console.get_by_text("No message yet.")).to_be_visible()
    with Socket(sim) as socket:
        socket.update(audio={"input": {"transcription": {"model": "gpt-live-transcribe"}}})
        # The first words come while the user speaks, before their message.
        socket.append(vowel(1.5) + bytes(48_000), chunk=4_800)
        call_id = socket.until("response.function_call_arguments.done")["call_id"]
        socket.until("response.done")
        output = {"type": "function_call_output", "call_id": call_id, "output": "it is done"}
        socket.send("conversation.item.create", item=output)
        socket.send("response.create")
        item = socket.until("response.output_audio.delta")["item_id"]
        socket.until("response.done")
        socket.send("nonsense")
        socket.until("error")
        socket.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=100)
        socket.until("conversation.item.truncated")
        expect(chat(console).locator("p")).to_have_text(
            ["Book a room.", 'book_room {"nights": 2}', "it is done", HOSTILE, re.compile("nonsense")]
        )
        sides = chat(console).evaluate_all("nodes => nodes.map((node) => node.className)")
        assert sides == ["user", "tool", "output", "assistant", "error"]
        expect(chat(console).nth(3)).to_contain_text("cut after 0.1 s")
    with Socket(sim, "model=gpt-realtime-translate", path="/translations") as socket:
        socket.recv()
        socket.send("session.input_audio_buffer.append", audio=b64(voice.synthesize("hello") + bytes(96_000)))
        socket.until("session.output_transcript.delta")
        expect(chat(console).first).to_contain_text("Book")
        expect(chat(console).last).to_have_class("assistant")


LOUDEST = """
    const connect = AudioNode.prototype.connect;
    window.loudest = 0;
    AudioNode.prototype.connect = function (target, ...rest) {
        if (target === this.context.destination) {
            const meter = this.context.createAnalyser(), samples = new Float32Array(meter.fftSize);
            connect.call(this, meter);
            setInterval(() => {
                if (meter.context.state !== "running") return;
                meter.getFloatTimeDomainData(samples);
                window.loudest = Math.max(window.loudest, ...samples);
            }, 10);
        }
        return connect.call(this, target, ...rest);
    };
"""


@pytest.mark.weekly
def test_the_audio_of_both_sides_is_played_beside_its_waveform(page: Page, sim: Simulator) -> None:
    page.add_init_script(LOUDEST)
    page.goto(sim.console_url)
    with Socket(sim) as socket:
        socket.recv()
        expect(rows(page, "session.created")).to_have_count(1)
        expect(page.locator("#sound")).to_be_hidden()
        socket.append(voice.synthesize("hello") + bytes(48_000))
        socket.until("response.done")
    slider = page.get_by_role("slider", name="Position in the sound")
    expect(slider).to_be_visible()
    expect(page.get_by_text("client closed", exact=True)).to_be_visible()
    for side in ("received", "sent"):
        expect(page.locator(f"#wave-{side}")).to_have_attribute("d", re.compile(r"^M\d.*V"))
    page.get_by_label("Search events").fill("")
    sim.wait_for(lambda: slider.get_attribute("aria-valuemax") == page.evaluate(LENGTH))
    length = float(slider.get_attribute("aria-valuemax") or 0)
    assert length >= sim.sessions[-1].sent_audio_seconds
    # The keyboard and the mouse move the mark; an event moves it too.
    slider.focus()
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuenow", f"{length:.1f}")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuenow", "1.0")
    expect(page.locator(".row.reached")).to_have_count(1)
    page.get_by_role("listbox", name="Events").focus()
    page.keyboard.press("Home")
    expect(page.locator("#detail-title")).to_have_text("1. session.created")
    expect(slider).to_have_attribute("aria-valuenow", "0.0")
    page.keyboard.press("Escape")
    button(page, "Play").click()
    expect(button(page, "Pause")).to_be_visible()
    sim.wait_for(lambda: page.evaluate("window.loudest") > 0.01)
    expect(slider).not_to_have_attribute("aria-valuenow", "0.0")
    expect(page.locator(".row.reached")).to_have_count(1)
    button(page, "Pause").click()
    # A side that is not checked is silent.
    for side in ("user", "model"):
        page.get_by_label(side, exact=True).uncheck()
    page.evaluate("window.loudest = 0")
    slider.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    button(page, "Play").click()
    expect(button(page, "Play")).to_be_visible()  # at the end of the sound
    expect(slider).to_have_attribute("aria-valuenow", f"{length:.1f}")
    assert page.evaluate("window.loudest") == 0
    expect(page.locator(".row.reached")).to_have_count(0)


LENGTH = """async () => {
    const key = Object.values(sessionStorage)[0], headers = {authorization: `Bearer ${key}`};
    const {sessions} = await (await fetch("/simulator/sessions", {headers})).json();
    const sides = await (await fetch(`/simulator/sessions/${sessions.at(-1).id}/audio`, {headers})).json();
    const ends = Object.values(sides).flatMap(({pieces}) => pieces.map(({at, seconds}) => at + seconds));
    return Math.max(...ends).toFixed(1);
}"""


@pytest.mark.weekly
def test_audio_that_is_not_kept_is_explained(page: Page) -> None:
    with Simulator(pacing="none", espeak=False) as sim, Socket(sim) as socket:
        page.goto(sim.console_url)
        socket.send("response.create")
        socket.until("response.done")
        expect(page.get_by_text("The sound of this session is not kept.")).to_be_visible()
        expect(button(page, "Play")).to_be_hidden()


# A call


def start_with_tone(page: Page) -> None:
    page.get_by_label("a test tone").check()
    button(page, "Start a call").click()
    expect(page.locator("#call-state")).to_have_text("In a call.")


def level(page: Page, name: str) -> Any:
    return page.get_by_role("meter", name=name)


def test_a_call_with_the_microphone_is_heard_muted_and_hung_up(console: Page, sim: Simulator) -> None:
    button(console, "Start a call").click()
    expect(console.locator("#call-state")).to_have_text("In a call.")
    expect(rows(console, "session.created")).to_have_count(1)
    expect(level(console, "You")).not_to_have_attribute("aria-valuenow", "0")
    button(console, "Mute").click()
    expect(button(console, "Mute")).to_have_attribute("aria-pressed", "true")
    expect(console.locator("#call-state")).to_have_text("In a call, muted.")
    expect(level(console, "You")).to_have_attribute("aria-valuenow", "0")
    console.locator("#call-end").click()
    expect(console.locator("#call-state")).to_have_text("You hung up.")
    expect(button(console, "Start a call")).to_be_visible()
    sim.wait_for(lambda: sim.calls[-1].ended is not None)
    assert sim.calls[-1].ended == "hangup"


@pytest.mark.weekly
def test_a_tone_is_answered_and_the_models_speech_is_heard(console: Page, sim: Simulator) -> None:
    sim.on_speech(lambda heard: "What is the time?")
    start_with_tone(console)
    level(console, "Model").evaluate(
        """(meter) => new MutationObserver(() => {
            window.loudest = Math.max(window.loudest ?? 0, meter.getAttribute("aria-valuenow"));
        }).observe(meter, {attributes: true})"""
    )
    button(console, "Play tone").click()
    expect(rows(console, "input_audio_buffer.speech_stopped")).to_have_count(1)
    sim.wait_for(lambda: (console.evaluate("window.loudest") or 0) > 0)
    turn = console.locator("#turns li").last
    expect(turn).to_contain_text("after speech")
    expect(turn).to_contain_text("first audio")
    button(console, "Play tone").click()
    expect(console.locator("#turns li")).to_have_count(2)
    sim.hang_up(sim.calls[-1])
    expect(console.locator("#call-state")).to_contain_text("The call has ended")


@pytest.mark.weekly
def test_a_typed_turn_has_its_latency_and_its_usage(console: Page, sim: Simulator) -> None:
    start_with_tone(console)
    type_as_user(console, "How are you?")
    expect(rows(console, "How are you?")).not_to_have_count(0)
    turn = console.locator("#turns li").filter(has_text="after request").first
    expect(turn).to_contain_text("first event")
    expect(turn).to_contain_text("done")
    widths = turn.locator("i").evaluate_all("bars => bars.map((bar) => bar.style.width)")
    assert len(widths) == 3 and all(width.endswith("%") for width in widths)
    total = console.get_by_role("row").filter(has_text="response")
    expect(total).to_contain_text("all, 1 response")
    # An event as JSON is sent as it is.
    type_as_user(
        console, '{"type": "session.update", "session": {"type": "realtime", "instructions": "Short."}}'
    )
    expect(rows(console, "session.updated")).to_have_count(1)
    type_as_user(console, "{broken")
    expect(console.get_by_role("alert")).to_contain_text("JSON")


def test_a_tool_call_is_answered_by_hand(console: Page, sim: Simulator) -> None:
    start_with_tone(console)
    type_as_user(console, "Try get_weather, please.")
    expect(console.get_by_label("Arguments of get_weather")).to_contain_text("city")
    console.get_by_label("Output of get_weather").fill('{"degrees": 21}')
    button(console, "Answer").click()
    expect(console.locator("#tools .output")).to_have_text('{ "degrees": 21 }')
    sim.wait_for(lambda: sim.sessions[-1].types_sent().count("response.done") == 2)
    assert '"degrees": 21' in json.dumps(sim.sessions[-1].items[-1]).replace('\\"', '"')


@pytest.mark.weekly
def test_a_refused_microphone_is_explained(browser: Browser, sim: Simulator) -> None:
    with launched(browser.browser_type, DENY) as other:
        page = other.new_page()
        page.goto(sim.console_url)
        button(page, "Start a call").click()
        expect(page.get_by_role("alert")).to_contain_text("use the test tone")
        expect(page.locator("#call-state")).to_have_text("Without a microphone.")
        start_with_tone(page)


@pytest.mark.weekly
def test_a_faulty_session_is_refused_in_the_apis_words(console: Page, sim: Simulator) -> None:
    console.locator("summary").click()
    console.get_by_label("The session as JSON").fill('{"type": "realtime", "voice": "marin"}')
    console.get_by_label("a test tone").check()
    button(console, "Start a call").click()
    expect(console.get_by_role("alert")).to_contain_text("voice")
    expect(console.locator("#call-state")).to_have_text("The call failed.")
    button(console, "Close the message").click()
    expect(console.get_by_role("alert")).to_be_hidden()


# The phone, faults and scenarios


def test_a_phone_call_reaches_a_webhook_and_is_pressed_transferred_and_hung_up(
    console: Page, sim: Simulator
) -> None:
    tab(console, "Phone")
    console.get_by_label("A transfer").select_option("fails: busy, 486")
    with receiving() as receiver, RealtimeClient(sim.api_key, base_url=sim.base_url) as client:
        console.get_by_label("Your webhook").fill(receiver.url)
        console.get_by_label("Caller").fill("+49 30 1234567")
        button(console, "Place a call").click()
        expect(console.locator("#phone-state")).to_have_text("Ringing…")
        expect(button(console, "Key 1")).to_be_disabled()
        expect(console.locator("#phone-log")).to_contain_text("realtime.call.incoming: 200")
        incoming = receiver.deliveries[0].event(sim.webhook_secret).data
        assert any("sip:+49301234567@" in header.value for header in incoming.sip_headers)
        client.calls.accept(incoming.call_id, {"type": "realtime", "model": "gpt-realtime-2.1"})
        expect(console.locator("#phone-state")).to_have_text("Connected")
        button(console, "Key 1").click()
        button(console, "Key #").click()
        expect(rows(console, "input_audio_buffer.dtmf_event_received")).to_have_count(2)
        sent = sim.sessions[-1].sent
        assert [event["event"] for event in sent if event["type"].endswith("dtmf_event_received")] == [
            "1",
            "#",
        ]
        button(console, "Speak").click()
        expect(rows(console, "input_audio_buffer.speech_stopped")).to_have_count(1)
        client.calls.refer(incoming.call_id, "tel:+14155550123")
        expect(console.locator("#phone-log")).to_contain_text("transfer to tel:+14155550123")
        expect(console.locator("#phone-log")).to_contain_text("the transfer ended with 486")
        console.locator("#phone-end").click()
    expect(console.locator("#phone-state")).to_have_text("Ended: hung up")
    assert sim.calls[-1].ended == "peer"


@pytest.mark.weekly
def test_the_page_plays_the_audio_that_the_caller_hears(console: Page, sim: Simulator) -> None:
    tab(console, "Phone")
    with receiving() as receiver, RealtimeClient(sim.api_key, base_url=sim.base_url) as client:
        console.get_by_label("Your webhook").fill(receiver.url)
        button(console, "Place a call").click()
        expect(console.locator("#phone-state")).to_have_text("Ringing…")
        button(console, "Listen").click()
        expect(button(console, "Listen")).to_have_attribute("aria-pressed", "true")
        client.calls.accept(sim.calls[-1].id, {"type": "realtime", "model": "gpt-realtime-2.1"})
        type_as_user(console, "Good morning")
        expect(console.locator("#phone-heard")).to_have_text(re.compile(r"heard [1-9]"))
        for pressed in ("false", "true"):
            button(console, "Listen").click()
            expect(button(console, "Listen")).to_have_attribute("aria-pressed", pressed)
        console.locator("#phone-end").click()
    expect(button(console, "Listen")).to_have_attribute("aria-pressed", "false")
    expect(button(console, "Listen")).to_be_disabled()
    expect(console.get_by_role("alert")).to_be_hidden()


def test_a_fault_is_set_happens_and_is_removed(console: Page, sim: Simulator) -> None:
    tab(console, "Faults")
    console.get_by_label("Fault", exact=True).select_option("rate_limit")
    expect(console.locator("#fault-what")).to_contain_text("429")
    console.get_by_label("retry after", exact=True).fill("7")
    console.get_by_label("retry after form").select_option("date")
    console.get_by_label("Where").select_option("calls.create")
    button(console, "Add the fault").click()
    listed = console.locator("#fault-list")
    expect(listed).to_contain_text("rate_limit · on calls.create · retry_after 7 · retry_after_form date")
    tab(console, "Call")
    console.get_by_label("a test tone").check()
    button(console, "Start a call").click()
    expect(console.get_by_role("alert")).to_contain_text("Rate limit")
    console.get_by_role("tab", name="Faults (1)").click()
    expect(listed).to_contain_text("happened once")
    button(console, "Remove all").click()
    expect(listed).to_have_text("No faults are active.")
    assert list(sim.faults) == []
    console.get_by_label("Fault", exact=True).select_option("socket_drop")
    console.get_by_label("after", exact=True).fill("response.dome")
    button(console, "Add the fault").click()
    expect(console.get_by_role("alert")).to_contain_text("did you mean 'response.done'")


@pytest.mark.weekly
def test_a_scenario_is_played_refused_where_it_is_faulty_and_ended(console: Page, sim: Simulator) -> None:
    def answer() -> str:
        with Socket(sim) as socket:
            socket.update(output_modalities=["text"])
            socket.user_says("Hello")
            socket.send("response.create")
            return str(socket.until("response.output_text.done")["text"])

    tab(console, "Scenario")
    state = console.locator("#scenario-state")
    expect(state).to_contain_text("repeats the user's words")
    console.get_by_label("Start from").select_option("a booking by tool")
    button(console, "Play it").click()
    expect(state).to_contain_text("Playing: a booking by tool")
    assert answer() == "Shall I book a room for you?"
    console.get_by_label("Scenario, YAML").fill("responses:\n  - sai: x\n")
    button(console, "Play it").click()
    expect(console.get_by_role("alert")).to_contain_text("line 2: responses[0].sai")
    assert answer() == "Shall I book a room for you?"
    button(console, "Restore the first scenario").click()
    expect(state).to_contain_text("repeats the user's words")
    assert answer() == "You said: Hello"


@pytest.mark.weekly
def test_every_example_of_a_scenario_can_be_played(console: Page) -> None:
    tab(console, "Scenario")
    names = console.locator("#scenario-example option").all_inner_texts()
    assert len(names) > 2
    for name in names:
        console.get_by_label("Start from").select_option(name)
        button(console, "Play it").click()
        expect(console.locator("#scenario-state")).to_contain_text(f"Playing: {name}")


@pytest.mark.weekly
def test_a_session_is_exported(console: Page, sim: Simulator) -> None:
    with Socket(sim) as socket:
        socket.update(output_modalities=["text"])
        expect(rows(console, "session.updated")).to_have_count(1)
        for name, word in (
            ("pytest", "def test_"),
            ("curl", "client_secrets"),
            ("scenario", "{}"),
            ("YAML", "interactions:"),
        ):
            button(console, name).click()
            dialog = console.get_by_role("dialog")
            assert word in dialog.get_by_role("textbox").input_value()
            if name == "YAML":
                with console.expect_download() as download:
                    dialog.get_by_role("button", name="Download").click()
                assert download.value.suggested_filename == "recording.yaml"
                content = yaml.safe_load(download.value.path().read_text(encoding="utf-8"))
                assert content["interactions"][0]["data"]["type"] == "session.created"
            console.keyboard.press("Escape")
            expect(dialog).to_be_hidden()


@pytest.mark.weekly
def test_a_session_is_replayed_and_compared(console: Page, sim: Simulator) -> None:
    def run(instructions: str, *more: str) -> str:
        with Socket(sim) as socket:
            socket.update(output_modalities=["text"], instructions=instructions)
            for one in more:
                socket.send(one)
            socket.user_says(HOSTILE)
            socket.send("response.create")
            return str(socket.until("response.output_text.done")["text"])

    compared = console.get_by_role("table", name="Client events").locator("tbody tr")
    state = console.locator("#replay-state")
    sim.on_response("It is sunny.", times=1)
    assert run("Be brief.") == "It is sunny."
    first = sim.sessions[-1]
    expect(console.locator("#sessions li")).to_contain_text("client closed")
    first.name = CONTROL
    button(console, "Replay").click()
    expect(console.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    expect(state).to_contain_text("The next sessions are answered as “\\u001b[2J")
    expect(console.locator("#compare-count")).to_contain_text("Choose two sessions")
    # The new code meets the same answer; what it sends is compared.
    assert run("Be very brief.", "input_audio_buffer.clear") == "It is sunny."
    again = sim.sessions[-1]
    assert again.replay_of == first.id
    expect(console.get_by_label("Session before")).to_have_value(first.id)
    expect(console.get_by_label("Session after")).to_have_value(again.id)
    expect(console.locator("#compare-count")).to_have_text("2 of 4 client events differ.")
    hows = [row.get_attribute("class") for row in compared.all()]
    assert hows == ["differs", "added", "same", "same"]
    expect(compared.nth(0)).to_contain_text(
        'session.instructions: expected "Be brief.", got "Be very brief."'
    )
    expect(compared.nth(0).get_by_role("img")).to_have_attribute("aria-label", "differs")
    expect(compared.nth(1)).to_contain_text("input_audio_buffer.clear")
    expect(compared.nth(2)).to_contain_text(HOSTILE)
    # Other sessions can be chosen.
    button(console, "Stop the replay").click()
    expect(button(console, "Stop the replay")).to_be_hidden()
    assert run("Be very brief.", "input_audio_buffer.clear").startswith("You said: ")
    expect(console.locator("#compare-after option")).to_have_count(3)
    console.get_by_label("Session before").select_option(again.id)
    console.get_by_label("Session after").select_option(sim.sessions[-1].id)
    expect(console.locator("#compare-count")).to_have_text("The client events are the same.")
    expect(compared).to_have_count(4)


def test_a_session_runs_on_from_an_event(console: Page, sim: Simulator) -> None:
    sim.on_response("It is sunny.", times=1)
    with Socket(sim) as socket:
        socket.update(output_modalities=["text"])
        socket.user_says("And in Rome?")
        socket.send("response.create")
        socket.until("response.done")
    first = sim.sessions[-1]
    expect(console.locator("#sessions li")).to_contain_text("client closed")
    console.get_by_label("show the newest").uncheck()
    # What the service sent can't be changed, but answered in another way.
    rows(console, "item.done user").first.click()
    change = button(console, "Change…")
    change.click()
    expect(console.get_by_label("What the client sends")).to_be_hidden()
    answer = console.get_by_label("What the model says next")
    expect(answer).to_be_focused()
    console.keyboard.press("Escape")
    expect(change).to_be_focused()
    expect(console.locator("#detail-text")).to_be_visible()
    # An event of the client, by the keyboard alone; what is wrong with it is told.
    rows(console, "conversation.item.create").click()
    number = console.locator("#detail-title").inner_text()
    change.press("Enter")
    event = console.get_by_label("What the client sends")
    expect(event).to_be_focused()
    written = event.input_value()
    event.fill(written.replace("}", ""))
    button(console, "Run on from here").click()
    expect(console.locator("#notice")).to_contain_text("event: this is not JSON")
    event.fill(written.replace('"type": "conversation.item.create"', '"type": 3'))
    button(console, "Run on from here").click()
    expect(console.locator("#notice")).to_contain_text("event.type: expected a text, got a number")
    expect(console.locator("#sessions li")).to_have_count(1)
    event.fill(written.replace("And in Rome?", HOSTILE.replace('"', "'")))
    answer.fill("It rains.")
    answer.press("Enter")
    # The new session is shown, at the event, and beside the one before.
    expect(console.locator("#session-name")).to_have_value(re.compile(f"run on from .* of {first.id}"))
    expect(console.locator("#detail-title")).to_have_text(number)
    expect(console.locator("#detail-text")).to_contain_text("<img src=x")
    expect(console.get_by_role("listbox", name="Events")).to_be_focused()
    expect(rows(console, "output_text.done")).to_contain_text("It rains.")
    expect(console.locator("#session-facts")).to_contain_text("ended: run on")
    tab(console, "Chat")
    expect(console.locator("#chat li.assistant")).to_contain_text("It rains.")
    tab(console, "Compare")
    expect(console.get_by_label("Session before")).to_have_value(first.id)
    expect(console.get_by_label("Session after")).to_have_value(sim.sessions[-1].id)
    expect(console.locator("#compare-count")).to_have_text("1 of 3 client events differ.")
    assert console.title() != "pwned"


@pytest.mark.weekly
def test_requests_and_messages_are_exported_as_an_archive(
    console: Page, browser: Browser, sim: Simulator, tmp_path: Path
) -> None:
    path = f"{sim.base_url}/realtime/client_secrets"
    httpx.post(path, json={}, headers={"authorization": "Bearer sk-wrong-key"})
    with Socket(sim) as socket:
        socket.recv()
        expect(rows(console, "session.created")).to_have_count(1)
        files = {}
        for name, selector in (("session", "[data-export]"), ("requests", "#request-har")):
            if name == "requests":
                tab(console, "Requests (1 refused)")
            console.get_by_role("button", name="HAR").and_(console.locator(selector)).click()
            dialog = console.get_by_role("dialog")
            with console.expect_download() as download:
                dialog.get_by_role("button", name="Download").click()
            assert download.value.suggested_filename == f"{name}.har"
            files[name] = tmp_path / f"{name}.har"
            download.value.save_as(files[name])
            console.keyboard.press("Escape")
    [entry] = json.loads(files["session"].read_text(encoding="utf-8"))["log"]["entries"]
    assert json.loads(entry["_webSocketMessages"][0]["data"])["type"] == "session.created"
    assert sim.api_key not in files["requests"].read_text(encoding="utf-8")
    # The browser reads the archive, and answers from it.
    before = len(sim.requests)
    context = browser.new_context()
    context.route_from_har(files["requests"], not_found="fallback")
    other = context.new_page()
    other.goto(sim.base_url.removesuffix("v1"))
    fetched = """async (path) => {
        const answer = await fetch(path, {method: "POST", body: "{}"});
        return [answer.status, (await answer.json()).error.code];
    }"""
    assert other.evaluate(fetched, path) == [401, "invalid_api_key"]
    assert len(sim.requests) == before
    context.close()


def test_a_stopped_simulator_is_reported_and_found_again(page: Page) -> None:
    with Simulator(pacing="none", api_key="sk-same") as first, Socket(first) as socket:
        socket.recv()
        page.goto(first.console_url)
        expect(rows(page, "session.created")).to_have_count(1)
        port = int(first.base_url.split(":")[2].split("/")[0])
    expect(page.locator("#status")).to_contain_text("The simulator is unreachable")
    page.get_by_label("a test tone").check()
    button(page, "Start a call").click()
    expect(page.get_by_role("alert")).to_contain_text("The simulator does not answer.")
    with Simulator(pacing="none", api_key="sk-same", port=port) as second:
        expect(page.locator("#status")).to_have_text("Connected")
        expect(page.get_by_text("No session yet.")).to_be_visible()
        with Socket(second) as socket:
            socket.recv()
            expect(rows(page, "session.created")).to_have_count(1)
    with Simulator(pacing="none", api_key="sk-other", port=port):
        expect(page.get_by_label("Key", exact=True)).to_be_visible()


# For everyone


def busy(page: Page, sim: Simulator) -> None:
    """Fill every part of the page."""
    sim.fault("slow", on="sideband", seconds=0)
    for instructions in ("and_a_long_word_without_any_space" * 8, "Be brief."):
        with Socket(sim) as socket:
            socket.update(instructions=instructions)
            sim.replay(sim.sessions[-1])
    sim.incoming_call("http://127.0.0.1:1/", attempts=1)
    start_with_tone(page)
    type_as_user(page, "Try get_weather, please, " + "and_a_long_word_without_any_space" * 8)
    expect(page.get_by_label("Output of get_weather")).to_be_visible()
    httpx.post(f"{sim.base_url}/realtime/client_secrets", headers={"authorization": "Bearer sk-wrong"})
    button(page, "Play tone").click()
    expect(page.locator("#sound")).to_be_visible()
    rows(page, "conversation.item.create").last.click()
    page.get_by_label("Search events").fill("")
    button(page, "Change…").click()
    expect(page.get_by_label("What the client sends")).to_be_visible()
    tab(page, "Compare")
    page.get_by_label("Session before").select_option(sim.sessions[0].id)
    page.get_by_label("Session after").select_option(sim.sessions[1].id)
    expect(page.locator("#compare .differs")).to_have_count(1)
    tab(page, "Timeline")


@pytest.mark.weekly
def test_no_width_needs_scrolling_sideways(console: Page, sim: Simulator) -> None:
    busy(console, sim)
    for width, name in product((360, 380, 800, 1180, 1440), (*TABS, *VIEWS)):
        console.set_viewport_size({"width": width, "height": 740})
        tab(console, name)
        overflowing = console.evaluate(
            """() => [...document.querySelectorAll("body, body *")].filter((node) => {
                const {right, width} = node.getBoundingClientRect();
                const edge = node.closest(".card")?.getBoundingClientRect().right ?? innerWidth;
                const isCut = node.matches("button, input, select, textarea") && right > edge;
                return width > 0 && (right > innerWidth + 0.5 || isCut) && !node.closest(".skip");
            }).map((node) => node.outerHTML.slice(0, 80))"""
        )
        assert overflowing == [], (width, name)
        assert console.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, name)


def test_every_control_has_a_name_that_says_what_it_is(console: Page, sim: Simulator) -> None:
    busy(console, sim)
    named = {
        "button",
        "textbox",
        "searchbox",
        "combobox",
        "checkbox",
        "radio",
        "tab",
        "tabpanel",
        "listbox",
        "meter",
        "slider",
    }
    named |= {"spinbutton", "dialog", "table"}
    session = console.context.new_cdp_session(console)
    seen = set()
    for name in (*TABS, *VIEWS):
        tab(console, name)
        tree = session.send("Accessibility.getFullAXTree")["nodes"]
        for node in tree:
            role = node.get("role", {}).get("value")
            if role in named and not node.get("ignored"):
                seen.add(role)
                assert node.get("name", {}).get("value", "").strip(), node
    assert {
        "button",
        "textbox",
        "searchbox",
        "combobox",
        "tab",
        "listbox",
        "meter",
        "slider",
        "spinbutton",
    } <= seen
    ids = console.evaluate("[...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.weekly
def test_the_keyboard_reaches_and_does_everything(console: Page, sim: Simulator) -> None:
    busy(console, sim)
    console.get_by_role("tab", name="Call").focus()
    console.keyboard.press("ArrowRight")
    expect(console.get_by_role("tab", name="Phone")).to_be_focused()
    expect(console.locator("#panel-phone")).to_be_visible()
    events = console.get_by_role("listbox", name="Events")
    events.focus()
    console.keyboard.press("Home")
    expect(console.locator("#detail-title")).to_have_text("1. session.created")
    console.keyboard.press("ArrowDown")
    expect(console.locator("#detail-title")).to_contain_text("2. ")
    active = events.get_attribute("aria-activedescendant")
    expect(console.locator(f"#{active}")).to_have_attribute("aria-selected", "true")
    console.keyboard.press("Escape")
    expect(console.locator("#detail")).to_be_hidden()
    expect(events).to_be_focused()
    # Tab goes through everything that can be done, and where it is can be seen.
    reached, outlined = set(), True
    for _ in range(120):
        console.keyboard.press("Tab")
        facts = console.evaluate(
            """() => {
                const node = document.activeElement, outline = getComputedStyle(node).outlineStyle;
                return [node.id || node.textContent.trim(), outline !== "none" || node === document.body];
            }"""
        )
        reached.add(facts[0])
        outlined = outlined and facts[1]
    assert {
        "search",
        "direction",
        "deltas",
        "rows",
        "compose",
        "compose-send",
        "phone-to",
        "follow",
        "session-search",
        "session-state",
        "session-name",
        "tab-timeline",
        "sound-play",
        "sound-wave",
        "hear-sent",
    } <= reached
    assert outlined


@pytest.mark.weekly
def test_text_stands_out_from_its_ground(console: Page, sim: Simulator) -> None:
    busy(console, sim)
    for scheme, name in product(SCHEMES, VIEWS):
        console.emulate_media(color_scheme=scheme)
        tab(console, name)
        assert weak_text(console) == [], (scheme, name)


def weak_text(page: Page) -> Any:
    """The elements whose text has too little contrast."""
    return page.evaluate(
        """() => {
          const parse = (text) => text.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
            .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
          const ground = (node) => {
            for (let at = node; at; at = at.parentElement) {
              const found = parse(getComputedStyle(at).backgroundColor);
              if (found[3] !== 0) return found;
            }
            return [255, 255, 255];
          };
          const found = [];
          for (const node of document.querySelectorAll("body *")) {
            const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
            if (!own || !node.checkVisibility() || node.matches(":disabled, option")) continue;
            const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5) found.push([node.outerHTML.slice(0, 90), contrast]);
          }
          return found;
        }"""
    )
