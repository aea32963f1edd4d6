#!/bin/sh
# Makes one cluster of the pods, or brings pods that are new into the one that is there. Each step asks first, so the
# job may run again at any time. Slots are given out only while nobody has any: those of a cluster that stands have
# keys in them, and to move these is redis-cli's business.
# SHARDS has a line for each shard: its first and last slot, and the names of its pods.
set -eu
REDISCLI_AUTH=$(cat /run/secrets/redis/password)
export REDISCLI_AUTH

ask() {
    host=$1
    shift
    "$CLI" -h "$host" -p "$PORT" "$@" </dev/null
}

# redis-cli succeeds also where the server refuses.
tell() {
    told=$(ask "$@")
    [ "$told" = OK ] || fail "$* was answered: $told"
}

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

pods() { printf '%s\n' "$SHARDS" | while read -r _ _ names; do printf '%s\n' "$names" | tr ' ' '\n'; done; }

own_line() { ask "$1" CLUSTER NODES | grep myself; }

# The slots of a node by its line, such as `0-5460`; those under way, in brackets, belong to it too.
slots_of() { echo "$1" | cut -d ' ' -f 9-; }

is_alone() { [ "$(ask "$1" CLUSTER NODES | grep -c .)" -eq 1 ]; }

assigned() { ask "$1" CLUSTER INFO | tr -d '\r' | grep '^cluster_slots_assigned:' | cut -d : -f 2; }

# Whether it has heard from every pod.
knows_all() {
    known=$(ask "$1" CLUSTER NODES | grep -v -e handshake -e noaddr) || return 1
    for id in $IDS; do
        printf '%s\n' "$known" | grep -q "^$id " || return 1
    done
}

FIRST=$(pods | head -n 1)
IDS=
for pod in $(pods); do
    until [ "$(ask "$pod" PING 2>/dev/null)" = PONG ]; do sleep 0.5; done
    IDS="$IDS $(ask "$pod" CLUSTER MYID)"
done

# A cluster in the making: every pod is alone still, and has no slots or those that are meant for it. Any other in
# which somebody knows of slots is one that stands.
making=yes
none=yes
for pod in $(pods); do
    [ "$(assigned "$pod")" -eq 0 ] || none=no
    is_alone "$pod" || making=no
done
without=$(
    printf '%s\n' "$SHARDS" | while read -r first last names; do
        found=
        for pod in $names; do found="$found$(slots_of "$(own_line "$pod")")"; done
        [ -n "$found" ] || echo "${names%% *}"
        [ -z "$found" ] || [ "$found" = "$first-$last" ] || echo other
    done
)
case $without in *other*) making=no ;; esac
if [ -n "$without" ] && [ "$none" = no ] && [ "$making" = no ]; then
    for pod in $without; do
        [ "$pod" = other ] || fail "a cluster stands already, and $pod has no slots in it." \
            "Nothing was changed. To bring a master in, and to move slots to it, from one of the pods:" \
            "  export REDISCLI_AUTH=\$(cat /run/secrets/redis/password)" \
            "  $CLI --cluster add-node $pod:$PORT $FIRST:$PORT" \
            "  $CLI --cluster rebalance $FIRST:$PORT --cluster-use-empty-masters"
    done
fi
epoch=0
printf '%s\n' "$SHARDS" | while read -r first last master _; do
    epoch=$((epoch + 1))
    case " $(echo "$without" | tr '\n' ' ') " in
        *" $master "*)
            # Refused by a node that has an epoch already, from an attempt before this one.
            ask "$master" CLUSTER SET-CONFIG-EPOCH "$epoch" >/dev/null
            tell "$master" CLUSTER ADDSLOTSRANGE "$first" "$last"
            echo "$master has slots $first-$last"
            ;;
    esac
done

# Whoever has slots is asked to meet the others: a pod without any may be the one that nobody knows.
GREETER=$FIRST
for pod in $(pods); do
    if [ -n "$(slots_of "$(own_line "$pod")")" ]; then
        GREETER=$pod
        break
    fi
done
for pod in $(pods); do
    address=$(ask "$pod" CONFIG GET cluster-announce-ip | tail -n 1)
    if ! knows_all "$pod"; then tell "$GREETER" CLUSTER MEET "$address" "$PORT"; fi
done
for pod in $(pods); do
    until knows_all "$pod"; do sleep 0.5; done
done

printf '%s\n' "$SHARDS" | while read -r _ _ names; do
    # After a failover another pod than the first has the shard's slots.
    owner=
    for pod in $names; do
        [ -z "$(slots_of "$(own_line "$pod")")" ] || owner=$pod
    done
    [ -n "$owner" ] || fail "none of $names has the slots of their shard." "Nothing was assigned to it."
    id=$(ask "$owner" CLUSTER MYID)
    for pod in $names; do
        [ "$pod" != "$owner" ] || continue
        case $(own_line "$pod") in
            *slave*) ;;
            *)
                tell "$pod" CLUSTER REPLICATE "$id"
                echo "$pod copies $owner"
                ;;
        esac
    done
done
for pod in $(pods); do
    until ask "$pod" CLUSTER INFO | grep -q cluster_state:ok; do sleep 0.5; done
done
echo "all $(pods | grep -c .) nodes call the cluster ok"
