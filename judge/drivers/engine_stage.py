"""An engine with the driver as its plugin, and the docker commands of the trials of level 2."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from acceptance.base.waiting import NeverCame, eventually
from judge.drivers.here import AtHand
from judge.drivers.names import fresh_name
from judge.drivers.profile import Profile
from judge.drivers.recording_proxy import RecordingProxy
from judge.drivers.trial import Broken, require
from judge.machine.engine import COMMAND_SECONDS, IMAGE, OwnEngine

LABEL = "judged=yes"


@dataclass(frozen=True)
class EngineStage:
    """The engine; `proxy` stands between it and the driver, unless the driver is its own."""

    driver: AtHand
    proxy: RecordingProxy | None

    @property
    def engine(self) -> OwnEngine:
        """The engine itself."""
        return self.driver.engine

    @property
    def profile(self) -> Profile:
        """The driver's profile."""
        return self.driver.profile

    def docker(self, *command: str, within: float = COMMAND_SECONDS) -> str:
        """Return the output of a docker command that has to succeed.

        Raises:
            Broken: it failed, or took longer than so many seconds.
        """
        done = self.attempt(*command, within=within)
        said = " ".join(done.stderr.split())
        require(done.returncode == 0, f"`docker {' '.join(command[:3])} …` failed: {said}")
        return done.stdout.strip()

    def attempt(
        self, *command: str, within: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a docker command that may fail.

        Raises:
            Broken: it took longer than so many seconds.
        """
        try:
            return self.engine.try_docker(*command, within=within)
        except subprocess.TimeoutExpired as error:
            raise Broken(
                f"`docker {' '.join(command[:3])} …` took longer than {within:.0f} s"
            ) from error

    def options(self, name: str, more: dict[str, str] | None = None) -> dict[str, str]:
        """The options of a volume of that name."""
        assert self.profile.here is not None
        wanted = {**self.profile.here.options, **(more or {})}
        words = {**self.driver.words, "volume": name}
        return {key: value.format_map(words) for key, value in wanted.items()}

    def creation(self, name: str, more: dict[str, str] | None = None) -> list[str]:
        """The docker command that creates a volume."""
        options = [f"--opt={key}={value}" for key, value in self.options(name, more).items()]
        return [
            *("volume", "create", "--driver", self.profile.driver, "--label", LABEL),
            *(*options, name),
        ]

    @contextmanager
    def volume(self, more: dict[str, str] | None = None, *, name: str = "") -> Iterator[str]:
        """A volume that exists meanwhile; afterwards containers that use it are gone, too."""
        name = name or fresh_name()
        self.docker(*self.creation(name, more))
        try:
            yield name
        finally:
            self._tidy(name)

    def start(self, volume: str, *arguments: str, program: str = "sleep 600") -> str:
        """Start a container with the volume at /data; its name."""
        container = fresh_name()
        self.docker(
            *("run", "--detach", "--name", container, "--network", "none"),
            *("--volume", "/usr:/usr:ro", "--volume", f"{volume}:/data"),
            *(*arguments, IMAGE, "sh", "-c", program),
        )
        return container

    def run(self, volume: str, program: str, *arguments: str, mode: str = "rw") -> str:
        """Return the output of a container that has to succeed, with the volume at /data."""
        return self.docker(*self.running(volume, program, *arguments, mode=mode))

    def running(
        self, volume: str, program: str, *arguments: str, mode: str = "rw"
    ) -> tuple[str, ...]:
        """The docker command of `run`."""
        return (
            *("run", "--rm", "--network", "none", "--volume", "/usr:/usr:ro"),
            *("--volume", f"{volume}:/data:{mode}", *arguments, IMAGE, "sh", "-c", program),
        )

    def inside(self, container: str, program: str) -> str:
        """Return the output of a program in a running container, which has to succeed."""
        return self.docker("exec", container, "sh", "-c", program)

    def remove(self, *containers: str) -> None:
        """Remove containers, running or not."""
        self.docker("rm", "--force", *containers)

    def require_in_use(self, volume: str, after: str) -> None:
        """Make sure that the driver refuses to remove the volume.

        Raises:
            Broken: it removes the volume.
        """
        if self.driver.plugin is not None:  # the engine would refuse, and not ask the driver
            answer = self.driver.plugin.ask("Remove", Name=volume)
            require(answer.error != "", f"after {after} the driver removed a volume in use")

    def require_no_use(self, volume: str) -> None:
        """Make sure that nothing uses the volume any more, by removing it.

        Raises:
            Broken: it is in use, also after a while.
        """
        if self.proxy is not None:
            left = self.proxy.uses(volume)
            require(not left, f"the engine mounted more often than it unmounted: {left}")
        self.require_removable(volume)

    def require_removable(self, volume: str) -> None:
        """Make sure that the volume can be removed, at the latest after a while."""
        said = ""

        def is_removed() -> bool:
            nonlocal said
            done = self.attempt("volume", "rm", volume)
            said = " ".join(done.stderr.split())
            return done.returncode == 0

        try:
            eventually(is_removed, is_=True, within=self.profile.budgets.release)
        except NeverCame as error:
            raise Broken(f"{volume} cannot be removed: {said}") from error

    def inspect(self, volume: str) -> dict[str, Any]:
        """Return the answer of `docker volume inspect`."""
        found: dict[str, Any] = json.loads(self.docker("volume", "inspect", volume))[0]
        return found

    def seconds(self, *command: str) -> float:
        """Time a docker command that has to succeed, in seconds."""
        started = time.monotonic()
        self.docker(*command)
        return time.monotonic() - started

    def _tidy(self, volume: str) -> None:
        users = self.attempt("ps", "--all", "--quiet", "--filter", f"volume={volume}")
        if users.stdout.split():
            self.attempt("rm", "--force", *users.stdout.split())
        self.attempt("volume", "rm", "--force", volume)
