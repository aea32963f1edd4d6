"""pytest fixtures for a real Redis or Valkey Cluster, started by rcup."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import uuid

import pytest

__all__ = ["Cluster", "RcupError", "rcup_cluster", "rcup_cluster_function"]

#: Maximum lifetime of a cluster, in case the exit of its owner goes unnoticed.
TTL = "6h"

#: In the xdist controller: the name of the cluster that the workers share, and whether a worker used it.
_SHARED = pytest.StashKey[str]()
_USED = pytest.StashKey[bool]()


class RcupError(RuntimeError):
    """rcup failed; the message is its standard error."""


def _run(*args: str) -> str:
    program = os.environ.get("RCUP_BIN") or shutil.which("rcup")
    if not program:
        raise RcupError("`rcup` not found on the PATH: install it, or set RCUP_BIN")
    done = subprocess.run([program, *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RcupError(f"rcup {' '.join(args[:1])} failed:\n{done.stderr.strip()}")
    return done.stdout


def _new_name() -> str:
    return f"pytest-{uuid.uuid4().hex[:12]}"


class Cluster:
    """A running cluster."""

    def __init__(self, report: dict, env: dict):
        #: The output of `rcup up --output json`.
        self.report = report
        #: The output of `rcup env --format json`: REDIS_CLUSTER_NODES, REDIS_CLUSTER_URL and more.
        self.env = env

    @classmethod
    def up(cls, args: list[str], name: str | None = None, owner: int | None = None) -> "Cluster":
        """Starts a cluster under a generated name, or attaches to the one called `name`.

        Once the process `owner` has exited, the next rcup command on this machine removes the cluster.
        """
        name = name or _new_name()
        lifetime = ["--ttl", TTL] if owner is None else ["--ttl", TTL, "--owner", str(owner)]
        report = json.loads(_run("up", name, *lifetime, "--output", "json", *args))
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
        """Host and port of every node for clients on this host, masters first."""
        parts = (address.rsplit(":", 1) for address in self.env["REDIS_CLUSTER_NODES"].split(","))
        return [(host, int(port)) for host, port in parts]

    @property
    def url(self) -> str:
        """The URL of the first node, with credentials if there are any."""
        return self.env["REDIS_CLUSTER_URL"]

    def status(self) -> dict:
        """The current state of the cluster, node by node."""
        return json.loads(_run("status", self.name, "--output", "json"))

    def logs(self, tail: int = 100) -> str:
        """The logs of all nodes."""
        return _run("logs", self.name, "--tail", str(tail))

    def reset(self) -> dict:
        """Deletes all keys, restores the initial state, and returns what was repaired."""
        return json.loads(_run("reset", self.name, "--yes", "--output", "json"))

    def down(self) -> None:
        """Removes the cluster and its volumes."""
        _run("down", self.name, "--volumes")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rcup")
    group.addoption("--rcup-args", default=None, help="flags of `rcup up` for the clusters of rcup_cluster")
    group.addoption("--rcup-keep", action="store_true", help="keep the clusters for debugging")
    parser.addini("rcup_args", "flags of `rcup up` for the clusters of rcup_cluster", default="")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """In the xdist controller, before a worker starts: all workers share one cluster, owned by the controller."""
    stash = node.config.stash
    if _SHARED not in stash:
        stash[_SHARED] = _new_name()
    node.workerinput["rcup_name"] = stash[_SHARED]
    node.workerinput["rcup_owner"] = os.getpid()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    """In the xdist controller, after a worker exited. A crashed worker does not report whether it used the cluster."""
    if error or getattr(node, "workeroutput", {}).get("rcup_used"):
        node.config.stash[_USED] = True


def pytest_unconfigure(config: pytest.Config) -> None:
    """All workers have exited: the controller removes the shared cluster."""
    if config.stash.get(_USED, False) and not config.getoption("--rcup-keep"):
        _run("down", config.stash[_SHARED], "--volumes")


def _up(config: pytest.Config, name: str | None = None, owner: int | None = None) -> Cluster:
    args = config.getoption("--rcup-args")
    words = shlex.split(config.getini("rcup_args") if args is None else args)
    # A cluster that is kept outlives pytest, so it has no owner.
    owner = None if config.getoption("--rcup-keep") else owner or os.getpid()
    return Cluster.up(words, name, owner)


@pytest.fixture(scope="session")
def rcup_cluster(pytestconfig: pytest.Config):
    """One cluster for all tests of the session, shared by the workers of xdist."""
    worker = getattr(pytestconfig, "workerinput", None)
    if worker and "rcup_name" in worker:
        pytestconfig.workeroutput["rcup_used"] = True
        yield _up(pytestconfig, worker["rcup_name"], worker["rcup_owner"])
        return
    cluster = _up(pytestconfig)
    try:
        yield cluster
    finally:
        if not pytestconfig.getoption("--rcup-keep"):
            cluster.down()


@pytest.fixture(scope="session")
def _rcup_own(pytestconfig: pytest.Config):
    """The cluster that tests use alone, one test after the other."""
    own: list[Cluster] = []
    yield own
    if not pytestconfig.getoption("--rcup-keep"):
        for cluster in own:
            cluster.down()


@pytest.fixture
def rcup_cluster_function(pytestconfig: pytest.Config, _rcup_own: list):
    """A cluster for one test alone, which may break it.

    The next such test gets the same cluster after a reset, or a new one if the reset fails.
    """
    if _rcup_own:
        try:
            _rcup_own[0].reset()
        except RcupError:
            _rcup_own.pop().down()
    if not _rcup_own:
        _rcup_own.append(_up(pytestconfig))
    return _rcup_own[0]
