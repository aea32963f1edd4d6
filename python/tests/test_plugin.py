"""The plugin for real: redis-py against the clusters of both scopes. `RCUP_BIN` names the program."""

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


def test_a_test_may_have_its_own_and_break_it(rcup_cluster, rcup_cluster_function):
    seen.append(rcup_cluster_function.name)
    assert rcup_cluster_function.name != rcup_cluster.name
    redis = client(rcup_cluster_function)
    redis.set("left", "behind")
    redis.config_set("maxmemory-samples", 9, target_nodes=RedisCluster.ALL_NODES)
    assert client(rcup_cluster).get("left") is None


def test_the_next_one_gets_it_as_new(rcup_cluster_function):
    assert rcup_cluster_function.name == seen[1]
    redis = client(rcup_cluster_function)
    assert redis.dbsize() == 0
    samples = redis.config_get("maxmemory-samples", target_nodes=RedisCluster.ALL_NODES)
    assert {of_node["maxmemory-samples"] for of_node in samples.values()} == {"5"}
    # Beyond any reset.
    rcup_cluster_function.down()


def test_what_is_beyond_a_reset_is_replaced(rcup_cluster_function):
    assert rcup_cluster_function.name not in seen
    assert client(rcup_cluster_function).set("a", 1)


def test_a_reset_says_what_was_mended(rcup_cluster_function):
    assert rcup_cluster_function.reset()["mended"] == []


def test_a_failure_says_what_rcup_said():
    with pytest.raises(rcup_pytest.RcupError, match="at least one master"):
        rcup_pytest.Cluster.up(["--masters", "0"])
