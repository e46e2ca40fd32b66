"""Programs and libraries of Linux say what they want of the dynamic linker: `linking` reads that of a file, `passing`
while its bytes go by; `symbols`: what one has for others, and wants of them; `system_versions`: what systems have."""
