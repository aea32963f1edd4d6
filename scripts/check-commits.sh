#!/bin/sh
# Fails if the subject of a commit is not `area: change` in at most 72 characters.
#
# Commits up to the base below are older than this rule.
set -eu
. "$(dirname "$0")/common.sh"

base=2ee35a3

cd "$(dirname "$0")/.."
if [ "$(git rev-parse --is-shallow-repository 2>/dev/null || echo true)" != false ]; then
    say "commit subjects are not checked: the git history is not available"
    exit 0
fi
range=HEAD
if git merge-base --is-ancestor "$base" HEAD 2>/dev/null; then
    range=$base..HEAD
fi
wrong=$(git log --no-merges --format='%h %s' "$range" |
    grep -Ev '^[0-9a-f]+ [a-z0-9-]+(\([a-z-]+\))?: .*$' || true)
long=$(git log --no-merges --format='%h %s' "$range" | awk 'length(substr($0, index($0, " ") + 1)) > 72')
[ -z "$wrong" ] || fail "these commit subjects are not of the form \`area: change\`:" "$wrong"
[ -z "$long" ] || fail "these commit subjects are longer than 72 characters:" "$long"
