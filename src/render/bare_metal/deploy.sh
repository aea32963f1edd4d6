#!/bin/sh
# Brings up the Redis Cluster that is described beside this file, on the hosts named in cluster.env, over SSH.
# It may be run again at any time: it changes what differs and leaves the rest alone.
#
#   ./deploy.sh                    install, configure, start, form the cluster, validate
#   ./deploy.sh --check            say what differs, and change nothing (exit code 3 if anything does)
#   ./deploy.sh --uninstall        stop the nodes and remove their settings; the data stays
#   ./deploy.sh --uninstall --purge   and remove the data
#
#   --user USER            log in as USER, who is root or may use sudo without a password (default: as ssh does)
#   --identity FILE        SSH key
#   --ssh-config FILE      SSH configuration
#   --install HOW          packages (default): the distribution's; none: the server is there already;
#                          or the path of a tarball with the programs in bin/, which are put into /usr/local/bin
#   --firewall KIND        none (default), ufw, firewalld or nftables
#   --password-file FILE   one line (default: secrets/password beside this file, made if it is missing)
#
# Tried on machines with Debian 12, as root and with sudo, with packages and with nftables. The ways over ufw,
# firewalld, dnf and a tarball are written after their manuals and were not tried.
#
# The password goes to the hosts through SSH's standard input into files of mode 0640, never through an argument.
set -eu

HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=/dev/null
. "$HERE/cluster.env"

ETC=/etc/rcup-$NAME
DATA=/var/lib/rcup-$NAME
UNIT=rcup-$NAME@
PATIENCE=60

say() { printf '%s: %s\n' "${HOST:-deploy}" "$*" >&2; }

fail() {
    say "error: $1"
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

# ---- on a host, as root ---------------------------------------------------------------------------------------

DIFFERENT=0

# Says what differs; only in a check is that all that happens.
differs() {
    say "differs: $1"
    DIFFERENT=1
}

ports_here() { printf '%s\n' "$NODES" | while read -r _ _ _ _ _ ip port; do [ "$ip" != "$HOST" ] || echo "$port"; done; }

# put FILE PLACE MODE GROUP: true when the place was changed.
put() {
    if [ -f "$2" ] && cmp -s "$1" "$2"; then return 1; fi
    if [ "$MODE" = check ]; then
        differs "$2"
        return 1
    fi
    install -D -m "$3" -o root -g "$4" "$1" "$2"
    say "wrote $2"
}

install_server() {
    if command -v "$SERVER" >/dev/null; then return 0; fi
    if [ "$MODE" = check ]; then
        differs "$SERVER is not installed"
        return 0
    fi
    case $INSTALL in
        none) fail "$SERVER is not on the PATH" "Install it, or leave --install none out." ;;
        packages)
            # The package's own service would take port 6379 the moment it is installed.
            for service in $PACKAGE_SERVICES; do systemctl mask "$service" >/dev/null 2>&1 || true; done
            if command -v apt-get >/dev/null; then
                export DEBIAN_FRONTEND=noninteractive
                # shellcheck disable=SC2086
                apt-get install -y -q $APT_PACKAGES >&2 || { apt-get update -q >&2 && apt-get install -y -q $APT_PACKAGES >&2; }
            elif command -v dnf >/dev/null; then
                # shellcheck disable=SC2086
                dnf install -y -q $DNF_PACKAGES >&2
            else
                fail "neither apt-get nor dnf is here" "Install $SERVER yourself and use --install none, or give a tarball."
            fi
            ;;
        *)
            tar -xf "$STAGE/server.tar" -C /usr/local --no-same-owner
            command -v "$SERVER" >/dev/null || fail "the tarball has no bin/$SERVER"
            ;;
    esac
    say "installed $("$SERVER" --version | cut -d ' ' -f 1-3)"
}

service_user() {
    if id "$SERVICE_USER" >/dev/null 2>&1; then return 0; fi
    if [ "$MODE" = check ]; then
        differs "there is no user $SERVICE_USER"
        return 0
    fi
    useradd --system --user-group --no-create-home --home-dir "$DATA" --shell /usr/sbin/nologin "$SERVICE_USER"
}

