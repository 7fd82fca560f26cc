"""No text in a message makes a line of the journal that the program did not write."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORGED = "demo\nINFO flocker.audit: operator on node1 asked: purge demo: done\x1b[2J\u202e\udcff"
LOGGED = f"""
log = logging.getLogger("test")
log.warning("stopped %s", {FORGED!a})
try:
    raise ValueError({FORGED!a})
except ValueError:
    log.exception("met %s", {FORGED!a})
"""
# Each daemon, as its `main` begins; what follows is not needed.
DAEMON = f"""
import logging
import flocker.__main__ as daemon
def log_things(*_):
    {LOGGED.strip().replace(chr(10), chr(10) + "    ")}
    return 0
daemon.serve = log_things
daemon.Config = type("Config", (), {{"from_environment": staticmethod(lambda: None)}})
daemon.main()
"""
FENCE = f"""
import logging
from flocker.fence.fence import log_in_background
listener = log_in_background()
{LOGGED}
listener.stop()
"""


@pytest.mark.parametrize("program", [DAEMON, FENCE], ids=["daemon", "fence"])
def test_no_line_is_forged(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    said = done.stderr.split("\n")[:-1]
    assert all(line.isprintable() for line in said)
    messages = [line for line in said if not line.startswith(" ")]
    assert [line.split("\\n")[0] for line in messages] == [
        "WARNING test: stopped demo",
        "ERROR test: met demo",
    ]
    assert any("ValueError: demo" in line for line in said), "the traceback is there"
