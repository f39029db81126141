"""The proxies: how each is found, started with its files of `deploy/`, and what is its own."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
TOOLS = pathlib.Path(os.environ.get("HALLPASS_TOOLS") or pathlib.Path.home() / ".cache/hallpass/proxies")

IDENTITY = ("authorization", "x-auth-subject", "x-auth-user", "x-auth-email", "x-auth-roles", "x-auth-scopes",
            "x-auth-token-id", "x-auth-method", "x-auth-expires", "x-auth-truncated")


class Missing(Exception):
    """The program is not installed."""


def tool(path):
    """A program of the folder that scripts/setup-proxies fills."""
    return TOOLS / "venv" / path


def in_wheel(pattern):
    """A program inside of an installed Python package."""
    return next((TOOLS / "venv/lib").glob(f"python3*/site-packages/{pattern}"), TOOLS / pattern)


class Proxy:
    """One proxy with its files of `deploy/`, on a stage. A context manager: inside, it runs."""

    #: Its row in the table, and the name that SKIP_PROXY knows.
    name = ""
    #: Files of `deploy/`, the first of which is the main one.
    files = ()
    binary = pathlib.Path()
    #: Headers that reach the API.
    identity = IDENTITY
    #: What clients get when Hallpass does not answer, and when it says 503 itself.
    unreachable, unavailable = 503, 503
    #: Whether 503 comes with `Retry-After`, and within the documented second.
    says_when, one_second = True, True
    #: Whether Hallpass's `WWW-Authenticate` and problem+json reach the client.
    relays_challenges, relays_problems = True, True
    #: Whether browsers come too, and are sent to a login.
    browsers = False
    #: Whether it answers other spellings of our headers with 400, in place of removing them.
    refuses_aliases = False
    #: Most connections to Hallpass for 1,000 requests.
    most_connections = 4
    #: Whether its way to Hallpass is gRPC, or has TLS.
    grpc, tls = False, False
    #: Whether forged headers arrive without the lines that strip.
    forgeable = True
    #: Its cases, where they are not those of all proxies.
    cases = None
    #: Cases that make no sense here, with the reason.
    without = {}

    def __init__(self, stage, stripped=False):
        if not self.binary.exists():
            raise Missing(f"{self.binary} is missing: run scripts/setup-proxies")
        self.stage = stage
        self.stripped = stripped
        self.folder = stage.folder / (f"{self.name}-without-strips" if stripped else self.name)
        self.folder.mkdir()
        self.log = self.folder / "log"
        self.port = stage.ports[8000]
        self.process = None

    def credential(self):
        """A header with what passes here."""
        return ("Authorization", f"Bearer {self.stage.token['secret']}")

    @classmethod
    def version(cls):
        output = subprocess.run([cls.binary, *cls.version_arguments], capture_output=True, text=True, check=False)
        return re.search(r"(?<![\d.])\d+\.\d+\.\d+", output.stdout + output.stderr).group(0)

    version_arguments = ("-v",)

    def deployed(self, file):
        """The text of a file of `deploy/`, with the ports of this run; without its strip lines if that is asked."""
        text = (ROOT / "deploy" / file).read_text()
        if self.stripped:
            text = without_strips(text)
        for documented, actual in self.stage.ports.items():
            text = re.sub(rf"(?<!\d){documented}(?!\d)", str(actual), text)
        return self.adapt(text)

    def adapt(self, text):
        """Paths of this run in place of the documented ones."""
        return text

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def write_all(self):
        return [self.write(pathlib.Path(file).name, self.deployed(file)) for file in self.files]

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder), "TMPDIR": str(self.folder)}

    def __enter__(self):
        command = self.command()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment(), stdout=log, stderr=log,
                                            start_new_session=True)
        self.wait_until_it_listens()
        return self

    def wait_until_it_listens(self):
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.__exit__()
                    raise RuntimeError(f"{self.name} does not start:\n{self.log.read_text()[-3000:]}") from None
                time.sleep(0.02)

    def __exit__(self, *_):
        # Workers are in the session that was started for them.
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(timeout=3)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass


def without_strips(text):
    """The text without the lines that keep a client's identity headers out. It must have had some."""
    kept = re.sub(r"^[^\n]*strip-begin.*?strip-end[^\n]*\n", "", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(line for line in kept.splitlines(keepends=True) if not re.search(r"(#|--) strip\b", line))
