"""The class of a key, by what ends its use: the indexes of an environment's keys begin with it.

0: nothing; 1: an expiry, reached or not; 2: it is disabled; 3: it is revoked.
"""

#: In SQL. The migration of the indexes has the same expression.
CLASS = "iif(revoked_at is not null, 3, iif(enabled = 0, 2, expires_at is not null))"
REVOKED = 3
