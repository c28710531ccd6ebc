"""A Dovecot of the test's own: private configuration and mail under a temporary folder, high ports, nothing in /etc."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

HOST = "127.0.0.1"
PROGRAM = Path("/usr/sbin/dovecot")
OWNER = "mail"  # a user that every Debian has: root it refuses
USER, PASSWORD = "bounces", "harbour-open-1"

CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap lmtp
listen = 127.0.0.1
default_internal_user = dovecot
default_login_user = dovenull
mail_location = maildir:{folder}/mail
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = 0
first_valid_gid = 0
mail_fsync = never
disable_plaintext_auth = no
auth_mechanisms = plain
ssl = yes
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.key
ssl_min_protocol = TLSv1.2
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={folder}/home allow_all_users=yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
namespace inbox {{
  inbox = yes
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """A running one: its ports, the authority of its certificate, and the Maildir behind it."""

    port: int
    tls_port: int
    lmtp_port: int
    authority: Path
    mail: Path
    log: Path

    def put(self, name: str, data: bytes) -> None:
        """Lay a message into the mailbox."""
        # A name is given once: Dovecot knows a message by it.
        path = self.mail / "new" / f"{name}.{time.monotonic_ns()}"
        path.write_bytes(data)
        shutil.chown(path, OWNER, OWNER)

    def left(self) -> list[bytes]:
        """What is in it, in the order of names."""
        files = [path for folder in ("new", "cur") for path in (self.mail / folder).iterdir()]
        return [path.read_bytes() for path in sorted(files, key=lambda path: path.name)]


def require_dovecot() -> None:
    """Skip where there is none; with CI=true that is a failure."""
    if os.geteuid() != 0:
        pytest.skip("a Dovecot of the tests' own must be started by root")
    if PROGRAM.exists() and Path("/usr/lib/dovecot/imap").exists() and Path("/usr/lib/dovecot/lmtp").exists():
        return
    reason = (
        "a Dovecot of the tests' own needs Debian's packages dovecot-imapd and dovecot-lmtpd"
        " (apt install dovecot-imapd dovecot-lmtpd)"
    )
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def running_dovecot() -> Iterator[Dovecot]:
    """Start it with one empty mailbox of ``USER``."""
    folder = Path(tempfile.mkdtemp(prefix="syndicate-dovecot-"))
    folder.chmod(0o755)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert(HOST, "localhost")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    for part in certificate.cert_chain_pems:
        part.write_to_path(folder / "server.pem", append=True)
    for name in ("home", "mail", "mail/new", "mail/cur", "mail/tmp"):
        (folder / name).mkdir()
        shutil.chown(folder / name, OWNER, OWNER)
    ports = free_port(), free_port(), free_port()
    (folder / "dovecot.conf").write_text(
        CONFIGURATION.format(
            folder=folder, uid=OWNER, password=PASSWORD, port=ports[0], tls_port=ports[1], lmtp_port=ports[2]
        )
    )
    process = subprocess.Popen(
        [str(PROGRAM), "-F", "-c", str(folder / "dovecot.conf")],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            with closing(socket.socket()) as asked:
                if asked.connect_ex((HOST, ports[0])) == 0 and asked.recv(1):
                    break
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield Dovecot(*ports, folder / "ca.pem", folder / "mail", folder / "log")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
