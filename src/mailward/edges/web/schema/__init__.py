"""The nouns of the HTTP API as types: requests refuse unknown fields, answers are what the schema publishes."""
