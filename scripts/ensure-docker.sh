#!/bin/sh
# Ensures that a Docker daemon answers; installs and starts one if necessary.
#
# Does nothing if one answers. A healthy daemon is never restarted, and a daemon that DOCKER_HOST names is only
# contacted. A daemon that accepts connections but does not answer is reported. It is restarted only with
# RCUP_RESTART_STUCK_ENGINE=1, because a restart may stop running containers.
set -eu
. "$(dirname "$0")/common.sh"

DEADLINE=${RCUP_DOCKER_DEADLINE:-60}
PATIENCE=${RCUP_DOCKER_PATIENCE:-30}
PID_FILE=${RCUP_DOCKER_PID_FILE:-/var/run/docker.pid}
LOG=${RCUP_DOCKERD_LOG:-/var/log/dockerd.log}
SYSTEMD_MARK=${RCUP_SYSTEMD_MARK:-/run/systemd/system}
SOCKET=/var/run/docker.sock

# This script does not start a daemon that DOCKER_HOST names: it is on another machine, or rootless.
is_elsewhere() {
    case ${DOCKER_HOST:-} in
        '' | "unix://$SOCKET" | unix:///run/docker.sock) return 1 ;;
        *) return 0 ;;
    esac
}

# rcup does not need the docker command line. If it is missing, contact the socket directly.
answers() {
    if has docker; then
        code=0
        bounded docker info >/dev/null 2>&1 || code=$?
        # The exit code of `timeout` after a timeout.
        [ "$code" -ne 124 ] || STUCK=yes
        return "$code"
    elif has curl; then
        case ${DOCKER_HOST:-unix://$SOCKET} in
            unix://*)
                path=${DOCKER_HOST:-unix://$SOCKET}
                ping_engine --unix-socket "${path#unix://}" http://localhost/_ping
                ;;
            tcp://*) ping_engine "http://${DOCKER_HOST#tcp://}/_ping" ;;
            *) fail "cannot contact the Docker daemon at $DOCKER_HOST" "Install the docker command line." ;;
        esac
    else
        return 1
    fi
}

STUCK=

bounded() {
    if has timeout; then
        timeout "$PATIENCE" "$@"
    else
        "$@"
    fi
}

ping_engine() {
    curl -fsS -m 5 "$@" >/dev/null 2>&1
}

# In newer releases the docker command line is a separate package, so install curl to contact the daemon.
install_engine() {
    has apt-get || fail "dockerd is missing, and this is not Debian or Ubuntu" \
        "Install Docker with your system's packages (https://docs.docker.com/engine/install/), then run this again."
    say "dockerd is missing; installing docker.io from the distribution's packages"
    install_packages docker.io iptables curl
}

# A daemon started in the background must outlive this script and its terminal.
start_plain() {
    say "starting dockerd in the background; it logs to $LOG"
    if has setsid; then
        as_root sh -c "nohup setsid dockerd >>'$LOG' 2>&1 </dev/null &"
    else
        as_root sh -c "nohup dockerd >>'$LOG' 2>&1 </dev/null &"
    fi
}

start_engine() {
    if [ -d "$SYSTEMD_MARK" ] && has systemctl; then
        say "starting the docker service with systemctl"
        as_root systemctl start docker && return 0
        say "systemctl could not start the docker service"
    fi
    if has service && [ -e "${RCUP_INIT_SCRIPT:-/etc/init.d/docker}" ]; then
        say "starting the docker service"
        as_root service docker start && return 0
        say "could not start the docker service"
    fi
    start_plain
}

wait_for_engine() {
    waited=0
    while ! answers; do
        # The daemon runs, but this user may not use it. Waiting would not help.
        is_forbidden && return 1
        [ "$waited" -lt "$DEADLINE" ] || return 1
        sleep 1
        waited=$((waited + 1))
    done
}

# A stuck daemon may ignore SIGTERM too, so it is killed after a timeout.
restart_stuck_engine() {
    pid=$(cat "$PID_FILE" 2>/dev/null) || fail "the stuck daemon has no $PID_FILE" "Restart Docker manually."
    say "stopping the stuck daemon, process $pid"
    as_root kill "$pid" || say "process $pid does not exist"
    waited=0
    while as_root kill -0 "$pid" 2>/dev/null; do
        [ "$waited" -ne "$PATIENCE" ] || as_root kill -9 "$pid"
        [ "$waited" -le $((PATIENCE + 10)) ] || fail "process $pid does not exit" "Restart the machine."
        sleep 1
        waited=$((waited + 1))
    done
    start_engine
}

explain_stuck() {
    fail "the Docker daemon accepts connections, but did not answer 'docker info' within $PATIENCE s: it is stuck" \
        "Restart it: sudo systemctl restart docker" \
        "Or run this again with RCUP_RESTART_STUCK_ENGINE=1, which restarts the daemon." \
        "Containers without a restart policy may stop."
}

is_forbidden() {
    [ -S "$SOCKET" ] && [ ! -w "$SOCKET" ]
}

explain() {
    if is_forbidden; then
        fail "permission denied: $(id -un) may not use the Docker socket $SOCKET" \
            "Run: sudo usermod -aG docker $(id -un)" \
            "Then log in again, or use: newgrp docker"
    fi
    if [ -r "$LOG" ]; then
        say "the last lines of $LOG:"
        tail -n 15 "$LOG" | sed 's/^/  /' >&2
    elif [ -d "$SYSTEMD_MARK" ] && has journalctl; then
        say "the last lines of the docker service's journal:"
        journalctl -u docker -n 15 --no-pager 2>/dev/null | sed 's/^/  /' >&2 || true
    fi
    fail "no Docker daemon answers after $DEADLINE s" \
        "In a container, dockerd needs --privileged and a writable /sys/fs/cgroup." \
        "On a host, check that cgroups are mounted (mount | grep cgroup) and that iptables works." \
        "If dockerd cannot run here, set DOCKER_HOST to a daemon on another machine."
}

main() {
    if answers; then
        say "a Docker daemon answers; nothing to do"
        exit 0
    fi
    if is_elsewhere; then
        fail "no Docker daemon answers at $DOCKER_HOST" \
            "Check the address and that the daemon is running, or unset DOCKER_HOST."
    fi
    if is_forbidden; then
        explain
    fi
    if [ -n "$STUCK" ]; then
        [ "${RCUP_RESTART_STUCK_ENGINE:-}" = 1 ] || explain_stuck
        STUCK=
        restart_stuck_engine
        wait_for_engine || explain
        say "the Docker daemon answers again"
        exit 0
    fi
    has dockerd || install_engine
    has docker || has curl || fail "found neither docker nor curl to contact the Docker daemon" "Install curl."
    # The installation may have started it already.
    answers || start_engine
    wait_for_engine || explain
    say "the Docker daemon answers"
}

main "$@"
