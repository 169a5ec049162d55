"""JSON, Parquet, CSVW and daily dumps; and the CSV read back to the same data.

Judges: pyarrow where it is installed, the json and csv modules, W3C tabular metadata's own rules.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.errors import ConfigError, RegistryError
from gateway.exports import CSV_COLUMNS, write_csv
from gateway.imports import ImportReport, read_csv
from gateway.publish.files import FilesPublisher, FilesSettings, csv_metadata, write_json, write_parquet
from gateway.publish.files.dumps import DAY_MS
from gateway.publish.files.forms import citation, has_parquet
from gateway.registry import Registry
from tests.gateway.house import a_site
from tests.gateway.memory_reader import NOW_MS, FixedClock, MemoryReader, street
from tests.gateway.publish.a_store import AStore

TODAY = NOW_MS // DAY_MS


def csv_text(reader: Any) -> str:
    out = io.StringIO(newline="")
    write_csv(reader, 0, 2**53, out)
    return out.getvalue()


def test_json_holds_the_same_rows_as_csv() -> None:
    reader = street()
    out = io.StringIO()
    count = write_json(reader, 0, 2**53, out, cite="Stad: Meetnet")
    found = json.loads(out.getvalue())
    lines = list(csv.DictReader(io.StringIO(csv_text(reader), newline="")))
    assert len(found["observations"]) == count == len(lines)
    assert found["citation"] == "Stad: Meetnet"
    assert found["licences"] == ["CC-BY-4.0"]
    for one, line in zip(found["observations"], lines, strict=True):
        assert set(one) == set(CSV_COLUMNS)
        assert (one["value"], one["quantity"], one["observed_at"], one["licence"]) == (
            float(line["value"]) if line["value"] else None,
            line["quantity"],
            line["observed_at"],
            line["licence"],
        )


def test_parquet_holds_the_same_rows_as_csv(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    reader = street()
    count = write_parquet(reader, 0, 2**53, tmp_path / "x.parquet", cite="Stad")
    table = parquet.read_table(tmp_path / "x.parquet")
    lines = list(csv.DictReader(io.StringIO(csv_text(reader), newline="")))
    assert table.num_rows == count == len(lines)
    assert tuple(table.column_names) == CSV_COLUMNS
    assert table.schema.metadata[b"citation"] == b"Stad"
    for one, line in zip(table.to_pylist(), lines, strict=True):
        assert one["value"] == (float(line["value"]) if line["value"] else None)
        assert one["observed_at"].strftime("%Y-%m-%dT%H:%M:%S") == line["observed_at"][:19]
        assert one["flags"] == line["flags"].split()


def test_without_pyarrow_parquet_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.publish.files.forms.has_parquet", lambda: False)
    with pytest.raises(ConfigError, match="pip install pyarrow"):
        write_parquet(street(), 0, 2**53, tmp_path / "x")


def test_the_metadata_names_every_column_in_order_and_its_types_hold() -> None:
    found = csv_metadata("x.csv", "Meetnet", "Stad", ("CC-BY-4.0",), "Stad: Meetnet")
    columns = found["tableSchema"]["columns"]
    assert tuple(column["name"] for column in columns) == CSV_COLUMNS
    assert found["@context"][0] == "http://www.w3.org/ns/csvw"
    for line in csv.DictReader(io.StringIO(csv_text(street()), newline="")):
        for column in columns:
            cell = line[column["name"]]
            assert cell or not column["required"], column["name"]
            if cell and column["datatype"] in ("number", "double"):
                float(cell)
            if cell and column["datatype"] == "integer":
                int(cell)
            if column["datatype"] == "dateTimeStamp":
                assert cell.endswith("Z")


def test_a_citation_names_who_what_and_when() -> None:
    assert citation("Meetnet", "Stad Gent", 0, DAY_MS) == (
        "Stad Gent: Meetnet, observations from 1970-01-01 to 1970-01-01"
    )


# -- daily dumps


async def published(publisher: FilesPublisher, rows: Any, reader: MemoryReader) -> Any:
    (parcel,) = publisher.pack(rows, reader).parcels
    return await publisher.send(parcel, 0)


async def test_a_disk_that_refuses_is_tried_again_and_puts_nothing_aside(tmp_path: Path) -> None:
    reader = street()
    (tmp_path / "file").write_text("in the way")
    publisher = FilesPublisher(FilesSettings(folder=str(tmp_path / "file" / "dumps")), FixedClock())
    outcome = await published(publisher, reader.rows, reader)
    assert outcome.remaining is not None
    assert not outcome.rejections
    assert "cannot write" in outcome.reason


async def test_a_day_is_written_when_it_is_over_and_again_when_something_comes_late(tmp_path: Path) -> None:
    reader = MemoryReader()
    reader.add_site("a", "air")
    clock = FixedClock(NOW_MS)
    reader.add("a", "pm10", "ug/m3", 1.0, NOW_MS)
    reader.add("a", "pm10", "ug/m3", 2.0, NOW_MS - DAY_MS)
    folder = tmp_path / "dumps"
    publisher = FilesPublisher(FilesSettings(folder=str(folder)), clock)
    await published(publisher, reader.rows, reader)
    assert {path.name for path in folder.glob("meetnet-*")} == {
        "meetnet-2025-11-22.csv", "meetnet-2025-11-22.csv-metadata.json", "meetnet-2025-11-22.json"
    }  # fmt: skip
    about = json.loads((folder / "meetnet-2025-11-22.csv-metadata.json").read_text("utf-8"))
    assert about["url"] == "meetnet-2025-11-22.csv"
    assert about["dc:license"] == "CC-BY-4.0"
    late = reader.add("a", "pm10", "ug/m3", 3.0, NOW_MS - DAY_MS + 5)
    await published(FilesPublisher(FilesSettings(folder=str(folder)), clock), [late], reader)
    assert (folder / "meetnet-2025-11-22.csv").read_text("utf-8").count("\n") == 3
    # The day that was not over yet waited through the restart.
    clock.time_ms += DAY_MS
    await published(FilesPublisher(FilesSettings(folder=str(folder)), clock), [late], reader)
    assert (folder / "meetnet-2025-11-23.csv").read_text("utf-8").count("\n") == 2


@pytest.mark.parametrize(
    "settings", [{"folder": ""}, {"folder": "x", "forms": ("xls",)}, {"folder": "x", "forms": ()}]
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        FilesSettings(**settings)
    assert "publish.files." in str(caught.value)


def test_parquet_is_known_to_be_there_or_not() -> None:
    assert isinstance(has_parquet(), bool)


# -- back in


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Two sites, gaps, flags, two devices at one moment, a name that looks like a formula."""
    (tmp_path / "one").mkdir(mode=0o700)
    registry = Registry(tmp_path / "one")
    sites = [
        a_site("plein-1", "air"),
        a_site("kaai-2", "air", name="=SOM(A1)", licence="CC0-1.0", precision_m=100),
    ]
    for site in sites:
        registry.put_site(site)
        registry.consent(site.id)
    registry.close()
    place = AStore(tmp_path / "one", sites)
    place.fill(50)
    place.add("plein-1", NOW_MS + 7, value=None)
    place.add("plein-1", NOW_MS + 7, value=0.1 + 0.2, flags=("range", "step"), method="koehler")
    place.add("kaai-2", NOW_MS + 7, NOW_MS + 9, value=-1.5)
    place.store.close()
    path = tmp_path / "one.csv"
    run("export", "--data", str(tmp_path / "one"), "-o", str(path))
    return path


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == code, result.output
    return result.output


