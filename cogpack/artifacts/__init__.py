"""Files of the outside world are downloaded once, by digest, and verified before they get their name and are used.

`downloads`: one file; `kept`: those that are here; `ranged`: a large one, over several connections; `supply`: all that
layers are made of;
`unpinned`: one whose digest nobody knows yet.
"""

from cogpack.artifacts.downloads import Store
from cogpack.artifacts.kept import Artifact
from cogpack.artifacts.supply import Input, Supply
from cogpack.artifacts.unpinned import Brought, NoSuchFileError, NotAFileError, bring
