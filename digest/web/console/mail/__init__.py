"""Messages in the console: notices to all subscribers, and previews of every kind."""
