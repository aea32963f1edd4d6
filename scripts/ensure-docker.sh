#!/bin/sh
# Makes sure that a Docker engine answers: installs and starts one where that is needed.
#
# Running it again does nothing. A healthy daemon is never restarted, and an engine that DOCKER_HOST
# names is only asked whether it is there. A daemon that takes connections and answers none is told of; it is
# restarted only where RCUP_RESTART_STUCK_ENGINE=1 says so, because that may end what runs on it.
set -eu
. "$(dirname "$0")/common.sh"

DEADLINE=${RCUP_DOCKER_DEADLINE:-60}
PATIENCE=${RCUP_DOCKER_PATIENCE:-30}
PID_FILE=${RCUP_DOCKER_PID_FILE:-/var/run/docker.pid}
LOG=${RCUP_DOCKERD_LOG:-/var/log/dockerd.log}
SYSTEMD_MARK=${RCUP_SYSTEMD_MARK:-/run/systemd/system}
SOCKET=/var/run/docker.sock

# An engine that DOCKER_HOST names is somebody else's to start: another machine's, or a rootless one.
is_elsewhere() {
    case ${DOCKER_HOST:-} in
        '' | "unix://$SOCKET" | unix:///run/docker.sock) return 1 ;;
        *) return 0 ;;
    esac
}

# The command line is not needed to talk to the engine, and rcup does not use it, so the socket is asked
# directly where the command line is missing.
answers() {
    if has docker; then
        code=0
        bounded docker info >/dev/null 2>&1 || code=$?
        # What `timeout` returns when it had to end the command.
        [ "$code" -ne 124 ] || STUCK=yes
        return "$code"
    elif has curl; then
        case ${DOCKER_HOST:-unix://$SOCKET} in
            unix://*)
                path=${DOCKER_HOST:-unix://$SOCKET}
                ping_engine --unix-socket "${path#unix://}" http://localhost/_ping
                ;;
            tcp://*) ping_engine "http://${DOCKER_HOST#tcp://}/_ping" ;;
            *) fail "cannot ask the engine at $DOCKER_HOST" "Install the docker command line." ;;
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

# The command line is a package of its own in newer releases, so curl comes along to ask the engine.
install_engine() {
    has apt-get || fail "dockerd is missing, and this is no Debian or Ubuntu" \
        "Install Docker with your system's packages (https://docs.docker.com/engine/install/), then run this again."
    say "dockerd is missing; installing docker.io from the distribution's packages"
    install_packages docker.io iptables curl
}

# A daemon that was started in the background must outlive this script and its terminal.
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
        say "systemctl could not start it"
    fi
    if has service && [ -e "${RCUP_INIT_SCRIPT:-/etc/init.d/docker}" ]; then
        say "starting the docker service"
        as_root service docker start && return 0
        say "the service could not be started"
    fi
    start_plain
}

wait_for_engine() {
    waited=0
    while ! answers; do
        # The engine is up, but not for this user. Waiting would not help.
        is_forbidden && return 1
        [ "$waited" -lt "$DEADLINE" ] || return 1
        sleep 1
        waited=$((waited + 1))
    done
}

# A daemon that is stuck takes no notice of being asked to stop, either, so it is ended after a while.
restart_stuck_engine() {
    pid=$(cat "$PID_FILE" 2>/dev/null) || fail "the stuck daemon has left no $PID_FILE" "Restart Docker by hand."
    say "ending the stuck daemon, process $pid"
    as_root kill "$pid" || say "process $pid is not there"
    waited=0
    while as_root kill -0 "$pid" 2>/dev/null; do
        [ "$waited" -ne "$PATIENCE" ] || as_root kill -9 "$pid"
        [ "$waited" -le $((PATIENCE + 10)) ] || fail "process $pid does not end" "Restart the machine."
        sleep 1
        waited=$((waited + 1))
    done
    start_engine
}

explain_stuck() {
    fail "the engine takes connections, but has not answered 'docker info' within $PATIENCE s: it is stuck" \
        "Restart it: sudo systemctl restart docker" \
        "Or run this again with RCUP_RESTART_STUCK_ENGINE=1, which ends the daemon and starts it anew." \
        "Containers without a restart policy may end with it."
}

is_forbidden() {
    [ -S "$SOCKET" ] && [ ! -w "$SOCKET" ]
}

explain() {
    if is_forbidden; then
        fail "the engine's socket is there, but $(id -un) may not talk to it" \
            "Run: sudo usermod -aG docker $(id -un)" \
            "Then log in again, or use: newgrp docker"
    fi
    if [ -r "$LOG" ]; then
        say "the last lines of $LOG:"
        tail -n 15 "$LOG" | sed 's/^/  /' >&2
    elif [ -d "$SYSTEMD_MARK" ] && has journalctl; then
        say "the last lines of the service's journal:"
        journalctl -u docker -n 15 --no-pager 2>/dev/null | sed 's/^/  /' >&2 || true
    fi
    fail "no engine answers after $DEADLINE s" \
        "In a container, dockerd needs --privileged and a writable /sys/fs/cgroup." \
        "On a host, check that cgroups are mounted (mount | grep cgroup) and that iptables works." \
        "Where dockerd cannot run at all, point DOCKER_HOST at an engine elsewhere."
}

main() {
    if answers; then
        say "an engine answers; nothing to do"
        exit 0
    fi
    if is_elsewhere; then
        fail "no engine answers at $DOCKER_HOST" \
            "Check the address and that the engine there is running, or unset DOCKER_HOST."
    fi
    if is_forbidden; then
        explain
    fi
    if [ -n "$STUCK" ]; then
        [ "${RCUP_RESTART_STUCK_ENGINE:-}" = 1 ] || explain_stuck
        STUCK=
        restart_stuck_engine
        wait_for_engine || explain
        say "the engine answers again"
        exit 0
    fi
    has dockerd || install_engine
    has docker || has curl || fail "nothing here can ask the engine whether it answers" "Install curl."
    # Installing may have started it already.
    answers || start_engine
    wait_for_engine || explain
    say "the engine answers"
}

main "$@"
