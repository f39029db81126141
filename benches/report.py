"""What was measured against what is promised."""

import dataclasses

# Figures of time differ from run to run: a promise missed by less is not broken yet.
NOISE = 0.1


@dataclasses.dataclass(frozen=True)
class Line:
    what: str
    measured: float
    relation: str = ""
    target: float = 0
    exact: bool = False

    @property
    def verdict(self):
        slack = 0 if self.exact else abs(self.target) * NOISE
        if not self.relation:
            return "·"
        missed_by = self.measured - self.target if self.relation == "≤" else self.target - self.measured
        return "✓" if missed_by <= 0 else "~" if missed_by < slack else "✗"

    def __str__(self):
        target = f"{self.relation} {self.target:g}" if self.relation else ""
        return f"  {self.verdict} {self.what:66} {self.measured:10.4g}   {target}"


class Report:
    def __init__(self):
        self.lines = []

    def note(self, what, measured):
        """A figure without a promise."""
        self.lines.append(Line(what, measured))

    def at_most(self, what, measured, target):
        self.lines.append(Line(what, measured, "≤", target))

    def at_least(self, what, measured, target):
        self.lines.append(Line(what, measured, "≥", target))

    def count(self, what, measured, target=0):
        """Something that is counted, not timed: no noise excuses more of it."""
        self.lines.append(Line(what, measured, "≤", target, exact=True))

    def print(self):
        """Prints the table. Whether every promise is kept."""
        print(f"\n    {'':66} {'measured':>10}   target")
        for line in self.lines:
            print(line)
        broken = sum(line.verdict == "✗" for line in self.lines)
        near = sum(line.verdict == "~" for line in self.lines)
        print(f"\n{len(self.lines)} figures, {broken} beyond their target, {near} missed by less than {NOISE:.0%}")
        return not broken
