"""The API for programs, at /api/v1: JSON, tokens with scopes, no cookies."""
