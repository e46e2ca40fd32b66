"""Programs and libraries of Linux say what they want of the dynamic linker: `linking` reads that of a file, `passing`
while its bytes go by; `symbols`: what one has for others, and wants of them; `system_versions`: what systems have."""

from cogpack.elf.file import AMD64, ARM64, I386, MACHINES, ReadAt
from cogpack.elf.linking import Elf, VersionNeed, read_elf, wants_executable_stack
from cogpack.elf.passing import PassingElf
from cogpack.elf.symbols import Symbols, read_symbols
from cogpack.elf.system_versions import SystemVersions
