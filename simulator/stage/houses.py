"""The class that `house = "module:class"` in a scenario names; its module may lie in the current folder."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from simulator.nodeproc import SimulatorError

_FORM = 'write "module:class" of a module that is installed or lies in the current folder'


def house_class(text: str) -> Any:
    """Return the class; SimulatorError says what is wrong with the name, or with its module."""
    module, _, name = text.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:  # as with `python -m`, which the house's own process is started by
        sys.path.append(here)
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # something that the module needs itself
        raise SimulatorError(f"gateway.house: there is no module {error.name!r}; {_FORM}") from None
    except (AttributeError, ValueError) as error:
        raise SimulatorError(f"gateway.house: {text!r}: {error}; {_FORM}") from None
