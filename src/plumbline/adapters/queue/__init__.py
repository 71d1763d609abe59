"""The Celery doorbell."""
