"""Every film once, whatever ends a run, and never two bundles in one result."""

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from batch.results import rows_of
from pneumoscope.batch import parquet_job, sql_job
from pneumoscope.batch.job import Job, JobIdentity, film_key, open_job, unscored
from pneumoscope.errors import MissingExtraError, PneumoscopeError, UsageError
from pneumoscope.runtime.film import Failure, Record

IDENTITY = JobIdentity("a" * 64, "tiny 0.1.0", "balanced")
OTHER_BUNDLE = JobIdentity("b" * 64, "tiny 0.2.0", "balanced")
OTHER_POINT = JobIdentity("a" * 64, "tiny 0.1.0", "screening")


class Killed(BaseException):
    """Ends a run without any more of its code being heard."""


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (parquet_job, sql_job):
        monkeypatch.setattr(module, "COMMIT_RECORDS", 3)


def scored(path: str, logit: float = 0.1234567890123456789) -> Record:
    return {
        "path": path,
        "status": "ok",
        "reason": None,
        "probability": 1 / 3,
        "logit": logit,
        "finding": "NORMAL",
        "operating_point": "balanced",
        "threshold": 0.5,
        "model": "tiny 0.1.0",
    }


def refused(path: str) -> Record:
    return Failure(path, "rejected", "it is a colour photograph; send a film").record()


def add(out: str, *records: Record, finish: bool = False, identity: JobIdentity = IDENTITY) -> Job:
    """One run: after these records it is finished, or ends as by Ctrl-C."""
    with open_job(out, "default", identity) as job:
        first = len(job.done)
        for number, record in enumerate(records, first):
            job.write(number, record)
        if finish:
            job.finish()
    return job


def test_result_holds_the_records_and_the_bundle(out: str) -> None:
    records = [scored("a.png"), refused("b.png"), scored("c.png", -1e-300)]
    add(out, *records, finish=True)
    assert rows_of(out) == [record | {"bundle_sha256": "a" * 64} for record in records]


@pytest.mark.usefixtures("small_commits")
def test_goes_on_where_it_ended(out: str) -> None:
    paths = [f"{number}.png" for number in range(20)]
    assert add(out, *map(scored, paths[:7])).done == frozenset()
    again = add(out, *map(refused, paths[7:8]))
    assert (again.done, again.scored) == (frozenset(paths[:7]), 7)
    assert add(out, *map(scored, paths[8:18])).scored == 7
    add(out, *map(scored, paths[18:]), finish=True)
    assert [row["path"] for row in rows_of(out)] == paths


def test_finished_result_takes_films_that_were_added_since(out: str) -> None:
    add(out, scored("a.png"), scored("c.png"), finish=True)
    for new in ("b.png", "d.png"):
        job = add(out, scored(new))
        assert new not in job.done
        assert new in add(out, finish=True).done
    assert [row["path"] for row in rows_of(out)] == ["a.png", "c.png", "b.png", "d.png"]


@pytest.mark.parametrize("finish", [False, True])
@pytest.mark.parametrize("record", [scored("a.png"), refused("a.png")])
def test_another_bundle_is_refused(out: str, finish: bool, record: Record) -> None:
    add(out, record, finish=finish)
    with pytest.raises(UsageError, match=r"cannot go on with tiny 0\.2\.0 \(sha256 bbbbbbbbbbbb\)"):
        add(out, scored("b.png"), identity=OTHER_BUNDLE)
    add(out, finish=True)
    assert [row["path"] for row in rows_of(out)] == ["a.png"]


@pytest.mark.parametrize("finish", [False, True])
def test_another_operating_point_is_refused(out: str, finish: bool) -> None:
    add(out, scored("a.png"), finish=finish)
    with pytest.raises(UsageError, match="at the operating point balanced, and cannot go on at screening"):
        add(out, scored("b.png"), identity=OTHER_POINT)


def test_name_that_is_no_text(out: str) -> None:
    path = b"ward/\xff\x00.png".decode(errors="surrogateescape")
    add(out, refused(path))
    job = add(out, finish=True)
    assert list(unscored([path], job.done)) == []
    assert [row["path"] for row in rows_of(out)] == ["ward/\\udcff\\x00.png"]


