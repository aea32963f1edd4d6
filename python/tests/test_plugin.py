"""The plugin for real: redis-py against the clusters of both scopes. `RCUP_BIN` names the program."""

import json
import os
import subprocess

import pytest
from redis.cluster import ClusterNode, RedisCluster

import rcup_pytest

seen = []


def client(cluster):
    return RedisCluster(startup_nodes=[ClusterNode(host, port) for host, port in cluster.addresses])


def test_a_write_comes_back(rcup_cluster):
    seen.append(rcup_cluster.name)
    redis = client(rcup_cluster)
    for n in range(100):
        redis.set(f"key:{n}", n)
    assert [int(redis.get(f"key:{n}")) for n in range(100)] == list(range(100))
    assert rcup_cluster.status()["state"] == "ok"
    assert "Ready to accept connections" in rcup_cluster.logs()


def test_the_session_has_one_cluster(rcup_cluster):
    assert rcup_cluster.name == seen[0]
    assert client(rcup_cluster).get("key:7") == b"7"


def test_a_test_may_have_its_own(rcup_cluster, rcup_cluster_function):
    seen.append(rcup_cluster_function.name)
    assert rcup_cluster_function.name != rcup_cluster.name
    assert client(rcup_cluster_function).dbsize() == 0


def test_its_own_is_gone_afterwards():
    program = os.environ.get("RCUP_BIN", "rcup")
    listed = subprocess.run([program, "list", "--output", "json"], capture_output=True, check=True)
    names = [cluster["name"] for cluster in json.loads(listed.stdout)["clusters"]]
    assert seen[0] in names and seen[1] not in names


def test_a_failure_says_what_rcup_said():
    with pytest.raises(rcup_pytest.RcupError, match="at least one master"):
        rcup_pytest.Cluster.up(["--masters", "0"])
