"""What those who watch over a node see is what its status says, and what happened on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flocker.api.metrics import Status, health, text
from flocker.base.counters import Counters
from tests.unit.flocker.statuses import volume_status

GIB = 1 << 30


def node(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "address": "172.16.78.250",
        "version": "0.1.0",
        "pool_used_bytes": 2 * GIB,
        "pool_total_bytes": 20 * GIB,
        "pool_free_bytes": 17 * GIB,
        "problems": [],
        "is_alive": True,
        "seen": "2026-11-22T19:00:00.000+00:00",
        **changes,
    }


def copy(node: str, complete_until: str) -> dict[str, Any]:
    return {
        "node": node,
        "number": 3,
        "taken_at": "2026-11-22T19:00:00.000+00:00",
        "is_current": True,
        "complete_until": complete_until,
    }


def ahead() -> str:
    return (datetime.now(UTC) + timedelta(seconds=30)).isoformat()


def status(**changes: Any) -> dict[str, Any]:
    nodes = [node("node1"), node("node2", pool_used_bytes=0)]
    return {
        "node": "node1",
        "is_connected": True,
        "pool_problem": None,
        "verified": [],
        "is_fence_watching": True,
        "is_writable": True,
        "certificates": [{"certificate": "driver", "ends": "2027-02-25T00:42:51+00:00"}],
        "problems": [],
        "etcd": None,
        "nodes": nodes,
        "volumes": [],
        **changes,
    }


def samples(now: Status, counters: Counters | None = None) -> dict[tuple[str, ...], float]:
    """Name and label values, by the labels' names, of every sample -> its value."""
    shown = text(counters or Counters(), now).decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
    }


def test_gauges_tell_of_the_node_and_of_the_volumes_it_owns() -> None:
    four_seconds_ago = (datetime.now(UTC) - timedelta(seconds=4)).isoformat()
    now = status(
        volumes=[
            volume_status(
                "demo",
                size_bytes=GIB,
                used_bytes=GIB // 2,
                mounted_on="node1",
                copies=[copy("node2", ahead()), copy("node3", four_seconds_ago)],
                stuck={"node3": "its pool is full"},
            ),
            volume_status("plain", problem="a folder in it is a subvolume"),
            volume_status("elsewhere", owner="node2", mounted_on="node2", used_bytes=1),
        ]
    )
    seen = samples(now)
    lag = seen.pop(("flocker_replica_lag_seconds", "node3", "demo"))
    assert 4 <= lag < 60
    gauges = {name: value for name, value in seen.items() if "volume" in name[0]}
    assert gauges == {
        ("flocker_volumes_owned",): 2,
        ("flocker_volume_mounted", "demo"): 1,
        ("flocker_volume_mounted", "plain"): 0,
        ("flocker_volume_problem", "demo"): 0,
        ("flocker_volume_problem", "plain"): 1,
        ("flocker_volume_size_bytes", "demo"): GIB,
        ("flocker_volume_used_bytes", "demo"): GIB // 2,
    }
    assert seen[("flocker_replica_stuck", "node3", "demo")] == 1
    assert ("flocker_replica_stuck", "node2", "demo") not in seen
    assert seen[("flocker_connected",)] == 1
    assert seen[("flocker_pool_used_bytes",)] == 2 * GIB
    assert seen[("flocker_pool_total_bytes",)] == 20 * GIB
    assert seen[("flocker_pool_free_bytes",)] == 17 * GIB
    assert seen[("flocker_replica_lag_seconds", "node2", "demo")] == 0


def test_a_replica_of_an_owner_whose_clock_is_ahead_is_not_behind() -> None:
    now = status(volumes=[volume_status("demo", copies=[copy("node2", ahead())])])
    seen = samples(now)
    assert seen[("flocker_replica_lag_seconds", "node2", "demo")] == 0


@pytest.mark.parametrize(
    "nodes", [[], [node("node1", pool_used_bytes=None, pool_total_bytes=None)]]
)
def test_what_is_not_known_is_left_out(nodes: list[dict[str, Any]]) -> None:
    seen = samples(status(is_connected=False, nodes=nodes))
    assert seen[("flocker_connected",)] == 0
    assert not [name for name in seen if "bytes" in name[0] and "pool" in name[0]]


def test_the_last_comparison_of_copies_is_a_gauge() -> None:
    copies = [
        {"node": "node1", "result": "same"},
        {"node": "node2", "result": "differs"},
        {"node": "node3", "result": "not compared"},
    ]
    at = "2026-11-22T19:00:00.000+00:00"
    verified = {"volume": "demo", "at": at, "copies": copies}
    seen = samples(status(verified=[verified]))
    verified_at = seen[("flocker_volume_verified_timestamp_seconds", "demo")]
    assert verified_at == datetime.fromisoformat(at).timestamp()
    bad = {name[1]: value for name, value in seen.items() if name[0] == "flocker_copy_bad"}
    assert bad == {"node1": 0, "node2": 1, "node3": 0}


