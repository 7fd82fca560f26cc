"""Signals to programs that a test has started."""

from __future__ import annotations

import os
import signal
import subprocess


def send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal; after SIGSTOP wait until all threads stand still.

    On a busy machine one that runs at that moment may go on for a while, and answer.
    """
    process.send_signal(number)
    if number == signal.SIGSTOP:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
