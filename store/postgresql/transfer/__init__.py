"""Copying rows between the two engines: `migrate-store`, and files of a PostgreSQL database."""