def test_a_problem_of_the_pool_is_a_gauge() -> None:
    lost = status(pool_problem="the disk refused writes")
    assert samples(lost)[("flocker_pool_problem",)] == 1
    assert samples(status())[("flocker_pool_problem",)] == 0


def test_every_scrape_reads_the_status_anew() -> None:
    now = status()
    counters = Counters()
    assert samples(now, counters)[("flocker_volumes_owned",)] == 0
    now["volumes"] = [volume_status("demo")]
    assert samples(now, counters)[("flocker_volumes_owned",)] == 1


def test_what_happened_is_counted() -> None:
    counters = Counters()
    counters.moves.labels("done").inc()
    counters.moves.labels("refused").inc(2)
    counters.promotions.labels("auto").inc()
    counters.received_bytes.inc(GIB)
    counters.sent_bytes.inc(5)
    counters.call_seconds.labels("VolumeDriver.Mount").observe(0.3)
    seen = samples(status(), counters)
    assert seen[("flocker_moves_total", "done")] == 1
    assert seen[("flocker_moves_total", "refused")] == 2
    assert seen[("flocker_promotions_total", "auto")] == 1
    assert seen[("flocker_received_bytes_total",)] == GIB
    assert seen[("flocker_sent_bytes_total",)] == 5
    assert seen[("flocker_call_seconds_sum", "VolumeDriver.Mount")] == 0.3
    assert seen[("flocker_call_seconds_bucket", "VolumeDriver.Mount", "0.25")] == 0
    assert seen[("flocker_call_seconds_bucket", "VolumeDriver.Mount", "0.5")] == 1


def test_two_daemons_in_one_process_count_apart() -> None:
    one, other = Counters(), Counters()
    one.sent_bytes.inc()
    assert samples(status(), other)[("flocker_sent_bytes_total",)] == 0


def test_names_with_quotes_do_not_break_the_text() -> None:
    now = status(volumes=[volume_status('we"ird\\\n')])
    assert samples(now)[("flocker_volume_mounted", 'we"ird\\\n')] == 0


def test_a_connected_node_with_room_is_healthy() -> None:
    assert health(status()) == (200, {"node": "node1", "is_healthy": True, "problems": []})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"is_connected": False}, "etcd does not answer"),
        ({"pool_problem": "the disk refused writes"}, "the disk refused writes"),
        ({"volumes": [volume_status("odd", problem="is odd")]}, "volume 'odd': is odd"),
        ({"nodes": [node("node2")]}, "not known how full the pool is"),
        ({"nodes": [node("node1", pool_total_bytes=None)]}, "not known how full the pool is"),
    ],
)
def test_a_node_that_is_not_well_says_what_is_wrong(changes: dict[str, Any], said: str) -> None:
    status_code, answer = health(status(**changes))
    assert status_code == 503
    assert not answer["is_healthy"]
    assert [said in problem for problem in answer["problems"]] == [True]


def test_each_node_answers_for_its_own_volumes_and_only_while_it_knows_them() -> None:
    odd = volume_status("odd", owner="node2", problem="is odd")
    assert health(status(volumes=[odd]))[0] == 200
    away = status(
        is_connected=False, volumes=[volume_status("demo", problem="etcd does not answer")]
    )
    assert len(health(away)[1]["problems"]) == 1


def test_all_that_is_wrong_is_said() -> None:
    _, answer = health(status(is_connected=False, nodes=[]))
    assert len(answer["problems"]) == 2


def test_trouble_of_the_housekeeping_is_a_matter_of_health() -> None:
    trouble = "volume 'demo': Directory not empty"
    now = status(problems=[trouble])
    code, answer = health(now)
    assert code == 503
    assert answer["problems"] == [trouble]
    assert samples(now)[("flocker_problems",)] == 1
    assert samples(status())[("flocker_problems",)] == 0


def test_etcd_is_watched_where_it_has_a_member() -> None:
    etcd = {"db_bytes": GIB, "used_bytes": 1, "quota_bytes": 4 * GIB, "has_alarm": True}
    seen = samples(status(etcd=etcd))
    assert seen[("flocker_etcd_bytes",)] == GIB
    assert seen[("flocker_etcd_quota_bytes",)] == 4 * GIB
    assert seen[("flocker_etcd_alarm",)] == 1
    assert not [name for name in samples(status()) if "etcd" in name[0]]
