"""What people type about volumes is read as they mean it, or refused with what would do."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flocker.base.errors import BadRequest
from flocker.base.options import (
    LARGEST_BYTES,
    SMALLEST_BYTES,
    Options,
    Reference,
    check_name,
    differences,
    format_size,
    read_options,
    read_reference,
    read_size,
)
from flocker.base.records import Volume

GIB = 1 << 30


@pytest.mark.parametrize("name", ["demo", "app_moby-data", "0", "a.b", "x" * 255])
def test_names_that_the_engine_accepts_are_accepted(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-demo", "../etc", "a/b", "demo\n", "a b", "é", "x" * 256])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="cannot be a volume's name"):
        check_name(name)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1g", GIB),
        ("1G", GIB),
        ("1GB", GIB),
        ("1gb", GIB),
        ("1GiB", GIB),
        ("512m", 512 << 20),
        ("512MiB", 512 << 20),
        ("20480k", 20 << 20),
        ("20480kB", 20 << 20),
        ("20480KiB", 20 << 20),
        ("2T", 2 << 40),
        ("1p", 1 << 50),
        ("1073741825", GIB + 1),
        ("1073741825b", GIB + 1),
        ("16m", SMALLEST_BYTES),
    ],
)
def test_sizes_are_read_as_docker_reads_them(text: str, size_bytes: int) -> None:
    assert read_size(text) == size_bytes


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "g", "1 g", " 1g", "1g ", "1g\n", "-1g", "+1g", "1.5g", "1e9", "0x10000000", "1gg",
        "1ig", "1gi", "1x", "inf", "nan", "none", "\u0661g", "\uff11g", "1\u212a", "1_000_000_000",
        "1,5g", "9" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadRequest, match=r"is not a size: .* 512MiB, 1GiB or 1g") as refused:
        read_size(text)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("text", ["0", "0g", "1", "1m", "16777215", "1025t", "2p", "9" * 16 + "p"])
def test_sizes_out_of_range_are_refused_with_the_range(text: str) -> None:
    with pytest.raises(BadRequest, match=rf"size of {text}: it may be from 16MiB to 1PiB"):
        read_size(text)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0B"),
        (1, "1B"),
        (1536, "1536B"),
        (GIB, "1GiB"),
        (1536 << 20, "1536MiB"),
        (GIB + 1, "1073741825B"),
        (1 << 50, "1PiB"),
    ],
)
def test_sizes_are_written_short_and_exact(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text


@settings(deadline=None)
@given(st.integers(SMALLEST_BYTES, LARGEST_BYTES))
def test_a_written_size_reads_back_as_the_same_number(size_bytes: int) -> None:
    assert read_size(format_size(size_bytes)) == size_bytes


@settings(deadline=None)
@given(st.text())
def test_reading_any_text_gives_a_size_in_range_or_a_refusal(text: str) -> None:
    with suppress(BadRequest):
        assert SMALLEST_BYTES <= read_size(text) <= LARGEST_BYTES


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("demo", Reference("demo")),
        ("demo@3", Reference("demo", number=3)),
        (
            "app_data@node1-20261122T190000Z",
            Reference("app_data", aside="node1-20261122T190000Z"),
        ),
        (
            "demo@web-1.example-20261122T190000Z-2",
            Reference("demo", aside="web-1.example-20261122T190000Z-2"),
        ),
    ],
)
def test_references_are_read_and_written_the_same(text: str, reference: Reference) -> None:
    assert read_reference(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "@3", "demo@", "demo@0", "demo@-1", "demo@03", "demo@3.5", "demo@\u0663",
        "demo@3@4", "demo@" + "9" * 5000, "demo@latest", "../etc@3", "demo@../../etc", "demo@3\n",
        "demo@node1-2026", "demo@node1/x-20261122T190000Z", "demo@-20261122T190000Z",
    ],
)  # fmt: skip
def test_what_is_no_reference_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadRequest, match=r"is not a state of a volume: .*demo@3") as refused:
        read_reference(text)
    assert len(str(refused.value)) < 400


def test_without_options_a_volume_gets_the_defaults() -> None:
    assert read_options({}) == Options(
        size_bytes=None, replicas=2, failover="manual", made_from=None, given=frozenset()
    )


def test_every_option_is_read() -> None:
    opts = {"size": "1g", "replicas": "0", "failover": "auto", "from": "demo@3", "pool": "shared"}
    assert read_options(opts) == Options(
        size_bytes=GIB,
        replicas=0,
        failover="auto",
        made_from="demo@3",
        pool="shared",
        given=frozenset(opts),
    )


def test_a_shared_volume_has_no_replicas_and_is_refused_them() -> None:
    assert read_options({"pool": "shared"}).replicas == 0
    with pytest.raises(BadRequest, match=r"replicas=1 cannot be had with pool=shared.*leave"):
        read_options({"pool": "shared", "replicas": "1"})
    assert read_options({"pool": "btrfs"}).replicas == 2


def test_an_unknown_option_is_named_and_the_valid_ones_are_listed() -> None:
    with pytest.raises(BadRequest) as refused:
        read_options({"sise": "1g", "size": "1g", "colour": "red"})
    said = str(refused.value)
    assert "'colour', 'sise'" in said
    for example in ("size=1GiB", "replicas=2", "failover=auto", "from=demo@3", "pool=shared"):
        assert example in said


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("size", "big", "'big' is not a size"),
        ("size", "", "'' is not a size"),
        ("size", "1m", "from 16MiB to 1PiB"),
        ("replicas", "", "from 0 to 7"),
        ("replicas", "-1", "from 0 to 7"),
        ("replicas", "8", "from 0 to 7"),
        ("replicas", "two", "from 0 to 7"),
        ("replicas", "2.0", "from 0 to 7"),
        ("replicas", "\u0662", "from 0 to 7"),
        ("replicas", "9" * 5000, "from 0 to 7"),
        ("failover", "", "manual .* or auto"),
        ("failover", "Auto", "manual .* or auto"),
        ("failover", "yes", "manual .* or auto"),
        ("from", "", "is not a state of a volume"),
        ("from", "demo@x", "'demo@x' is not a state of a volume"),
        ("pool", "", "btrfs .* or shared"),
        ("pool", "Shared", "'Shared' is not known"),
    ],
)
def test_a_bad_value_is_refused_with_what_would_do(option: str, value: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        read_options({option: value})


VOLUME = Volume(
    name="demo",
    id="6f0b7a70-6d52-4a4f-9d5b-3c2f1f1f1f1f",
    owner="node1",
    epoch=1,
    created_at="2026-11-22T19:00:00.000+00:00",
    size_bytes=GIB,
    replicas=2,
    failover="manual",
    made_from="base@1",
)


def test_the_same_options_again_differ_in_nothing() -> None:
    same = {"size": "1024m", "replicas": "2", "failover": "manual", "from": "base@1"}
    same["pool"] = "btrfs"
    assert differences(read_options(same), VOLUME) == []


def test_options_that_were_not_typed_do_not_differ() -> None:
    assert differences(read_options({}), VOLUME) == []


def test_each_difference_is_told_with_both_values() -> None:
    other = {"size": "2g", "replicas": "1", "failover": "auto", "from": "demo@3"}
    assert differences(read_options({"pool": "shared"}), VOLUME) == [
        "pool=shared was asked for, the volume has btrfs"
    ]
    assert differences(read_options(other), VOLUME) == [
        "size=2GiB was asked for, the volume has 1GiB",
        "replicas=1 was asked for, the volume has 2",
        "failover=auto was asked for, the volume has manual",
        "from=demo@3 was asked for, the volume began as base@1",
    ]


def test_a_volume_without_limit_or_beginning_says_so() -> None:
    plain = Volume("demo", VOLUME.id, "node1", 1, VOLUME.created_at)
    assert differences(read_options({"size": "2g", "from": "base@1"}), plain) == [
        "size=2GiB was asked for, the volume has no limit",
        "from=base@1 was asked for, the volume began empty",
    ]
