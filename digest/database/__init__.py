"""The database: engine, tables, and what SQLite and PostgreSQL do differently."""
