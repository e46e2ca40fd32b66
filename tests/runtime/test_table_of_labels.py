"""docs/image.md has every label and annotation that the code writes or reads under our names and Cog's."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"(?:run\.cog|dev\.cogpack)\.[a-z_.-]*[a-z]")


def test_the_table_of_labels_and_annotations_is_that_of_the_code() -> None:
    found = set()
    for path in (ROOT / "cogpack").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "run.cog." in text or "dev.cogpack." in text:
            constants = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
            found |= {value for value in constants if isinstance(value, str) and NAME.fullmatch(value)}
    table = (ROOT / "docs/image.md").read_text().partition("## Labels and annotations")[2].partition("\n## ")[0]
    cells = "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert set(NAME.findall(cells)) == found
