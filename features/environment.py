"""behave looks for its hooks only here; they are in the top folder.

They are loaded by path: behave may be started in any folder, an editor's default for one.
"""

import runpy
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]

sys.path.insert(0, str(TOP))
globals().update(runpy.run_path(str(TOP / "environment.py")))
