"""A Postfix of the test's own: private configuration, queue and ports under a temporary folder, nothing in /etc touched.

And the mail servers that it sends to: they answer each recipient by a script and keep what comes back.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from smtp_server import HOST, Received, RecordingServer

SBIN = Path("/usr/lib/postfix/sbin")

MASTER = """\
{host}:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 2 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
config_directory = {folder}/etc
daemon_directory = {sbin}
command_directory = /usr/sbin
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.courier.example
mydomain = courier.example
mydestination = local.example
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
smtpd_reject_unlisted_recipient = no
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtp_connect_timeout = 3s
virtual_alias_domains = alias.example
virtual_alias_maps = inline:{{ {{ moved@alias.example = gone@office.example }} }}
transport_maps = texthash:{folder}/etc/transport
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
maximal_queue_lifetime = {lifetime}
bounce_queue_lifetime = 60s
delay_warning_time = {warning}
confirm_delay_cleared = no
"""


@dataclass(frozen=True)
class Postfix:
    """A running one: the port it takes mail on, and its log."""

    port: int
    log: Path


def require_postfix() -> None:
    """Skip where there is none; with CI=true that is a failure. It must be started by root, and not everybody is."""
    if os.geteuid() != 0:
        pytest.skip("a Postfix of the tests' own must be started by root")
    if (SBIN / "master").exists():
        return
    reason = "a Postfix of the tests' own needs Debian's package postfix (apt install postfix)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running_postfix(
    transport: Mapping[str, str], port: int, *, lifetime: str = "6s", warning: str = "0h"
) -> Iterator[Postfix]:
    """Start it; ``transport`` says for a domain by which way it goes. What is deferred is given up after ``lifetime``."""
    # Not pytest's folder: that is closed to all but us, and Postfix works as a user of its own.
    folder = Path(tempfile.mkdtemp(prefix="syndicate-postfix-"))
    folder.chmod(0o755)
    etc = folder / "etc"
    etc.mkdir()
    (folder / "data").mkdir()
    shutil.chown(folder / "data", "postfix", "postfix")
    (folder / "queue").mkdir()
    values = {"folder": folder, "sbin": SBIN, "lifetime": lifetime, "warning": warning}
    (etc / "main.cf").write_text(MAIN.format(**values))
    (etc / "master.cf").write_text(MASTER.format(host=HOST, port=port))
    (etc / "transport").write_text("".join(f"{domain} {way}\n" for domain, way in transport.items()))
    command = ["/usr/sbin/postfix", "-c", str(etc), "check"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    process = subprocess.Popen([str(SBIN / "master"), "-c", str(etc), "-d"], start_new_session=True)
    log = folder / "maillog"
    try:
        deadline = time.monotonic() + 60
        while "daemon started" not in (log.read_text() if log.exists() else ""):
            assert process.poll() is None, "master ended at its start"
            assert time.monotonic() < deadline, "master did not start"
            time.sleep(0.1)
        yield Postfix(port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


class ScriptedServer(RecordingServer):
    """Answers recipients by a script: at MAIL, RCPT or at the end of the data; what nobody named is taken."""

    def __init__(self, script: Mapping[str, tuple[str, str]], **options: Any) -> None:
        """``script``: local part -> stage (MAIL, RCPT or DATA) and the reply."""
        super().__init__(**options)
        self._script = script

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        # A case that is refused at MAIL is known by its sender, who carries its name.
        stage, reply = self._script.get((address or "").partition("@")[0].partition("+")[2], ("", ""))
        if stage == "MAIL":
            return reply
        return await super().handle_MAIL(server, session, envelope, address, options)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        stage, reply = self._script.get(address.partition("@")[0], ("", ""))
        if stage == "RCPT":
            return reply
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        stage, reply = self._script.get(envelope.rcpt_tos[0].partition("@")[0], ("", ""))
        if stage == "DATA":
            return reply
        return await super().handle_DATA(server, session, envelope)

    def returned_to(self, address: str) -> list[Received]:
        """What came back to an envelope sender."""
        return [message for message in list(self.messages) if message.recipients[0].lower() == address.lower()]
