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
#   --firewall KIND        none, ufw, firewalld or nftables (default: what the host has from before, at first none)
#   --password-file FILE   one line (default: secrets/password beside this file, made if it is missing)
#
# Tried with Redis on machines with Debian 12, as root and with sudo, with packages, with a tarball and with a server that
# was there, over nftables, ufw and firewalld; with Valkey on Debian 13 over nftables; both with TLS and without. dnf was not
# tried.
#
# The password goes to the hosts through SSH's standard input into files of mode 0640, never through an argument.
# Another one is set beside the old one first, and no node is restarted for it. Nor is one for other certificates in
# certs/, also of another authority. Whether nodes speak TLS at all is changed by --uninstall and another deployment.
set -eu

HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=/dev/null
. "$HERE/cluster.env"
# shellcheck source=/dev/null
. "$HERE/common/say.sh"

remote() {
    target=$1
    shift
    # shellcheck disable=SC2029,SC2086
    ssh $SSH_OPTIONS ${LOGIN:+-l "$LOGIN"} "$target" "$@"
}

# on HOST MODE: sends the host's files, runs the mode there as root, and removes them.
on() {
    staging=$WORK/$1
    rm -rf "$staging"
    mkdir "$staging"
    cp "$HERE/cluster.env" "$staging/"
    cp -R "$HERE/common" "$staging/common"
    cp -R "$HERE/hosts/$1" "$staging/host"
    if [ -n "$PASSWORD" ]; then printf 'requirepass "%s"\nmasterauth "%s"\n' "$PASSWORD" "$PASSWORD" >"$staging/auth.conf"; fi
    if [ "$TLS" = yes ] && [ "$2" != uninstall ]; then
        mkdir "$staging/tls"
        cp "$HERE/certs/ca.crt" "$HERE/certs/node.crt" "$HERE/certs/node.key" "$staging/tls/"
    fi
    case $2:$INSTALL in
        prepare:packages | prepare:none) how=$INSTALL ;;
        prepare:*) cp "$INSTALL" "$staging/server.tar"; how=tarball ;;
        *) how=none ;;
    esac
    code=0
    # A shell that is ended by a signal takes no notice of EXIT. SIGPIPE is what it gets when this end is gone.
    # shellcheck disable=SC2016
    tar -C "$staging" -cf - . | remote "$1" 'set -eu
        umask 077
        stage=$(mktemp -d)
        trap '\''rm -rf "$stage"'\'' EXIT
        trap '\''exit 1'\'' HUP INT TERM PIPE
        tar -C "$stage" -xf -
        sudo=; [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
        code=0
        $sudo sh "$stage/common/host.sh" '"$2 $1 $how $FIREWALL $PURGE"' || code=$?
        $sudo rm -rf "$stage"
        exit "$code"' || code=$?
    rm -rf "$staging"
    return "$code"
}

# What needs no order: on all hosts side by side.
prepare() {
    JOBS=
    # shellcheck disable=SC2153
    for host in $HOSTS; do
        on "$host" prepare &
        JOBS="$JOBS $!"
    done
    failed=0
    for job in $JOBS; do wait "$job" || failed=1; done
    JOBS=
    [ "$failed" = 0 ] || fail "not every host is prepared" "What they said stands above; no node has been touched. Fix it and run this again."
}

# What may be done only when every host has its files.
finish() {
    for host in $HOSTS; do
        on "$host" finish || fail "$host still trusts the old authority" "What it said stands above. Fix it and run this again."
    done
}

# Nothing with a password in it stays behind, however this ends.
clean() {
    # shellcheck disable=SC2086
    [ -z "$JOBS" ] || kill $JOBS 2>/dev/null || true
    rm -rf "$WORK"
}

main() {
    ACTION=install INSTALL=packages FIREWALL=kept PURGE=no LOGIN='' PASSWORD_FILE=$HERE/secrets/password
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
    case $FIREWALL in none | kept | ufw | firewalld | nftables) ;; *) fail "no firewall called $FIREWALL" "Use none, ufw, firewalld or nftables." ;; esac
    case $INSTALL in packages | none) ;; *) [ -f "$INSTALL" ] || fail "there is no tarball $INSTALL" ;; esac
    PASSWORD=
    if [ "$ACTION" = install ] && [ ! -e "$PASSWORD_FILE" ]; then
        mkdir -p "$(dirname -- "$PASSWORD_FILE")"
        (umask 077 && LC_ALL=C tr -dc 'A-Za-z0-9' < /dev/urandom | head -c 40 > "$PASSWORD_FILE")
        say "made a password: $PASSWORD_FILE"
    fi
    if [ -r "$PASSWORD_FILE" ]; then PASSWORD=$(head -n 1 "$PASSWORD_FILE"); fi
    case $PASSWORD in
        *[!A-Za-z0-9._~=+/-]*)
            fail "the password in $PASSWORD_FILE has characters that redis.conf would misread" "Use letters, digits and . _ ~ = + / -"
            ;;
    esac
    if [ "$TLS" = yes ] && [ "$ACTION" != uninstall ]; then
        for file in ca.crt node.crt node.key; do
            [ -r "$HERE/certs/$file" ] || fail "there is no $HERE/certs/$file" "Bring it here from where the cluster was exported, or export it again."
        done
    fi
    code=0
    case $ACTION:$PASSWORD in
        install:) fail "there is no password in $PASSWORD_FILE" ;;
        check:)
            say "differs: there is no password in $PASSWORD_FILE"
            code=3
            ;;
    esac

    umask 077
    JOBS=''
    WORK=$(mktemp -d)
    trap clean EXIT
    trap 'exit 130' HUP INT TERM
    [ "$ACTION" != install ] || prepare
    for host in $HOSTS; do
        of_host=0
        on "$host" "$ACTION" || of_host=$?
        case $ACTION:$of_host in
            *:0) ;;
            check:3) code=3 ;;
            *) fail "$host failed (code $of_host)" "What it said stands above. Fix it and run this again: completed steps are not repeated." ;;
        esac
    done
    first=${HOSTS%% *}
    case $ACTION in
        install)
            on "$first" create || fail "the cluster is not as described" "Why stands above. Fix it and run this again: it continues where it stopped."
            [ "$TLS" = no ] || finish
            ;;
        check)
            [ "$code" != 0 ] || on "$first" validate || code=3
            [ "$code" = 0 ] || { say "something differs"; exit 3; }
            say "everything is as described"
            ;;
    esac
}

main "$@"
