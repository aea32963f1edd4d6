#!/bin/sh
# Deploys the output of `rcup export bare-metal` on "machines": containers with systemd, sshd and a package manager, built
# from Debian packages. Then checks the deployment, breaks and repairs it, restarts a machine, changes the password, adds a
# machine, removes everything, and repeats it with TLS.
#
#   test-bare-metal.sh short    the most important part
#   test-bare-metal.sh          also an interrupted deployment, a restart, another password, TLS, other certificates
#   test-bare-metal.sh all      also two replicas, an installed server, a tarball, ufw, firewalld
#
# Needs docker, and root for the first run, which builds the machines' image. RCUP names the program to test,
# RCUP_HOST_SUITE the machines' release, RCUP_HOST_ENGINE redis or valkey.
set -eu
. "$(dirname "$0")/common.sh"

HOW=${1:-most}
RCUP=${RCUP:-target/debug/rcup}
ENGINE=${RCUP_HOST_ENGINE:-redis}
PREFIX=rcup-test-host-$$
SUITE=${RCUP_HOST_SUITE:-$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")}
# Checksum of the image's recipe, so that a changed recipe builds a new image.
RECIPE=$(sed -n '/^make_image() {/,/^}/p' "$0" | cksum | cut -d ' ' -f 1)
IMAGE=rcup-test/host:$SUITE-$RECIPE
MACHINES=4
begun=$(date +%s)

[ -x "$RCUP" ] || fail "$RCUP is not built" "Run: cargo build"
for tool in ssh:openssh-client shellcheck:shellcheck; do
    has "${tool%%:*}" || install_packages "${tool#*:}"
done

work=$(mktemp -d)
mkdir "$work/tmp"

# Shows the state of all machines after a failure.
show() {
    if [ -s "$work/said" ]; then
        say "output of the deployment:"
        sed 's/^/  /' "$work/said" >&2
    fi
    for nth in $(seq $MACHINES); do
        say "machine $nth:"
        {
            docker exec "$PREFIX-$nth" systemctl --no-pager --plain --no-legend list-units 'rcup-*' '*redis*' '*valkey*' '*failed*'
            docker exec "$PREFIX-$nth" journalctl --no-pager -q -n 15 -u 'rcup-*'
        } 2>&1 | sed 's/^/  /' >&2 || true
    done
}

clean() {
    code=$?
    trap - EXIT
    [ "$code" -eq 0 ] || show
    for nth in $(seq $MACHINES); do docker rm -f "$PREFIX-$nth" >/dev/null 2>&1 || true; done
    docker network rm "$PREFIX" >/dev/null 2>&1 || true
    rm -rf "$work"
    exit "$code"
}
trap clean EXIT
trap 'exit 130' HUP INT TERM

# The server's packages are downloaded now and installed by the deployment.
make_image() {
    has debootstrap || install_packages debootstrap
    # shellcheck disable=SC2016
    site=$(apt-get indextargets --format '$(SITE)' | grep -v security | head -n 1)
    say "building an image of a $SUITE machine"
    root=$work/root
    as_root debootstrap --variant=minbase \
        --include=systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,nftables,procps,ca-certificates \
        "$SUITE" "$root" "$site" >"$work/debootstrap.log" 2>&1 || {
        tail -n 5 "$work/debootstrap.log" >&2
        fail "debootstrap failed"
    }
    as_root cp -R /etc/apt/apt.conf.d "$root/etc/apt/"
    case $site in *ubuntu*) components='main universe' ;; *) components=main ;; esac
    echo "deb $site $SUITE $components" | as_root tee "$root/etc/apt/sources.list" >/dev/null
    # shellcheck disable=SC2016
    as_root chroot "$root" sh -euc '
        useradd -m -s /bin/sh admin
        echo "admin ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/admin
        for unit in systemd-udevd systemd-logind systemd-networkd; do ln -sf /dev/null "/etc/systemd/system/$unit.service"; done
        rm -f /etc/apt/apt.conf.d/docker-clean
        # The machines exist for minutes; nothing needs to survive a power failure.
        echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/quick
        apt-get -q update
        for engine in redis valkey; do apt-get -q -y -d install $engine-server $engine-tools || true; done' >"$work/apt.log" 2>&1
    as_root umount "$root/proc" "$root/sys" 2>/dev/null || true
    docker images -q rcup-test/host --filter "reference=rcup-test/host:$SUITE-*" | sort -u | xargs -r docker rmi >/dev/null 2>&1 || true
    as_root tar -C "$root" --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' -c . \
        | docker import -c 'CMD ["/sbin/init"]' - "$IMAGE" >/dev/null
    as_root rm -rf "$root"
}

