"""What a model file must prove before it is run, and the proof: nothing of it is run, nor seen by a runtime, before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import EdgeError
from .card import ModelCard, NoCardError, read_card
from .external import require_one_file
from .integrity import digests_of, require_intact

SIGNATURE_VARIABLE = "FMNIST_EDGE_REQUIRE_SIGNATURE"
"""Names a public key, or certificates: from then on nothing is run that its owner has not signed."""


@dataclass(frozen=True)
class Trust:
    """What a file must prove.

    Attributes:
        verify: it is as it was exported, by its digests. Without, files of other tools are run, too.
        signed_by: it was signed with the key that belongs to this file: a public key or certificates, in PEM.
    """

    verify: bool = True
    signed_by: Path | None = None

    @classmethod
    def chosen(
        cls,
        *,
        verify: bool = True,
        signed_by: str | Path | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> Trust:
        """Return what was asked for; the environment may ask for a signature, too.

        Raises:
            EdgeError: a signature is required, and nothing is to be verified.

        >>> Trust.chosen(environment={SIGNATURE_VARIABLE: "/etc/maker.pub"})
        Trust(verify=True, signed_by=PosixPath('/etc/maker.pub'))
        """
        named = signed_by or environment.get(SIGNATURE_VARIABLE) or None
        if named and not verify:
            where = "asked for" if signed_by else f"asked for by {SIGNATURE_VARIABLE}"
            hint = "leave one of them out"
            raise EdgeError(f"a signature is {where}, and unverified files are allowed", hint=hint)
        return cls(verify, Path(named) if named else None)


def trusted_card(path: Path, trust: Trust) -> ModelCard | None:
    """Return the card of a file that has proved what it must; None for one without a card, if that may be run.

    Raises:
        EdgeError: it is changed, damaged, not signed as asked for, has no card, or wants other files.
    """
    card = _card_of(path, trust)
    if path.suffix == ".onnx":
        require_one_file(path)
    return card


def _card_of(path: Path, trust: Trust) -> ModelCard | None:
    try:
        card, fault = read_card(path), None
    except EdgeError as error:
        card, fault = None, error
    if not trust.verify:
        if fault is not None and not isinstance(fault, NoCardError):
            raise fault
        return card
    found = digests_of(path, card.graph_bytes if card else 0)
    require_intact(path, card, found)
    if fault is not None:
        raise fault
    if trust.signed_by is not None:
        from .signature import require_signed  # cryptography is an extra

        require_signed(path, trust.signed_by, sha256=found.whole)
    return card
