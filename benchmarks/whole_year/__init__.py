"""A year of daily issues with the real scheduler and worker, judged by the messages that go out."""
