"""Scenes in local sandboxes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from greenroom.sandboxes.local.sandbox import LocalSandbox
from greenroom.specs import Local
from tests.engine.disks import small_disk
from tests.world.blame.case import Ground
from tests.world.blame.real import Real
from tests.world.blame.scene import Scene

_BWRAP = """#!/bin/sh
case "$*" in --version) exec {real} --version;; esac
for doom in {dooms}; do if [ -e $doom ]; then rm -f $doom; kill -9 $$; fi; done
exec {real} "$@"
"""


class Machine(Real):
    """Local sandboxes."""

    name: Ground = "local"

    def sandbox_spec(self, scene: Scene) -> Local:
        """Sealed processes, below the scene's directory. Where sandboxes are to die in their boots, they do."""
        programs = scene.directory / "bin"
        programs.mkdir()
        program = programs / "bwrap"
        program.write_text(_BWRAP.format(real=shutil.which("bwrap"), dooms=f"{scene.directory}/doom-*"))
        program.chmod(0o755)
        scene.patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        if scene.case.of == "sandbox" and scene.case.phase == "boot":
            for attempt in scene.doomed:
                (scene.directory / f"doom-{attempt}").touch()
        if scene.case.of == "sandbox" and "root" in scene.case.needs:
            scene.disks.enter_context(small_disk(self.root(scene), "8m"))
        return Local(root=str(self.root(scene)))

    def root(self, scene: Scene) -> Path:
        """What holds all sandboxes."""
        return scene.directory / "sandboxes"

    async def kill(self, scene: Scene) -> None:
        """Kill its first process. A boot is over too soon for that; see `sandbox_spec`."""
        if scene.case.phase != "boot":
            self.sandbox(scene)._body.init.kill_keeper()

    def sandbox(self, scene: Scene) -> LocalSandbox:
        """The one that was made last."""
        *_, sandbox = filter(None, scene.stage.leases.values())
        assert isinstance(sandbox, LocalSandbox)
        return sandbox
