"""Maps the folders to the installed namespace package `overscan` and generates its protobuf stubs.

Everything else about packaging is in pyproject.toml.
"""

from __future__ import annotations

import os
import sys
from importlib import resources
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

FOLDERS = {
    "overscan.core": "core",
    "overscan.service": "service",
    "overscan.client": "plugins/client",
    "overscan.cli": "plugins/cli",
    "overscan.chunks": "proto/chunks",
    # Not in the namespace package: inside a host there is no Overscan, just the first of these and its own.
    "overscan_host": "plugins/host",
    "overscan_nuke": "plugins/nuke",
    "overscan_resolve": "plugins/resolve",
    "overscan.examples": "examples",
}


def generate_stubs(*, proto: Path, into: Path) -> None:
    """Compile the .proto files under `proto` to Python modules and type stubs under `into`.

    Raises RuntimeError where the compiler refuses.
    """
    from grpc_tools import protoc

    well_known = resources.files("grpc_tools") / "_proto"
    arguments = [
        "protoc",
        f"--proto_path={proto}",
        f"--proto_path={well_known}",
        f"--python_out={into}",
        f"--mypy_out=quiet:{into}",
        f"--grpc_python_out={into}",
        f"--mypy_grpc_out=quiet:{into}",
        *(str(path) for path in sorted(proto.rglob("*.proto"))),
    ]
    into.mkdir(parents=True, exist_ok=True)
    # protoc looks for mypy-protobuf's plugins on the PATH, where an environment that was not activated has none.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc could not compile proto/; see its messages above")
    package = into / "overscan" / "v1"
    (package / "__init__.py").write_text('"""The wire contract, generated from proto/overscan/v1."""\n')
    (package / "py.typed").touch()


class BuildWithStubs(build_py):
    """`build_py` that adds the generated package `overscan.v1`."""

    def run(self) -> None:
        """Build the packages, then the stubs beside them."""
        super().run()
        if not self.editable_mode:
            generate_stubs(proto=Path("proto"), into=Path(self.build_lib))


def packages() -> list[str]:
    """All packages under their installed names."""
    return [
        name if not sub else f"{name}.{sub}" for name, folder in FOLDERS.items() for sub in ["", *find_packages(folder)]
    ]


if __name__ == "__main__":
    setup(
        packages=packages(),
        package_dir=FOLDERS,
        include_package_data=False,
        package_data={
            "": ["py.typed"],
            "overscan.core.receipts": ["receipt.schema.json"],
            "overscan.core.report": ["pages/*"],
            "overscan.core.rights": ["cards/*.toml"],
            "overscan.examples": ["*.md", "*.yaml", "*/*.exr"],
            "overscan_resolve": ["scripts/*/*", "fusion/*"],
        },
        cmdclass={"build_py": BuildWithStubs},
    )
