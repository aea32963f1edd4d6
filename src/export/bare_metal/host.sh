#!/bin/sh
# What deploy.sh has each host do, as root: host.sh MODE HOST INSTALL FIREWALL PURGE
# It lies in a directory that deploy.sh has sent, with the host's files.
set -eu

MODE=$1 HOST=$2 INSTALL=$3 FIREWALL=$4 PURGE=$5
STAGE=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
# shellcheck source=/dev/null
. "$STAGE/cluster.env"
# shellcheck source=/dev/null
. "$STAGE/common/say.sh"
# shellcheck source=/dev/null
. "$STAGE/common/cluster.sh"

ETC=/etc/rcup-$NAME
DATA=/var/lib/rcup-$NAME
UNIT=rcup-$NAME@
WALL=rcup-$NAME-firewall.service
# sudo may know fewer places than a tarball is put into.
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin

DIFFERENT=0

# Says what differs; only in a check is that all that happens.
differs() {
    say "differs: $1"
    DIFFERENT=1
}

ports_here() { printf '%s\n' "$NODES" | while read -r _ _ _ _ _ ip port; do [ "$ip" != "$HOST" ] || echo "$port"; done; }

# put FILE PLACE MODE GROUP: true when what it says was changed. A wrong mode or owner is corrected too, without counting as a change.
put() {
    if [ -f "$2" ] && cmp -s "$1" "$2"; then
        belongs "$2" "$3" root "$4"
        return 1
    fi
    if [ "$MODE" = check ]; then
        differs "$2"
        return 1
    fi
    install -D -m "$3" -o root -g "$4" "$1" "$2"
    say "wrote $2"
}

# belongs PLACE MODE OWNER GROUP: sees to it that it does.
belongs() {
    [ "$(stat -c '%04a %U %G' "$1")" != "$2 $3 $4" ] || return 0
    if [ "$MODE" = check ]; then
        differs "mode or owner of $1"
        return 0
    fi
    chown "$3:$4" "$1"
    chmod "$2" "$1"
    say "set mode and owner of $1"
}

# folder PLACE MODE OWNER GROUP
folder() {
    if [ -d "$1" ]; then
        belongs "$@"
    elif [ "$MODE" = check ]; then
        differs "there is no $1"
    else
        install -d -m "$2" -o "$3" -g "$4" "$1"
    fi
}

# with_path PROGRAM UNIT: the unit with the program's place, which services look for in fewer places than shells.
with_path() { sed "s|^\(Exec[A-Za-z]*\)=$1 |\1=$(command -v "$1" || echo "$1") |" "$2"; }

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

# Which rules the host has. They lie in $ETC, so that they can be taken away when others come, or the cluster goes.
firewall_here() {
    for kind in ufw firewalld; do
        if [ -e "$ETC/$kind.sh" ]; then
            echo "$kind"
            return
        fi
    done
    if [ -e "$ETC/firewall.nft" ]; then echo nftables; else echo none; fi
}

remove_firewall() {
    case $1 in
        nftables)
            systemctl disable -q --now "$WALL" 2>/dev/null || true
            rm -f "$ETC/firewall.nft" "/etc/systemd/system/$WALL"
            ;;
        ufw | firewalld)
            sh "$ETC/$1.sh" uninstall || say "note: rules of $1 may be left; see $1"
            rm -f "$ETC/$1.sh"
            ;;
    esac
}

firewall() {
    had=$(firewall_here)
    [ "$FIREWALL" != kept ] || FIREWALL=$had
    if [ "$had" != none ] && [ "$had" != "$FIREWALL" ]; then
        if [ "$MODE" = check ]; then differs "there are rules for $had"; else remove_firewall "$had"; fi
    fi
    case $FIREWALL in
        none) ;;
        nftables)
            command -v nft >/dev/null || fail "nft is not installed" "Install nftables, or choose another --firewall."
            changed=
            with_path nft "$STAGE/common/firewall.service" >"$STAGE/firewall.service"
            put "$STAGE/host/firewall.nft" "$ETC/firewall.nft" 0644 root && changed=1
            put "$STAGE/firewall.service" "/etc/systemd/system/$WALL" 0644 root && changed=1
            if [ "$MODE" = check ]; then
                systemctl is-active -q "$WALL" || differs "the rules for nftables are not loaded"
                return 0
            fi
            systemctl daemon-reload
            systemctl enable -q "$WALL"
            if [ -n "$changed" ] || ! systemctl is-active -q "$WALL"; then systemctl restart "$WALL"; fi
            ;;
        ufw | firewalld)
            if [ "$MODE" = install ] && [ -e "$ETC/$FIREWALL.sh" ] && ! cmp -s "$STAGE/host/$FIREWALL.sh" "$ETC/$FIREWALL.sh"; then
                remove_firewall "$FIREWALL"
            fi
            put "$STAGE/host/$FIREWALL.sh" "$ETC/$FIREWALL.sh" 0644 root || true
            if ! sh "$STAGE/host/$FIREWALL.sh" "$MODE"; then
                [ "$MODE" = check ] || fail "the rules for $FIREWALL are not in force"
                differs "the rules for $FIREWALL"
            fi
            ;;
    esac
}

