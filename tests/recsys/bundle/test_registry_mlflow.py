import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from recsys.bundle.manifest import Metrics, Stamp
from recsys.bundle.registry_mlflow import MlflowRegistry, main
from recsys.bundle.source import DirectorySource, RegistrySource, source_of
from recsys.bundle.store import read_bundle, write_bundle
from recsys.errors import BundleError, RegistryError, RegistryNameError
from tests.recsys.bundle_builder import build_bundle, make_bundle


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[MlflowRegistry, Path, Path]:
    """A registry with two versions of one model, 'champion' on the first, and the two bundles' folders."""
    root = tmp_path_factory.mktemp("registry")
    registry = MlflowRegistry(f"sqlite:///{root}/mlflow.db")
    first, second = make_bundle(root / "a"), make_bundle(root / "b", seed=1)
    assert registry.publish(first, "thousandfaces").version == 1
    assert registry.publish(second, "thousandfaces").version == 2
    registry.set_alias("thousandfaces", "champion", 1)
    return registry, first, second


def test_alias_and_number_fetch_the_version_they_name(world, tmp_path):
    registry, first, second = world
    by_alias = registry.fetch("models:/thousandfaces@champion", tmp_path / "one")
    by_number = registry.fetch("models:/thousandfaces/2", tmp_path / "two")
    assert read_bundle(by_alias).version == read_bundle(first).version
    assert read_bundle(by_number).version == read_bundle(second).version
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["one", "two"], "no scratch folder is left"


def test_publishing_the_same_bundle_again_makes_no_new_version(world):
    registry, first, _ = world
    assert registry.publish(first, "thousandfaces").version == 1
    assert [release.version for release in registry.releases("thousandfaces")] == [2, 1]


def test_metrics_alone_make_a_new_release_of_the_same_model_version(world, tmp_path):
    registry, _, _ = world
    bundle = build_bundle(seed=2)
    plain = registry.publish(write_bundle(tmp_path / "plain", bundle), "measured")
    metrics = Metrics(stamp=Stamp.SIMULATED, values={"recall@10": 0.2})
    judged = registry.publish(
        write_bundle(tmp_path / "judged", bundle.with_manifest(metrics=metrics)), "measured"
    )
    assert (plain.version, judged.version) == (1, 2)
    assert plain.model_version == judged.model_version == bundle.version


def test_a_release_that_dies_before_the_alias_leaves_the_old_one_serving(world, tmp_path):
    registry, _, _ = world
    registry.publish(make_bundle(tmp_path, seed=3), "thousandfaces")
    with pytest.raises(RegistryNameError, match="999"):
        registry.set_alias("thousandfaces", "champion", 999)
    assert registry.resolve("models:/thousandfaces@champion").version == 1
    assert registry.releases("thousandfaces")[-1].aliases == ("champion",)


def test_a_failed_upload_registers_nothing(world, tmp_path, monkeypatch):
    registry, _, _ = world
    from mlflow import MlflowClient

    def broken(*_: object) -> None:
        raise OSError("disk full\nwith details")

    monkeypatch.setattr(MlflowClient, "log_artifacts", broken)
    with pytest.raises(RegistryError, match=r"^sqlite:.*: disk full; check") as failure:
        registry.publish(make_bundle(tmp_path, seed=4), "never")
    assert "\n" not in str(failure.value)
    assert registry.releases("never") == ()


def test_rollback_is_moving_the_alias(world):
    registry, _, _ = world
    assert registry.set_alias("thousandfaces", "canary", 2).aliases == ("canary",)
    assert registry.set_alias("thousandfaces", "canary", 1).version == 1
    assert registry.resolve("models:/thousandfaces@canary").version == 1


def test_a_run_may_keep_the_files(world, tmp_path):
    registry, _, _ = world
    from mlflow import MlflowClient

    client = MlflowClient(registry.tracking_uri, registry.tracking_uri)
    run = client.create_run(client.get_experiment_by_name("bundles").experiment_id)
    release = registry.publish(make_bundle(tmp_path, seed=5), "with-run", run_id=run.info.run_id)
    assert release.run_id == run.info.run_id
    names = {Path(file.path).name for file in client.list_artifacts(run.info.run_id, "bundle")}
    assert "manifest.json" in names


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("models:/thousandfaces@nobody", "nobody"),
        ("models:/thousandfaces/77", "77"),
        ("models:/unknown/1", "unknown"),
        ("models:/thousandfaces/99999999999999999999999", "names no registered bundle"),
        ("models:/thousandfaces", "names no registered bundle"),
        ("thousandfaces@champion", "names no registered bundle"),
    ],
)
def test_what_is_not_registered_is_named_in_one_line(world, tmp_path, uri, problem):
    with pytest.raises(RegistryNameError, match=problem) as failure:
        world[0].fetch(uri, tmp_path / "out")
    assert "\n" not in str(failure.value)
    assert list(tmp_path.iterdir()) == []


