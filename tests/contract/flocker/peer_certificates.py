"""Certificates of a cluster of a test's own, for whoever a test needs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from flocker.base.config import Certificates

ADDRESS = "127.0.0.1"


class Authority:
    """Signs certificates of any subject; each is made once, in a folder of its name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        extensions = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign"
        self._make("authority", "/O=flocker/OU=authority/CN=test", extensions)

    def of(self, role: str, name: str) -> Certificates:
        """Make what a node, an operator or a monitor shows."""
        return self.with_subject(f"{role}-{name}", f"/O=flocker/OU={role}/CN={name}", name)

    def with_subject(self, label: str, subject: str, dns: str = "nobody") -> Certificates:
        """Make a certificate that says something else."""
        if not (self._folder / label).exists():
            extensions = (
                "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n"
                f"subjectAltName=DNS:{dns},IP:{ADDRESS}\nsubjectKeyIdentifier=hash\n"
                "authorityKeyIdentifier=keyid\nextendedKeyUsage=serverAuth,clientAuth"
            )
            self._make(label, subject, extensions)
        return Certificates.within(self._folder / label)

    def _make(self, label: str, subject: str, extensions: str) -> None:
        made, authority = self._folder / label, self._folder / "authority"
        made.mkdir()
        (made / "openssl.cnf").write_text(
            f"[req]\ndistinguished_name=name\nx509_extensions=own\n[name]\n[own]\n{extensions}\n"
        )
        signed = ["-CA", authority / "cert.pem", "-CAkey", authority / "key.pem"]
        subprocess.run(
            [
                *("openssl", "req", "-config", made / "openssl.cnf", "-x509", "-days", "2"),
                *("-subj", subject, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
                *("-noenc", "-keyout", made / "key.pem", "-out", made / "cert.pem"),
                *(signed if label != "authority" else ()),
            ],
            check=True,
            capture_output=True,
        )
        (made / "ca.pem").write_bytes((authority / "cert.pem").read_bytes())
