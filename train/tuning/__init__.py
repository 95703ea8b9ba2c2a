"""A search over architecture and recipe, judged on the validation split. Needs Optuna (the extra ``[tune]``).

``space`` says what is searched, ``objectives`` what is wanted, ``storage`` where trials are kept, ``search`` runs them,
``trials`` reads them back, and ``outcome`` writes tables, TOML files and pictures. Only `search` needs TensorFlow.
"""

from __future__ import annotations

from ...common.extras import import_extra


def require_optuna() -> None:
    """Import Optuna.

    Raises:
        EdgeError: it is not installed.
    """
    import_extra("optuna", needed="Optuna is needed for this", extra="tune")
