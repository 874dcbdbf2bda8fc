"""Make the database and print so many keys and one more, a line each: `python seed.py COUNT`."""

import sys

import django
from django.core.management import call_command
from django.db import transaction


def main() -> None:
    """Migrate, then issue all keys in one transaction."""
    django.setup()
    from rest_framework_api_key.models import APIKey  # noqa: PLC0415 - not before setup

    call_command("migrate", verbosity=0)
    with transaction.atomic():
        for number in range(int(sys.argv[1]) + 1):
            print(APIKey.objects.create_key(name=f"Key {number}")[1])


if __name__ == "__main__":
    main()
