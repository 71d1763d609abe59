"""``python -m services.dispatcher``."""

import sys

from plumbline.errors import PlumblineError
from plumbline.settings import load_settings
from services.dispatcher.app import serve


def main() -> int:
    """Run the dispatcher; 2 where the settings do not let it start."""
    try:
        serve(load_settings())
    except PlumblineError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
