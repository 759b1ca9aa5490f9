"""Random sequences of deploys, rollbacks, backups and restores, and what each step must come to: by the rules alone, without a host.

The lab's releases are a chain of schemas: a level is a schema's place in it, 2 is revision 0002.
"""

from dataclasses import dataclass, field
from random import Random

# The level that each release was made for.
LEVELS = {"v1": 1, "v2": 2, "v3": 2, "v4": 2, "v5": 2, "expand": 3, "backfill": 4, "contract": 5}
# Releases that cannot serve, and how their deploy ends.
BROKEN = {"never_ready": "NOT_READY", "crashing": "APP_EXIT"}
BROKEN_LEVEL = 2
# It leads from level 2 to a schema that is in no chain.
BAD_MIGRATION = "bad_migration"
# Known to take nothing away from the release before; and known to.
HARMLESS, TAKES_AWAY = frozenset({1, 2, 3}), frozenset({5})
# How often each kind of step is drawn.
WEIGHTS = {"deploy": 8, "broken": 3, "rollback": 5, "backup": 2, "restore": 4}


def revision_of(level: int) -> str:
    """Return a level's revision as the database has it."""
    return f"{level:04}"


@dataclass(frozen=True)
class Step:
    """One thing that an operator does.

    Args:
        kind: ``deploy``, ``rollback``, ``backup`` or ``restore``.
        tag: to be deployed.
        allow: whether a deploy may take something away.
        schema: what a rollback is told about migrations.
        backup: which one is restored, from 0, the newest, on.
    """

    kind: str
    tag: str = ""
    allow: bool = False
    schema: str = ""
    backup: int = 0

    def __str__(self) -> str:
        words = {
            "deploy": f"{self.tag}{' allow_contract=true' if self.allow else ''}",
            "rollback": f"schema={self.schema}" if self.schema else "",
            "restore": f"backup {self.backup} before the newest" if self.backup else "newest backup",
        }
        return f"{self.kind} {words.get(self.kind, '')}".strip()


def drawn(random: Random, backups: int) -> Step:
    """Draw a step, where there are so many backups to restore."""
    kind = random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    if kind == "deploy":
        return Step("deploy", random.choice(list(LEVELS)), allow=random.random() < 0.5)
    if kind == "broken":
        return Step("deploy", random.choice([*BROKEN, BAD_MIGRATION]))
    if kind == "rollback":
        return Step("rollback", schema=random.choice(["", "", "keep", "downgrade"]))
    return Step(kind, backup=random.randrange(backups)) if kind == "restore" else Step(kind)


@dataclass(frozen=True)
class Outcome:
    """What a step must come to.

    Args:
        code: the failure's; empty for success.
        level: that the database is at then.
        live: the release that is live then; empty for a new one.
    """

    code: str
    level: int
    live: str


@dataclass
class Model:
    """What is known of an app by the steps done so far.

    Args:
        level: that the database is at.
        live: the live release's id.
        tags: of all releases that served, by id.
        previous: what was live before each of them.
        ours: releases with the configuration that steps deploy with: the same of them again changes nothing.
    """

    level: int
    live: str
    tags: dict[str, str]
    previous: dict[str, str | None]
    ours: set[str] = field(default_factory=set)

    @property
    def is_ready(self) -> bool:
        """Whether the live release finds what it needs in the database."""
        return self.level >= LEVELS[self.tags[self.live]]

    @property
    def is_settled(self) -> bool:
        """Whether the live release is known to work with the database."""
        return self._is_harmless(LEVELS[self.tags[self.live]])

    @property
    def settling(self) -> Step:
        """A deploy that succeeds whatever was before: of what the database is at."""
        return Step("deploy", next(tag for tag, level in LEVELS.items() if level == self.level))

    def expected(self, step: Step, kept: set[str], restored: int = 0) -> Outcome:
        """Return what a step must come to.

        Args:
            step: the step.
            kept: releases whose image and configuration are on the host.
            restored: the level of the backup that is restored.
        """
        if step.kind == "deploy":
            return self._deploy(step)
        if step.kind == "rollback":
            return self._rollback(step, kept)
        if step.kind == "restore":
            ready = restored >= LEVELS[self.tags[self.live]]
            return Outcome("" if ready else "NOT_READY", restored, self.live)
        return Outcome("", self.level, self.live)

    def happened(self, outcome: Outcome, live: str, tag: str) -> None:
        """Take note of what a step came to; `tag` is that of a new release."""
        if not outcome.live:
            self.tags[live], self.previous[live] = tag, self.live
            self.ours.add(live)
        self.level, self.live = outcome.level, live

    def _deploy(self, step: Step) -> Outcome:
        bad = step.tag == BAD_MIGRATION
        wanted = LEVELS.get(step.tag, BROKEN_LEVEL)
        if self.level > wanted and (bad or not self._is_harmless(wanted)):
            return self._refused("REVISION_CONFLICT")
        if bad:
            return self._refused("MIGRATION_FAILED")
        if not step.allow and TAKES_AWAY & set(range(self.level + 1, wanted + 1)):
            return self._refused("CONTRACT_BLOCKED")
        level = max(self.level, wanted)
        if step.tag in BROKEN:
            return Outcome(BROKEN[step.tag], level, self.live)
        same = self.live in self.ours and self.tags[self.live] == step.tag and self._is_harmless(wanted)
        return Outcome("", level, self.live if same else "")

    def _rollback(self, step: Step, kept: set[str]) -> Outcome:
        target = self.previous[self.live]
        if target is None or target not in kept:
            return self._refused("NO_TARGET")
        wanted = LEVELS[self.tags[target]]
        if step.schema == "keep" and self.level < wanted:
            return self._refused("NOT_READY")
        if step.schema == "keep" or self._is_harmless(wanted):
            return Outcome("", self.level, target)
        can_undo = any(LEVELS[self.tags[release]] == self.level for release in kept & set(self.tags))
        if step.schema == "downgrade" and self.level > wanted and can_undo:
            return Outcome("", wanted, target)
        return self._refused("ROLLBACK_SCHEMA")

    def _refused(self, code: str) -> Outcome:
        return Outcome(code, self.level, self.live)

    def _is_harmless(self, wanted: int) -> bool:
        """Whether a release that was made for a level can work with the database."""
        return self.level >= wanted and set(range(wanted + 1, self.level + 1)) <= HARMLESS
