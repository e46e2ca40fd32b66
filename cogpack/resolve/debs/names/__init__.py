"""What people call packages: `renamed` and `elsewhere` know names that there are no more or not here, `suggest` those
that are meant, `programs` and `wheels` what programs and wheels want, `tools` what Cog's images have."""
