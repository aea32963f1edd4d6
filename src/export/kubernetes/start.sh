#!/bin/sh
# The pod's command. The pod's address changes with every start; the node's id is kept in nodes.conf on the volume.
set -eu
password=
if [ -e /run/secrets/redis/password ]; then
    password=$(cat /run/secrets/redis/password)
    # Some servers cannot restart with such a password after they have rewritten their file.
    case $password in
        '' | *[\"\\]*)
            echo 'the password is empty, or contains a quote or a backslash' >&2
            exit 1
            ;;
    esac
fi
umask 077
{
    printf 'include /etc/redis/redis.conf\n'
    printf 'cluster-announce-ip %s\n' "$POD_IP"
    if [ -n "$password" ]; then
        printf 'requirepass "%s"\nmasterauth "%s"\n' "$password" "$password"
    fi
    if [ -n "${MONITOR_RULES:-}" ]; then
        printf 'user %s on >%s resetchannels -@all %s\n' "$MONITOR" "$(cat /run/secrets/redis/monitor)" "$MONITOR_RULES"
    fi
} > /data/own.conf

# The host may be on a machine that is down; without a limit, a connection attempt takes two minutes.
ask() {
    host=$1
    shift
    timeout 2 "$CLI" -h "$host" -p "$PORT" "$@" </dev/null 2>/dev/null
}

# The server's time in milliseconds; nothing if it does not answer.
now() { ask 127.0.0.1 TIME | awk 'NR == 1 { s = $1 } NR == 2 { printf "%s%03d\n", s, $1 / 1000 }'; }

# Reads CLUSTER NODES and prints the ids of the nodes that have not answered since the given time. A link is no evidence:
# a link to an unused address counts as connected from the first attempt on, and `fail?` appears only after the node
# timeout. A PONG time in whole seconds is no evidence either: it was learned from other nodes.
unanswered() {
    awk -v since="$1" '
        $3 ~ /myself|handshake/ { next }
        $6 > since && $6 % 1000 && $8 == "connected" && $3 !~ /noaddr|(^|,)fail/ { next }
        { print $1 }'
}

# If all pods get new addresses at once, no node knows the address of any other. Their names do not change. So this
# pod asks the others by name to meet it at its new address: for a known node, CLUSTER MEET only updates the address.
# It continues until every node has answered. A pod that starts later does the same itself.
find_peers() {
    until since=$(now) && [ -n "$since" ]; do sleep 0.2; done
    tries=0
    while :; do
        nodes=$(ask 127.0.0.1 CLUSTER NODES) || nodes=
        case $nodes in
            *myself*)
                # This node is in no cluster yet. The job that forms it uses the current addresses.
                [ "$(printf '%s\n' "$nodes" | grep -c .)" -gt 1 ] || break
                missing=$(printf '%s\n' "$nodes" | unanswered "$since")
                [ -n "$missing" ] || break
                for peer in $PEERS; do
                    id=$(ask "$peer" CLUSTER MYID) || continue
                    if [ -n "$id" ] && printf '%s\n' "$missing" | grep -q -x -e "$id"; then
                        ask "$peer" CLUSTER MEET "$POD_IP" "$PORT" >/dev/null || true
                    fi
                done
                ;;
        esac
        # A node that was removed for good is never found.
        if [ "$tries" -lt 60 ]; then
            tries=$((tries + 1))
            sleep 1
        else
            sleep 10
        fi
    done
}

(
    [ -z "$password" ] || export REDISCLI_AUTH="$password"
    find_peers
) &
exec "$SERVER" /data/own.conf
