"""File systems of Debian packages, as tar files: what mmdebstrap makes of a `System`."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from box import apt
from box.recipe import EPOCH_SECONDS, EXCLUDED_PATHS, INCLUDED_PATHS, SUITE, System
from host import LOGS, ROOT, progress

BOX = ROOT / "box"
LEAVE_NO_TRACE = "customise/leave-no-trace"

# mmdebstrap of a node keeps one core busy for a minute, all the others together do for less.
_AT_A_TIME = 2


def build(title: str, layers: Sequence[tuple[System, Path]]) -> None:
    """Make layers, as a step of that title; each appears only when it is whole.

    The same packages and the same files of this folder make the same layer, byte for byte.

    Raises:
        progress.StepFailed: a build failed; its log is quoted.
        apt.NoMirror: packages cannot be had.
        subprocess.CalledProcessError: apt refuses; its reason is in `stderr`.
    """
    host_apt = apt.from_host(SUITE)
    with progress.step(title), ThreadPoolExecutor(_AT_A_TIME) as pool:
        list(pool.map(lambda made: _build(made[0], made[1], host_apt), layers))


def _build(system: System, layer: Path, host_apt: apt.Apt) -> None:
    log = LOGS / f"box-{system.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layer.parent) as scratch, log.open("wb") as output:
        partial = Path(scratch) / "layer.tar"
        sources = Path(scratch) / "sources.list"
        sources.write_text("\n".join(host_apt.sources) + "\n")
        options = Path(scratch) / "apt.conf"
        options.write_text("\n".join(host_apt.options) + "\n")
        command = ["mmdebstrap", *_options(system, options), SUITE, str(partial), str(sources)]
        environment = {**os.environ, "TMPDIR": scratch, "SOURCE_DATE_EPOCH": str(EPOCH_SECONDS)}
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=environment, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise progress.StepFailed(
                f"mmdebstrap of {system.name} ended with status {done.returncode}; the end of "
                f"{log}:\n{progress.last_lines(log)}"
            )
        partial.rename(layer)


def _options(system: System, apt_options: Path) -> list[str]:
    """The options of mmdebstrap that make a system."""
    last = "extract" if system.variant == "extract" else "customize"
    last_scripts = (*system.customise, LEAVE_NO_TRACE)
    return [
        "--mode=root",
        f"--variant={system.variant}",
        f"--include={','.join(system.packages)}",
        f"--aptopt={apt_options}",
        "--dpkgopt=force-unsafe-io",  # a build that dies is built again
        *(f"--dpkgopt=path-exclude={path}" for path in EXCLUDED_PATHS + system.excluded),
        *(f"--dpkgopt=path-include={path}" for path in INCLUDED_PATHS),
        *(f'--essential-hook="{BOX / script}" "$1"' for script in system.prepare),
        *(f'--{last}-hook="{BOX / script}" "$1"' for script in last_scripts),
        *([] if system.has_devices else ["--skip=output/dev"]),
    ]
