"""The rooms that are measured, in the order in which they run, each with its heading on the page."""

ROOMS = {
    "startup": "Cold start",
    "backup": "Backup and restore",
    "lake": "Generate and export",
    "upload": "Upload",
    "queries": "Queries",
    "cleanup": "Cleanup",
    "costs": "The meter",
    "scale": "Many of everything",
}
