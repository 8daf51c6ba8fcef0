#!/bin/sh
# One way to solve the task; `greenroom tasks check` tries it.
set -eu

python3 - <<'PY'
text = open("todo.py").read()
text = text.replace(
    'print(f"{number}. [ ] {entry[\'text\']}")',
    'mark = "x" if entry.get("done") else " "\n        print(f"{number}. [{mark}] {entry[\'text\']}")',
)
text = text.replace(
    "def main(",
    """def done(args):
    entries = load()
    if not 1 <= args.number <= len(entries):
        print(f"no entry {args.number}", file=sys.stderr)
        return 1
    entries[args.number - 1]["done"] = True
    save(entries)
    return 0


def main(""",
)
text = text.replace(
    "    args = parser.parse_args",
    """    command = commands.add_parser("done")
    command.add_argument("number", type=int)
    command.set_defaults(run=done)
    args = parser.parse_args""",
)
open("todo.py", "w").write(text)
PY
