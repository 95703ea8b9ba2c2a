"""Who made this file? The signature beside it, checked against a public key or certificates that are trusted here.

The format is that of OpenSSF's model-signing 1.0, so that its tool can check what was signed here, and the other way
round: a Sigstore bundle (https://docs.sigstore.dev/about/bundle/) with a DSSE envelope
(https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md) around an in-toto statement of the file's SHA-256.
It is read here with ``cryptography`` alone: importing model-signing takes ten times as long and 25 more packages, among
them clients of networks, which a device has no use for. Nothing older or other than what the tool writes by default is
accepted: one file, hashed whole with SHA-256, signed with ECDSA on a NIST curve.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import EdgeError, one_line
from ..common.extras import import_extra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.x509 import Certificate

SUFFIX = ".sig"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
MAX_BYTES = 1 << 20
"""A signature is two kilobytes, with certificates a few more; so may be a file of public keys."""
MAX_CHAIN = 8
CURVES = ("secp256r1", "secp384r1", "secp521r1")


class NotSignedError(EdgeError):
    """A file is not signed, or not as it is, or not by whom it should be."""


@dataclass(frozen=True)
class Trusted:
    """Whose signatures count.

    Attributes:
        key: a public key; None where certificates count.
        roots: certificates of authorities.
    """

    key: EllipticCurvePublicKey | None
    roots: tuple[Certificate, ...]


def signature_path(path: Path) -> Path:
    """Return where the signature of a file lies: beside it.

    >>> signature_path(Path("a.onnx")).name
    'a.onnx.sig'
    """
    return path.with_name(path.name + SUFFIX)


def require_signed(path: Path, signed_by: Path, *, sha256: str, signature: Path | None = None) -> str:
    """Check that a file was signed by whom it should be; nothing is asked of any network.

    Args:
        path: the file, for errors and to find its signature.
        signed_by: a public key, or certificates of authorities (PEM).
        sha256: of the whole file.
        signature: where the signature is; None is beside the file.

    Returns:
        Who signed it, in words.

    Raises:
        NotSignedError: there is no signature, or it is of another file or someone else's.
        EdgeError: `signed_by` cannot be used, or ``cryptography`` is not installed.
    """
    trusted = load_trusted(signed_by)
    place = signature or signature_path(path)
    bundle = _read_bundle(place, path)
    try:
        payload, signed, key, signer = _parse(bundle, trusted)
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise _unusable(place, one_line(error, limit=200)) from error
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signed, pre_authentication(payload), signature_algorithm(key))
    except InvalidSignature as error:
        raise NotSignedError(f"{path} was not signed by the key in {signed_by}", hint=_HINT) from error
    try:
        digest = _signed_digest(json.loads(payload))
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise _unusable(place, one_line(error, limit=200)) from error
    if digest != sha256:
        expected, got = f"SHA-256 {digest[:16]}…, which {signer} signed", f"{sha256[:16]}…"
        raise NotSignedError(f"{path} was changed after it was signed", expected=expected, got=got, hint=_HINT)
    return signer


_HINT = "get file and signature again from whoever made them, and run neither before"


def _unusable(place: Path, got: str) -> NotSignedError:
    expected = "a bundle of OpenSSF model-signing over one file"
    return NotSignedError(f"the signature {place} cannot be used", expected=expected, got=got, hint=_HINT)


def load_trusted(path: Path) -> Trusted:
    """Read whose signatures count: one public key, or one or more certificates (PEM).

    Raises:
        EdgeError: it cannot be read, is neither, or ``cryptography`` is not installed.
    """
    require_cryptography(f"cryptography is needed to check signatures by {path}")
    content = _read(path, "a public key or certificates")
    expected, hint = "one public key or certificates, in PEM", "make one: openssl ec -in KEY -pubout -out KEY.pub"
    if b"PRIVATE KEY-----" in content:
        got = "a private key, which belongs to whoever signs and nowhere else"
        raise EdgeError(f"cannot trust {path}", expected=expected, got=got, hint=hint)
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        if b"BEGIN CERTIFICATE-----" in content:
            return Trusted(None, tuple(x509.load_pem_x509_certificates(content)))
        key = serialization.load_pem_public_key(content)
    except Exception as error:  # ValueError, and what cryptography calls unsupported
        raise EdgeError(f"cannot trust {path}", expected=expected, got="something else", hint=hint) from error
    return Trusted(require_curve(key, str(path)), ())


def require_cryptography(needed: str) -> None:
    """Check that the extra is installed.

    Raises:
        EdgeError: it is not.
    """
    import_extra("cryptography.hazmat.primitives.asymmetric.ec", needed=needed, extra="sign")


def require_curve(key: object, name: str) -> EllipticCurvePublicKey:
    """Return a public key of a kind that the standard signs with.

    Raises:
        EdgeError: it is of another.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in CURVES:
        got = key.curve.name if isinstance(key, EllipticCurvePublicKey) else type(key).__name__.strip("_")
        hint = "make one: openssl ecparam -name prime256v1 -genkey -noout -out KEY"
        raise EdgeError(f"the key in {name} cannot sign", expected=f"one of {', '.join(CURVES)}", got=got, hint=hint)
    return key


def pre_authentication(payload: bytes) -> bytes:
    """Return what is signed: DSSE's encoding of type and payload, in which neither can pass for a part of the other.

    >>> pre_authentication(b"{}")
    b'DSSEv1 28 application/vnd.in-toto+json 2 {}'
    """
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload


