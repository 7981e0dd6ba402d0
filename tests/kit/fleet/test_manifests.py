"""The example's Compose file and Kubernetes manifests: their schemas, and their commands as processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import httpx
import pytest
import yaml
from realtime_simulator import Simulator

from tests.kit.fleet.cluster import Cluster, free_port
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

EXAMPLE = ROOT / "examples" / "fleet"
COMPOSE: dict[str, Any] = yaml.safe_load((EXAMPLE / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS: dict[tuple[str, str], Any] = {
    (one["kind"], one["metadata"]["name"]): one
    for one in yaml.safe_load_all((EXAMPLE / "kubernetes.yaml").read_text(encoding="utf-8"))
}
ENTRYPOINT: list[str] = json.loads(
    re.findall(r"^ENTRYPOINT (.*)$", (EXAMPLE / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)[0]
)
SECRETS = {"PGPASSWORD", "OPENAI_API_KEY", "OPENAI_WEBHOOK_SECRET"}
PORT, PROBES = 8000, 9100
DRAIN = 5.0  # seconds, in phone.py
SCHEMAS = """
import sys, yaml
from compose_spec import PyCompose
from kubernetes_validate import validate
PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(open(sys.argv[1])))).validate()  # with merged keys
for one in yaml.safe_load_all(open(sys.argv[2])):
    validate(one, "1.30", strict=True)
    print(one["kind"])
"""


@attrs.frozen
class Program:
    """A container's command and environment.

    Args:
        command: The program and its arguments.
        environment: The names of the variables that it gets.
    """

    command: Sequence[str]
    environment: frozenset[str]


def pod(kind: str, name: str) -> Any:
    return MANIFESTS[kind, name]["spec"]["template"]["spec"]


def container(kind: str, name: str) -> Any:
    (found,) = pod(kind, name)["containers"]
    return found


def in_compose(name: str) -> Program:
    service = COMPOSE["services"][name]
    command = [*service.get("entrypoint", ENTRYPOINT), *service["command"]]
    return Program(
        [re.sub(r"\$\{\w+:-(\w*)\}", r"\1", word) for word in command], frozenset(service["environment"])
    )


def in_kubernetes(kind: str, name: str) -> Program:
    given = container(kind, name)
    names = (
        {*MANIFESTS["ConfigMap", "phone"]["data"]}
        if {"configMapRef": {"name": "phone"}} in given["envFrom"]
        else set()
    )
    if {"secretRef": {"name": "phone"}} in given["envFrom"]:
        names |= SECRETS
    return Program([*given.get("command", ENTRYPOINT), *given["args"]], frozenset(names))


PROGRAMS: dict[str, dict[str, Program]] = {
    "compose": {name: in_compose(name) for name in ("migrate", "web", "worker")},
    "kubernetes": {
        "migrate": in_kubernetes("Job", "migrate-1"),
        "web": in_kubernetes("Deployment", "web"),
        "worker": in_kubernetes("Deployment", "worker"),
    },
}


@pytest.mark.slow
@pytest.mark.weekly
@pytest.mark.programs
def test_the_files_fit_their_schemas() -> None:
    uv = Path(sys.executable).with_name("uv")
    packages = ["--with", "kubernetes-validate==1.37.0", "--with", "compose-spec==0.2.1"]
    run = [uv, "run", "--quiet", "--no-project", "--python", sys.executable, *packages]
    files = [str(EXAMPLE / "compose.yaml"), str(EXAMPLE / "kubernetes.yaml")]
    done = subprocess.run(
        [*run, "python", "-c", SCHEMAS, *files],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [kind for kind, _ in MANIFESTS]


def test_programs_use_the_database_and_no_secret_is_in_a_file() -> None:
    services = COMPOSE["services"]
    for dsn, user, host in (
        (services["web"]["environment"]["FLEET_DSN"], services["postgres"]["environment"]["POSTGRES_USER"],
         "postgres"),
        (MANIFESTS["ConfigMap", "phone"]["data"]["FLEET_DSN"],
         container("StatefulSet", "postgres")["env"][0]["value"],
         MANIFESTS["Service", "postgres"]["metadata"]["name"]),
    ):  # fmt: skip
        address = urlsplit(dsn)
        assert (address.username, address.hostname, address.path) == (user, host, f"/{user}")
        assert address.password is None
    for service in services.values():
        for name, value in service["environment"].items():
            if name in SECRETS or "PASSWORD" in name:
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value)
    assert not [kind for kind, _ in MANIFESTS if kind == "Secret"]


def test_workers_have_time_to_hand_calls_on() -> None:
    assert f"drain={DRAIN:g}" in (EXAMPLE / "phone.py").read_text(encoding="utf-8")
    assert pod("Deployment", "worker")["terminationGracePeriodSeconds"] > DRAIN + 5
    assert float(COMPOSE["services"]["worker"]["stop_grace_period"].removesuffix("s")) > DRAIN + 5


def test_programs_start_once_the_tables_are_there() -> None:
    services = COMPOSE["services"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("web", "worker"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_ports_are_those_of_the_commands() -> None:
    assert COMPOSE["services"]["web"]["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert [one["containerPort"] for one in container("Deployment", "web")["ports"]] == [PORT]
    assert [one["containerPort"] for one in container("Deployment", "worker")["ports"]] == [PROBES]
    assert [one["targetPort"] for one in MANIFESTS["Service", "web"]["spec"]["ports"]] == [PORT]


def test_selectors_match_their_pods() -> None:
    for kind, name in (("StatefulSet", "postgres"), ("Deployment", "web"), ("Deployment", "worker")):
        spec = MANIFESTS[kind, name]["spec"]
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"] == {"app": name}
    for name in ("postgres", "web"):
        assert MANIFESTS["Service", name]["spec"]["selector"] == {"app": name}


class Containers:
    """Programs as containers run them, on loopback and free ports."""

    def __init__(self, programs: Mapping[str, Program], environment: Mapping[str, str]) -> None:
        self._programs = programs
        self._environment = environment
        self._running: list[subprocess.Popen[bytes]] = []
        self.ports = {PORT: free_port(), PROBES: free_port()}

    def start(self, name: str) -> subprocess.Popen[bytes]:
        program = self._programs[name]
        environment = {
            name: value
            for name, value in {**os.environ, **self._environment}.items()
            if name in program.environment
            or (name not in SECRETS and name != "FLEET_DSN")  # only what the file gives it
        }
        process = subprocess.Popen(self._here(program.command), env=environment)
        self._running.append(process)
        return process

    def is_healthy(self, command: Sequence[str]) -> bool:
        """Run a health check."""
        return subprocess.run(self._here(command), capture_output=True, timeout=PATIENCE).returncode == 0

    def answers(self, check: Mapping[str, Any]) -> bool:
        """Do what a probe of Kubernetes does."""
        try:
            if "tcpSocket" in check:
                httpx.get(f"http://127.0.0.1:{self.ports[check['tcpSocket']['port']]}/", trust_env=False)
                return True
            get = check["httpGet"]
            url = f"http://127.0.0.1:{self.ports[get['port']]}{get['path']}"
            return httpx.get(url, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def close(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.terminate()
        for process in self._running:
            process.wait(PATIENCE)

    def _here(self, command: Sequence[str]) -> list[str]:
        """A container's command for this machine."""
        program, *words = command
        here = [sys.executable if program == "python" else str(Path(sys.executable).with_name(program))]
        for word in words:
            for port, free in self.ports.items():
                word = re.sub(rf"\b{port}\b", str(free), word)
            here.append(str(EXAMPLE / word) if word == "phone.py" else word.replace("0.0.0.0", "127.0.0.1"))
        return here


