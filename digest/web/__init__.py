"""Pages for everybody and for subscribers, served by uvicorn."""
