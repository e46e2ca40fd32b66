"""Progress that remembers what each task was said to do."""

from cogpack.notes import Note


class Told:
    """One task: its verbs as they came, its bytes, and its outcome, None while it goes on."""

    def __init__(self, name: str, size: int | None, verb: str) -> None:
        self.name, self.size = name, size
        self.verbs = [verb] if verb else []
        self.moved = 0
        self.outcome: str | None = None

    def advance(self, size: int) -> None:
        self.moved += size

    def doing(self, verb: str) -> None:
        if self.verbs[-1:] != [verb]:
            self.verbs.append(verb)

    def done(self, outcome: str) -> None:
        self.outcome = outcome


class Verbs:
    def __init__(self) -> None:
        self.tasks: list[Told] = []

    def task(self, name: str, size: int | None, verb: str = "") -> Told:
        told = Told(name, size, verb)
        self.tasks.append(told)
        return told

    def note(self, note: Note) -> None:
        pass

    def summary(self, text: str) -> None:
        pass

    def now(self) -> list[tuple[str, str]]:
        """Verb and name of what goes on."""
        return [(task.verbs[-1], task.name) for task in self.tasks if task.verbs and task.outcome is None]

    def ended(self) -> list[tuple[str, str]]:
        """Verb and name of what went on, and is told of nowhere."""
        return [(task.verbs[-1], task.name) for task in self.tasks if task.outcome == ""]
