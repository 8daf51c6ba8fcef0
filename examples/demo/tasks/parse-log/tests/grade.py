"""Writes the share of right answers in report.json to the reward file."""

import json
import os

EXPECTED = {"requests": 67, "errors": 8, "busiest_hour": "09", "slowest_path": "/export"}


def answers():
    try:
        with open("report.json", encoding="utf-8") as file:
            report = json.load(file)
    except (OSError, ValueError) as error:
        print(f"report.json: {error}")
        return {}
    return report if isinstance(report, dict) else {}


given = answers()
right = [name for name, value in EXPECTED.items() if given.get(name) == value]
print("right:", ", ".join(right) or "nothing")
with open(os.environ["GREENROOM_REWARD_FILE"], "w", encoding="utf-8") as file:
    file.write(str(len(right) / len(EXPECTED)))
