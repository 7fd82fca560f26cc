"""Files in a volume that are more than text, and the command for each thing done to them."""

from __future__ import annotations

from acceptance.nodes.node import DRIVER
from acceptance.words.volume_commands import in_container, script

IMAGE = "binocarlos/moby-counter"  # has Python, and files in the folder of a volume
MANIFEST = "/vagrant/acceptance/manifest.py"
ATTRIBUTE = "user.colour=b'red'"  # an extended attribute that the manifest's files have
FILE = "file"
FIELDS = ("file", "kind", "mode", "owner", "links")


def make_every_kind(volume: str) -> str:
    """Make a file of every kind, and list them; see acceptance/manifest.py."""
    return _manifest(volume, "make")


def list_every_kind(volume: str) -> str:
    """List them, with all there is to know of each."""
    return _manifest(volume, "list")


def make_special(volume: str) -> str:
    """Make a page with an owner and a mode, a hard link to it, a pipe and folders."""
    return in_container(
        volume,
        script(
            "cd /data && echo hello > page && chown 999:1234 page && chmod 4751 page"
            " && ln page link && mkfifo pipe && mkdir -p a/b/c"
        ),
    )


def list_special(volume: str, names: list[str]) -> str:
    """Print a line for each of these files, with FIELDS between bars."""
    return in_container(
        volume, script(f"cd /data && stat -c '%n|%F|%a|%u:%g|%h' {' '.join(names)}")
    )


def read_link(volume: str) -> str:
    """Print what the page says, by way of its hard link."""
    return in_container(volume, "cat /data/link")


def make_large(volume: str, mebibytes: int) -> str:
    """Make FILE of random content."""
    return in_container(volume, f"dd if=/dev/urandom of=/data/{FILE} bs=1M count={mebibytes}")


def punch_hole(volume: str, mebibytes: int) -> str:
    """Give back the room of the beginning of FILE; no container has the tool."""
    return f"sudo fallocate --punch-hole --length {mebibytes}M {_folder(volume)}/{FILE}"


def room_of_file(volume: str) -> str:
    """Print how many KiB FILE takes on disk."""
    return in_container(volume, script(f"du -k /data/{FILE} | cut -f 1"))


def make_subvolume(volume: str, name: str) -> str:
    """Make what no snapshot of the volume holds."""
    return f"sudo btrfs -q subvolume create {_folder(volume)}/{name}"


def delete_subvolume(volume: str, name: str) -> str:
    """Delete it again."""
    return f"sudo btrfs -q subvolume delete {_folder(volume)}/{name}"


def make_folders(volume: str, folder: str, file: str) -> str:
    """Make a folder with a file, and another folder beside it."""
    return in_container(
        volume, script(f"mkdir /data/{folder} /data/keys && echo hello > /data/{folder}/{file}")
    )


def look_into_folder(volume: str, folder: str) -> str:
    """Print the names of the files that a container sees which gets no more than the folder."""
    mount = f"type=volume,src={volume},dst=/pages,volume-subpath={folder}"
    return f"docker run --rm --mount {mount} busybox ls /pages"


def change_images_files(volume: str) -> str:
    """Have a new volume filled from the image's folder, and change a file in it."""
    return _of_image(volume, "--user 0 ", "sh -c 'ls /srv > /dev/null && echo changed > /srv/mine'")


def read_images_files(volume: str) -> str:
    """Print the changed file, from a container of the same image."""
    return _of_image(volume, "", "cat /srv/mine")


def _manifest(volume: str, action: str) -> str:
    return (
        f"docker run --rm --user 0 -v {MANIFEST}:/manifest.py:ro --volume-driver {DRIVER} "
        f"-v {volume}:/data {IMAGE} python3 /manifest.py {action} /data"
    )


def _of_image(volume: str, options: str, program: str) -> str:
    return f"docker run --rm {options}--volume-driver {DRIVER} -v {volume}:/srv {IMAGE} {program}"


def _folder(volume: str) -> str:
    """Have the shell find where the engine mounts the volume on its owner."""
    return f"$(docker volume inspect -f '{{{{.Mountpoint}}}}' {volume})"
