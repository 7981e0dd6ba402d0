"""The result of checking the simulator against a recording."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from realtime_simulator._conformance.comparison import Difference
from realtime_simulator._conformance.known import Known


@attrs.frozen(kw_only=True)
class Report:
    """The result for one recording.

    Args:
        name: The recording.
        compared: How many events, answers and closes were compared.
        differences: The differences from the recording.
        known: The intended differences, with their reasons.
        unread: What of the recording was not understood, and left out.
    """

    name: str
    compared: int
    differences: Sequence[Difference]
    known: Sequence[tuple[Difference, Known]]
    unread: Sequence[str] = ()

    @property
    def conforms(self) -> bool:
        return not self.differences
