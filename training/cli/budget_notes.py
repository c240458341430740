"""Where configuration files and ledgers' rows disagree: said beside what is shown, which comes from rows."""

from __future__ import annotations

from recsys.privacy.budget import BudgetReport
from recsys.words import counted
from training.cli.books import Books


def notes(report: BudgetReport, books: Books) -> list[str]:
    """A line for each difference, and for each silo that counts though its ledger is not here."""
    return [
        *(line for silo in report.silos for line in silo.contradictions),
        *_not_given(report),
        *_bound(report, books),
        *_called(books),
        *_names(report, books),
        *_caps(report, books),
    ]


def _called(books: Books) -> list[str]:
    """Silos whose file calls them otherwise than their ledger's rows do."""
    found = []
    for name in sorted(books.caps.keys() & books.ledgers.keys()):
        owner = books.ledgers[name].owner()
        if owner not in (None, name):
            found.append(
                f"{name}: silo.toml says so, the rows of its ledger say '{owner}'; rows are what is shown"
            )
    return found


def _not_given(report: BudgetReport) -> list[str]:
    return [
        f"{silo}: ledger not given; counted with the whole plan, or with what the silo that spent most did"
        for silo in report.not_given
    ]


def _bound(report: BudgetReport, books: Books) -> list[str]:
    said = books.max_silos_per_person
    recorded = max((one.max_silos_per_person for one in report.federations), default=said)
    if said is None or said == recorded:
        return []
    return [
        f"federation.toml says that a person is in up to {counted(said, 'silo')}, the ledgers' rows count "
        f"{recorded}; rows are what is shown"
    ]


def _names(report: BudgetReport, books: Books) -> list[str]:
    """Silos that rows name and the files do not, or the other way round."""
    if books.max_silos_per_person is None:
        return []
    listed = {*books.ledgers, *books.missing}
    unknown = sorted({silo for one in report.federations for silo in one.silos} - listed)
    return [f"{silo}: named by ledgers' rows, but not in federation.toml; it counts" for silo in unknown]


def _caps(report: BudgetReport, books: Books) -> list[str]:
    found = [
        f"{silo.silo}: the cap of {silo.cap:g} is configured, not yet recorded"
        for silo in report.silos
        if not silo.cap_recorded
    ]
    found += [
        f"{name}: the cap of {books.caps[name].epsilon:g} is configured, not yet recorded"
        for name in books.missing
    ]
    for name, ledger in books.ledgers.items():
        configured = books.caps.get(name)
        recorded = {(row.cap, row.delta) for row in ledger.rows() if row.kind == "cap"}
        if configured and recorded and (configured.epsilon, configured.delta) not in recorded:
            found.append(
                f"{name}: silo.toml says a cap of {configured.epsilon:g} at delta {configured.delta:g}; it is"
                " configured, not yet recorded, and the ledger's is shown"
            )
    return found