active() { systemctl is-active -q "$UNIT$1.service"; }

# A new password is set beside the old one on all hosts before any of them forgets the old one, and replicas log in
# with it from then on. So no node is restarted, and no replica loses its master.
both_passwords() {
    if [ ! -f "$ETC/auth.conf" ] || cmp -s "$STAGE/auth.conf" "$ETC/auth.conf"; then return 0; fi
    : >"$ETC/rotating"
    for port in $(ports_here); do
        active "$port" || continue
        set_password "$port" 'ACL SETUSER default ">%s"\nCONFIG SET masterauth "%s"\n' || say "note: node $port will be restarted for the new password"
    done
}

# Nodes that speak TLS and nodes that do not never meet, so one cannot become the other while the rest runs.
same_language() {
    for file in "$ETC"/[0-9]*.conf; do
        [ -e "$file" ] || continue
        speaks=no
        if grep -q '^tls-port ' "$file"; then speaks=yes; fi
        [ "$speaks" = "$TLS" ] || fail "the nodes here speak $([ "$TLS" = yes ] && echo no TLS || echo TLS), and those described here do otherwise" \
            "Stop them with --uninstall, which keeps the data, then run this again."
    done
}

# Whether a file of certificates has the authority that is sent.
trusts() { [ -f "$1" ] && grep -qxF -e "$(tail -n 2 "$STAGE/tls/ca.crt" | head -n 1)" "$1"; }

# Another authority is trusted beside the old one on all hosts before any node shows a certificate of it.
both_authorities() {
    if [ "$TLS" = no ] || [ ! -f "$ETC/tls/ca.crt" ] || cmp -s "$STAGE/tls/ca.crt" "$ETC/tls/ca.crt"; then return 0; fi
    : >"$ETC/renewing"
    trusts "$ETC/tls/ca.crt" || {
        cat "$STAGE/tls/ca.crt" "$ETC/tls/ca.crt" >"$STAGE/both.crt"
        install -m 0644 -o root -g root "$STAGE/both.crt" "$ETC/tls/ca.crt"
        say "trusts another authority too"
    }
    reread
}

# The authority that signed what the nodes showed before is trusted no more. This comes when all hosts have the new files.
one_authority() {
    [ -e "$ETC/renewing" ] || return 0
    put "$STAGE/tls/ca.crt" "$ETC/tls/ca.crt" 0644 root || true
    reread
    rm -f "$ETC/renewing"
}

# reread: has the nodes that run read their certificates again. Links that stand are not touched by that.
reread() {
    for port in $(ports_here); do
        active "$port" || continue
        rereads "$port" || say "note: node $port will be restarted for the new certificates"
    done
}

rereads() { [ "$(ask "$HOST" "$1" CONFIG SET tls-ca-cert-file "$ETC/tls/ca.crt")" = OK ]; }

certificates() {
    folder "$ETC/tls" 0750 root "$SERVICE_USER"
    if [ "$MODE" = check ] && [ -e "$ETC/renewing" ]; then differs "the nodes still trust the old authority"; fi
    if [ ! -e "$ETC/renewing" ]; then put "$STAGE/tls/ca.crt" "$ETC/tls/ca.crt" 0644 root && renewed=1; fi
    # The key first: a node that started between the two would show neither.
    put "$STAGE/tls/node.key" "$ETC/tls/node.key" 0640 "$SERVICE_USER" && renewed=1
    put "$STAGE/tls/node.crt" "$ETC/tls/node.crt" 0644 root && renewed=1
}

# set_password PORT FORMAT: whether the node accepts both commands of the format with the new password, given on standard input.
set_password() {
    password=$(password_in "$STAGE/auth.conf")
    # shellcheck disable=SC2059
    said=$(printf "$2" "$password" "$password" | ask "$HOST" "$1") || return 1
    [ "$(echo "$said" | grep -c '^OK$')" -eq 2 ]
}

