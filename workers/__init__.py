"""Celery and APScheduler: what runs when."""