def signature_algorithm(key: EllipticCurvePublicKey) -> ECDSA:
    """Return ECDSA with the hash that belongs to the curve."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    by_curve = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
    return ECDSA(by_curve[key.curve.name])


def key_id(key: EllipticCurvePublicKey) -> str:
    """Return what names a public key in a signature: the SHA-256 of its PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _read(path: Path, expected: str) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise EdgeError(f"cannot read {path}", expected=expected, got=error.strerror or str(error)) from error
    if len(content) > MAX_BYTES:
        raise EdgeError(f"cannot read {path}", expected=f"at most {MAX_BYTES:,} bytes", got="more")
    return content


def _read_bundle(place: Path, path: Path) -> Any:
    if not place.is_file():
        hint = "copy its signature, too; whoever made it signs it with: fmnist-edge sign"
        raise NotSignedError(f"{path} is not signed", expected=f"its signature in {place}", got="none", hint=hint)
    try:
        return json.loads(_read(place, "a signature"))
    except (ValueError, RecursionError) as error:
        raise _unusable(place, one_line(error, limit=200)) from error


def _parse(bundle: Any, trusted: Trusted) -> tuple[bytes, bytes, EllipticCurvePublicKey, str]:
    """Return payload, signature, the key to check it with, and whose it is.

    Raises:
        KeyError, IndexError, TypeError, ValueError: it is no such bundle, or of another key.
    """
    _require(bundle["mediaType"], BUNDLE_TYPE)
    envelope, material = bundle["dsseEnvelope"], bundle["verificationMaterial"]
    _require(envelope["payloadType"], PAYLOAD_TYPE)
    _require(len(envelope["signatures"]), 1)
    payload = base64.b64decode(envelope["payload"], validate=True)
    signed = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
    if trusted.key is None:
        entries = material["x509CertificateChain"]["certificates"]
        chain = [base64.b64decode(entry["rawBytes"], validate=True) for entry in entries]
        key, signer = _certified_key(chain, trusted.roots)
        return payload, signed, key, signer
    return payload, signed, trusted.key, f"the key {key_id(trusted.key)[:16]}…"


def _require(got: object, expected: object) -> None:
    if got != expected:
        raise ValueError(f"{one_line(repr(got), limit=80)} instead of {expected!r}")


def _signed_digest(statement: Any) -> str:
    """Return the SHA-256 that a statement is about; its signature has been checked."""
    _require(statement["_type"], STATEMENT_TYPE)
    _require(statement["predicateType"], PREDICATE_TYPE)
    predicate = statement["predicate"]
    _require(predicate["serialization"]["method"], "files")
    _require(len(predicate["resources"]), 1)
    (resource,) = predicate["resources"]
    _require((resource["name"], resource["algorithm"]), (".", "sha256"))
    _require(statement["subject"][0]["digest"]["sha256"], hashlib.sha256(bytes.fromhex(resource["digest"])).hexdigest())
    return str(resource["digest"])


# --- certificates ----------------------------------------------------------------------------------------------------


def _certified_key(chain: list[bytes], roots: tuple[Certificate, ...]) -> tuple[EllipticCurvePublicKey, str]:
    """Return the key of the first certificate of a chain that leads to one of `roots`, and its owner's name.

    Certificates are judged at the time at which the first one begins, as by model-signing's own tool: a signature bears
    no date that can be trusted, and a device may have no clock. So one that has expired since still counts, and it ends
    when its authority is taken out of `roots`.

    Raises:
        ValueError: it leads to none, or is not meant for signatures.
    """
    from cryptography import x509
    from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

    if not 1 <= len(chain) <= MAX_CHAIN:
        raise ValueError(f"{len(chain)} certificates")
    first, *others = [x509.load_der_x509_certificate(content) for content in chain]
    authorities, signers = _policies()
    builder = PolicyBuilder().store(Store(list(roots))).time(first.not_valid_before_utc.replace(tzinfo=None))
    verifier = builder.extension_policies(ca_policy=authorities, ee_policy=signers).build_client_verifier()
    try:
        verifier.verify(first, others)
    except VerificationError as error:
        raise ValueError(f"certificates that lead to none of the trusted ones: {error}") from error
    return require_curve(first.public_key(), "the certificate"), one_line(first.subject.rfc4514_string(), limit=120)


def _policies() -> tuple[Any, Any]:
    """Return what the certificates of authorities and of signers must say of themselves (RFC 5280, section 4.2.1)."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID
    from cryptography.x509.verification import Criticality, ExtensionPolicy

    def is_authority(_: object, __: object, basic: x509.BasicConstraints) -> None:
        """Basic constraints, section 4.2.1.9."""
        if not basic.ca:
            raise ValueError("no authority")

    def may_certify(_: object, __: object, usage: x509.KeyUsage | None) -> None:
        """Key usage of an authority, section 4.2.1.3."""
        if usage is not None and not usage.key_cert_sign:
            raise ValueError("an authority that may not certify")

    def may_sign(_: object, certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
        """Key usage of a signer, or its extended key usage, section 4.2.1.12: one of them must speak of signing."""
        if usage is not None and usage.digital_signature:
            return
        for extension in certificate.extensions:
            value = extension.value
            if isinstance(value, x509.ExtendedKeyUsage) and ExtendedKeyUsageOID.CODE_SIGNING in value:
                return
        raise ValueError("a certificate that is not meant for signatures")

    either, anything = Criticality.AGNOSTIC, ExtensionPolicy.permit_all()
    authorities = anything.require_present(x509.BasicConstraints, either, is_authority)
    authorities = authorities.may_be_present(x509.KeyUsage, either, may_certify)
    return authorities, anything.may_be_present(x509.KeyUsage, either, may_sign)
