"""Checks of the numbers that audio functions take: times and rates."""

from __future__ import annotations

__all__ = ["check_number"]


def check_number(field: str, value: object, allowed: str, *, high: float, above: bool = False) -> None:
    """Refuse what is not a number from 0 up to a limit.

    Args:
        field: The argument's name, for the message.
        value: What came.
        allowed: What is allowed in words, for the message.
        high: The most that is allowed; finite, so that no huge number gets through.
        above: Whether 0 itself is too little.

    Raises:
        TypeError: It is not an int or float.
        ValueError: It is out of bounds, or not a number at all.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{field}: expected {allowed}, got {type(value).__name__}")
    if not 0 <= value < float("inf") or (above and value == 0):
        raise ValueError(f"{field}: expected {allowed}, got {value!r}")
    if value > high:
        # Not shown whole: it may have hundreds of digits.
        raise ValueError(f"{field}: expected {allowed}, {high} at most, got {float(min(value, 1e30))!s}")
