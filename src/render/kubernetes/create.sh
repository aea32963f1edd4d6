#!/bin/sh
# Makes one cluster of the pods. Each step asks first, so the job may run again at any time.
# SHARDS has a line for each shard: its first and last slot, and the names of its pods.
set -eu
REDISCLI_AUTH=$(cat /run/secrets/redis/password)
export REDISCLI_AUTH

ask() {
    host=$1
    shift
    "$CLI" -h "$host" -p "$PORT" "$@" </dev/null
}

pods() { printf '%s\n' "$SHARDS" | while read -r _ _ names; do printf '%s\n' "$names" | tr ' ' '\n'; done; }

own_line() { ask "$1" CLUSTER NODES | grep myself; }

has_slots() { echo "$1" | awk '{ exit NF < 9 }'; }

knows_all() { [ "$(ask "$1" CLUSTER NODES | grep -c -v -e handshake -e noaddr)" -eq "$COUNT" ]; }

COUNT=$(pods | wc -l)
FIRST=$(pods | head -n 1)
for pod in $(pods); do
    until [ "$(ask "$pod" PING 2>/dev/null)" = PONG ]; do sleep 0.5; done
done
epoch=0
printf '%s\n' "$SHARDS" | while read -r first last master _; do
    epoch=$((epoch + 1))
    line=$(own_line "$master")
    if [ "$(ask "$master" CLUSTER NODES | wc -l)" -eq 1 ] && ! has_slots "$line"; then
        ask "$master" CLUSTER SET-CONFIG-EPOCH "$epoch" >/dev/null || true
        ask "$master" CLUSTER ADDSLOTSRANGE "$first" "$last" >/dev/null
        echo "$master has slots $first-$last"
    fi
done
for pod in $(pods); do
    address=$(ask "$pod" CONFIG GET cluster-announce-ip | tail -n 1)
    if ! knows_all "$pod"; then ask "$FIRST" CLUSTER MEET "$address" "$PORT" >/dev/null; fi
done
for pod in $(pods); do
    until knows_all "$pod"; do sleep 0.5; done
done
printf '%s\n' "$SHARDS" | while read -r _ _ master replicas; do
    id=$(ask "$master" CLUSTER MYID)
    for replica in $replicas; do
        line=$(own_line "$replica")
        case $line in *slave*) continue ;; esac
        # A failover may have made a master of it; that is as good.
        if has_slots "$line"; then continue; fi
        ask "$replica" CLUSTER REPLICATE "$id" >/dev/null
        echo "$replica copies $master"
    done
done
for pod in $(pods); do
    until ask "$pod" CLUSTER INFO | grep -q cluster_state:ok; do sleep 0.5; done
done
echo "all $COUNT nodes call the cluster ok"
