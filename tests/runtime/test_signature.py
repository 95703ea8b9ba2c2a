"""Signatures: ours count for the standard's own tool, its count for us, and nobody else's. Keys stay in their files."""

from __future__ import annotations

import base64
import datetime as dt
import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fmnist_edge.benchmarks.probe import measure_cold_start
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.export.signing import PASSWORD_VARIABLE, Signer, bundle_text, sign_file
from fmnist_edge.runtime import Classifier, open_runner
from fmnist_edge.runtime.signature import MAX_BYTES, NotSignedError, load_trusted, require_signed, signature_path
from fmnist_edge.runtime.trust import SIGNATURE_VARIABLE, Trust

from ..command_line import type_in

PICTURE = np.zeros((28, 28), np.uint8)
NIST = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


def write_key(path: Path, key: Any, password: str | None = None) -> Path:
    """Write a private key and, beside it, its public key; return the path of the private one."""
    how = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "maker.key", ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def model(make_onnx: Callable[..., Path]) -> Path:
    return make_onnx()


def check(model: Path, public: Path) -> str:
    return require_signed(model, public, sha256=sha256_hex(model.read_bytes()))


# --- the standard ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curve", NIST)
def test_the_standards_library_accepts_what_is_signed_here(curve: str, model: Path, tmp_path: Path) -> None:
    from model_signing import verifying

    key = write_key(tmp_path / "a.key", ec.generate_private_key(NIST[curve]))
    signed = sign_file(model, Signer.load(key))
    assert signed == signature_path(model)
    assert check(model, key.with_suffix(".pub")).startswith("the key ")
    config = verifying.Config().use_elliptic_key_verifier(public_key=key.with_suffix(".pub"))
    config.verify(model, signed)
    model.write_bytes(model.read_bytes() + b"x")
    with pytest.raises(ValueError, match="Signature mismatch"):
        config.verify(model, signed)


def test_the_standards_own_command_accepts_what_is_signed_here(model: Path, key: Path) -> None:
    signed = sign_file(model, Signer.load(key))
    command = [sys.executable, "-m", "model_signing", "verify", "key", model, "--signature", signed]
    command += ["--public_key", key.with_suffix(".pub")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "Verification succeeded"), done.stderr


def test_what_the_standards_library_signs_is_accepted_here(model: Path, key: Path) -> None:
    from model_signing import signing

    signing.Config().use_elliptic_key_signer(private_key=key).sign(model, signature_path(model))
    check(model, key.with_suffix(".pub"))
    with Classifier(model, signed_by=key.with_suffix(".pub")) as classifier:
        assert classifier.labels


# --- certificates ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, in files."""

    key: Any
    path: Path
    certificate: x509.Certificate

    @property
    def key_path(self) -> Path:
        return self.path.with_suffix(".key")


