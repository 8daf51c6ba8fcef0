# sh check.sh CASE: exits 0 if rotate.sh does what the case asks for.
set -u
[ -f rotate.sh ] || exit 1
box=$(mktemp -d) || exit 1
trap 'rm -rf "$box"' EXIT

fill() {
    for day in 01 02 03 04 05; do
        : > "$box/2025-03-$day$1.tar"
    done
}

left() {
    (cd "$box" && for name in *; do printf '%s\n' "$name"; done)
}

expect() {
    if [ "$(left)" != "$1" ]; then
        printf 'left:\n%s\nexpected:\n%s\n' "$(left)" "$1"
        exit 1
    fi
}

newline='
'
case $1 in
newest)
    fill ""
    sh rotate.sh "$box" 2 || exit 1
    expect "2025-03-04.tar${newline}2025-03-05.tar"
    ;;
few)
    fill ""
    before=$(left)
    sh rotate.sh "$box" 5 || exit 1
    sh rotate.sh "$box" 12 || exit 1
    expect "$before"
    sh rotate.sh "$box" 1 || exit 1
    expect "2025-03-05.tar"
    ;;
spaces)
    fill " web shop"
    sh rotate.sh "$box" 1 || exit 1
    expect "2025-03-05 web shop.tar"
    ;;
others)
    fill ""
    mkdir "$box/2024-old.tar.d"
    : > "$box/2025-01-01-notes.txt"
    sh rotate.sh "$box" 1 || exit 1
    expect "2024-old.tar.d${newline}2025-01-01-notes.txt${newline}2025-03-05.tar"
    ;;
misuse)
    fill ""
    before=$(left)
    for number in 0 -1 x ""; do
        sh rotate.sh "$box" "$number" 2> "$box.err"
        status=$?
        message=$(cat "$box.err")
        rm -f "$box.err"
        [ "$status" -eq 2 ] && [ -n "$message" ] || exit 1
    done
    sh rotate.sh "$box/nowhere" 1 2> /dev/null
    [ "$?" -eq 2 ] || exit 1
    expect "$before"
    ;;
*)
    echo "no such case: $1"
    exit 1
    ;;
esac
