"""Pages for readers, served by uvicorn."""
