"""TLS between nodes: the certificates of this one, and the check of theirs, at both ends."""

from __future__ import annotations

import ssl

from flocker.base.config import Certificates


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
        return self._strict(ssl.create_default_context(cafile=self._certificates.ca))

    def _strict(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
        context.load_cert_chain(self._certificates.cert, self._certificates.key)
        return context
