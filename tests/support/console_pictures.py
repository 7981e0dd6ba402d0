"""Draw the pictures of the console in docs/img anew: `python -m tests.support.console_pictures`."""

from __future__ import annotations

from typing import Literal

from playwright.sync_api import Page, expect
from realtime_simulator import Simulator, call_tool, sequence

from realtime_ext import RealtimeClient
from tests.simulator.receiver import receiving
from tests.simulator.wire import Socket
from tests.support.chromium import chromium
from tests.support.paths import ROOT

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
ANSWERS = sequence(
    "Good morning. Shall I book a room for you?",
    call_tool("book_room", {"nights": 2, "name": "Ada"}),
    "Your room is booked for two nights, Ada.",
    call_tool("get_weather", {"city": "Lisbon"}),
)


def other_sessions(simulator: Simulator) -> None:
    """Run a program that transcribes, one with a wrong key, and a phone call."""
    with Socket(simulator, "intent=transcription") as socket:
        socket.recv()
        simulator.sessions[-1].name = "captions"
    with Socket(simulator, key="sk-wrong") as socket:
        socket.closed()
    with receiving() as receiver, RealtimeClient(simulator.api_key, base_url=simulator.base_url) as client:
        call = simulator.incoming_call(receiver.url)
        client.calls.accept(call.id, {"type": "realtime", "model": "gpt-realtime-2.1"})
        simulator.press(call, "12#")
        simulator.hang_up(call)


def converse(page: Page, simulator: Simulator) -> None:
    """Call, speak, and have two tools called, of which one is answered."""

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).click()

    def ask(text: str, turns: int) -> None:
        page.get_by_label("What the user types").fill(text)
        press("Send")
        heard(turns)

    def heard(turns: int) -> None:
        expect(page.locator("#turns li").filter(has_text="done")).to_have_count(turns)
        sent = simulator.sessions[-1].types_sent
        sound = "output_audio_buffer"
        simulator.wait_for(lambda: sent().count(f"{sound}.started") == sent().count(f"{sound}.stopped"))

    page.get_by_label("a test tone").check()
    press("Start a call")
    expect(page.locator("#call-state")).to_have_text("In a call.")
    press("Play tone")
    heard(1)
    ask("Yes, for two nights, please. My name is Ada.", 2)
    page.get_by_label("Output of book_room").fill('{"booked": true, "room": 214}')
    press("Answer")
    heard(3)
    ask("And what is the weather like?", 4)
    page.get_by_label("deltas").uncheck()
    page.get_by_role("listbox", name="Events").get_by_role("option").filter(
        has_text="item.create"
    ).last.click()
    press("Play tone")
    expect(page.locator("#sound")).to_be_visible()
    expect(page.locator("#meter-in")).not_to_have_attribute("aria-valuenow", "0")


def main() -> None:
    with Simulator(keep_audio=True) as simulator, chromium() as browser:
        simulator.on_response(ANSWERS)
        simulator.on_speech(lambda heard: "Good morning.")
        page = browser.new_page(viewport={"width": 1440, "height": 940})
        other_sessions(simulator)
        page.goto(simulator.console_url)
        converse(page, simulator)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=ROOT / "docs" / "img" / f"console-{scheme}.png", animations="disabled")


if __name__ == "__main__":
    main()
