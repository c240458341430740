"""A silo that is away or late is not forgotten by the lifetime that a statement claims."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message

from recsys.errors import TrainingError
from recsys.privacy import accountant
from recsys.privacy.charge import to_json
from recsys.privacy.charged import Charged, to_report
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from recsys.silos.config import FederationConfig
from tests.recsys.privacy.builders import DELTA, make_charge
from training.checkpoint import RUNS
from training.client_app import app
from training.config import TrainingConfig
from training.coordinator import coordinate
from training.lifetimes import FILE, Known, known_lifetimes, remember
from training.messages import Reply
from training.progress import silent
from training.settle import STATEMENT
from training.simulate import FIRST_CLIENT_NODE, InProcessGrid, node_contexts


class Away(InProcessGrid):
    """A network on which the first silo is never heard."""

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        reached = [m for m in messages if m.metadata.dst_node_id != FIRST_CLIENT_NODE]
        return super().send_and_receive(reached, timeout=timeout)


def run(grid_of: type[InProcessGrid], world: Path, config: TrainingConfig) -> dict[str, Any]:
    silos = FederationConfig.load(world / "federation.toml").silos
    grid = grid_of(app, node_contexts(len(silos), {"federation": str(world / "federation.toml")}))
    result = coordinate(grid, config, progress=silent, resume=False)
    grid.close()
    return {**result.report, "plan": result.plan, "statement": result.folder / STATEMENT, "run": result}


def test_a_silo_that_is_away_costs_what_it_spent_before_and_the_whole_plan(
    configured: Callable[..., TrainingConfig], world: Path
) -> None:
    config = configured("privacy.epsilon=1.5")
    silos = FederationConfig.load(world / "federation.toml").silo_configs()
    first = run(InProcessGrid, world, config)
    second = run(Away, world, config)
    away, plan = silos[0].name, second["plan"]
    assert first["unconfirmed_silos"] == []
    assert second["unconfirmed_silos"] == [away]
    spent = list(Ledger(silos[0].ledger).events())
    assert len(spent) == first["silos"][away]["reservations"], "it spent in the first run alone"
    bound = accountant.epsilon([*spent, *plan.events()], plan.delta)
    assert second["silos"][away]["epsilon_lifetime"] == pytest.approx(bound)
    others = [Ledger(silo.ledger).events() for silo in silos[1:]]
    worst = accountant.person_epsilon(
        {"away": [*spent, *plan.events()], **{str(n): e for n, e in enumerate(others)}}, 2, plan.delta
    )
    assert second["person_epsilon_lifetime"] == pytest.approx(worst)
    stated = second["run"].folder.joinpath(STATEMENT).read_text()
    assert f'"unconfirmed_silos": [\n    "{away}"\n  ]' in stated


def test_what_is_known_grows_by_what_silos_say(tmp_path: Path) -> None:
    def said(noise: float) -> Reply:
        return Reply({"events": f'{{"events": [{{"noise_multiplier": {noise}}}]}}'})

    assert known_lifetimes(tmp_path) == {}
    remember(tmp_path, {"a": said(2.0), "b": said(3.0)})
    known = remember(tmp_path, {"b": said(4.0)})
    assert known.charged == known_lifetimes(tmp_path)
    assert known.charged["a"] == [Charged("", PrivacyEvent(2.0))]
    assert sorted(one.event.noise_multiplier for one in known.charged["b"]) == [3.0, 4.0], (
        "nothing is forgotten"
    )
    assert known.shortened == ("b",), "it no longer says what it said before"


def test_what_silos_say_of_their_plans_is_kept_and_older_readers_find_the_events(tmp_path: Path) -> None:
    silos, plan = frozenset("ab"), (PrivacyEvent(2.0), PrivacyEvent(1.0, 0.1, 7))
    charged = [Charged(f"run-{n}", event, silos, 2, plan) for n, event in enumerate(plan)]
    text = to_json(to_report(charged))
    remember(tmp_path, {"a": Reply({"events": text})})
    assert known_lifetimes(tmp_path) == {"a": charged}
    assert [PrivacyEvent(**event) for event in json.loads(text)["events"]] == list(plan)
    assert len(json.loads(text)["plans"]) == 1, "a plan is sent once, however many charges it has"


def test_a_file_of_an_older_release_is_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"a": [{"noise_multiplier": 2.0, "sampling_rate": 1.0, "steps": 3}]}')
    assert known_lifetimes(tmp_path) == {"a": [Charged("", PrivacyEvent(2.0, 1.0, 3))]}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"a": [{"noise": 2}]}')
    with pytest.raises(TrainingError, match=r"silo_lifetimes\.json: not readable"):
        known_lifetimes(tmp_path)


def mirrored(output: Path, run_id: str, ledger: Ledger) -> None:
    """A run's folder with its mirror of what a silo's ledger says of that run."""
    mirror = Ledger(output / RUNS / run_id / "ledger.db")
    for receipt in ledger.receipts(run_id=run_id):
        mirror.mirror(receipt)


def answer(ledger: Ledger) -> Reply:
    return Reply({"events": to_json(to_report(ledger.charges()))})


def spent(path: Path, *runs: str) -> Ledger:
    ledger = Ledger(path)
    ledger.set_cap(100.0, DELTA)
    for run_id in runs:
        for _ in range(2):
            ledger.commit(ledger.reserve(make_charge(PrivacyEvent(3.0), run_id=run_id)), 1)
    return ledger


def test_mirrors_know_what_a_deleted_file_knew(tmp_path: Path) -> None:
    ledger = spent(tmp_path / "silo.sqlite", "run-1", "run-2")
    for run_id in ("run-1", "run-2"):
        mirrored(tmp_path, run_id, ledger)
    mirrored(tmp_path / "copied", "run-1", ledger)
    shutil.copytree(tmp_path / "copied" / RUNS / "run-1", tmp_path / RUNS / "run-1-copied")
    known = remember(tmp_path, {"north": answer(ledger)})
    assert known == Known({"north": list(ledger.charges())}, ())
    (tmp_path / FILE).unlink()
    assert known_lifetimes(tmp_path) == {"north": list(ledger.charges())}


def test_a_file_that_was_edited_does_not_make_less_known(tmp_path: Path) -> None:
    ledger = spent(tmp_path / "silo.sqlite", "run-1", "run-2")
    mirrored(tmp_path, "run-1", ledger)
    mirrored(tmp_path, "run-2", ledger)
    (tmp_path / FILE).write_text(to_json({"north": to_report(ledger.charges()[:1])}))
    assert Counter(known_lifetimes(tmp_path)["north"]) == Counter(ledger.charges())


def test_a_shorter_answer_replaces_nothing_and_is_named(tmp_path: Path) -> None:
    old, new = spent(tmp_path / "old.sqlite", "run-1"), spent(tmp_path / "new.sqlite", "run-2")
    assert remember(tmp_path, {"north": answer(old)}).shortened == ()
    known = remember(tmp_path, {"north": answer(new)})
    assert Counter(known.charged["north"]) == Counter([*old.charges(), *new.charges()])
    assert known.shortened == ("north",)


def test_a_silo_that_lost_its_ledger_counts_with_what_was_known_and_the_statement_says_it(
    configured: Callable[..., TrainingConfig], world: Path
) -> None:
    config = configured("privacy.epsilon=1.5")
    silo = FederationConfig.load(world / "federation.toml").silo_configs()[0]
    run(InProcessGrid, world, config)
    before = list(Ledger(silo.ledger).events())
    for kept in Path(silo.ledger).parent.glob(f"{Path(silo.ledger).name}*"):
        kept.unlink()
    (config.output / FILE).unlink()
    second = run(InProcessGrid, world, config)
    after = [*before, *Ledger(silo.ledger).events()]
    bound = accountant.epsilon(after, second["plan"].delta)
    assert second["silos"][silo.name]["epsilon_lifetime"] == pytest.approx(bound)
    assert second["unconfirmed_silos"] == second["shortened_ledgers"] == [silo.name]
    assert json.loads(second["run"].folder.joinpath(STATEMENT).read_text())["unconfirmed_silos"] == [
        silo.name
    ]


def test_a_damaged_mirror_is_named(tmp_path: Path) -> None:
    path = tmp_path / RUNS / "run-1" / "ledger.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all, and long enough to be seen as none" * 4)
    with pytest.raises(TrainingError, match=r"ledger\.db: not readable"):
        known_lifetimes(tmp_path)
