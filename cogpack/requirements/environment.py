"""Markers are read with the values of the image's interpreter, never the host's."""

from collections.abc import Mapping

MACHINES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}
"""What `uname -m` says, by the architecture as OCI names it."""


def marker_environment(python: str, arch: str) -> dict[str, str]:
    """Give the values of the markers (PEP 508, "Environment Markers"). `python`: "3.13"; `arch`: "amd64" or "arm64"."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": MACHINES[arch],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
