"""`python -m jobs <job>` is `shoreline <job>`."""

from jobs.cli import main

if __name__ == "__main__":
    main()
