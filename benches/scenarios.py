"""What is measured. Each scenario starts its own server and reports its own figures."""

import shutil
import statistics
import time

import administration
import load
import replicas
import servers
import tokens

CONNECTIONS = (16, 64)
MANY = 1_000
STRANGERS = 1_000_000
COLD = 500
ACTIVE = 10_000
# In one round: more than any server gets through.
GUESSES_PER_SECOND = 60_000
# Bytes of an answer by which the bare handler may differ: names of hosts and ports are not equally long.
SAME_BYTES = 16
# Housekeeping asks the database now and then, whatever is checked.
HOUSEKEEPING = 0.01


class Bench:
    """What all scenarios share: the programs, a database with tokens, the bare handler and the report."""

    def __init__(self, hallpass, folder, bare, report, options):
        self.program = hallpass
        self.folder = folder
        self.bare = bare
        self.report = report
        self.rounds, self.seconds = (2, 1) if options.quick else (5, 3)
        self.slow = options.slow
        self.database = folder / "few"
        self.database.mkdir()
        with self.hallpass() as server:
            servers.log_in(server, "alice")
        self.good = [tokens.make() for _ in range(ACTIVE)]
        tokens.insert(self.database, self.good)
        self.one = load.write_tokens(folder / "one", self.good[:1])
        self.many = load.write_tokens(folder / "many", self.good[:MANY])

    def hallpass(self, database=None, **options):
        return servers.hallpass(self.program, database or self.database, **options)

    def alternate(self, title, contenders, connections, rounds=None):
        return load.Rounds(title, contenders, connections, rounds or self.rounds, self.seconds)


def hot(bench):
    """Tokens that are in memory."""
    with bench.hallpass() as server:
        bytes_beyond = load.answer_bytes(server, bench.good[0]) - load.answer_bytes(bench.bare, bench.good[0])
        bench.report.count("hot: bytes by which the answers differ", abs(bytes_beyond), SAME_BYTES)
        for file, count in [(bench.one, "1 token"), (bench.many, f"{MANY:,} tokens")]:
            for connections in CONNECTIONS:
                title = f"hot, {count}, {connections} connections"
                contenders = {"bare": load.Contender(bench.bare, file), "check": load.Contender(server, file)}
                report_hot(bench.report, title, bench.alternate(title, contenders, connections))


def report_hot(report, title, rounds):
    report.at_least(f"{title}: requests/s, × bare handler", rounds.ratio("rate", "check", "bare"), 0.85)
    report.at_most(f"{title}: CPU time, × bare handler", rounds.ratio("cpu", "check", "bare"), 1.3)
    report.at_most(f"{title}: p99, × bare handler", rounds.ratio("p99", "check", "bare"), 1.5)
    report.count(f"{title}: answers that are not 200", not_200(rounds, "check"))
    report.count(f"{title}: argon2", rounds.total("argon2", "check"))
    report.count(f"{title}: queries per check", rounds.queries_per_check("check"), HOUSEKEEPING)


def not_200(rounds, name):
    return rounds.total("refused", name) + rounds.total("failed", name)


def million(bench):
    """A hot token in a large database, beside the same one in a small database."""
    large = bench.folder / "large"
    shutil.copytree(bench.database, large)
    print(f"\nwriting {STRANGERS:,} tokens …", end="", flush=True)
    started = time.monotonic()
    tokens.insert_strangers(large, STRANGERS)
    print(f" {time.monotonic() - started:.0f} s", flush=True)
    title = f"{STRANGERS:,} tokens in the database"
    with bench.hallpass() as few, bench.hallpass(large) as server:
        until_counted(server)
        presented = [bench.good[start:start + COLD] for start in range(MANY, MANY + COLD * bench.rounds, COLD)]
        report_cold(bench.report, f"{title}, cold", [Cold(f"{title}, cold", server, some) for some in presented])
        contenders = {"few": load.Contender(few, bench.one), "a million": load.Contender(server, bench.one)}
        rounds = bench.alternate(f"{title}, 1 hot", contenders, CONNECTIONS[-1])
    bench.report.at_least(f"{title}: requests/s, × small database", rounds.ratio("rate", "a million", "few"), 0.9)
    bench.report.count(f"{title}: answers that are not 200", not_200(rounds, "a million"))
    bench.report.count(f"{title}: argon2", rounds.total("argon2", "a million"))
    bench.report.count(f"{title}: queries per check", rounds.queries_per_check("a million"), HOUSEKEEPING)
    shutil.rmtree(large)


def until_counted(server):
    """The first count of all tokens takes a moment and a processor."""
    deadline = time.monotonic() + 30
    while server.metrics().get('hallpass_tokens{state="active"}', 0) < STRANGERS:
        if time.monotonic() > deadline:
            raise RuntimeError("the tokens are not counted")
        time.sleep(0.1)


def cold(bench):
    """Tokens that are not in memory, after a restart; several times, because a hundredth of some hundreds is little."""
    rounds = []
    for number in range(bench.rounds):
        with bench.hallpass() as server:
            rounds.append(Cold(f"cold, round {number + 1}", server, bench.good[MANY:MANY + COLD]))
    report_cold(bench.report, "cold", rounds)


