"""`pneumoscope predict` into a Parquet file or a database: a run that a kill only delays."""

import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from pneumoscope.cli.statuses import INTERRUPTED, SOME_NOT_SCORED

if TYPE_CHECKING:
    from pneumoscope.batch.outputs import OutputFolders

__all__ = ["run_job"]


def run_job(
    films: Sequence[str],
    out: str,
    name: str,
    model: str | None,
    operating_point: str,
    folders: "OutputFolders",
    workers: int | None,
    on_ray: bool,
) -> int:
    """Score the films that have no record yet, in processes or actors, and return the exit status.

    Args:
        films: all of them, in order.
        out: Parquet file or URL.
        name: of the job in a database.
        model: shipped bundle or folder; None for the default.
        operating_point: of the bundle.
        folders: for overlays and maps, made for `films`.
        workers: processes or actors, at most; None is what fits.
        on_ray: use a Ray cluster instead of processes of this machine.

    Raises:
        PneumoscopeError: the bundle cannot be had, or the results cannot be opened or written.
    """
    from pneumoscope.batch.job import JobIdentity, open_job, unscored
    from pneumoscope.cli.progress import progress
    from pneumoscope.runtime.bundle import find_bundle, open_bundle

    bundle = open_bundle(find_bundle(model))
    identity = JobIdentity(bundle.sha256, bundle.identity, operating_point)
    with open_job(out, name, identity) as job:
        done, scored = len(job.done), job.scored
        left = sum(1 for _ in unscored(films, job.done))
        total = done + left
        if done:
            print(f"{done} of {total} films have been done before", file=sys.stderr)
        if not left:
            job.finish()
            return 0 if scored == total else SOME_NOT_SCORED
        numbers = unscored(films, job.done)
        if on_ray:
            from pneumoscope.batch.ray_scoring import score_in_ray

            records = score_in_ray(bundle, operating_point, True, films, list(numbers), folders, workers)
        else:
            from pneumoscope.batch.local import default_workers
            from pneumoscope.batch.processes import map_in_processes
            from pneumoscope.batch.scoring import MakeScorer, lost_film

            make = MakeScorer(bundle, operating_point, folders)
            records = map_in_processes(make, numbers, min(workers or default_workers(), left), lost_film)
        try:
            with closing(records), progress(total, done=done) as advance:
                for number, record, _ in records:
                    job.write(number, record)
                    scored += record["status"] == "ok"
                    advance()
            job.finish()
        except KeyboardInterrupt:
            job.commit()
            print(
                f"interrupted: {job.records} of {total} films are done; the same command goes on from there",
                file=sys.stderr,
            )
            return INTERRUPTED
    return 0 if scored == total else SOME_NOT_SCORED
