"""What the proxies stand between: Hallpass, the API, and lines that can be cut."""

import pathlib
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor

from echo import Echo
from hallpass import Hallpass
from login import Login
from relay import Relay
from wire import free_port


class Stage:
    """Shared by all proxies."""

    def __init__(self, folder, binary):
        self.folder = pathlib.Path(folder)
        self.echo, self.login = Echo(), Login()
        self.certificate, self.tls = certificate(self.folder)
        with ThreadPoolExecutor(2) as pool:
            self.hallpass, self.broken = pool.map(lambda name: Hallpass(binary, folder, name), ("hallpass", "broken"))
        self.broken.break_store()
        self.me = self.hallpass.portal.me()
        self.token = self.hallpass.portal.create_token("users")
        self.reports = self.hallpass.portal.create_token("reports", ["read:reports"])

    def stop(self):
        self.hallpass.stop()
        self.broken.stop()


class Beside:
    """The stage as one proxy sees it: with a line to Hallpass of its own, and ports in place of the documented ones."""

    def __init__(self, stage, kind):
        self.stage = stage
        self.grpc = kind.grpc
        self.relay = Relay(self.port_of(stage.hallpass), stage.tls if kind.tls else None)
        self.ports = {8000: free_port(), 3000: self.relay.port, 3002: self.relay.port, 4180: stage.login.port,
                      8080: stage.echo.port}

    def __getattr__(self, name):
        return getattr(self.stage, name)

    def port_of(self, hallpass):
        return hallpass.grpc_port if self.grpc else hallpass.port

    def break_store(self):
        self.relay.lead_to(self.port_of(self.broken))


def certificate(folder):
    """A certificate for localhost: its file, and what a server needs of it."""
    file, key = folder / "localhost.pem", folder / "localhost.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", file, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"], capture_output=True, check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context
