"""A small project that `tools/environment.py` makes an environment for, from wheels made here."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "environment.py"
_PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
_BACKEND = '''
import zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """A wheel that says that it is there."""
    with zipfile.ZipFile(wheel_directory + "/project-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("project.py", "")
        wheel.writestr("project-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: project\\nVersion: 1.0\\n")
        wheel.writestr("project-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("project-1.0.dist-info/RECORD", "")
    return "project-1.0-py3-none-any.whl"
'''


class Project:
    """A clone, the wheels that its index has, and a user's cache."""

    def __init__(self, at: Path) -> None:
        self.root = at / "a clone"
        self.index = at / "index"
        self.cache = at / "cache"
        (self.root / "tools").mkdir(parents=True)
        (self.root / "src" / "greenroom").mkdir(parents=True)
        (self.root / "src" / "greenroom" / "__init__.py").touch()
        self.index.mkdir()
        shutil.copy(TOOL, self.root / "tools")
        (self.root / "pyproject.toml").write_text(_PYPROJECT)
        (self.root / "backend.py").write_text(_BACKEND)
        self.url = self.index.as_uri()
        """Where pip looks."""

    def release(self, name: str, version: str, *, requires: str = "") -> str:
        """Publish a wheel; its pin."""
        page = self.index / name / "index.html"
        page.parent.mkdir(exist_ok=True)
        path = page.with_name(f"{name}-{version}-py3-none-any.whl")
        about = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(f"{name}.py", f"version = {version!r}\n")
            wheel.writestr(f"{about}/METADATA", metadata + (f"Requires-Dist: {requires}\n" if requires else ""))
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
        page.write_text("".join(f'<a href="{file.name}">{file.name}</a>' for file in page.parent.glob("*.whl")))
        return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"

    def pin(self, *pins: str) -> None:
        """Write the pins of the smallest environment."""
        (self.root / "constraints-run.txt").write_text("".join(pins))
        for more in ("constraints-test.txt", "constraints.txt"):
            (self.root / more).write_text("".join(pins))

    def command(self, kind: str = "run") -> list[str]:
        """What makes it."""
        return [sys.executable, str(self.root / "tools" / "environment.py"), kind]

    def environment(self) -> Mapping[str, str]:
        """Of that command: an index of our own, and no other."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        pip = {"PIP_INDEX_URL": self.url, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}
        return {**kept, **pip, "GREENROOM_CACHE": str(self.cache)}

    def make(self, kind: str = "run") -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.command(kind),
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
        )

    def version(self, name: str) -> str:
        """Which release of a package the environment holds."""
        command = [str(self.root / ".venv/bin/python"), "-c", f"import project, {name}; print({name}.version)"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout.strip()
