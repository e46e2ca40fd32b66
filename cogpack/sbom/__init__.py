"""What is in an image is told in the words of those who watch over it: SPDX and CycloneDX documents.

`parts`: what a lock has, each with its package URL · `spdx`, `cyclonedx`: the documents. Pure: the same lock gives the
same bytes.
"""

from cogpack.sbom.cyclonedx import cyclonedx_document
from cogpack.sbom.spdx import spdx_document
