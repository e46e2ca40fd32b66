"""Which modules a model's sources import as soon as they are imported themselves, and that nothing of the project is.

`of_file`: what one file says · `named`: what its calls name · `graph`: all that are reached from the predictor ·
`standard`: Python's own modules.
"""

from cogpack.runtime.imports.graph import ImportedFiles, Imports, read_imports
from cogpack.runtime.imports.of_file import Import
from cogpack.runtime.imports.standard import is_standard, left_python
