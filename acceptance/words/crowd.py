"""Many volumes, many containers and many starts at once: what to type for each."""

from __future__ import annotations

from acceptance.nodes.node import DRIVER
from acceptance.words.volume_commands import script

STREAMS = 4  # of commands at a time, on each node
APP = "/vagrant/app/docker-compose.yml"
OWN = "/tmp/own.yml"  # noqa: S108 - on a node, which is nobody else's
BEGAN = "/tmp/began"  # noqa: S108 - as above


def create_volumes(count: int) -> str:
    """Create so many volumes, named after the node."""
    return f"seq {count} | xargs -P {STREAMS} -I N docker volume create -d {DRIVER} $(hostname)-N"


def remove_volumes(count: int) -> str:
    """Remove them."""
    names = f"seq --format $(hostname)-%g {count}"
    return f"{names} | xargs -P {STREAMS} -n 25 docker volume rm"


def count_volumes() -> str:
    """Print how many volumes there are."""
    return "docker volume ls --quiet | wc -l"


def write_pages(count: int) -> str:
    """Start so many containers at once, each of which writes its number to a volume."""
    return _on_pages(count, script("echo page N > /data/page"))


def count_pages(count: int) -> str:
    """Start as many at once that read, and print how many different things they have read."""
    return f"{_on_pages(count, 'cat /data/page')} | sort -u | wc -l"


def give_apps_volumes() -> str:
    """Make a volume for an app on each node."""
    return (
        "for node in node1 node2 node3; do "
        f"docker run --rm --volume-driver {DRIVER} -v app-of-$node:/data busybox "
        "touch /data/before; done"
    )


def prepare_app() -> str:
    """Have the app on a node use its own volume, and remember when this began."""
    own = "volumes: { demo: { name: app-of-$(hostname) } }"
    return f'echo "{own}" > {OWN}; date +%s > {BEGAN}'


def start_and_remove_app() -> str:
    """Start the app and take it down with its volume after 0 to 12 seconds, again and again."""
    return (
        f'app="docker-compose -f {APP} -f {OWN}"\n'
        "first=$(hostname | sed 's/node1/0/; s/node2/0.5/; s/node3/1/')\n"
        "for seconds in $(seq $first 1.5 12); do\n"
        "  $app up -d && sleep $seconds && $app down -v || exit 1\n"
        "done"
    )


def count_repeated_questions() -> str:
    """Print how often the engine had to ask its driver again since then."""
    return f"sudo journalctl -u docker --since @$(cat {BEGAN}) | grep 'retrying in' | wc -l"


def forget_app() -> str:
    """Remove what `prepare_app` left."""
    return f"rm {BEGAN} {OWN}"


def _on_pages(count: int, program: str) -> str:
    return (
        f"seq {count} | xargs -P {count} -I N docker run --rm --volume-driver {DRIVER} "
        f"-v page-N:/data busybox {program}"
    )
