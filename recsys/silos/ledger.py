"""A silo's own privacy ledger, with the rules that its configuration declares."""

from __future__ import annotations

from recsys.privacy.ledger import Cap, Ledger
from recsys.silos.config import SiloConfig


def open_ledger(config: SiloConfig, *, create: bool = True) -> Ledger:
    """The silo's ledger; caps and policy of approval are recorded where the configuration has changed.

    Raises LedgerError if it cannot be written, and ApprovalRequiredError if the configuration asks for less
    approval than the ledger does and nobody else has agreed.
    """
    ledger = read_ledger(config, create=create)
    cap = Cap(config.epsilon_cap, config.delta)
    ledger.declare(cap, purpose_caps=config.purpose_caps, approval_above=config.approval_above)
    return ledger


def read_ledger(config: SiloConfig, *, create: bool = False) -> Ledger:
    """The silo's ledger as it is, nothing recorded; LedgerError if there is none."""
    return Ledger(config.ledger, create=create, witness=config.ledger_witness)
