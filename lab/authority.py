"""The lab's certificate authority: one root, one server certificate for registry and mirror."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import paths
from lab.steps import step

ROOT_DAYS = 3650
SERVER_DAYS = 397
RENEW_DAYS = 7
SERVER_NAMES = ("registry.lab", "mirror.lab")
SERVER_ADDRESS = IPv4Address("127.0.0.1")  # images are pushed through a port published here
CERTIFICATE = paths.REGISTRY / "tls.crt"
KEY = paths.REGISTRY / "tls.key"


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _draft(subject: str, issuer: str, days: int, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks differ a little
        .not_valid_after(now + timedelta(days=days))
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
        _draft("Fairlead lab CA", "Fairlead lab CA", ROOT_DAYS, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths.write(paths.CA_KEY, _pem(key), 0o600)
    paths.write(paths.CA_CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))


def _make_server() -> None:
    root_key = serialization.load_pem_private_key(paths.CA_KEY.read_bytes(), None)
    if not isinstance(root_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{paths.CA_KEY} is not an elliptic curve key; remove it and {paths.CA_CERTIFICATE}")
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(name) for name in SERVER_NAMES]
    certificate = (
        _draft("registry.lab", "Fairlead lab CA", SERVER_DAYS, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([*names, x509.IPAddress(SERVER_ADDRESS)]), critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    paths.write(KEY, _pem(key), 0o600)
    paths.write(CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))


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
