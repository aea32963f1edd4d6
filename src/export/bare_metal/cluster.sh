# shellcheck shell=sh
# How the nodes are asked, made one cluster and validated, from one host. Read by host.sh, which knows who the nodes
# are (NODES), where the password and the certificates lie (ETC) and which client there is (CLI).

# For how many seconds something is waited for.
PATIENCE=60

password_in() { sed -n 's/^requirepass "\(.*\)"$/\1/p' "$1"; }

# The password stands in the environment of the client alone. Without a command, the client reads standard input.
ask() {
    host=$1 port=$2
    shift 2
    set -- -h "$host" -p "$port" "$@"
    if [ "$TLS" = yes ]; then set -- --tls --cacert "$ETC/tls/ca.crt" "$@"; fi
    REDISCLI_AUTH=$(password_in "$ETC/auth.conf") "$CLI" --no-auth-warning "$@"
}

answers() { [ "$(ask "$1" "$2" PING 2>/dev/null)" = PONG ]; }

# within SECONDS COMMAND…: whether the command succeeds until then.
within() {
    deadline=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

# await WHAT COMMAND…: until the command succeeds, or the patience ends.
await() {
    what=$1
    shift
    within "$PATIENCE" "$@" || fail "timed out after $PATIENCE s: $what" "See journalctl -u '$UNIT*' on the host."
}

knows_all() { [ "$(ask "$1" "$2" CLUSTER NODES | grep -c -v -e handshake -e noaddr)" -eq "$COUNT" ]; }

known() { ask "$1" "$2" CLUSTER NODES | wc -l; }

has_slots() { echo "$1" | awk '{ exit NF < 9 }'; }

id_of() { ask "$1" "$2" CLUSTER MYID; }

own_line() { ask "$1" "$2" CLUSTER NODES | grep myself; }

# Whether a node knows all ports. After a change to TLS a node of another has only the plain one, until that calls it.
knows_ports() { ! ask "$1" "$2" CLUSTER NODES | grep -v noaddr | grep -q ':0@'; }

# What every node says of all; each line begins with the address of the node that says it.
views() {
    printf '%s\n' "$NODES" | while read -r _ _ _ _ _ ip port; do
        await "$ip:$port answers" answers "$ip" "$port" </dev/null
        # One that is gone for good never calls.
        within 20 knows_ports "$ip" "$port" </dev/null || true
        ask "$ip" "$port" CLUSTER NODES </dev/null | sed "s/^/$ip:$port /"
    done
}

# Names nodes that are not described here, masters that have no slots and know nobody, and holders of slots that are not
# as described. After a creation that broke off there are no such holders.
judged() {
    NODES=$NODES awk '
        BEGIN {
            count = split(ENVIRON["NODES"], line, "\n")
            for (i = 1; i <= count; i++) {
                split(line[i], node, " ")
                at = node[6] ":" node[7]
                role[at] = node[2]
                slots[at] = node[4] == node[5] ? node[4] : node[4] "-" node[5]
            }
        }
        $4 ~ /handshake|noaddr/ { next }
        {
            split($3, address, "@")
            at = $4 ~ /myself/ ? $1 : address[1]
            has = ""
            for (i = 10; i <= NF; i++) if ($i !~ /^\[/) has = has (has == "" ? "" : ",") $i
            if (!(at in role)) foreign[at] = 1
            known[$1]++
            if (has == "") next
            if (at == $1) holds[at] = 1
            else if (!(at in holds)) announced[at] = 1
            if (has != slots[at]) holder[at] = 1
        }
        END {
            for (at in role) if (role[at] == "master" && known[at] == 1 && !(at in holds)) {
                print "blank " at
                # Others remember it with slots, so it has lost its memory.
                if (at in announced) print "holder " at
            }
            for (at in foreign) print "foreign " at
            for (at in holder) print "holder " at
        }'
}

of_kind() { echo "$found" | sed -n "s/^$1 //p" | sort | tr '\n' ' ' | sed 's/ $//'; }

# Two nodes that claim the same slot settle it by their epochs, and the loser throws its keys away. So slots are given
# only while nobody has any, but for what a creation that broke off has given.
judge() {
    views >"$STAGE/views"
    found=$(judged <"$STAGE/views")
    unknown=$(of_kind foreign) blank=$(of_kind blank) holders=$(of_kind holder)
    tool=$CLI
    if [ "$TLS" = yes ]; then tool="$CLI --tls --cacert $ETC/tls/ca.crt"; fi
    login="On this host, as root: export REDISCLI_AUTH=\"\$(sed -n 's/^requirepass \"\(.*\)\"$/\1/p' $ETC/auth.conf)\""
    # shellcheck disable=SC2086
    if [ -n "$unknown" ]; then
        fail "the cluster has nodes that are not described here: $unknown" \
            "Export it with all its nodes. Or move their slots away and take each of them out, then run this again." "$login" \
            "  $tool --cluster reshard $first_ip:$first_port, then $tool --cluster del-node $first_ip:$first_port ID"
    fi
    if [ -n "$blank" ] && [ -n "$holders" ]; then
        fail "the cluster has given all its slots to others, so $blank gets none: their keys would be lost" \
            "Bring it in without slots, wait until all are ok and know the same number of nodes, move slots there, and run this again. $login" \
            "$(for at in $blank; do printf '  %s --cluster add-node %s %s\n' "$tool" "$at" "${holders%% *}"; done)" \
            "  $tool --cluster call ${holders%% *} CLUSTER INFO | grep -e state -e known_nodes" \
            "  $tool --cluster rebalance ${holders%% *} --cluster-use-empty-masters"
    fi
}

# Each step asks first, so a creation that broke off goes on where it was.
create() {
    COUNT=$(printf '%s\n' "$NODES" | grep -c .)
    first=$(printf '%s\n' "$NODES" | head -n 1)
    first_ip=$(echo "$first" | cut -d ' ' -f 6) first_port=$(echo "$first" | cut -d ' ' -f 7)
    judge
    printf '%s\n' "$NODES" | while read -r index role _ from to ip port; do
        line=$(own_line "$ip" "$port" </dev/null)
        if [ "$role" = master ] && [ "$(known "$ip" "$port" </dev/null)" -eq 1 ] && ! has_slots "$line"; then
            # Masters with the same epoch would quarrel over it; only a node without a cluster takes one.
            ask "$ip" "$port" CLUSTER SET-CONFIG-EPOCH "$index" </dev/null >/dev/null 2>&1 || true
            ask "$ip" "$port" CLUSTER ADDSLOTSRANGE "$from" "$to" </dev/null >/dev/null
            say "$ip:$port has slots $from-$to"
        fi
        if ! knows_all "$ip" "$port" </dev/null; then
            ask "$first_ip" "$first_port" CLUSTER MEET "$ip" "$port" </dev/null >/dev/null
        fi
    done
    printf '%s\n' "$NODES" | while read -r _ _ _ _ _ ip port; do
        await "$ip:$port knows all nodes" knows_all "$ip" "$port" </dev/null
    done
    printf '%s\n' "$NODES" | while read -r _ role shard _ _ ip port; do
        [ "$role" = replica ] || continue
        line=$(own_line "$ip" "$port" </dev/null)
        # A failover may have made a master of it; that is as good.
        case $line in *slave*) continue ;; esac
        if has_slots "$line"; then continue; fi
        master=$(printf '%s\n' "$NODES" | grep "^[0-9]* master $shard ")
        id=$(id_of "$(echo "$master" | cut -d ' ' -f 6)" "$(echo "$master" | cut -d ' ' -f 7)" </dev/null)
        ask "$ip" "$port" CLUSTER REPLICATE "$id" </dev/null >/dev/null
        say "$ip:$port copies shard $shard"
    done
}

state_ok() { case $(ask "$1" "$2" CLUSTER INFO) in *cluster_state:ok*) ;; *) return 1 ;; esac; }

