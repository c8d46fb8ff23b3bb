"""A Latchkey with two PostgreSQL servers: a primary, and a standby with streaming replication."""

import signal
import time

import psycopg

from tests.faults.installation import Installation
from tests.support.programs.postgres import Postgres
from tests.support.programs.servers import Server

STANDBY = "standby"
KEYS = 450


class Standby(Postgres):
    def __init__(self, primary: Postgres) -> None:
        super().__init__()
        self._primary = primary

    def _fill_folder(self) -> None:
        source = f"host=127.0.0.1 port={self._primary.port} user=latchkey application_name={STANDBY}"
        streaming = ["--wal-method=stream", "--checkpoint=fast", "--no-sync", "--write-recovery-conf"]
        self._run("pg_basebackup", f"--dbname={source}", *streaming)
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"unix_socket_directories = '{self.folder}'\n")

    def promote(self) -> None:
        self._run("pg_ctl", "promote", "--wait")


class Cluster(Installation):
    """`postgres` is the current primary. `is_synchronous` says whether a commit waits for the standby."""

    def __init__(self, *, is_synchronous: bool) -> None:
        super().__init__(KEYS)
        self.first, self.standby = self.postgres, Standby(self.postgres)
        self.url = (
            f"postgresql://latchkey@127.0.0.1:{self.first.port},127.0.0.1:{self.standby.port}/latchkey"
            "?target_session_attrs=read-write"
        )
        self.standby.start()
        self._wait_until_it_streams("async")
        if is_synchronous:
            self.change(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
            self.change("SELECT pg_reload_conf()")
            self._wait_until_it_streams("sync")

    def start_standby(self) -> None:
        self.standby.start()
        self._wait_until_it_streams("sync")

    def _wait_until_it_streams(self, state: str) -> None:
        while not self._streams(state):
            time.sleep(0.05)

    def _streams(self, state: str) -> bool:
        found = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = %s"
        return bool(self.ask(found, state))

    def start_server(self, *, workers: int = 1, is_patient: bool = False, **environment: str) -> Server:
        # The emails about the keys' creation would take the pages' time.
        settings = {"DATABASE_URL": self.url, "MAIL_RETRY_SECONDS": "0", **environment}
        return super().start_server(workers=workers, is_patient=is_patient, **settings)

    def cut_off(self) -> None:
        """The standby gets nothing more."""
        with psycopg.connect(self.standby.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            connection.execute("SELECT pg_reload_conf()")
        while self._streams("async"):
            time.sleep(0.01)

    def freeze_first(self) -> None:
        self._send(signal.SIGSTOP, self.first.pid)

    def thaw_first(self) -> None:
        if self.first.is_running:
            self._send(signal.SIGCONT, self.first.pid)

    def promote(self) -> None:
        self.standby.promote()
        self.postgres = self.standby

    def remove(self) -> None:
        self.thaw_first()
        super().remove()
        self.first.remove()
        self.standby.remove()

    def keys(self) -> dict[str, str]:
        """The secret of each key that nobody has paused, by its id."""
        ids = dict(self.ask("SELECT name, public_id FROM apikeys_apikey"))
        return {ids[f"Key {number}"]: secret for number, secret in enumerate(self.people.secrets)}

    def all_counted(self) -> int:
        [[calls]] = self.ask("SELECT coalesce(sum(calls), 0) FROM apikeys_keyuse WHERE span = 'hour'")
        return int(calls)
