"""Traefik."""

import time

from wire import Connection

from . import Proxy, tool


class Traefik(Proxy):
    name = "traefik"
    files = ("traefik/traefik.yml", "traefik/dynamic.yml")
    binary = tool("bin/traefik")
    version_arguments = ("version",)
    # It has no setting for either.
    unreachable, one_second = 500, False

    def adapt(self, text):
        return text.replace("/etc/traefik/", f"{self.folder}/")

    def command(self):
        return [self.binary, f"--configFile={self.write_all()[0]}"]

    def wait_until_it_listens(self):
        super().wait_until_it_listens()
        # It listens before it has read its dynamic configuration.
        deadline = time.monotonic() + 10
        while self.knows_no_route():
            if time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"Traefik has no route:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def knows_no_route(self):
        with Connection(self.port) as connection:
            return connection.send("GET", "/").status == 404
