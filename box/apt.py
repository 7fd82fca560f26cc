"""Where this host gets Debian packages from, and how: asked of apt, no mirror is named here."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# One line per index the host knows; the labels are Debian's own, whatever the mirror is called.
_TARGET_FORMAT = "$(ORIGIN)|$(LABEL)|$(REPO_URI)|$(COMPONENT)"
_SUITES_BY_LABEL = {"Debian": ("{0}", "{0}-updates"), "Debian-Security": ("{0}-security",)}

# What decides whether a download works from here: proxies, certificates, retries, old mirrors.
_DOWNLOAD_OPTION = re.compile(
    r'^Acquire::(?:(?:https?|ftp|tor)::|Retries |ForceIPv[46] |Check-Valid-Until |Check-Date ).*";$'
)


class NoMirror(Exception):
    """The host's apt knows no Debian mirror."""


@dataclass(frozen=True)
class Apt:
    """The way to fetch a suite from this host: lines of sources.list, and apt options."""

    sources: tuple[str, ...]
    options: tuple[str, ...]


def from_host(suite: str) -> Apt:
    """Ask the host's apt.

    Raises:
        NoMirror: no index of Debian is configured, or `apt-get update` never ran.
        subprocess.CalledProcessError: apt refuses, with its reason in `stderr`.
    """
    targets = _output("apt-get", "indextargets", "--format", _TARGET_FORMAT, "Created-By: Packages")
    return Apt(
        sources=sources(targets.splitlines(), suite),
        options=download_options(_output("apt-config", "dump").splitlines()),
    )


def sources(targets: list[str], suite: str) -> tuple[str, ...]:
    """sources.list lines for `suite`, from the mirrors and components of the host's own suites.

    Args:
        targets: lines `origin|label|repository URI|component` of `apt-get indextargets`.

    Raises:
        NoMirror: see above.
    """
    components: dict[tuple[str, str], list[str]] = {}
    for target in targets:
        origin, label, uri, component = target.split("|")
        if origin != "Debian" or uri.startswith("cdrom:"):
            continue
        known = components.setdefault((label, uri), [])
        if component not in known:
            known.append(component)
    if "Debian" not in {label for label, _ in components}:
        raise NoMirror("apt knows no Debian mirror; run `apt-get update` and look at its errors")
    return tuple(
        f"deb [signed-by={KEYRING}] {uri} {pattern.format(suite)} {' '.join(parts)}"
        for (label, uri), parts in components.items()
        for pattern in _SUITES_BY_LABEL.get(label, ())
    )


def download_options(config: list[str]) -> tuple[str, ...]:
    """The lines of `apt-config dump` that say how to download (proxy, certificates ...)."""
    return tuple(line for line in config if _DOWNLOAD_OPTION.match(line))


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
