"""Level 2, an engine; longer than 300 lines because all trials of one level are here.

One engine uses the driver, while containers, the engine and the driver come and go.
"""

from __future__ import annotations

import json
import shutil
import signal

from acceptance.base.waiting import NeverCame, eventually_true
from judge.drivers.engine_stage import EngineStage
from judge.drivers.names import fresh_name
from judge.drivers.trial import Broken, NotTried, Trial, require
from judge.machine.engine import IMAGE

MEGABYTE = 1 << 20
FILL_FACTOR = 2  # of the limit that must not be exceeded
PS_SECONDS = 10
LIST_SECONDS = 60  # the engine gives a dead driver about 15 s
PROGRESS_SECONDS = 30
USER = "1000:1000"
LOGGING = "while true; do date +%s.%N >> /data/log; sleep 0.2; done"
REDIS = "redis-server --dir /data --appendonly yes --appendfsync always --port 0 --save ''"
REDIS_SOCKET = "/tmp/redis.sock"  # noqa: S108 - in a container


def creates_once(stage: EngineStage) -> None:
    """Row 2."""
    with stage.volume() as name:
        stage.run(name, "echo kept > /data/note")
        stage.docker(*stage.creation(name))
        kept = stage.run(name, "cat /data/note")
        require(kept == "kept", f"after a second `docker volume create` the file says {kept!r}")


def refuses_other_options(stage: EngineStage) -> None:
    """Row 3, for the driver inside the engine: engines do not ask others a second time."""
    if not stage.profile.is_engines_own:
        raise NotTried("an engine does not pass on a second Create")
    with stage.volume() as name:
        done = stage.attempt(*stage.creation(name, stage.profile.other_options))
        require(done.returncode != 0, f"{stage.profile.other_options} was accepted, and ignored")


def refuses_bad_options(stage: EngineStage) -> None:
    """Row 4."""
    if not stage.profile.bad_options:
        raise NotTried("the profile has no bad_options")
    name = fresh_name()
    done = stage.attempt(*stage.creation(name, stage.profile.bad_options))
    stage.attempt("volume", "rm", "--force", name)
    require(done.returncode != 0, f"{stage.profile.bad_options} was accepted")


def keeps_names_apart(stage: EngineStage) -> None:
    """Row 5."""
    with stage.volume(name="Judged") as upper, stage.volume(name="judged") as lower:
        stage.run(upper, "echo upper > /data/note")
        seen = stage.run(lower, "ls /data")
        require(seen == "", f"'Judged' and 'judged' share {seen}")


def lists_what_there_is(stage: EngineStage) -> None:
    """Row 7."""
    with stage.volume() as name:
        require(name in _listed(stage), "`docker volume ls` leaves out a volume")
        found = stage.inspect(name)
        require(found["Name"] == name, f"`docker volume inspect` shows {found['Name']}")
    require(name not in _listed(stage), "`docker volume ls` has a volume that was removed")


def says_a_status(stage: EngineStage) -> None:
    """Row 8."""
    with stage.volume() as name:
        status = stage.inspect(name).get("Status")
        require(bool(status), f"`docker volume inspect` shows the Status {json.dumps(status)}")


def keeps_content(stage: EngineStage) -> None:
    """Row 9."""
    with stage.volume() as name:
        written = stage.run(
            name, "head -c 4000000 /dev/urandom > /data/file; sha256sum < /data/file"
        )
        seen = stage.run(name, "sha256sum < /data/file")
        require(seen == written, "the next container reads another content")


def counts_containers(stage: EngineStage) -> None:
    """Row 10."""
    with stage.volume() as name:
        one, two = stage.start(name), stage.start(name)
        stage.inside(one, "echo one > /data/note")
        stage.remove(one)
        stage.inside(two, "echo two >> /data/note")
        seen = stage.inside(two, "cat /data/note").split()
        require(seen == ["one", "two"], f"after the first container left, the file says {seen}")
        stage.require_in_use(name, "the first of two containers left")
        stage.remove(two)
        stage.require_no_use(name)


def copies_out(stage: EngineStage) -> None:
    """Row 11."""
    with stage.volume() as name:
        container = stage.start(name)
        stage.inside(container, "echo kept > /data/note")
        copied = stage.docker("cp", f"{container}:/data/note", "-")
        require("kept" in copied, "`docker cp` copied something else")
        seen = stage.inside(container, "echo more >> /data/note; cat /data/note").split()
        require(seen == ["kept", "more"], f"after `docker cp` the file says {seen}")
        stage.require_in_use(name, "`docker cp`")
        stage.remove(container)
        stage.require_no_use(name)


def fails_cleanly(stage: EngineStage) -> None:
    """Row 12."""
    with stage.volume() as name:
        done = stage.attempt(
            *("run", "--rm", "--network", "none", "--volume", f"{name}:/data"),
            *(IMAGE, "/no/such/program"),
        )
        require(done.returncode != 0, "a container without a program started")
        stage.require_no_use(name)