if ! docker image inspect "$IMAGE" >/dev/null 2>&1; then
    if [ "$(id -u)" -ne 0 ] && ! { has sudo && sudo -n true 2>/dev/null; }; then
        say "NOT RUN: the machine image is missing, and building it needs root; run this as root or with sudo"
        exit 0
    fi
    make_image
fi
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
printf 'Host *\n  IdentityFile %s\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n' \
    "$work/key" >"$work/ssh"

# Another run of this test, or another network, may use the subnet.
attempt=0
until
    NET=10.231.$((($$ + attempt * 7) % 250))
    docker network create --subnet "$NET.0/28" "$PREFIX" >/dev/null 2>"$work/network"
do
    attempt=$((attempt + 1))
    [ "$attempt" -lt 20 ] || fail "no subnet is free: $(cat "$work/network")"
done

boot() {
    # Not privileged: /proc/sys and /sys stay read-only, so nothing here changes this machine's own kernel settings.
    docker run -d --name "$PREFIX-$1" --network "$PREFIX" --ip "$NET.$(($1 + 1))" --cap-add SYS_ADMIN --cap-add NET_ADMIN \
        --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cgroupns host --tmpfs /run --tmpfs /run/lock \
        -v /sys/fs/cgroup:/sys/fs/cgroup:rw -e container=docker "$IMAGE" >/dev/null
    docker exec -i "$PREFIX-$1" sh -ec '
        cat >/tmp/key
        for user in admin root; do
            home=$(getent passwd $user | cut -d : -f 6)
            install -d -m 700 -o $user -g $user $home/.ssh
            install -m 600 -o $user -g $user /tmp/key $home/.ssh/authorized_keys
        done
        rm /tmp/key' <"$work/key.pub"
}

at() {
    host=$1
    shift
    # shellcheck disable=SC2029
    timeout 600 ssh -F "$work/ssh" -o ConnectTimeout=5 -l admin "$host" "$@"
}

# eventually WHAT COMMAND…: repeats the command until it succeeds or times out.
eventually() {
    what=$1
    shift
    deadline=$(($(date +%s) + 240))
    until "$@" 2>/dev/null; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "timed out waiting until $what"
        sleep 0.2
    done
}

for nth in $(seq $MACHINES); do boot "$nth"; done
for nth in $(seq $MACHINES); do eventually "machine $nth accepts SSH" at "$NET.$((nth + 1))" true; done

# Directory of the deployed export, and flags of every deployment.
D=$work/three
WALL='--firewall nftables'

export_to() {
    directory=$1 hosts=$2
    shift 2
    "$RCUP" export bare-metal shop --hosts "$hosts" --clients "$NET.0/28" -o "$directory" --quiet --engine "$ENGINE" "$@"
    shellcheck -x "$directory"/deploy.sh "$directory"/common/*.sh "$directory"/hosts/*/*.sh
}

# shellcheck disable=SC2086
deploy() { TMPDIR=$work/tmp timeout 900 "$D/deploy.sh" --ssh-config "$work/ssh" --user admin $WALL "$@" 2>"$work/said"; }

# ends CODE WHAT ARGUMENT…: runs a deployment that must exit with CODE.
ends() {
    wanted=$1 what=$2 code=0
    shift 2
    deploy "$@" || code=$?
    [ "$code" = "$wanted" ] || fail "$what exited with code $code, not $wanted"
}

said() { grep -q -e "$1" "$work/said" || fail "the deployment did not print: $1"; }

# TLS flags of a client on the machines, if the nodes use TLS.
SPOKEN=''

# client HOST PORT COMMAND: runs a command as a client with the password.
client() { at "$1" "sudo sh -c 'REDISCLI_AUTH=\$(sed -n \"s/^requirepass \\\"\\(.*\\)\\\"/\\1/p\" /etc/rcup-shop/auth.conf) $ENGINE-cli $SPOKEN -c -h $1 -p $2 $3'"; }

# Of every node: its run id, and how often a replica synchronized with it.
lives() {
    for host in 2 3 4; do
        for port in 6379 6380; do client "$NET.$host" "$port" INFO | tr -d '\r' | grep -e '^run_id:' -e '^sync_'; done
    done
}

