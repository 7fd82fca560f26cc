"""A run that was killed leaves nothing for good, and nobody removes what a run still has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.flocker.own_folder import own_folder

HOLDS = """
import sys
from pathlib import Path
from tests.unit.flocker.own_folder import own_folder
with own_folder(Path(sys.argv[1])) as folder:
    (folder / "file").touch()
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_only_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)],
        cwd=Path(__file__).parents[3], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        held = Path(other.stdout.readline().strip())
        with own_folder(tmp_path) as mine:
            assert sorted(tmp_path.iterdir()) == sorted([mine, held])
        assert list(tmp_path.iterdir()) == [held]
        other.kill()
    assert (held / "file").exists()
    with own_folder(tmp_path) as mine:
        assert list(tmp_path.iterdir()) == [mine]
