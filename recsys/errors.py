"""Named errors. Each message is one line that names the offender and says what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


class ThousandFacesError(Exception):
    """Base of every error that a user can act on; the command line prints it as one line.

    `exit_code` is what scripts see: 2 for wrong input or configuration, 3 for a refused privacy budget,
    4 for a failed or incomplete run, 5 for a bundle that cannot be trusted.
    """

    exit_code = 2


class ConfigError(ThousandFacesError):
    """A configuration value is missing, unknown or out of range."""


@dataclass(frozen=True)
class Location:
    """Where in the input something is wrong; row numbers are 1-based and do not count the header."""

    file: str
    row: int | None = None
    column: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        parts = [self.file]
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.column is not None:
            parts.append(f"column '{self.column}'")
        if self.value is not None:
            parts.append(f"value {self.value!r}")
        return ", ".join(parts)


class DataContractError(ThousandFacesError):
    """A silo's table breaks the data contract. Carries the location, the problem and the remedy."""

    def __init__(self, location: Location, problem: str, remedy: str) -> None:
        self.location, self.problem, self.remedy = location, problem, remedy
        super().__init__(f"{location}: {problem}; {remedy}")


class OrderingError(ThousandFacesError):
    """A feature that needs the order of events was asked of data that has none."""


class UnknownItemError(ThousandFacesError):
    """An item id is not in the public catalogue."""


class UnknownCustomerError(ThousandFacesError):
    """A customer id is not known in this silo, or has not consented to personalisation."""


class EventConflictError(ThousandFacesError):
    """An event id is already stored with different content."""


class BudgetExceededError(ThousandFacesError):
    """A reservation would overspend a cap. The message says what is left."""

    exit_code = 3


class LedgerError(ThousandFacesError):
    """The privacy ledger is unreachable, damaged, or refuses an operation."""

    exit_code = 3


class ApprovalRequiredError(LedgerError):
    """The ledger's policy asks a second person for this. The message says which command they run."""


class PlanError(ThousandFacesError):
    """A privacy plan cannot be made, or what ran does not match it."""

    exit_code = 3


class VoidReleaseError(PlanError):
    """What a silo's sampler, clipper or noise counted is not what its ledger was charged for."""


class QuorumError(ThousandFacesError):
    """Too few silos answered a round before its deadline."""

    exit_code = 4


class TrainingError(ThousandFacesError):
    """A training run failed or cannot be resumed."""

    exit_code = 4


class BundleError(ThousandFacesError):
    """A model bundle is missing, incomplete or does not match its hashes."""

    exit_code = 5


class NoBundleError(BundleError):
    """There is no bundle where a path says: wrong input, where a damaged bundle is not."""

    exit_code = 2


class RegistryError(ThousandFacesError):
    """The model registry cannot be reached, or failed."""

    exit_code = 5


class RegistryNameError(RegistryError):
    """What was asked for by name: no name at all, or none that the registry has. Wrong input."""

    exit_code = 2
