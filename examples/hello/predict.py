from cog import BaseRunner, Input


class Runner(BaseRunner):
    def run(self, text: str = Input(description="Whom to greet")) -> str:
        """Greet someone."""
        return "hello " + text
