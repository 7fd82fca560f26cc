"""TLS between nodes: the certificates of this one, and the check of theirs, at both ends."""

from __future__ import annotations

import ssl

from flocker.base.config import Certificates

RECORD_BYTES = 16 << 10  # of content in one record of TLS, at most


class ManyRecords(ssl.SSLSocket):
    """A connection that gives all that has arrived at once, not one record after the other.

    The libraries for HTTP take far longer for each piece than the record takes to be decrypted.
    """

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Wait as long as the timeout says, but for the first record only."""
        received = super().recv(buflen, flags)
        if len(received) < RECORD_BYTES:
            return received
        timeout = self.gettimeout()
        self.settimeout(0)
        try:
            while len(received) < buflen and (more := super().recv(buflen - len(received))):
                received += more
        except OSError:  # nothing more is there yet; of anything else the next call tells
            pass
        finally:
            self.settimeout(timeout)
        return received


class Tls:
    """Both ends of this node's connections to other nodes.

    A context is not changed while connections are made with it: those would get the new certificate
    with the old key, or none. So each set of files has its own contexts.

    Attributes:
        server: asks everybody for a certificate of the cluster; of the newest files at any time.
        client: checks the name of who answers; another object after `reload`.
    """

    def __init__(self, certificates: Certificates) -> None:
        """Read the files for the first time.

        Raises:
            OSError: a file cannot be read, or holds no certificate.
        """
        self._certificates = certificates
        self._newest = self.server = self._serving()
        self.server.sni_callback = self._take_newest
        self.client = self._asking()

    def reload(self) -> None:
        """Use the files as they are now for new connections; those that are open stay.

        Raises: as making it.
        """
        newest, client = self._serving(), self._asking()
        self._newest, self.client = newest, client

    def _take_newest(
        self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        """Called for each new connection, with and without a name in it."""
        connection.context = self._newest

    def _serving(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self._certificates.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return self._strict(context)

    def _asking(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._certificates.ca)
        context.sslsocket_class = ManyRecords
        return self._strict(context)

    def _strict(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
        context.load_cert_chain(self._certificates.cert, self._certificates.key)
        return context