is_well() {
    info=$(ask "$1" "$2" CLUSTER INFO) || return 1
    for wanted in cluster_state:ok cluster_slots_ok:16384 "cluster_known_nodes:$COUNT"; do
        case $info in *"$wanted"*) ;; *) return 1 ;; esac
    done
    case $(ask "$1" "$2" INFO replication) in *master_link_status:down*) return 1 ;; esac
}

# Every node, asked by itself; then no replica may share a host with its master.
validate() {
    COUNT=$(printf '%s\n' "$NODES" | grep -c .)
    replicas=$(printf '%s\n' "$NODES" | grep -c ' replica ' || true)
    printf '%s\n' "$NODES" | while read -r _ _ _ _ _ ip port; do
        if [ "$MODE" = check ]; then
            is_well "$ip" "$port" </dev/null || { say "differs: $ip:$port is not well"; exit 3; }
        else
            await "$ip:$port calls the cluster ok" is_well "$ip" "$port" </dev/null
        fi
    done
    ask "$(echo "$NODES" | head -n 1 | cut -d ' ' -f 6)" "$(echo "$NODES" | head -n 1 | cut -d ' ' -f 7)" CLUSTER NODES \
        | awk -v replicas="$replicas" '
            { split($2, a, ":"); host[$1] = a[1]; at[$1] = $2 }
            $3 ~ /slave/ { of[$1] = $4; copied[$4] = 1 }
            $3 ~ /master/ && NF > 8 { master[$1] = 1 }
            END {
                for (r in of) if (host[r] == host[of[r]]) print "a replica and its master share " host[r] "; a failover may have moved them"
                for (m in master) if (replicas && !(m in copied)) print "nobody copies " at[m] "; a node that moved may have left it"
            }' | while read -r note; do say "note: $note"; done
    say "all $COUNT nodes call the cluster ok"
}
