"""The result, for people."""


def print_table(results):
    """Prints proxy × case and what went wrong; whether nothing did."""
    names = list(dict.fromkeys(name for outcome in results.values() for name in outcome))
    margin = max(map(len, names)) + 2
    heads = {kind: (kind.name, version(kind)) for kind in results}
    widths = {kind: max(map(len, head)) + 2 for kind, head in heads.items()}
    print()
    for line in (0, 1):
        print("  " + " " * margin + "".join(f"{heads[kind][line]:^{widths[kind]}}" for kind in results))
    for name in names:
        marks = (f"{mark(outcome, name):^{widths[kind]}}" for kind, outcome in results.items())
        print(f"  {name:{margin}}" + "".join(marks))
    print()
    for kind in results:
        for name, reason in kind.without.items():
            print(f"  {kind.name} has no {name}: {reason}")
    return print_sum(results)


def version(kind):
    try:
        return kind.version()
    except OSError:
        return "missing"


def mark(outcome, name):
    return "–" if name not in outcome else "✗" if outcome[name] else "✓"


def print_sum(results):
    errors = [(kind.name, name, error) for kind, outcome in results.items() for name, error in outcome.items() if error]
    for proxy, name, error in errors:
        print(f"✗ {proxy}, {name}: {error[:600]}")
    total = sum(map(len, results.values()))
    print(f"  {total - len(errors)} passed, {len(errors)} failed, {len(results)} proxies")
    return not errors