def keeps_a_volume_in_use(stage: EngineStage) -> None:
    """Row 13."""
    with stage.volume() as name:
        container = stage.start(name)
        done = stage.attempt("volume", "rm", name)
        require(done.returncode != 0, "`docker volume rm` removed a volume in use")
        stage.inside(container, "echo kept > /data/note")
        stage.remove(container)
        stage.require_no_use(name)


def survives_a_restart_of_the_engine(stage: EngineStage) -> None:
    """Row 21."""
    _restart_engine(stage, keeps_containers=False)  # as it was started, so it ends
    with stage.volume() as name:
        container = stage.start(name)
        stage.inside(container, "echo kept > /data/note")
        _restart_engine(stage, keeps_containers=False)
        labels = stage.inspect(name)["Labels"] or {}
        require(labels.get("judged") == "yes", f"the volume's labels are {labels} now")
        stage.docker("start", container)
        kept = stage.inside(container, "cat /data/note")
        require(kept == "kept", f"after the restart the file says {kept!r}")
        stage.remove(container)
        stage.require_removable(name)


def survives_the_death_of_the_engine(stage: EngineStage) -> None:
    """Row 22."""
    with stage.volume() as name:
        container = stage.start(name)
        stage.inside(container, "echo kept > /data/note")
        stage.engine.keeps_containers = False
        stage.engine.signal(signal.SIGKILL)
        stage.engine.start()
        stage.remove(container)
        kept = stage.run(name, "cat /data/note")
        require(kept == "kept", f"after the death of the engine the file says {kept!r}")
        stage.require_removable(name)


def outlives_the_engine(stage: EngineStage) -> None:
    """Row 23."""
    with stage.volume() as name:
        _restart_engine(stage, keeps_containers=True)
        container = stage.start(name, program=LOGGING)
        lines = _lines(stage, container)
        _restart_engine(stage, keeps_containers=True)
        _require_more_lines(stage, container, lines)
        refused = stage.attempt("volume", "rm", name)
        require(refused.returncode != 0, "the volume of a running container was removed")
        stage.remove(container)
        stage.require_removable(name)


def outlives_the_driver(stage: EngineStage) -> None:
    """Row 24."""
    program = stage.driver.startable()
    with stage.volume() as name:
        container = stage.start(name, program=LOGGING)
        try:
            lines = _lines(stage, container)
            program.kill()
            _require_more_lines(stage, container, lines)
        finally:
            stage.driver.restart_driver()
        _require_more_lines(stage, container, _lines(stage, container))
        refused = stage.attempt("volume", "rm", name)
        require(refused.returncode != 0, "the volume of a running container was removed")
        stage.remove(container)
        stage.run(name, "test -s /data/log")
        stage.require_removable(name)


def leaves_the_engine_alone(stage: EngineStage) -> None:
    """Row 26: a dead driver delays what is about other things."""
    program = stage.driver.startable()
    program.kill()
    try:
        stage.docker("ps", within=PS_SECONDS)
        stage.docker("run", "--rm", "--network", "none", "-v", "/usr:/usr:ro", IMAGE, "true")
        stage.docker("volume", "ls", within=LIST_SECONDS)
    finally:
        stage.driver.restart_driver()


def keeps_the_size(stage: EngineStage) -> None:
    """Row 29."""
    quota = stage.profile.quota
    if quota is None:
        raise NotTried("the profile claims quota, and does not say how to set one (quota)")
    blocks = quota.bytes * FILL_FACTOR // MEGABYTE
    with stage.volume(quota.options) as name:
        fill = f"dd if=/dev/zero of=/data/fill bs=1M count={blocks} conv=fsync"
        done = stage.attempt(*stage.running(name, fill))
        require(done.returncode != 0, f"{blocks} MiB were written to {quota.bytes} bytes")
        held = int(stage.run(name, "stat -c %s /data/fill"))
        require(held <= quota.bytes, f"{held} bytes are in a volume of {quota.bytes}")
        stage.run(name, "rm /data/fill")


def keeps_a_database(stage: EngineStage) -> None:
    """Row 31: Redis answers after its write is on disk, and is killed after that."""
    if shutil.which("redis-server") is None:
        raise NotTried("redis-server is not installed here: apt-get install redis-server")
    with stage.volume() as name:
        stage.run(name, f"chown {USER} /data")
        for key in ("first", "second"):
            database = _start_redis(stage, name)
            said = stage.inside(database, f"redis-cli -s {REDIS_SOCKET} set {key} kept")
            require(said == "OK", f"Redis answered {said!r}")
            stage.docker("kill", database)
            stage.remove(database)
        database = _start_redis(stage, name)
        for key in ("first", "second"):
            kept = stage.inside(database, f"redis-cli -s {REDIS_SOCKET} get {key}")
            require(kept == "kept", f"after it was killed Redis says {kept!r}")