@pytest.fixture(params=["compose", pytest.param("kubernetes", marks=pytest.mark.weekly)])
def containers(
    request: pytest.FixtureRequest, cluster: Cluster, simulator: Simulator, tmp_path: Path
) -> Iterator[Containers]:
    environment = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")]),
        "ORDERS": str(tmp_path / "orders.txt"),
        "FLEET_DSN": cluster.database(f"containers_{request.param}"),
        "OPENAI_BASE_URL": simulator.base_url,
        "OPENAI_API_KEY": simulator.api_key,
        "OPENAI_WEBHOOK_SECRET": simulator.webhook_secret,
    }
    containers = Containers(PROGRAMS[request.param], environment)
    try:
        yield containers
    finally:
        containers.close()


@pytest.mark.slow
@pytest.mark.postgres
def test_the_commands_serve_calls(
    request: pytest.FixtureRequest, containers: Containers, simulator: Simulator
) -> None:
    assert containers.start("migrate").wait(60) == 0
    assert containers.start("migrate").wait(60) == 0  # by the next deploy
    web, worker = containers.start("web"), containers.start("worker")

    def is_ready() -> bool:
        assert web.poll() is None
        assert worker.poll() is None
        if request.node.callspec.params["containers"] == "compose":
            checks = [COMPOSE["services"][name]["healthcheck"]["test"] for name in ("web", "worker")]
            assert {check[0] for check in checks} == {"CMD"}
            return all(containers.is_healthy(check[1:]) for check in checks)
        deployed = [container("Deployment", name) for name in ("web", "worker")]
        probes = [one[key] for one in deployed for key in ("readinessProbe", "livenessProbe") if key in one]
        return all(containers.answers(probe) for probe in probes)

    simulator.wait_for(is_ready)
    call = simulator.incoming_call(f"http://127.0.0.1:{containers.ports[PORT]}/webhook")
    simulator.wait_for(lambda: call.session is not None and "response.done" in call.session.types_sent())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(DRAIN + 10) == 0
    assert call.ended is None
    simulator.hang_up(call)
