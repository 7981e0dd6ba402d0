"""Run checks against a server, a few at a time, within a budget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence

import attrs
import httpx
from websockets.exceptions import WebSocketException

from realtime_simulator._core import event_loop
from realtime_simulator._suite.check import CAPABILITIES, PRICES, TESTED, Check
from realtime_simulator._suite.target import Failed, OverBudget, Target

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
_AT_ONCE = 4
_MOST_CHARACTERS = 2000
_SILENT = "not run, since the server sent no event to the checks before"
_HINTS = (
    (("invalid_api_key", "HTTP 401"), "most checks failed because the server refuses the key"),
    (("HTTP 404", "got 404"), "most checks were answered 404; --base-url is the address up to and with /v1"),
)


@attrs.frozen
class Result:
    """The result of a check.

    Args:
        check: The check.
        status: `passed`, `failed` or `skipped`.
        detail: Why it failed or was skipped, without secrets; empty if it passed.
        seconds: How long it took.
    """

    check: Check
    status: str
    detail: str = ""
    seconds: float = 0.0


@attrs.frozen
class Plan:
    """Which checks run, and what they cost.

    Args:
        skipped: The reasons to skip checks, by their numbers.
        prices: The paid exchanges that take place, with the estimated price of each in US dollars.
    """

    skipped: Mapping[str, str]
    prices: Mapping[str, float]


def plan(checks: Sequence[Check], profile: str, budget: float | None = None, *, rings: bool = False) -> Plan:
    """Plan a run: the budget is spent on the cheapest exchanges first.

    Args:
        checks: The checks.
        profile: Whose service it is.
        budget: In US dollars; None for any.
        rings: Whether a command makes the server ring.
    """
    there = TESTED.get(profile, frozenset()) | ({"ring"} if rings else set())
    skipped: dict[str, str] = {}
    for check in checks:
        if missing := [name for name in check.needs if name not in there]:
            skipped[check.id] = CAPABILITIES[missing[0]]
    used = {name for check in checks if check.id not in skipped for name in check.uses}
    prices: dict[str, float] = {}
    for name in sorted(used, key=lambda name: (PRICES[name], name)):
        if budget is None or sum(prices.values()) + PRICES[name] <= budget:
            prices[name] = PRICES[name]
    for check in checks:
        if check.id not in skipped and not prices.keys() >= set(check.uses):
            skipped[check.id] = f"its responses would exceed the budget of {budget:g} USD"
    return Plan(skipped, prices)


def run(target: Target, checks: Sequence[Check], plan: Plan, *, seconds: float) -> Sequence[Result]:
    """Run checks.

    Args:
        target: The server.
        checks: The checks.
        plan: Which of them are skipped.
        seconds: How long a check may take.

    Returns:
        A result for each check, in order.

    Raises:
        ConnectionError: The server cannot be reached, does not answer, or is one of web pages.
    """
    return event_loop.run(_run(target, checks, plan, seconds))


async def _run(target: Target, checks: Sequence[Check], plan: Plan, seconds: float) -> Sequence[Result]:
    await _reach(target, seconds)
    places = asyncio.Semaphore(_AT_ONCE)

    async def judge(check: Check) -> Result:
        if check.id in plan.skipped:
            return Result(check, SKIPPED, plan.skipped[check.id])
        async with places:
            if target.is_silent:
                return Result(check, SKIPPED, _SILENT)
            return await _judge(target, check, seconds)

    try:
        results: dict[str, Result] = {}
        for last in (False, True):
            some = [check for check in checks if check.last is last]
            judged = await asyncio.gather(*map(judge, some))
            results.update({one.check.id: one for one in judged})
    finally:
        await target.close()
    return [results[check.id] for check in checks]


async def _reach(target: Target, seconds: float) -> None:
    """Fail early where no server listens: the answer to a request may be any."""
    try:
        async with asyncio.timeout(seconds):
            answer = await target.request("GET", "/models")
    except (httpx.ConnectError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ConnectionError(f"no server answers at {target.base_url}: {error}") from error
    except (Failed, TimeoutError) as error:
        raise ConnectionError(f"the server at {target.base_url} does not answer") from error
    except httpx.HTTPError:
        return  # the checks say how it fails
    if answer.is_success and answer.headers.get("content-type", "").startswith("text/html"):
        raise ConnectionError(f"the server at {target.base_url} answers with web pages, not with the API")


async def _judge(target: Target, check: Check, seconds: float) -> Result:
    begun = time.monotonic()
    detail = ""
    try:
        async with asyncio.timeout(seconds):
            await check.run(target)
    except TimeoutError:
        detail = f"not finished after {seconds:g} s"
    except OverBudget as over:
        return Result(check, SKIPPED, str(over))
    except Failed as failed:
        detail = str(failed)
    except (OSError, WebSocketException, httpx.HTTPError) as error:
        detail = f"the connection failed: {type(error).__name__}: {error}"
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        detail = f"the server sent what could not be read: {type(error).__name__}: {error}"
    status = FAILED if detail else PASSED
    detail = " ".join(detail.split())
    return Result(check, status, target.masked(detail)[:_MOST_CHARACTERS], time.monotonic() - begun)


def counts(results: Sequence[Result]) -> Mapping[str, int]:
    """Return how many checks passed, failed and were skipped."""
    return {status: sum(one.status == status for one in results) for status in (PASSED, FAILED, SKIPPED)}


def hint(results: Sequence[Result]) -> str:
    """Return what may be wrong if most checks failed for one reason; empty if they did not."""
    if any(one.detail == _SILENT for one in results):
        return "the server accepts connections and sends no event; the other checks were not run"
    details = [one.detail for one in results if one.status == FAILED]
    for marks, text in _HINTS:
        if sum(any(mark in detail for mark in marks) for detail in details) > len(details) / 2:
            return text
    return ""


def areas(results: Sequence[Result]) -> Iterator[tuple[str, Sequence[Result]]]:
    """Yield the areas with their results."""
    for area in dict.fromkeys(one.check.area for one in results):
        yield area, [one for one in results if one.check.area == area]
