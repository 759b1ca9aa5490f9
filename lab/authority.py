"""The lab's certificate authority: one root, one server certificate for registry and mirror, others as they are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import paths
from lab.steps import step

ISSUER = "Fairlead lab CA"
ROOT_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=397)
RENEW_DAYS = 7
SERVER_NAMES = ("registry.lab", "mirror.lab")
SERVER_ADDRESS = IPv4Address("127.0.0.1")  # images are pushed through a port published here
CERTIFICATE = paths.REGISTRY / "tls.crt"
KEY = paths.REGISTRY / "tls.key"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: str
    key: str


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _draft(subject: str, ends: datetime, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Clocks differ a little, and one that has ended must have begun before.
        .not_valid_before(min(datetime.now(UTC), ends) - timedelta(hours=1))
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _make_root() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _draft(ISSUER, datetime.now(UTC) + ROOT_LIFE, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths.write(paths.CA_KEY, _pem(key), 0o600)
    paths.write(paths.CA_CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))


def issue(names: Sequence[str], life: timedelta, *, addresses: Sequence[IPv4Address] = ()) -> Pair:
    """Issue a server certificate that ends after `life`; a negative one makes it expired already.

    Raises:
        TypeError: the root's key is of another kind.
    """
    root_key = serialization.load_pem_private_key(paths.CA_KEY.read_bytes(), None)
    if not isinstance(root_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{paths.CA_KEY} is not an elliptic curve key; remove it and {paths.CA_CERTIFICATE}")
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = [*map(x509.DNSName, names), *map(x509.IPAddress, addresses)]
    certificate = (
        _draft(names[0], datetime.now(UTC) + life, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), _pem(key).decode())


def _make_server() -> None:
    pair = issue(SERVER_NAMES, SERVER_LIFE, addresses=[SERVER_ADDRESS])
    paths.write(KEY, pair.key, 0o600)
    paths.write(CERTIFICATE, pair.certificate)


def _server_is_good() -> bool:
    if not (CERTIFICATE.exists() and KEY.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(CERTIFICATE.read_bytes())
    return certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=RENEW_DAYS)


def ensure() -> None:
    """Have the root and a server certificate that holds for a week at least."""
    fresh_root = not (paths.CA_KEY.exists() and paths.CA_CERTIFICATE.exists())
    if not fresh_root and _server_is_good():
        return
    with step("certificate authority and server certificate"):
        if fresh_root:
            _make_root()
        _make_server()