def test_the_csv_imports_to_the_same_data(exported: Path, tmp_path: Path) -> None:
    two = tmp_path / "two"
    assert "159 added, 0 refused" in run("import", str(exported), "--data", str(two), "--public")
    run("export", "--data", str(two), "-o", str(tmp_path / "two.csv"))
    assert (tmp_path / "two.csv").read_bytes() == exported.read_bytes()
    assert (tmp_path / "one.csv-metadata.json").exists()


def test_importing_again_or_over_the_original_adds_nothing(exported: Path, tmp_path: Path) -> None:
    before = exported.read_bytes()
    for data in ("two", "two", "one"):
        run("import", str(exported), "--data", str(tmp_path / data), "--public")
    assert json.loads(run("import", str(exported), "--data", str(tmp_path / "two"), "--json"))["added"] == 0
    for data in ("one", "two"):
        run("export", "--data", str(tmp_path / data), "-o", str(tmp_path / "again.csv"))
        assert (tmp_path / "again.csv").read_bytes() == before


def test_a_part_and_then_the_whole_adds_the_rest(exported: Path, tmp_path: Path) -> None:
    lines = exported.read_text("utf-8").splitlines()
    part = tmp_path / "part.csv"
    part.write_text("\n".join([lines[0], *[line for line in lines[1:] if ",pm10," in line]]) + "\n", "utf-8")
    run("import", str(part), "--data", str(tmp_path / "two"), "--public")
    run("import", str(exported), "--data", str(tmp_path / "two"), "--public")
    run("export", "--data", str(tmp_path / "two"), "-o", str(tmp_path / "two.csv"))
    assert sorted((tmp_path / "two.csv").read_text("utf-8").splitlines()) == sorted(lines)


def test_without_agreement_the_sites_stay_unseen(exported: Path, tmp_path: Path) -> None:
    run("import", str(exported), "--data", str(tmp_path / "two"))
    run("export", "--data", str(tmp_path / "two"), "-o", str(tmp_path / "two.csv"))
    assert (tmp_path / "two.csv").read_text("utf-8").count("\n") == 1


def test_wrong_rows_are_refused_by_line_and_the_others_go_on(exported: Path, tmp_path: Path) -> None:
    lines = exported.read_text("utf-8").splitlines()
    lines[3] = lines[3].replace("2025-", "soon-", 1)
    lines[5] += ",one,too,many"
    cells = lines[7].split(",")
    cells[11] = "nan"
    lines[7] = ",".join(cells)
    broken = tmp_path / "broken.csv"
    broken.write_text("\n".join(lines) + "\n", "utf-8")
    output = run("import", str(broken), "--data", str(tmp_path / "two"), "--json", code=4)
    found = json.loads(output)
    assert found["added"] == 156
    assert [one["line"] for one in found["refused"]] == [4, 6, 8]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("site_id,value\r\n", "is missing"), ("a;b;c\r\n1;2;3\r\n", "decimal comma"), ("", "is missing")],
)
def test_a_wrong_file_is_refused_with_the_remedy(text: str, sentence: str) -> None:
    with pytest.raises(RegistryError, match=sentence):
        list(read_csv(io.StringIO(text, newline=""), ImportReport()))


def test_other_forms_from_the_command_line(exported: Path, tmp_path: Path) -> None:
    data = str(tmp_path / "one")
    found = json.loads(run("export", "--data", data, "--format", "json"))
    assert len(found["observations"]) == 159
    assert "give a file" in run("export", "--data", data, "--format", "parquet", code=1)
    if has_parquet():
        run("export", "--data", data, "-o", str(tmp_path / "x.parquet"))
        assert (tmp_path / "x.parquet").read_bytes()[:4] == b"PAR1"
