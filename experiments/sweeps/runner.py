"""Runs a sweep's trials one after another: finished ones are kept, others redone, failed ones recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from experiments.results_table import commit
from experiments.sweeps.charges import confirmed, planned_charges
from experiments.sweeps.folder import FAILED, FINISHED, SweepFolder, TrialRecord
from experiments.sweeps.frontier import read_frontier
from experiments.sweeps.grid import Trial, trials
from experiments.sweeps.methods import PRIVATE
from experiments.sweeps.report import REPORT, write_html
from experiments.sweeps.spec import SiloData, SweepSpec
from experiments.sweeps.tracking import SweepTracking
from experiments.sweeps.trial import Means, Outcome, run_trial, stamp
from recsys.errors import ConfigError, ThousandFacesError
from recsys.words import counted
from training.progress import Progress, silent

TRIALS = "trials"
Say = Callable[[str], None]
Run = Callable[[Trial, Path, Means, Progress], Outcome]


@dataclass(frozen=True)
class SweepOptions:
    """How a sweep is run; `charge` confirms that real silos' ledgers may be charged, as told before.

    source, command: the file's and the command's name, for messages and results; tracking_uri: None for a
    database in the folder
    """

    folder: Path
    source: str
    command: str
    data: Path | None = None
    research_data: bool = False
    charge: bool = False
    tracking_uri: str | None = None


@dataclass(frozen=True)
class Watch:
    """Who is told: stages of a trial and trials as progress, a line for each trial that ended."""

    progress: Progress = silent
    say: Say = lambda _: None


@dataclass(frozen=True)
class SweepResult:
    """Records in the order of the trials, ended by now."""

    folder: SweepFolder
    records: tuple[TrialRecord, ...]

    @property
    def failed(self) -> tuple[TrialRecord, ...]:
        """Those that ended with an error."""
        return tuple(record for record in self.records if not record.finished)


def run_sweep(
    spec: SweepSpec,
    options: SweepOptions,
    *,
    chosen: Callable[[Trial], bool] = lambda _: True,
    watch: Watch = Watch(),
    run: Run = run_trial,
) -> SweepResult:
    """Run the trials that `chosen` picks and that have not finished; failures are recorded, the rest go on.

    Raises ConfigError (unconfirmed research data or charges), BudgetExceededError before anything is charged,
    TrainingError if another process is at the folder.
    """
    marked = stamp(spec, research_data=options.research_data)
    place = str(options.data.resolve()) if options.data else ""
    everything = trials(spec, source=options.source, place=place)
    wanted = [trial for trial in everything if chosen(trial)]
    if not wanted:
        raise ConfigError(f"{options.source}: no trial of the sweep is like that; see [grid] in the file")
    folder = SweepFolder(options.folder)
    with folder.opened():
        left = [trial for trial in wanted if not _finished(folder, trial)]
        if isinstance(spec.data, SiloData) and left:
            planned = planned_charges(left, research_data=options.research_data)
            watch.say(confirmed(planned, charge=options.charge))
        folder.write_sweep(_content(spec, options, everything, marked))
        if left:
            _Running(spec, options, folder, marked, watch, run).all(wanted, left)
        records = [folder.read(trial.key) for trial in wanted]
    return SweepResult(folder, tuple(record for record in records if record is not None))


@dataclass(frozen=True)
class _Running:
    """A sweep while it runs."""

    spec: SweepSpec
    options: SweepOptions
    folder: SweepFolder
    stamp: str
    watch: Watch
    run: Run

    def all(self, wanted: Sequence[Trial], left: Sequence[Trial]) -> None:
        """Run the trials that are left of those wanted."""
        uri, tags = self.options.tracking_uri or self.folder.tracking_uri, made(self.options.command)
        tracking = SweepTracking.opened(self.folder, uri, self.spec.name, {"stamp": self.stamp, **tags})
        means = Means(self.folder.path, uri, self.options.data, self.options.research_data)
        self._catch_up(tracking, wanted)
        of, failed = len(wanted), 0
        done = of - len(left)
        if done:
            self.watch.say(f"{done} of {counted(of, 'trial')} had finished before: kept")
        for done, trial in enumerate(left, start=done + 1):  # noqa: B020
            self.watch.progress(TRIALS, done - 1, of)
            record = self._end(trial, means)
            # Before all else: what has been charged and has a record is not run again.
            self.folder.write(record)
            tracking.record(record, self.spec.compared)
            self.folder.clear(trial)
            failed += not record.finished
            self.watch.say(f"[{done}/{of}] {trial.label}: {self._words(record)}")
        self.watch.progress(TRIALS, of, of)
        page = self.folder.path / REPORT
        write_html([read_frontier(self.folder.path)], page, command=self.options.command)
        tracking.close(failed=failed, report=page)

    def _catch_up(self, tracking: SweepTracking, wanted: Sequence[Trial]) -> None:
        """Record in MLflow what had finished when a sweep was killed before it could."""
        known = tracking.recorded()
        for trial in wanted:
            record = self.folder.read(trial.key)
            if record is not None and record.finished and record.key not in known:
                tracking.record(record, self.spec.compared)

    def _end(self, trial: Trial, means: Means) -> TrialRecord:
        """Run a trial to its record, whatever happens to it."""
        self.folder.clear(trial)
        same = (trial.key, trial.cell, trial.number, trial.seed)
        begin = time.perf_counter()
        try:
            found = self.run(trial, self.folder.work(trial), means, self.watch.progress)
        except Exception as error:  # noqa: BLE001  one trial's failure is that trial's result
            seconds, reason = time.perf_counter() - begin, _reason(error, self.spec)
            return TrialRecord(*same, FAILED, self.stamp, made(self.options.command), seconds, error=reason)
        results = (found.figures, found.privacy, None, found.training_run)
        seconds = time.perf_counter() - begin
        return TrialRecord(*same, FINISHED, self.stamp, made(self.options.command), seconds, *results)

    def _words(self, record: TrialRecord) -> str:
        if record.error:
            return f"FAILED, {record.error}"
        metric = self.spec.metrics[0]
        found = record.figures.get(PRIVATE, {}).get(metric)
        figure = "" if found is None else f"private {metric} {found:.4f}, "
        return f"{figure}person-level epsilon {record.privacy['person_epsilon']:.3f}, {record.seconds:.0f} s"


def made(command: str) -> dict[str, str]:
    """What makes a figure, and when."""
    return {"command": command, "commit": commit(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}


def _reason(error: Exception, spec: SweepSpec) -> str:
    # The text of a foreign exception may name a customer; that of the project's own never does.
    quiet = isinstance(spec.data, SiloData) and not isinstance(error, ThousandFacesError)
    return " ".join(f"{type(error).__name__}{'' if quiet else f': {error}'}".split())


def _finished(folder: SweepFolder, trial: Trial) -> bool:
    record = folder.read(trial.key)
    return record is not None and record.finished


def _content(
    spec: SweepSpec, options: SweepOptions, everything: Sequence[Trial], marked: str
) -> dict[str, object]:
    listed = [{"key": t.key, "cell": dict(t.cell), "number": t.number, "seed": t.seed} for t in everything]
    return {
        "spec": spec.model_dump(mode="json"),
        "stamp": marked,
        "made": made(options.command),
        "trials": listed,
    }
