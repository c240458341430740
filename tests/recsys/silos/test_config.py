from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsys.data.contracts import Table
from recsys.data.history import Ordering
from recsys.errors import ApprovalRequiredError, ConfigError, LedgerError
from recsys.privacy.ledger import Cap
from recsys.silos.config import FederationConfig, SiloConfig
from recsys.silos.files import FileSilo
from recsys.silos.ledger import open_ledger, read_ledger
from recsys.silos.online import Event, OnlineEventStore

WriteSilo = Callable[..., Path]
MINIMAL = """
name = "north"
registered_customers = 1000
epsilon_cap = 4.0
delta = 1e-5
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = SiloConfig.load(
        write(tmp_path / "silo.toml", MINIMAL + 'online = "events.sqlite"\nfolder = "tables"')
    )
    assert config.folder == tmp_path / "tables"
    assert config.online == tmp_path / "events.sqlite"
    assert config.ledger == tmp_path / "ledger.sqlite"
    assert (config.timezone, config.ordering) == ("UTC", None)
    absolute = SiloConfig.load(write(tmp_path / "silo.toml", MINIMAL + 'folder = "/srv/tables"'))
    assert absolute.folder == Path("/srv/tables")
    assert SiloConfig.load(write(tmp_path / "silo.toml", MINIMAL)).folder == tmp_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("colour = 1", r"silo.toml: key 'colour', value 1: unknown key"),
        ("registered_customers = 0", r"key 'registered_customers', value 0: .*greater than or equal to 1"),
        ("registered_customers = true", r"key 'registered_customers', value True"),
        ('registered_customers = "many"', r"key 'registered_customers', value 'many'"),
        ("epsilon_cap = inf", r"key 'epsilon_cap', value inf"),
        ("epsilon_cap = -1", r"key 'epsilon_cap', value -1"),
        ("delta = 0", r"key 'delta', value 0"),
        ("delta = 0.5", r"delta = 0.5 is not below 1 / registered_customers = 0.001; lower delta"),
        ('name = "../north"', r"key 'name', value '../north'"),
        ('timezone = "Mars/Olympus"', r"key 'timezone', value 'Mars/Olympus': unknown time zone"),
        ("ledger = 5", r"key 'ledger', value 5: give the path of a file, or a postgresql:// URL"),
        ("purpose_caps = {training = 0}", r"key 'purpose_caps.training', value 0: .*greater than 0"),
        ('purpose_caps = {"a run" = 1.0}', r"key 'purpose_caps.a run.*': a purpose is a short code"),
        ("approval_above = -1.0", r"key 'approval_above', value -1.0: .*greater than or equal to 0"),
        ("approval_above = inf", r"key 'approval_above', value inf"),
        ('ordering = "random"', r"key 'ordering', value 'random'"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, change: str, message: str) -> None:
    key = change.split(" =")[0]
    lines = [line for line in MINIMAL.splitlines() if not line.startswith(key + " ")]
    with pytest.raises(ConfigError, match=message) as caught:
        SiloConfig.load(write(tmp_path / "silo.toml", "\n".join([*lines, change])))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["name", "registered_customers", "epsilon_cap", "delta"])
def test_missing_keys_are_named(tmp_path: Path, key: str) -> None:
    text = "\n".join(line for line in MINIMAL.splitlines() if not line.startswith(key))
    with pytest.raises(ConfigError, match=f"silo.toml: key '{key}' is missing; add it"):
        SiloConfig.load(write(tmp_path / "silo.toml", text))


def test_files_that_are_no_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        SiloConfig.load(tmp_path / "silo.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        SiloConfig.load(tmp_path)
    with pytest.raises(ConfigError, match=r"not valid TOML.*line 1"):
        SiloConfig.load(write(tmp_path / "silo.toml", "name = \n"))
    (tmp_path / "silo.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError, match="byte 8 is not UTF-8"):
        SiloConfig.load(tmp_path / "silo.toml")


def test_the_silos_of_a_config(write_silo: WriteSilo, now: datetime) -> None:
    folder = write_silo("csv")
    text = MINIMAL + 'online = "online.sqlite"\ntimezone = "Europe/Berlin"\nordering = "timestamp"'
    config = SiloConfig.load(write(folder / "silo.toml", text))
    base = config.base_silo(now)
    assert base == FileSilo("north", folder, "Europe/Berlin", Ordering.TIMESTAMP, now)
    assert config.training_silo(now) == base
    store = OnlineEventStore(folder / "online.sqlite")
    store.append([Event("n", "c1", "milk", "purchase", 1.0, datetime(2024, 7, 1, tzinfo=UTC))])
    store.close()
    assert config.training_silo(now).read(Table.INTERACTIONS).num_rows == 4


def test_a_ledger_is_a_file_or_on_a_server(tmp_path: Path) -> None:
    file = SiloConfig.load(write(tmp_path / "silo.toml", MINIMAL + 'ledger = "books/ledger.sqlite"'))
    assert file.ledger == tmp_path / "books" / "ledger.sqlite"
    assert file.snapshot_key == tmp_path / "books" / "ledger.sqlite.key"
    assert file.ledger_witness is None
    url = "postgresql://north@db/books?schema=north"
    server = SiloConfig.load(write(tmp_path / "silo.toml", MINIMAL + f'ledger = "{url}"'))
    assert server.ledger == url
    assert (server.snapshot_key, server.ledger_witness) == (
        tmp_path / "ledger.key",
        tmp_path / "ledger.heads",
    )


def test_a_silos_ledger_has_the_rules_of_its_configuration(tmp_path: Path, postgres_url: str) -> None:
    rules = f'ledger = "{postgres_url}"\napproval_above = 2.0\npurpose_caps = {{training = 3.0, audit = 0.5}}'
    config = SiloConfig.load(write(tmp_path / "silo.toml", MINIMAL + rules))
    with pytest.raises(LedgerError, match="no such ledger"):
        read_ledger(config)
    ledger = open_ledger(config)
    assert ledger.caps() == {None: Cap(4.0, 1e-5), "training": Cap(3.0, 1e-5), "audit": Cap(0.5, 1e-5)}
    assert ledger.approval_above() == 2.0
    assert (tmp_path / "ledger.heads").read_text().splitlines()[-1] == f"4 {ledger.head()}"
    rows = len(open_ledger(config).rows())
    assert rows == len(read_ledger(config).rows()) == 4
    laxer = SiloConfig.load(write(tmp_path / "silo.toml", MINIMAL + f'ledger = "{postgres_url}"'))
    with pytest.raises(ApprovalRequiredError, match="policy"):
        open_ledger(laxer)


def test_a_federation_names_its_silos(tmp_path: Path, write_silo: WriteSilo) -> None:
    write_silo("parquet")
    for name in ("north", "south"):
        write(tmp_path / name / "silo.toml", MINIMAL.replace("north", name))
    text = 'catalogue = "items.parquet"\nsilos = ["north/silo.toml", "south/silo.toml"]\n'
    federation = FederationConfig.load(write(tmp_path / "federation.toml", text + "[world]\nseed = 7\n"))
    assert federation.max_silos_per_person == 2
    assert federation.world == {"seed": 7}
    assert [config.folder for config in federation.silo_configs()] == [tmp_path / "north", tmp_path / "south"]
    assert federation.read_catalogue().item_ids == ("bread", "milk")
    bounded = FederationConfig.load(write(tmp_path / "federation.toml", text + "max_silos_per_person = 1"))
    assert bounded.max_silos_per_person == 1
    with pytest.raises(ConfigError, match="max_silos_per_person = 3 is more than the 2 silos"):
        FederationConfig.load(write(tmp_path / "federation.toml", text + "max_silos_per_person = 3"))
    with pytest.raises(ConfigError, match="key 'silos'"):
        FederationConfig.load(write(tmp_path / "federation.toml", 'catalogue = "x"\nsilos = []'))
    with pytest.raises(ConfigError, match="key 'silos'"):
        FederationConfig.load(write(tmp_path / "federation.toml", 'catalogue = "x"\nsilos = "north"'))


def test_two_silos_with_one_name(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder / "silo.toml", MINIMAL)
    text = 'catalogue = "items.parquet"\nsilos = ["a/silo.toml", "b/silo.toml"]'
    federation = FederationConfig.load(write(tmp_path / "federation.toml", text))
    with pytest.raises(
        ConfigError, match=r"b/silo.toml: key 'name', value 'north': also the name of .*a/silo.toml"
    ):
        federation.silo_configs()
