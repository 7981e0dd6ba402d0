"""A PostgreSQL server of one's own: a temporary folder, a free port on loopback, the system's programs."""

from __future__ import annotations

import contextlib
import getpass
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.support.waiting import PATIENCE

__all__ = ["Cluster", "programs", "running_cluster"]


def programs() -> Path:
    """The folder of PostgreSQL's programs: the newest that Debian has, or the one on PATH."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda path: int(path.split("/")[4]))
    path = found[-1] if found else shutil.which("postgres")
    assert path, "there is no PostgreSQL; on Debian: apt-get install postgresql"
    return Path(os.path.realpath(path)).parent


def free_port() -> int:
    """A port for a server that is started later, out of those that the system gives to others meanwhile."""
    while True:
        port = random.SystemRandom().randrange(16_384, 32_768)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Cluster:
    """A server with its data in a folder.

    Args:
        folder: An empty folder.
        max_connections: How many connections it accepts at most.
    """

    def __init__(self, folder: Path, max_connections: int = 300) -> None:
        self.folder = folder
        self._max_connections = max_connections
        self.port = free_port()
        # PostgreSQL refuses to run as root, and then runs as the user that its package made.
        self.user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: list[int] = []
        if self._as_user:
            folder.chmod(0o755)
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "--no-sync", "-E", "UTF8")

    def dsn(self, database: str = "postgres") -> str:
        """Where a database is."""
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "max_connections": str(self._max_connections),
            "shared_buffers": "64MB",
            "fsync": "off",  # what a process wrote outlives its end, though not the machine's
            "full_page_writes": "off",
            "unix_socket_directories": "",
        }
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            [*self._as_user, str(programs() / "postgres"), "-D", str(self.folder / "data"),
             "-p", str(self.port), *given],
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd="/",
        )  # fmt: skip
        log.close()
        while True:
            with (
                contextlib.suppress(psycopg.OperationalError),
                psycopg.connect(self.dsn(), connect_timeout=2),
            ):
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()

    @property
    def pid(self) -> int:
        """The server's process id."""
        return int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])

    def crash(self) -> None:
        """End the server at once, as a crash does, so that it has to recover when it is started again."""
        os.kill(self.pid, signal.SIGQUIT)
        self._wait()

    def freeze(self) -> None:
        """Stop all of the server's processes, as a machine does that hangs."""
        children = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True)
        self._frozen = [self.pid, *map(int, children.stdout.split())]
        self._signal_frozen(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        assert self._process is not None
        self._signal_frozen(signal.SIGCONT)
        self._process.send_signal(signal.SIGCONT)  # runuser stops with its child

    def _signal_frozen(self, number: int) -> None:
        for pid in self._frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """End the server."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self.pid, signal.SIGINT)
            self._wait()

    def database(self, name: str, *, encoding: str = "UTF8", isolation: str = "read committed") -> str:
        """Make an empty database; return where it is."""
        with psycopg.connect(self.dsn(), autocommit=True) as db:
            db.execute(f"create database {name} template template0 encoding '{encoding}' locale 'C'")
            db.execute(f"alter database {name} set default_transaction_isolation to '{isolation}'")
        return self.dsn(name)

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait(PATIENCE)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        subprocess.run(
            [*self._as_user, str(programs() / program), *arguments],
            check=check,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )


@contextlib.contextmanager
def running_cluster(max_connections: int = 300) -> Iterator[Cluster]:
    """A server that runs, and is gone with its data afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-"))
    cluster = Cluster(folder, max_connections)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
