"""All borders that are attacked."""

from __future__ import annotations

from tests.attack import apps, borders, commands, documents, servers, simulated, state, texts
from tests.attack.target import Target

__all__ = ["TARGETS"]

TARGETS: tuple[Target, ...] = (
    *texts.TARGETS,
    *state.TARGETS,
    *apps.TARGETS,
    *documents.TARGETS,
    *servers.TARGETS,
    *simulated.TARGETS,
    *borders.TARGETS,
    *commands.TARGETS,
)
