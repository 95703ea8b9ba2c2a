"""The command `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..common.errors import EdgeError
from .shared import Json, fail, print_json


def verify(
    files: Annotated[list[Path], typer.Argument(help="Exported files, with their signatures beside them.")],
    public_key: Annotated[Path | None, typer.Option(help="Public key of whoever signed (PEM).")] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Certificates of authorities that are trusted (PEM).")
    ] = None,
    signature: Annotated[Path | None, typer.Option(help="The signature, where it is not in FILE.sig.")] = None,
    as_json: Json = False,
) -> None:
    """Check that files are as they were exported, and who signed them; exit with 1 where it is not so.

    Example: fmnist-edge verify exports/fmnist-seed-int8.onnx --public-key maker.pub
    """
    from ..runtime.runner import check_file
    from ..runtime.signature import load_trusted

    signed_by = public_key or certificate
    if signed_by is None or (public_key and certificate):
        got = "both" if public_key else "none"
        raise EdgeError("whose signature?", expected="--public-key or --certificate", got=got)
    if signature is not None and len(files) > 1:
        raise EdgeError("one signature is of one file", expected="one file", got=f"{len(files)}")
    load_trusted(signed_by)
    for path in files:
        check_file(path)
    verdicts = [_verdict(path, signed_by, signature) for path in files]
    for verdict in verdicts:
        if as_json:
            print_json(verdict)
        elif verdict["signer"]:
            print(f"{verdict['file']}: as it was exported, signed by {verdict['signer']}")
    faults = [verdict["fault"] for verdict in verdicts if verdict["fault"]]
    for fault in faults:
        fail(fault)
    if faults:
        raise typer.Exit(1)


def _verdict(path: Path, signed_by: Path, signature: Path | None) -> dict[str, Any]:
    from ..runtime.card import read_card
    from ..runtime.integrity import digests_of, require_intact
    from ..runtime.signature import require_signed

    signer, fault = None, None
    try:
        card = read_card(path)
        found = digests_of(path, card.graph_bytes)
        require_intact(path, card, found)
        signer = require_signed(path, signed_by, sha256=found.whole, signature=signature)
    except EdgeError as error:
        fault = str(error)
    return {"file": str(path), "signer": signer, "fault": fault}
