"""A PostgreSQL of our own: a new cluster in a folder, reached by a socket in it, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SETTINGS = "-c listen_addresses='' -c fsync=off -c shared_buffers=16MB -c max_connections=10"


def postgresql_programs() -> Path | None:
    """Folder of `initdb` and `pg_ctl`, which Debian does not put into PATH; None where there are none."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb") or (installed[-1] if installed else None)
    return Path(found).resolve().parent if found else None


@contextmanager
def postgresql_cluster(programs: Path) -> Iterator[str]:
    """Start a cluster and yield the URL of its database.

    PostgreSQL does not run as root; there it runs as the user `postgres`.
    """
    user = "postgres" if os.geteuid() == 0 else None
    # Not below pytest's folder, which only its owner may enter; and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        if user is not None:
            account = pwd.getpwnam(user)
            os.chown(folder, account.pw_uid, account.pw_gid)
        folder.chmod(0o755)
        data = folder / "data"

        def run(program: str, *arguments: str) -> None:
            # To a file: a server that inherits a pipe would keep it open.
            with (folder / "programs.log").open("ab") as log:
                subprocess.run(
                    [programs / program, "-D", data, *arguments],
                    user=user, group=user, extra_groups=[] if user else None, cwd=folder,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True,
                )  # fmt: skip

        run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        run("pg_ctl", "start", "-w", "-l", str(folder / "server.log"), "-o", f"{_SETTINGS} -k {folder}")
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            run("pg_ctl", "stop", "-w", "-m", "immediate")
