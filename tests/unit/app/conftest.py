"""The app is not installed here: it is what box/ copies into an image."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "app" / "web"))
