"""Keeps this node's certificates young: makes each anew long before it ends.

A node that provision/node.sh has set up has authorities of its own (leaves.py). One that was given
its certificates in another way has none: there they are only watched.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flocker.base.answers import CertificateEnd
from flocker.base.background import attempt
from flocker.base.config import Config
from flocker.certificates import signing
from flocker.certificates.leaves import Leaf, leaves
from flocker.certificates.signing import DAY_SECONDS, SigningFailed

log = logging.getLogger(__name__)

CHECK_SECONDS = 3600
WARN_SECONDS = 20 * DAY_SECONDS  # ten days of renewals have failed by then
# A person has to do something. `make up` replaces a node's half a year before its end.
WARN_OF_AUTHORITY_SECONDS = 90 * DAY_SECONDS
WARN_OF_ROOT_SECONDS = 365 * DAY_SECONDS  # whatever it signs ends no later

BY_ITSELF = "`journalctl -u flocker` says why it was not made anew"
BY_HAND = "put another in its place, then type `systemctl restart flocker`"
BY_SETUP = "type `make up` where the nodes are set up from"
BY_STEPS = "docs/operations.md says under Keys how to change to new authorities"


@dataclass(frozen=True)
class Expiry:
    """When a certificate ends, in seconds since 1970.

    Attributes:
        warn_seconds: from how long before that people are told.
        advice: what they are told to do.
    """

    what: str
    ends: float
    warn_seconds: float
    advice: str


class Renewal:
    """The certificates of one node."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._expiries: list[Expiry] = []
        self._failures: dict[str, str] = {}

    def start(self, stopping: threading.Event, reload: Callable[[], object]) -> None:
        """Run in the background until `stopping` is set.

        Args:
            reload: has the daemon's connections use the new files.
        """
        threading.Thread(target=self._run, args=(stopping, reload), daemon=True).start()

    def _run(self, stopping: threading.Event, reload: Callable[[], object]) -> None:
        is_unread = False

        def look() -> None:
            nonlocal is_unread
            is_unread |= self.look()
            if is_unread:
                reload()
                is_unread = False

        while not stopping.wait(CHECK_SECONDS):
            attempt(log, "the certificates could not be looked after", look)

    def look(self) -> bool:
        """Make anew what is due, note when all of them end, and tell whether one is new."""
        failures = {}
        is_new = False
        for leaf in self._made_here():
            try:
                if not leaf.is_good():
                    leaf.make(self._config.node, self._config.address)
                    is_new = True
                    log.info("the certificate of the %s was made anew", leaf.what)
            except (SigningFailed, OSError) as error:
                failures[leaf.what] = str(error)
                log.warning("the certificate of the %s could not be made: %s", leaf.what, error)
        self._failures = failures
        self._expiries = sorted(self._read(), key=lambda each: each.ends)
        return is_new

    def problems(self) -> list[str]:
        """Describe what failed, and what ends soon, in a sentence each."""
        now = time.time()
        failed = [
            f"the certificate of the {what} could not be made anew: {why}"
            for what, why in self._failures.items()
        ]
        return failed + [
            f"the certificate of the {each.what} {'ended' if each.ends < now else 'ends'} at "
            f"{_clock(each.ends)}; {each.advice}"
            for each in self._expiries
            if each.ends - now < each.warn_seconds
        ]

    def expiries(self) -> list[CertificateEnd]:
        """List when each certificate ends, soonest first."""
        return [{"certificate": each.what, "ends": _clock(each.ends)} for each in self._expiries]

    def authority_for_etcd(self) -> str:
        """The serial number of the node's authority for etcd; empty if it has none to be read."""
        cert = self._config.certificates.folder / "authority" / "etcd" / "cert.pem"
        try:
            return signing.serial(cert) if cert.exists() else ""
        except SigningFailed as error:
            log.warning("%s cannot be read: %s", cert, error)
            return ""

    def _made_here(self) -> list[Leaf]:
        return [leaf for leaf in self._present() if (leaf.issuer / "key.pem").exists()]

    def _present(self) -> list[Leaf]:
        """The certificates of this node: one without a member of etcd has none for it."""
        found = leaves(self._config.certificates.folder, self._config.member_certificates)
        return [leaf for leaf in found if leaf.folder.is_dir()]

    def _read(self) -> Iterator[Expiry]:
        for leaf in self._present():
            is_made_here = (leaf.issuer / "key.pem").exists()
            advice = BY_ITSELF if is_made_here else BY_HAND
            yield from _expiry(leaf.what, leaf.folder / "cert.pem", WARN_SECONDS, advice)
        certs = self._config.certificates
        own = certs.folder / "authority"
        for what, file in {
            "node's authority": own / "drivers" / "cert.pem",
            "node's authority for etcd": own / "etcd" / "cert.pem",
        }.items():
            yield from _expiry(what, file, WARN_OF_AUTHORITY_SECONDS, BY_SETUP)
        for what, file in {
            "cluster's authority": certs.ca,
            "cluster's authority for etcd": certs.for_etcd.ca,
        }.items():
            yield from _expiry(what, file, WARN_OF_ROOT_SECONDS, BY_STEPS)


def _expiry(what: str, file: Path, warn_seconds: float, advice: str) -> Iterator[Expiry]:
    """Read one file, if it is there."""
    if file.exists():
        try:
            yield Expiry(what, signing.ends(file), warn_seconds, advice)
        except SigningFailed as error:
            log.warning("it is not known when the certificate of the %s ends: %s", what, error)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
