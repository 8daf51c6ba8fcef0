"""A to-do list in a file."""

import argparse
import json
import sys

FILE = "todo.json"


def load():
    try:
        with open(FILE, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return []


def save(entries):
    with open(FILE, "w", encoding="utf-8") as file:
        json.dump(entries, file)


def add(args):
    entries = load()
    entries.append({"text": args.text})
    save(entries)
    return 0


def show(args):
    for number, entry in enumerate(load(), 1):
        print(f"{number}. [ ] {entry['text']}")
    return 0


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("add")
    command.add_argument("text")
    command.set_defaults(run=add)
    command = commands.add_parser("list")
    command.set_defaults(run=show)
    args = parser.parse_args(argv)
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
