"""The part of a measurement that runs on a node, as root, with Debian's Python alone.

    python3 -BI /vagrant/bench/on_node.py fill FOLDER CONTENT SIZE_BYTES SEED
    python3 -BI /vagrant/bench/on_node.py change FOLDER TOKEN
    python3 -BI /vagrant/bench/on_node.py digest FOLDER
    python3 -BI /vagrant/bench/on_node.py delete PATH...
    python3 -BI /vagrant/bench/on_node.py time COMMAND...
    python3 -BI /vagrant/bench/on_node.py forget-peak
    python3 -BI /vagrant/bench/on_node.py used
    python3 -BI /vagrant/bench/on_node.py append POOL SECONDS ID...
    python3 -BI /vagrant/bench/on_node.py ages POOL SECONDS ID...

Each prints one JSON value on standard output.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

FILE_BYTES = 10_000_000
SMALL_FILE_BYTES = 4096
SMALL_FILES_PER_FOLDER = 1000
PAGE_BYTES = 4096
CHANGED_BYTES = 25 * PAGE_BYTES  # of each file: 1.02 %
CHANGED_SMALL_FILES = 100  # one in so many: 1 %
CHUNK_BYTES = 1 << 20
PROOF = "proof"

SUBVOLUME_INODE = 256  # of the top of every btrfs subvolume, and of nothing else in one

LOG = "log"  # what `append` writes to and `ages` reads
WRITES_PER_SECOND = 2
AGES_PER_SECOND = 2

CPU_V2 = Path("/sys/fs/cgroup/cpu.stat")
CPU_V1 = Path("/sys/fs/cgroup/cpuacct/cpuacct.usage")
RESET_PEAK = "5"  # proc(5), clear_refs: the peak becomes what is in memory now


def fill(folder: Path, content: str, size_bytes: int, seed: str) -> int:
    """Fill a folder with data that depends on `seed` alone; the number of files.

    Args:
        content: "random" or "text" (which gzip makes a fourth of), in files of 10 MB; "small":
            random in files of 4 KiB, a thousand to a folder.
    """
    files = 0
    with _random_stream(seed) as random:
        if content == "small":
            for number in range(size_bytes // SMALL_FILE_BYTES):
                path = folder / f"{number // SMALL_FILES_PER_FOLDER:03}" / f"{number:06}"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(random.read(SMALL_FILE_BYTES))
                files += 1
        else:
            for number in range(size_bytes // FILE_BYTES):
                with (folder / f"{number:06}").open("wb") as file:
                    _write_file(file, random, is_text=content == "text")
                files += 1
    _flush(folder)
    return files


def change(folder: Path, token: str) -> int:
    """Write 1 % of the data anew, in place, and `token` into the file `proof`; the bytes written.

    What an app writes while it runs: files keep their names and sizes. It is on disk afterwards.
    """
    written = 0
    files = sorted(path for path in folder.rglob("[0-9]*") if path.is_file())
    with _random_stream(token) as random:
        for number, path in enumerate(files):
            size = path.stat().st_size
            if size <= SMALL_FILE_BYTES and number % CHANGED_SMALL_FILES:
                continue
            with path.open("r+b") as file:
                file.seek(_changed_offset(size))
                written += file.write(random.read(min(size, CHANGED_BYTES)))
    written += (folder / PROOF).write_text(token)
    _flush(folder)
    return written


def digest(folder: Path) -> str:
    """One hash of all files below a folder: their names, modes, sizes, and what `change` rewrites.

    That part alone, because reading 4 GB twice would take longer than most moves.
    """
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found = path.stat()
        whole.update(f"{path.relative_to(folder)}\0{found.st_mode:o}\0{found.st_size}\0".encode())
        with path.open("rb") as file:
            file.seek(_changed_offset(found.st_size))
            whole.update(file.read(CHANGED_BYTES))
    return whole.hexdigest()


def delete(*paths: str) -> int:
    """Delete folders with all subvolumes in them; the number of subvolumes there were.

    Those that do not exist are passed over. The pool has their room again soon after: waiting for
    it would take longer than most of what is measured.
    """
    found = [Path(path) for path in paths if Path(path).exists()]
    subvolumes = [
        folder
        for path in found
        for folder, _, _ in os.walk(path, topdown=False)
        if Path(folder).stat().st_ino == SUBVOLUME_INODE
    ]
    if subvolumes:
        _btrfs("subvolume", "delete", *subvolumes)
    for path in found:
        if path.exists():
            shutil.rmtree(path)
        # Wakes the kernel's cleaner, which else comes by every 30 s.
        _btrfs("filesystem", "sync", str(path.parent))
    return len(subvolumes)


def time_command(*command: str) -> float:
    """The seconds that a command took, which must not fail."""
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def forget_peak() -> None:
    """Have the kernel count the daemon's peak memory from now on."""
    (_daemon() / "clear_refs").write_text(RESET_PEAK)


def used() -> dict[str, float]:
    """Return the CPU seconds of this node since it started, and those of the daemon.

    The daemon's include the programs that it ran; its peak memory is told too.
    """
    return {
        "cpu_seconds": _cpu_seconds(),
        "daemon_cpu_seconds": _daemon_cpu_seconds(),
        "daemon_peak_bytes": _daemon_peak_bytes(),
    }


