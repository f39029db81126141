"""Caddy."""

from cases import CASES
from cases_browser import BROWSER_CASES

from . import Proxy, tool


class Caddy(Proxy):
    name = "caddy"
    files = ("caddy/Caddyfile",)
    binary = tool("bin/caddy")
    version_arguments = ("version",)

    def adapt(self, text):
        # The port of its administration is the same for all.
        return "{\n\tadmin off\n}\n" + text

    def command(self):
        return [self.binary, "run", "--adapter", "caddyfile", "--config", *self.write_all()]


class BesideOAuth2Proxy(Caddy):
    name = "beside-oauth2"
    files = ("beside-oauth2-proxy/Caddyfile",)
    browsers = True
    cases = (*BROWSER_CASES, *CASES)
