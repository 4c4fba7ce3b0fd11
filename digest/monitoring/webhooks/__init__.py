"""Tells other programs of events: endpoints.py, events.py, message.py, post.py and the threads of sender.py."""
