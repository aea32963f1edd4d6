#!/bin/sh
# Runs other container engines beside the machine's own, for tests. Each has its own root directory (from Debian
# packages, under target/engines), network namespace and mount namespace, so that its bridges, ports, firewall rules
# and images clash with nothing.
#
#   engine.sh start NAME             set it up if needed, start it, load the test images
#   engine.sh run NAME COMMAND...    run a command in its network namespace, with DOCKER_HOST set
#   engine.sh stop NAME              stop it and remove its containers and networks; the root directory stays
#   engine.sh list                   list the names
#
# `engine.sh list` prints the names. A name that ends in -rootless runs as an ordinary user. Needs root.
set -eu
. "$(dirname "$0")/common.sh"
cd "$(dirname "$0")/.."

NAMES='podman-4.3 podman-4.3-rootless podman-5.4 podman-5.4-rootless docker-20.10-rootless docker-26 docker-new'
IMAGES='rcup/redis:7.0.15 rcup/redis:8.0.2 rcup/valkey:8.1.1'
PODMAN='podman netavark aardvark-dns iptables nftables uidmap slirp4netns fuse-overlayfs runc catatonit iproute2'

usage() { fail "usage: engine.sh start|run|stop NAME" "NAME is one of: $NAMES"; }

# Sets the release, its packages and the daemon of engine $1.
describe() {
    name=$1 kind=${1%-rootless} user=
    [ "$name" = "$kind" ] || user=1000
    case $kind in
    podman-4.3) suite=bookworm packages=$PODMAN daemon='podman system service --time=0 unix:///eng/docker.sock' ;;
    podman-5.4) suite=trixie packages="$PODMAN passt crun" daemon='podman system service --time=0 unix:///eng/docker.sock' ;;
    docker-20.10)
        suite=bookworm packages='docker.io rootlesskit slirp4netns uidmap fuse-overlayfs iptables iproute2'
        daemon='/usr/share/docker.io/contrib/dockerd-rootless.sh --data-root /eng/data --exec-root /run/user/1000/docker -H unix:///eng/docker.sock'
        ;;
    docker-26) suite=trixie packages='docker.io docker-cli iptables iproute2' ;;
    # The newest Docker in Debian, set up like Docker 29: containerd image store, no userland proxy, minimum API 1.44.
    docker-new) suite=sid packages='docker.io docker-cli iptables iproute2' ;;
    *) usage ;;
    esac
    case $kind in
    docker-20.10) ;;
    docker-*) daemon='dockerd --data-root /eng/data --exec-root /eng/exec --pidfile /eng/pid -H unix:///eng/docker.sock --default-address-pool base=10.77.0.0/16,size=24' ;;
    esac
    place=$PWD/target/engines/$kind
    log=$PWD/target/engines/$name.log
    root=$place/root
    # A socket's path has at most 107 characters.
    dir=/run/rcup-engine-$name
    netns=rcup-engine-$name
}

set_up() {
    [ ! -e "$place/complete" ] || return 0
    has debootstrap || install_packages debootstrap >&2
    has curl || install_packages curl >&2
    # shellcheck disable=SC2016
    site=$(apt-get indextargets --format '$(SITE)' | grep -v security | head -n 1)
    say "unpacking $kind into $place"
    rm -rf "$place"
    mkdir -p "$place"
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$site" >"$place/log" 2>&1 || {
        tail -n 5 "$place/log" >&2
        fail "debootstrap failed"
    }
    cp -R /etc/apt/apt.conf.d "$root/etc/apt/"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    # The index of an unstable release may be older than it promises; its signature is checked in any case.
    # shellcheck disable=SC2086
    chroot "$root" sh -euc '
        apt-get -q -o Acquire::Check-Valid-Until=false update
        DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@"' sh $packages >>"$place/log" 2>&1 || {
        tail -n 5 "$place/log" >&2
        fail "cannot install $packages"
    }
    umount "$root/proc" "$root/sys" 2>/dev/null || true
    mkdir -p "$root/eng" "$root/old" "$root/etc/containers" "$root/etc/docker"
    # The user of the rootless variant, with subordinate user and group ids.
    chroot "$root" useradd -m -u 1000 user
    chroot "$root" sh -c 'grep -q ^user: /etc/subuid || { echo user:100000:65536 >>/etc/subuid; echo user:100000:65536 >>/etc/subgid; }'
    # A machine without CAP_SYS_RESOURCE cannot raise the limits that Podman asks for by default.
    cat >"$root/etc/containers/containers.conf" <<'CONF'