# Kernel settings, now and after every boot. Containers may not change them; that is said and no failure.
kernel() {
    put "$STAGE/common/sysctl.conf" /etc/sysctl.d/60-rcup-redis.conf 0644 root || true
    put "$STAGE/common/tmpfiles.conf" /etc/tmpfiles.d/rcup-redis.conf 0644 root || true
    [ "$MODE" != check ] || return 0
    sysctl -q -p /etc/sysctl.d/60-rcup-redis.conf 2>/dev/null || say "note: the kernel settings cannot be changed from here"
    systemd-tmpfiles --create /etc/tmpfiles.d/rcup-redis.conf 2>/dev/null \
        || say "note: transparent huge pages cannot be switched off from here"
}

firewall() {
    case $FIREWALL in
        none) ;;
        nftables)
            command -v nft >/dev/null || fail "nft is not installed"
            changed=
            put "$STAGE/host/firewall.nft" "$ETC/firewall.nft" 0644 root && changed=1
            put "$STAGE/common/firewall.service" "/etc/systemd/system/rcup-$NAME-firewall.service" 0644 root && changed=1
            [ "$MODE" != check ] || return 0
            systemctl daemon-reload
            systemctl enable -q "rcup-$NAME-firewall.service"
            if [ -n "$changed" ] || ! systemctl is-active -q "rcup-$NAME-firewall.service"; then
                systemctl restart "rcup-$NAME-firewall.service"
            fi
            ;;
        ufw | firewalld) sh "$STAGE/host/$FIREWALL.sh" "$MODE" || DIFFERENT=1 ;;
    esac
}

active() { systemctl is-active -q "$UNIT$1.service"; }

nodes_here() {
    unit_changed=
    put "$STAGE/common/node.service" "/etc/systemd/system/$UNIT.service" 0644 root && unit_changed=1
    [ "$MODE" = check ] || systemctl daemon-reload
    if [ "$MODE" = install ]; then
        install -d -m 0750 -o root -g "$SERVICE_USER" "$ETC"
        install -d -m 0755 -o root -g root "$DATA"
    fi
    auth_changed=
    if [ -f "$STAGE/auth.conf" ]; then
        put "$STAGE/auth.conf" "$ETC/auth.conf" 0640 "$SERVICE_USER" && auth_changed=1
    fi
    for port in $(ports_here); do
        changed=$unit_changed$auth_changed
        put "$STAGE/host/$port/redis.conf" "$ETC/$port.conf" 0640 "$SERVICE_USER" && changed=1
        if [ "$MODE" = check ]; then
            active "$port" || differs "$UNIT$port does not run"
            continue
        fi
        install -d -m 0700 -o "$SERVICE_USER" -g "$SERVICE_USER" "$DATA/$port"
        systemctl enable -q "$UNIT$port.service"
        if ! active "$port"; then
            systemctl start "$UNIT$port.service"
            say "started node $port"
        elif [ -n "$changed" ]; then
            systemctl restart "$UNIT$port.service"
            say "restarted node $port"
        fi
        await "node $port answers" answers "$HOST" "$port"
        # One node after the other: the next is touched when this one calls the cluster ok again.
        if [ "$(known "$HOST" "$port")" -gt 1 ]; then await "node $port calls the cluster ok" state_ok "$HOST" "$port"; fi
    done
}

uninstall() {
    for port in $(ports_here); do systemctl disable -q --now "$UNIT$port.service" 2>/dev/null || true; done
    systemctl disable -q --now "rcup-$NAME-firewall.service" 2>/dev/null || true
    [ "$FIREWALL" = none ] || [ "$FIREWALL" = nftables ] || sh "$STAGE/host/$FIREWALL.sh" uninstall || true
    rm -rf "$ETC" "/etc/systemd/system/$UNIT.service" "/etc/systemd/system/rcup-$NAME-firewall.service"
    # The kernel settings may serve another cluster of this host.
    set -- /etc/rcup-*
    if [ ! -e "$1" ]; then rm -f /etc/sysctl.d/60-rcup-redis.conf /etc/tmpfiles.d/rcup-redis.conf; fi
    systemctl daemon-reload
    for service in $PACKAGE_SERVICES; do systemctl unmask "$service" >/dev/null 2>&1 || true; done
    if [ "$PURGE" = yes ]; then rm -rf "$DATA"; fi
    say "uninstalled; $SERVER and its package stay"
}

