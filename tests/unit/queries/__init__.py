"""Tests of the queries room that touch nothing outside the process."""
