#!/bin/sh
# A pod's command. Its address changes with every start; its identity stays in nodes.conf on its volume.
set -eu
password=$(cat /run/secrets/redis/password)
# Some servers cannot start again with such a password once they have written their file.
case $password in
    '' | *[\"\\]*)
        echo 'the password is empty, or has a quote or a backslash' >&2
        exit 1
        ;;
esac
umask 077
{
    printf 'include /etc/redis/redis.conf\n'
    printf 'cluster-announce-ip %s\n' "$POD_IP"
    printf 'requirepass "%s"\nmasterauth "%s"\n' "$password" "$password"
    if [ -n "${MONITOR_RULES:-}" ]; then
        printf 'user %s on >%s resetchannels -@all %s\n' "$MONITOR" "$(cat /run/secrets/redis/monitor)" "$MONITOR_RULES"
    fi
} > /data/own.conf

# Where all pods got new addresses at once, none knows another's any more. Names do not change, so this pod asks
# the others by them, once it answers itself, to meet it where it is now: of a node that is known, a MEET only renews
# the address. It goes on until it has a link to each; a pod that starts later asks it in turn.
(
    export REDISCLI_AUTH="$password"
    until [ "$("$CLI" -p "$PORT" PING 2>/dev/null)" = PONG ]; do sleep 0.2; done
    tries=0
    # More than once, because a foreign node may answer at an old address, until it is detected.
    well=0
    while [ "$tries" -lt 60 ] && [ "$well" -lt 3 ]; do
        known=$("$CLI" -p "$PORT" CLUSTER NODES) || known=
        case $known in
            # It is alone, and who brings it into a cluster will give it all addresses.
            *myself*) [ "$(echo "$known" | grep -c .)" -gt 1 ] || break ;;
        esac
        case $known in
            '' | *disconnected* | *fail* | *noaddr*)
                well=0
                for peer in $PEERS; do
                    "$CLI" -h "$peer" -p "$PORT" CLUSTER MEET "$POD_IP" "$PORT" </dev/null >/dev/null 2>&1 || true
                done
                ;;
            *) well=$((well + 1)) ;;
        esac
        tries=$((tries + 1))
        sleep 1
    done
) &
exec "$SERVER" /data/own.conf