def test_records_are_safe_after_a_while(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (parquet_job, sql_job):
        monkeypatch.setattr(module, "COMMIT_SECONDS", 0.0)

    def killed(job: Job) -> None:
        job.write(0, scored("a.png"))
        monkeypatch.setattr(type(job), "commit", lambda _: None)
        raise Killed

    with pytest.raises(Killed), open_job(out, "default", IDENTITY) as job:
        killed(job)
    monkeypatch.undo()
    assert add(out, finish=True).done == {"a.png"}


def test_jobs_of_one_database_do_not_meet(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'results.db'}"
    for name, identity in (("one", IDENTITY), ("two", OTHER_BUNDLE)):
        with open_job(url, name, identity) as job:
            assert job.done == frozenset()
            job.write(0, scored("a.png"))
    assert [row["bundle_sha256"][0] for name in ("one", "two") for row in rows_of(url, name)] == ["a", "b"]


@pytest.mark.parametrize("out", ["sqlite", "postgresql"], indirect=True)
def test_two_runs_of_one_job_share_a_table(out: str) -> None:
    with open_job(out, "default", IDENTITY) as one, open_job(out, "default", IDENTITY) as two:
        for number, path in enumerate(("a.png", "b.png")):
            one.write(number, scored(path, 1.0))
        one.commit()
        for number, path in enumerate(("a.png", "b.png", "c.png")):
            two.write(number, scored(path, 2.0))
    assert [(row["path"], row["logit"]) for row in rows_of(out)] == [
        ("a.png", 1.0),
        ("b.png", 1.0),
        ("c.png", 2.0),
    ]


def test_second_run_into_one_file_is_refused(tmp_path: Path) -> None:
    out = str(tmp_path / "results.parquet")
    with open_job(out, "default", IDENTITY) as job:
        with pytest.raises(UsageError, match="another run is writing"):
            add(out, scored("b.png"))
        job.write(0, scored("a.png"))
        job.finish()
    assert [row["path"] for row in rows_of(out)] == ["a.png"]


@pytest.mark.usefixtures("small_commits")
def test_kill_at_every_step_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was the last thing that reached the disk, the next run makes the result whole."""
    paths = [f"{number}.png" for number in range(10)]
    for step in range(100):
        out = str(tmp_path / f"{step}.parquet")
        add(out, scored("before.png"), finish=True)
        with monkeypatch.context() as patch:
            _kill_at(patch, step)
            try:
                add(out, *map(scored, paths), finish=True)
            except Killed:
                pass
            else:
                break
        job = add(out)
        left = [path for _, path in unscored(paths, job.done)]
        assert left == paths[len(paths) - len(left) :]
        add(out, *map(scored, left), finish=True)
        assert [row["path"] for row in rows_of(out)] == ["before.png", *paths]
    assert 10 < step < 99


def _kill_at(patch: pytest.MonkeyPatch, step: int) -> None:
    """Let the `step`-th change of a folder, and everything after it, not happen."""
    steps = 0

    def guard(name: str) -> None:
        change = getattr(Path, name)

        def guarded(path: Path, *arguments: object, **options: object) -> object:
            nonlocal steps
            steps += 1
            if steps > step:
                raise Killed
            return change(path, *arguments, **options)

        patch.setattr(Path, name, guarded)

    for name in ("replace", "unlink", "rmdir", "mkdir", "write_text"):
        guard(name)


def test_file_of_somebody_else_is_refused_and_kept(tmp_path: Path) -> None:
    out = tmp_path / "results.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"path": ["a.png"]}), out)
    theirs = out.read_bytes()
    for content in (theirs, b"", b"text"):
        out.write_bytes(content)
        with pytest.raises(UsageError, match="is no result of this command"):
            add(str(out), scored("a.png"))
        assert out.read_bytes() == content
        assert list(tmp_path.iterdir()) == [out]


def test_damaged_part_is_named(tmp_path: Path) -> None:
    out = tmp_path / "results.parquet"
    add(str(out), scored("a.png"))
    part = tmp_path / "results.parquet.parts" / "00000000.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(PneumoscopeError, match=r"00000000\.parquet is damaged: remove it"):
        add(str(out))
    part.unlink()
    assert add(str(out), scored("a.png"), finish=True).done == frozenset()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("nowhere/results.parquet", "cannot be written: No such file or directory"),
        ("folder.parquet", "it is no regular file"),
        ("sqlite:////nowhere/results.db", "unable to open database file"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/films", r"me:\*\*\*@127.0.0.1:1/films cannot be opened"),
        ("mysql://me:secret@host/films", r"me:\*\*\*@host/films is no SQLite or PostgreSQL database"),
        ("postgresql+slow://host/films", "a driver that SQLAlchemy does not know"),
        ("://host", "is no URL of SQLAlchemy"),
    ],
)
def test_place_that_cannot_be_is_refused(
    out: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.parquet").mkdir()
    with pytest.raises(UsageError, match=message) as caught:
        add(out, scored("a.png"))
    assert "secret" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.parquet"]


@pytest.mark.parametrize(
    ("package", "out"),
    [
        ("pyarrow", "results.parquet"),
        ("sqlalchemy", "sqlite://"),
        ("psycopg", "postgresql+psycopg://host/films"),
    ],
)
def test_library_that_is_not_installed(package: str, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*pneumoscope\[jobs\]"):
        add(out)


def test_key_is_one_to_one_on_text() -> None:
    assert film_key("Röntgen 7.png") == "Röntgen 7.png"