write_keys() {
    at "$NET.2" "seq 300 | sed 's/.*/SET key:& &/' | sudo sh -c 'REDISCLI_AUTH=\$(sed -n \"s/^requirepass \\\"\\(.*\\)\\\"/\\1/p\" /etc/rcup-shop/auth.conf) $ENGINE-cli $SPOKEN -c -h $NET.2'" >/dev/null
}

# Checks that all written keys exist, on any node.
keys_exist() {
    found=$(at "$NET.2" "seq -f 'GET key:%g' 300 | sudo sh -c 'REDISCLI_AUTH=\$(sed -n \"s/^requirepass \\\"\\(.*\\)\\\"/\\1/p\" /etc/rcup-shop/auth.conf) $ENGINE-cli $SPOKEN -c -h $NET.2'" | grep -v -e '^->' -e '^$')
    [ "$found" = "$(seq 300)" ] || fail "keys are lost after $1: $(echo "$found" | grep -c .) of 300"
}

connects() { timeout 2 bash -c "</dev/tcp/$1/$2" 2>/dev/null; }

nothing_left() {
    for nth in $(seq $MACHINES); do
        rest=$(at "$NET.$((nth + 1))" 'ls -d /etc/rcup-* /var/lib/rcup-* /etc/systemd/system/rcup-* /etc/sysctl.d/*rcup* 2>/dev/null; ls -d /tmp/tmp.* 2>/dev/null
            pgrep -l -- "-server"; sudo nft list tables | grep rcup; sudo ufw show added 2>/dev/null | grep 63; sudo firewall-cmd --list-rich-rules 2>/dev/null' || true)
        [ -z "$rest" ] || fail "not removed from machine $nth: $rest"
    done
}

three="$NET.2,$NET.3,$NET.4"
export_to "$D" "$three" --masters 3

checks_new_machines() {
    say "checking new machines"
    ends 3 "the check of new machines" --check
    said "$ENGINE-server is not installed"
    nothing_left
}

# shellcheck disable=SC2317
no_traces() { for host in 2 3 4; do at "$NET.$host" '! ls -d /tmp/tmp.* 2>/dev/null' || return 1; done; }

interrupts() {
    say "interrupting a deployment"
    TMPDIR=$work/tmp setsid "$D/deploy.sh" --ssh-config "$work/ssh" --user admin 2>"$work/said" &
    broken=$!
    eventually "the password is being sent" sh -c "ls $work/tmp/*/*/auth.conf >/dev/null"
    kill -TERM "-$broken"
    code=0
    wait "$broken" || code=$?
    [ "$code" -ne 0 ] || fail "an interrupted deployment reports success"
    [ -z "$(ls "$work/tmp")" ] || fail "temporary files are left here: $(ls "$work/tmp")"
    eventually "temporary files are removed from the machines" no_traces
}

deploys() {
    say "deploying"
    ends 0 "the deployment"
    [ "$(stat -c %a "$D/secrets/password")" = 600 ] || fail "the password file is readable by others"
    write_keys
    ends 0 "the second deployment"
    if grep -e ': wrote' -e ': started' -e ': restarted' -e ': set ' "$work/said"; then fail "the second deployment changed something"; fi
    ends 0 "the check of what was deployed, as root" --check --user root
    connects "$NET.2" 6379 || fail "clients cannot connect"
    at "$NET.3" "timeout 2 bash -c '</dev/tcp/$NET.2/16379'" || fail "the bus is closed to the other machines"
    if connects "$NET.2" 16379; then fail "the bus is open to other hosts"; fi
}

repairs() {
    say "breaking and repairing"
    # Shard 3 loses its master and its replica, so the cluster is down while the first machine is visited.
    at "$NET.2" 'sudo systemctl stop rcup-shop@6380; sudo chmod 644 /etc/rcup-shop/auth.conf'
    at "$NET.4" 'sudo systemctl stop rcup-shop@6379'
    at "$NET.3" 'echo "# x" | sudo tee -a /etc/rcup-shop/6379.conf >/dev/null'
    ends 3 "the check of broken machines" --check
    for word in '6380 does not run' "$NET.3: differs: /etc/rcup-shop/6379.conf" 'mode or owner of /etc/rcup-shop/auth.conf'; do said "$word"; done
    ends 0 "the repair"
    said "restarted node 6379"
    ends 0 "the check after the repair" --check
}

restarts() {
    say "restarting a machine"
    docker restart -t 1 "$PREFIX-2" >/dev/null
    eventually "machine 2 accepts SSH" at "$NET.3" true
    eventually "the machine recovers by itself" deploy --check
    ends 0 "the deployment after the restart"
    keys_exist "the restart"
}

changes_the_password() {
    say "changing the password"
    lives >"$work/before"
    printf 'another-password\n' >"$work/password"
    ends 0 "the change of the password" --password-file "$work/password"
    lives >"$work/after"
    [ "$(grep -c run_id "$work/before")" = 6 ] || fail "not every node reports a run id"
    cmp -s "$work/before" "$work/after" || fail "a node was restarted, or a replica lost its master: $(diff "$work/before" "$work/after")"
    for port in 6379 6380; do
        old=$(at "$NET.3" "REDISCLI_AUTH=$(cat "$D/secrets/password") $ENGINE-cli -h $NET.3 -p $port PING 2>&1" || true)
        case $old in *PONG*) fail "node $port still accepts the old password" ;; esac
    done
    cp "$work/password" "$D/secrets/password"
}

