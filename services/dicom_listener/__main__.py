"""``python -m services.dicom_listener``."""

import sys

from plumbline.errors import PlumblineError
from plumbline.metrics_folder import shared_metrics
from plumbline.settings import load_settings


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
