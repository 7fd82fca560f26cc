"""Has this node's member of etcd refuse whoever is not trusted any more, and was trusted once.

etcd knows no roles and no names: it lets in everybody whose certificate leads to the cluster's
authority. So it gets a list of nodes' authorities that it must not believe: of nodes that were
retired, and those that a node had before its present one. etcd reads that file at every handshake
and refuses who shows one of them, as everybody must whose certificate one of them signed. It
looks neither at who signed the list nor at its dates.
"""

from __future__ import annotations

import logging
import re
import threading

from flocker.base import private
from flocker.base.background import attempt
from flocker.base.config import Config
from flocker.certificates import signing
from flocker.certificates.leaves import REFUSED
from flocker.certificates.signing import SigningFailed
from flocker.consensus.mirror import Mirror

log = logging.getLogger(__name__)

CHECK_SECONDS = 5
SERIAL = re.compile("([0-9A-F]{2}){1,20}")


class Refusals:
    """The list of one node's member of etcd, kept as the mirror says; none where is no member."""

    def __init__(self, config: Config, mirror: Mirror) -> None:
        self._mirror = mirror
        self._file = config.member_certificates / REFUSED
        self._issuer = config.certificates.folder / "authority" / "etcd"
        self._written: object = None  # what is listed, and the file it was written to
        self._problem = ""

    def start(self, stopping: threading.Event) -> None:
        """Run in the background until `stopping` is set."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(CHECK_SECONDS):
            attempt(log, "etcd could not be told whom to refuse", self.look)

    def problems(self) -> list[str]:
        """Why the list is not as it has to be, for people."""
        return [self._problem] if self._problem else []

    def look(self) -> None:
        """Write the list anew if it is not, or may not be, what the mirror says."""
        if not (self._file.parent.is_dir() and (self._issuer / "key.pem").exists()):
            return
        # Records from before may be fewer than those that are listed. Nothing is less than no
        # list: without one etcd refuses everybody.
        if self._file.exists() and not self._mirror.is_connected:
            return
        known = self._mirror.state.refused
        serials = sorted(serial for serial in known if SERIAL.fullmatch(serial))
        if self._written == (serials, self._there()):
            return
        try:
            made = signing.revocations(serials, self._issuer)
            private.write_together(self._file.parent, {self._file.name: made})
        except (SigningFailed, OSError) as error:
            problem = (
                f"{self._file} could not be written, so etcd here may let in who is not trusted "
                f"any more: {error}"
            )
            if problem != self._problem:  # once, not at every attempt
                log.warning("%s", problem)
            self._problem = problem
        else:
            self._problem = ""
            self._written = serials, self._there()
            log.info("etcd here refuses %s", ", ".join(sorted(set(known.values()))) or "nobody")

    def _there(self) -> tuple[int, int, int] | None:
        """Return marks that change when anybody else writes the file; None: it is not there."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