adds_a_machine() {
    say "adding a machine"
    export_to "$work/four" "$three,$NET.5" --masters 4
    cp -R "$D/secrets" "$work/four/"
    D=$work/four
    ends 1 "a deployment that would take slots away"
    said "$NET.5:6379 gets none"
    said "add-node $NET.5:6379"
    keys_exist "the refusal"
}

runs_the_printed_commands() {
    say "running the commands that the refusal prints"
    grep -e '--cluster add-node' -e '--cluster call' -e '--cluster rebalance' "$work/said" >"$work/advice"
    sed 's/^ *//' "$work/advice" | while read -r line; do
        # A user repeats this one until all nodes report the same.
        case $line in *'--cluster call'*) line="! $line | grep -q state:fail && [ \$($line | sed s/.*cluster_/cluster_/ | sort -u | wc -l) -eq 2 ]" ;; esac
        at "$NET.2" "sudo sh -c 'export REDISCLI_AUTH=$(cat "$D/secrets/password"); for n in \$(seq 50); do $line && exit; sleep 0.2; done; exit 1'" </dev/null >"$work/said" 2>&1 || fail "the advice: $line"
    done
    ends 0 "the deployment after the addition"
    [ "$(client "$NET.5" 6379 DBSIZE)" -gt 0 ] || fail "the new machine has no keys"
    keys_exist "the addition"
    say "deploying with fewer machines"
    D=$work/three
    ends 1 "a deployment that omits nodes of the cluster"
    said 'not described here'
    keys_exist "the refusal of fewer machines"
}

removes() {
    say "removing"
    D=$work/four WALL=''
    ends 0 "the removal" --uninstall --purge
    nothing_left
}

# again DIRECTORY FLAG…: deploys another cluster on the same machines, which now have a server installed.
again() {
    D=$work/$1
    shift
    export_to "$D" "$three" --masters 3 "$@"
    ends 0 "the deployment"
    write_keys
    ends 0 "the second deployment"
    if grep -e ': wrote' -e ': started' -e ': restarted' -e ': set ' "$work/said"; then fail "the second deployment changed something"; fi
    WALL=''
    ends 0 "the check" --check
    keys_exist "the second deployment"
    connects "$NET.2" 6379 || fail "clients cannot connect"
    at "$NET.3" "timeout 2 bash -c '</dev/tcp/$NET.2/16379'" || fail "the bus is closed to the other machines"
    if connects "$NET.2" 16379; then fail "the bus is open to other hosts"; fi
    ends 0 "the removal" --uninstall --purge
    nothing_left
}

on_all() { for nth in $(seq $MACHINES); do at "$NET.$((nth + 1))" "$1" >"$work/said" 2>&1 || fail "machine $nth: $1"; done; }

works_with_ufw() {
    say "two replicas, ufw, the installed server"
    WALL='--firewall ufw --install none'
    on_all 'sudo apt-get install -y -q ufw'
    D=$work/unguarded
    export_to "$D" "$three" --masters 3
    ends 1 "a deployment with an inactive ufw"
    said 'ufw filters nothing'
    ends 0 "the removal" --uninstall --purge
    on_all 'sudo ufw allow 22/tcp && sudo ufw --force enable'
    again two --replicas 2
    on_all 'sudo ufw --force disable && sudo apt-get purge -y -q ufw'
}