def issue(
    folder: Path,
    name: str,
    issuer: Issued | None = None,
    *,
    authority: bool = False,
    usage: bool | None = True,
    code_signing: bool = False,
    began_days_ago: int = 1,
    days: int = 30,
    path_length: int | None = None,
) -> Issued:
    """Issue a certificate; `usage` is whether its key may do what it is for, None leaves that open."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    began = dt.datetime.now(dt.UTC) - dt.timedelta(days=began_days_ago)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + dt.timedelta(days=days))
    )
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    if usage is not None:
        flags = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
        )
        may = {"digital_signature": usage and not authority, "key_cert_sign": usage and authority}
        rest = {"encipher_only": False, "decipher_only": False}
        builder = builder.add_extension(x509.KeyUsage(**flags, **may, **rest), critical=True)  # type: ignore[arg-type]
    if code_signing:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    write_key(path.with_suffix(".key"), key)
    return Issued(key, path, certificate)


@pytest.fixture
def root(tmp_path: Path) -> Issued:
    return issue(tmp_path, "root", authority=True)


def sign_as(model: Path, signer: Issued, *chain: Issued) -> None:
    found = Signer.load(signer.key_path, certificate=signer.path, chain=[entry.path for entry in chain])
    sign_file(model, found)


def test_a_chain_of_certificates_counts_here_and_for_the_standard(model: Path, root: Issued, tmp_path: Path) -> None:
    from model_signing import verifying

    middle = issue(tmp_path, "middle", root, authority=True, path_length=0)
    maker = issue(tmp_path, "maker", middle)
    sign_as(model, maker, middle)
    assert check(model, root.path) == "CN=maker"
    config = verifying.Config().use_certificate_verifier(certificate_chain=[root.path])
    config.verify(model, signature_path(model))
    with Classifier(model, signed_by=root.path) as classifier:
        assert classifier.predict(PICTURE).labels


def test_what_the_standards_library_signs_with_a_certificate_is_accepted_here(
    model: Path, root: Issued, tmp_path: Path
) -> None:
    from model_signing import signing

    maker = issue(tmp_path, "maker", root)
    signer = {"private_key": maker.key_path, "signing_certificate": maker.path, "certificate_chain": [root.path]}
    signing.Config().use_certificate_signer(**signer).sign(model, signature_path(model))
    assert check(model, root.path) == "CN=maker"


@pytest.mark.parametrize("usage", [{"usage": True}, {"usage": None, "code_signing": True}])
def test_a_certificate_that_has_expired_since_still_counts(
    model: Path, root: Issued, tmp_path: Path, usage: dict[str, Any]
) -> None:
    old = issue(tmp_path, "old-root", authority=True, began_days_ago=400, days=1_000)
    sign_as(model, issue(tmp_path, "maker", old, began_days_ago=300, days=30, **usage))
    check(model, old.path)
    both = tmp_path / "both.pem"
    both.write_bytes(root.path.read_bytes() + old.path.read_bytes())
    check(model, both)


def short(folder: Path, root: Issued) -> Issued:
    """Issue an authority under which there may be no other."""
    return issue(folder, "c", root, authority=True, path_length=0)


CHAINS: dict[str, Callable[[Path, Issued], list[Issued]]] = {
    "another authority": lambda folder, root: [issue(folder, "a", issue(folder, "root2", authority=True))],
    "its own word": lambda folder, root: [issue(folder, "a")],
    "no authority between": lambda folder, root: [issue(folder, "a", middle := issue(folder, "b", root)), middle],
    "an authority that may not": lambda folder, root: [
        issue(folder, "a", middle := issue(folder, "b", root, authority=True, usage=False)),
        middle,
    ],
    "one authority too many": lambda folder, root: [
        issue(folder, "a", low := issue(folder, "b", high := short(folder, root), authority=True)),
        low,
        high,
    ],
    "a missing link": lambda folder, root: [issue(folder, "a", issue(folder, "b", root, authority=True))],
    "not meant for signatures": lambda folder, root: [issue(folder, "a", root, usage=False)],
    "meant for nothing": lambda folder, root: [issue(folder, "a", root, usage=None)],
}


@pytest.mark.parametrize("name", CHAINS)
def test_certificates_that_lead_nowhere_do_not_count(name: str, model: Path, root: Issued, tmp_path: Path) -> None:
    signer, *chain = CHAINS[name](tmp_path, root)
    sign_as(model, signer, *chain)
    with pytest.raises(NotSignedError, match=r"onnx\.sig cannot be used; .*got certificates that lead to none of the"):
        check(model, root.path)


def test_a_signature_by_a_key_does_not_count_where_certificates_do(model: Path, root: Issued, key: Path) -> None:
    sign_file(model, Signer.load(key))
    with pytest.raises(NotSignedError, match=r"cannot be used; .*; got 'x509CertificateChain'; next: get file and sig"):
        check(model, root.path)


def test_a_certificate_of_another_key_and_a_chain_without_a_beginning(root: Issued, key: Path) -> None:
    with pytest.raises(EdgeError, match=r"root\.pem is of another key; expected the certificate of the key .*maker"):
        Signer.load(key, certificate=root.path)
    with pytest.raises(EdgeError, match="a chain of certificates has no beginning; expected --certificate; got none"):
        Signer.load(key, chain=[root.path])
    with pytest.raises(EdgeError, match=r"cannot use .*maker\.pub; expected certificates in PEM; got something else"):
        Signer.load(key, certificate=key.with_suffix(".pub"))


def test_endless_chains_are_not_followed(model: Path, root: Issued, tmp_path: Path) -> None:
    sign_as(model, issue(tmp_path, "a", root), *[root] * 8)
    with pytest.raises(NotSignedError, match="got 9 certificates"):
        check(model, root.path)


# --- what does not count ---------------------------------------------------------------------------------------------


def test_the_signature_of_another_file_or_of_someone_else(
    model: Path, key: Path, make_onnx: Callable[..., Path], tmp_path: Path
) -> None:
    other = write_key(tmp_path / "other.key", ec.generate_private_key(ec.SECP256R1()))
    sign_file(model, Signer.load(other))
    with pytest.raises(NotSignedError, match=r"tiny\.onnx was not signed by the key in .*maker\.pub; next: get file"):
        check(model, key.with_suffix(".pub"))
    sign_file(model, Signer.load(key))
    make_onnx(batch="anything")  # another whole file under the same name
    match = r"tiny\.onnx was changed after it was signed; expected SHA-256 .*…, which the key .* signed; got .*…; next"
    with pytest.raises(NotSignedError, match=match):
        open_runner(model, trust=Trust(signed_by=key.with_suffix(".pub")))


def test_no_signature(model: Path, key: Path) -> None:
    with pytest.raises(NotSignedError, match=r"tiny\.onnx is not signed; expected its signature in .*\.sig; got none;"):
        open_runner(model, trust=Trust(signed_by=key.with_suffix(".pub")))


def flipped_in(part: str) -> Callable[[dict[str, Any]], object]:
    """Return what flips one bit of the payload or of the signature."""

    def flip(bundle: dict[str, Any]) -> None:
        envelope = bundle["dsseEnvelope"]
        place = envelope if part == "payload" else envelope["signatures"][0]
        content = bytearray(base64.b64decode(place[part]))
        content[len(content) // 2] ^= 1
        place[part] = base64.b64encode(content).decode()

    return flip


BUNDLES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "payload": (flipped_in("payload"), "was not signed by the key"),
    "signature": (flipped_in("sig"), "was not signed by the key"),
    "no base64": (lambda b: b["dsseEnvelope"].update(payload="?"), "cannot be used"),
    "no signature": (lambda b: b["dsseEnvelope"].update(signatures=[]), "got 0 instead of 1"),
    "two": (lambda b: b["dsseEnvelope"]["signatures"].append({"sig": ""}), "got 2 instead of 1"),
    "another envelope": (lambda b: b["dsseEnvelope"].update(payloadType="text"), "got 'text' instead of"),
    "another bundle": (lambda b: b.update(mediaType="application/x"), "got 'application/x' instead of"),
    "no envelope": (lambda b: b.pop("dsseEnvelope"), "got 'dsseEnvelope'"),
    "numbers": (lambda b: b.update(dsseEnvelope=7), "cannot be used; expected a bundle of OpenSSF model-signing"),
}


@pytest.mark.parametrize("name", BUNDLES)
def test_a_changed_bundle_does_not_count(name: str, model: Path, key: Path) -> None:
    change, match = BUNDLES[name]
    signed = sign_file(model, Signer.load(key))
    bundle = json.loads(signed.read_text())
    change(bundle)
    signed.write_text(json.dumps(bundle))
    with pytest.raises(NotSignedError, match=match):
        check(model, key.with_suffix(".pub"))


def resigned(model: Path, key: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Sign a changed statement about a file, with the right key."""
    from fmnist_edge.runtime.signature import pre_authentication, signature_algorithm

    signer = Signer.load(key)
    bundle = json.loads(bundle_text(model.name, sha256_hex(model.read_bytes()), signer))
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    change(statement)
    payload = json.dumps(statement).encode()
    signed = signer.key.sign(pre_authentication(payload), signature_algorithm(signer.key.public_key()))
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signed).decode()
    signature_path(model).write_text(json.dumps(bundle))


STATEMENTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another kind": (lambda s: s.update(_type="x"), "got 'x' instead of 'https://in-toto"),
    "another meaning": (lambda s: s.update(predicateType="https://model_signing/Digests/v0.1"), "v0.1' instead"),
    "shards": (lambda s: s["predicate"]["serialization"].update(method="shards"), "got 'shards' instead of 'files'"),
    "two files": (lambda s: s["predicate"].update(resources=s["predicate"]["resources"] * 2), "got 2 instead of 1"),
    "a folder": (lambda s: s["predicate"]["resources"][0].update(name="a"), "cannot be used"),
    "another hash": (lambda s: s["predicate"]["resources"][0].update(algorithm="md5"), "cannot be used"),
    "two digests": (lambda s: s["subject"][0]["digest"].update(sha256="0"), "cannot be used"),
    "no list": (lambda s: s.update(predicate=[]), "cannot be used"),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_about_something_else_does_not_count(name: str, model: Path, key: Path) -> None:
    change, match = STATEMENTS[name]
    resigned(model, key, lambda _: None)
    check(model, key.with_suffix(".pub"))
    resigned(model, key, change)
    with pytest.raises(NotSignedError, match=match):
        check(model, key.with_suffix(".pub"))


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b"[]", b"7", b" " * (MAX_BYTES + 1)])
def test_what_is_no_bundle_does_not_count(content: bytes, model: Path, key: Path) -> None:
    signature_path(model).write_bytes(content)
    with pytest.raises(EdgeError, match=r"onnx\.sig"):
        check(model, key.with_suffix(".pub"))


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_public_key_that_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_bytes(content)
    match = r"cannot trust .*a\.pub; expected one public key or certificates, in PEM; got something else; next: make"
    with pytest.raises(EdgeError, match=match):
        load_trusted(tmp_path / "a.pub")


