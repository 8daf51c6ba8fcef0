#!/bin/sh
# One way to solve the task; `greenroom tasks check` tries it.
set -eu

sed -i -e 's/^workers = .*/workers = 8/' -e 's/^enabled = .*/enabled = yes/' -e 's/^min_version = .*/min_version = 1.3/' server.ini
printf '\n[limits]\nmax_body = 10M\nrate_per_minute = 600\n' >> server.ini