# ---- the cluster, from the first host ---------------------------------------------------------------------------

# The password stands in the environment of the client alone.
ask() {
    host=$1 port=$2
    shift 2
    REDISCLI_AUTH=$(sed -n 's/^requirepass "\(.*\)"$/\1/p' "$ETC/auth.conf") "$CLI" --no-auth-warning -h "$host" -p "$port" "$@"
}

answers() { [ "$(ask "$1" "$2" PING 2>/dev/null)" = PONG ]; }

# await WHAT COMMAND…: until the command succeeds, or the patience ends.
await() {
    what=$1
    shift
    deadline=$(($(date +%s) + PATIENCE))
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "in vain for $PATIENCE s: $what" "See journalctl -u '$UNIT*' on the host."
        sleep 0.2
    done
}

knows_all() { [ "$(ask "$1" "$2" CLUSTER NODES | grep -c -v -e handshake -e noaddr)" -eq "$COUNT" ]; }

known() { ask "$1" "$2" CLUSTER NODES | wc -l; }

has_slots() { echo "$1" | awk '{ exit NF < 9 }'; }

id_of() { ask "$1" "$2" CLUSTER MYID; }

own_line() { ask "$1" "$2" CLUSTER NODES | grep myself; }

# Each step asks first, so a creation that broke off goes on where it was.
create() {
    COUNT=$(printf '%s\n' "$NODES" | grep -c .)
    first=$(printf '%s\n' "$NODES" | head -n 1)
    first_ip=$(echo "$first" | cut -d ' ' -f 6) first_port=$(echo "$first" | cut -d ' ' -f 7)
    printf '%s\n' "$NODES" | while read -r index role _ from to ip port; do
        await "$ip:$port answers" answers "$ip" "$port" </dev/null
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
    printf '%s\n' "$NODES" | while read -r _ _ _ _ _ ip port; do
        if [ "$MODE" = check ]; then
            is_well "$ip" "$port" </dev/null || { say "differs: $ip:$port is not well"; exit 3; }
        else
            await "$ip:$port calls the cluster ok" is_well "$ip" "$port" </dev/null
        fi
    done
    together=$(ask "$(echo "$NODES" | head -n 1 | cut -d ' ' -f 6)" "$(echo "$NODES" | head -n 1 | cut -d ' ' -f 7)" CLUSTER NODES \
        | awk '{ split($2, a, ":"); host[$1] = a[1]; if ($3 ~ /slave/) of[$1] = $4 } END { for (r in of) if (host[r] == host[of[r]]) print host[r] }')
    [ -z "$together" ] || say "note: a replica and its master share $together; a failover may have moved them"
    say "all $COUNT nodes call the cluster ok"
}

on_host() {
    MODE=$1 HOST=$2 INSTALL=$3 FIREWALL=$4 PURGE=$5
    STAGE=$HERE
    case $MODE in
        install | check)
            install_server
            service_user
            kernel
            firewall
            nodes_here
            [ "$DIFFERENT" = 0 ] || exit 3
            ;;
        uninstall) uninstall ;;
        create)
            create
            validate
            ;;
        validate)
            MODE=check
            validate
            ;;
    esac
}

# ---- here -------------------------------------------------------------------------------------------------------

remote() {
    target=$1
    shift
    # shellcheck disable=SC2029,SC2086
    ssh $SSH_OPTIONS ${LOGIN:+-l "$LOGIN"} "$target" "$@"
}

