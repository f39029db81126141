"""Measures /check, for the most part against a bare handler in alternation, and compares it with what is promised.

Both are release binaries under the same load on the same machine, so only the ratios mean anything elsewhere.
"""

import argparse
import pathlib
import sys
import tempfile

import scenarios
import servers
from report import Report


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hallpass", type=pathlib.Path)
    parser.add_argument("bare_handler", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s: to see whether it works")
    parser.add_argument("--slow", action="store_true", help="also measure memory a minute later")
    parser.add_argument("--only", choices=scenarios.ALL, action="append", help="measure this alone")
    options = parser.parse_args()
    try:
        report = measure(options)
    except RuntimeError as error:
        sys.exit(f"✗ {error}")
    sys.exit(0 if report.print() else 1)


def measure(options):
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with servers.bare_handler(options.bare_handler.resolve(), folder) as bare:
            bench = scenarios.Bench(options.hallpass.resolve(), folder, bare, report, options)
            for name in options.only or scenarios.ALL:
                scenarios.ALL[name](bench)
    return report


if __name__ == "__main__":
    main()
