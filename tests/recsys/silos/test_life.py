from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.errors import ConfigError, DataContractError
from recsys.silos.life import LifeDate, LifePlan, read_life_dates, sound_life_dates

HEADER = "customer_id,kind,day,consent\n"
PLAN = '[[need]]\ndate = "birth"\ncategory = "baby food"\nafter_days = 150\nuntil_days = 210\n'


def table(folder: Path, *rows: str) -> Path:
    path = folder / "life_events.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return path


def test_only_dates_that_may_be_used_are_kept(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "a,birth,2026-01-05,true",
        "a,birth,2026-01-05,1",
        "a,due_date,2030-02-01,TRUE",
        "a,installation,2020-05-05,false",
        "b,birth,2026-01-05,false",
        "c,birth,2026-01-05,true",
        "c,birth,2026-01-05,false",
    )
    assert read_life_dates(path) == {
        "a": (LifeDate(date(2026, 1, 5), "birth"), LifeDate(date(2030, 2, 1), "due_date"))
    }


def test_parquet_may_have_types(tmp_path: Path) -> None:
    path = tmp_path / "life_events.parquet"
    columns = {"customer_id": ["a"], "kind": ["birth"], "day": [date(2026, 1, 5)], "consent": [True]}
    pq.write_table(pa.table(columns), path)
    assert read_life_dates(path) == {"a": (LifeDate(date(2026, 1, 5), "birth"),)}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,birth,2026-02-30,true", "row 1, column 'day', value '2026-02-30': no date"),
        ("a,birth,05.01.2026,true", "no date"),
        ("a,birth,1026-01-05,true", "date out of range"),
        ("a,birth,2026-01-05,maybe", "column 'consent', value 'maybe'"),
        ("a,birth,2026-01-05,", "column 'consent'"),
        (",birth,2026-01-05,true", "column 'customer_id'"),
        ("a,,2026-01-05,true", "column 'kind'"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(DataContractError) as caught:
        read_life_dates(table(tmp_path, row))
    assert words in str(caught.value)
    others = ("a,birth,2026-01-05,true", "b,birth,2026-01-05,true")
    found = sound_life_dates(table(tmp_path, others[0], row, others[1], 'c,"birth', "c,birth"))
    kept = {"a", "b"} - {row.split(",")[0]}
    assert found == {customer: (LifeDate(date(2026, 1, 5), "birth"),) for customer in kept}


def test_sound_dates_are_those_of_strict_reading(tmp_path: Path) -> None:
    path = table(tmp_path, "a,birth,2026-01-05,true", "b,due_date,2030-02-01,false", "a,moved,2020-05-05,1")
    assert sound_life_dates(path) == read_life_dates(path)
    days = pa.array([20_000, 2**31 - 1], pa.int32()).cast(pa.date32())
    rows = {"customer_id": ["a", "b"], "kind": ["birth"] * 2, "day": days, "consent": [True] * 2}
    pq.write_table(pa.table(rows), tmp_path / "life.parquet")
    assert set(sound_life_dates(tmp_path / "life.parquet")) == {"a"}


def test_a_missing_file_or_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match="no such file"):
        read_life_dates(tmp_path / "none.csv")
    path = tmp_path / "life_events.csv"
    path.write_text("customer_id,kind,day\na,birth,2026-01-05\n")
    with pytest.raises(DataContractError, match="column 'consent': missing column"):
        read_life_dates(path)


def test_a_plan_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    (need,) = LifePlan.load(path).need
    assert (need.date, need.bought, need.after_days, need.until_days) == ("birth", None, 150, 210)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "need"),
        (PLAN + 'bought = "x"\n', "either 'date' or 'bought'"),
        (PLAN.replace('date = "birth"\n', ""), "either 'date' or 'bought'"),
        (PLAN.replace("210", "100"), "until_days = 100 is before"),
        (PLAN.replace("150", "-1").replace("date", "bought", 1), "at least 0 after a purchase"),
        (PLAN.replace("150", '"soon"'), "after_days"),
        (PLAN + "epsilon = 1\n", "unknown key"),
    ],
)
def test_a_wrong_plan_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        LifePlan.load(path)
    assert words in str(caught.value)
    assert "plan.toml" in str(caught.value)