# on HOST MODE: sends this file and the host's own, runs the mode there as root, and leaves nothing of it behind.
on() {
    staging=$(mktemp -d)
    chmod 700 "$staging"
    cp "$HERE/deploy.sh" "$HERE/cluster.env" "$staging/"
    cp -R "$HERE/common" "$staging/common"
    cp -R "$HERE/hosts/$1" "$staging/host"
    if [ -n "$PASSWORD" ]; then
        (umask 077 && printf 'requirepass "%s"\nmasterauth "%s"\n' "$PASSWORD" "$PASSWORD" > "$staging/auth.conf")
    fi
    case $INSTALL in packages | none) how=$INSTALL ;; *) cp "$INSTALL" "$staging/server.tar"; how=tarball ;; esac
    code=0
    # shellcheck disable=SC2016
    tar -C "$staging" -cf - . | remote "$1" 'set -eu
        umask 077
        stage=$(mktemp -d)
        trap '\''rm -rf "$stage"'\'' EXIT
        tar -C "$stage" -xf -
        sudo=; [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
        $sudo sh "$stage/deploy.sh" --on-host '"$2 $1 $how $FIREWALL $PURGE"'
        $sudo rm -rf "$stage"' || code=$?
    rm -rf "$staging"
    return "$code"
}

main() {
    ACTION=install INSTALL=packages FIREWALL=none PURGE=no LOGIN='' PASSWORD_FILE=$HERE/secrets/password
    SSH_OPTIONS='-o BatchMode=yes -o ConnectTimeout=10'
    while [ $# -gt 0 ]; do
        case $1 in
            --check) ACTION=check ;;
            --uninstall) ACTION=uninstall ;;
            --purge) PURGE=yes ;;
            --user | --identity | --ssh-config | --install | --firewall | --password-file)
                [ $# -ge 2 ] || fail "$1 needs a value"
                case $1 in
                    --user) LOGIN=$2 ;;
                    --identity) SSH_OPTIONS="$SSH_OPTIONS -i $2" ;;
                    --ssh-config) SSH_OPTIONS="$SSH_OPTIONS -F $2" ;;
                    --install) INSTALL=$2 ;;
                    --firewall) FIREWALL=$2 ;;
                    --password-file) PASSWORD_FILE=$2 ;;
                esac
                shift
                ;;
            -h | --help)
                sed -n '2,/^set -eu/{ /^#/s/^# \{0,1\}//p; }' "$0"
                exit 0
                ;;
            *) printf 'error: unknown argument %s (see --help)\n' "$1" >&2; exit 2 ;;
        esac
        shift
    done
    case $FIREWALL in none | ufw | firewalld | nftables) ;; *) fail "no firewall called $FIREWALL" "Use none, ufw, firewalld or nftables." ;; esac
    case $INSTALL in packages | none) ;; *) [ -f "$INSTALL" ] || fail "there is no tarball $INSTALL" ;; esac
    PASSWORD=
    if [ "$ACTION" = install ] && [ ! -e "$PASSWORD_FILE" ]; then
        mkdir -p "$(dirname -- "$PASSWORD_FILE")"
        (umask 077 && LC_ALL=C tr -dc 'A-Za-z0-9' < /dev/urandom | head -c 40 > "$PASSWORD_FILE")
        say "made a password: $PASSWORD_FILE"
    fi
    if [ -e "$PASSWORD_FILE" ]; then PASSWORD=$(head -n 1 "$PASSWORD_FILE"); fi
    case $PASSWORD in *[!A-Za-z0-9._~=+/-]*) fail "the password in $PASSWORD_FILE has characters that redis.conf would misread" "Use letters, digits and . _ ~ = + / -" ;; esac
    [ -n "$PASSWORD" ] || [ "$ACTION" = uninstall ] || fail "there is no password in $PASSWORD_FILE"

    code=0
    # shellcheck disable=SC2153
    for host in $HOSTS; do
        of_host=0
        on "$host" "$ACTION" || of_host=$?
        case $ACTION:$of_host in
            *:0) ;;
            check:3) code=3 ;;
            *) fail "$host failed (code $of_host)" "What it said stands above. Run this again when it is mended: nothing is done twice." ;;
        esac
    done
    first=${HOSTS%% *}
    case $ACTION in
        install) on "$first" create || fail "the cluster is not formed" "Run this again: it goes on where it was." ;;
        check)
            [ "$code" != 0 ] || on "$first" validate || code=3
            [ "$code" = 0 ] || { say "something differs"; exit 3; }
            say "everything is as described"
            ;;
    esac
}

if [ "${1:-}" = --on-host ]; then
    shift
    on_host "$@"
else
    main "$@"
fi
