"""One task at a time, on simulated time; a seed decides which task is next.

A task is a greenlet, and stands for a thread. It goes on until it waits. Then the seed picks one
of the tasks that can go on. While all wait, time jumps to the earliest moment for which one waits,
so an hour of waiting costs nothing, and the same seed gives the same run.

A task belongs to a process, which can be stopped, continued and killed like a real one.
"""

from __future__ import annotations

import gc
import heapq
import traceback
from collections.abc import Callable
from random import Random

from greenlet import getcurrent, greenlet

from tests.simulated.tasks import Process, ProcessEnded, Task

READING_SECONDS = 1e-6  # that reading a clock takes: two readings are never the same
GARBAGE_SECONDS = 300.0  # collecting takes longer the longer the history is
SWITCHES_AT_MOST = 1_000_000  # within a moment: tasks that wait for nothing
MOMENT_SECONDS = 1e-3
YIELD_CHANCE = 0.05  # of giving way after a lock is free again


class Stuck(Exception):
    """No task can ever go on, or time does not pass; tells what each task is doing."""


class Scheduler:
    """All tasks of one simulation.

    Attributes:
        now: seconds since the simulation began.
        defects: exceptions that no task has handled, as text.
    """

    def __init__(self, seed: object) -> None:
        self._random = Random(f"scheduler {seed}")  # noqa: S311 - nothing is kept secret with it
        self.now = 0.0
        self.current: Task | None = None
        self.defects: list[str] = []
        self._switches = 0  # of the present moment
        self._counted_at = 0.0  # the moment's beginning
        self._hub: greenlet | None = None
        self._ready: list[Task] = []
        self._held: dict[Task, bool] = {}  # ready, but of a process that is stopped
        self._timers: list[tuple[float, int, Task, int]] = []
        self._numbers = 0
        self._outside = Process("outside")
        self._tasks: dict[Task, None] = {}
        self._garbage_at = GARBAGE_SECONDS

    # Requests of tasks

    def spawn(self, name: str, work: Callable[[], object], process: Process | None = None) -> Task:
        """Have a new task of a process go on at some moment; it inherits the process else."""
        if process is None:
            process = self.current.process if self.current else self._outside
        self._numbers += 1
        task = Task(self._numbers, name, process)
        task.greenlet = greenlet(lambda: self._run_task(task, work), self._hub)
        self._tasks[task] = None
        process.tasks[task] = None
        self._ready.append(task)
        if not process.is_alive:
            self.kill(process)
        return task

    def wait(self, seconds: float | None = None) -> bool:
        """Wait to be woken; False if that did not come within so many seconds."""
        task = self.current
        if task is None:
            raise Stuck("the simulation itself cannot wait; a task can")
        if not task.process.is_alive:
            raise ProcessEnded
        task.ticket += 1
        task.is_waiting = True
        task.timed_out = False
        if seconds is not None:
            self._numbers += 1
            at = self.now + max(0.0, seconds)
            heapq.heappush(self._timers, (at, self._numbers, task, task.ticket))
        self._switch()
        return not task.timed_out

    def wait_among(self, waiting: list[Task], seconds: float | None = None) -> bool:
        """As `wait`, and be in a list meanwhile, for whoever wakes one of those."""
        task = self.current
        if task is None:
            raise Stuck("the simulation itself cannot wait; a task can")
        waiting.append(task)
        try:
            return self.wait(seconds)
        finally:
            if task in waiting:
                waiting.remove(task)

    def sleep(self, seconds: float) -> None:
        self.wait(seconds)

    def wake(self, task: Task) -> None:
        """Have a task that waits go on at some moment."""
        if task.is_waiting:
            task.is_waiting = False
            self._ready.append(task)

    def give_way(self) -> None:
        """Let others go first, now and then."""
        task = self.current
        if task is not None and self._ready and self._random.random() < YIELD_CHANCE:
            if not task.process.is_alive:
                return
            self._ready.append(task)
            self._switch()

    def choose(self, among: int) -> int:
        """One of so many, as the seed has it."""
        return int(self._random.random() * among)

    def read_clock(self) -> float:
        self.now += READING_SECONDS
        return self.now

    def move(self, process: Process) -> None:
        """Have this task be one of another process from now on, as a question that arrives."""
        task = self.current
        assert task is not None
        task.process.tasks.pop(task, None)
        task.process = process
        process.tasks[task] = None
        if not process.is_alive:
            raise ProcessEnded
        if process.is_stopped:
            self._ready.append(task)
            self._switch()

    # Faults of processes

    def kill(self, process: Process) -> None:
        """End all tasks of a process, now; what they did until then stays done."""
        process.is_alive = False
        process.is_stopped = False
        for task in list(process.tasks):
            if task is not self.current and not task.is_over:
                if task.is_waiting:
                    self.wake(task)
                elif task not in self._ready:
                    self._ready.append(task)
        if self.current is not None and self.current.process is process:
            raise ProcessEnded

    def stop(self, process: Process) -> None:
        """Have it stand still, as after SIGSTOP; time goes on."""
        process.is_stopped = True

    def go_on(self, process: Process) -> None:
        if process.is_stopped:
            process.is_stopped = False
            self._ready += [each for each in process.tasks if self._held.pop(each, False)]

    # The loop

    def run(self, work: Callable[[], object]) -> None:
        """Run a task and all that come of it, until that task is over.

        Raises:
            Stuck: no task can go on.
        """
        self._hub = getcurrent()
        first = self.spawn("simulation", work)
        while not first.is_over:
            task = self._next()
            if task is None:
                why = "no time passes" if self._ready else "every task waits for ever"
                raise Stuck(f"{why}\n{self.stacks()}")
            self._enter(task)
            self.current = None
            if self.now >= self._garbage_at:
                self._garbage_at = self.now + GARBAGE_SECONDS
                gc.collect()
                gc.freeze()  # what is left is mostly the history

    def end(self) -> None:
        """End all tasks that are left."""
        while self._tasks:
            for process in {task.process: None for task in self._tasks}:
                process.is_alive = False
            for task in list(self._tasks):
                self._enter(task)

    def stacks(self) -> str:
        """The stack of each task."""
        return "\n".join(
            f"{task!r}:\n" + "".join(traceback.format_stack(task.greenlet.gr_frame))
            for task in self._tasks
            if not task.is_over
        )

    def _next(self) -> Task | None:
        """The task that goes on now; None if none can, or time does not pass."""
        ready = self._ready
        while ready or self._pass_time():
            if self.now - self._counted_at >= MOMENT_SECONDS:
                self._counted_at, self._switches = self.now, 0
            self._switches += 1
            if self._switches > SWITCHES_AT_MOST:
                return None
            place = int(self._random.random() * len(ready)) if len(ready) > 1 else 0
            task, ready[place] = ready[place], ready[-1]
            ready.pop()
            if task.is_over:
                continue
            if not task.process.is_stopped:
                return task
            self._held[task] = True
        return None

    def _enter(self, task: Task) -> bool:
        """Have a task go on; False if it is over and never began."""
        self.current = task
        if task.process.is_alive:
            task.greenlet.switch()
        elif task.greenlet:
            task.greenlet.throw(ProcessEnded)
        else:
            self._over(task)
            return False
        return True

    def _pass_time(self) -> bool:
        """Jump to the earliest moment for which a task waits; False if there is none."""
        timers = self._timers
        while timers:
            at, _, task, ticket = heapq.heappop(timers)
            if task.is_waiting and task.ticket == ticket:
                self.now = max(self.now, at)
                task.is_waiting = False
                task.timed_out = True
                self._ready.append(task)
                return True
        return False

    def _switch(self) -> None:
        """Have others go on, until it is this task's turn.

        Each task switches to the next by itself. To go through `run` would take twice as many
        switches, so it only has its turn when there is something to do that no task can.
        """
        me = self.current
        while self.now < self._garbage_at and (task := self._next()) is not None:
            if task is me and task.process.is_alive:
                self.current = me
                return
            if self._enter(task):
                return
        assert self._hub is not None
        self._hub.switch()

    def _run_task(self, task: Task, work: Callable[[], object]) -> None:
        try:
            work()
        except ProcessEnded:
            pass
        except Exception as error:
            self.defects.append(f"{task!r}: " + "".join(traceback.format_exception(error)))
        self._over(task)

    def _over(self, task: Task) -> None:
        task.is_over = True
        self._tasks.pop(task, None)
        task.process.tasks.pop(task, None)
        for each in task.on_end:
            each()


# The simulation that runs, if one does. Locks and clocks read it so often that a call would count.
running: Scheduler | None = None


def use(scheduler: Scheduler | None) -> None:
    """Have locks, threads and clocks be of this simulation."""
    global running
    running = scheduler


def current() -> Scheduler:
    """The simulation that runs."""
    if running is None:
        raise Stuck("no simulation runs")
    return running
