"""HTTP as the tests want to send it: raw names, repeated headers, any source address."""

import http.client
import json
import os
import socket
from dataclasses import dataclass

TIMEOUT = 5


@dataclass
class Answer:
    """What came back. Names are compared without regard to case."""

    status: int
    headers: list
    body: bytes

    def values(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        return ", ".join(self.values(name))

    def json(self):
        return json.loads(self.body)


class Connection:
    """A connection from a chosen address; it may carry several requests."""

    def __init__(self, port, source="127.0.0.1", timeout=TIMEOUT):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, method, target, headers=(), body=None, chunked=False):
        """Sends one request, with the headers as they are, and reads the answer."""
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        if not any(name.lower() == "host" for name, _ in headers):
            lines.insert(1, "Host: api.example.org")
        if body is not None:
            lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.socket.sendall(head + (in_chunks(body) if chunked else body or b""))
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return Answer(response.status, response.getheaders(), response.read())


def in_chunks(body, size=1000):
    pieces = [body[start:start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


#: Below the ports that systems give to outgoing connections, so that none of those takes one between choice and use.
PORTS = iter(range(20_000 + os.getpid() % 50 * 200, 32_000))


def free_port():
    """A port that nobody listens on."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
