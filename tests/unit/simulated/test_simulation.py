"""A simulation follows from its seed alone, in whatever process it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from judge.verdict import Finding, Judgement, Verdict
from tests.simulated import faults, mutants
from tests.simulated.__main__ import main, simulate, simulator
from tests.simulated.mutants import MUTANTS
from tests.simulated.plan import FAULTS, LOSSES, Plan, planned, shrunk
from tests.simulated.substitutes import HASH_SEED

MINUTE = 60.0


def bytes_of(seed: int, build: Path) -> bytes:
    judgement = simulate(planned(seed, MINUTE), build)
    assert judgement.verdict is Verdict.VALID, judgement.reason
    assert judgement.lines > 0
    return (build / "judge" / f"simulation-{seed}" / "history.jsonl").read_bytes()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others(tmp_path: Path) -> None:
    """Each is a minute of simulation in a process of its own, and valid."""
    first = bytes_of(1, tmp_path / "first")
    assert first != bytes_of(2, tmp_path / "other")
    assert first == bytes_of(1, tmp_path / "again")
    simulator.cache_clear()
    assert first == bytes_of(1, tmp_path / "anew")


ORDER = """
from tests.simulated import substitutes
substitutes.put_in_place()
from concurrent.futures import Future, _base
futures = [Future() for _ in range(8)]
shuffled = [futures[place] for place in (5, 2, 7, 0, 3, 6, 1, 4)]
assert _base._AcquireFutures(shuffled).futures == futures
assert list(set(shuffled)) == futures
"""


def test_the_order_of_futures_does_not_depend_on_their_addresses() -> None:
    """Python sorts them by address, and a history that follows from that is of one process."""
    environment = {**os.environ, "PYTHONHASHSEED": HASH_SEED}
    subprocess.run([sys.executable, "-c", ORDER], env=environment, check=True)


def test_a_simulation_that_breaks_off_is_no_verdict(tmp_path: Path) -> None:
    plan = planned(1, MINUTE).model_copy(update={"mutant": "there is no such one"})
    with pytest.raises(RuntimeError, match="seed 1 could not be simulated"):
        simulate(plan, tmp_path)
    simulator.cache_clear()


def judged(verdict: Verdict, oracle: str = "one writer") -> Judgement:
    found = Finding(verdict=verdict, oracle=oracle, at=100, reason="it is so")
    return Judgement(
        verdict=verdict, seed=1, driver="d", machine="m", seconds=1, lines=1, faults=1,
        promotions=0, requests={}, findings=() if verdict is Verdict.VALID else (found,),
    )  # fmt: skip


def test_a_failure_is_shrunk_to_what_it_needs() -> None:
    """It needs two clients and one kind of fault."""

    def fails(plan: Plan) -> Judgement:
        is_enough = plan.clients >= 2 and "suspended" in plan.faults
        return judged(Verdict.VIOLATION if is_enough else Verdict.VALID)

    plan = planned(1, 3600)
    small = shrunk(plan, judged(Verdict.VIOLATION), fails)
    assert small.faults == ("suspended",)
    assert (small.clients, small.faults_at_once) == (2, 1)
    assert small.seconds < 60


def test_a_plan_that_fails_in_another_way_is_no_smaller_one() -> None:
    plan = planned(1, 3600)
    other = judged(Verdict.VIOLATION, "leaks")
    assert shrunk(plan, judged(Verdict.VIOLATION), lambda _: other) == plan


def test_some_plans_have_disks_replaced_and_then_no_volume_without_replicas() -> None:
    plans = [planned(seed, MINUTE) for seed in range(30)]
    for plan in plans:
        names = [volume.name for volume in plan.volumes]
        assert ("fourth" in names) is {*plan.faults}.isdisjoint(LOSSES)
    assert 3 < sum(plan.loses_disks for plan in plans) < 27


def test_the_faults_of_plans_are_those_there_are() -> None:
    assert {fault.name for fault in faults.FAULTS} == set(FAULTS)


def test_a_broken_driver_does_not_pass(tmp_path: Path) -> None:
    """This is the quickest of those that `make mutants` tries."""
    plan = planned(1, MINUTE).model_copy(update={"mutant": "tidying fails"})
    judgement = simulate(plan, tmp_path)
    assert judgement.verdict is Verdict.DEFECT
    assert "a record that is not there" in judgement.reason


def test_every_mutant_replaces_something_that_the_driver_has() -> None:
    """In a process of its own: what is broken there stays broken."""
    breaking = "from tests.simulated.mutants import MUTANTS\nfor each in MUTANTS.values(): each()"
    subprocess.run([sys.executable, "-c", breaking], check=True)


def test_there_are_fifteen_ways_to_break_the_driver() -> None:
    assert len(MUTANTS) == 15


@pytest.mark.parametrize(
    ("verdict", "status"), [(Verdict.DEFECT, 0), (Verdict.VALID, 1), (Verdict.UNKNOWN, 1)]
)
def test_only_a_mutant_in_which_something_is_found_is_caught(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verdict: Verdict,
    status: int,
) -> None:
    monkeypatch.setattr(mutants, "simulate", lambda *_: judged(verdict))
    assert mutants.main([]) == status
    assert ("NOT CAUGHT" in capsys.readouterr().out) is bool(status)


def test_the_help_about_mutants_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "simulate", lambda *_: pytest.fail("the help breaks the driver"))
    with pytest.raises(SystemExit, match="0"):
        mutants.main(["--help"])


@pytest.mark.parametrize("hours", ["0", "-1", "nan"])
def test_without_time_there_is_no_verdict(capsys: pytest.CaptureFixture[str], hours: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([f"--hours={hours}"])
    assert "make simulate HOURS=1" in capsys.readouterr().err
