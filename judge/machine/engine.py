"""A real dockerd of our own: its containers run this machine's programs, without a network."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acceptance.base.waiting import eventually
from judge.machine import signals

IMAGE = "machine"
COMMAND_SECONDS = 60


class OwnEngine:
    """A dockerd with its state in `folder`, whose path must be short: it holds sockets.

    `keeps_containers` says whether containers continue while it is away, from its next start on.
    """

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "docker.sock"
        self.keeps_containers = True
        self._folder = folder
        self._containerd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start_containerd(self) -> None:
        """Start what runs the containers: as on a node it outlives dockerd."""
        config = self._folder / "containerd.toml"
        config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        with (self._folder / "containerd.log").open("ab") as log:
            self._containerd = subprocess.Popen(
                [
                    "containerd",
                    *("--config", str(config)),
                    *("--address", str(self._folder / "containerd.sock")),
                    *("--root", str(self._folder / "containerd")),
                    *("--state", str(self._folder / "run")),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests, which then end it
            )
        eventually((self._folder / "containerd.sock").exists, is_=True, within=60)

    def start(self) -> None:
        """Start it and wait for its answer."""
        config = self._folder / "daemon.json"
        config.write_text(json.dumps({"live-restore": self.keeps_containers}))
        with (self._folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    # An engine without a bridge deletes docker0, which may be another one's.
                    *("unshare", "--net"),
                    "dockerd",
                    *("--config-file", str(config)),
                    *("--data-root", str(self._folder / "data")),
                    *("--exec-root", str(self._folder / "exec")),
                    *("--pidfile", str(self._folder / "pid")),
                    *("--host", f"unix://{self.socket}"),
                    *("--containerd", str(self._folder / "containerd.sock")),
                    *("--storage-driver", "vfs"),
                    *("--bridge", "none"),
                    *("--iptables=false", "--ip-forward=false"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._answers, is_=True, within=60)

    def signal(self, number: signal.Signals) -> None:
        """Send dockerd a signal: SIGSTOP has it hang, SIGKILL is its sudden death."""
        assert self._process is not None
        signals.send(self._process, number)
        if number == signal.SIGKILL:
            self._process.wait()

    def docker(self, *command: str) -> str:
        """Return the output of a docker command that has to succeed."""
        done = self.try_docker(*command)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def try_docker(
        self, *command: str, within: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a docker command, which may fail.

        Raises:
            subprocess.TimeoutExpired: it took longer than so many seconds.
        """
        return subprocess.run(
            ["docker", "--host", f"unix://{self.socket}", *command],
            capture_output=True, text=True, check=False, timeout=within,
        )  # fmt: skip

    def run(self, name: str, *arguments: str, volume: str = "", program: str = "sleep 600") -> None:
        """Start a container; `volume` is mounted at /data."""
        mounts = ["--volume", "/usr:/usr:ro", *(["--volume", f"{volume}:/data"] if volume else [])]
        self.docker(
            *("run", "--detach", "--network", "none", "--name", name),
            *(*mounts, *arguments, IMAGE, "sh", "-c", program),
        )

    def state(self, name: str) -> str:
        """running, paused, restarting, exited ..."""
        return self.docker("inspect", "--format", "{{.State.Status}}", name)

    def end(self) -> None:
        """End dockerd, and not what runs the containers."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def log(self) -> str:
        """The log of dockerd so far."""
        return (self._folder / "dockerd.log").read_text()

    def remove_all(self) -> None:
        """Leave no container, and no volume."""
        self.remove_containers()
        volumes = self.docker("volume", "ls", "--quiet").split()
        if volumes:
            self.docker("volume", "rm", *volumes)

    def remove_containers(self) -> None:
        """Leave no container."""
        containers = self.docker("ps", "--all", "--quiet").split()
        if containers:
            self.docker("rm", "--force", *containers)

    def end_containers(self) -> None:
        """Leave no container, even if dockerd has died: they outlive it."""
        if self._process is None:
            return
        if self._process.poll() is not None:
            self.start()
        self.remove_containers()

    def stop(self) -> None:
        """End it; only then is the folder its own no more."""
        for process in (self._process, self._containerd):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(60)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "dockerd.log").read_text()
        asked = ["docker", "--host", f"unix://{self.socket}", "version"]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@contextmanager
def own_engine() -> Iterator[OwnEngine]:
    """A running engine with an image of nothing but links to the machine's programs."""
    folder = Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp"))
    engine = OwnEngine(folder)
    try:
        engine.start_containerd()
        engine.start()
        root = folder / "root"
        root.mkdir()
        for name in ("bin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        subprocess.run(["tar", "-C", root, "-cf", folder / "image.tar", "."], check=True)
        engine.docker("import", str(folder / "image.tar"), IMAGE)
        yield engine
    finally:
        try:
            engine.end_containers()
        finally:
            engine.stop()
            unmount_below(folder)
        shutil.rmtree(folder)


def unmount_below(folder: Path) -> None:
    """Unmount whatever a dockerd that was killed has forgotten."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [point for point in (line.split()[4] for line in lines) if f"{folder}/" in point]
    for point in reversed(points):
        subprocess.run(["umount", point], check=True)
