"""pgbouncer in transaction mode before a test's PostgreSQL, on 127.0.0.1."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.postgres_databases import APP_PASSWORD
from tests.postgres_server import PostgresServer
from tests.scenarios.peers import answers, free_port


@contextmanager
def running_pooler(server: PostgresServer, database: str, *, sessions: int) -> Iterator[int]:
    """The port of a pgbouncer with so many server sessions for everybody."""
    program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        raise FileNotFoundError("no pgbouncer: run tools/install-test-deps.sh")
    port = free_port()
    config = server.folder / f"pgbouncer-{port}.ini"
    config.write_text(
        f"[databases]\n{database} = host=127.0.0.1 port={server.port} user=mailward_app password={APP_PASSWORD}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = {sessions}\nmax_client_conn = 500\n"
        "server_tls_sslmode = disable\n"
    )
    process = subprocess.Popen(
        [program, "-q", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user="nobody" if os.geteuid() == 0 else None,
    )
    try:
        deadline = time.monotonic() + 10
        while not answers(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)
