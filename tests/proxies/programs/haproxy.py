"""HAProxy with our script."""

import pathlib

from . import Proxy


class HAProxy(Proxy):
    name = "haproxy"
    files = ("haproxy/haproxy.cfg", "haproxy/hallpass.lua")
    binary = pathlib.Path("/usr/sbin/haproxy")

    def adapt(self, text):
        own_socket = f"abns@hallpass-{self.port}"
        return text.replace("/etc/haproxy/", f"{self.folder}/").replace("abns@hallpass", own_socket)

    def command(self):
        return [self.binary, "-db", "-f", self.write_all()[0]]
