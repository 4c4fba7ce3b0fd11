"""Certificates for mail servers in tests: an authority of our own, and what it signs."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def save(self, file: Path) -> Path:
        """Both in one PEM file."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM) + key)
        return file


def authority() -> Identity:
    """Who signs."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Identity(_certificate("a test's authority", key, None, True), key)


def signed(by: Identity | None, ip: str = "127.0.0.1", expired: bool = False, days: int = 30) -> Identity:
    """A server's certificate, signed by `by`, or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Identity(_certificate("mail.localhost", key, by, False, ip, -1 if expired else days), key)


def served(identity: Identity, folder: Path) -> ssl.SSLContext:
    """For a server that shows it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.save(folder / "server.pem"))
    return context


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: Identity | None,
    is_authority: bool,
    ip: str = "127.0.0.1",
    days: int = 30,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - 30 * DAY)
        .not_valid_after(today + days * DAY)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(ip))]), critical=False)
    )
    return built.sign(by.key if by else key, hashes.SHA256())
