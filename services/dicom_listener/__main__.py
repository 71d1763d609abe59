"""``python -m services.dicom_listener``."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from plumbline.errors import PlumblineError
from plumbline.settings import load_settings

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_metrics() -> Iterator[None]:
    """A folder for the metrics of this process and its children together, where the site has not named one.

    The metrics' library reads the variable when it is imported, so the listener is imported after this.
    """
    if os.environ.get(METRICS_VARIABLE):
        yield
        return
    with TemporaryDirectory(prefix="plumbline-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[METRICS_VARIABLE] = folder
        yield


def main() -> int:
    """Run the listener; 2 where the settings do not let it start."""
    try:
        with shared_metrics():
            from services.dicom_listener.app import serve  # noqa: PLC0415

            serve(load_settings())
    except PlumblineError as error:
        print(error, file=sys.stderr)  # noqa: T201  the one line that whoever started it must see
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
