"""Puts real proxies, with the files of deploy/, in front of Hallpass, and asks what reaches the API behind them.

    python3 tests/proxies/run.py [name of a proxy …]

HALLPASS_BIN is the program. SKIP_PROXY=name,name leaves proxies out; nothing else does. KEEP=1 keeps the folder with
the files and logs of the run.
"""

import os
import shutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from cases import CASES, aliases, spoofed
from expect import FORGERY_ARRIVED, Client
from programs import Missing
from programs.apache import Apache
from programs.caddy import BesideOAuth2Proxy, Caddy
from programs.envoy import EnvoyGrpc, EnvoyHttp, EnvoyJwt
from programs.haproxy import HAProxy, HAProxyScriptFails
from programs.nginx import CurrentNginx, Nginx
from programs.traefik import Traefik
from stage import Beside, Stage
from table import print_table

PROXIES = (Nginx, CurrentNginx, Traefik, Caddy, BesideOAuth2Proxy, EnvoyHttp, EnvoyGrpc, EnvoyJwt, HAProxy,
           HAProxyScriptFails, Apache)
AT_ONCE = 4
WITHOUT_STRIPS = "without_strips"


def main():
    binary = os.environ.get("HALLPASS_BIN")
    if not binary or not os.access(binary, os.X_OK):
        sys.exit("✗ HALLPASS_BIN must name the program: cargo build --features ssr --bin hallpass")
    kinds = chosen(sys.argv[1:], [name for name in os.environ.get("SKIP_PROXY", "").split(",") if name])
    folder = tempfile.mkdtemp(prefix="hallpass-proxies-")
    try:
        results = run_all(folder, os.path.abspath(binary), kinds)
    finally:
        if not os.environ.get("KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if print_table(results) else 1)


def chosen(names, skipped):
    known = {kind.name: kind for kind in PROXIES}
    if strangers := [name for name in [*names, *skipped] if name not in known]:
        sys.exit(f"✗ {', '.join(strangers)}: the proxies are {', '.join(known)}")
    for name in skipped:
        print(f"  {name} is skipped")
    return [kind for name, kind in known.items() if name not in skipped and (not names or name in names)]


def run_all(folder, binary, kinds):
    """The outcome of each case of each proxy: None, or what is wrong."""
    stage = Stage(folder, binary)
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(kinds, pool.map(lambda kind: run_proxy(stage, kind), kinds)))
    finally:
        stage.stop()


def run_proxy(stage, kind):
    started = time.monotonic()
    try:
        outcome = run_cases(stage, kind)
        if kind.forgeable:
            outcome[WITHOUT_STRIPS] = run_without_strips(stage, kind)
    except (Missing, RuntimeError) as error:
        outcome = {"start": str(error)}
    passed = sum(error is None for error in outcome.values())
    print(f"  {kind.name}: {passed} of {len(outcome)} cases in {time.monotonic() - started:.0f} s", flush=True)
    return outcome


def run_cases(stage, kind):
    here = Beside(stage, kind)
    cases = [case for case in kind.cases or CASES if case.__name__ not in kind.without]
    with kind(here) as proxy:
        return {case.__name__: run_case(case, here, proxy) for case in cases}


def run_without_strips(stage, kind):
    """Without the lines that strip, forged headers must arrive: otherwise the cases prove nothing about the lines."""
    here = Beside(stage, kind)
    with kind(here, stripped=True) as proxy:
        errors = [str(run_case(case, here, proxy)) for case in (spoofed, aliases)]
    if any(FORGERY_ARRIVED in error for error in errors):
        return None
    return f"without the lines that strip, the cases that forge say {errors}"


def run_case(case, stage, proxy):
    try:
        case(stage, proxy, Client(stage, proxy))
    except AssertionError as error:
        return str(error)
    except Exception:
        return traceback.format_exc(limit=-3)
    return None


if __name__ == "__main__":
    main()
