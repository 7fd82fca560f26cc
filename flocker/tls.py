"""What this node shows other nodes, and how it looks at theirs, at both ends of a connection."""

from __future__ import annotations

import ssl

from flocker.config import Certificates


class Tls:
    """Both ends of this node's connections to other nodes.

    Attributes:
        server: asks everybody for a certificate of the cluster.
        client: checks the name of who answers.
    """

    def __init__(self, certificates: Certificates) -> None:
        """Raises:
        OSError: a file cannot be read, or holds no certificate.
        """
        self._certificates = certificates
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.ca)
        self.server.verify_mode = ssl.CERT_REQUIRED
        self.client = ssl.create_default_context(cafile=certificates.ca)
        for context in (self.server, self.client):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
        self.reload()

    def reload(self) -> None:
        """Use the files as they are now for new connections; those that are open stay.

        Raises: as making it.
        """
        for context in (self.server, self.client):
            context.load_verify_locations(self._certificates.ca)
            context.load_cert_chain(self._certificates.cert, self._certificates.key)
