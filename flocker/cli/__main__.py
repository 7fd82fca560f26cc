"""`python3 -m flocker.cli`, which is what the `flocker` command runs on a node."""

from flocker.base.config import PLUGIN_SOCKET
from flocker.cli.client import DaemonClient
from flocker.cli.commands import app

if __name__ == "__main__":
    app(obj=DaemonClient(PLUGIN_SOCKET), prog_name="flocker")
