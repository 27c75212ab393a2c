"""`python -m jobs <job>` is `shoreline <job>`; so is `python -P PATH/jobs/__main__.py <job>`, in any folder."""

import sys
from pathlib import Path

if not __package__:  # run by its path: from here, whatever the working directory or PYTHONPATH hold under the same name
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jobs.cli.main import main

if __name__ == "__main__":
    main()
