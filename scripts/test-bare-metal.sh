#!/bin/sh
# Deploys what `rcup export bare-metal` writes on three "machines": containers with a systemd, an sshd and a package
# manager of their own, made from Debian's packages. Then looks at it, harms it, mends it, restarts a machine, changes
# the password, and removes everything. Needs root, docker, debootstrap and ssh. RCUP names the program to test.
set -eu

RCUP=${RCUP:-target/debug/rcup}
IMAGE=rcup-test/host:1
PREFIX=rcup-test-host-$$
NET=10.231.$(($$ % 250))
HOSTS="$NET.2 $NET.3 $NET.4"

say() { printf 'test-bare-metal: %s\n' "$*" >&2; }

fail() {
    say "FAILED: $*"
    exit 1
}

work=$(mktemp -d)
clean() {
    for nth in 1 2 3; do docker rm -f "$PREFIX-$nth" >/dev/null 2>&1 || true; done
    docker network rm "$PREFIX" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' INT TERM

make_image() {
    # shellcheck disable=SC2016
    site=$(apt-get indextargets --format '$(SITE)' | grep -v security | head -n 1)
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    say "making an image of a $codename machine"
    debootstrap --variant=minbase \
        --include=systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,nftables,procps,ca-certificates \
        "$codename" "$work/root" "$site" >"$work/debootstrap.log" 2>&1 || { tail -n 5 "$work/debootstrap.log" >&2; exit 1; }
    cp -R /etc/apt/apt.conf.d /etc/apt/sources.list.d "$work/root/etc/apt/"
    if [ -f /etc/apt/sources.list ]; then cp /etc/apt/sources.list "$work/root/etc/apt/"; else rm -f "$work/root/etc/apt/sources.list"; fi
    chroot "$work/root" useradd -m -s /bin/sh admin
    echo 'admin ALL=(ALL) NOPASSWD: ALL' >"$work/root/etc/sudoers.d/admin"
    for unit in systemd-udevd systemd-logind systemd-networkd; do
        ln -sf /dev/null "$work/root/etc/systemd/system/$unit.service"
    done
    umount "$work/root/proc" "$work/root/sys" 2>/dev/null || true
    tar -C "$work/root" --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' -c . \
        | docker import -c 'CMD ["/sbin/init"]' - "$IMAGE" >/dev/null
    rm -rf "$work/root"
}

docker image inspect "$IMAGE" >/dev/null 2>&1 || make_image
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
printf 'Host *\n  IdentityFile %s\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n' \
    "$work/key" >"$work/ssh"
docker network create --subnet "$NET.0/28" "$PREFIX" >/dev/null
nth=0
for host in $HOSTS; do
    nth=$((nth + 1))
    # Not privileged: /proc/sys and /sys stay read-only, so nothing here changes this machine's own kernel settings.
    docker run -d --name "$PREFIX-$nth" --network "$PREFIX" --ip "$host" --cap-add SYS_ADMIN --cap-add NET_ADMIN \
        --security-opt seccomp=unconfined --security-opt apparmor=unconfined --tmpfs /run --tmpfs /run/lock \
        -v /sys/fs/cgroup:/sys/fs/cgroup:rw -e container=docker "$IMAGE" >/dev/null
    docker exec -i "$PREFIX-$nth" sh -c 'install -d -m 700 -o admin -g admin /home/admin/.ssh
        cat > /home/admin/.ssh/authorized_keys; chown admin: /home/admin/.ssh/authorized_keys' <"$work/key.pub"
done

at() {
    host=$1
    shift
    # shellcheck disable=SC2029
    ssh -F "$work/ssh" -l admin "$host" "$@"
}

await_ssh() {
    deadline=$(($(date +%s) + 60))
    until at "$1" true 2>/dev/null; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "$1 does not answer"
        sleep 0.2
    done
}

for host in $HOSTS; do await_ssh "$host"; done

D=$work/deploy
"$RCUP" export bare-metal shop --masters 3 --hosts "$(echo "$HOSTS" | tr ' ' ,)" --clients "$NET.0/28" -o "$D" --quiet
if command -v shellcheck >/dev/null; then shellcheck "$D"/deploy.sh "$D"/hosts/*/*.sh; fi

deploy() { "$D/deploy.sh" --ssh-config "$work/ssh" --user admin --firewall nftables "$@" 2>"$work/said" || return $?; }
client() { at "$1" "sudo sh -c 'REDISCLI_AUTH=\$(sed -n \"s/^requirepass \\\"\\(.*\\)\\\"/\\1/p\" /etc/rcup-shop/auth.conf) redis-cli -c -h $1 $2'"; }

say "deploying"
deploy || { cat "$work/said" >&2; fail "the deployment"; }
[ "$(stat -c %a "$D/secrets/password")" = 600 ] || fail "others may read the password"
[ "$(client "$NET.2" 'SET key value')" = OK ] || fail "a write"
deploy || fail "the second deployment"
if grep -e wrote -e started "$work/said"; then fail "the second deployment changed something"; fi
deploy --check || fail "the check of what was deployed"

say "harming and mending"
at "$NET.3" 'sudo systemctl stop rcup-shop@6380; echo "# x" | sudo tee -a /etc/rcup-shop/6379.conf >/dev/null'
code=0
deploy --check || code=$?
[ "$code" = 3 ] || fail "the check of a harmed machine ended with $code"
grep -q '6380 does not run' "$work/said" || fail "the check says nothing of the stopped node"
deploy || { cat "$work/said" >&2; fail "the repair"; }
deploy --check || fail "the check after the repair"

say "restarting a machine, changing the password"
docker restart -t 5 "$PREFIX-2" >/dev/null
await_ssh "$NET.3"
deploy || { cat "$work/said" >&2; fail "after the restart"; }
printf 'another-password\n' >"$work/password"
deploy --password-file "$work/password" || { cat "$work/said" >&2; fail "the change of the password"; }
[ "$(client "$NET.3" 'GET key')" = value ] || fail "the key was lost"
if timeout 2 bash -c "</dev/tcp/$NET.2/16379" 2>/dev/null; then fail "the bus is open to strangers"; fi

say "removing"
deploy --uninstall --purge || { cat "$work/said" >&2; fail "the removal"; }
for host in $HOSTS; do
    rest=$(at "$host" 'ls -d /etc/rcup-* /var/lib/rcup-* /etc/sysctl.d/*rcup* 2>/dev/null; pgrep -l redis-server; sudo nft list tables | grep rcup' || true)
    [ -z "$rest" ] || fail "left on $host: $rest"
done
say "passed"