def test_damage_in_the_registry_is_found_before_the_folder_appears(world, tmp_path):
    registry, first, _ = world
    run_id = registry.publish(make_bundle(tmp_path, seed=6), "damaged").run_id
    (stored,) = (first.parent.parent / "artifacts" / run_id).rglob("vectors.safetensors")
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="vectors"):
        registry.fetch("models:/damaged/1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_that_are_gone_are_the_registrys_fault_not_the_names(world, tmp_path):
    registry, first, _ = world
    run_id = registry.publish(make_bundle(tmp_path, seed=7), "gone").run_id
    shutil.rmtree(first.parent.parent / "artifacts" / run_id)
    with pytest.raises(RegistryError, match="publish the bundle again") as failure:
        registry.fetch("models:/gone/1", tmp_path / "out")
    assert failure.value.exit_code == 5
    assert "\n" not in str(failure.value)


def test_a_file_in_the_place_of_the_folder_is_the_registrys_fault(world, tmp_path):
    registry, first, _ = world
    run_id = registry.publish(make_bundle(tmp_path, seed=8), "flat").run_id
    (stored,) = (first.parent.parent / "artifacts" / run_id).rglob("bundle")
    shutil.rmtree(stored)
    stored.write_bytes(b"x")
    with pytest.raises(RegistryError, match="no folder of files") as failure:
        registry.fetch("models:/flat/1", tmp_path / "out")
    assert failure.value.exit_code == 5


def test_an_unsound_folder_or_name_is_not_published(world, tmp_path):
    with pytest.raises(BundleError, match="no such bundle"):
        world[0].publish(tmp_path / "nothing", "thousandfaces")
    with pytest.raises(RegistryNameError, match="letters"):
        world[0].publish(world[1], "a/b")


def test_without_mlflow_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(RegistryError, match="pip install"):
        MlflowRegistry().resolve("models:/a/1")


def test_the_command_fetches_and_reports_errors_in_one_line(world, tmp_path):
    registry, first, _ = world
    arguments = ["--tracking-uri", registry.tracking_uri]
    done = CliRunner().invoke(
        main, ["fetch", "models:/thousandfaces@champion", str(tmp_path / "b"), *arguments]
    )
    assert (done.exit_code, done.stdout.strip()) == (0, read_bundle(first).version)
    failed = CliRunner().invoke(main, ["fetch", "models:/thousandfaces@x", str(tmp_path / "c"), *arguments])
    assert failed.exit_code == 2
    assert failed.stderr.startswith("error: ")


def test_a_source_fetches_in_a_process_of_its_own(world, tmp_path):
    registry, first, _ = world
    source = RegistrySource("models:/thousandfaces@champion", tmp_path / "cache", registry.tracking_uri)
    assert source.load().version == read_bundle(first).version


def test_a_source_passes_on_the_reason_of_the_fetching_process(monkeypatch, tmp_path):
    for code in (2, 5):
        died = subprocess.CompletedProcess([], code, "", "INFO starting\nerror: no alias nobody\nbye\n")
        monkeypatch.setattr(subprocess, "run", lambda *_, died=died, **__: died)
        with pytest.raises(RegistryError, match=r"^models:/a@nobody: no alias nobody$") as failure:
            RegistrySource("models:/a@nobody", tmp_path).load()
        assert failure.value.exit_code == code


def test_a_registry_that_does_not_answer_is_an_error(monkeypatch, tmp_path):
    def slow(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("fetch", 1.0)

    monkeypatch.setattr(subprocess, "run", slow)
    with pytest.raises(RegistryError, match="no answer within 1 s"):
        RegistrySource("models:/a@b", tmp_path, seconds=1.0).load()


@pytest.mark.parametrize(("stderr", "reason"), [("", "without a word"), ("Killed\n", "Killed")])
def test_a_process_that_dies_without_an_error_line_is_reported(monkeypatch, tmp_path, stderr, reason):
    died = subprocess.CompletedProcess([], 1, "", stderr)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: died)
    with pytest.raises(RegistryError, match=reason):
        RegistrySource("models:/a@b", tmp_path).load()


def test_a_setting_names_a_folder_or_a_registered_bundle(tmp_path):
    assert source_of("models:/a@b", tmp_path, "uri") == RegistrySource("models:/a@b", tmp_path, "uri")
    folder = make_bundle(tmp_path)
    assert source_of(str(folder), tmp_path) == DirectorySource(folder)
    assert source_of(folder, tmp_path).load().version == read_bundle(folder).version