works_with_firewalld() {
    say "a tarball, firewalld"
    on_all 'sudo apt-get install -y -q firewalld && sudo systemctl start firewalld'
    at "$NET.2" "mkdir -p bundle/bin && cp /usr/bin/$ENGINE-server /usr/bin/$ENGINE-cli bundle/bin && tar -C bundle -c ." >"$work/server.tar"
    # The libraries stay, as they would for a custom build.
    on_all "sudo apt-get remove -y -q $ENGINE-server $ENGINE-tools"
    WALL="--firewall firewalld --install $work/server.tar"
    again tarball
}

# valid CA: validates the cluster from outside, trusting only this CA.
valid() {
    SHOP_PASSWORD=$(cat "$D/secrets/password") "$RCUP" validate --endpoint "$NET.2:6379" --tls-ca "$1" \
        --password-env SHOP_PASSWORD --suite smoke >"$work/report" 2>&1
}

uses_tls() {
    say "TLS"
    WALL='--firewall nftables'
    D=$work/tls
    export_to "$D" "$three" --masters 3
    ends 0 "a deployment without TLS"
    write_keys
    SPOKEN='--tls --cacert /etc/rcup-shop/tls/ca.crt'
    export_to "$work/encrypted" "$three" --masters 3 --tls
    cp -R "$D/secrets" "$work/encrypted/"
    D=$work/encrypted
    ends 1 "a deployment with TLS over nodes without"
    said 'speak no TLS'
    ends 0 "the removal that keeps the data" --uninstall
    ends 0 "the deployment with TLS"
    keys_exist "the change to TLS"
    ends 0 "the second deployment"
    if grep -e ': wrote' -e ': started' -e ': restarted' -e ': set ' "$work/said"; then fail "the second deployment changed something"; fi
    ends 0 "the check" --check
    valid "$D/certs/ca.crt" || fail "clients cannot use the cluster: $(cat "$work/report")"
    for port in 6379 6380; do
        plain=$(at "$NET.3" "$ENGINE-cli -h $NET.3 -p $port PING 2>&1" || true)
        case $plain in *PONG* | *NOAUTH*) fail "node $port answers in plaintext: $plain" ;; esac
    done
    at "$NET.3" "! sudo -u nobody cat /etc/rcup-shop/tls/node.key 2>/dev/null" || fail "the private key is readable by others"
}

changes_the_certificates() {
    say "changing the certificates and the CA"
    export_to "$work/renewed" "$three" --masters 3 --tls
    cp -R "$D/secrets" "$work/renewed/"
    lives >"$work/before"
    old=$D/certs/ca.crt
    D=$work/renewed
    ends 3 "the check of other certificates" --check
    said 'differs: /etc/rcup-shop/tls/node.crt'
    ends 0 "the change of the certificates"
    said 'shows the new certificate'
    lives >"$work/after"
    [ "$(grep -c run_id "$work/before")" = 6 ] || fail "not every node reports a run id"
    cmp -s "$work/before" "$work/after" || fail "a node was restarted, or a replica lost its master: $(diff "$work/before" "$work/after")"
    valid "$D/certs/ca.crt" || fail "clients cannot use the cluster: $(cat "$work/report")"
    if valid "$old"; then fail "the nodes' certificates still verify against the old CA"; fi
    ends 0 "the check afterwards" --check
    at "$NET.4" 'sudo grep -c BEGIN /etc/rcup-shop/tls/ca.crt' | grep -qx 1 || fail "the nodes still trust the old CA"
    # New connections use the new certificates only.
    docker restart -t 1 "$PREFIX-2" >/dev/null
    eventually "machine 2 accepts SSH" at "$NET.3" true
    eventually "the machine recovers by itself" deploy --check
    keys_exist "the change of the certificates"
    WALL=''
    ends 0 "the removal" --uninstall --purge
    nothing_left
    SPOKEN=''
}

case $HOW in
    short) for part in checks_new_machines deploys repairs adds_a_machine removes; do "$part"; done ;;
    most | all)
        for part in checks_new_machines interrupts deploys repairs restarts changes_the_password adds_a_machine runs_the_printed_commands removes uses_tls changes_the_certificates; do "$part"; done
        if [ "$HOW" = all ]; then
            works_with_ufw
            works_with_firewalld
        fi
        ;;
    *) fail "unknown argument: $HOW" "Use: short, or all, or nothing." ;;
esac
say "passed after $(($(date +%s) - begun)) s"
