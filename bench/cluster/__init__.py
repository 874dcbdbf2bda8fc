"""What PostgreSQL costs beside a SQLite file, with one node and with two."""
