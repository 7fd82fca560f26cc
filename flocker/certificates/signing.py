"""Makes keys and the certificates for them, with openssl.

A folder holds a key and what goes with it: `key.pem`, `cert.pem` (its certificate, and the one of
who signed it if that is not trusted by itself) and `ca.pem` (the authorities it trusts).

Every certificate says who has it: O=flocker, OU=<role>, CN=<name>.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flocker.base import private

DAY_SECONDS = 24 * 3600
# A clock that is behind by less than this takes a new certificate.
BACKDATED_SECONDS = DAY_SECONDS
OPENSSL_SECONDS = 60

# The order of the subject's parts is that of the policy.
CONFIGURATION = """
[req]
prompt = no
distinguished_name = name
[name]
O = flocker
OU = {role}
CN = {name}
[ca]
default_ca = own
[own]
database = {scratch}/database
new_certs_dir = {scratch}
rand_serial = yes
default_md = sha256
policy = policy
unique_subject = no
crl_extensions = list
[list]
authorityKeyIdentifier = keyid
[policy]
organizationName = supplied
organizationalUnitName = supplied
commonName = supplied
[extensions]
{extensions}
"""


# A line of openssl's database: revoked, when its certificate ends, since when (the year with two
# digits), serial number, file, subject. Number and `at` get into the list.
REVOKED = "R\t{ends}\t{at}\t{serial}\tunknown\t/CN={serial}\n"
LIST_SECONDS = 3650 * DAY_SECONDS  # etcd does not look at it


class SigningFailed(Exception):
    """openssl made no certificate; the message has its last words."""


@dataclass(frozen=True)
class Wanted:
    """A certificate to be made.

    Attributes:
        extensions: as lines of openssl's configuration, sections they refer to last.
        seconds: how long it is good for, counted from a day before now.
    """

    role: str
    name: str
    extensions: str
    seconds: float


def make(folder: Path, wanted: Wanted, issuer: Path | None) -> None:
    """Make a key and its certificate in a folder that is there already.

    The files belong to whom the folder belongs, and nobody else may read them. Each appears whole.

    Args:
        issuer: folder of who signs; None: it signs itself. The certificate ends no later than
            the issuer's.

    Raises:
        SigningFailed: openssl refused, or has no end.
        OSError: a file cannot be read or written.
    """
    now = time.time()
    begin = now - BACKDATED_SECONDS
    end = begin + wanted.seconds
    if issuer is not None:
        end = min(end, ends(issuer / "cert.pem"))
    with tempfile.TemporaryDirectory() as made_in:
        scratch = Path(made_in)
        private.write(scratch / "database", "")
        settings = CONFIGURATION.format(
            role=wanted.role, name=wanted.name, extensions=wanted.extensions, scratch=scratch
        )
        private.write(scratch / "openssl.cnf", settings)
        _openssl(
            scratch,
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"),
            *("-keyout", "key.pem", "-out", "request.pem"),
        )
        signer = (
            ["-selfsign", "-keyfile", "key.pem"]
            if issuer is None
            else ["-cert", str(issuer / "cert.pem"), "-keyfile", str(issuer / "key.pem")]
        )
        _openssl(
            scratch,
            *("ca", "-batch", "-notext", "-extensions", "extensions"),
            *("-in", "request.pem", "-out", "cert.pem"),
            *("-startdate", _zulu(begin), "-enddate", _zulu(end), *signer),
        )
        cert = (scratch / "cert.pem").read_text()
        made = {
            "key.pem": (scratch / "key.pem").read_text(),
            "cert.pem": cert + (_chain(issuer) if issuer else ""),
            "ca.pem": (issuer / "ca.pem").read_text() if issuer else cert,
        }
    private.write_together(folder, made)


def is_good(folder: Path, issuer: Path | None, left_seconds: float) -> bool:
    """Tell whether a folder has a key and its certificate, good for a while.

    The issuer has signed it.
    """
    cert = folder / "cert.pem"
    try:
        # It compares key and certificate.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, folder / "key.pem")
        signer = issuer or folder
        if (folder / "ca.pem").read_bytes() != (signer / "ca.pem").read_bytes():
            return False
        if issuer is not None and not cert.read_text().endswith(_chain(issuer)):
            return False
        # Others may be trusted besides the signer: while authorities are changed.
        signed = ("-partial_chain", "-trusted", str(signer / "cert.pem"), cert.name)
        _openssl(folder, "verify", *signed)
        chain = ("-untrusted", str(signer / "cert.pem"), cert.name)
        when = ("-attime", str(int(time.time() + left_seconds)))
        _openssl(folder, "verify", "-x509_strict", *when, "-CAfile", str(signer / "ca.pem"), *chain)
    except (OSError, SigningFailed):  # ssl.SSLError is an OSError
        return False
    return True


def ends(cert: Path) -> float:
    """When the first certificate of a file ends, in seconds since 1970.

    Raises:
        SigningFailed: there is none in it.
    """
    shown = _openssl(cert.parent, "x509", "-noout", "-enddate", "-in", cert.name)
    return float(ssl.cert_time_to_seconds(shown.strip().removeprefix("notAfter=")))


def serial(cert: Path) -> str:
    """The serial number of the first certificate of a file, in hexadecimal.

    Raises:
        SigningFailed: there is none in it.
    """
    shown = _openssl(cert.parent, "x509", "-noout", "-serial", "-in", cert.name)
    return shown.strip().removeprefix("serial=")


def revocations(serials: Iterable[str], issuer: Path) -> bytes:
    """Make a list of certificates that are not trusted any more, in DER.

    etcd reads DER in all versions, PEM only in those of before 3.6.

    Args:
        serials: as `serial` tells them.

    Raises: as `make`.
    """
    now = time.time()
    began, until = _zulu(now - BACKDATED_SECONDS), _zulu(now + LIST_SECONDS)
    with tempfile.TemporaryDirectory() as made_in:
        scratch = Path(made_in)
        revoked = (REVOKED.format(ends=until, at=began[2:], serial=each) for each in serials)
        private.write(scratch / "database", "".join(revoked))
        settings = CONFIGURATION.format(role="", name="", extensions="", scratch=scratch)
        private.write(scratch / "openssl.cnf", settings)
        _openssl(
            scratch,
            *("ca", "-gencrl", "-crl_lastupdate", began, "-crl_nextupdate", until),
            *("-cert", str(issuer / "cert.pem"), "-keyfile", str(issuer / "key.pem")),
            *("-out", "list.pem"),
        )
        _openssl(scratch, "crl", "-in", "list.pem", "-outform", "DER", "-out", "list.der")
        return (scratch / "list.der").read_bytes()


def _chain(issuer: Path) -> str:
    """The certificates that whoever is shown one of this issuer's needs besides."""
    cert = (issuer / "cert.pem").read_text()
    return "" if cert in (issuer / "ca.pem").read_text() else cert


def _openssl(folder: Path, *arguments: str) -> str:
    try:
        return subprocess.run(
            ["openssl", *arguments],
            cwd=folder, check=True, capture_output=True, text=True, timeout=OPENSSL_SECONDS,
            env={"PATH": os.environ.get("PATH", os.defpath), "OPENSSL_CONF": "openssl.cnf"},
        ).stdout  # fmt: skip
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["nothing"])[-1]
        raise SigningFailed(
            f"`openssl {arguments[0]}` failed in {folder}; it said: {said}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SigningFailed(
            f"`openssl {arguments[0]}` did not end within {OPENSSL_SECONDS} s"
        ) from error


def _zulu(seconds: float) -> str:
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds))
