"""Sign model files in the format of OpenSSF's model-signing (see `runtime.signature`); the private key stays in here.

No error, log or report of ours holds a byte of a key, nor of its password, nor the text of an error that might.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..common.errors import EdgeError
from ..common.files import write_text
from ..runtime.card import read_card
from ..runtime.integrity import digests_of, require_intact
from ..runtime.runner import SUFFIXES, check_file
from ..runtime.signature import (
    BUNDLE_TYPE,
    MAX_BYTES,
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    key_id,
    pre_authentication,
    require_cryptography,
    require_curve,
    signature_algorithm,
    signature_path,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

PASSWORD_VARIABLE = "FMNIST_EDGE_KEY_PASSWORD"  # noqa: S105
"""Where the password of an encrypted key is looked for: a command line is there for every user to see."""


@dataclass(frozen=True)
class Signer:
    """A private key that is ready to sign.

    Attributes:
        key: it; never shown.
        chain: certificates that vouch for it, the signer's own first; empty where its public key is trusted itself.
    """

    key: EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[Certificate, ...] = ()

    @classmethod
    def load(
        cls,
        key: Path,
        *,
        certificate: Path | None = None,
        chain: Sequence[Path] = (),
        environment: Mapping[str, str] = os.environ,
    ) -> Signer:
        """Read a private key (PEM, on a NIST curve), and the certificates that vouch for it.

        Args:
            key: the private key; the password of an encrypted one is in FMNIST_EDGE_KEY_PASSWORD.
            certificate: the signer's own.
            chain: those between it and an authority that is trusted.
            environment: where the password is.

        Raises:
            EdgeError: one of them cannot be used; says why, and nothing of what is in them.
        """
        require_cryptography("cryptography is needed to sign")
        found = _load_key(key, environment.get(PASSWORD_VARIABLE))
        if certificate is None:
            if chain:
                raise EdgeError("a chain of certificates has no beginning", expected="--certificate", got="none")
            return cls(found)
        certificates = [entry for path in (certificate, *chain) for entry in _load_certificates(path)]
        if certificates[0].public_key() != found.public_key():
            expected = f"the certificate of the key {key}"
            raise EdgeError(f"{certificate} is of another key", expected=expected, hint="name the signer's own first")
        return cls(found, tuple(certificates))


def sign_file(path: Path, signer: Signer) -> Path:
    """Sign an exported file, write the signature beside it, and return where.

    Raises:
        EdgeError: it is no model file, was changed since it was exported, or the signature cannot be written.
    """
    check_file(path)
    if path.suffix not in SUFFIXES:
        expected = f"a file ending in {' or '.join(SUFFIXES)}"
        raise EdgeError(f"cannot sign {path}", expected=expected, got=path.suffix or "none")
    card = read_card(path)
    found = digests_of(path, card.graph_bytes)
    require_intact(path, card, found)
    return write_text(signature_path(path), bundle_text(path.name, found.whole, signer))


def bundle_text(name: str, sha256: str, signer: Signer) -> str:
    """Return the signature of one file as text: a Sigstore bundle, in JSON."""
    payload = json.dumps(_statement(name, sha256), separators=(",", ":")).encode()
    public = signer.key.public_key()
    signed = signer.key.sign(pre_authentication(payload), signature_algorithm(public))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": base64.b64encode(signed).decode(), "keyid": ""}],
    }
    material: dict[str, Any] = {"tlogEntries": []}
    if signer.chain:
        material["x509CertificateChain"] = {"certificates": [{"rawBytes": _der(entry)} for entry in signer.chain]}
    else:
        material["publicKey"] = {"hint": key_id(public)}
    return json.dumps({"mediaType": BUNDLE_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope}) + "\n"


def _statement(name: str, sha256: str) -> dict[str, Any]:
    whole = hashlib.sha256(bytes.fromhex(sha256)).hexdigest()  # over the digests of all files: here, of one
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": whole}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": serialization,
            "resources": [{"name": ".", "algorithm": "sha256", "digest": sha256}],
        },
    }


def _der(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


def _load_key(path: Path, password: str | None) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read(path, "a private key in PEM")
    expected, hint = "a private key in PEM", "make one: openssl ecparam -name prime256v1 -genkey -noout -out KEY"
    encrypted = b"ENCRYPTED" in content
    try:
        key = load_pem_private_key(content, password.encode() if password and encrypted else None)
    except TypeError as error:
        hint = f"put its password into {PASSWORD_VARIABLE}"
        raise EdgeError(f"the key {path} is encrypted", expected="its password", got="none", hint=hint) from error
    except Exception as error:  # ValueError, and what cryptography calls unsupported
        got = "another password, or a damaged key" if encrypted else "something else"
        raise EdgeError(f"cannot use the key {path}", expected=expected, got=got, hint=hint) from error
    require_curve(key.public_key(), str(path))
    return cast("EllipticCurvePrivateKey", key)


def _load_certificates(path: Path) -> list[Certificate]:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(_read(path, "certificates in PEM"))
    except ValueError as error:
        raise EdgeError(f"cannot use {path}", expected="certificates in PEM", got="something else") from error


def _read(path: Path, expected: str) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES)
    except OSError as error:
        raise EdgeError(f"cannot read {path}", expected=expected, got=error.strerror or str(error)) from error
