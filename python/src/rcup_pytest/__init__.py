"""pytest fixtures for a real Redis or Valkey Cluster, by the program rcup."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import uuid

import pytest

__all__ = ["Cluster", "RcupError", "rcup_cluster", "rcup_cluster_function"]

#: How long a cluster lives at most, should pytest be killed: then the next rcup removes it.
TTL = "6h"


class RcupError(RuntimeError):
    """rcup has failed; the message is its own."""


def _run(*args: str) -> str:
    program = os.environ.get("RCUP_BIN") or shutil.which("rcup")
    if not program:
        raise RcupError("there is no program `rcup`: install it, or name it in RCUP_BIN")
    done = subprocess.run([program, *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RcupError(f"rcup {' '.join(args[:1])} failed:\n{done.stderr.strip()}")
    return done.stdout


class Cluster:
    """A running cluster."""

    def __init__(self, report: dict, env: dict):
        #: What `rcup up --output json` said.
        self.report = report
        #: What `rcup env --format json` said: REDIS_CLUSTER_NODES, REDIS_CLUSTER_URL and more.
        self.env = env

    @classmethod
    def up(cls, args: list[str]) -> "Cluster":
        """Starts a cluster under a name of its own."""
        name = f"pytest-{uuid.uuid4().hex[:12]}"
        report = json.loads(_run("up", name, "--ttl", TTL, "--output", "json", *args))
        try:
            env = json.loads(_run("env", name, "--format", "json"))
        except Exception:
            _run("down", name)
            raise
        return cls(report, env)

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.report["name"]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every node as clients on this host must use them, masters first."""
        parts = (address.rsplit(":", 1) for address in self.env["REDIS_CLUSTER_NODES"].split(","))
        return [(host, int(port)) for host, port in parts]

    @property
    def url(self) -> str:
        """The URL of the first node, with credentials where there are any."""
        return self.env["REDIS_CLUSTER_URL"]

    def status(self) -> dict:
        """The cluster as it is now, node by node."""
        return json.loads(_run("status", self.name, "--output", "json"))

    def logs(self, tail: int = 100) -> str:
        """What the nodes have printed."""
        return _run("logs", self.name, "--tail", str(tail))

    def down(self) -> None:
        """Removes the cluster."""
        _run("down", self.name)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rcup")
    group.addoption("--rcup-args", default=None, help="flags of `rcup up` for the clusters of rcup_cluster")
    group.addoption("--rcup-keep", action="store_true", help="leave the clusters for a closer look")
    parser.addini("rcup_args", "flags of `rcup up` for the clusters of rcup_cluster", default="")


def _cluster(config: pytest.Config):
    args = config.getoption("--rcup-args")
    cluster = Cluster.up(shlex.split(config.getini("rcup_args") if args is None else args))
    try:
        yield cluster
    finally:
        if not config.getoption("--rcup-keep"):
            cluster.down()


@pytest.fixture(scope="session")
def rcup_cluster(pytestconfig: pytest.Config):
    """One cluster for all tests of the session."""
    yield from _cluster(pytestconfig)


@pytest.fixture
def rcup_cluster_function(pytestconfig: pytest.Config):
    """A cluster for one test, which may break it."""
    yield from _cluster(pytestconfig)
