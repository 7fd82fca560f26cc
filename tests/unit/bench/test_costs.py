import json

import pytest

from bench.costs import FIO_RANDOM, FIO_SEQUENTIAL, read_fio, read_redis

FIO = "fio: note\n" + json.dumps({"jobs": [{"write": {"bw_bytes": 250_000_000, "iops": 812.5}}]})


def test_fio_report_is_read_after_its_notes() -> None:
    assert read_fio(FIO, FIO_SEQUENTIAL) == 250
    assert read_fio(FIO, FIO_RANDOM) == 812.5


def test_redis_rate_is_the_second_column_of_set() -> None:
    assert read_redis('"test","rps","avg_latency_ms"\n"SET","1234.50","7.5"\n') == 1234.5


def test_redis_that_was_not_reached_printed_no_figure() -> None:
    with pytest.raises(ValueError, match="Could not connect"):
        read_redis("Could not connect to Redis at 127.0.0.1:6379\n")