nodes_here() {
    unit_changed=
    with_path "$SERVER" "$STAGE/common/node.service" >"$STAGE/node.service"
    put "$STAGE/node.service" "/etc/systemd/system/$UNIT.service" 0644 root && unit_changed=1
    [ "$MODE" = check ] || systemctl daemon-reload
    folder "$DATA" 0755 root root
    if [ -f "$STAGE/auth.conf" ]; then put "$STAGE/auth.conf" "$ETC/auth.conf" 0640 "$SERVICE_USER" || true; fi
    renewed=
    if [ "$TLS" = yes ]; then certificates || true; fi
    if [ "$MODE" = check ] && [ -e "$ETC/rotating" ]; then differs "the nodes still know the old password"; fi
    for port in $(ports_here); do
        folder "$DATA/$port" 0700 "$SERVICE_USER" "$SERVICE_USER"
        changed=$unit_changed
        put "$STAGE/host/$port/redis.conf" "$ETC/$port.conf" 0640 "$SERVICE_USER" && changed=1
        if [ "$MODE" = check ]; then
            active "$port" || differs "$UNIT$port does not run"
            continue
        fi
        systemctl enable -q "$UNIT$port.service"
        node_here "$port"
    done
    [ "$MODE" = check ] || rm -f "$ETC/rotating"
}

# One node after the other: the next is touched when this one and its replicas are where they were.
node_here() {
    was_ok='' touched=
    if ! active "$1"; then
        systemctl start "$UNIT$1.service"
        touched=started
    else
        if [ -n "$renewed" ]; then
            if rereads "$1"; then say "node $1 shows the new certificate"; else changed=1; fi
        fi
        if [ -e "$ETC/rotating" ] && ! takes_password "$1"; then changed=1; fi
        if [ -n "$changed" ]; then
            if settled "$HOST" "$1"; then was_ok=1; fi
            systemctl restart "$UNIT$1.service"
            touched=restarted
        fi
    fi
    [ -z "$touched" ] || say "$touched node $1"
    await "node $1 answers" answers "$HOST" "$1"
    if [ -n "$was_ok" ]; then
        await "node $1 calls the cluster ok, and its replication runs" settled "$HOST" "$1"
    elif [ -n "$touched" ] && [ "$(known "$HOST" "$1")" -gt 1 ]; then
        # What it waits for may be what this run brings up next, elsewhere.
        within 5 settled "$HOST" "$1" || true
    fi
}

# The node knows either password by now, unless it was not running when the new one was set.
takes_password() {
    set_password "$1" 'CONFIG SET masterauth "%s"\nCONFIG SET requirepass "%s"\n' || return 1
    say "changed the password of node $1"
}

# Whether the cluster is ok for this node, a replica has its master, and a master all its replicas that live.
settled() {
    state_ok "$1" "$2" || return 1
    replication=$(ask "$1" "$2" INFO replication) || return 1
    case $replication in
        *role:slave*) case $replication in *master_link_status:up*) return 0 ;; *) return 1 ;; esac ;;
    esac
    id=$(id_of "$1" "$2")
    replicas=$(ask "$1" "$2" CLUSTER NODES | awk -v id="$id" '$4 == id && $3 !~ /fail/' | grep -c . || true)
    [ "$(echo "$replication" | grep -c 'state=online' || true)" -ge "$replicas" ]
}

configure() {
    folder "$ETC" 0750 root "$SERVICE_USER"
    firewall
    nodes_here
}

uninstall() {
    for file in "$ETC"/[0-9]*.conf; do
        [ -e "$file" ] || continue
        port=$(basename "$file" .conf)
        systemctl disable -q --now "$UNIT$port.service" 2>/dev/null || true
    done
    remove_firewall "$(firewall_here)"
    rm -rf "$ETC" "/etc/systemd/system/$UNIT.service"
    # The kernel settings may serve another cluster of this host.
    set -- /etc/rcup-*
    if [ ! -e "$1" ]; then rm -f /etc/sysctl.d/60-rcup-redis.conf /etc/tmpfiles.d/rcup-redis.conf; fi
    systemctl daemon-reload
    for service in $PACKAGE_SERVICES; do systemctl unmask "$service" >/dev/null 2>&1 || true; done
    if [ "$PURGE" = yes ]; then rm -rf "$DATA"; fi
    say "uninstalled; $SERVER and its package stay"
}

case $MODE in
    prepare)
        MODE=install
        same_language
        install_server
        service_user
        kernel
        both_passwords
        both_authorities
        ;;
    install) configure ;;
    finish) one_authority ;;
    create)
        create
        validate
        ;;
    check)
        install_server
        service_user
        kernel
        configure
        [ "$DIFFERENT" = 0 ] || exit 3
        ;;
    validate)
        MODE=check
        validate
        ;;
    uninstall) uninstall ;;
esac