def test_broken_rows_keep_their_own_customers_dates_out_alone(tmp_path: Path) -> None:
    sound = ["b,birth,2026-01-05,true", "b,due_date,2030-02-01,true", "c,birth,2026-01-05,true"]
    alone = sound_life_dates(table(tmp_path, *sound))
    assert alone == read_life_dates(table(tmp_path, *sound))
    for broken in (
        "a,birth,2026-02-30,true",
        "a,birth,2026-01-05,maybe",
        'a,"birth,2026-01-05,true',
        "a,birth",
        ",birth,2026-01-05,true",
        "a,birth,2026-01-05,true,and more",
    ):
        for place in range(4):
            rows = [*sound[:place], broken, *sound[place:]]
            assert sound_life_dates(table(tmp_path, *rows)) == alone


def test_of_a_customer_with_a_broken_row_no_date_is_used(tmp_path: Path) -> None:
    path = table(tmp_path, "a,birth,2026-01-05,true", "b,birth,2026-01-05,true", "a,birth,2026-01-05,no")
    assert set(sound_life_dates(path)) == {"b"}
    with pytest.raises(DataContractError, match="value 'no'"):
        read_life_dates(path)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_column_of_no_dates_is_named_whatever_days_stand_in_it(tmp_path: Path, unit: str) -> None:
    path, said = tmp_path / "life.parquet", set[str]()
    for days in ([10**9], [10**9, 2**62], [10**9, None]):
        count = len(days)
        when = pa.array(days, pa.int64()).cast(pa.timestamp(unit))
        rows = {"customer_id": ["b", "a"][:count], "kind": ["birth"] * count, "day": when}
        pq.write_table(pa.table(rows | {"consent": [True] * count}), path)
        with pytest.raises(DataContractError, match="column 'day': wrong type") as caught:
            sound_life_dates(path)
        said.add(str(caught.value))
        with pytest.raises(DataContractError, match=r"life\.parquet"):
            read_life_dates(path)
    assert len(said) == 1


def test_a_day_beyond_all_calendars_is_named(tmp_path: Path) -> None:
    days = pa.array([20_000, 2**31 - 1], pa.int32()).cast(pa.date32())
    rows = {"customer_id": ["a", "b"], "kind": ["birth"] * 2, "day": days, "consent": [True] * 2}
    pq.write_table(pa.table(rows).slice(0, 1), tmp_path / "life.parquet")
    assert set(read_life_dates(tmp_path / "life.parquet")) == {"a"}
    far = pa.table(rows).set_column(2, "day", pa.array([20_000, 3_000_000], pa.int32()).cast(pa.date32()))
    pq.write_table(far, tmp_path / "life.parquet")
    with pytest.raises(DataContractError, match="row 2, column 'day', value '10183-09-21': no date"):
        read_life_dates(tmp_path / "life.parquet")
    assert set(sound_life_dates(tmp_path / "life.parquet")) == {"a"}


@pytest.mark.parametrize("column", ["customer_id", "kind", "consent"])
def test_a_column_of_another_type_is_named_and_no_row_looked_at(tmp_path: Path, column: str) -> None:
    far = pa.array([2**62], pa.int64()).cast(pa.timestamp("us"))
    rows = {"customer_id": ["a"], "kind": ["birth"], "day": ["2026-01-05"], "consent": [True]} | {column: far}
    pq.write_table(pa.table(rows), tmp_path / "life.parquet")
    with pytest.raises(DataContractError, match=f"column '{column}': wrong type"):
        sound_life_dates(tmp_path / "life.parquet")


def test_a_file_without_a_column_is_no_customers_fault(tmp_path: Path) -> None:
    path = tmp_path / "life_events.csv"
    path.write_text("customer_id,kind,day\na,birth,2026-01-05\n")
    with pytest.raises(DataContractError, match="missing column"):
        sound_life_dates(path)
