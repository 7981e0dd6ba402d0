"""Errors of fleets."""

from __future__ import annotations

from realtime_ext.errors import RealtimeError


class FleetError(RealtimeError):
    """The database of a fleet is unavailable, or this worker can't act on a call any more."""


class OwnershipLost(FleetError):
    """Another worker owns the call, or may: this one must not act on it any more."""


class EffectUnknown(FleetError):
    """An effect that must happen once was begun, and its outcome is not recorded."""