[containers]
default_ulimits = ["nproc=1000:1000", "nofile=20000:20000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
CONF
    [ "$name" != docker-new ] || echo '{"features":{"containerd-snapshotter":true},"userland-proxy":false}' >"$root/etc/docker/daemon.json"
    : >"$place/complete"
}

answers() { curl -sf --max-time 5 --unix-socket "$dir/docker.sock" http://engine/_ping >/dev/null 2>&1; }

start() {
    set_up
    stop
    mkdir -p "$dir" "$dir/data"
    [ -z "$user" ] || chown "$user" "$dir" "$dir/data"
    ip netns add "$netns"
    nsenter --net="/var/run/netns/$netns" ip link set lo up
    export root dir daemon user
    [ "$name" != docker-new ] || export DOCKER_MIN_API_VERSION=1.44
    # `ip netns exec` would mount another /sys.
    # shellcheck disable=SC2016
    nsenter --net="/var/run/netns/$netns" unshare --mount --propagation private sh -euc '
        mount --bind "$root" "$root"
        mount --bind "$dir" "$root/eng"
        for tmpfs in run tmp; do mount -t tmpfs tmpfs "$root/$tmpfs"; done
        for kernel in proc sys dev; do mount --rbind "/$kernel" "$root/$kernel"; done
        mount -t tmpfs tmpfs "$root/dev/shm"
        if [ -n "$user" ]; then
            # The device of the host may be for root only.
            mount -t tmpfs tmpfs "$root/dev/net"
            mknod -m 666 "$root/dev/net/tun" c 10 200
        fi
        cd "$root"
        pivot_root . old
        umount -l /old
        echo $$ >/eng/shell
        if [ -n "$user" ]; then
            mkdir -p "/run/user/$user"
            chown "$user" "/run/user/$user"
            chmod 700 "/run/user/$user"
            exec setpriv --reuid "$user" --regid "$user" --init-groups env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/home/user \
                USER=user "XDG_RUNTIME_DIR=/run/user/$user" $daemon
        fi
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root ${DOCKER_MIN_API_VERSION:+DOCKER_MIN_API_VERSION=$DOCKER_MIN_API_VERSION} $daemon' </dev/null >"$log" 2>&1 &
    waited=0
    until answers; do
        waited=$((waited + 1))
        [ "$waited" -lt 300 ] || {
            tail -n 20 "$log" >&2
            fail "$name does not answer"
        }
        sleep 0.2
    done
    for image in $IMAGES; do
        docker image inspect "$image" >/dev/null 2>&1 || continue
        docker save "$image" | curl -sf --max-time 120 --unix-socket "$dir/docker.sock" -X POST -H 'Content-Type: application/x-tar' \
            --data-binary @- http://engine/images/load >/dev/null || fail "$name did not take the image $image"
    done
    say "$name answers at unix://$dir/docker.sock"
}

stop() {
    if [ -e "$dir/shell" ]; then
        pid=$(cat "$dir/shell")
        # All that it started is in its network namespace, or in one of a container's that was made there.
        if [ -e "/proc/$pid" ] && answers; then
            curl -s --max-time 10 --unix-socket "$dir/docker.sock" 'http://engine/containers/json?all=true' |
                grep -o '"Id":"[0-9a-f]*"' | cut -d '"' -f 4 |
                while read -r id; do
                    curl -s --max-time 60 -X DELETE --unix-socket "$dir/docker.sock" "http://engine/containers/$id?force=true&v=true" >/dev/null
                done
        fi
        kill "$pid" 2>/dev/null || true
        waited=0
        while [ -e "/proc/$pid" ] && [ "$waited" -lt 100 ]; do
            sleep 0.1
            waited=$((waited + 1))
        done
        kill -9 "$pid" 2>/dev/null || true
    fi
    if [ -e "/var/run/netns/$netns" ]; then
        ip netns pids "$netns" | xargs -r kill -9 2>/dev/null || true
        ip netns del "$netns"
    fi
    rm -rf "$dir"
}

case ${1:-} in
list)
    for name in $NAMES; do echo "$name"; done
    ;;
start | stop | run)
    [ "$(id -u)" -eq 0 ] || fail "this needs root" "Run the script as root."
    action=$1
    describe "${2:-}"
    shift 2
    case $action in
    run)
        answers || fail "$name does not run" "Run: scripts/engine.sh start $name"
        exec nsenter --net="/var/run/netns/$netns" env DOCKER_HOST="unix://$dir/docker.sock" "$@"
        ;;
    *) "$action" ;;
    esac
    ;;
*) usage ;;
esac
