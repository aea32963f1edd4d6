"""Tests both fixtures with redis-py on real clusters. `RCUP_BIN` names the program."""

import pytest
from redis.cluster import ClusterNode, RedisCluster

import rcup_pytest

seen = []


def client(cluster):
    return RedisCluster(startup_nodes=[ClusterNode(host, port) for host, port in cluster.addresses])


def test_session_fixture_write_is_read_back(rcup_cluster):
    seen.append(rcup_cluster.name)
    redis = client(rcup_cluster)
    for n in range(100):
        redis.set(f"key:{n}", n)
    assert [int(redis.get(f"key:{n}")) for n in range(100)] == list(range(100))
    assert rcup_cluster.status()["state"] == "ok"
    assert "Ready to accept connections" in rcup_cluster.logs()


def test_session_fixture_returns_same_cluster(rcup_cluster):
    assert rcup_cluster.name == seen[0]
    assert client(rcup_cluster).get("key:7") == b"7"


def test_function_fixture_returns_other_cluster(rcup_cluster, rcup_cluster_function):
    seen.append(rcup_cluster_function.name)
    assert rcup_cluster_function.name != rcup_cluster.name
    redis = client(rcup_cluster_function)
    redis.set("left", "behind")
    redis.config_set("maxmemory-samples", 9, target_nodes=RedisCluster.ALL_NODES)
    assert client(rcup_cluster).get("left") is None


def test_function_fixture_is_reset_for_next_test(rcup_cluster_function):
    assert rcup_cluster_function.name == seen[1]
    redis = client(rcup_cluster_function)
    assert redis.dbsize() == 0
    samples = redis.config_get("maxmemory-samples", target_nodes=RedisCluster.ALL_NODES)
    assert {of_node["maxmemory-samples"] for of_node in samples.values()} == {"5"}
    # The next reset fails.
    rcup_cluster_function.down()


def test_function_fixture_replaces_removed_cluster(rcup_cluster_function):
    assert rcup_cluster_function.name not in seen
    assert client(rcup_cluster_function).set("a", 1)


def test_reset_of_healthy_cluster_reports_no_repair(rcup_cluster_function):
    assert rcup_cluster_function.reset()["mended"] == []


def test_failed_start_raises_with_rcup_message():
    with pytest.raises(rcup_pytest.RcupError, match="at least one master"):
        rcup_pytest.Cluster.up(["--masters", "0"])
