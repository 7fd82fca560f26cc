import pytest

from bench.counters import NoCounter, read_bytes

LISTING = """\
Chain INPUT (policy ACCEPT 900 packets, 5000 bytes)
    pkts      bytes target     prot opt in     out     source               destination
     812  1005010580            0    --  *      *       172.16.78.250        0.0.0.0/0            /* flocker-bench:node1 */
       7       700            0    --  *      *       172.16.78.252        0.0.0.0/0            /* flocker-bench:node3 */

Chain OUTPUT (policy ACCEPT 10 packets, 999 bytes)
    pkts      bytes target     prot opt in     out     source               destination
      12       420            0    --  *      *       0.0.0.0/0            172.16.78.250        /* flocker-bench:node1 */
"""  # noqa: E501 - as printed


def test_both_directions_of_one_peer_are_added() -> None:
    assert read_bytes(LISTING, "node1") == 1005010580 + 420


def test_listing_without_our_rule_is_an_error_and_not_zero() -> None:
    with pytest.raises(NoCounter, match="node2"):
        read_bytes(LISTING, "node2")


def test_name_that_begins_like_another_is_another() -> None:
    with pytest.raises(NoCounter):
        read_bytes(LISTING, "node")
