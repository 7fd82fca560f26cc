"""The scheduler of a simulation: time, fairness, locks, processes, and tasks that wait for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.simulated import scheduler as simulation
from tests.simulated.locks import Event, Lock, RLock
from tests.simulated.network import Gone, NoReply, ask
from tests.simulated.scheduler import Scheduler, Stuck
from tests.simulated.tasks import Process, ProcessEnded
from tests.simulated.threads import SimpleQueue, Thread

HOUR = 3600.0


@pytest.fixture
def running() -> Iterator[Scheduler]:
    scheduler = Scheduler("test")
    simulation.use(scheduler)
    yield scheduler
    scheduler.end()
    simulation.use(None)


def order_of(seed: int) -> list[int]:
    running, order = Scheduler(seed), []

    def work() -> None:
        for number in range(8):
            running.spawn(f"{number}", lambda number=number: order.append(number))
        running.sleep(1)

    running.run(work)
    return order


def test_the_seed_decides_who_is_next() -> None:
    assert order_of(1) == order_of(1)
    assert order_of(1) != order_of(2)
    assert sorted(order_of(1)) == list(range(8))


def test_time_jumps_to_the_earliest_moment_that_is_waited_for(running: Scheduler) -> None:
    woke: list[tuple[str, float]] = []

    def sleep(name: str, seconds: float) -> None:
        running.sleep(seconds)
        woke.append((name, running.now))

    def work() -> None:
        running.spawn("late", lambda: sleep("late", 2 * HOUR))
        running.spawn("early", lambda: sleep("early", HOUR))
        running.sleep(3 * HOUR)

    running.run(work)
    assert woke == [("early", HOUR), ("late", 2 * HOUR)]
    assert running.now == 3 * HOUR


def test_two_readings_of_the_clock_are_never_the_same(running: Scheduler) -> None:
    assert running.read_clock() < running.read_clock()


def test_a_wait_that_is_woken_does_not_last_until_its_time_is_over(running: Scheduler) -> None:
    found: list[tuple[bool, float]] = []

    def work() -> None:
        me = running.current
        assert me is not None
        running.spawn("other", lambda: running.wake(me))
        found.append((running.wait(HOUR), running.now))
        found.append((running.wait(1), running.now))

    running.run(work)
    assert found == [(True, 0), (False, 1)]


def test_everybody_has_a_turn(running: Scheduler) -> None:
    turns: Counter[int] = Counter()

    def take_turns(number: int) -> None:
        while True:
            turns[number] += 1
            running.sleep(0)

    def work() -> None:
        for number in range(5):
            running.spawn(f"{number}", lambda number=number: take_turns(number))
        while turns.total() < 5000:
            running.sleep(0)

    running.run(work)
    assert all(800 < count < 1200 for count in turns.values()), turns


def test_tasks_that_wait_for_each_other_are_told_of_with_their_stacks(running: Scheduler) -> None:
    first, second = Lock(), Lock()

    def take(one: Lock, other: Lock) -> None:
        with one:
            running.sleep(1)
            with other:
                pass

    def work() -> None:
        running.spawn("forwards", lambda: take(first, second))
        running.spawn("backwards", lambda: take(second, first))
        running.wait()

    with pytest.raises(Stuck) as stuck:
        running.run(work)
    message = str(stuck.value)
    for told in ("every task waits for ever", "forwards", "backwards", "with other:"):
        assert told in message


def test_time_that_does_not_pass_is_told_of(
    running: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "SWITCHES_AT_MOST", 1000)

    def spin() -> None:
        while True:
            running.sleep(0)

    with pytest.raises(Stuck, match="no time passes"):
        running.run(spin)


def test_one_task_at_a_time_has_a_lock(running: Scheduler) -> None:
    lock, inside, most = Lock(), [0], [0]

    def work() -> None:
        for _ in range(20):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                running.sleep(0.1)
                inside[0] -= 1

    def all_of_them() -> None:
        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    running.run(all_of_them)
    assert most == [1]


def test_a_lock_is_waited_for_only_so_long(running: Scheduler) -> None:
    found: list[tuple[bool, float]] = []

    def work() -> None:
        lock = RLock()

        def hold() -> None:
            with lock, lock:  # its task may take it again
                running.sleep(HOUR)

        Thread(target=hold).start()
        running.sleep(1)
        found.append((lock.acquire(timeout=2), running.now))

    running.run(work)
    assert found == [(False, 3)]


def test_an_event_is_waited_for_until_it_is_set_or_the_time_is_over(running: Scheduler) -> None:
    """A late answer to a question that nobody waits for any more wakes a task for nothing."""
    event, found = Event(), []

    def work() -> None:
        me = running.current
        assert me is not None

        def wake_and_set() -> None:
            running.sleep(1)
            running.wake(me)
            running.sleep(4)
            event.set()

        running.spawn("other", wake_and_set)
        found.append((event.wait(3), running.now))
        found.append((event.wait(3), running.now))
        found.append((event.wait(3), running.now))

    running.run(work)
    assert found == [(False, 3), (True, 5), (True, 5)]


def test_an_event_that_is_set_and_cleared_at_once_wakes_those_who_wait(running: Scheduler) -> None:
    event, found = Event(), []

    def work() -> None:
        waiting = Thread(target=lambda: found.append((event.wait(HOUR), running.now)))
        waiting.start()
        running.sleep(1)
        event.set()
        event.clear()
        running.sleep(1)
        found.append((event.wait(1), running.now))

    running.run(work)
    assert found == [(True, 1), (False, 3)]


def test_what_is_put_into_a_queue_comes_out_in_order(running: Scheduler) -> None:
    queue, found = SimpleQueue(), []

    def work() -> None:
        taker = Thread(target=lambda: found.extend(queue.get() for _ in range(3)))
        taker.start()
        for each in "abc":
            running.sleep(1)
            queue.put(each)
        taker.join()

    running.run(work)
    assert found == ["a", "b", "c"]


def test_a_killed_process_does_nothing_any_more_but_gives_its_locks_back(
    running: Scheduler,
) -> None:
    process, lock, done = Process("daemon"), Lock(), []

    def hold() -> None:
        with lock:
            running.sleep(HOUR)
            done.append("went on")

    def never_began() -> None:
        done.append("began")

    def work() -> None:
        running.spawn("holder", hold, process)
        running.sleep(1)
        running.spawn("new", never_began, process)
        running.kill(process)
        running.sleep(1)
        assert lock.acquire(timeout=1)
        running.sleep(2 * HOUR)

    running.run(work)
    assert done == []
    assert not process.tasks


def test_who_kills_the_own_process_ends(running: Scheduler) -> None:
    process, seen = Process("daemon"), []

    def end_all() -> None:
        try:
            running.kill(process)
        except ProcessEnded:
            seen.append("ended")
            raise

    def work() -> None:
        running.spawn("killer", end_all, process)
        running.sleep(1)

    running.run(work)
    assert seen == ["ended"]
    assert running.defects == []


def test_a_stopped_process_stands_still_while_time_goes_on(running: Scheduler) -> None:
    process, ticks = Process("daemon"), []

    def tick() -> None:
        while True:
            running.sleep(1)
            ticks.append(running.now)

    def work() -> None:
        running.spawn("clock", tick, process)
        running.sleep(2.5)
        running.stop(process)
        running.sleep(10)
        running.go_on(process)
        running.sleep(2)

    running.run(work)
    assert ticks == [1, 2, 12.5, 13.5, 14.5] or ticks == [1, 2, 12.5, 13.5]


def test_an_exception_that_nobody_handles_is_a_defect(running: Scheduler) -> None:
    def work() -> None:
        running.spawn("broken", lambda: 1 // 0)
        running.sleep(1)

    running.run(work)
    [defect] = running.defects
    assert "ZeroDivisionError" in defect
    assert "broken" in defect


def answers(running: Scheduler, work: Callable[[Process], object]) -> list[object]:
    process, found = Process("daemon"), []

    def ask_it() -> None:
        try:
            found.append(ask(running, process, "question", lambda: work(process), 5))
        except (Gone, NoReply, ValueError) as error:
            found.append((type(error), running.now))

    running.run(ask_it)
    return found


def test_a_process_answers_in_a_task_of_its_own(running: Scheduler) -> None:
    assert answers(running, lambda process: running.current in process.tasks) == [True]


def test_who_asks_hears_of_an_error_of_silence_and_of_an_end(running: Scheduler) -> None:
    assert answers(running, lambda _: int("no number")) == [(ValueError, 0)]
    assert answers(running, lambda _: running.sleep(HOUR)) == [(NoReply, 5)]
    assert answers(running, running.kill) == [(Gone, 5)]
