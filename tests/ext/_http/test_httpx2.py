"""Clients and transports of httpx2, which this package never imports: tested where build/peers has it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import PEER_PYTHON, ROOT

pytestmark = pytest.mark.slow

# The packages of .venv come first, so that only those that it lacks are taken from build/peers.
RUN = """
import sys, pytest
sys.path.append(sys.argv[1])

class Alias:
    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self):
        import httpx2
        httpx2.alias_httpx()

arguments = ["-q", "-p", "no:cacheprovider", *sys.argv[3:]]
sys.exit(pytest.main(arguments, plugins=[Alias()] if sys.argv[2] == "alias" else []))
"""


def run_pytest(*arguments: str) -> str:
    assert PEER_PYTHON.exists(), "make peers first"
    site = subprocess.check_output(
        [PEER_PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    done = subprocess.run(
        [sys.executable, "-c", RUN, site.strip(), *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    return done.stdout


def test_a_client_or_transport_of_httpx2_that_is_passed_in_works() -> None:
    assert "passed" in run_pytest("handed in", "tests/ext/_http/httpx2_cases.py")


@pytest.mark.weekly
def test_requests_work_alike_where_httpx_is_an_alias_of_httpx2() -> None:
    """The whole tests of sending: also those of time limits in all, which use the library's inside."""
    files = ("tests/ext/_http", "tests/generated/test_client_options.py", "tests/ext/test_client.py")
    assert "passed" in run_pytest("alias", "-m", "not slow", *files)
