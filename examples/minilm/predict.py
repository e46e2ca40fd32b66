from pathlib import Path

from cog import BaseRunner, Input

from embedding import MiniLM


class Runner(BaseRunner):
    def setup(self) -> None:
        self.model = MiniLM(Path(__file__).parent / "model")

    def run(
        self,
        text: str = Input(description="Sentence or paragraph; what goes beyond 256 tokens is cut off"),
        normalize: bool = Input(description="Scale the embedding to length 1", default=True),
    ) -> list[float]:
        """Embed a text: 384 numbers, close to those of texts that mean the same."""
        return self.model.embed(text, normalize=normalize).tolist()
