#!/bin/sh
# Forms a cluster of the pods, or adds new pods to an existing one. It changes only what is missing, so the job may run
# again at any time. It assigns slots only while no node has any: the slots of an existing cluster contain keys, which
# redis-cli must move.
# SHARDS has a line for each shard: its first and last slot, and the names of its pods.
set -eu
if [ -e /run/secrets/redis/password ]; then
    REDISCLI_AUTH=$(cat /run/secrets/redis/password)
    export REDISCLI_AUTH
fi

ask() {
    host=$1
    shift
    "$CLI" -h "$host" -p "$PORT" "$@" </dev/null
}

# redis-cli succeeds also where the server refuses.
tell() {
    answer=$(ask "$@")
    [ "$answer" = OK ] || fail "$* was answered: $answer"
}

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

pods() { printf '%s\n' "$SHARDS" | while read -r _ _ names; do printf '%s\n' "$names" | tr ' ' '\n'; done; }

# Whether the lines of CLUSTER NODES, its argument, contain every pod's node.
tells_all() {
    known=$(printf '%s\n' "$1" | grep -v -e handshake -e noaddr) || return 1
    for id in $IDS; do
        printf '%s\n' "$known" | grep -q "^$id " || return 1
    done
}

# A line for each pod: its name, the number of nodes it knows, whether it knows of slots, and its own id, address, flags
# and slots, including migrating and importing ones.
look() {
    pods | while read -r pod; do
        until nodes=$(ask "$pod" CLUSTER NODES 2>/dev/null) && [ "${nodes#*myself}" != "$nodes" ]; do sleep 0.5; done
        printf '%s\n' "$nodes" | awk -v pod="$pod" '
            { count++ }
            NF > 8 { slots = 1 }
            $3 ~ /myself/ {
                own = $1 " " $2 " " $3
                for (n = 9; n <= NF; n++) own = own " " $n
            }
            END { print pod, count, slots + 0, own }'
    done
}

# The given fields of a pod's line.
of() { printf '%s\n' "$SEEN" | grep "^$1 " | cut -d ' ' -f "$2"; }

SEEN=$(look)
IDS=$(printf '%s\n' "$SEEN" | cut -d ' ' -f 4)

# In an unfinished cluster, every pod knows only itself, and has no slots or those planned for it. If slots are assigned
# in any other way, the cluster exists already.
missing=$(
    printf '%s\n' "$SHARDS" | while read -r first last names; do
        found=
        for pod in $names; do found="$found$(of "$pod" 7-)"; done
        case $found in
            '') echo "${names%% *}" ;;
            "$first-$last") ;;
            *) echo '(other)' ;;
        esac
    done
)
stands=no
if printf '%s\n' "$SEEN" | cut -d ' ' -f 3 | grep -q 1; then
    case $missing in *'(other)'*) stands=yes ;; esac
    if printf '%s\n' "$SEEN" | cut -d ' ' -f 2 | grep -q -v '^1$'; then stands=yes; fi
fi

for pod in $missing; do
    if [ "$pod" = '(other)' ] || [ "$stands" = no ]; then continue; fi
    within=$(printf '%s\n' "$SEEN" | awk 'NF > 6 { print $1; exit }')
    fail "a cluster exists already, and $pod has no slots in it." \
        "Nothing was changed. To add a master and to move slots to it, run in one of the pods:" \
        ${REDISCLI_AUTH:+"  export REDISCLI_AUTH=\$(cat /run/secrets/redis/password)"} \
        "  $CLI --cluster add-node $pod:$PORT ${within:-$pod}:$PORT" \
        "  $CLI --cluster rebalance ${within:-$pod}:$PORT --cluster-use-empty-masters"
done
epoch=0
printf '%s\n' "$SHARDS" | while read -r first last master _; do
    epoch=$((epoch + 1))
    case " $(echo "$missing" | tr '\n' ' ') " in
        *" $master "*)
            # A node that has an epoch from an earlier attempt refuses this.
            ask "$master" CLUSTER SET-CONFIG-EPOCH "$epoch" >/dev/null
            tell "$master" CLUSTER ADDSLOTSRANGE "$first" "$last"
            echo "$master has slots $first-$last"
            ;;
    esac
done

# A node with slots meets the others: a pod without slots may not be in their cluster.
greeter=$(printf '%s\n' "$SEEN" | awk 'NF > 6 { print $1; exit }')
greeter=${greeter:-$(pods | head -n 1)}
tells_all "$(ask "$greeter" CLUSTER NODES)" || for pod in $(pods); do
    [ "$pod" != "$greeter" ] || continue
    address=$(of "$pod" 5)
    tell "$greeter" CLUSTER MEET "${address%%:*}" "$PORT"
done
for pod in $(pods); do
    until tells_all "$(ask "$pod" CLUSTER NODES)"; do sleep 0.5; done
done

SEEN=$(look)
printf '%s\n' "$SHARDS" | while read -r _ _ names; do
    # After a failover another pod than the first has the shard's slots.
    owner=
    for pod in $names; do
        [ -z "$(of "$pod" 7-)" ] || owner=$pod
    done
    [ -n "$owner" ] || fail "none of $names has the slots of their shard." "Nothing was assigned to it."
    for pod in $names; do
        [ "$pod" != "$owner" ] || continue
        case $(of "$pod" 6) in
            *slave*) ;;
            *)
                tell "$pod" CLUSTER REPLICATE "$(of "$owner" 4)"
                echo "$pod replicates $owner"
                ;;
        esac
    done
done
for pod in $(pods); do
    until ask "$pod" CLUSTER INFO | grep -q cluster_state:ok; do sleep 0.5; done
done
echo "all $(pods | grep -c .) nodes report cluster_state:ok"
