"""HAProxy with our script."""

import pathlib

from . import Proxy


class HAProxy(Proxy):
    name = "haproxy"
    files = ("haproxy/haproxy.cfg", "haproxy/hallpass.lua")
    binary = pathlib.Path("/usr/sbin/haproxy")

    def adapt(self, text):
        return text.replace("/etc/haproxy/", f"{self.folder}/").replace("abns@hallpass", f"abns@{self.folder.name}-{self.port}")

    def command(self):
        return [self.binary, "-db", "-f", self.write_all()[0]]