def append(pool: Path, seconds: float, *volume_ids: str) -> int:
    """Append the time to a file in each of these volumes twice a second; how often each was.

    The volumes take turns, so that their writes are spread over the time.
    """
    logs = [pool / "volumes" / volume_id / "live" / LOG for volume_id in volume_ids]
    began, rounds = time.monotonic(), 0
    while time.monotonic() < began + seconds:
        for number, log in enumerate(logs):
            due = began + (rounds + number / len(logs)) / WRITES_PER_SECOND
            # The pace of the load is what is measured, so it is kept by the clock.
            time.sleep(max(0, due - time.monotonic()))
            with log.open("a") as file:
                file.write(f"{time.time()}\n")
        rounds += 1
    return rounds


def ages(pool: Path, seconds: float, *volume_ids: str) -> list[float]:
    """Return how old the last line is that a replica here has, of each of these volumes.

    Replicas are looked at again and again, for so many seconds.
    """
    found: list[float] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for volume_id in volume_ids:
            lines = _newest(pool / "volumes" / volume_id / "snapshots")
            found += [time.time() - float(line) for line in lines[-1:]]
        # Samples of an age are taken at an even pace: there is no state to wait for.
        time.sleep(1 / AGES_PER_SECOND)
    return found


def _newest(snapshots: Path) -> list[str]:
    """The lines in the newest snapshot that is complete."""
    names = {path.name for path in snapshots.iterdir()} if snapshots.is_dir() else set()
    complete = [int(name) for name in names if name.isdecimal() and f"{name}.arriving" not in names]
    for number in sorted(complete, reverse=True):
        try:
            return (snapshots / str(number) / LOG).read_text().splitlines()
        except FileNotFoundError:  # pruned meanwhile, or from before the first line
            continue
    return []


@contextmanager
def _random_stream(seed: str) -> Iterator[IO[bytes]]:
    """Bytes that nothing can compress, the same for the same seed, faster than the disk."""
    key = hashlib.sha256(seed.encode()).hexdigest()
    cipher = subprocess.Popen(
        ["openssl", "enc", "-aes-256-ctr", "-K", key, "-iv", "0" * 32, "-in", "/dev/zero"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert cipher.stdout is not None
    try:
        yield cipher.stdout
    finally:
        cipher.kill()
        cipher.wait()
        cipher.stdout.close()


def _write_file(file: IO[bytes], random: IO[bytes], *, is_text: bool) -> None:
    left = FILE_BYTES
    while left:
        size = min(left, CHUNK_BYTES)
        file.write(_text(random, size) if is_text else random.read(size))
        left -= size


def _text(random: IO[bytes], size: int) -> bytes:
    """Hexadecimal digits, each line twice: half for the digits, half for the repetition."""
    lines = random.read(-(-size // 4))
    width = PAGE_BYTES // 4
    pages = (lines[start : start + width].hex() for start in range(0, len(lines), width))
    return "".join(page + page for page in pages).encode()[:size]


def _changed_offset(size: int) -> int:
    """The middle of a large file, the start of a small one."""
    return 0 if size <= SMALL_FILE_BYTES else size // 2 // PAGE_BYTES * PAGE_BYTES


def _flush(folder: Path) -> None:
    subprocess.run(["sync", "--file-system", str(folder)], check=True)


def _btrfs(*arguments: str) -> None:
    subprocess.run(["btrfs", *arguments], check=True, stdout=subprocess.DEVNULL)


def _cpu_seconds() -> float:
    if CPU_V2.exists():
        found = re.search(r"^usage_usec (\d+)$", CPU_V2.read_text(), re.MULTILINE)
        assert found, f"no usage_usec in {CPU_V2}"
        return int(found[1]) / 1e6
    return int(CPU_V1.read_text()) / 1e9


def _daemon() -> Path:
    asked = ["systemctl", "show", "--property=MainPID", "--value", "flocker.service"]
    pid = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    return Path("/proc") / pid


def _daemon_cpu_seconds() -> float:
    stat = _daemon() / "stat"
    if not stat.exists():
        return 0
    # proc(5): utime, stime, and those of children that ended, are the 14th to the 17th field.
    ticks = stat.read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _daemon_peak_bytes() -> int:
    status = _daemon() / "status"
    if not status.exists():  # it is not running: MainPID is 0
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def main(arguments: list[str]) -> int:
    """Run one command."""
    commands: dict[str, Callable[..., object]] = {
        "fill": lambda folder, content, size, seed: fill(Path(folder), content, int(size), seed),
        "change": lambda folder, token: change(Path(folder), token),
        "digest": lambda folder: digest(Path(folder)),
        "delete": delete,
        "time": time_command,
        "forget-peak": forget_peak,
        "used": used,
        "append": lambda pool, seconds, *ids: append(Path(pool), float(seconds), *ids),
        "ages": lambda pool, seconds, *ids: ages(Path(pool), float(seconds), *ids),
    }
    print(json.dumps(commands[arguments[0]](*arguments[1:])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
