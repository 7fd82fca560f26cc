"""Who has a volume mounted, by the kernel: with real namespaces on a real btrfs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.engine.mount_table import MountTable
from tests.contract.flocker.conftest import mounted_btrfs
from tests.contract.flocker.mounted import is_mounted, processes_with

pytestmark = pytest.mark.contract

Holding = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def pool() -> Iterator[Path]:
    with mounted_btrfs() as root:
        yield root


@pytest.fixture
def live(pool: Path) -> Path:
    return new_volume(pool, "11111111-1111-1111-1111-111111111111")


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Holding]:
    """Starts processes with a mount namespace of their own, as a container has."""
    with ExitStack() as processes:

        def start(
            script: str, *arguments: object, propagation: str = "private"
        ) -> subprocess.Popen[str]:
            return processes.enter_context(a_process(script, *arguments, propagation=propagation))

        (tmp_path / "data").mkdir()
        yield start


@contextmanager
def a_process(script: str, *arguments: object, propagation: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [
            *("unshare", "--mount", f"--propagation={propagation}", "sh", "-euc"),
            f"{script}\necho ready\nexec cat",
            *("sh", *map(str, arguments)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def new_volume(pool: Path, volume_id: str) -> Path:
    live = pool / "volumes" / volume_id / "live"
    live.parent.mkdir(parents=True)
    subprocess.run(["btrfs", "-q", "subvolume", "create", live], check=True)
    return live


BIND = 'mount --bind "$1" "$2"'
SECONDS_AT_MOST = 0.1
# SYS_exit of x86-64 and arm64; unlike exit_group, it ends only the thread that calls it.
FIRST_THREAD_ENDS = (
    "import ctypes, platform, threading;"
    "threading.Thread(target=threading.Event().wait).start();"
    'print("ready", flush=True);'
    'ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)'
)
READ_ONLY = f'{BIND}; mount -o remount,bind,ro "$2"'


@pytest.mark.parametrize("script", [BIND, READ_ONLY], ids=["writable", "read-only"])
def test_a_process_that_has_the_volume_mounted_is_found(
    live: Path, hold: Holding, tmp_path: Path, script: str
) -> None:
    assert not is_mounted(live)
    process = hold(script, live, tmp_path / "data")
    assert processes_with(live) == [process.pid]
    assert is_mounted(live)
    process.kill()
    process.wait()
    assert processes_with(live) == []
    assert not is_mounted(live)


@pytest.mark.parametrize("name", ["part", "with space\tand\\more\n#", "über", "a\rb"])
def test_a_part_of_the_volume_counts(live: Path, hold: Holding, tmp_path: Path, name: str) -> None:
    part = live / name
    part.mkdir()
    process = hold(BIND, part, tmp_path / "data")
    assert processes_with(live) == [process.pid]
    assert processes_with(part) == [process.pid]


def test_a_name_that_is_not_text_is_no_obstacle(live: Path, hold: Holding, tmp_path: Path) -> None:
    part = live / b"\xff\xfe".decode(errors="surrogateescape")
    part.mkdir()
    target = tmp_path / "data"
    process = hold('cd "$1"; mount --bind ./* "$2"', live, target)
    assert processes_with(live) == [process.pid]


def test_other_volumes_and_the_pool_itself_do_not_count(
    pool: Path, live: Path, hold: Holding, tmp_path: Path
) -> None:
    longer = new_volume(pool, f"{live.parent.name}-longer")
    beside = live.with_name("live2")
    subprocess.run(["btrfs", "-q", "subvolume", "create", beside], check=True)
    first = hold(BIND, longer, tmp_path / "data")
    second = hold(BIND, beside, tmp_path / "data")
    hold(BIND, pool, tmp_path / "data")
    assert processes_with(live) == []
    assert not is_mounted(live)
    assert processes_with(longer) == [first.pid]
    assert processes_with(beside) == [second.pid]


def test_the_same_path_on_another_pool_does_not_count(
    live: Path, hold: Holding, tmp_path: Path
) -> None:
    with mounted_btrfs() as other:
        twin = new_volume(other, live.parent.name)
        process = hold(BIND, live, tmp_path / "data")
        assert processes_with(twin) == []
        assert processes_with(live) == [process.pid]
        process.kill()
        process.wait()


def test_all_processes_of_a_namespace_are_found(live: Path, hold: Holding, tmp_path: Path) -> None:
    process = hold(f"{BIND}; sleep 600 & echo $! >&2", live, tmp_path / "data")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert processes_with(live) == sorted([process.pid, *map(int, children)])
    assert len(children) == 1


def test_a_namespace_made_within_a_container_counts(
    live: Path, hold: Holding, tmp_path: Path
) -> None:
    process = hold(f"{BIND}; unshare --mount sleep 600 &", live, tmp_path / "data")
    eventually(lambda: len(processes_with(live)), is_=2, within=10)
    assert process.pid in processes_with(live)


def test_a_chroot_hides_no_one_else(live: Path, hold: Holding, tmp_path: Path) -> None:
    """Its own table lacks what it cannot see, and it comes first."""
    process = hold(
        f"{BIND}; sleep 600 & echo ready; mkdir -p $3/usr; mount --rbind /usr $3/usr;"
        "ln -s usr/bin usr/lib usr/lib64 $3; exec chroot $3 cat",
        live, tmp_path / "data", tmp_path / "root",
    )  # fmt: skip
    eventually(
        lambda: Path(f"/proc/{process.pid}/root").readlink(), is_=tmp_path / "root", within=9
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert processes_with(live) == [int(child) for child in children]


def test_a_process_whose_root_is_the_volume_is_found(
    live: Path, hold: Holding, tmp_path: Path
) -> None:
    (live / "usr").mkdir()
    process = hold(
        f"{BIND}; mount --rbind /usr $2/usr; ln -s usr/bin usr/lib usr/lib64 $2;"
        "echo ready; exec chroot $2 cat",
        live, tmp_path / "data",
    )  # fmt: skip
    eventually(
        lambda: Path(f"/proc/{process.pid}/root").readlink(), is_=tmp_path / "data", within=9
    )
    assert processes_with(live) == [process.pid]


def test_a_process_whose_first_thread_has_ended_is_found(
    live: Path, hold: Holding, tmp_path: Path
) -> None:
    process = hold(f"{BIND}; exec python3 -c '{FIRST_THREAD_ENDS}' 2>&1", live, tmp_path / "data")
    status = Path(f"/proc/{process.pid}/status")
    eventually(lambda: "State:\tZ" in status.read_text(), is_=True, within=10)
    assert processes_with(live) == [process.pid]


def test_a_mount_made_by_hand_counts_but_nobody_is_to_blame(
    live: Path, hold: Holding, tmp_path: Path
) -> None:
    """As node-exporter and many services of systemd do: they follow the mounts of the machine."""
    base = tmp_path / "base"
    (base / "hand").mkdir(parents=True)
    with ExitStack() as mounts:
        mount_bind(mounts, base, base)
        subprocess.run(["mount", "--make-shared", base], check=True)
        follower = hold("true", propagation="slave")
        mount_bind(mounts, live, base / "hand")
        assert str(base / "hand") in Path(f"/proc/{follower.pid}/mountinfo").read_text()
        assert processes_with(live) == []
        assert is_mounted(live)
        holder = hold(BIND, live, tmp_path / "data", propagation="slave")
        # It has a copy as well, but also a mount of its own.
        assert processes_with(live) == [holder.pid]
    for process in follower, holder:
        process.kill()
        process.wait()
    assert not is_mounted(live)


def test_a_volume_that_is_put_elsewhere_is_not_at_its_place_any_more(
    live: Path, hold: Holding, tmp_path: Path
) -> None:
    process = hold(BIND, live, tmp_path / "data")
    trash = live.with_name("trash")
    live.rename(trash)
    assert processes_with(live) == []
    assert processes_with(trash) == [process.pid]


def test_a_path_with_a_symbolic_link_is_the_same_volume(
    pool: Path, live: Path, hold: Holding, tmp_path: Path
) -> None:
    process = hold(BIND, live, tmp_path / "data")
    link = tmp_path / "link"
    link.symlink_to(pool)
    assert processes_with(link / live.relative_to(pool)) == [process.pid]


def test_the_mount_on_top_is_the_one_that_is_seen(
    live: Path, hold: Holding, tmp_path: Path
) -> None:
    under = tmp_path / "under"
    under.mkdir()
    process = hold(BIND, live, tmp_path / "data")
    with ExitStack() as mounts:
        mount_bind(mounts, tmp_path, under)
        mount_bind(mounts, live, under)
        assert processes_with(under) == [process.pid]


def test_processes_that_end_meanwhile_are_passed_over(live: Path, hold: Holding) -> None:
    churn = hold("while :; do true | true; done &")
    end = time.monotonic() + 1
    while time.monotonic() < end:
        assert processes_with(live) == []
    assert churn.poll() is None


def test_a_table_of_hundreds_of_processes_is_cheap(live: Path, hold: Holding) -> None:
    hold("for _ in $(seq 300); do sleep 600 & done; for _ in $(seq 30); do "
         "unshare --mount sleep 600 & done")  # fmt: skip
    shared = min(timed(MountTable) for _ in range(5))
    assert shared < SECONDS_AT_MOST
    table = MountTable()
    many = [live.with_name(str(number)) for number in range(300)]
    assert timed(lambda: table.mounted([*many, live])) < SECONDS_AT_MOST


def test_one_look_tells_of_each_volume_who_has_it(
    pool: Path, live: Path, hold: Holding, tmp_path: Path
) -> None:
    other = new_volume(pool, f"{live.parent.name}-other")
    part = live / "part"
    part.mkdir()
    (tmp_path / "second").mkdir()
    one = hold(BIND, part, tmp_path / "data")
    both = hold(f'{BIND}; mount --bind "$3" "$4"', live, tmp_path / "data", other,
                tmp_path / "second")  # fmt: skip
    users = MountTable().users_of([live, other, part, pool / "volumes" / "unused"])
    assert users == {
        live: sorted([one.pid, both.pid]), other: [both.pid], part: [one.pid],
    }  # fmt: skip


def timed(call: Callable[[], object]) -> float:
    before = time.process_time()
    call()
    return time.process_time() - before


def mount_bind(mounts: ExitStack, source: Path, target: Path) -> None:
    subprocess.run(["mount", "--bind", source, target], check=True)
    mounts.callback(lambda: subprocess.run(["umount", target], check=True))
