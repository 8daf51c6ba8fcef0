"""The cast: one actor a file, and the pure modules they decide with.

An attempt is played by `mailbox`, `sandbox`, `agent` and `verifier`. `rollout` makes as many attempts as it takes and
gives exactly one outcome to the `run` that submitted it. `rollouts` admits, `journal` keeps, `interception` serves
model calls, `sandboxes` closes what its owner could not. `policy`, `decision`, `budget` and `reward` decide, without a
clock. What is handed down the tree is in `plan` and `stage`, what is told upwards in `events`.
"""
