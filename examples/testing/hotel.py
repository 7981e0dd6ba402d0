"""The app under test: it answers questions, books rooms, and creates keys for browsers."""

from __future__ import annotations

from typing import Any

from realtime_ext import RealtimeClient, RealtimeError, SessionBuilder, tools


class FrontDesk:
    """A front desk.

    Args:
        client: The client for the API.
    """

    def __init__(self, client: RealtimeClient) -> None:
        self._client = client
        self.bookings: list[tuple[str, int]] = []
        self._session = SessionBuilder("gpt-realtime-2.1").output("text").instructions("You book rooms.")

    def ask(self, question: str) -> str:
        """Answer a question; an apology if the service fails."""
        try:
            with self._client.connect(self._session, tools=tools.Toolbox([self.book_room])) as connection:
                return connection.ask(question).text
        except RealtimeError:
            return "I am sorry, please call again later."

    def book_room(self, room: str, nights: int) -> dict[str, Any]:
        """Book a room.

        Args:
            room: The room's name, as on its door.
            nights: How many nights.
        """
        self.bookings.append((room, nights))
        return {"room": room, "price": 90 * nights}

    def browser_key(self) -> dict[str, Any]:
        """Create a key for a browser."""
        return self._client.client_secrets.create(self._session, expires_after=60).to_browser()
