"""Modules that stand in for others in new processes."""

import os
from pathlib import Path


def with_stub(folder: Path, module: str, code: str) -> dict[str, str]:
    """An environment in which importing the module runs this code; sitecustomize is imported at every start."""
    folder.mkdir()
    (folder / f"{module}.py").write_text(code)
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": paths}
