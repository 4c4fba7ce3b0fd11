"""Intake of reports from folders, servers, a pipe and providers. A report is kept there until it is stored here."""
