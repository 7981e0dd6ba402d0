"""What one program leaves to another that attaches to a Live session in its place.

A sideband gets no more than the last seconds of a session, so the next one can't know it otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs


@attrs.frozen(kw_only=True)
class Handover:
    """Work of a Live session that another program began, for `take_over`.

    Args:
        functions: The function calls without an output: name and arguments (JSON), by the call's id.
        tasks: The tasks that were delegated to the program and are not done: the user's words, by the
            delegation's id.
        done: The ids of function calls and delegations that need nothing more, in case that they come again.
    """

    functions: Mapping[str, tuple[str, str]] = attrs.field(factory=dict, repr=False)
    tasks: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    done: Collection[str] = ()
