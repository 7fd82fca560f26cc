"""Asking this node's daemon, and saying why when there is no good answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2

ANSWER_SECONDS = 20  # more than the daemon waits for one answer of etcd
FAILED, WRONGLY_TYPED = 1, 2  # exit statuses

Answer = dict[str, Any]


class Failed(Exception):
    """Ends a command with one line on stderr and an exit status."""

    def __init__(self, message: str, exit_status: int = FAILED) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class DaemonClient:
    """The daemon behind a unix socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def get(self, path: str, **parameters: str | None) -> Answer:
        """Ask for what changes nothing; parameters that are None are left out.

        Raises:
            Failed: it refused, or did not answer within 20 s.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._send("GET", path, seconds=ANSWER_SECONDS, params=given)

    def post(self, path: str, body: Answer) -> Answer:
        """Have something done; waits as long as it takes, which for a large volume may be hours.

        Raises:
            Failed: it refused, or broke off before it had answered.
        """
        return self._send("POST", path, seconds=None, json=body)

    def _send(self, method: str, path: str, seconds: float | None, **arguments: Any) -> Answer:
        import httpx2  # here: --help does not need it, and it loads as slowly as all the rest

        # Nothing to verify on a socket of this machine; reading all CAs would take 50 ms.
        transport = httpx2.HTTPTransport(uds=str(self._socket), verify=False)
        timeout = httpx2.Timeout(ANSWER_SECONDS, read=seconds)
        try:
            # The environment's proxy is not for it either.
            with httpx2.Client(transport=transport, timeout=timeout, trust_env=False) as client:
                answer = client.request(method, f"http://flocker{path}", **arguments)
        except httpx2.HTTPError as error:
            raise Failed(_why_no_answer(error)) from error
        if answer.is_success:
            content: Answer = answer.json()
            return content
        is_bad_request = answer.status_code == httpx2.codes.BAD_REQUEST
        raise Failed(_reason(answer), WRONGLY_TYPED if is_bad_request else FAILED)


def _why_no_answer(error: httpx2.HTTPError) -> str:
    if "Permission denied" in str(error):
        return "only root may ask the daemon; run it with sudo"
    return f"the daemon does not answer ({error}); `systemctl status flocker` tells more"


def _reason(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["Err"])
    except (ValueError, KeyError, TypeError):
        return (
            f"the daemon answered {answer.status_code} {answer.text[:200]!r}; "
            "is it of another version than this command?"
        )
