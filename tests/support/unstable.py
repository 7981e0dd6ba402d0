"""A pytest plugin that runs what failed once more, each test alone in a process, after all the others.

What passes then is unstable: it is printed under that heading with its first failure. The run fails if a test
fails twice, or if more than `LIMIT` tests have failed.

`--unstable-log FILE` adds what is unstable to a file that several runs share; the limit then holds for all of
them together.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

LIMIT = 5
_MARK = "unstable: "


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--confirm-failures",
        action="store_true",
        help=f"run failed tests once more, alone: up to {LIMIT} may pass then",
    )
    parser.addoption(
        "--unstable-log", type=Path, metavar="FILE", help="add unstable tests to a file that runs share"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--confirm-failures") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Confirmation(config), "confirmation of failures")


class _Confirmation:
    """Collects the failures of a run, and confirms them at its end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._log: Path | None = config.getoption("--unstable-log")
        self._failures: dict[str, str] = {}  # what failed once, by test
        self._second: dict[str, str] = {}
        self._unstable: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failures.setdefault(report.nodeid, report.longreprtext)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        yield  # the workers end; the summary is written afterwards
        if session.exitstatus != pytest.ExitCode.TESTS_FAILED:
            return
        if len(self._failures) + self._earlier() > LIMIT:
            return
        for test, failure in self._failures.items():
            second = self._run_alone(test)
            if second is None:
                self._unstable[test] = failure
            else:
                self._second[test] = second
        if self._log is not None and self._unstable:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as log:
                log.writelines(f"{_MARK}{test}\n{failure}\n\n" for test, failure in self._unstable.items())
        if self._failures and not self._second:
            session.exitstatus = pytest.ExitCode.OK

    def _earlier(self) -> int:
        """How many tests of earlier runs are unstable."""
        if self._log is None or not self._log.exists():
            return 0
        return sum(line.startswith(_MARK) for line in self._log.read_text(encoding="utf-8").splitlines())

    def _run_alone(self, test: str) -> str | None:
        """Run a test in a process of its own; return its output, or None if it passes."""
        option = self._config.option
        options = [f"-p{plugin}" for plugin in option.plugins]
        if profile := getattr(option, "hypothesis_profile", None):
            options.append(f"--hypothesis-profile={profile}")
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *options, test],
            cwd=self._config.rootpath,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return None if run.returncode == 0 else run.stdout

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Report unstable tests under their own heading, and not among those that failed."""
        stats = terminalreporter.stats
        for outcome in ("failed", "error"):
            moved = [report for report in stats.get(outcome, ()) if report.nodeid in self._unstable]
            stats[outcome] = [report for report in stats.get(outcome, ()) if report not in moved]
            stats.setdefault("unstable", []).extend(moved)
        write = terminalreporter.write_line
        if self._second:
            terminalreporter.section("failed twice")
            for test, output in self._second.items():
                write(f"{test}, when it ran alone:\n{output}")
        if self._unstable:
            terminalreporter.section("unstable")
            write("These tests failed, and passed when they ran once more, alone:")
            for test, failure in self._unstable.items():
                write(f"\n{_MARK}{test}\n{failure}")
        elif self._failures and not self._second:
            write(f"Not run once more: more than {LIMIT} tests have failed.", yellow=True)
