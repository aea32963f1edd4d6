#!/bin/sh
# Runs every command once on other container engines (see engine.sh), and prints a table of commands and engines.
#
#   test-engines.sh             on all of them; also writes the table to docs/engines.md
#   test-engines.sh NAME...     on these
#
# Needs root, and the test images on the machine's own container engine.
set -eu
. "$(dirname "$0")/common.sh"
cd "$(dirname "$0")/.."

PAGE=docs/engines.md
all=$(scripts/engine.sh list)
names=${*:-$all}
code=0

# Cargo runs here, because the other engine's network namespace has no route to a registry.
"${CARGO:-cargo}" test --locked --test it --no-run
program=$("${CARGO:-cargo}" test --locked --test it --no-run --message-format=json 2>/dev/null |
    grep -o '"executable":"[^"]*/it-[^"]*"' | tail -n 1 | cut -d '"' -f 4)

trap 'for name in $names; do scripts/engine.sh stop "$name" || true; done' EXIT
trap 'exit 130' HUP INT TERM

for name in $names; do
    scripts/engine.sh start "$name"
    # Podman stores images without a registry in their name as `localhost/...`.
    prefix=
    case $name in podman-*) prefix=localhost/ ;; esac
    say "every command on $name"
    RCUP_WALK_OUT=target/engines/$name.walk RCUP_WALK_REDIS=${prefix}rcup/redis:7.0.15 \
        RCUP_WALK_VALKEY=${prefix}rcup/valkey:8.1.1 \
        scripts/engine.sh run "$name" "$program" --ignored --nocapture docker::engine_walk || code=1
    scripts/engine.sh stop "$name"
done

# One row for each command: ok with milliseconds, or FAILED.
table() {
    printf '| command |'
    for name in $names; do printf ' %s |' "$name"; done
    printf '\n|---|'
    for name in $names; do printf -- '---|'; done
    echo
    files=
    for name in $names; do files="$files target/engines/$name.walk"; done
    # shellcheck disable=SC2086
    awk -F '\t' '
        FNR == 1 { file++ }
        { command[FNR] = $3; cell[FNR, file] = ($1 == "ok" ? "ok, " $2 " ms" : $1); if (FNR > last) last = FNR }
        END {
            for (row = 1; row <= last; row++) {
                text = command[row]; gsub(/\|/, "", text)
                printf "| `%s` |", text
                for (one = 1; one <= file; one++) printf " %s |", cell[row, one]
                print ""
            }
        }' $files
}

table
if [ $# -eq 0 ]; then
    table >target/engines/table.md
    awk '
        /<!-- table -->/ { print; while ((getline line < "target/engines/table.md") > 0) print line; skip = 1; next }
        /<!-- end of table -->/ { skip = 0 }
        !skip { print }' "$PAGE" >target/engines/page.md
    mv target/engines/page.md "$PAGE"
fi
exit "$code"
