"""Starting a local Orthanc with the project's ``orthanc/orthanc.json``: the variables that the file reads.

The file itself, with the reason of every setting that is not Orthanc's default, is in ``orthanc/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEBIAN_PLUGINS = Path("/usr/share/orthanc/plugins")
"""Where Debian's ``orthanc-dicomweb`` and ``orthanc-python`` put their libraries."""


@dataclass(frozen=True, slots=True)
class LocalArchive:
    """One Orthanc on loopback, as the demo and the integration tests start it.

    ``configuration_dir`` holds ``orthanc.json`` and ``plumbline_router.py``.
    """

    configuration_dir: Path
    storage_dir: Path
    http_port: int
    dicom_port: int
    listener_port: int
    listener_host: str = "127.0.0.1"
    listener_ae: str = "PLUMBLINE"
    ae_title: str = "ORTHANC"
    stable_age_s: int = 2
    plugins_dir: Path = DEBIAN_PLUGINS

    @property
    def url(self) -> str:
        """Root of its REST API."""
        return f"http://127.0.0.1:{self.http_port}"

    def command(self, program: str = "Orthanc") -> list[str]:
        """Command line that starts it."""
        return [program, str(self.configuration_dir / "orthanc.json")]

    def environment(self) -> dict[str, str]:
        """Values of the variables in ``orthanc.json``, to be added to the process's environment."""
        return {
            "ORTHANC_STORAGE": str(self.storage_dir),
            "ORTHANC_INDEX": str(self.storage_dir),
            "ORTHANC_TEMPORARY": str(self.storage_dir),
            "ORTHANC_HTTP_PORT": str(self.http_port),
            "ORTHANC_DICOM_PORT": str(self.dicom_port),
            "ORTHANC_AET": self.ae_title,
            "ORTHANC_STABLE_AGE": str(self.stable_age_s),
            "ORTHANC_PLUGINS": str(self.plugins_dir),
            "PLUMBLINE_AET": self.listener_ae,
            "PLUMBLINE_HOST": self.listener_host,
            "PLUMBLINE_PORT": str(self.listener_port),
            "PLUMBLINE_ROUTER": str(self.configuration_dir / "plumbline_router.py"),
        }

    def missing_parts(self) -> list[str]:
        """Debian packages to install before it can start; empty when everything is there."""
        libraries = {"libOrthancDicomWeb.so": "orthanc-dicomweb", "libOrthancPython.so": "orthanc-python"}
        return [package for name, package in libraries.items() if not (self.plugins_dir / name).exists()]
