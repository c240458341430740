"""Finished trials are kept, failed ones recorded and tried again, and two sweeps never share a folder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.sweeps.folder import SweepFolder
from experiments.sweeps.grid import Trial
from experiments.sweeps.runner import SweepOptions, Watch, run_sweep
from experiments.sweeps.spec import SweepSpec
from experiments.sweeps.tracking import SweepTracking
from experiments.sweeps.trial import Outcome
from recsys.errors import ConfigError, PlanError, RegistryError, TrainingError

PRIVACY = {"person_epsilon": 1.0, "delta": 1e-6, "max_silos_per_person": 2, "silos": {}}


class Worker:
    """Stands where trials are run: notes which, and fails where it is told to."""

    def __init__(self, *broken: float) -> None:
        self.broken, self.ran = set(broken), list[tuple[float, int]]()

    def __call__(self, trial: Trial, work: Path, *_: object) -> Outcome:
        (work / "half-done").touch()
        epsilon = float(trial.cell["epsilon"])
        self.ran.append((epsilon, trial.number))
        if epsilon in self.broken:
            raise PlanError("no noise level\nmeets the target")
        return Outcome({"private": {"recall_at_10": epsilon}}, PRIVACY, "run-1")


@pytest.fixture
def spec() -> SweepSpec:
    return SweepSpec(name="x", grid={"epsilon": [1.0, 2.0]}, seeds=2)


@pytest.fixture
def options(new_output: Callable[[Path], Path], tmp_path: Path) -> SweepOptions:
    return SweepOptions(new_output(tmp_path / "out"), "x.toml", "thousandfaces experiment sweep x.toml")


def test_a_failed_cell_is_recorded_and_the_sweep_goes_on(spec: SweepSpec, options: SweepOptions) -> None:
    said: list[str] = []
    result = run_sweep(spec, options, watch=Watch(say=said.append), run=Worker(1.0))
    assert [record.status for record in result.records] == ["failed", "finished"] * 2
    assert {record.error for record in result.failed} == {"PlanError: no noise level meets the target"}
    assert [record.figures for record in result.failed] == [{}, {}]
    assert said[0].startswith("[1/4] epsilon 1.0, trial 0: FAILED, PlanError")
    assert "no noise level" in (options.folder / "report.html").read_text()


def test_what_finished_is_kept_and_what_failed_is_tried_again(spec: SweepSpec, options: SweepOptions) -> None:
    run_sweep(spec, options, run=Worker(1.0))
    kept = {path: path.read_bytes() for path in (options.folder / "trials").iterdir()}
    again = Worker()
    said: list[str] = []
    result = run_sweep(spec, options, watch=Watch(say=said.append), run=again)
    assert again.ran == [(1.0, 0), (1.0, 1)]
    assert said[0] == "2 of 4 trials had finished before: kept"
    assert not result.failed
    for record in result.records:
        if record.cell["epsilon"] == 2.0:
            path = options.folder / "trials" / f"{record.key}.json"
            assert path.read_bytes() == kept[path]
    nothing = Worker()
    run_sweep(spec, options, run=nothing)
    assert not nothing.ran


def test_a_longer_grid_runs_only_what_is_new(spec: SweepSpec, options: SweepOptions) -> None:
    run_sweep(spec, options, run=Worker())
    longer = spec.model_copy(update={"grid": {"epsilon": [1.0, 2.0, 4.0]}})
    worker = Worker()
    result = run_sweep(longer, options, run=worker)
    assert worker.ran == [(4.0, 0), (4.0, 1)]
    assert len(result.records) == 6


def test_an_attempt_works_in_a_fresh_folder_that_is_removed(spec: SweepSpec, options: SweepOptions) -> None:
    worker = Worker()
    trial_of: list[Trial] = []

    def interrupted(trial: Trial, work: Path, *rest: object) -> Outcome:
        trial_of.append(trial)
        worker(trial, work)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(spec, options, run=interrupted)
    assert [path.name for path in (options.folder / "work").glob("*/*")] == ["half-done"]
    assert SweepFolder(options.folder).read(trial_of[0].key) is None

    def fresh(trial: Trial, work: Path, *rest: object) -> Outcome:
        assert not list(work.iterdir())
        return worker(trial, work)

    assert not run_sweep(spec, options, run=fresh).failed
    assert not list((options.folder / "work").iterdir())


def test_one_sweep_at_a_time_in_a_folder(spec: SweepSpec, options: SweepOptions) -> None:
    with (
        SweepFolder(options.folder).opened(),
        pytest.raises(TrainingError, match="another sweep is at it"),
    ):
        run_sweep(spec, options, run=Worker())


def test_a_damaged_record_is_named(spec: SweepSpec, options: SweepOptions) -> None:
    result = run_sweep(spec, options, run=Worker())
    path = options.folder / "trials" / f"{result.records[0].key}.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match=rf"{path.name}: not readable"):
        run_sweep(spec, options, run=Worker())
    path.write_text('{"key": "x"}')
    with pytest.raises(ConfigError, match=rf"{path.name}: not a trial's record"):
        run_sweep(spec, options, run=Worker())


def test_real_purchases_need_a_confirmation_and_are_stamped(options: SweepOptions) -> None:
    data = {"source": "file", "file": "b.parquet", "ordering": "order_number", "registered_customers": 9}
    spec = SweepSpec(name="x", data=data, grid={"epsilon": [1.0]}, seeds=1)
    worker = Worker()
    with pytest.raises(ConfigError, match="confirm with --research-data"):
        run_sweep(spec, options, run=worker)
    assert not worker.ran
    told = SweepOptions(options.folder, "x.toml", "x", data=options.folder, research_data=True)
    (record,) = run_sweep(spec, told, run=worker).records
    assert record.stamp == "research data, outside the claim"
    assert "outside the claim" in (options.folder / "report.html").read_text()


def test_what_mlflow_missed_when_a_sweep_was_killed_is_recorded(
    spec: SweepSpec, options: SweepOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SweepTracking, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(spec, options, run=Worker())
    worker = Worker()
    run_sweep(spec, options, run=worker)
    assert worker.ran == [(2.0, 0), (1.0, 1), (2.0, 1)]
    folder = SweepFolder(options.folder)
    tracking = SweepTracking.opened(folder, folder.tracking_uri, "x", {})
    assert tracking.recorded() == {path.stem for path in (options.folder / "trials").iterdir()}


def test_mlflow_out_of_reach_is_an_error_of_one_line(spec: SweepSpec, options: SweepOptions) -> None:
    (options.folder / "file").touch()
    nowhere = replace(options, tracking_uri=f"sqlite:///{options.folder}/file/mlflow.db")
    with pytest.raises(RegistryError, match=r"file/mlflow\.db: .*; check the tracking URI$") as found:
        run_sweep(spec, nowhere, run=Worker())
    assert len(str(found.value).splitlines()) == 1
