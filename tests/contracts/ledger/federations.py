"""Generated federations with ledgers: plans and rows of every kind, and what a person lost by them."""

from __future__ import annotations

import json
import random
import sqlite3
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
from dp_accounting.pld import PLDAccountant

from recsys.privacy.ledger import Ledger, planned_charge
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan

DELTA, CAP = 1e-6, 900.0
NAMES = ("a", "b", "c", "d", "e")
RELEASES = ("popularity", "copurchase", "intervals")


@dataclass
class Files:
    """What an operator can edit, beside the ledgers: `write` puts it where commands read it."""

    folder: Path
    silos: list[str]
    max_silos_per_person: int
    cap: float = CAP
    delta: float = DELTA
    registered_customers: int = 1000

    def write(self, **changes: object) -> Path:
        """Write all files, changed as told; returns the path of federation.toml."""
        told = replace(self, **changes)  # type: ignore[arg-type]
        for silo in told.silos:
            place = self.folder / silo / "silo.toml"
            place.parent.mkdir(exist_ok=True)
            place.write_text(
                f'name = "{silo}"\nregistered_customers = {told.registered_customers}\n'
                f"epsilon_cap = {told.cap}\ndelta = {told.delta}\n"
            )
        path, paths = self.folder / "federation.toml", [f"{silo}/silo.toml" for silo in told.silos]
        most = min(told.max_silos_per_person, len(paths))
        path.write_text(
            f'catalogue = "c.parquet"\nsilos = {json.dumps(paths)}\nmax_silos_per_person = {most}\n'
        )
        return path

    def ledger(self, silo: str) -> Ledger:
        """The silo's ledger, capped."""
        ledger = Ledger(self.folder / silo / "ledger.sqlite")
        ledger.set_cap(CAP, DELTA)
        return ledger


def generated(folder: Path, seed: int) -> Files:
    """A federation of one to five silos that grew over one to three runs, with ledgers of what happened."""
    rng = random.Random(seed)
    size, runs = rng.randint(1, len(NAMES)), rng.randint(1, 3)
    sizes = [*sorted(rng.randint(1, size) for _ in range(runs - 1)), size]
    bound, sampled = 1, rng.random() < (0.3 if size <= 3 else 0.1)
    files = Files(folder, list(NAMES[:size]), 1)
    for number, members in enumerate(sizes):
        bound = rng.randint(bound, members)
        plan = random_plan(rng, NAMES[:members], bound, sampled=sampled)
        for silo in NAMES[:members]:
            run(rng, files.ledger(silo), plan, silo, f"run-{number}")
    for silo in NAMES[:size]:
        files.ledger(silo)
    return replace(files, max_silos_per_person=bound)


def random_plan(rng: random.Random, silos: tuple[str, ...], bound: int, *, sampled: bool) -> PrivacyPlan:
    """Some noised sums and perhaps some sampled steps, not calibrated to anything."""
    names = [name for name in RELEASES if rng.random() < 0.6] or ["popularity"]
    releases = tuple(ReleasePlan(name, 1.0, rng.uniform(4.0, 12.0), rng.choice((1, 1, 3))) for name in names)
    steps = DpSgdPlan(0.3, rng.uniform(0.9, 2.0), rng.choice((0.02, 0.1)), rng.randint(2, 40))
    registered = dict.fromkeys(silos, 1000)
    return PrivacyPlan(100.0, DELTA, bound, registered, releases, steps if sampled else None)


def run(rng: random.Random, ledger: Ledger, plan: PrivacyPlan, silo: str, run_id: str) -> None:
    """One silo's part of a run: whole or in part, now and then twice; committed, given up or left open."""
    for mechanism, event in plan.mechanisms().items():
        for _ in range(rng.choices((0, 1, 2), (1, 8, 1))[0]):
            done = rng.randint(1, event.steps)
            charge = planned_charge(
                plan,
                mechanism,
                silo=silo,
                run_id=run_id,
                purpose="training",
                requester="ana",
                snapshot_hmac="0" * 64,
                steps=done,
            )
            row, end = ledger.reserve(charge), rng.random()
            if end < 0.6:
                ledger.commit(row, done)
            elif end < 0.8:
                ledger.void(row, "lost the line")


def lost(folder: Path, delta: float) -> float:
    """What a person lost, by dp_accounting alone from the raw rows: the worst choice of silos, composed."""
    spent: dict[str, tuple[tuple[float, float, int], ...]] = {}
    bound = 0
    for path in sorted(folder.glob("*/ledger.sqlite")):
        rows = raw_charges(path)
        spent[path.parent.name] = tuple((noise, rate, steps) for noise, rate, steps, _ in rows)
        bound = max([bound, *(words["max_silos_per_person"] for *_, words in rows)])
    chosen = combinations(sorted(spent), min(bound, len(spent)))
    choices = {tuple(sorted(event for silo in some for event in spent[silo])) for some in chosen}
    return max((composed(choice, delta) for choice in choices), default=0.0)


def covered(folder: Path, silo: str) -> bool:
    """Whether in each run another silo, or the plan, spent as much as this one, and others know of it."""
    spent: dict[str, dict[tuple[str, float, float], int]] = {}
    told: dict[tuple[str, float, float], int] = {}
    for path in folder.glob("*/ledger.sqlite"):
        own = spent.setdefault(path.parent.name, {})
        for noise, rate, steps, words in raw_charges(path):
            key = (words["run_id"], noise, rate)
            own[key] = own.get(key, 0) + steps
            if path.parent.name != silo:
                for event in words["plan_events"]:
                    planned = (words["run_id"], event["noise_multiplier"], event["sampling_rate"])
                    told[planned] = max(told.get(planned, 0), event["steps"])
    for name, own in spent.items():
        if name != silo:
            told = {key: max(told.get(key, 0), own.get(key, 0)) for key in {*told, *own}}
    return len(spent) > 1 and all(steps <= told.get(key, 0) for key, steps in spent[silo].items())


def raw_charges(path: Path) -> list[tuple[float, float, int, dict[str, Any]]]:
    """Noise multiplier, sampling rate, steps and words of every reservation, past the ledger's code."""
    raw = sqlite3.connect(path)
    query = "SELECT noise_multiplier, sampling_rate, steps, details FROM rows WHERE kind = 'reserve'"
    rows = [(noise, rate, steps, json.loads(words)) for noise, rate, steps, words in raw.execute(query)]
    raw.close()
    return rows


def composed(events: tuple[tuple[float, float, int], ...], delta: float) -> float:
    """Epsilon of these (noise multiplier, sampling rate, steps), by dp_accounting.

    Plain Gaussians are one whose precision is the sum of theirs, which is exact and saves time.
    """
    if not events:
        return 0.0
    accountant = PLDAccountant(value_discretization_interval=1e-4)
    steps: dict[tuple[float, float], int] = {}
    for noise, rate, number in events:
        steps[noise, rate] = steps.get((noise, rate), 0) + number
    precision = sum(number / noise**2 for (noise, rate), number in steps.items() if rate == 1.0)
    if precision:
        accountant.compose(GaussianDpEvent(precision**-0.5))
    for (noise, rate), number in steps.items():
        if rate < 1.0:
            accountant.compose(PoissonSampledDpEvent(rate, GaussianDpEvent(noise)), number)
    return float(accountant.get_epsilon(delta))
