#!/bin/sh
# One way to solve the task; `greenroom tasks check` tries it.
set -eu

cat > rotate.sh <<'SH'
#!/bin/sh
# rotate.sh DIRECTORY N: keeps the N newest *.tar files.
set -eu

fail() {
    echo "rotate.sh: $1" >&2
    exit 2
}

[ "$#" -eq 2 ] || fail "usage: rotate.sh DIRECTORY N"
[ -d "$1" ] || fail "no directory: $1"
case $2 in
'' | *[!0-9]*) fail "not a number: $2" ;;
esac
[ "$2" -gt 0 ] || fail "N must be above zero"

keep=$2
cd -- "$1"
set --
for name in *.tar; do
    [ -f "$name" ] && set -- "$@" "$name"
done
while [ "$#" -gt "$keep" ]; do
    rm -f -- "$1"
    shift
done
SH
