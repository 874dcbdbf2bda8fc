"""All queries and changes in SQL, once for every engine: `connection` says what they need."""
