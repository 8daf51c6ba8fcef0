#!/bin/sh
# One way to solve the task; `greenroom tasks check` tries it.
set -eu

python3 - <<'PY'
import collections
import json
import re

REQUEST = re.compile(r'\S+ \S+ \S+ \[[^:]+:(\d\d):[^\]]+\] "\S+ (\S+) [^"]*" (\d{3}) \d+ (\d+)$')
requests = [match.groups() for match in map(REQUEST.match, open("access.log")) if match]
hours = collections.Counter(hour for hour, _, _, _ in requests)
durations = collections.defaultdict(list)
for _, path, _, duration in requests:
    durations[path.split("?")[0]].append(int(duration))
report = {
    "requests": len(requests),
    "errors": sum(status >= "500" for _, _, status, _ in requests),
    "busiest_hour": hours.most_common(1)[0][0],
    "slowest_path": max(durations, key=lambda path: sum(durations[path]) / len(durations[path])),
}
json.dump(report, open("report.json", "w"))
PY
