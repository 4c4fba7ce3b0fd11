"""The Celery tasks and the schedule."""
