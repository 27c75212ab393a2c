"""The frame around a job: command line, runner, results, console."""