def test_a_public_key_that_is_missing_private_or_huge(tmp_path: Path, key: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*no\.pub; expected a public key or certificates; got No such"):
        load_trusted(tmp_path / "no.pub")
    with pytest.raises(EdgeError, match=r"cannot trust .*; got a private key, which belongs to whoever signs and now"):
        load_trusted(key)
    (tmp_path / "huge.pub").write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(EdgeError, match="expected at most 1,048,576 bytes; got more"):
        load_trusted(tmp_path / "huge.pub")


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), "RSAPublicKey"),
        (ed25519.Ed25519PrivateKey.generate, "Ed25519PublicKey"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
    ],
)
def test_keys_that_the_standard_does_not_sign_with(make: Callable[[], Any], got: str, tmp_path: Path) -> None:
    key = write_key(tmp_path / "a.key", make())
    for path, load in ((key, Signer.load), (key.with_suffix(".pub"), load_trusted)):
        with pytest.raises(EdgeError, match=rf"the key in .* cannot sign; expected one of secp256r1, .*; got {got}"):
            load(path)


# --- the private key stays where it is -------------------------------------------------------------------------------


def secrets_in(key: Path, password: str = "") -> list[str]:
    """Return what of a key file nobody shall see: its lines, their pieces, and the password."""
    lines = [line for line in key.read_text(errors="replace").splitlines() if line and not line.startswith("-----")]
    return [line[at : at + 12] for line in lines for at in (0, len(line) // 2)] + ([password] if password else [])


def told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_an_encrypted_key_signs_with_its_password_and_says_nothing_of_it(tmp_path: Path, model: Path) -> None:
    key = write_key(tmp_path / "a.key", ec.generate_private_key(ec.SECP256R1()), "open sesame")
    sign_file(model, signer := Signer.load(key, environment={PASSWORD_VARIABLE: "open sesame"}))
    check(model, key.with_suffix(".pub"))
    errors = []
    for environment in ({}, {PASSWORD_VARIABLE: "wrong sesame"}):
        with pytest.raises(EdgeError, match=r"the key .* is encrypted; .*FMNIST|got another password") as e:
            Signer.load(key, environment=environment)
        errors.append(told(e.value))
    for text in (*errors, repr(signer), signature_path(model).read_text()):
        assert not any(secret in text for secret in secrets_in(key, "sesame"))


GARBLED: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "one letter": lambda content: content.replace(b"A", b"!", 1),
    "no header": lambda content: content.split(b"\n", 1)[1],
    "another kind": lambda content: content.replace(b"PRIVATE KEY", b"RSA PRIVATE KEY"),
    "no text": lambda content: b"\xff" * 100,
    "nothing": lambda content: b"",
}


@pytest.mark.parametrize("name", GARBLED)
def test_a_garbled_key_is_refused_without_showing_any_of_it(name: str, tmp_path: Path, key: Path, model: Path) -> None:
    secrets = secrets_in(key)
    path = tmp_path / "garbled.key"
    path.write_bytes(GARBLED[name](key.read_bytes()))
    with pytest.raises(EdgeError, match=r"cannot use the key .*garbled\.key; expected a private key in PEM; got") as e:
        Signer.load(path)
    assert not any(secret in told(e.value) for secret in secrets)


def test_no_key_and_no_model(tmp_path: Path, key: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*no\.key; expected a private key in PEM; got No such file"):
        Signer.load(tmp_path / "no.key")
    with pytest.raises(EdgeError, match=r"cannot sign .*maker\.pub; expected a file ending in .*; got \.pub"):
        sign_file(key.with_suffix(".pub"), Signer.load(key))


def test_a_damaged_file_is_not_signed(model: Path, key: Path) -> None:
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    with pytest.raises(EdgeError, match="was changed or damaged"):
        sign_file(model, Signer.load(key))
    assert not signature_path(model).exists()


def test_without_cryptography_it_tells_how_to_get_it(model: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ec", None)
    match = r"cryptography is needed to .*; got .*; next: pip install 'fmnist-edge\[sign\]'"
    with pytest.raises(EdgeError, match=match):
        Signer.load(key)
    with pytest.raises(EdgeError, match=match):
        Classifier(model, signed_by=key.with_suffix(".pub"))


# --- in use ----------------------------------------------------------------------------------------------------------


def test_a_service_is_told_by_the_environment(model: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGNATURE_VARIABLE, str(key.with_suffix(".pub")))
    with pytest.raises(NotSignedError, match="is not signed"):
        Classifier(model)
    sign_file(model, Signer.load(key))
    Classifier(model).close()
    match = f"a signature is asked for by {SIGNATURE_VARIABLE}, and unverified files are allowed; next: leave one"
    with pytest.raises(EdgeError, match=match):
        Classifier(model, verify=False)
    monkeypatch.delenv(SIGNATURE_VARIABLE)
    with pytest.raises(EdgeError, match="a signature is asked for, and unverified files are allowed"):
        Classifier(model, verify=False, signed_by="a.pub")


def test_the_commands_sign_verify_and_require(model: Path, key: Path, png: Path, tmp_path: Path) -> None:
    public = key.with_suffix(".pub")
    refused = type_in("predict", png, "--model", model, "--require-signature", public)
    assert (refused.code, refused.out) == (2, "")
    assert "is not signed" in refused.err
    assert type_in("sign", model, "--key", key).out == f"wrote {model}.sig\n"
    assert type_in("sign", model, "--key", key, "--json").out.strip() == json.dumps(
        {"file": str(model), "signature": f"{model}.sig"}
    )
    verified = type_in("verify", model, "--public-key", public)
    assert (verified.code, verified.err) == (0, "")
    assert verified.out.startswith(f"{model}: as it was exported, signed by the key ")
    assert type_in("predict", png, "--model", model, "--require-signature", public).code == 0

    elsewhere = signature_path(model).rename(tmp_path / "elsewhere")
    assert type_in("verify", model, "--public-key", public).code == 1
    assert json.loads(type_in("verify", model, "--public-key", public, "--json", "--signature", elsewhere).out)[
        "signer"
    ]
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    changed = type_in("verify", model, "--public-key", public, "--signature", elsewhere)
    assert (changed.code, changed.out) == (1, "")
    assert changed.err.startswith(f"fmnist-edge: {model} was changed or damaged")


def test_files_of_other_tools_are_run_where_it_is_said(
    make_onnx: Callable[..., Path], png: Path, tmp_path: Path
) -> None:
    bare = make_onnx(text=None, sealed=False)
    for command in (["predict", png, "--model", bare], ["evaluate", bare]):
        refused = type_in(*command)
        assert (refused.code, refused.out) == (2, "")
        assert "has no ModelCard" in refused.err
        assert "--allow-unverified" in refused.err
    answered = type_in("predict", png, "--model", bare, "--allow-unverified")
    assert (answered.code, "class " in answered.out) == (0, True)
    evaluated = type_in("evaluate", bare, "--allow-unverified", "--split", "validation")
    assert (evaluated.code, "tiny.onnx" in evaluated.out) == (0, True), evaluated.err
    clash = type_in("predict", png, "--model", bare, "--allow-unverified", "--require-signature", "a.pub")
    assert (clash.code, "leave one of them out" in clash.err) == (2, True)


def test_a_fresh_process_takes_what_may_be_taken(make_onnx: Callable[..., Path]) -> None:
    bare = make_onnx(text=None, sealed=False)
    assert measure_cold_start(bare, runs=1, verify=False).cold_start_ms > 0
    with pytest.raises(EdgeError, match=r"a fresh process could not run .* has no ModelCard"):
        measure_cold_start(bare, runs=1)


def test_verify_wants_to_know_whose_signature(model: Path, key: Path) -> None:
    public = key.with_suffix(".pub")
    for arguments, got in (([], "none"), (["--public-key", public, "--certificate", public], "both")):
        done = type_in("verify", model, *arguments)
        assert (done.code, done.out) == (2, "")
        assert f"whose signature?; expected --public-key or --certificate; got {got}" in done.err
    done = type_in("verify", model, model, "--public-key", public, "--signature", "a.sig")
    assert (done.code, "one signature is of one file; expected one file; got 2" in done.err) == (2, True)


def test_commands_with_a_garbled_key_show_none_of_it(model: Path, key: Path) -> None:
    secrets = secrets_in(key)
    key.write_bytes(key.read_bytes().replace(b"A", b"!", 1))
    done = type_in("sign", model, "--key", key)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert not any(secret in done.err for secret in secrets)
