"""Where packages come from, read from what the host's apt prints."""

import pytest

from box import apt

TARGETS = [
    "Debian|Debian|http://mirror.example/debian/|main",
    "Debian|Debian|http://mirror.example/debian/|contrib",
    "Debian|Debian|http://mirror.example/debian/|main",  # bookworm-updates, the same repository
    "Debian|Debian-Security|http://mirror.example/security/|main",
    "Debian|Debian Backports|http://mirror.example/debian/|main",
    "Node Source|Node Source|https://node.example/|main",
]


def test_suites_come_from_the_hosts_own_mirrors_with_its_components() -> None:
    signed = f"[signed-by={apt.KEYRING}]"
    assert apt.sources(TARGETS, "trixie") == (
        f"deb {signed} http://mirror.example/debian/ trixie main contrib",
        f"deb {signed} http://mirror.example/debian/ trixie-updates main contrib",
        f"deb {signed} http://mirror.example/security/ trixie-security main",
    )


@pytest.mark.parametrize(
    "targets",
    [
        [],
        ["Debian|Debian|cdrom://[Debian]/|main"],
        ["Debian|Debian-Security|http://mirror.example/security/|main"],
        # What apt prints of a repository it never fetched.
        ["$(ORIGIN)|$(LABEL)|http://mirror.example/debian/|main"],
    ],
)
def test_a_host_without_a_debian_mirror_is_told_what_to_do(targets: list[str]) -> None:
    with pytest.raises(apt.NoMirror, match="apt-get update"):
        apt.sources(targets, "trixie")


def test_what_decides_a_download_is_taken_over_and_nothing_else() -> None:
    kept = (
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::http::Proxy::mirror.example "DIRECT";',
        'Acquire::https::CAInfo "/etc/ssl/ours.pem";',
        'Acquire::Retries "3";',
        'Acquire::Check-Valid-Until "false";',
    )
    dropped = (
        'APT::Architecture "amd64";',
        'Acquire::Languages:: "none";',
        'Acquire::Changelogs::URI::Origin::Debian "https://changes.example";',
        'Dir::Etc::sourcelist "sources.list";',
    )
    assert apt.download_options([*dropped, *kept]) == kept
