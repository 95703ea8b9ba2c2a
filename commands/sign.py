"""The command `sign`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .shared import Json, print_json


def sign(
    files: Annotated[list[Path], typer.Argument(help="Exported files, ending in .onnx or .tflite.")],
    key: Annotated[
        Path, typer.Option(help="Private key (PEM); the password of an encrypted one is in FMNIST_EDGE_KEY_PASSWORD.")
    ],
    certificate: Annotated[Path | None, typer.Option(help="The certificate of the key (PEM).")] = None,
    chain: Annotated[
        list[Path] | None, typer.Option(help="A certificate between it and the authority; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Sign exported files: writes FILE.sig beside each, in the format of OpenSSF model-signing.

    Example: fmnist-edge sign exports/fmnist-seed-int8.onnx --key maker.key
    """
    from ..export.signing import Signer, sign_file

    signer = Signer.load(key, certificate=certificate, chain=chain or [])
    for path in files:
        written = sign_file(path, signer)
        if as_json:
            print_json({"file": str(path), "signature": str(written)})
        else:
            print(f"wrote {written}")