class Cold:
    """One token after the other, each for the first time."""

    def __init__(self, title, server, presented):
        hashed = server.metrics()[load.ARGON2]
        times = load.check_each(server, presented)
        self.p50, self.p99 = statistics.median(times), load.percentile(times, 99)
        self.argon2 = server.metrics()[load.ARGON2] - hashed
        print(f"{title}: {len(times)} tokens, one after the other: p50 {self.p50:.3f} ms, p99 {self.p99:.3f} ms, "
              f"longest {max(times):.3f} ms", flush=True)


def report_cold(report, title, rounds):
    report.note(f"{title}: p50, ms", statistics.median(each.p50 for each in rounds))
    report.at_most(f"{title}: p99, ms", statistics.median(each.p99 for each in rounds), 2)
    report.count(f"{title}: argon2", sum(each.argon2 for each in rounds))


def junk(bench):
    """Credentials that are no good: they must cost less than good ones, and must not slow those down."""
    write = lambda name, texts: load.write_tokens(bench.folder / name, texts)
    known = bench.good[:MANY]
    guess = lambda path: load.write_tokens(path, tokens.guesses(GUESSES_PER_SECOND * (bench.seconds + 1)))
    files = {
        "hot": (bench.one,),
        "wrong shape": (write("shape", map(tokens.with_wrong_shape, known)),),
        "wrong checksum": (write("checksum", map(tokens.with_wrong_checksum, known)),),
        "unknown id": (bench.folder / "unknown", guess),
        "wrong secret": (write("secret", map(tokens.with_wrong_secret, known)),),
    }
    for limit, title in [("off", "junk, no limit"), (None, "junk, default limit")]:
        with bench.hallpass(failure_limit=limit) as server:
            contenders = {name: load.Contender(server, *file) for name, file in files.items()}
            rounds = bench.alternate(title, contenders, CONNECTIONS[-1], min(bench.rounds, 3))
            for name in list(files)[1:]:
                report_junk(bench.report, f"{title}, {name}", name, rounds)
            beside(bench, title, contenders["unknown id"], contenders["hot"])


def report_junk(report, title, name, rounds):
    dismissed_unread = name in ("wrong shape", "wrong checksum")
    rate = rounds.ratio("rate", name, "hot")
    if dismissed_unread:
        report.at_least(f"{title}: requests/s, × hot", rate, 1)
    else:
        report.note(f"{title}: requests/s, × hot", rate)
    report.count(f"{title}: answers that are 200 or 5xx", rounds.total("good", name) + rounds.total("failed", name))
    report.count(f"{title}: argon2", rounds.total("argon2", name))
    queries = HOUSEKEEPING + (0 if dismissed_unread else 1)
    report.count(f"{title}: queries per check", rounds.queries_per_check(name), queries)


def beside(bench, title, guesses, good):
    """Good checks while somebody guesses."""
    guessing = load.Load(guesses, CONNECTIONS[-1], bench.seconds + 1)
    guessing.begin()
    result = load.Load(good, 4, bench.seconds).end()
    guessed = guessing.end()
    title = f"{title}, unknown ids beside good checks"
    print(f"\n{title}")
    for name, each in [("good checks", result), ("guesses", guessed)]:
        print(f"  {name:12} {each.rate:8.0f} requests/s, p50 {each.p50:.2f} ms, p99 {each.p99:.2f} ms", flush=True)
    bench.report.at_most(f"{title}: p99, ms", result.p99, 50)
    bench.report.count(f"{title}: not 200", result.refused + result.failed)


def memory(bench):
    """What a server holds, and what each token adds to it."""
    with bench.hallpass() as server:
        fresh = server.resident_bytes()
        # What any load leaves behind, such as the pages that SQLite holds, is no token's share.
        load.check_each(server, bench.good[:MANY])
        few = server.resident_bytes()
        load.check_each(server, bench.good)
        mib = lambda count: count / 2**20
        print(f"\nmemory: fresh {mib(fresh):.1f} MiB, with {MANY:,} tokens {mib(few):.1f} MiB", flush=True)
        bench.report.note("memory: fresh, MiB", mib(fresh))
        bench.report.note(f"memory, {MANY:,} active tokens: in all, MiB", mib(few))
        report_memory(bench.report, f"memory, {ACTIVE:,} active tokens", server.resident_bytes(), few)
        if bench.slow:
            print("waiting 65 s …", flush=True)
            time.sleep(65)
            report_memory(bench.report, f"memory, {ACTIVE:,} tokens 65 s later", server.resident_bytes(), few)


def report_memory(report, title, resident, before):
    print(f"{title}: {resident / 2**20:.1f} MiB")
    report.at_most(f"{title}: bytes for each", (resident - before) / (ACTIVE - MANY), 1024)
    report.at_most(f"{title}: in all, MiB", resident / 2**20, 60)


ALL = {"hot": hot, "million": million, "cold": cold, "junk": junk, "memory": memory, "replicas": replicas.replicas,
       "administration": administration.administration, "audit": administration.audit}
