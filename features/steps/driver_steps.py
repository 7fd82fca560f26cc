"""Steps about what the driver takes: time for an answer, processor and memory."""

from behave import then

from acceptance.base import evidence
from acceptance.base.waiting import eventually_true
from acceptance.cluster import driver_usage, plugin
from acceptance.context import Context

IDLE_SECONDS = 60  # the copies of what was made before are still under way
MB = 1_000_000


@then('the driver on "{node}" lists its volumes in less than {most:d} milliseconds')
def check_list_time(context: Context, node: str, most: int) -> None:
    took = plugin.list_seconds(context.cluster, context.cluster.node(node)) * 1000
    allowed = evidence.figure("Listing all volumes", measured=took, promised=most, unit="ms")
    assert took < allowed, f"it took {took:.0f} ms"


@then('the driver on "{node}" comes to rest below {percent:g} % of a core and {most:d} MB')
def check_idle(context: Context, node: str, percent: float, most: int) -> None:
    used = eventually_true(
        lambda: driver_usage.of_driver(context.cluster.node(node)),
        lambda used: used.cpu_percent < percent and used.memory_bytes < most * MB,
        what=f"less than {percent} % of a core and {most} MB",
        within=IDLE_SECONDS,
    )
    evidence.figure(
        "Processor use of an idle driver",
        measured=used.cpu_percent,
        promised=percent,
        unit="% of a core",
    )
    evidence.figure(
        "Memory of an idle driver", measured=used.memory_bytes / MB, promised=most, unit="MB"
    )