def mounts_in_every_way(stage: EngineStage) -> None:
    """Row 33."""
    with stage.volume() as name:
        container = stage.start(name)
        stage.inside(container, "echo kept > /data/note")
        written = stage.attempt(*stage.running(name, "echo more > /data/note", mode="ro"))
        require(written.returncode != 0, "a container wrote through a read-only mount")
        seen = stage.docker(
            *("run", "--rm", "--network", "none", "--volumes-from", container),
            *(IMAGE, "cat", "/data/note"),
        )
        require(seen == "kept", f"through --volumes-from the file says {seen!r}")
    _mount_unnamed(stage)


def _mount_unnamed(stage: EngineStage) -> None:
    before = set(_listed(stage))
    options = [f"volume-opt={key}={value}" for key, value in stage.options(fresh_name()).items()]
    container = fresh_name()
    mount = ",".join(
        ["type=volume", "dst=/data", f"volume-driver={stage.profile.driver}", *options]
    )
    stage.docker(
        *("run", "--detach", "--name", container, "--network", "none", "--mount", mount),
        *("--volume", "/usr:/usr:ro", IMAGE, "sh", "-c", "echo kept > /data/note; sleep 600"),
    )
    stage.docker("rm", "--force", "--volumes", container)
    left = set(_listed(stage)) - before
    require(not left, f"an unnamed volume outlived its container: {', '.join(sorted(left))}")


def keeps_budgets(stage: EngineStage) -> None:
    """Row 35: through the proxy the driver's own time, else that of the docker command."""
    name, budgets = fresh_name(), stage.profile.budgets
    took = {"Create": stage.seconds(*stage.creation(name))}
    try:
        took["Mount"] = took["Unmount"] = stage.seconds(*stage.running(name, "true"))
    finally:
        took["Remove"] = stage.seconds("volume", "rm", name)
    if stage.proxy is not None:
        took = {call: max(each.seconds for each in stage.proxy.calls(call, name)) for call in took}
    for call, seconds in took.items():
        most = getattr(budgets, call.lower())
        require(seconds <= most, f"{call} took {seconds:.1f} s of {most:.3g} s")


ENGINE_TRIALS: tuple[Trial[EngineStage], ...] = (
    Trial(2, creates_once),
    Trial(3, refuses_other_options),
    Trial(4, refuses_bad_options),
    Trial(5, keeps_names_apart),
    Trial(7, lists_what_there_is),
    Trial(8, says_a_status),
    Trial(9, keeps_content),
    Trial(10, counts_containers),
    Trial(11, copies_out),
    Trial(12, fails_cleanly),
    Trial(13, keeps_a_volume_in_use),
    Trial(29, keeps_the_size),
    Trial(31, keeps_a_database),
    Trial(33, mounts_in_every_way),
    Trial(35, keeps_budgets),
    Trial(23, outlives_the_engine),
    Trial(21, survives_a_restart_of_the_engine),
    Trial(22, survives_the_death_of_the_engine),
    Trial(26, leaves_the_engine_alone),
    Trial(24, outlives_the_driver),
)
"""The last ones break something, and mend it."""


def _listed(stage: EngineStage) -> list[str]:
    driver = f"driver={stage.profile.driver}"
    return stage.docker("volume", "ls", "--quiet", "--filter", driver).split()


def _restart_engine(stage: EngineStage, *, keeps_containers: bool) -> None:
    stage.engine.keeps_containers = keeps_containers
    stage.engine.end()
    stage.engine.start()


def _lines(stage: EngineStage, container: str) -> int:
    return int(stage.inside(container, "wc -l < /data/log"))


def _require_more_lines(stage: EngineStage, container: str, lines: int) -> None:
    """The container still writes to its volume."""
    eventually_true(
        lambda: _lines(stage, container),
        lambda now: now > lines,
        what=f"the container to write more than {lines} lines",
        within=PROGRESS_SECONDS,
    )


def _start_redis(stage: EngineStage, volume: str) -> str:
    """Start Redis as a user without rights, and wait until it answers."""
    program = f"exec {REDIS} --unixsocket {REDIS_SOCKET}"
    container = stage.start(volume, "--user", USER, "--tmpfs", "/tmp", program=program)  # noqa: S108
    asked = ("exec", container, "redis-cli", "-s", REDIS_SOCKET, "ping")
    try:
        eventually_true(
            lambda: stage.attempt(*asked).stdout.strip(),
            lambda said: said == "PONG",
            what="an answer of Redis",
            within=PROGRESS_SECONDS,
        )
    except NeverCame as error:
        said = " ".join(stage.attempt("logs", container).stdout.split()[-30:])
        raise Broken(f"Redis does not start: {said}") from error
    return container
