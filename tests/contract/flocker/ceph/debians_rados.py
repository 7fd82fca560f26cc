"""Ceph's own module `rados`, of Debian's package, for tests that run in a virtual environment.

The driver runs with the system's Python, which finds it.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

PACKAGES = Path("/usr/lib/python3/dist-packages")


def load() -> None:
    """Have `import rados` find it, and nothing else of Debian's packages. Safe to repeat."""
    if "rados" in sys.modules:
        return
    files = [PACKAGES / f"rados{suffix}" for suffix in EXTENSION_SUFFIXES]
    file = str(next(each for each in files if each.exists()))
    spec = spec_from_file_location("rados", file, loader=ExtensionFileLoader("rados", file))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["rados"] = module
