from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def predict(self, text: str = Input(description="Whom to greet")) -> str:
        """Greet someone."""
        return "hello " + text
